//! Whatever is posted: an answer of one line, nodes in hand only for alerts that name them, and no
//! request to the API server but for those nodes.

use super::oracle::{is_name, items};
use super::wire;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use nodefall::act::Clock;
use nodefall::receiver::Receiver;
use nodefall::serve::WebConfig;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tower::ServiceExt;

/// The input is the body of the request.
pub fn check(input: &[u8]) {
    answer(input);
}

/// Asserts the same, and returns the status and the answer.
pub fn answer(input: &[u8]) -> (u16, Value) {
    let (status, answer, asked) = wire::run(post(input.to_vec()));
    let answer = String::from_utf8(answer).expect("UTF-8");
    super::assert_line(
        answer.strip_suffix('\n').expect("a line"),
        1000 + 30 * input.len(),
    );
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let results = results(&answer);
    let any = |wanted: &[&str]| results.iter().any(|result| wanted.contains(result));
    assert_eq!(
        status == 202,
        any(&["taken", "joined"]),
        "{status} {answer}"
    );
    assert_eq!(
        status == 200,
        !answer["error"].is_string() && !any(&["taken", "joined", "refused"])
    );
    assert!([200, 202, 400].contains(&status), "{status} {answer}");

    // serde_json's own reader knows bounds that ours need not have.
    let payload = match serde_json::from_slice::<Value>(input) {
        Ok(payload) => payload,
        Err(_) if results.is_empty() => Value::Null,
        Err(_) => return (status, answer),
    };
    let named: Vec<_> = items(&payload["alerts"]).map(named).collect();
    let mut nodes = BTreeSet::new();
    for (result, named) in results.iter().zip(&named) {
        let in_hand = matches!(*result, "taken" | "joined");
        assert!(!in_hand || named.is_some(), "{answer}");
        assert!(
            in_hand || *result == "refused" || named.is_none(),
            "{answer}"
        );
        nodes.extend(named.filter(|_| in_hand));
    }
    assert!(results.is_empty() || results.len() == named.len());
    for uri in asked {
        let paths = |node: &&str| {
            let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
            let pods = "/api/v1/namespaces/monitoring/pods?&fieldSelector=spec.nodeName%3D";
            uri == format!("/api/v1/nodes/{node}")
                || uri == format!("{leases}/{node}")
                || uri.starts_with(&format!("{pods}{node}&"))
        };
        let is_fleet = uri == "/api/v1/nodes?includeObject=None";
        assert!(is_fleet || nodes.iter().any(paths), "{uri}");
    }
    (status, answer)
}

/// The node that an alert names, if it is one of ours that fires.
fn named(alert: &Value) -> Option<&str> {
    let labels = &alert["labels"];
    let is_ours = alert["status"] == "firing" && labels["alertname"] == "KubeNodeNotReady";
    labels["node"]
        .as_str()
        .filter(|node| is_ours && is_name(node))
}

/// What became of each alert. Reasons are one short line, too, once they are read.
fn results(answer: &Value) -> Vec<&str> {
    let error = answer["error"].as_str();
    super::assert_line(error.unwrap_or_default(), 1000);
    let alerts = items(&answer["alerts"]).map(|alert| {
        super::assert_line(alert["reason"].as_str().expect("a reason"), 3000);
        let fingerprint = alert["fingerprint"].as_str().unwrap_or_default();
        super::assert_line(fingerprint, 64);
        let see = alert["see"]
            .as_str()
            .map(|see| see.replace("/api/v1/remediations?node=", ""));
        assert!(see.is_none_or(|node| alert["node"] == node && is_name(&node)));
        alert["result"].as_str().expect("a result")
    });
    alerts.collect()
}

/// The answer to a body, and the paths of the requests that it led to.
async fn post(body: Vec<u8>) -> (u16, Vec<u8>, Vec<String>) {
    let fleet = br#"{"columnDefinitions":[{"name":"Name"},{"name":"Status"}],"rows":[]}"#;
    let (client, record) = wire::client(|asked| match wire::formality(asked) {
        Some(answer) => answer,
        None if asked.uri.contains("includeObject") => (200, fleet.to_vec()),
        None if asked.uri.contains("fieldSelector") => (200, br#"{"items":[]}"#.to_vec()),
        None => (404, Vec::new()),
    });
    let settings = super::settings([super::option("--period", b"0")]).expect("good options");
    let receiver = Receiver::new(settings, client, Clock::simulated(wire::now()));
    tokio::spawn(receiver.work());
    // Until it is ready.
    tokio::time::sleep(Duration::from_secs(1)).await;
    record.take();
    let request = Request::post("/webhook")
        .body(Body::from(body))
        .expect("a request");
    let answer = receiver
        .router(&WebConfig::open_to_all().expect("random numbers"))
        .oneshot(request)
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    let answer = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = record
        .take()
        .into_iter()
        .filter(|asked| wire::formality(asked).is_none());
    (
        status,
        answer.to_vec(),
        asked.map(|asked| asked.uri).collect(),
    )
}
