//! Whose token is it? Only the API server knows.

use super::api::{Api, create};
use super::error::ApiError;
use super::transport::READ_TIMEOUT;
use crate::metrics::Call;
use serde::Deserialize;
use serde_json::json;

/// Asks the API server about tokens, and nothing else: what the front door is given.
#[derive(Clone)]
pub struct TokenReviews(Api);

impl TokenReviews {
    /// Over these calls.
    pub(super) fn new(api: Api) -> Self {
        Self(api)
    }

    /// The name of the user whose token this is, such as `system:serviceaccount:NAMESPACE:NAME`; none
    /// where the API server does not know it, or not for this audience.
    ///
    /// # Errors
    /// See [`ApiError`]: the API server did not say. Nothing of the token is in it.
    pub async fn review(&self, token: &str, audience: &str) -> Result<Option<String>, ApiError> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let request = create(path, review.to_string().into_bytes())?;
        let sent = self
            .0
            .transport
            .send::<Review>(Call::ReviewToken, request, READ_TIMEOUT);
        let status = sent.await?.body.status;
        // An API server that does not know audiences names none: the token is for itself then.
        let ours = status.audiences.iter().any(|named| named == audience);
        let known = status.authenticated && ours && !status.user.username.is_empty();
        Ok(known.then_some(status.user.username))
    }
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{Clock, Transport};
    use crate::metrics::Metrics;
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode};
    use serde_json::Value;
    use std::sync::{Arc, Mutex};

    /// The answer to one review, and what was asked.
    async fn ask(code: StatusCode, answer: Value) -> (Result<Option<String>, ApiError>, Value) {
        let asked = Arc::new(Mutex::new(Value::Null));
        let note = asked.clone();
        let server = axum::Router::new().fallback(move |request: Request<Body>| async move {
            let line = format!("{} {}", request.method(), request.uri());
            let body = to_bytes(request.into_body(), 1 << 20)
                .await
                .expect("a body");
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            *note.lock().expect("no panic") = json!([line, body]);
            (code, answer.to_string())
        });
        let client = kube::Client::new(server, "default");
        let api = Api::new(Transport::new(client, Metrics::new(), Clock::system()));
        let answer = TokenReviews::new(api).review("a.b.c", "nodefall").await;
        let asked = asked.lock().expect("no panic").clone();
        (answer, asked)
    }

    #[tokio::test]
    async fn only_an_authenticated_token_of_our_audience_has_a_user() {
        let name = "system:serviceaccount:monitoring:alertmanager-main";
        let user = json!({"username": name, "uid": "u", "groups": ["g"]});
        for (status, known) in [
            (
                json!({"authenticated": true, "user": user, "audiences": ["nodefall"]}),
                true,
            ),
            (
                json!({"authenticated": true, "user": user, "audiences": ["a", "nodefall"]}),
                true,
            ),
            (
                json!({"authenticated": true, "user": user, "audiences": ["a"]}),
                false,
            ),
            (
                json!({"authenticated": true, "user": user, "audiences": []}),
                false,
            ),
            (json!({"authenticated": true, "user": user}), false),
            (
                json!({"authenticated": true, "audiences": ["nodefall"]}),
                false,
            ),
            (
                json!({"authenticated": false, "user": user, "audiences": ["nodefall"]}),
                false,
            ),
            (json!({"user": user, "audiences": ["nodefall"]}), false),
            (
                json!({"error": "[invalid bearer token]", "user": {}}),
                false,
            ),
            (json!({}), false),
        ] {
            let (answer, asked) = ask(StatusCode::CREATED, json!({"status": status})).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.as_deref(), known.then_some(name), "{status}");
            assert_eq!(
                asked[0],
                "POST /apis/authentication.k8s.io/v1/tokenreviews?"
            );
            let spec = json!({"token": "a.b.c", "audiences": ["nodefall"]});
            assert_eq!(asked[1]["spec"], spec);
        }
    }

    #[tokio::test]
    async fn what_was_not_said_is_an_error() {
        for code in [403, 429, 500] {
            let code = StatusCode::from_u16(code).expect("a code");
            let (answer, _) = ask(code, json!({"message": "no"})).await;
            let error = answer.expect_err("no answer");
            assert_eq!(error.code(), Some(code.as_u16()));
            assert!(!error.to_string().contains("a.b.c"));
        }
        let (answer, _) = ask(StatusCode::CREATED, json!("odd")).await;
        assert!(matches!(answer, Err(ApiError::Decode(_))), "{answer:?}");
    }
}
