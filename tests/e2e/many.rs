//! A full node.

use crate::bed::{LOST, NODES, Scenario, Scene};
use nodefall_testbed::process::eventually;
use nodefall_testbed::workload::{Pod, Workload};
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] =
    &[("200 pods on the dead node, 30 of them selected", many)];

/// The controller manager makes some ten pods a second, and so many does the kubelet start.
const FULL: Duration = Duration::from_secs(90);

const ALL: usize = 200;
const SELECTED: usize = 30;

fn many(scene: &mut Scene) {
    let client = &scene.cluster.client;
    // Preferring a node is not enough: the scheduler would spread them.
    let others = NODES.into_iter().filter(|node| *node != LOST);
    others
        .clone()
        .for_each(|node| scene.cluster.cordon(node, true));
    Workload::stateful_set("many")
        .replicas(SELECTED as u32)
        .on(LOST)
        .create(client);
    Workload::deployment("others")
        .replicas((ALL - SELECTED) as u32)
        .on(LOST)
        .create(client);
    let on_lost = |scene: &Scene, name: &str| -> Vec<Pod> {
        let mut pods = scene.cluster.pods();
        pods.retain(|pod| pod.node == LOST && pod.ready && pod.name.starts_with(name));
        pods
    };
    eventually("a full node", FULL, || {
        let there = on_lost(scene, "many-").len() + on_lost(scene, "others-").len();
        (there == ALL).then_some(())
    });
    others.for_each(|node| scene.cluster.cordon(node, false));
    let old = on_lost(scene, "many-");
    let receiver = scene.receiver("many", &["--period=0"]);
    scene.cluster.lose(LOST);
    scene.alert(&receiver, LOST);
    eventually(
        "30 replacements run elsewhere",
        Duration::from_secs(90),
        || {
            let pods = scene.cluster.pods();
            let new = |pod: &&Pod| pod.name.starts_with("many-") && pod.node != LOST && pod.ready;
            (pods.iter().filter(new).count() == SELECTED).then_some(())
        },
    );
    scene.ended(&receiver, "alert", "freed");
    scene.counts(
        &receiver,
        r#"nodefall_pod_deletions_total{result="deleted"}"#,
        SELECTED as f64,
    );
    let touched = scene.touched(&old.iter().collect::<Vec<_>>());
    assert_eq!(touched.len(), SELECTED, "once each");
}
