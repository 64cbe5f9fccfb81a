//! What an answer of the API server says, read from its words.

use crate::wire::Answer;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::time::Duration;

/// The JSON of an answer; null when it is none.
pub fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// The API server's clock, as the answer's `Date` has it: whole seconds.
pub fn date(answer: &Answer) -> Option<Timestamp> {
    let date = DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", &answer.date).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == kind);
    found.unwrap_or(&Value::Null)
}

/// The status of a Node's or a Pod's condition Ready.
pub fn ready(object: &Value) -> &str {
    condition(object, "Ready")["status"]
        .as_str()
        .unwrap_or_default()
}

/// Whether a Node is marked as unreachable, with eviction.
pub fn tainted(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    taints.into_iter().flatten().any(|taint| {
        taint["key"] == "node.kubernetes.io/unreachable" && taint["effect"] == "NoExecute"
    })
}

/// How old a Lease is, and how long it lasts, by the API server's clock.
pub fn lease_age(answer: &Answer) -> Option<(Duration, Duration)> {
    let lease = json(answer);
    let fields = lease["metadata"]["managedFields"].as_array();
    let written = fields
        .into_iter()
        .flatten()
        .filter_map(|it| time(&it["time"]))
        .max()?;
    let lasts = lease["spec"]["leaseDurationSeconds"].as_u64()?;
    let age = Duration::try_from(date(answer)?.duration_since(written)).unwrap_or_default();
    Some((age, Duration::from_secs(lasts)))
}

/// How old a Node's last heartbeat is. It is stamped by the kubelet's clock.
pub fn heartbeat_age(answer: &Answer) -> Option<Duration> {
    let node = json(answer);
    let last = time(&condition(&node, "Ready")["lastHeartbeatTime"])?;
    Some(Duration::try_from(date(answer)?.duration_since(last)).unwrap_or_default())
}

/// The nodes of a Table: names of those that are Ready, and of those that are not.
pub fn fleet(answer: &Answer) -> (Vec<String>, Vec<String>) {
    let table = json(answer);
    let columns = table["columnDefinitions"].as_array();
    let column = |name: &str| {
        let mut columns = columns.into_iter().flatten();
        columns
            .position(|column| column["name"] == name)
            .unwrap_or_default()
    };
    let (name, status) = (column("Name"), column("Status"));
    let rows = table["rows"].as_array();
    let rows = rows.into_iter().flatten().map(|row| &row["cells"]);
    let nodes = rows.map(|cells| {
        let name = cells[name].as_str().unwrap_or_default().to_owned();
        (name, cells[status].as_str().unwrap_or_default())
    });
    let (ready, not): (Vec<_>, Vec<_>) =
        nodes.partition(|(_, status)| *status == "Ready" || status.starts_with("Ready,"));
    let names = |nodes: Vec<(String, &str)>| nodes.into_iter().map(|(name, _)| name).collect();
    (names(ready), names(not))
}

/// The pod of that name in an answer: the object itself, or an item of a list.
pub fn pod(answer: &Answer, name: &str) -> Option<Value> {
    let mut object = json(answer);
    match object["items"].take() {
        Value::Array(items) => items.into_iter().find(|it| it["metadata"]["name"] == name),
        _ => (object["metadata"]["name"] == name).then_some(object),
    }
}

/// Why a pod must never be touched, if so.
pub fn excluded(pod: &Value) -> Option<&'static str> {
    let annotations = &pod["metadata"]["annotations"];
    if annotations["kubernetes.io/config.mirror"].is_string() {
        return Some("a mirror pod");
    }
    if annotations["nodefall.io/remediation"] == "disabled" {
        return Some("opted out");
    }
    let owner = owner(pod);
    let by_apps = owner["apiVersion"]
        .as_str()
        .is_some_and(|it| it.starts_with("apps/"));
    match owner["kind"].as_str() {
        Some("StatefulSet" | "ReplicaSet") if by_apps => None,
        Some(_) => Some("owned by what makes no replacement"),
        None => Some("owned by nobody"),
    }
}

/// The owner that controls a pod.
pub fn owner(pod: &Value) -> &Value {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    let found = owners
        .into_iter()
        .flatten()
        .find(|it| it["controller"] == true);
    found.unwrap_or(&Value::Null)
}

/// Whether a pod is being deleted.
pub fn terminating(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

/// Whether a pod was deleted with grace 0.
pub fn forced(pod: &Value) -> bool {
    terminating(pod) && pod["metadata"]["deletionGracePeriodSeconds"] == 0
}
