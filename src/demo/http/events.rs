//! Events: two forms of one thing, and what the API server asks of them.
//!
//! After `ValidateEventCreate` and `ValidateEventUpdate` of `pkg/apis/core/validation/events.go`.

use serde_json::{Value, json};

use super::call::Call;
use super::failure::Failure;
use super::resources::Resource;

/// The fields that are called otherwise in the core group.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("deprecatedSource", "source"),
];

/// From the form in which Events are kept to that of the core group.
pub(super) fn to_core(event: &mut Value) {
    event["apiVersion"] = json!("v1");
    rename(event, |(new, core)| (new, core));
    for field in ["reportingComponent", "reportingInstance"] {
        if event[field].is_null() {
            event[field] = json!("");
        }
    }
}

/// And back.
pub(super) fn from_core(event: &mut Value) {
    event["apiVersion"] = json!("events.k8s.io/v1");
    rename(event, |(new, core)| (core, new));
    if let Some(event) = event.as_object_mut() {
        event.retain(|_, field| field != "");
    }
}

fn rename(
    event: &mut Value,
    way: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(event) = event.as_object_mut() else {
        return;
    };
    for (old, new) in NAMES.map(way) {
        if let Some(field) = event.remove(old) {
            event.insert(new.to_owned(), field);
        }
    }
}

/// What the server asks of a new Event, in the form in which it is kept.
pub(super) fn check_new(call: &Call, event: &Value) -> Result<(), Failure> {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let name = event["metadata"]["name"].as_str().unwrap_or_default();
    let refuse = |cause: &str, field: &str, words: &str| {
        Err(Failure::invalid(call, name, cause, field, words))
    };
    let invalid = |field: &str, words: &str| refuse("FieldValueInvalid", field, words);
    let namespace = event["metadata"]["namespace"].as_str().unwrap_or_default();
    let of = event["regarding"]["namespace"].as_str().unwrap_or_default();
    // Without a time it is an Event of the old kind.
    let old = event["eventTime"].is_null();
    let astray = match (of, old) {
        ("", true) => namespace != "default",
        ("", false) => namespace != "default" && namespace != "kube-system",
        (of, true) => of != namespace,
        (_, false) => false,
    };
    if astray {
        let words = format!("Invalid value: \"{of}\": does not match event.namespace");
        return invalid("involvedObject.namespace", &words);
    }
    if !old {
        let controller = match call.resource {
            Resource::CoreEvents => "reportingComponent",
            _ => "reportingController",
        };
        if !is_qualified(text("reportingController")) {
            let words = format!(
                "Invalid value: \"{}\": {QUALIFIED}",
                text("reportingController")
            );
            return invalid(controller, &words);
        }
        for field in ["reportingInstance", "action", "reason"] {
            if text(field).is_empty() {
                return refuse("FieldValueRequired", field, "Required value");
            }
            if text(field).len() > 128 {
                let words = "Invalid value: \"\": can have at most 128 characters";
                return invalid(field, words);
            }
        }
        if text("note").len() > 1024 {
            let words = "Invalid value: \"\": can have at most 1024 characters";
            return invalid("message", words);
        }
    }
    if call.resource == Resource::CoreEvents {
        return Ok(());
    }
    if old {
        return refuse("FieldValueRequired", "eventTime", "Required value");
    }
    if !matches!(text("type"), "Normal" | "Warning") {
        let words = format!("Invalid value: \"\": has invalid value: {}", text("type"));
        return invalid("type", &words);
    }
    Ok(())
}

/// Of an Event of the new kind only its series may change.
pub(super) fn check_change(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    const FIXED: [(&str, &str); 10] = [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedCount", "count"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
        ("action", "action"),
        ("type", "type"),
        ("related", "related"),
    ];
    if call.resource == Resource::CoreEvents || old["eventTime"].is_null() {
        return Ok(());
    }
    for (field, shown) in FIXED {
        if old[field] != new[field] {
            let words = format!("Invalid value: {}: field is immutable", new[field]);
            let cause = "FieldValueInvalid";
            return Err(Failure::invalid(call, &call.name, cause, shown, &words));
        }
    }
    Ok(())
}

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// A name as labels have them, perhaps with a domain before it.
fn is_qualified(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default().as_bytes();
    let ends = [name.first(), name.last()];
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    ends.iter()
        .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && name.iter().all(inner)
}
