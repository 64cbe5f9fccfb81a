//! What must be true of a cluster before anything is touched, asked of the JSON as it came and
//! written without the code that is judged.

use super::NODE;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;

/// A DNS-1123 subdomain: what may stand in the path of a request.
pub fn is_name(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.split('.').all(is_dns_label)
}

/// A DNS-1123 label of at most 63 characters: a namespace's name.
pub fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_label(text)
}

fn is_dns_label(text: &str) -> bool {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    !text.is_empty() && text.chars().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
}

/// The doubt that a pod of an old Kubernetes may dispel.
pub const NO_TAINT: &str = "it carries no taint";

/// Why the node must not be taken for gone; `lease` is none where there is no such object. Without
/// one the heartbeat tells.
pub fn node_speaks_for_itself(
    node: &Value,
    lease: Option<&Value>,
    now: Timestamp,
) -> Option<&'static str> {
    if node["metadata"]["name"] != NODE {
        return Some("it is another node");
    }
    let mut ready = items(&node["status"]["conditions"])
        .filter(|c| c["type"] == "Ready")
        .peekable();
    if ready.peek().is_none() || ready.any(|c| c["status"] != "Unknown") {
        return Some("Ready is not Unknown");
    }
    let is_fresh = match lease {
        Some(lease) => lease_is_fresh(lease, now),
        None => heartbeat_is_fresh(node, now),
    };
    if is_fresh {
        return Some("its kubelet may be alive");
    }
    let is_mark =
        |t: &Value| t["key"] == "node.kubernetes.io/unreachable" && t["effect"] == "NoExecute";
    let is_marked = items(&node["spec"]["taints"]).any(is_mark);
    (!is_marked).then_some(NO_TAINT)
}

/// A heartbeat less than 6 minutes ago, or none.
fn heartbeat_is_fresh(node: &Value, now: Timestamp) -> bool {
    let ready = items(&node["status"]["conditions"]).find(|c| c["type"] == "Ready");
    let beat = ready.and_then(|c| time(&c["lastHeartbeatTime"]));
    let is_old = |beat| now.duration_since(beat) >= SignedDuration::from_mins(6);
    !beat.is_some_and(is_old)
}

/// A Lease that anybody wrote within its duration, or that does not say when.
fn lease_is_fresh(lease: &Value, now: Timestamp) -> bool {
    let seconds = match &lease["spec"]["leaseDurationSeconds"] {
        Value::Null => 40,
        seconds => seconds.as_i64().unwrap_or(0),
    };
    let writes: Vec<_> = items(&lease["metadata"]["managedFields"])
        .filter_map(|f| time(&f["time"]))
        .collect();
    let last = writes
        .into_iter()
        .max()
        .or_else(|| time(&lease["spec"]["renewTime"]));
    let is_old = |last| now.duration_since(last) >= SignedDuration::from_secs(seconds);
    lease["metadata"]["name"] != NODE || seconds <= 0 || !last.is_some_and(is_old)
}

/// True for a Table that shows another node as Ready, and no more than one that is not.
pub fn fleet_is_calm(table: &Value) -> bool {
    let column = |name: &str| items(&table["columnDefinitions"]).position(|c| c["name"] == name);
    let (Some(name), Some(status)) = (column("Name"), column("Status")) else {
        return false;
    };
    let rows = || items(&table["rows"]).map(|row| (&row["cells"][name], &row["cells"][status]));
    let ready = |status: &Value| {
        status
            .as_str()
            .is_some_and(|s| s == "Ready" || s.starts_with("Ready,"))
    };
    let lost = rows().filter(|(_, status)| !ready(status)).count();
    lost <= 1.max(rows().count() * 49 / 100)
        && rows().any(|(name, status)| *name != NODE && ready(status))
        && !rows().any(|(name, status)| *name == NODE && ready(status))
}

/// Why the pod must not be touched. The names are those of [`super::settings`].
pub fn pod_is_protected(pod: &Value) -> Option<&'static str> {
    let meta = &pod["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    let owners: Vec<_> = items(&meta["ownerReferences"])
        .filter(|o| o["controller"] == true)
        .collect();
    let makes = |owner: &&Value| {
        let group = owner["apiVersion"].as_str().unwrap_or_default();
        group.starts_with("apps/")
            && (owner["kind"] == "StatefulSet" || owner["kind"] == "ReplicaSet")
    };
    let ready =
        items(&pod["status"]["conditions"]).any(|c| c["type"] == "Ready" && c["status"] == "True");
    let annotations = &meta["annotations"];
    if meta["namespace"] != "monitoring" || !name.starts_with("prometheus-") || !is_name(name) {
        Some("nobody named it")
    } else if meta["uid"].as_str().unwrap_or_default().is_empty() {
        Some("it has no UID")
    } else if !annotations["kubernetes.io/config.mirror"].is_null() {
        Some("it is a mirror pod")
    } else if annotations["nodefall.io/remediation"] == "disabled" {
        Some("it opted out")
    } else if owners.is_empty() || !owners.iter().all(makes) {
        Some("nobody makes it again")
    } else if ready && meta["deletionTimestamp"].is_null() {
        Some("it is Ready")
    } else {
        None
    }
}

/// What an answer says; `null` where it is no JSON, none where it is and cannot be judged here: an
/// array that stands for an object, whose fields serde would read by their order (no API server
/// writes this), and what only a part that the product passes over spoils.
pub fn json(answer: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(answer);
    match serde_json::from_str(&text) {
        Ok(value) => Some(value).filter(|value| !is_positional(value)),
        Err(_) if serde_json::from_str::<&RawValue>(&text).is_ok() => None,
        Err(_) => Some(Value::Null),
    }
}

fn is_positional(value: &Value) -> bool {
    value.is_array() || has_positional(value)
}

fn has_positional(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_positional),
        Value::Object(fields) => fields.iter().any(|(name, field)| {
            let is_object = matches!(name.as_str(), "metadata" | "spec" | "status");
            field.is_array() && is_object || has_positional(field)
        }),
        _ => false,
    }
}

/// The items of an array; of anything else there are none.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
