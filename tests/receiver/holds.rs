//! Each doubt holds the node for its own reason, and when it is gone the work is done without a new
//! notification. The storm guard, the Lease and what the API answers have files of their own.

use crate::bench::{Bench, LOST, POD, lost, seconds, small, stuck};
use k8s_openapi::api::core::v1::{Node, Taint};
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::world::key;
use nodefall::demo::{Layout, NodePlan, Plan};

fn of_nodes(count: usize) -> Layout {
    Layout::nodes(count).statefulset(Plan::new("monitoring", "prometheus-k8s"))
}

#[tokio::test(start_paused = true)]
async fn a_ready_node_is_held_until_it_is_lost() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    assert_eq!(replica.alert(LOST).await.0, 202);
    seconds(60).await;
    bench.assert_held(&replica, "node_ready").await;
    bench.lose(LOST).await;
    seconds(20).await;
    bench.assert_recovered(&replica).await;
    // Held once, however often it was looked at.
    assert_eq!(replica.holds("node_ready").await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_told_once_on_the_node_and_on_each_owner_of_its_pods() {
    let layout = Layout::nodes(1)
        .statefulset(
            Plan::new("monitoring", "prometheus-k8s")
                .replicas(2)
                .parallel(),
        )
        .statefulset(Plan::new("monitoring", "alertmanager-main"));
    let bench = Bench::new(layout).await;
    let replica = bench.replica(&["--period=0"]).await;
    replica.alert(LOST).await;
    seconds(60).await;
    let told = bench.told("NodefallHeld").into_iter();
    let mut names: Vec<_> = told.map(|(_, name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["alertmanager-main", "node-1", "prometheus-k8s"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_reasons_the_nodes_own_and_the_most_urgent_is_told() {
    const SIBLING: &str = "alertmanager-main-0";
    let layout = small(|p| p).statefulset(Plan::new("monitoring", "alertmanager-main"));
    let bench = Bench::new(layout).await;
    let replica = bench.replica(&["--period=10s"]).await;
    bench.lose(LOST).await;
    bench.set_ready(SIBLING, true);
    seconds(30).await;
    // One waits for its eviction, the other reads Ready besides.
    bench.assert_held(&replica, "pod_ready").await;
    bench.set_ready(SIBLING, false);
    seconds(30).await;
    bench.assert_held(&replica, "not_evicted").await;
    // One is refused, the other reads Ready.
    let forbidden = Effect::Status {
        code: 403,
        retry_after: None,
    };
    bench
        .cluster
        .inject(Fault::new(forbidden).verb("delete").name(POD));
    bench.set_ready(SIBLING, true);
    replica.alert(LOST).await;
    seconds(3).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("pod_ready"));
}

#[tokio::test(start_paused = true)]
async fn the_nodes_own_reason_is_told_before_that_of_a_pod() {
    let layout = stuck().statefulset(Plan::new("monitoring", "alertmanager-main"));
    let (bench, replica) = lost(layout, &["--delete-timeout=12s"]).await;
    bench.set_ready("alertmanager-main-0", true);
    replica.alert(LOST).await;
    seconds(10).await;
    // One reads Ready all the time; the other is to be patched when the taint is off for a moment.
    bench.cluster.restart_controller_manager();
    seconds(3).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_tainted"));
    assert_eq!(replica.holds("pod_ready").await, 0.0);
    seconds(30).await;
    bench.assert_harmless();
    assert_eq!(replica.held(LOST).await.as_deref(), Some("pod_ready"));
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_speaks_holds_and_so_does_a_pod_that_reads_ready() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.cluster.kubelet_not_ready(LOST, true);
    seconds(20).await;
    replica.alert(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "kubelet_alive").await;

    // True, False, Unknown: nobody marks the pods of such a node as not Ready.
    bench.lose(LOST).await;
    seconds(20).await;
    bench.assert_held(&replica, "pod_ready").await;
    assert_eq!(replica.skips("ready").await, 1.0);

    // Once Kubernetes has evicted it, its Ready says nothing any more.
    seconds(240).await;
    bench.assert_recovered(&replica).await;
    assert_eq!(replica.holds("kubelet_alive").await, 1.0);
    assert_eq!(replica.holds("pod_ready").await, 1.0);
    assert_eq!(replica.skips("ready").await, 1.0);
    let reasons: Vec<_> = bench.events(LOST);
    assert!(reasons[0].contains("Ready is False"), "{reasons:?}");
    assert!(reasons[1].contains("monitoring/prometheus-k8s-0 reads Ready"));
    assert!(reasons[2].starts_with("NodefallForceDeleted"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_ready_turns_false_late_is_remediated_then() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    bench.set_ready(POD, true);
    replica.alert(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "pod_ready").await;
    bench.set_ready(POD, false);
    seconds(20).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn a_taint_that_is_missing_for_a_moment_holds_for_a_moment() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    // It takes the taint off, and puts it back some 10 s later.
    bench.cluster.restart_controller_manager();
    seconds(1).await;
    replica.alert(LOST).await;
    seconds(2).await;
    bench.assert_held(&replica, "not_tainted").await;
    seconds(25).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn a_taint_that_the_zone_rule_delays_is_waited_for() {
    let bench = Bench::new(of_nodes(5)).await;
    let replica = bench
        .replica(&["--period=0", "--max-unreachable=100%"])
        .await;
    for node in ["node-2", "node-3"] {
        bench.cluster.cut_power(node);
    }
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    // Three of five: Kubernetes taints nobody in such a zone any more.
    seconds(3600).await;
    bench.assert_held(&replica, "not_tainted").await;
    bench.cluster.give_power("node-3");
    seconds(60).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_node_is_not_declared_gone() {
    let bench = Bench::new(of_nodes(2)).await;
    let replica = bench
        .replica(&["--period=0", "--max-unreachable=100%"])
        .await;
    bench.cluster.cut_power("node-2");
    bench.lose(LOST).await;
    // With every zone dead Kubernetes takes the taints off; this one a person puts back.
    bench.cluster.edit(|world| {
        world.update::<Node>(&key("", LOST), "kubectl", |node| {
            let spec = node.spec.get_or_insert_default();
            spec.taints.get_or_insert_default().push(Taint {
                key: "node.kubernetes.io/unreachable".to_owned(),
                effect: "NoExecute".to_owned(),
                ..Taint::default()
            });
        })
    });
    replica.alert(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "no_other_node").await;
    bench.cluster.give_power("node-2");
    seconds(40).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_the_api_does_not_know_is_held_without_an_event() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.cluster.delete_node(LOST);
    replica.alert(LOST).await;
    seconds(20).await;
    bench.assert_held(&replica, "unknown_node").await;
    assert_eq!(bench.requests("create", "events"), 0);

    bench.cluster.add_node(&NodePlan::new(LOST));
    seconds(30).await;
    bench.assert_held(&replica, "node_ready").await;
    assert_eq!(bench.events(LOST).len(), 1);
    bench.lose(LOST).await;
    seconds(20).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn without_an_alert_the_eviction_is_waited_for() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&[]).await;
    bench.lose(LOST).await;
    seconds(240).await;
    bench.assert_held(&replica, "not_evicted").await;
    // Evicted 350 s after the power went; the next sweep is at most a minute away.
    seconds(110).await;
    bench.assert_recovered(&replica).await;
    assert_eq!(replica.holds("not_evicted").await, 1.0);
    let freed = "nodefall_remediations_total{result=\"freed\",trigger=\"sweep\"}";
    assert_eq!(replica.metric(freed).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_refused_waits_before_the_next_try() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    let forbidden = Effect::Status {
        code: 403,
        retry_after: None,
    };
    bench
        .cluster
        .inject(Fault::new(forbidden).verb("delete").resource("pods"));
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(4).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("backoff"));
    assert_eq!(bench.requests("delete", "pods"), 1);
    seconds(2).await;
    assert_eq!(bench.requests("delete", "pods"), 2);
    // 10, 20, 40 and 80 s later; the fault gone, the next try needs no notification.
    seconds(150).await;
    assert_eq!(bench.requests("delete", "pods"), 6);
    bench.cluster.clear_faults();
    seconds(170).await;
    assert_eq!(bench.requests("delete", "pods"), 7);
    assert_ne!(bench.pod(POD).expect("a replacement").1, LOST);
    assert_eq!(replica.held_nodes("").await, 0.0);
    assert_eq!(replica.holds("backoff").await, 1.0);
}
