//! `POST /webhook`: what Alertmanager says, alert by alert.

use super::{App, body, pages};
use crate::act::Suspected;
use crate::decide::{Alert, AlertResult, AlertStatus, NodeName, Reading, read_payload};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tokio::time::Instant;

/// How many refused alerts of one notification get a line of their own in the log.
const REFUSALS_LOGGED: usize = 20;

/// What is said about a whole notification.
#[derive(Serialize)]
struct Answer {
    alerts: Vec<AlertAnswer>,
    /// Alerts that Alertmanager left out, because `max_alerts` is set.
    #[serde(rename = "truncatedAlerts", skip_serializing_if = "is_zero")]
    truncated: u64,
}

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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub(super) async fn handle(State(app): State<App>, request: Request) -> Response {
    let started = Instant::now();
    let response = answer(&app, request).await;
    app.metrics
        .webhook(response.status().as_u16(), started.elapsed());
    response
}

async fn answer(app: &App, request: Request) -> Response {
    if request.method() != Method::POST {
        let why = "Alertmanager's notifications come by POST";
        let mut response = pages::error(StatusCode::METHOD_NOT_ALLOWED, why);
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let body = request.into_body();
    let body = match body::read(body, app.bounds, &app.places, &app.waiting).await {
        Ok(body) => body,
        Err((status, why)) => return pages::error(status, why),
    };
    // From here on nothing waits, so a client that hangs up cancels nothing.
    if let Err(why) = app.desk.readiness() {
        return pages::error(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}"));
    }
    match take(app, &body.bytes) {
        Ok(answer) => pages::json(status(&answer.alerts), &answer),
        Err(why) => {
            tracing::warn!(reason = why, "a notification is refused");
            pages::error(StatusCode::BAD_REQUEST, why)
        }
    }
}

/// Hands each alert in.
fn take(app: &App, body: &[u8]) -> Result<Answer, String> {
    let payload = read_payload(body).map_err(|error| error.to_string())?;
    if payload.truncated() > 0 {
        let count = payload.truncated();
        tracing::warn!(
            count,
            "Alertmanager left alerts out of a notification: raise max_alerts"
        );
    }
    let mut refused = 0;
    let mut alerts = Vec::new();
    for (index, alert) in payload.alerts().enumerate() {
        let status = alert.as_ref().map_or(AlertStatus::Other, Alert::status);
        let answer = take_one(app, index, alert);
        app.metrics.alert(status, answer.result);
        if answer.result == AlertResult::Refused {
            refused += 1;
        }
        if answer.result != AlertResult::Refused || refused <= REFUSALS_LOGGED {
            log(&answer);
        }
        alerts.push(answer);
    }
    if refused > REFUSALS_LOGGED {
        let count = refused - REFUSALS_LOGGED;
        tracing::warn!(count, "more alerts of this notification are refused");
    }
    Ok(Answer {
        alerts,
        truncated: payload.truncated(),
    })
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
                (
                    AlertResult::Ignored,
                    "it is resolved, and had raised no suspicion",
                )
            };
            (Some(node), result, reason.to_owned())
        }
        Reading::Ignored(why) => (None, AlertResult::Ignored, why),
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
fn status(alerts: &[AlertAnswer]) -> StatusCode {
    let any = |results: &[AlertResult]| alerts.iter().any(|alert| results.contains(&alert.result));
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
