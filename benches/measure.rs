//! Measures the released program as a process: its size, its memory when idle, and how long it takes
//! from an alert to the deletion. The API server is the simulated cluster, over TCP. Run by
//! `make bench`.

#[path = "../tests/live/api.rs"]
#[expect(dead_code, reason = "the tests ask for more")]
mod api;
#[path = "../tests/live/secure.rs"]
#[expect(dead_code, reason = "the tests ask for more")]
mod secure;

use api::{AGENT, Api, NO_EVICTION, quick};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::{Constants, Layout, Plan};
use nodefall_testbed::gauge::{mib, resident};
use nodefall_testbed::process::{PATIENCE, Scratch, eventually, say};
use nodefall_testbed::receiver::Receiver;
use secure::{Secure, TOKEN};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Each way from an alert to a deletion is gone so often.
const ROUNDS: usize = 25;

/// Longer than the program shares one reading of the fleet: each round pays for its own.
const BETWEEN: Duration = Duration::from_millis(1100);

const JSON: &str = "application/json";

/// Nodes as a Table, as the program asks for them.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// How the plain client is told from the program in the audit log.
const PLAIN: &str = "plain";

fn main() {
    let binary = std::env::var("NODEFALL").expect("NODEFALL, the program to measure: `make bench`");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    say(&format!("nodefall {}, {cores} cores\n", nodefall::VERSION));
    size(&binary);
    memory(&binary);
    for latency in [Duration::ZERO, Duration::from_millis(20)] {
        speed(&binary, latency);
    }
}

/// One line of the table: what, how much, and what was aimed at.
fn row(what: &str, value: String, goal: &str) {
    say(&format!("{what:<58} {value:>22}   {goal}"));
}

fn size(binary: &str) {
    let bytes = std::fs::metadata(binary).expect("the program").len();
    row("size of the static binary", mib(bytes), "8 MiB");
}

/// 500 nodes, in good order, with Kubernetes' own delays.
fn memory(binary: &str) {
    let layout = Layout::nodes(500)
        .statefulset(Plan::new("monitoring", "prometheus-k8s").replicas(2))
        .statefulset(Plan::new("monitoring", "alertmanager-main").replicas(3))
        .daemonset(Plan::new("monitoring", "node-exporter"));
    let constants = || Constants {
        start: Timestamp::now(),
        ..Constants::default()
    };
    let api = Api::start(constants(), &layout);
    let scratch = Scratch::new();
    idle(binary, "HTTP", &scratch, &api.kubeconfig(&scratch));
    let secure = Secure::new(Api::start(constants(), &layout));
    let kubeconfig = secure.kubeconfig(&secure.ca, TOKEN);
    idle(binary, "TLS", &secure.scratch, &kubeconfig);
}

fn idle(binary: &str, way: &str, scratch: &Scratch, kubeconfig: &Path) {
    let receiver = Receiver::start(binary, scratch, way, kubeconfig, &["--period=1s"]).ready();
    row(
        &format!("resident, ready, API over {way}"),
        resident(receiver.process.id()).to_string(),
        "10 MiB",
    );
    for sweeps in [10, 60] {
        eventually("it sweeps", PATIENCE * 4, || {
            std::thread::sleep(Duration::from_millis(500));
            let swept = receiver.metric(r#"nodefall_sweeps_total{result="ok"}"#);
            (swept >= f64::from(sweeps)).then_some(())
        });
        let what = format!("resident (anonymous), 500 nodes, {sweeps} sweeps, {way}");
        row(&what, resident(receiver.process.id()).to_string(), "10 MiB");
    }
}

/// From an alert's POST until its DELETE takes effect, against a plain client that sends the same
/// requests, in turn on the same cluster. Every request takes `latency` before its effect.
fn speed(binary: &str, latency: Duration) {
    // Less than half of the nodes are lost: the storm guard stays open.
    let pods = 2 * ROUNDS;
    let plan = Plan::new("monitoring", "prometheus-k8s").parallel();
    let layout = Layout::nodes(3 * pods).statefulset(plan.replicas(pods as i32));
    let api = Api::start(quick(NO_EVICTION), &layout);
    let scratch = Scratch::new();
    let kubeconfig = api.kubeconfig(&scratch);
    let receiver = Receiver::start(binary, &scratch, "nodefall", &kubeconfig, &["--period=0"]);
    let receiver = receiver.ready();
    let runtime = Runtime::new().expect("threads");
    let client = runtime
        .block_on(nodefall::act::connect(Some(&kubeconfig)))
        .expect("a client");
    for node in 1..=pods {
        api.cluster.cut_power(&format!("node-{node}"));
    }
    for node in 1..=pods {
        api.lose(&format!("node-{node}"));
    }
    if !latency.is_zero() {
        api.cluster.inject(Fault::new(Effect::Latency {
            before: latency,
            after: Duration::ZERO,
        }));
    }
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for pod in 0..pods {
        let (node, name) = (format!("node-{}", pod + 1), format!("prometheus-k8s-{pod}"));
        let old = api.pod(&name).expect("a pod");
        std::thread::sleep(BETWEEN);
        let began = api.cluster.now();
        let by_us = pod % 2 == 0;
        if by_us {
            assert_eq!(receiver.alert(&node).status, 202);
        } else {
            runtime.block_on(wave_and_delete(&client, &node, &name, &old.uid));
        }
        api.replaced(&name, &old);
        let (agent, times) = if by_us {
            (AGENT, &mut ours)
        } else {
            (PLAIN, &mut plain)
        };
        times.push(
            deleted(&api, agent, &name)
                .duration_since(began)
                .as_secs_f64()
                * 1000.0,
        );
    }
    let (ours, plain) = (median(ours), median(plain));
    let with = format!("{} ms per request", latency.as_millis());
    row(
        &format!("POST to DELETE, {with}"),
        format!("{ours:.2} ms"),
        "",
    );
    row(
        &format!("a plain client's reads and DELETE, {with}"),
        format!("{plain:.2} ms"),
        "",
    );
    row(
        &format!("ratio, {with}"),
        format!("{:.3}", ours / plain),
        "1.25",
    );
}

/// When the deletion took effect.
fn deleted(api: &Api, agent: &str, pod: &str) -> Timestamp {
    let audit = api.cluster.audit();
    let entry = audit
        .iter()
        .find(|entry| entry.verb == "delete" && entry.name == pod && entry.user_agent == agent);
    entry.expect("its DELETE").at
}

/// The requests that a look and a deletion are made of, and nothing else.
async fn wave_and_delete(client: &kube::Client, node: &str, pod: &str, uid: &str) {
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let pods = "/api/v1/namespaces/monitoring/pods";
    let reads = [
        (format!("/api/v1/nodes/{node}"), JSON),
        (format!("{leases}/{node}"), JSON),
        (
            format!("{pods}?fieldSelector=spec.nodeName%3D{node}&limit=250"),
            JSON,
        ),
        ("/api/v1/nodes?includeObject=None".to_owned(), TABLE),
    ];
    join_all(
        reads
            .iter()
            .map(|(path, accept)| send(client, "GET", path, accept, "")),
    )
    .await;
    let body = format!(r#"{{"gracePeriodSeconds":0,"preconditions":{{"uid":"{uid}"}}}}"#);
    send(client, "DELETE", &format!("{pods}/{pod}"), JSON, &body).await;
}

async fn send(client: &kube::Client, method: &str, path: &str, accept: &str, body: &str) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept)
        .header("content-type", JSON)
        .header("user-agent", PLAIN)
        .body(Body::from(body.as_bytes().to_vec()))
        .expect("a request");
    let answer = client.send(request).await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.into_body().collect().await.expect("a whole answer");
}

/// The middle one, in the unit of the values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
