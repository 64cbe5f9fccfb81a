//! What can be read, and what is said about everything else.

use super::{App, places};
use crate::decide::NodeName;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How long a client that was told to come back should wait, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An answer that says in one line what is wrong.
pub(super) fn error(status: StatusCode, why: impl Into<String>) -> Response {
    #[derive(Serialize)]
    struct Error {
        error: String,
    }
    json(status, &Error { error: why.into() })
}

/// An answer in JSON.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    line(body).map_or_else(failed, |text| json_text(status, text.into()))
}

/// JSON, its line ended for those who read it with curl.
fn line(body: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(body).map(|text| text + "\n")
}

fn failed<E>(_: E) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// An answer that is JSON already; 503 says when to come back.
pub(super) fn json_text(status: StatusCode, text: Body) -> Response {
    let kind = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    let mut response = (status, kind, text).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

pub(super) async fn metrics(State(app): State<App>) -> Response {
    let format = HeaderValue::from_static(crate::metrics::CONTENT_TYPE);
    ([(header::CONTENT_TYPE, format)], app.metrics.encode()).into_response()
}

pub(super) async fn healthy() -> &'static str {
    "healthy\n"
}

pub(super) async fn ready(State(app): State<App>) -> Response {
    match app.desk.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => {
            let retry = [(header::RETRY_AFTER, RETRY_AFTER)];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                retry,
                format!("not ready: {why}\n"),
            )
                .into_response()
        }
    }
}

pub(super) async fn remediations(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    // A node's name never needs escaping, so what is escaped is none.
    let wanted = query
        .as_deref()
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("node=")));
    let node = match wanted.map(NodeName::parse).transpose() {
        Ok(node) => node,
        Err(why) => return error(StatusCode::BAD_REQUEST, format!("node: the name {why}")),
    };
    let place = match app.pages.take().await {
        Ok(place) => place,
        Err((status, why)) => return error(status, why),
    };
    line(&app.desk.status(node.as_ref())).map_or_else(failed, |text| {
        places::json(StatusCode::OK, text, Some(place))
    })
}

pub(super) async fn not_found() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "no such page; there are /webhook, /metrics, /api/v1/remediations, /-/healthy and /-/ready",
    )
}

pub(super) async fn only_probes() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "no such page here; there are /-/healthy and /-/ready",
    )
}

pub(super) async fn method_not_allowed() -> Response {
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "this page can only be read: use GET",
    )
}
