//! Access reviews: what the caller may do.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::call::Call;
use super::failure::Failure;
use super::json_response;
use super::objects::body_of;
use crate::demo::cluster::State;

/// Answers a SelfSubjectAccessReview.
pub(super) fn review(state: &State, call: &Call) -> Result<Response, Failure> {
    let mut review = body_of(call)?;
    let asked = &review["spec"]["resourceAttributes"];
    let verb = asked["verb"].as_str().unwrap_or_default().to_owned();
    let mut resource = asked["resource"].as_str().unwrap_or_default().to_owned();
    if let Some(sub) = asked["subresource"].as_str().filter(|sub| !sub.is_empty()) {
        resource = format!("{resource}/{sub}");
    }
    // A right that is granted by name only shows to whom asks for the name.
    let by_name = asked["name"].as_str().is_some_and(|name| !name.is_empty());
    let shown =
        state.access.shows(&verb, &resource) || by_name && state.access.allows(&verb, &resource);
    review["kind"] = json!("SelfSubjectAccessReview");
    review["apiVersion"] = json!("authorization.k8s.io/v1");
    review["status"] = match shown {
        true => json!({ "allowed": true, "reason": "RBAC: allowed by the simulation" }),
        false => json!({ "allowed": false }),
    };
    Ok(json_response(
        StatusCode::CREATED,
        review.to_string().into_bytes(),
    ))
}
