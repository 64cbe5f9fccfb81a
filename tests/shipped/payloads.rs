//! The sample payloads are what Alertmanager sends.

use super::*;

const ZERO: &str = "0001-01-01T00:00:00Z";

fn load(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn statuses(path: &str) -> Vec<String> {
    let payload = load(path);
    array(&payload["alerts"])
        .iter()
        .map(|alert| text(&alert["status"]).to_owned())
        .collect()
}

#[test]
fn are_what_alertmanager_sends() {
    for path in files("alertmanager/payloads", ".json") {
        let payload = load(&path);
        assert_eq!(payload["version"], "4", "{path}");
        assert_eq!(payload["truncatedAlerts"], 0, "{path}");
        for field in ["receiver", "groupKey", "externalURL"] {
            assert!(!text(&payload[field]).is_empty(), "{path}: {field}");
        }
        let firing = statuses(&path).iter().any(|status| status == "firing");
        assert_eq!(
            payload["status"],
            if firing { "firing" } else { "resolved" },
            "{path}"
        );
        for alert in array(&payload["alerts"]) {
            assert_alert(alert, &payload, &path);
        }
    }
}

fn assert_alert(alert: &Value, payload: &Value, path: &str) {
    let fingerprint = text(&alert["fingerprint"]);
    assert_eq!(fingerprint.len(), 16, "{path}: {fingerprint}");
    assert!(
        fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{path}: {fingerprint}"
    );
    assert_eq!(alert["labels"]["alertname"], "KubeNodeNotReady", "{path}");
    assert!(!text(&alert["labels"]["node"]).is_empty(), "{path}");
    let ends = text(&alert["endsAt"]);
    assert_eq!(
        alert["status"] == "firing",
        ends == ZERO,
        "{path}: endsAt {ends}"
    );
    for end in [&alert["startsAt"], &alert["endsAt"]] {
        text(end)
            .parse::<jiff::Timestamp>()
            .expect("a time as in RFC 3339");
    }
    for common in ["groupLabels", "commonLabels"] {
        for (name, value) in payload[common].as_object().expect("labels") {
            assert_eq!(&alert["labels"][name], value, "{path}: {common}");
        }
    }
}

#[test]
fn each_shows_what_it_is_named_for() {
    assert_eq!(statuses("alertmanager/payloads/firing.json"), ["firing"]);
    assert_eq!(
        statuses("alertmanager/payloads/resolved.json"),
        ["resolved"]
    );
    assert_eq!(
        statuses("alertmanager/payloads/mixed.json"),
        ["resolved", "firing", "firing"]
    );
    assert_eq!(
        statuses("alertmanager/payloads/several-nodes.json"),
        ["firing"; 3]
    );
    assert_eq!(
        load("alertmanager/payloads/mixed.json")["receiver"],
        r"shared\.nodefall"
    );
    let newer = load("alertmanager/payloads/firing-0.34.json");
    assert!(newer["notification_reason"].is_string() && newer["routeLabels"].is_object());
}

#[test]
fn ours_carry_what_the_rule_gives() {
    for name in ["firing", "resolved", "firing-0.34"] {
        let payload = load(&format!("alertmanager/payloads/{name}.json"));
        for (label, value) in our_alert() {
            assert_eq!(
                payload["commonLabels"][&label],
                value.as_str(),
                "{name}: {label}"
            );
        }
    }
}
