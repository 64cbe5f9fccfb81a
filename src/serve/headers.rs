//! What every answer says to a browser: a page that runs no foreign script, in no foreign frame, kept
//! nowhere. `http_server_config.headers` has the last word.

use super::web_config::Live;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::BTreeMap;

const DEFAULT: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "deny"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// What may be configured, with the values it may have where only some make sense: the toolkit's list.
const CONFIGURABLE: [(HeaderName, &[&str]); 5] = [
    (STRICT_TRANSPORT_SECURITY, &[]),
    (X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    (X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    (X_XSS_PROTECTION, &[]),
    (CONTENT_SECURITY_POLICY, &[]),
];

/// What is added to every answer.
#[derive(Debug)]
pub(super) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// The defaults, and instead of them what the file says; an empty value takes one away.
    ///
    /// # Errors
    /// One line that names the header.
    pub(super) fn new(configured: &BTreeMap<String, String>) -> Result<Self, String> {
        let defaults = DEFAULT.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let mut headers = Vec::from(defaults);
        for (name, value) in configured {
            // As in the toolkit: written as there, since Go's map keys are.
            let known = CONFIGURABLE
                .iter()
                .find(|(known, _)| known.as_str().eq_ignore_ascii_case(name));
            let Some((known, values)) = known else {
                return Err(format!(
                    "headers: {} cannot be configured; there are Content-Security-Policy, \
                     X-Frame-Options, X-Content-Type-Options, X-XSS-Protection and \
                     Strict-Transport-Security",
                    crate::decide::quoted(name)
                ));
            };
            headers.retain(|(name, _)| name != known);
            if value.is_empty() {
                continue;
            }
            let expected = |what: &str| format!("headers: {name}: expected {what}");
            if !values.is_empty() && !values.contains(&value.as_str()) {
                return Err(expected(&values.join(" or ")));
            }
            let value = HeaderValue::from_str(value).map_err(|_| expected("visible ASCII"))?;
            headers.push((known.clone(), value));
        }
        Ok(Self(headers))
    }
}

/// Around every answer.
pub(super) async fn add(State(live): State<Live>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in &live.now().headers.0 {
        response.headers_mut().insert(name, value.clone());
    }
    response
}
