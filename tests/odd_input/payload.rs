//! Every field of what Alertmanager posts, with values that it should not have.

use crate::properties::webhook;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What becomes of the alert whose field has an odd value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// The field says nothing to us: the alert is taken.
    Taken,
    /// It must be as Alertmanager writes it, else the notification is refused.
    Whole,
    /// It must be text, else the alert is refused; another text says that it is not ours.
    Ignored,
    /// It must be a node's name, else the alert is refused.
    Refused,
    /// It must be text or absent, else the alert is refused; odd text is not passed on.
    Dropped,
    /// It must be an object of texts with what we need, else the alert is refused.
    Labels,
    /// It must be a list, else the notification is refused.
    List,
    /// It must be a count or absent, else the notification is refused.
    Count,
}

/// Every field, as a JSON pointer into a payload with one alert. Fields of labels and annotations
/// that are not named here are like the first of them.
const FIELDS: &[(&str, Then)] = &[
    ("/version", Then::Whole),
    ("/status", Then::Taken),
    ("/receiver", Then::Taken),
    ("/groupKey", Then::Taken),
    ("/groupLabels", Then::Taken),
    ("/commonLabels", Then::Taken),
    ("/commonAnnotations", Then::Taken),
    ("/externalURL", Then::Taken),
    ("/truncatedAlerts", Then::Count),
    ("/notification_reason", Then::Taken),
    ("/routeLabels", Then::Taken),
    ("/alerts", Then::List),
    ("/alerts/0/status", Then::Ignored),
    ("/alerts/0/labels", Then::Labels),
    ("/alerts/0/labels/alertname", Then::Ignored),
    ("/alerts/0/labels/node", Then::Refused),
    ("/alerts/0/annotations", Then::Taken),
    ("/alerts/0/startsAt", Then::Taken),
    ("/alerts/0/endsAt", Then::Taken),
    ("/alerts/0/generatorURL", Then::Taken),
    ("/alerts/0/fingerprint", Then::Dropped),
];

/// The sample payloads, each with its first alert alone, firing.
fn samples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("alertmanager/payloads");
    let files = fs::read_dir(folder).expect("the sample payloads");
    let samples = files.map(|file| {
        let text = fs::read(file.expect("a file").path()).expect("a payload");
        let mut payload: Value = serde_json::from_slice(&text).expect("JSON");
        payload["alerts"]
            .as_array_mut()
            .expect("alerts")
            .truncate(1);
        payload["alerts"][0]["status"] = json!("firing");
        payload
    });
    samples.collect()
}

/// Odd values as JSON, and what they are.
fn odd_values() -> Vec<(&'static str, Value)> {
    vec![
        ("text", json!("")),
        ("text", json!(" ")),
        ("text", json!("x".repeat(1_000_000))),
        ("text", json!("\u{1f4a5}".repeat(100_000))),
        ("text", json!("a\0b")),
        ("text", json!("a\nb\r\u{1b}[2J\u{9b}2J\u{7f}")),
        ("text", json!("../../etc/passwd")),
        ("text", json!("a/b")),
        ("text", json!("..")),
        ("text", json!("%2e%2e")),
        ("text", json!("a%2fb")),
        ("text", json!("a?b=c#d")),
        ("text", json!("nоde")),
        ("text", json!("node-１")),
        ("text", json!("no\u{200d}de")),
        ("text", json!("no\u{202e}de")),
        ("text", json!("node‑1")),
        ("text", json!("\u{feff}node-1")),
        ("text", json!("４")),
        ("null", Value::Null),
        ("number", json!(-1)),
        ("number", json!(1.5)),
        ("number", json!(true)),
        ("count", json!(0)),
        ("count", json!(u64::MAX)),
        ("list", json!([])),
        ("object", json!({})),
        ("nested", json!({"a": {"b": ["c"]}})),
    ]
}

/// The status that is answered to a field of that kind with a value of that kind.
fn expected(then: Then, kind: &str) -> u16 {
    match (then, kind) {
        (Then::Taken, _) => 202,
        (Then::Count, "count" | "null" | "absent") => 202,
        (Then::Dropped, "text" | "null" | "absent") => 202,
        (Then::Whole, "null" | "absent") => 202,
        (Then::Ignored, "text") => 200,
        (Then::List, "list") => 200,
        _ => 400,
    }
}

/// Puts a value into a payload, or takes the field out.
fn put(payload: &Value, field: &str, value: Option<&Value>) -> Value {
    let mut payload = payload.clone();
    let (parent, name) = field.rsplit_once('/').expect("a pointer");
    let parent = payload.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.expect("an object");
    match value {
        Some(value) => parent.insert(name.to_owned(), value.clone()),
        None => parent.remove(name),
    };
    payload
}

/// The answer; what every answer must be is asserted on the way.
fn answer(body: &[u8]) -> (u16, String) {
    let (status, answer) = webhook::answer(body);
    (status, answer.to_string())
}

#[test]
fn every_field_of_the_samples_with_every_odd_value() {
    let samples = samples();
    let payload = &samples[0];
    for (field, then) in FIELDS {
        let odd = odd_values();
        let odd = odd.iter().map(|(kind, value)| (*kind, Some(value)));
        for (kind, value) in odd.chain([("absent", None)]) {
            let body = put(payload, field, value).to_string();
            let (status, answer) = answer(body.as_bytes());
            // One alert's label is absent: it is not ours. Its status is not.
            let expected = match (*field, kind) {
                ("/alerts/0/labels/alertname", "absent") => 200,
                ("/alerts/0/labels", "object") => 200,
                _ => expected(*then, kind),
            };
            let shown: String = format!("{value:?}").chars().take(80).collect();
            assert_eq!(status, expected, "{field}: {shown}: {answer}");
            let named = match field.rsplit('/').next() {
                // Which label it is is not said where they are no texts.
                Some("node" | "alertname") if kind != "text" => "label",
                named => named.expect("a name"),
            };
            let names = answer.contains(named);
            assert!(status != 400 || names, "{field}: {shown}: {answer}");
        }
    }
}

#[test]
fn what_is_not_utf8_is_refused_with_its_place_whatever_the_field() {
    let payload = &samples()[0];
    for (field, _) in FIELDS {
        let body = put(payload, field, Some(&json!("MARK"))).to_string();
        let at = body.find("MARK").expect("the mark");
        for broken in [
            &b"\xff"[..],
            b"\xc3(",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xf4\x90\x80\x80",
        ] {
            let body = [&body.as_bytes()[..at], broken, &body.as_bytes()[at + 4..]].concat();
            let (status, answer) = answer(&body);
            assert_eq!(status, 400, "{field}: {answer}");
            let place = format!("byte {} is not UTF-8", at + 1);
            assert!(answer.contains(&place), "{field}: {answer}");
        }
    }
}

#[test]
fn no_field_of_the_samples_is_without_a_row() {
    let mut seen = BTreeSet::new();
    for payload in samples() {
        let names = |value: &Value| {
            value
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect()
        };
        let (fields, alert): (Vec<_>, Vec<_>) = (names(&payload), names(&payload["alerts"][0]));
        seen.extend(fields.iter().map(|name| format!("/{name}")));
        seen.extend(alert.iter().map(|name| format!("/alerts/0/{name}")));
        for label in ["alertname", "node"] {
            assert!(payload["alerts"][0]["labels"][label].is_string());
            seen.insert(format!("/alerts/0/labels/{label}"));
        }
    }
    let rows: BTreeSet<_> = FIELDS
        .iter()
        .map(|(field, _)| (*field).to_owned())
        .collect();
    assert_eq!(rows, seen);
}
