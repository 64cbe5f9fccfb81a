//! What each scenario is played on: a simulated cluster and receivers over its API, both called in
//! memory.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use nodefall::act::Clock;
use nodefall::cli::{Command, parse};
use nodefall::demo::audit::Entry;
use nodefall::demo::{Cluster, Constants, Layout, Plan};
use nodefall::receiver::Receiver;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// The node whose fate the scenarios tell.
pub const LOST: &str = "node-1";

/// A cluster, its clock running.
pub struct Bench {
    pub cluster: Cluster,
}

/// One replica of the receiver.
pub struct Replica {
    receiver: Receiver,
    router: axum::Router,
    work: tokio::task::JoinHandle<()>,
}

impl Bench {
    pub async fn new(layout: Layout) -> Self {
        let cluster = Cluster::new(Constants::default(), &layout);
        let run = cluster.clone();
        tokio::spawn(async move { run.run().await });
        // Everything is scheduled and Ready.
        tokio::time::sleep(Duration::from_secs(60)).await;
        Self { cluster }
    }

    /// A receiver with these options besides the names of what it may touch, ready for alerts.
    pub async fn replica(&self, options: &[&str]) -> Replica {
        let replica = self.unready_replica(options);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(replica.get("/-/ready").await.0, 200);
        replica
    }

    /// The same, not waited for.
    pub fn unready_replica(&self, options: &[&str]) -> Replica {
        let mut words = vec!["nodefall", "run", "--namespace=monitoring"];
        words.extend([
            "--prometheus-name=prometheus-k8s",
            "--alertmanager-name=alertmanager-main",
        ]);
        words.extend(options);
        let words = words.into_iter().map(Into::into);
        let Ok(Command::Run(options)) = parse(words) else {
            panic!("bad options {options:?}")
        };
        let clock = Clock::simulated(self.cluster.now());
        let receiver = Receiver::new(options.settings, self.cluster.client(), clock);
        let (router, work) = (receiver.router(), tokio::spawn(receiver.work()));
        Replica {
            receiver,
            router,
            work,
        }
    }

    /// Cuts a node's power and waits until the control plane has seen it and the pods know.
    pub async fn lose(&self, node: &str) {
        self.cluster.cut_power(node);
        seconds(65).await;
    }

    /// The UID and node of a pod of `monitoring`; none when there is no such pod.
    pub fn pod(&self, name: &str) -> Option<(String, String)> {
        self.cluster.edit(|world| {
            let pod = world
                .pods
                .get(&("monitoring".to_owned(), name.to_owned()))?;
            let node = pod.spec.as_ref().and_then(|s| s.node_name.clone());
            Some((pod.metadata.uid.clone()?, node.unwrap_or_default()))
        })
    }

    /// What was asked to be deleted or patched of pods by a client from outside.
    pub fn destructive(&self) -> Vec<Entry> {
        let ours = |e: &Entry| {
            e.resource == "pods" && matches!(e.verb, "delete" | "patch") && !by_controller(e)
        };
        self.cluster.audit().into_iter().filter(ours).collect()
    }
}

fn by_controller(entry: &Entry) -> bool {
    ["controller", "kubelet", "pod-gc", "scheduler"]
        .iter()
        .any(|w| entry.user_agent.contains(w))
}

impl Replica {
    /// Posts alerts as Alertmanager does; the status and the answer.
    pub async fn post(&self, alerts: Value) -> (u16, Value) {
        let payload = json!({"version": "4", "status": "firing", "alerts": alerts});
        let request = Request::post("/webhook").body(Body::from(payload.to_string()));
        self.call(request.expect("a request")).await
    }

    /// Posts one firing alert for a node.
    pub async fn alert(&self, node: &str) -> (u16, Value) {
        self.post(json!([alert("firing", node)])).await
    }

    /// Posts the end of that alert.
    pub async fn resolve(&self, node: &str) -> (u16, Value) {
        self.post(json!([alert("resolved", node)])).await
    }

    /// Reads a page.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    async fn call(&self, request: Request<Body>) -> (u16, Value) {
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("UTF-8");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// The value of one series, written as `/metrics` writes it.
    pub async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let text = text.as_str().expect("text").to_owned();
        let line = text
            .lines()
            .find(|l| l.strip_prefix(series).is_some_and(|r| r.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        line.rsplit(' ')
            .next()
            .and_then(|v| v.parse().ok())
            .expect("a number")
    }

    /// Why the node is held; none when it is not.
    pub async fn held(&self, node: &str) -> Option<String> {
        let (_, status) = self.get(&format!("/api/v1/remediations?node={node}")).await;
        status["nodes"][0]["held"]["reason"]
            .as_str()
            .map(str::to_owned)
    }

    /// The story of one pod in the newest remediation.
    pub async fn story(&self, pod: &str) -> Value {
        let (_, status) = self.get("/api/v1/remediations").await;
        let pods = status["remediations"][0]["pods"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        pods.into_iter()
            .find(|p| p["name"] == pod)
            .unwrap_or(Value::Null)
    }

    /// Stops it as SIGTERM does, and waits.
    pub async fn stop(self) {
        self.receiver.drain();
        self.work.await.expect("no panic");
    }

    /// Stops it as SIGKILL does.
    pub fn kill(self) {
        self.work.abort();
    }
}

/// An alert of the default name.
pub fn alert(status: &str, node: &str) -> Value {
    json!({
        "status": status,
        "labels": {"alertname": "KubeNodeNotReady", "node": node},
        "fingerprint": format!("f-{node}"),
    })
}

pub async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Three nodes; on the first a Prometheus, made as `plan` changes it.
pub fn small(plan: impl FnOnce(Plan) -> Plan) -> Layout {
    Layout::nodes(3).statefulset(plan(Plan::new("monitoring", "prometheus-k8s")))
}
