//! `POST /webhook`: what Alertmanager says, alert by alert.

use super::{App, body, pages, places};
use crate::act::Suspected;
use crate::decide::{
    Alert, AlertResult, AlertStatus, Ignored, NodeName, Payload, Reading, read_payload,
};
use crate::metrics::Metrics;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// How many alerts of one notification that are refused, or find no room, get a line of their own in
/// the log.
const UNWANTED_LOGGED: usize = 20;

/// So many alerts make no long answer.
const FEW: usize = 32;

/// What is said about one alert.
#[derive(Serialize)]
struct AlertAnswer {
    /// Its place in the notification, from 0.
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeName>,
    result: AlertResult,
    reason: String,
    /// Where to read on about the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    see: Option<String>,
}

impl AlertAnswer {
    fn is_unwanted(&self) -> bool {
        matches!(self.result, AlertResult::Refused | AlertResult::NoRoom)
    }
}

/// Counts every answer, refusals of strangers included.
pub(super) async fn count(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    metrics.webhook(response.status().as_u16(), started.elapsed());
    response
}

pub(super) async fn handle(State(app): State<App>, request: Request) -> Response {
    if request.method() != Method::POST {
        let why = "Alertmanager's notifications come by POST";
        let mut response = pages::error(StatusCode::METHOD_NOT_ALLOWED, why);
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    match answer_to(&app, request.into_body()).await {
        Ok(response) => response,
        Err((status, why)) => pages::error(status, why),
    }
}

async fn answer_to(app: &App, body: Body) -> Result<Response, (StatusCode, String)> {
    let body::Placed { bytes, mut place } = body::read(body, app.bounds, &app.bodies).await?;
    let payload = read_payload(&bytes);
    // However short alerts are, many of them make a long answer.
    let many = payload.as_ref().is_ok_and(|payload| payload.count() > FEW);
    if many && place.is_none() {
        place = Some(app.bodies.take().await?);
    }
    // From here on nothing waits, so a client that hangs up cancels nothing.
    if let Err(why) = app.desk.readiness() {
        return Err((StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}")));
    }
    match payload {
        Ok(payload) => {
            let (status, text) = take(app, &payload);
            Ok(places::json(status, text, place))
        }
        Err(why) => {
            tracing::warn!(reason = %why, "a notification is refused");
            Err((StatusCode::BAD_REQUEST, why.to_string()))
        }
    }
}

/// Hands each alert in, and answers alert by alert: the status, and JSON that is written as it goes
/// along, since of 20,000 answers only the text should be in memory.
fn take(app: &App, payload: &Payload<'_>) -> (StatusCode, String) {
    let mut text = r#"{"alerts":["#.to_owned();
    let mut results = BTreeSet::new();
    let mut unwanted = 0;
    for (index, alert) in payload.alerts().enumerate() {
        let status = alert.as_ref().map_or(AlertStatus::Other, Alert::status);
        let answer = take_one(app, index, alert);
        app.metrics.alert(status, answer.result);
        unwanted += usize::from(answer.is_unwanted());
        if !answer.is_unwanted() || unwanted <= UNWANTED_LOGGED {
            log(&answer);
        }
        if index > 0 {
            text.push(',');
        }
        // Strings and numbers always make JSON.
        text += &serde_json::to_string(&answer).unwrap_or_default();
        results.insert(answer.result);
    }
    if unwanted > UNWANTED_LOGGED {
        let count = unwanted - UNWANTED_LOGGED;
        tracing::warn!(count, "more alerts of this notification are not taken");
    }
    text.push(']');
    if payload.truncated() > 0 {
        let count = payload.truncated();
        tracing::warn!(
            count,
            "Alertmanager left alerts out of a notification: raise max_alerts"
        );
        text += &format!(r#","truncatedAlerts":{count}"#);
    }
    (status(&results), text + "}\n")
}

fn take_one(app: &App, index: usize, alert: Result<Alert, String>) -> AlertAnswer {
    let fingerprint = alert
        .as_ref()
        .ok()
        .and_then(Alert::fingerprint)
        .map(str::to_owned);
    let reading = alert.map_or_else(Reading::Refused, |alert| app.alerts.read(&alert));
    let (node, result, reason) = match reading {
        Reading::Firing { node, key } => {
            let (result, reason) = match app.desk.suspect(node.clone(), key) {
                Suspected::New => (AlertResult::Taken, "its node is a suspect now"),
                Suspected::Joined => (AlertResult::Joined, "its node is a suspect already"),
                Suspected::NoRoom => (AlertResult::NoRoom, "there are too many suspects"),
            };
            (Some(node), result, reason.to_owned())
        }
        Reading::Resolved { node, key } => {
            let (result, reason) = if app.desk.resolve(&node, &key) {
                (
                    AlertResult::Resolved,
                    "the suspicion that it raised is lifted",
                )
            } else {
                app.metrics.ignored(Ignored::NoSuspicion);
                (
                    AlertResult::Ignored,
                    "it is resolved, and had raised no suspicion",
                )
            };
            (Some(node), result, reason.to_owned())
        }
        Reading::Ignored(reason, why) => {
            app.metrics.ignored(reason);
            (None, AlertResult::Ignored, why)
        }
        Reading::Refused(why) => (None, AlertResult::Refused, why),
    };
    let in_hand = matches!(result, AlertResult::Taken | AlertResult::Joined);
    let see = node.as_ref().filter(|_| in_hand);
    let see = see.map(|node| format!("/api/v1/remediations?node={node}"));
    AlertAnswer {
        index,
        fingerprint,
        node,
        result,
        reason,
        see,
    }
}

/// What was decided. Fields are written escaped, and what an alert brought is short by now.
fn log(answer: &AlertAnswer) {
    let AlertAnswer { index, result, .. } = *answer;
    let node = answer.node.as_ref().map(NodeName::as_str);
    let (fingerprint, reason) = (answer.fingerprint.as_deref(), answer.reason.as_str());
    match result {
        AlertResult::Taken | AlertResult::Resolved => {
            tracing::info!(
                node,
                fingerprint,
                index,
                result = result.as_str(),
                reason,
                "alert"
            );
        }
        AlertResult::Joined | AlertResult::Ignored => {
            tracing::debug!(
                node,
                fingerprint,
                index,
                result = result.as_str(),
                reason,
                "alert"
            );
        }
        AlertResult::Refused | AlertResult::NoRoom => {
            tracing::warn!(
                node,
                fingerprint,
                index,
                result = result.as_str(),
                reason,
                "alert"
            );
        }
    }
}

/// Alertmanager sends a notification again only after 5xx: so that what found no room comes back,
/// that goes before all else.
fn status(results: &BTreeSet<AlertResult>) -> StatusCode {
    let any = |wanted: &[AlertResult]| wanted.iter().any(|result| results.contains(result));
    if any(&[AlertResult::NoRoom]) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if any(&[AlertResult::Taken, AlertResult::Joined]) {
        StatusCode::ACCEPTED
    } else if any(&[AlertResult::Refused]) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    }
}
