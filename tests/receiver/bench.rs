//! What each scenario is played on: a simulated cluster and receivers over its API, both called in
//! memory.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use nodefall::act::Clock;
use nodefall::cli::{Command, parse};
use nodefall::demo::audit::Entry;
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::objects::{is_pod_ready, set_pod_condition};
use nodefall::demo::world::key;
use nodefall::demo::{Cluster, Constants, Layout, Plan};
use nodefall::receiver::Receiver;
use nodefall::serve::WebConfig;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// The node whose fate the scenarios tell.
pub const LOST: &str = "node-1";

/// The pod that runs there in the [`small`] cluster.
pub const POD: &str = "prometheus-k8s-0";

/// A cluster, its clock running.
pub struct Bench {
    pub cluster: Cluster,
}

/// One replica of the receiver.
pub struct Replica {
    receiver: Receiver,
    router: axum::Router,
    work: tokio::task::JoinHandle<()>,
    cluster: Cluster,
    name: String,
}

impl Bench {
    pub async fn new(layout: Layout) -> Self {
        Self::with(Constants::default(), layout).await
    }

    /// The same with other delays than Kubernetes has by default.
    pub async fn with(constants: Constants, layout: Layout) -> Self {
        let cluster = Cluster::new(constants, &layout);
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
        self.start("nodefall", options)
    }

    fn start(&self, name: &str, options: &[&str]) -> Replica {
        self.start_over(self.cluster.client_as(name), name, options)
    }

    /// A receiver that reaches the API server by that client.
    pub fn start_over(&self, client: kube::Client, name: &str, options: &[&str]) -> Replica {
        let mut words = vec!["nodefall", "run"];
        if !options.iter().any(|o| o.starts_with("--namespace=")) {
            words.push("--namespace=monitoring");
        }
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
        let receiver = Receiver::new(options.settings, client, clock);
        let (router, work) = (
            receiver.router(&WebConfig::open_to_all().expect("random numbers")),
            tokio::spawn(receiver.work()),
        );
        Replica {
            receiver,
            router,
            work,
            cluster: self.cluster.clone(),
            name: name.to_owned(),
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

    /// What was asked to be deleted or patched of pods by receivers.
    pub fn destructive(&self) -> Vec<Entry> {
        let ours = |e: &Entry| {
            e.resource == "pods"
                && matches!(e.verb, "delete" | "patch")
                && e.user_agent.starts_with("nodefall")
        };
        self.cluster.audit().into_iter().filter(ours).collect()
    }

    /// The same in short, in order: `delete prometheus-k8s-0`.
    pub fn touched(&self) -> Vec<String> {
        let entries = self.destructive().into_iter();
        entries.map(|e| format!("{} {}", e.verb, e.name)).collect()
    }

    /// How many requests receivers made of this kind; `*` is any verb or resource.
    pub fn requests(&self, verb: &str, resource: &str) -> usize {
        let is = |wanted: &str, it: &str| wanted == "*" || wanted == it;
        let audit = self.cluster.audit().into_iter();
        let ours = audit.filter(|e| e.user_agent.starts_with("nodefall"));
        ours.filter(|e| is(verb, e.verb) && is(resource, &e.resource))
            .count()
    }

    /// The Events about a node, in order: `NodefallHeld: why`.
    pub fn events(&self, node: &str) -> Vec<String> {
        self.cluster.edit(|world| {
            let mut events: Vec<_> = world
                .events
                .values()
                .filter(|e| {
                    let about = e.regarding.as_ref();
                    about.is_some_and(|r| {
                        r.kind.as_deref() == Some("Node") && r.name.as_deref() == Some(node)
                    })
                })
                .collect();
            events.sort_by_key(|e| e.event_time.as_ref().map(|time| time.0));
            let told = |text: &Option<String>| text.clone().unwrap_or_default();
            let lines = events
                .iter()
                .map(|e| format!("{}: {}", told(&e.reason), told(&e.note)));
            lines.collect()
        })
    }

    /// Changes a pod of `monitoring`, as a kubelet or a person does.
    pub fn edit_pod(&self, name: &str, change: impl FnOnce(&mut Pod)) {
        let changed = self
            .cluster
            .edit(|world| world.update::<Pod>(&key("monitoring", name), "kubectl", change));
        assert!(changed, "{name} is absent or was so already");
    }

    /// Makes a pod of `monitoring` read Ready, or not.
    pub fn set_ready(&self, name: &str, ready: bool) {
        let (now, status) = (self.cluster.now(), if ready { "True" } else { "False" });
        self.edit_pod(name, |pod| {
            set_pod_condition(pod, "Ready", status, None, None, now);
        });
    }

    /// A replica under a name of its own, which begins with `nodefall`: the audit log, faults and
    /// [`Replica::kill`] tell it from others by that.
    pub async fn replica_as(&self, name: &str, options: &[&str]) -> Replica {
        let replica = self.start(name, options);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(replica.get("/-/ready").await.0, 200);
        replica
    }

    /// The requests of all replicas: of this verb and resource.
    pub fn asked(&self, verb: &str, resource: &str) -> Vec<Entry> {
        let wanted = |e: &Entry| {
            e.user_agent.starts_with("nodefall") && e.verb == verb && e.resource == resource
        };
        self.cluster.audit().into_iter().filter(wanted).collect()
    }

    /// Seconds from the first of these requests to each of them.
    pub fn seconds_of(&self, verb: &str, resource: &str) -> Vec<f64> {
        let times = self.asked(verb, resource);
        let since = |e: &Entry| e.at.duration_since(times[0].at).as_secs_f64();
        times.iter().map(since).collect()
    }

    /// Whatever was changed was the pod that was meant, on a node without power that the control
    /// plane had given up.
    pub fn assert_harmless(&self) {
        for entry in self.destructive() {
            let Some(truth) = entry.truth.as_ref().filter(|_| entry.status == 200) else {
                continue;
            };
            assert_eq!(truth.wanted_uid.as_ref(), Some(&truth.uid), "{entry:?}");
            assert!(!truth.power && !truth.containers_running, "{entry:?}");
            assert_eq!(truth.node_ready, "Unknown", "{entry:?}");
            assert!(truth.tainted, "{entry:?}");
        }
    }

    /// Kind, name and note of the objects that Events of this reason are about.
    pub fn told(&self, reason: &str) -> Vec<(String, String, String)> {
        self.cluster.edit(|world| {
            let events = world.events.values();
            let told = events.filter(|e| e.reason.as_deref() == Some(reason));
            let told = told.map(|e| {
                let about = e.regarding.clone().unwrap_or_default();
                let note = e.note.clone().unwrap_or_default();
                (
                    about.kind.unwrap_or_default(),
                    about.name.unwrap_or_default(),
                    note,
                )
            });
            told.collect()
        })
    }

    /// Asserts that the lost node is held for `reason` and that nothing was touched.
    pub async fn assert_held(&self, replica: &Replica, reason: &str) {
        assert_eq!(replica.held(LOST).await.as_deref(), Some(reason));
        assert_eq!(replica.held_nodes(reason).await, 1.0);
        assert!(self.touched().is_empty(), "{:?}", self.touched());
    }

    /// Asserts that one DELETE got the pod of the lost node running elsewhere, and that nothing is
    /// held any more.
    pub async fn assert_recovered(&self, replica: &Replica) {
        assert_eq!(self.touched(), [format!("delete {POD}")]);
        let (_, node) = self.pod(POD).expect("a replacement");
        assert_ne!(node, LOST);
        let ready = |pod: Option<&Pod>| pod.is_some_and(is_pod_ready);
        assert!(
            self.cluster
                .edit(|w| ready(w.pods.get(&key("monitoring", POD))))
        );
        assert_eq!(replica.held(LOST).await, None);
        assert_eq!(replica.held_nodes("").await, 0.0);
    }
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

    /// The sum of the series whose text begins like this.
    pub async fn sum(&self, start: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let lines = text.as_str().expect("text").lines();
        let values = lines.filter(|l| l.starts_with(start));
        let values = values.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    /// How many nodes are held for that reason; for any reason when it is empty.
    pub async fn held_nodes(&self, reason: &str) -> f64 {
        self.sum(&format!("nodefall_held_nodes{{reason=\"{reason}"))
            .await
    }

    /// How often a node was held for that reason.
    pub async fn holds(&self, reason: &str) -> f64 {
        self.metric(&format!("nodefall_holds_total{{reason=\"{reason}\"}}"))
            .await
    }

    /// How many pods were skipped for that reason.
    pub async fn skips(&self, reason: &str) -> f64 {
        self.metric(&format!(
            "nodefall_pods_skipped_total{{reason=\"{reason}\"}}"
        ))
        .await
    }

    /// Stops it as SIGTERM does, and waits.
    pub async fn stop(self) {
        self.receiver.drain();
        self.work.await.expect("no panic");
    }

    /// Stops it as SIGKILL does: nothing that it sends from now on arrives.
    pub fn kill(self) {
        self.work.abort();
        let gone = Fault::new(Effect::Hang).user_agent(&self.name);
        self.cluster.inject(gone);
    }

    /// Begins the drain as SIGTERM does, and does not wait.
    pub fn drain(&self) {
        self.receiver.drain();
    }

    /// Asserts the values of several series.
    pub async fn assert_counts(&self, counts: &[(&str, f64)]) {
        for (series, count) in counts {
            let is = self.metric(series).await;
            assert_eq!(is, *count, "{series}");
        }
    }
}

/// The remediations counted, by trigger and result.
pub fn remediations(trigger: &str, result: &str) -> String {
    format!("nodefall_remediations_total{{result=\"{result}\",trigger=\"{trigger}\"}}")
}

/// The deletions counted.
pub fn deletions(result: &str) -> String {
    format!("nodefall_pod_deletions_total{{result=\"{result}\"}}")
}

/// The finalizer patches counted.
pub fn patches(result: &str) -> String {
    format!("nodefall_finalizer_patches_total{{result=\"{result}\"}}")
}

/// How many replacements were seen to become Ready.
pub const RECOVERIES: &str = "nodefall_recovery_duration_seconds_count";

/// Answers with this code, and does nothing.
pub fn status(code: u16) -> Effect {
    Effect::Status {
        code,
        retry_after: None,
    }
}

/// Takes effect at once and answers so many milliseconds later: the audit log notes such a request
/// when it is sent.
pub fn late(millis: u64) -> Effect {
    let after = Duration::from_millis(millis);
    Effect::Latency {
        before: Duration::ZERO,
        after,
    }
}

/// Takes effect so many milliseconds after it was sent.
pub fn on_its_way(millis: u64) -> Effect {
    let before = Duration::from_millis(millis);
    Effect::Latency {
        before,
        after: Duration::ZERO,
    }
}

pub async fn millis(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
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

/// A cluster whose first node is lost, and a receiver that only alerts set going.
pub async fn lost(layout: Layout, options: &[&str]) -> (Bench, Replica) {
    let bench = Bench::new(layout).await;
    let replica = bench.replica(&[&["--period=0"], options].concat()).await;
    bench.lose(LOST).await;
    (bench, replica)
}

/// The finalizer of [`stuck`] pods.
pub const KEEP: &str = "example.com/keep";

/// Three nodes; on the first a Prometheus that hangs on a finalizer when it is deleted.
pub fn stuck() -> Layout {
    small(|plan| plan.finalizer(KEEP))
}

/// Three nodes; on the first a Prometheus, made as `plan` changes it.
pub fn small(plan: impl FnOnce(Plan) -> Plan) -> Layout {
    Layout::nodes(3).statefulset(plan(Plan::new("monitoring", "prometheus-k8s")))
}
