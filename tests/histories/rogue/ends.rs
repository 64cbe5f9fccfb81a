//! What is left undone at the end, and what excuses it.

use super::{NODE, POD, Rogue, plan};
use crate::config::Bound;
use crate::oracle::loss::{Excuse, Left, left};
use nodefall::demo::objects::set_pod_condition;
use nodefall::demo::world::{key, time};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn what_is_left_needs_a_right_reason() {
    let rogue = Rogue::new(plan()).await;
    let stays = |excuse| Left {
        pod: key("monitoring", POD),
        uid: rogue.uid.clone(),
        node: NODE.to_owned(),
        excuse,
        steady: true,
    };
    assert_eq!(rogue.broken(vec![stays(None)], &[]), ["lost"]);
    let told = |reason: &str| json!({"nodes": [{"node": NODE, "held": {"reason": reason}}]});
    let storm = || vec![stays(Some(Excuse::Storm))];
    assert!(
        rogue
            .broken(storm(), &[("r", told("storm_guard"))])
            .is_empty()
    );
    assert_eq!(
        rogue.broken(storm(), &[("r", told("node_ready"))]),
        ["wrong reason"]
    );
    // Somebody must hold it.
    assert_eq!(rogue.broken(storm(), &[]), ["not held"]);
    assert_eq!(
        rogue.broken(storm(), &[("r", json!({"nodes": []}))]),
        ["not held"]
    );
    let removed = vec![stays(Some(Excuse::Removed))];
    assert!(rogue.broken(removed, &[]).is_empty());
    // The truth behind it: the pod is found, and nothing excuses it.
    let found = rogue
        .cluster
        .read(|world| left(world, &rogue.history.config));
    let found: Vec<_> = found.iter().map(|it| (&it.pod, it.excuse)).collect();
    assert_eq!(found, [(&key("monitoring", POD), None)]);
    // What has just changed nobody need have seen.
    let mut fresh = storm();
    fresh[0].steady = false;
    assert!(rogue.broken(fresh, &[]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_excuses_a_pod_is_true() {
    let excuse = |rogue: &Rogue| {
        let config = &rogue.history.config;
        let left = rogue.cluster.read(|world| left(world, config));
        left.into_iter().map(|left| left.excuse).next()
    };
    let mut rogue = Rogue::new(plan()).await;
    assert_eq!(excuse(&rogue), Some(None));
    rogue.edit_node(|node| node.spec.get_or_insert_default().taints = None);
    assert_eq!(excuse(&rogue), Some(Some(Excuse::NotTainted)));
    rogue.cluster.cut_power("node-2");
    sleep(Duration::from_secs(75)).await;
    assert_eq!(excuse(&rogue), Some(Some(Excuse::Storm)));
    rogue.history.config.bound = Bound::Percent(100);
    assert_eq!(excuse(&rogue), Some(None));
    let now = rogue.cluster.now();
    rogue.edit_pod(|pod| set_pod_condition(pod, "Ready", "True", None, None, now));
    assert_eq!(excuse(&rogue), Some(Some(Excuse::PodReady)));
    rogue.edit_pod(|pod| pod.metadata.deletion_timestamp = Some(time(now)));
    assert_eq!(excuse(&rogue), Some(None));
}
