//! A whole cluster: control plane, kubelets, and what a user installs.

use crate::access::config;
use crate::audit::Audit;
use crate::client::Client;
use crate::control_plane::{ControlPlane, Part};
use crate::kubelet::{self, Kubelet};
use crate::process::{Scratch, eventually};
use crate::profile::Profile;
use crate::tools::repository;
use crate::workload::{NAMESPACE, Pod, condition, is_tainted};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The longest that a busy machine takes for what takes a quiet one seconds.
const SETTLED: Duration = Duration::from_secs(60);

/// Where nodes are unless it matters.
pub const ZONE: &str = "zone-1";

/// A cluster. Its processes and files end with it.
pub struct Cluster {
    kubelets: BTreeMap<String, Kubelet>,
    /// An administrator's client.
    pub client: Client,
    /// The control plane.
    pub plane: ControlPlane,
    binaries: PathBuf,
    profile: Profile,
}

impl Cluster {
    /// Starts a control plane and these nodes, all in one zone. They are Ready when this
    /// returns. Builds the programs first where they are missing.
    ///
    /// # Panics
    /// When something does not start; so do the others here when the API server refuses something.
    pub fn start(profile: Profile, nodes: &[&str]) -> Self {
        let binaries = binaries();
        let plane = ControlPlane::start(&binaries, profile);
        let client = Client::new(config(&plane.access.admin));
        let mut cluster = Self {
            kubelets: BTreeMap::new(),
            client,
            plane,
            binaries,
            profile,
        };
        cluster.answers();
        cluster.plane.begin(Part::Controllers);
        cluster.plane.begin(Part::Scheduler);
        for node in nodes {
            cluster.add_node(node, ZONE);
        }
        for node in nodes {
            cluster.is_back(node);
        }
        cluster
    }

    /// Waits until the API server answers, and the namespaces that it makes itself are there.
    pub fn answers(&self) {
        eventually("the API server is ready", SETTLED, || {
            let ready = self.client.send(&Method::GET, "/readyz", &[], &Value::Null);
            let there = self
                .client
                .get("/api/v1/namespaces/kube-node-lease")
                .is_some();
            (ready.ok()?.status == 200 && there).then_some(())
        });
    }

    /// Adds a node to a zone and starts its kubelet.
    pub fn add_node(&mut self, node: &str, zone: &str) {
        let kubelet = Kubelet::start(
            (&self.plane.access, self.plane.scratch(), &self.client),
            &self.binaries,
            &self.profile,
            node,
            zone,
        );
        self.kubelets.insert(node.to_owned(), kubelet);
    }

    /// Takes a node away, with its kubelet and its pods.
    pub fn remove_node(&mut self, node: &str) {
        self.kubelets.remove(node);
        self.client.delete(&node_path(node), &Value::Null);
        for pod in self.pods_on(node) {
            let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
            let place = (namespace.as_str(), name.as_str());
            let (Some(namespace), Some(name)) = place else {
                continue;
            };
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
            self.client.delete(&path, &json!({"gracePeriodSeconds": 0}));
        }
    }

    /// The pods that are bound to a node.
    pub fn pods_on(&self, node: &str) -> Vec<Value> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName={node}");
        self.client.list(&path)
    }

    /// Applies the workloads of kube-prometheus and, as a user would, the shipped manifests; waits until
    /// their pods are Ready.
    pub fn install(&self) {
        let file = repository("tests/cluster/workloads.yaml");
        self.kubectl(&["apply", "-f", &file.display().to_string()]);
        let folder = repository("manifests");
        self.kubectl(&["apply", "-k", &folder.display().to_string()]);
        eventually("what was installed runs", SETTLED, || {
            let pods = self.pods();
            let named = |name: &str| pods.iter().any(|pod| pod.name.starts_with(name));
            let there = ["prometheus-k8s-1", "alertmanager-main-2", "nodefall-"];
            let ready = pods.iter().all(|pod| pod.ready);
            (ready && there.into_iter().all(named)).then_some(())
        });
    }

    /// Where one of the built programs is.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Runs kubectl as an administrator and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(&self.plane.access.admin, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs kubectl with that kubeconfig.
    pub fn try_kubectl(&self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.binaries.join("kubectl"));
        command.arg("--kubeconfig").arg(kubeconfig).args(arguments);
        // Its caches of what the API serves must not outlive the cluster.
        command.env("HOME", self.plane.scratch().path(""));
        // Ctrl-C is for the test bed, which would take kubectl's end for a failure.
        command.process_group(0);
        command.output().expect("kubectl starts")
    }

    /// A token of Nodefall's ServiceAccount, made by the API server; each has an identity of its own in
    /// the audit log.
    pub fn token(&self) -> String {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/nodefall/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 7200}});
        let made = self.client.create(&path, &request);
        made["status"]["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// A kubeconfig for Nodefall, as its ServiceAccount.
    pub fn kubeconfig(&self, scratch: &Scratch, name: &str) -> PathBuf {
        scratch.write(name, &self.plane.access.kubeconfig(&self.token()))
    }

    /// The API server's audit log.
    pub fn audit(&self) -> Audit {
        Audit::new(self.plane.audit.clone())
    }

    /// Cuts a node's power.
    pub fn cut_power(&mut self, node: &str) {
        self.kubelet(node).cut_power();
    }

    /// Cuts a node's power and waits until the control plane has seen it, and marked it.
    pub fn lose(&mut self, node: &str) {
        self.cut_power(node);
        self.is_lost(node);
    }

    /// Waits until a node is Unknown and tainted, and its pods no longer read Ready.
    pub fn is_lost(&self, node: &str) {
        eventually(&format!("{node} is lost"), self.silence(), || {
            let object = self.node(node)?;
            let unknown = condition(&object, "Ready") == "Unknown";
            let pods = self.pods_on(node);
            let known = pods.iter().all(|pod| condition(pod, "Ready") != "True");
            (unknown && is_tainted(&object) && known).then_some(())
        });
    }

    /// Gives a node its power back; it becomes Ready by itself.
    pub fn give_power(&mut self, node: &str) {
        let (access, scratch) = (&self.plane.access, self.plane.scratch());
        let kubelet = self.kubelets.get_mut(node).expect("a node of ours");
        kubelet.give_power(access, scratch, &self.client);
    }

    /// Whatever was done to it: the control plane runs, and so do `nodes` and their kubelets.
    pub fn restore(&mut self, nodes: &[&str]) {
        self.plane.restore();
        self.answers();
        for node in nodes {
            match self.node(node) {
                None => self.add_node(node, ZONE),
                Some(_) => {
                    self.give_power(node);
                    self.report(node, true);
                    self.cordon(node, false);
                }
            }
        }
    }

    /// Waits until every node is back and the pods of `monitoring` are Ready; other nodes go then.
    pub fn is_well(&mut self, nodes: &[&str]) {
        for node in nodes {
            self.is_back(node);
        }
        let others: Vec<_> = self.kubelets.keys().cloned().collect();
        for other in others.iter().filter(|name| !nodes.contains(&name.as_str())) {
            self.remove_node(other);
        }
        eventually("the pods are well", SETTLED, || {
            self.pods()
                .iter()
                .all(|pod| pod.ready && !pod.terminating)
                .then_some(())
        });
    }

    /// Waits until a node is Ready and carries no taint.
    pub fn is_back(&self, node: &str) {
        eventually(&format!("{node} is back"), self.silence(), || {
            let untainted = self.node(node)?["spec"]["taints"].is_null();
            (self.is_ready(node) && untainted).then_some(())
        });
    }

    /// The node's kubelet hangs, or goes on; its containers would run all the time.
    pub fn hang_kubelet(&mut self, node: &str, hangs: bool) {
        self.kubelet(node).hang(hangs);
    }

    /// The node's kubelet reports Ready `False`, or `True` again.
    pub fn report(&self, node: &str, well: bool) {
        kubelet::report(&self.client, node, well);
    }

    /// Cordons a node, or uncordons it.
    pub fn cordon(&self, node: &str, cordoned: bool) {
        let patch = json!({"spec": {"unschedulable": cordoned}});
        self.client.merge(&node_path(node), &patch);
    }

    /// Reads a Node.
    pub fn node(&self, node: &str) -> Option<Value> {
        self.client.get(&node_path(node))
    }

    /// Whether a node reads Ready.
    pub fn is_ready(&self, node: &str) -> bool {
        self.node(node)
            .is_some_and(|node| condition(&node, "Ready") == "True")
    }

    /// The pods of `monitoring`.
    pub fn pods(&self) -> Vec<Pod> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        self.client.list(&path).iter().map(Pod::read).collect()
    }

    /// A pod of `monitoring`.
    pub fn pod(&self, name: &str) -> Option<Pod> {
        self.client.get(&pod_path(name)).as_ref().map(Pod::read)
    }

    /// Waits until a pod of that name is Ready on that node.
    pub fn runs(&self, name: &str, node: &str) -> Pod {
        eventually(&format!("{name} runs on {node}"), SETTLED, || {
            self.pod(name).filter(|pod| pod.ready && pod.node == node)
        })
    }

    /// Waits until `old` is replaced: the name is another pod's, Ready on another node.
    pub fn replaced(&self, old: &Pod) -> Pod {
        self.replaced_within(SETTLED, old)
    }

    /// The same with a patience of one's own.
    pub fn replaced_within(&self, patience: Duration, old: &Pod) -> Pod {
        eventually(&format!("{} is replaced", old.name), patience, || {
            let new = self.pod(&old.name)?;
            (new.uid != old.uid && new.node != old.node && new.ready).then_some(new)
        })
    }

    /// The longest that the control plane takes to see that a node is gone, or back.
    fn silence(&self) -> Duration {
        self.profile.grace + SETTLED
    }

    fn kubelet(&mut self, node: &str) -> &mut Kubelet {
        self.kubelets.get_mut(node).expect("a node of ours")
    }
}

/// Where a Node is.
pub fn node_path(node: &str) -> String {
    format!("/api/v1/nodes/{node}")
}

/// Where a pod of `monitoring` is.
pub fn pod_path(pod: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}")
}

/// The folder of the programs.
fn binaries() -> PathBuf {
    let script = repository("tests/cluster/build");
    let output = Command::new(&script).stderr(Stdio::inherit()).output();
    let output = output.expect("tests/cluster/build starts");
    assert!(
        output.status.success(),
        "tests/cluster/build failed, see above"
    );
    let folder = String::from_utf8(output.stdout).expect("a path in UTF-8");
    PathBuf::from(folder.trim_end())
}
