//! Whatever the API server answers: nothing is touched unless its own words allow it, requests go
//! only where they belong, and what is said about it is short.

use super::{NODE, oracle, wire};
use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use nodefall::act::Clock;
use nodefall::receiver::Receiver;
use nodefall::serve::WebConfig;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;
use wire::Asked;

/// The input's parts, with lines `---` between them, are the answers to the reads of the Node, its
/// Lease, the Table of nodes, the list of pods, a pod, a StatefulSet, and to what is destructive. One
/// that begins with three digits and a blank has that status; one that is missing is 404.
pub fn check(input: &[u8]) {
    touched(input);
}

/// The same; returns the methods of what was asked that destroys.
pub fn touched(input: &[u8]) -> Vec<Method> {
    let answers: Vec<_> = super::parts(input).into_iter().map(answer).collect();
    let told: Option<Vec<_>> = answers
        .iter()
        .map(|(status, body)| Some((*status, oracle::json(body)?)))
        .collect();
    let Some(told) = told else {
        return Vec::new();
    };
    let (asked, page) = wire::run(remediate(answers));
    let mut touched = Vec::new();
    for asked in asked.iter().filter(|asked| asked.is_destructive()) {
        assert_eq!(harm(asked, &told), None, "{asked:?}");
        touched.push(asked.method.clone());
    }
    for asked in &asked {
        assert!(is_ours(asked), "{asked:?}");
    }
    assert_short(&serde_json::from_slice(&page).expect("JSON"));
    touched
}

/// Whatever is told is told in short lines.
fn assert_short(told: &Value) {
    match told {
        Value::String(text) => super::assert_line(text, 4096),
        Value::Array(items) => items.iter().for_each(assert_short),
        Value::Object(fields) => fields.values().for_each(assert_short),
        _ => {}
    }
}

/// A status and a body.
type Reply = (u16, Vec<u8>);

fn answer(part: &[u8]) -> Reply {
    let status = part.get(..4).filter(|start| start[3] == b' ');
    let status = status.and_then(|start| std::str::from_utf8(&start[..3]).ok()?.parse().ok());
    match status.filter(|status| (200..600).contains(status)) {
        Some(status) => (status, part[4..].to_vec()),
        None => (200, part.to_vec()),
    }
}

/// Which of the answers a request gets.
fn place(asked: &Asked) -> usize {
    let path = asked.uri.split('?').next().unwrap_or_default();
    match asked.method {
        Method::DELETE | Method::PATCH => 6,
        _ if path == "/api/v1/nodes" => 2,
        _ if path.starts_with("/api/v1/nodes/") => 0,
        _ if path.contains("/leases/") => 1,
        _ if path.contains("/statefulsets/") => 5,
        _ if path.ends_with("/pods") => 3,
        _ => 4,
    }
}

/// Lets an alert name the node, and some time pass; what was asked, and the page that tells of it.
async fn remediate(answers: Vec<Reply>) -> (Vec<Asked>, Vec<u8>) {
    let (client, record) = wire::client(move |asked| {
        let told = || answers.get(place(asked)).cloned();
        wire::formality(asked)
            .or_else(told)
            .unwrap_or((404, Vec::new()))
    });
    // Impatient, so that little time has to pass.
    let options = ["--period=0", "--delete-timeout=1s", "--patch-timeout=1s"];
    let settings = super::settings(options.map(Into::into)).expect("good options");
    let receiver = Receiver::new(settings, client, Clock::simulated(wire::now()));
    tokio::spawn(receiver.work());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let labels = json!({"alertname": "KubeNodeNotReady", "node": NODE});
    let alerts = json!({"alerts": [{"status": "firing", "labels": labels}]}).to_string();
    let request = Request::post("/webhook")
        .body(Body::from(alerts))
        .expect("a request");
    let router = receiver.router(&WebConfig::open_to_all().expect("random numbers"));
    let taken = router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(taken.status(), 202);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let request = Request::get("/api/v1/remediations").body(Body::empty());
    let page = router.oneshot(request.expect("a request")).await;
    let page = page.expect("an answer").into_body().collect().await;
    (record.take(), page.expect("a body").to_bytes().to_vec())
}

/// Why a destructive request should not have been made.
fn harm(asked: &Asked, told: &[(u16, Value)]) -> Option<&'static str> {
    let read = |place: usize| match told.get(place) {
        Some((200..300, value)) => value.clone(),
        _ => Value::Null,
    };
    let is_absent = |place: usize| told.get(place).is_none_or(|(status, _)| *status == 404);
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let uid = match asked.method {
        Method::DELETE => &body["preconditions"]["uid"],
        _ => &body["metadata"]["uid"],
    };
    let listed = read(3);
    let single = read(4);
    let named = |pod: &&Value| {
        let path = format!(
            "/api/v1/namespaces/monitoring/pods/{}",
            pod["metadata"]["name"].as_str().unwrap_or("?")
        );
        asked.uri.split('?').next() == Some(&path) && pod["metadata"]["uid"] == *uid
    };
    let pods: Vec<_> = oracle::items(&listed["items"])
        .chain([&single])
        .filter(named)
        .collect();
    let doubts: Vec<_> = pods
        .iter()
        .map(|pod| oracle::pod_is_protected(pod))
        .collect();
    // Where the list and the pod's own read differ, one of them may allow it.
    if !doubts.contains(&None) {
        return doubts
            .first()
            .copied()
            .unwrap_or(Some("nobody told of that pod"));
    }
    if !oracle::fleet_is_calm(&read(2)) {
        return Some("too many nodes are not Ready");
    }
    if is_absent(0) {
        let is_orphan = pods
            .iter()
            .any(|pod| pod["metadata"]["deletionGracePeriodSeconds"] == 0);
        let is_allowed = asked.method == Method::PATCH && is_orphan;
        return (!is_allowed).then_some("of a deleted Node only finalizers may be cleared");
    }
    let node = read(0);
    let lease = (!is_absent(1)).then(|| read(1));
    let is_lost = oracle::items(&listed["items"]).any(|pod| pod["status"]["reason"] == "NodeLost");
    oracle::node_speaks_for_itself(&node, lease.as_ref(), wire::now())
        // Kubernetes before 1.13 had neither Leases nor the taint.
        .filter(|doubt| *doubt != oracle::NO_TAINT || !is_lost || lease.is_some())
}

/// A request that the shipped Roles allow, to a path made of good names only.
fn is_ours(asked: &Asked) -> bool {
    let path = asked.uri.split('?').next().unwrap_or_default();
    let words: Vec<_> = path.split('/').skip(1).collect();
    let good = |name: &str| oracle::is_name(name);
    match (asked.method.as_str(), words.as_slice()) {
        ("GET", ["api", "v1", "nodes"])
        | ("GET", ["api", "v1", "nodes", NODE])
        | ("GET", ["api", "v1", "namespaces", "monitoring", "pods"])
        | (
            "GET",
            [
                "apis",
                "coordination.k8s.io",
                "v1",
                "namespaces",
                "kube-node-lease",
                "leases",
                NODE,
            ],
        )
        | (
            "POST",
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ],
        )
        | (
            "POST",
            [
                "apis",
                "events.k8s.io",
                "v1",
                "namespaces",
                "monitoring" | "default",
                "events",
            ],
        ) => true,
        ("GET" | "DELETE" | "PATCH", ["api", "v1", "namespaces", "monitoring", "pods", name])
        | (
            "GET",
            [
                "apis",
                "apps",
                "v1",
                "namespaces",
                "monitoring",
                "statefulsets",
                name,
            ],
        ) => good(name),
        _ => false,
    }
}
