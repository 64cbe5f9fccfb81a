//! The sweep acts without an alert: on pods that Kubernetes has evicted, or as `--unreachable-for`
//! says. An alert acts at once.

use crate::bench::{Bench, LOST, POD, seconds, small, status, stuck};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use nodefall::demo::Plan;
use nodefall::demo::faults::Fault;

/// When the pod was force-deleted with these options, in seconds after the node turned Unknown
/// (50 to 55 s after the power went); none when it was not within ten minutes.
async fn deleted_after(options: &[&str], alert: bool) -> Option<i64> {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(options).await;
    bench.cluster.cut_power(LOST);
    let cut = bench.cluster.now();
    for _ in 0..4 {
        if alert {
            replica.alert(LOST).await;
        }
        seconds(20).await;
    }
    seconds(520).await;
    let touched = bench.destructive();
    if let Some(first) = touched.first() {
        bench.assert_recovered(&replica).await;
        let truth = first.truth.as_ref().expect("a pod");
        assert_eq!(truth.node_ready, "Unknown");
    }
    let at = touched.first().map(|e| e.at.duration_since(cut).as_secs());
    at.map(|seconds| seconds - 50)
}

#[tokio::test(start_paused = true)]
async fn the_sweep_waits_for_the_eviction_unless_told_otherwise() {
    // Options, and between which seconds after Unknown the pod is deleted.
    let cases: [(&[&str], i64, i64); 6] = [
        // Evicted after 300 s, and found by the next sweep.
        (&[], 300, 370),
        (&["--period=10s"], 300, 320),
        (&["--period=10s", "--unreachable-for=0s"], 0, 20),
        (&["--unreachable-for=0s"], 0, 70),
        (&["--period=10s", "--unreachable-for=2m"], 120, 140),
        // Never later than the eviction.
        (&["--period=10s", "--unreachable-for=1h"], 300, 320),
    ];
    for (options, from, to) in cases {
        let after = deleted_after(options, false).await.expect("a deletion");
        assert!((from..=to).contains(&after), "{options:?}: {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_sweep_only_alerts_act() {
    assert_eq!(deleted_after(&["--period=0"], false).await, None);
    let unreachable = ["--period=0", "--unreachable-for=0s"];
    assert_eq!(deleted_after(&unreachable, false).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_alert_acts_at_once() {
    for options in [&["--period=0"][..], &[], &["--unreachable-for=1h"]] {
        let after = deleted_after(options, true).await.expect("a deletion");
        assert!((0..=20).contains(&after), "{options:?}: {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_speeds_up_what_the_sweep_holds() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=10s"]).await;
    bench.lose(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "not_evicted").await;
    replica.alert(LOST).await;
    seconds(5).await;
    bench.assert_recovered(&replica).await;
    let freed = "nodefall_remediations_total{result=\"freed\",trigger=\"alert\"}";
    assert_eq!(replica.metric(freed).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_is_held_no_more() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=10s"]).await;
    bench.lose(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "not_evicted").await;
    bench.cluster.give_power(LOST);
    seconds(60).await;
    assert_eq!(replica.held(LOST).await, None);
    assert_eq!(replica.held_nodes("").await, 0.0);
    assert!(bench.touched().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_turns_not_ready_beside_one_in_hand_still_waits_for_its_eviction() {
    const SIBLING: &str = "alertmanager-main-0";
    let sibling = Plan::new("monitoring", "alertmanager-main");
    let bench = Bench::new(stuck().statefulset(sibling)).await;
    let refused = Fault::new(status(503)).verb("patch").user_agent("nodefall");
    bench.cluster.inject(refused);
    let options = ["--period=10s", "--patch-timeout=10m"];
    let _replica = bench.replica(&options).await;
    bench.lose(LOST).await;
    bench.set_ready(SIBLING, true);
    // Somebody deletes the one by force, and the sweep goes on with it.
    let pods: Api<Pod> = Api::namespaced(bench.cluster.client_as("kubectl"), "monitoring");
    pods.delete(POD, &DeleteParams::default().grace_period(0))
        .await
        .expect("deleted");
    seconds(40).await;
    assert!(bench.asked("patch", "pods").len() > 10, "it is in hand");
    bench.set_ready(SIBLING, false);
    seconds(60).await;
    let deleted = bench.asked("delete", "pods").into_iter();
    assert_eq!(deleted.filter(|e| e.name == SIBLING).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_an_alert_held_is_the_sweeps_when_the_alert_is_over() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=10s"]).await;
    bench.lose(LOST).await;
    bench.set_ready(POD, true);
    replica.alert(LOST).await;
    seconds(5).await;
    bench.assert_held(&replica, "pod_ready").await;
    replica.resolve(LOST).await;
    bench.set_ready(POD, false);
    seconds(60).await;
    bench.assert_held(&replica, "not_evicted").await;
}
