//! The workloads whose pods tests lose.

use crate::client::Client;
use serde_json::{Value, json};

/// Where the shipped Roles let Nodefall act.
pub const NAMESPACE: &str = "monitoring";

/// The label of what a scenario makes, and takes away again.
pub const SCENARIO: &str = "testbed.nodefall.io/scenario";

/// A StatefulSet, DaemonSet or Deployment to be.
pub struct Workload {
    kind: &'static str,
    object: Value,
}

impl Workload {
    /// A StatefulSet of one replica in `monitoring`, whose pods start at once.
    pub fn stateful_set(name: &str) -> Self {
        let mut set = Self::new("StatefulSet", name);
        set.object["spec"]["serviceName"] = json!(name);
        set.object["spec"]["replicas"] = json!(1);
        set.object["spec"]["podManagementPolicy"] = json!("Parallel");
        set
    }

    /// A Deployment of one replica.
    pub fn deployment(name: &str) -> Self {
        let mut deployment = Self::new("Deployment", name);
        deployment.object["spec"]["replicas"] = json!(1);
        deployment
    }

    /// A DaemonSet.
    pub fn daemon_set(name: &str) -> Self {
        Self::new("DaemonSet", name)
    }

    fn new(kind: &'static str, name: &str) -> Self {
        let labels = json!({"app": name, SCENARIO: ""});
        let object = json!({
            "apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "containers": [{"name": "main", "image": "example.com/main:1"}],
                        "terminationGracePeriodSeconds": 30,
                    },
                },
            },
        });
        Self { kind, object }
    }

    /// In that namespace.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.object["metadata"]["namespace"] = json!(namespace);
        self
    }

    /// So many replicas.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.object["spec"]["replicas"] = json!(replicas);
        self
    }

    /// On that node as long as it can be had.
    pub fn on(self, node: &str) -> Self {
        let term = json!({"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
        ]});
        let preferred = json!([{"weight": 100, "preference": term}]);
        self.pod(
            "affinity",
            json!({"nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            }}),
        )
    }

    /// Held by that finalizer when it is deleted.
    pub fn finalizer(mut self, finalizer: &str) -> Self {
        self.object["spec"]["template"]["metadata"]["finalizers"] = json!([finalizer]);
        self
    }

    /// With an annotation on its pods.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.object["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
        self
    }

    /// With a claim to a volume that was made for it, for each pod of a StatefulSet.
    pub fn claim(mut self, claim: &str) -> Self {
        self.object["spec"]["volumeClaimTemplates"] = json!([{
            "metadata": {"name": claim},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }]);
        self
    }

    /// With a field of the pods' `spec`.
    pub fn pod(mut self, field: &str, value: Value) -> Self {
        self.object["spec"]["template"]["spec"][field] = value;
        self
    }

    /// Creates it.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn create(self, client: &Client) {
        let namespace = self.object["metadata"]["namespace"].as_str();
        let path = path(self.kind, namespace.expect("a namespace"));
        client.create(&path, &self.object);
    }
}

/// The toleration of an unreachable node for so many seconds.
pub fn unreachable_for(seconds: u64) -> Value {
    json!({
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": seconds,
    })
}

/// Where the objects of that kind are.
fn path(kind: &str, namespace: &str) -> String {
    let plural = kind.to_lowercase();
    format!("/apis/apps/v1/namespaces/{namespace}/{plural}s")
}

/// A pod, as far as tests ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// The node it is bound to; empty when none.
    pub node: String,
    /// Its Ready condition.
    pub ready: bool,
    /// It is being deleted.
    pub terminating: bool,
}

impl Pod {
    /// Reads what the API server shows.
    pub fn read(pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let meta = &pod["metadata"];
        Self {
            name: text(&meta["name"]),
            uid: text(&meta["uid"]),
            node: text(&pod["spec"]["nodeName"]),
            ready: condition(pod, "Ready") == "True",
            terminating: !meta["deletionTimestamp"].is_null(),
        }
    }
}

/// The status of a condition of a Node or a pod; empty when it has none of that type.
pub fn condition(object: &Value, kind: &str) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.and_then(|all| all.iter().find(|c| c["type"] == kind));
    let status = found.and_then(|c| c["status"].as_str());
    status.unwrap_or_default().to_owned()
}

/// Whether a Node carries `node.kubernetes.io/unreachable:NoExecute`.
pub fn is_tainted(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    taints.is_some_and(|all| {
        all.iter().any(|taint| {
            taint["key"] == "node.kubernetes.io/unreachable" && taint["effect"] == "NoExecute"
        })
    })
}
