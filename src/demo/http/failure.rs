//! The API server's error answers, in its own words.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::call::Call;

/// An answer of kind Status that is no success.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) details: Value,
    pub(super) retry_after: Option<u32>,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: String, details: Value) -> Self {
        Self {
            code,
            reason,
            message,
            details,
            retry_after: None,
        }
    }

    /// There is no object of that name.
    pub(super) fn not_found(call: &Call) -> Self {
        let message = format!("{} \"{}\" not found", call.qualified(), call.name);
        Self::new(
            404,
            "NotFound",
            message,
            details(call, &call.name, call.plural),
        )
    }

    /// There is no such resource.
    pub(super) fn no_resource() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self::new(404, "NotFound", message, json!({}))
    }

    /// The object is there already.
    pub(super) fn already_exists(call: &Call, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", call.qualified());
        Self::new(
            409,
            "AlreadyExists",
            message,
            details(call, name, call.plural),
        )
    }

    /// A precondition of a delete does not hold: here the server names the kind, not the resource.
    pub(super) fn precondition(call: &Call, words: &str) -> Self {
        let kind = match call.group {
            "" => call.kind.to_owned(),
            group => format!("{}.{group}", call.kind),
        };
        let message = format!(
            "Operation cannot be fulfilled on {kind} \"{}\": {words}",
            call.name
        );
        Self::new(
            409,
            "Conflict",
            message,
            details(call, &call.name, call.kind),
        )
    }

    /// The object was changed since it was read.
    pub(super) fn stale(call: &Call) -> Self {
        Self::conflict(
            call,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        )
    }

    /// A write does not fit what is stored.
    pub(super) fn conflict(call: &Call, words: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": {words}",
            call.qualified(),
            call.name
        );
        Self::new(
            409,
            "Conflict",
            message,
            details(call, &call.name, call.plural),
        )
    }

    /// A field has a value that it may not have.
    pub(super) fn invalid(call: &Call, name: &str, cause: &str, field: &str, words: &str) -> Self {
        // Events are checked as what they are in the core group, whatever they came as.
        let group = match call.kind {
            "Event" => "",
            _ => call.group,
        };
        let kind = match group {
            "" => call.kind.to_owned(),
            group => format!("{}.{group}", call.kind),
        };
        let message = format!("{kind} \"{name}\" is invalid: {field}: {words}");
        let mut details = details(call, name, call.kind);
        if group.is_empty()
            && let Some(details) = details.as_object_mut()
        {
            details.remove("group");
        }
        details["causes"] = json!([{ "reason": cause, "message": words, "field": field }]);
        Self::new(422, "Invalid", message, details)
    }

    /// A part of the spec was changed that has to stay as it is.
    pub(super) fn forbidden_change(call: &Call, words: &str) -> Self {
        Self::invalid(call, &call.name, "FieldValueForbidden", "spec", words)
    }

    /// The options of a delete are none.
    pub(super) fn options(field: &str, words: &str) -> Self {
        let message = format!("DeleteOptions.meta.k8s.io \"\" is invalid: {field}: {words}");
        let causes =
            json!([{ "reason": "FieldValueNotSupported", "message": words, "field": field }]);
        let details = json!({ "group": "meta.k8s.io", "kind": "DeleteOptions", "causes": causes });
        Self::new(422, "Invalid", message, details)
    }

    /// The right is missing.
    pub(super) fn forbidden(call: &Call) -> Self {
        const USER: &str = "system:serviceaccount:monitoring:nodefall";
        let scope = match call.namespace.as_deref() {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let named = match call.name.as_str() {
            "" => call.qualified(),
            name => format!("{} \"{name}\"", call.qualified()),
        };
        let message = format!(
            "{named} is forbidden: User \"{USER}\" cannot {} resource \"{}\" in API group \"{}\" \
             {scope}",
            call.verb,
            call.full_resource(),
            call.group
        );
        Self::new(
            403,
            "Forbidden",
            message,
            details(call, &call.name, call.plural),
        )
    }

    /// The request makes no sense.
    pub(super) fn bad_request(message: String) -> Self {
        Self::new(400, "BadRequest", message, Value::Null)
    }

    /// The body is of a type that is not read there.
    pub(super) fn unsupported_media(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message, Value::Null)
    }

    /// What a patch makes of an object is no such object.
    pub(super) fn patch(why: &str) -> Self {
        let words = format!("Invalid value: {why}");
        let message = format!(" \"\" is invalid: patch: {words}");
        let causes = json!([{ "reason": "FieldValueInvalid", "message": words, "field": "patch" }]);
        Self::new(422, "Invalid", message, json!({ "causes": causes }))
    }

    /// An operation of a JSON patch fails.
    pub(super) fn operations() -> Self {
        let message = "the server rejected our request due to an error in our request".to_owned();
        Self::new(422, "Invalid", message, json!({}))
    }

    /// A patch is of a type that is not read.
    pub(super) fn unsupported_patch() -> Self {
        let message = "415: Unsupported Media Type".to_owned();
        Self::new(415, "UnsupportedMediaType", message, json!({}))
    }

    /// There is no namespace of that name.
    pub(super) fn no_namespace(name: &str) -> Self {
        let message = format!("namespaces \"{name}\" not found");
        let details = json!({ "name": name, "kind": "namespaces" });
        Self::new(404, "NotFound", message, details)
    }

    /// The method is not served there.
    pub(super) fn method() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self::new(405, "MethodNotAllowed", message, json!({}))
    }

    /// What an injected fault answers with.
    pub(super) fn injected(code: u16, retry_after: Option<u32>, call: &Call) -> Self {
        let (reason, message) = match code {
            403 => ("Forbidden", "denied request: injected"),
            409 => (
                "Conflict",
                "the object has been modified; please apply your changes to the latest version \
                 and try again",
            ),
            422 => ("Invalid", "denied request: injected"),
            429 => (
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            ),
            503 => (
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            504 => ("Timeout", "the request timed out"),
            _ => (
                "InternalError",
                "an error on the server has prevented the request from succeeding",
            ),
        };
        let mut details = details(call, &call.name, call.plural);
        if let Some(seconds) = retry_after {
            details["retryAfterSeconds"] = json!(seconds);
        }
        Self {
            retry_after,
            ..Self::new(code, reason, message.to_owned(), details)
        }
    }
}

pub(super) fn details(call: &Call, name: &str, kind: &str) -> Value {
    let mut details = json!({ "kind": kind });
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !call.group.is_empty() {
        details["group"] = json!(call.group);
    }
    details
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details;
        }
        let mut response = Response::new(Body::from(status.to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        response
    }
}
