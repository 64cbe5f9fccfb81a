//! The Node object is deleted.

use crate::bed::{Scenario, Scene};
use nodefall_testbed::cluster::{ZONE, node_path};
use nodefall_testbed::process::eventually;
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
        let set = Workload::stateful_set(name)
            .finalizer("example.com/hold")
            .on(node);
        set.create(&scene.cluster.client);
        pods.push(scene.cluster.runs(&format!("{name}-0"), node));
    }
    let options = ["--period=1s", "--unreachable-for=0s", "--delete-timeout=3s"];
    let receiver = scene.receiver("dead,alive", &options);
    scene.cluster.lose("node-4");
    let path = |pod: &str| format!("/api/v1/namespaces/monitoring/pods/{pod}");
    let client = scene.cluster.client.clone();
    for node in ["node-4", "node-5"] {
        client.delete(&node_path(node), &Value::Null);
    }
    for node in ["node-4", "node-5"] {
        scene.alert(&receiver, node);
    }
    for pod in &pods {
        eventually(&format!("{} is replaced", pod.name), PODGC, || {
            let new = scene.cluster.pod(&pod.name)?;
            (new.uid != pod.uid && new.ready).then_some(())
        });
    }
    let [dead, alive] = &pods[..] else {
        unreachable!()
    };
    scene.touched(&[dead, alive]);
    for call in scene.destructive() {
        // The first of the two may be gone before its Node was: by the ordinary road.
        if call.verb == "delete" {
            assert_eq!(call.name, dead.name, "{call:?}");
            continue;
        }
        let grace = &call.response["metadata"]["deletionGracePeriodSeconds"];
        assert_eq!(grace, 0, "PodGC had deleted it: {call:?}");
    }
    assert!(client.get(&path(&alive.name)).is_some());
}
