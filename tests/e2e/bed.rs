//! What every scenario is played on, and how it is left.

use crate::policy;
use http::Method;
use nodefall_testbed::audit::{Audit, Call, Mark};
use nodefall_testbed::cluster::Cluster;
use nodefall_testbed::process::{PATIENCE, Scratch, eventually, say};
use nodefall_testbed::profile::Profile;
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::workload::{NAMESPACE, Pod, SCENARIO, Workload};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// The nodes that are there between scenarios.
pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The node whose fate most scenarios tell.
pub const LOST: &str = "node-1";

/// The program under test.
pub const NODEFALL: &str = env!("CARGO_BIN_EXE_nodefall");

/// Long enough for Nodefall to look again and to act, if it would.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

/// What is played.
pub type Scenario = fn(&mut Scene);

/// The cluster of all scenarios.
pub struct Bed {
    cluster: Cluster,
    begun: Mark,
}

impl Bed {
    /// Starts the cluster and installs what a user installs.
    pub fn start() -> Self {
        let cluster = Cluster::start(Profile::QUICK, &NODES);
        cluster.install();
        // What it refuses no scenario may need.
        policy::enforce(&cluster);
        let begun = cluster.audit().mark();
        Self { cluster, begun }
    }

    /// Plays one scenario and leaves the cluster as it was, also when it fails.
    ///
    /// # Panics
    /// When that cannot be done; the scenario's own panic is returned.
    pub fn play(&mut self, scenario: impl FnOnce(&mut Scene)) -> thread::Result<()> {
        let audit = self.cluster.audit();
        let mark = audit.mark();
        let mut scene = Scene {
            cluster: &mut self.cluster,
            scratch: Scratch::new(),
            audit,
            mark,
            begun: self.begun,
        };
        let began = Instant::now();
        let played = catch_unwind(AssertUnwindSafe(|| scenario(&mut scene)));
        let took = began.elapsed();
        scene.tidy();
        let (took, all) = (took.as_secs_f64(), began.elapsed().as_secs_f64());
        say(&format!("  {took:.1} s, {:.1} s to tidy up", all - took));
        played
    }
}

/// The cluster while a scenario is played on it.
pub struct Scene<'a> {
    pub cluster: &'a mut Cluster,
    pub scratch: Scratch,
    audit: Audit,
    /// Where the audit log ended when the scenario, and the whole run, began.
    mark: Mark,
    begun: Mark,
}

impl Scene<'_> {
    /// Starts Nodefall for the StatefulSets of these names, with the rights of the shipped Roles.
    pub fn receiver(&self, names: &str, options: &[&str]) -> Receiver {
        let kubeconfig = self
            .cluster
            .kubeconfig(&self.scratch, &format!("{}.kubeconfig", self.fresh()));
        self.receiver_at(&kubeconfig, names, options)
    }

    /// The same with a kubeconfig of one's own.
    pub fn receiver_at(
        &self,
        kubeconfig: &std::path::Path,
        names: &str,
        options: &[&str],
    ) -> Receiver {
        let name = self.fresh();
        let names = format!("--prometheus-name={names}");
        let options = [&[names.as_str()], options].concat();
        Receiver::start_for(NODEFALL, &self.scratch, &name, kubeconfig, &options).ready()
    }

    /// A name that no file of the scenario has.
    fn fresh(&self) -> String {
        let files = std::fs::read_dir(self.scratch.path("")).expect("our own folder");
        format!("nodefall-{}", files.count())
    }

    /// A StatefulSet of one pod on the node that will be lost; returns the pod once it runs.
    pub fn pod(&self, name: &str) -> Pod {
        self.run(name, Workload::stateful_set(name))
    }

    /// The same with more to it.
    pub fn run(&self, name: &str, set: Workload) -> Pod {
        set.on(LOST).create(&self.cluster.client);
        self.cluster.runs(&format!("{name}-0"), LOST)
    }

    /// Tells Nodefall that a node is lost, as Alertmanager would.
    pub fn alert(&self, receiver: &Receiver, node: &str) {
        let answer = receiver.alert(node);
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// Waits until Nodefall holds a node for that reason, and counts it.
    pub fn is_held(&self, receiver: &Receiver, node: &str, reason: &str) {
        let path = format!("/api/v1/remediations?node={node}");
        eventually(&format!("{node} is held: {reason}"), PATIENCE, || {
            let told = receiver.get(&path).json();
            (told["nodes"][0]["held"]["reason"] == reason).then_some(())
        });
        let series = format!(r#"nodefall_held_nodes{{reason="{reason}"}}"#);
        eventually("the hold is counted", PATIENCE, || {
            (receiver.metric(&series) >= 1.0).then_some(())
        });
    }

    /// Waits until a remediation ended so.
    pub fn ended(&self, receiver: &Receiver, trigger: &str, result: &str) {
        let series =
            format!(r#"nodefall_remediations_total{{result="{result}",trigger="{trigger}"}}"#);
        self.counts(receiver, &series, 1.0);
    }

    /// Waits until a series of Nodefall has that value.
    pub fn counts(&self, receiver: &Receiver, series: &str, value: f64) {
        eventually(&format!("{series} {value}"), PATIENCE, || {
            (receiver.metric(series) == value).then_some(())
        });
    }

    /// What Nodefall did to pods in this scenario.
    pub fn destructive(&self) -> Vec<Call> {
        self.audit.destructive(self.mark)
    }

    /// All that Nodefall asked in this scenario.
    pub fn asked(&self) -> Vec<Call> {
        self.audit.ours(self.mark)
    }

    /// All that Nodefall asked in the whole run.
    pub fn record(&self) -> Vec<Call> {
        self.audit.ours(self.begun)
    }

    /// Its verbs, each with the pod's name; every one was bound to the UID of one of `pods`, which it
    /// was allowed to touch.
    pub fn touched(&self, pods: &[&Pod]) -> Vec<(String, String)> {
        let mut touched = Vec::new();
        for call in self.destructive() {
            let bound = call.bound_to();
            let known = pods
                .iter()
                .any(|pod| pod.name == call.name && Some(&*pod.uid) == bound);
            assert!(known, "not to be touched: {call:?}");
            touched.push((call.verb, call.name));
        }
        touched
    }

    /// Waits until Nodefall has done that to a pod.
    pub fn has(&self, verb: &str, pod: &Pod) {
        eventually(&format!("a {verb} of {}", pod.name), PATIENCE, || {
            let calls = self.destructive();
            let done = calls
                .iter()
                .any(|call| call.verb == verb && call.name == pod.name);
            done.then_some(())
        });
    }

    /// Gives Nodefall time to do what it must not; nothing was done in the whole scenario.
    pub fn nothing_is_touched(&self) {
        thread::sleep(LONG_ENOUGH);
        let touched = self.destructive();
        assert!(touched.is_empty(), "{touched:?}");
    }

    /// Takes away what the scenario made, and gives everything its power back.
    fn tidy(&mut self) {
        self.cluster.restore(&NODES);
        let client = &self.cluster.client;
        let selector = format!("labelSelector={SCENARIO}");
        let background = json!({"propagationPolicy": "Background"});
        for path in [
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        ] {
            client.delete(&format!("{path}?{selector}"), &Value::Null);
        }
        let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        client.delete(&format!("{bindings}?{selector}"), &Value::Null);
        for namespace in client.list(&format!("/api/v1/namespaces?{selector}")) {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            client.delete(&format!("/api/v1/namespaces/{name}"), &Value::Null);
        }
        for kind in ["statefulsets", "deployments", "daemonsets", "replicasets"] {
            let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/{kind}?{selector}");
            client.delete(&path, &background);
        }
        let jobs = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs?{selector}");
        client.delete(&jobs, &background);
        eventually("the scenario's pods are gone", PATIENCE, || {
            let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?{selector}");
            let pods = client.list(&path);
            for pod in &pods {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                let path = nodefall_testbed::cluster::pod_path(name);
                client.delete(&path, &json!({"gracePeriodSeconds": 0}));
                if !pod["metadata"]["finalizers"].is_null() {
                    let none = json!({"metadata": {"finalizers": null}});
                    // It may be gone by now.
                    let headers = [("content-type", nodefall_testbed::client::MERGE)];
                    let _ = client.send(&Method::PATCH, &path, &headers, &none);
                }
            }
            pods.is_empty().then_some(())
        });
        for node in self
            .cluster
            .client
            .list(&format!("/api/v1/nodes?{selector}"))
        {
            let name = node["metadata"]["name"].as_str().unwrap_or_default();
            self.cluster.remove_node(name);
        }
        self.cluster.is_well(&NODES);
    }
}
