//! What it does, and the rule that forbids it.

use super::{NODE, breaks, plan};
use crate::config::Bound;
use nodefall::demo::objects::set_pod_condition;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn whoever_looks_first_breaks_no_rule() {
    breaks(&[], plan(), async |rogue| {
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    breaks(&[], plan().finalizer("example.com/keep"), async |rogue| {
        rogue.look().await;
        rogue.delete().await;
        sleep(Duration::from_secs(10)).await;
        rogue.look().await;
        rogue.patch().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_read_must_be_there_and_young() {
    breaks(&["unread pod"], plan(), async |rogue| rogue.delete().await).await;
    breaks(&["unread node"], plan(), async |rogue| {
        rogue.look_at_pod().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["unread fleet"], plan(), async |rogue| {
        rogue.look_at_pod().await;
        rogue.look_at_node().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["unread node"], plan(), async |rogue| {
        rogue.look().await;
        sleep(Duration::from_secs(4)).await;
        rogue.delete().await;
    })
    .await;
    breaks(&["unread fleet"], plan(), async |rogue| {
        rogue.look_at_fleet().await;
        sleep(Duration::from_secs(11)).await;
        rogue.look_at_pod().await;
        rogue.look_at_node().await;
        rogue.delete().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_node_must_be_gone_by_what_was_read() {
    breaks(&["node speaks"], plan(), async |rogue| {
        rogue.look_at_pod().await;
        rogue.look_at_fleet().await;
        rogue.reads_ready();
        rogue.look_at_node().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["not tainted"], plan(), async |rogue| {
        rogue.look_at_pod().await;
        rogue.look_at_fleet().await;
        rogue.edit_node(|node| node.spec.get_or_insert_default().taints = None);
        rogue.look_at_node().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["kubelet speaks"], plan(), async |rogue| {
        rogue.cluster.give_power(NODE);
        sleep(Duration::from_millis(1)).await;
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["ready node"], plan(), async |rogue| {
        rogue.look_at_pod().await;
        rogue.look_at_node().await;
        rogue.reads_ready();
        rogue.look_at_fleet().await;
        rogue.delete().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_guard_counts_the_nodes_that_were_read() {
    breaks(&["storm"], plan(), async |rogue| {
        rogue.cluster.cut_power("node-2");
        sleep(Duration::from_secs(75)).await;
        rogue.look().await;
        sleep(Duration::from_millis(1)).await;
        rogue.delete().await;
    })
    .await;
    breaks(&["no other node"], plan(), async |rogue| {
        rogue.history.config.bound = Bound::Percent(100);
        rogue.look().await;
        for node in 2..5 {
            rogue.cluster.delete_node(&format!("node-{node}"));
        }
        rogue.look_at_fleet().await;
        sleep(Duration::from_millis(1)).await;
        rogue.delete().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_pod_must_be_the_one_that_is_meant() {
    let (uid, grace) = (json!({"uid": "u"}), json!(0));
    for (rules, body) in [
        // Without a UID it succeeds.
        (
            &["another uid", "form"][..],
            json!({"gracePeriodSeconds": grace}),
        ),
        (&["form"], json!({"preconditions": uid})),
        (
            &["another uid"],
            json!({"gracePeriodSeconds": grace, "preconditions": uid}),
        ),
    ] {
        breaks(rules, plan(), async |rogue| {
            rogue.look().await;
            rogue.delete_with(&body).await;
        })
        .await;
    }
    breaks(&["not named"], plan(), async |rogue| {
        rogue.history.config.names = vec![("monitoring", "prometheus-k8s-?0")];
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    let opted_out = plan().annotation("nodefall.io/remediation", "disabled");
    breaks(&["excluded"], opted_out, async |rogue| {
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["excluded"], plan(), async |rogue| {
        rogue.edit_pod(|pod| pod.metadata.owner_references = None);
        rogue.history.config.names = vec![("monitoring", "*")];
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["ready pod"], plan(), async |rogue| {
        let now = rogue.cluster.now();
        rogue.edit_pod(|pod| set_pod_condition(pod, "Ready", "True", None, None, now));
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn finalizers_are_cleared_late_or_never() {
    let kept = || plan().finalizer("example.com/keep");
    breaks(&["early patch"], kept(), async |rogue| {
        rogue.look().await;
        rogue.patch().await;
    })
    .await;
    breaks(&["early patch"], kept(), async |rogue| {
        rogue.look().await;
        rogue.delete().await;
        rogue.look().await;
        rogue.patch().await;
    })
    .await;
    let protected = plan().finalizer("batch.kubernetes.io/job-tracking");
    breaks(&["protected finalizer"], protected, async |rogue| {
        rogue.look().await;
        rogue.delete().await;
        sleep(Duration::from_secs(12)).await;
        rogue.look().await;
        rogue.patch().await;
    })
    .await;
    breaks(&["deleted again"], kept(), async |rogue| {
        rogue.look().await;
        rogue.delete().await;
        sleep(Duration::from_millis(1)).await;
        rogue.delete().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_node_is_pod_gcs() {
    breaks(&["removed node"], plan(), async |rogue| {
        rogue.cluster.delete_node(NODE);
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_nothing_strange_is_asked() {
    breaks(&["dry run"], plan(), async |rogue| {
        rogue.history.config.dry_run = true;
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    breaks(&["unknown request"], plan(), async |rogue| {
        rogue.get("/api/v1/secrets").await;
    })
    .await;
}
