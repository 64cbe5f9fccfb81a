//! The Node object is deleted.

use crate::bed::{Scenario, Scene};
use nodefall_testbed::cluster::{ZONE, node_path};
use nodefall_testbed::workload::Workload;
use serde_json::Value;
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "a Node is deleted: dead with a finalizer's pod, or with a kubelet that lives on",
    deleted,
)];

/// PodGC waits 40 s, and looks every 20 s.
const PODGC: Duration = Duration::from_secs(120);

/// Both at once, since each takes PodGC's minute.
fn deleted(scene: &mut Scene) {
    let mut pods = Vec::new();
    for (node, name) in [("node-4", "dead"), ("node-5", "alive")] {
        scene.cluster.add_node(node, ZONE);
        scene.cluster.is_back(node);
        let set = Workload::stateful_set(name).finalizer("example.com/hold");
        set.on(node).create(&scene.cluster.client);
        pods.push(scene.cluster.runs(&format!("{name}-0"), node));
    }
    scene.cluster.lose("node-4");
    for node in ["node-4", "node-5"] {
        scene.cluster.client.delete(&node_path(node), &Value::Null);
    }
    let options = ["--period=1s", "--unreachable-for=0s", "--delete-timeout=3s"];
    let receiver = scene.receiver("dead,alive", &options);
    for node in ["node-4", "node-5"] {
        scene.alert(&receiver, node);
        scene.is_held(&receiver, node, "unknown_node");
    }
    for pod in &pods {
        scene.cluster.replaced_within(PODGC, pod);
    }
    let touched = scene.touched(&pods.iter().collect::<Vec<_>>());
    for pod in &pods {
        assert!(
            touched.contains(&("patch".to_owned(), pod.name.clone())),
            "{touched:?}"
        );
    }
    for call in scene.destructive() {
        assert_eq!(call.verb, "patch", "{call:?}");
        let grace = &call.response["metadata"]["deletionGracePeriodSeconds"];
        assert_eq!(grace, 0, "PodGC had deleted it: {call:?}");
    }
}
