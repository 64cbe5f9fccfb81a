//! What a client gets to read: the shipped sample payloads and every code of the webhook.

use crate::api::{Api, NO_EVICTION, quick};
use nodefall::demo::{Layout, NodePlan, Plan};
use nodefall_testbed::http;
use nodefall_testbed::process::Scratch;
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::tools::repository;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

const JSON: &str = "application/json";

/// What `curl -d @file` sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// The nodes of the sample payloads; Prometheus runs on the first two.
fn workers() -> Layout {
    (1..=3)
        .map(|number| NodePlan::new(&format!("worker-{number}")))
        .fold(Layout::default(), Layout::node)
        .statefulset(
            Plan::new("monitoring", "prometheus-k8s")
                .replicas(2)
                .parallel(),
        )
}

struct Scene {
    api: Api,
    receiver: Receiver,
    _scratch: Scratch,
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        let api = Api::start(quick(NO_EVICTION), &workers());
        let kubeconfig = api.kubeconfig(&scratch);
        let binary = env!("CARGO_BIN_EXE_nodefall");
        let receiver = Receiver::start(binary, &scratch, "nodefall", &kubeconfig, &["--period=0"]);
        let receiver = receiver.ready();
        Self {
            api,
            receiver,
            _scratch: scratch,
        }
    }
}

#[test]
fn the_sample_payloads_are_taken_as_alertmanager_and_as_curl_send_them() {
    let scene = Scene::new();
    let address = scene.receiver.address;
    let old = scene.api.pod("prometheus-k8s-1").expect("a pod");
    assert_eq!(old.node, "worker-2");
    scene.api.lose("worker-2");
    // Nothing is suspected yet, so there is nothing to lift.
    assert_eq!(
        post(address, JSON, "resolved.json"),
        (200, "ignored".to_owned())
    );
    assert_eq!(
        post(address, FORM, "firing.json"),
        (202, "taken".to_owned())
    );
    let new = scene.api.replaced("prometheus-k8s-1", &old);
    let mut files: Vec<_> = fs::read_dir(repository("alertmanager/payloads"))
        .expect("the shipped payloads")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let expected = if file.starts_with("resolved") {
            200
        } else {
            202
        };
        for content_type in [JSON, FORM] {
            assert_eq!(post(address, content_type, &file).0, expected, "{file}");
        }
    }
    // They name living nodes, too, and the lost one again: its pod alone was touched, once.
    let touched = vec![("delete", "prometheus-k8s-1".to_owned(), old.uid)];
    assert_eq!(scene.api.destructive(), touched);
    assert_eq!(scene.api.pod("prometheus-k8s-1"), Some(new));
}

/// The code, and what became of the first alert.
fn post(address: SocketAddr, content_type: &str, file: &str) -> (u16, String) {
    let path = repository("alertmanager/payloads").join(file);
    let body = fs::read_to_string(path).expect("a payload");
    let answer = http::post(address, content_type, &body).expect("an answer");
    let result = answer.json()["alerts"][0]["result"].clone();
    (
        answer.status,
        result.as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn every_code_is_answered_and_counted() {
    let mut scene = Scene::new();
    let address = scene.receiver.address;
    let firing = http::notification("firing", "worker-1");
    let other = firing.replace("KubeNodeNotReady", "Watchdog");
    let bad_name = http::notification("firing", "../secrets");
    let long = format!("{firing}{}", " ".repeat(4 << 20));
    let post = |body: &str| http::post(address, JSON, body).expect("an answer").status;
    assert_eq!(post(&firing), 202);
    assert_eq!(post(&other), 200);
    assert_eq!(post(&bad_name), 400);
    assert_eq!(post("{"), 400);
    assert_eq!(post(&long), 413);
    let raw = |request: &str| {
        let patience = Duration::from_secs(20);
        http::exchange(address, request.as_bytes(), patience)
            .expect("an answer")
            .status
    };
    let headers = "Host: x\r\nConnection: close\r\n";
    assert_eq!(raw(&format!("GET /webhook HTTP/1.1\r\n{headers}\r\n")), 405);
    let half = format!("POST /webhook HTTP/1.1\r\n{headers}Content-Length: 9\r\n\r\n{{");
    assert_eq!(raw(&half), 408);
    for (code, count) in [
        (200, 1),
        (202, 1),
        (400, 2),
        (405, 1),
        (408, 1),
        (413, 1),
        (503, 0),
    ] {
        let series = format!(r#"nodefall_webhook_requests_total{{code="{code}"}}"#);
        assert_eq!(scene.receiver.metric(&series), f64::from(count), "{code}");
    }
    assert_eq!(scene.receiver.get("/nowhere").status, 404);
    assert_eq!(scene.receiver.get("/-/healthy").status, 200);
    assert_eq!(scene.receiver.get("/api/v1/remediations").status, 200);
    assert_eq!(
        scene.receiver.get("/api/v1/remediations?node=../x").status,
        400
    );
    assert_eq!(scene.api.destructive(), []);
    // 503: one that has not reached its API server yet.
    scene.api.close();
    let kubeconfig = scene.api.kubeconfig(&scene._scratch);
    let binary = env!("CARGO_BIN_EXE_nodefall");
    let unready = Receiver::start(binary, &scene._scratch, "unready", &kubeconfig, &[]);
    assert_eq!(unready.alert("worker-1").status, 503);
    assert_eq!(unready.get("/-/ready").status, 503);
    assert_eq!(unready.get("/-/healthy").status, 200);
    assert_eq!(
        unready.metric(r#"nodefall_webhook_requests_total{code="503"}"#),
        1.0
    );
    scene.api.open();
    let unready = unready.ready();
    assert_eq!(unready.alert("worker-1").status, 202);
}
