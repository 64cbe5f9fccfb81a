//! Who is never touched, whatever names the operator gave.

use crate::bed::{LOST, Scenario, Scene};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::workload::{NAMESPACE, Pod, SCENARIO, Workload};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "DaemonSet's, mirror, bare, opted-out, unnamed, others' pods, replacements",
    never,
)];

fn never(scene: &mut Scene) {
    let client = &scene.cluster.client;
    let namespace = json!({"metadata": {"name": "elsewhere", "labels": {SCENARIO: ""}}});
    client.create("/api/v1/namespaces", &namespace);
    let named = scene.pod("named");
    let opted_out =
        Workload::stateful_set("named-not").annotation("nodefall.io/remediation", "disabled");
    scene.run("named-not", opted_out);
    Workload::daemon_set("named-daemon").create(client);
    Workload::stateful_set("other").on(LOST).create(client);
    Workload::stateful_set("named")
        .namespace("elsewhere")
        .on(LOST)
        .create(client);
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    client.create(&pods, &bare("named-bare", &json!({})));
    // What a kubelet makes of a static pod: it owns it, and would make its mirror again.
    let node = scene.cluster.node(LOST).expect("a node");
    let mut mirror = bare(
        "named-mirror",
        &json!({"kubernetes.io/config.mirror": "hash"}),
    );
    mirror["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "Node", "name": LOST, "uid": node["metadata"]["uid"],
        "controller": true,
    }]);
    client.create(&pods, &mirror);
    let all = [
        "named-not-0",
        "named-bare",
        "named-mirror",
        "other-0",
        "elsewhere/named-0",
    ];
    let kept = eventually("all are there", PATIENCE, || {
        let there = on_lost(scene, &named);
        let ends = |name: &str| there.iter().any(|(path, _)| path.ends_with(name));
        let daemon = there.iter().any(|(path, _)| path.contains("named-daemon-"));
        (daemon && all.into_iter().all(ends)).then_some(there)
    });
    let receiver = scene.receiver("named*", &["--period=1s", "--unreachable-for=0s"]);
    scene.cluster.lose(LOST);
    scene.alert(&receiver, LOST);
    let new = scene.cluster.replaced(&named);
    for (reason, count) in [
        ("daemonset", 1.0),
        ("mirror", 1.0),
        ("no_controller", 1.0),
        ("opted_out", 1.0),
    ] {
        let series = format!(r#"nodefall_pods_skipped_total{{reason="{reason}"}}"#);
        scene.counts(&receiver, &series, count);
    }
    // The alert comes again, and the sweep goes on.
    scene.alert(&receiver, LOST);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(
        scene.touched(&[&named]),
        [("delete".to_owned(), named.name.clone())]
    );
    assert_eq!(on_lost(scene, &named), kept);
    assert_eq!(scene.cluster.pod(&named.name), Some(new));
}

/// Namespace, name and UID of what is on the lost node, but for one pod.
fn on_lost(scene: &Scene, but: &Pod) -> BTreeSet<(String, String)> {
    let pods = scene.cluster.pods_on(LOST);
    let place = |pod: &Value| {
        let meta = &pod["metadata"];
        let namespace = meta["namespace"].as_str().unwrap_or_default();
        let read = Pod::read(pod);
        (format!("{namespace}/{}", read.name), read.uid)
    };
    pods.iter()
        .map(place)
        .filter(|(_, uid)| *uid != but.uid)
        .collect()
}

/// A pod that nothing would make again, on the node that will be lost.
fn bare(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": {SCENARIO: ""}, "annotations": annotations,
        },
        "spec": {
            "nodeName": LOST,
            "containers": [{"name": "main", "image": "example.com/main:1"}],
        },
    })
}
