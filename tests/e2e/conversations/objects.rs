//! What conversations are about.

use serde_json::{Value, json};

pub const PODS: &str = "/api/v1/namespaces/monitoring/pods";
pub const SETS: &str = "/apis/apps/v1/namespaces/monitoring/statefulsets";
pub const HOLD: &str = "example.com/hold";

/// A node that nobody has: no kubelet touches a pod that is bound to it, and PodGC takes longer than a
/// conversation until it believes that.
pub const NOWHERE: &str = "nowhere";

/// A pod bound to that node; to none for the empty name.
pub fn pod(name: &str, node: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "monitoring", "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]},
    });
    if !node.is_empty() {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

/// A StatefulSet whose pods start, and are evicted, at once.
pub fn stateful_set(name: &str, replicas: u32) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "monitoring"},
        "spec": {
            "serviceName": name, "replicas": replicas, "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]},
            },
        },
    })
}

pub fn at(collection: &str, name: &str) -> String {
    format!("{collection}/{name}")
}

/// The options of a delete that ends a pod at once.
pub fn now() -> Value {
    json!({"gracePeriodSeconds": 0})
}
