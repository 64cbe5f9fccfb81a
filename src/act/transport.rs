//! One request to the API server: under a timeout, of bounded size, counted, with its `Date`.

use super::clock::Clock;
use super::error::ApiError;
use crate::decide::{one_line, why_unreadable};
use crate::metrics::{Call, Metrics};
use http::header::{HeaderValue, USER_AGENT};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use kube::client::Body;
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;

/// How long a read may take: longer, and its answer would be too old to act on.
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a write may take: admission webhooks may take their time.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer taken in: a Table of 100,000 nodes is about 13 MB.
const MAX_ANSWER: usize = 32 << 20;

/// How the API server's audit log names this program.
const AGENT: &str = concat!("nodefall/", env!("CARGO_PKG_VERSION"));

/// The longest of the server's own words that are passed on.
const MAX_MESSAGE: usize = 1024;

/// An answer of the API server that is not an error.
pub struct Received<T> {
    /// The body.
    pub body: T,
    /// The server's clock.
    pub date: Option<Timestamp>,
}

/// The connection to the API server. Retries are the caller's.
#[derive(Clone)]
pub struct Transport {
    client: kube::Client,
    metrics: Metrics,
    clock: Clock,
}

impl Transport {
    /// Over `client`, whose own retries must be off.
    pub fn new(client: kube::Client, metrics: Metrics, clock: Clock) -> Self {
        Self {
            client,
            metrics,
            clock,
        }
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// Whatever is not a 2xx with a body of the type that was asked for, within `timeout`.
    pub async fn send<T: DeserializeOwned>(
        &self,
        call: Call,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Received<T>, ApiError> {
        let started = self.clock.running();
        let answer = tokio::time::timeout(timeout, self.exchange(request)).await;
        let result = answer.unwrap_or(Err(ApiError::Timeout(timeout)));
        self.metrics
            .api_request(call, self.clock.running().saturating_sub(started));
        if let Err(error) = &result
            && !is_expected(call, error)
        {
            self.metrics.api_error(call, error.reason());
            let (verb, resource) = (call.verb(), call.resource());
            tracing::debug!(verb, resource, %error, "API call failed");
        }
        result
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        mut request: http::Request<Vec<u8>>,
    ) -> Result<Received<T>, ApiError> {
        // So that an audit log tells who it was.
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let answer = self
            .client
            .send(request.map(Body::from))
            .await
            .map_err(connect)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|e| ApiError::Connect(chain(&*e)))?.to_bytes();
        if !head.status.is_success() {
            return Err(status(&head, &body));
        }
        let date = head
            .headers
            .get(http::header::DATE)
            .and_then(|v| v.to_str().ok());
        let date = date.and_then(|v| DateTimeParser::new().parse_timestamp(v).ok());
        match serde_json::from_slice(&body) {
            Ok(body) => Ok(Received { body, date }),
            Err(error) => Err(ApiError::Decode(why_unreadable(&error))),
        }
    }
}

/// True for the answers by which the API says that an object is gone, or another one.
fn is_expected(call: Call, error: &ApiError) -> bool {
    matches!(
        (call.verb(), error.code()),
        ("get" | "delete" | "patch", Some(404)) | ("delete", Some(409))
    )
}

/// The API server's error object, as far as we read it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

fn status(head: &http::response::Parts, body: &[u8]) -> ApiError {
    let status = serde_json::from_slice::<Status>(body).unwrap_or_default();
    let seconds = head
        .headers
        .get(http::header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok());
    let seconds = seconds
        .and_then(|v| v.parse().ok())
        .or_else(|| status.details.and_then(|d| d.retry_after_seconds));
    let message = match status.message.is_empty() {
        true => head
            .status
            .canonical_reason()
            .unwrap_or("no message")
            .to_owned(),
        false => one_line(&status.message, MAX_MESSAGE),
    };
    ApiError::Status {
        code: head.status.as_u16(),
        message,
        retry_after: seconds.map(Duration::from_secs),
    }
}

fn connect(error: kube::Error) -> ApiError {
    ApiError::Connect(chain(&error))
}

/// An error with its causes: the outermost alone says only "client error (Connect)".
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    one_line(&text, MAX_MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use serde::de::IgnoredAny;
    use serde_json::json;

    /// What comes of the answer to one request.
    async fn send(status: StatusCode, body: String) -> Result<(), ApiError> {
        let answer = move || std::future::ready((status, body.clone()));
        let client = kube::Client::new(axum::Router::new().fallback(answer), "default");
        let transport = Transport::new(client, Metrics::new(), Clock::system());
        let request = http::Request::new(Vec::new());
        let sent = transport.send::<IgnoredAny>(Call::GetNode, request, READ_TIMEOUT);
        sent.await.map(|_| ())
    }

    #[tokio::test]
    async fn an_answer_of_more_than_32_mib_is_not_taken_in() {
        for (more, taken) in [(0, true), (1, false)] {
            let body = format!("{{}}{}", " ".repeat((32 << 20) - 2 + more));
            let sent = send(StatusCode::OK, body).await;
            assert_eq!(sent.is_ok(), taken, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn the_servers_own_words_are_cut_and_stay_on_one_line() {
        let words = format!("no\n{}", "x".repeat(5000));
        let body = json!({"message": words}).to_string();
        let sent = send(StatusCode::FORBIDDEN, body).await;
        let Err(ApiError::Status { message, .. }) = sent else {
            panic!("{sent:?}")
        };
        assert_eq!(message.len(), 1024 + "…".len());
        assert!(message.starts_with("no x"), "{message}");
    }
}
