//! A Node object that was deleted: PodGC deletes its pods, and only what finalizers keep after that is
//! ours.

use crate::bench::{Bench, LOST, POD, Replica, seconds, small};
use k8s_openapi::api::core::v1::Pod;
use nodefall::demo::world::{key, time};
use nodefall::demo::{Layout, Plan};

const KEEP: &str = "example.com/keep";

/// Asserts that the one thing done was the patch of a pod that PodGC had deleted, and that the pod
/// runs elsewhere.
async fn assert_patched(bench: &Bench, replica: &Replica) {
    assert_eq!(bench.touched(), [format!("patch {POD}")]);
    let entry = &bench.destructive()[0];
    let truth = entry.truth.as_ref().expect("a pod");
    assert_eq!((truth.terminating, truth.grace), (true, Some(0)));
    assert_eq!(truth.wanted_uid.as_ref(), Some(&truth.uid));
    assert_ne!(bench.pod(POD).expect("a replacement").1, LOST);
    let cleared = "nodefall_finalizer_patches_total{result=\"cleared\"}";
    assert_eq!(replica.metric(cleared).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_alert_waits_for_pod_gc_and_then_only_patches() {
    // Whether the machine is dead, or its kubelet lives on and cannot register again.
    for dead in [true, false] {
        let bench = Bench::new(small(|p| p.finalizer(KEEP).grace(600))).await;
        let replica = bench.replica(&["--period=0"]).await;
        if dead {
            bench.lose(LOST).await;
        }
        bench.cluster.delete_node(LOST);
        replica.alert(LOST).await;
        seconds(35).await;
        bench.assert_held(&replica, "unknown_node").await;
        seconds(60).await;
        assert_patched(&bench, &replica).await;
        let (_, status) = replica.get("/api/v1/remediations").await;
        assert_eq!(status["remediations"][0]["result"], "freed");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sweep_finds_them_by_their_phase() {
    for dead in [true, false] {
        let bench = Bench::new(small(|p| p.finalizer(KEEP).grace(600))).await;
        let replica = bench.replica(&["--period=10s"]).await;
        if dead {
            bench.cluster.cut_power(LOST);
        }
        bench.cluster.delete_node(LOST);
        seconds(100).await;
        assert_patched(&bench, &replica).await;
        assert_eq!(replica.held_nodes("").await, 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn each_pod_waits_for_its_own_deletion() {
    let layout = small(|p| p.finalizer(KEEP));
    let second = Plan::new("monitoring", "alertmanager-main").finalizer(KEEP);
    let bench = Bench::new(layout.statefulset(second)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    // One a person force-deleted, the other nobody yet, when the Node object goes.
    let now = bench.cluster.now();
    bench.edit_pod(POD, |pod| {
        pod.metadata.deletion_timestamp = Some(time(now));
        pod.metadata.deletion_grace_period_seconds = Some(0);
    });
    bench.cluster.delete_node(LOST);
    replica.alert(LOST).await;
    seconds(30).await;
    assert_eq!(bench.touched(), [format!("patch {POD}")]);
    assert_eq!(replica.held(LOST).await.as_deref(), Some("unknown_node"));
    seconds(60).await;
    assert_eq!(bench.touched()[1..], ["patch alertmanager-main-0"]);
    for entry in bench.destructive() {
        assert_eq!(entry.truth.expect("a pod").grace, Some(0));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_finalizer_nothing_is_left_to_do() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=10s"]).await;
    bench.cluster.cut_power(LOST);
    bench.cluster.delete_node(LOST);
    replica.alert(LOST).await;
    seconds(120).await;
    assert!(bench.touched().is_empty());
    assert_ne!(bench.pod(POD).expect("PodGC's work").1, LOST);
    assert_eq!(replica.held(LOST).await.as_deref(), Some("unknown_node"));
}

#[tokio::test(start_paused = true)]
async fn the_storm_guard_holds_them_too() {
    let mut layout = small(|p| p.finalizer(KEEP));
    layout.nodes = Layout::nodes(5).nodes;
    let bench = Bench::new(layout).await;
    let replica = bench
        .replica(&["--period=10s", "--max-unreachable=1"])
        .await;
    for node in ["node-2", "node-3"] {
        bench.cluster.cut_power(node);
    }
    bench.cluster.cut_power(LOST);
    bench.cluster.delete_node(LOST);
    replica.alert(LOST).await;
    seconds(200).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("storm_guard"));
    assert!(bench.touched().is_empty());
    bench.cluster.give_power("node-3");
    seconds(40).await;
    assert_patched(&bench, &replica).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_ended_on_a_living_node_is_its_kubelets() {
    // Failed, deleted with grace 0 and kept by a finalizer, like an orphan; but the node is there.
    let bench = Bench::new(small(|p| p.finalizer(KEEP))).await;
    let replica = bench.replica(&["--period=10s"]).await;
    bench.cluster.stop_kubelet(LOST);
    bench.edit_pod(POD, |pod| {
        pod.status.get_or_insert_default().phase = Some("Failed".to_owned());
    });
    let now = bench.cluster.now();
    bench.edit_pod(POD, |pod| {
        pod.metadata.deletion_timestamp = Some(time(now));
        pod.metadata.deletion_grace_period_seconds = Some(0);
    });
    bench.cluster.start_kubelet(LOST);
    seconds(60).await;
    // The sweep does not even look at such a node.
    assert_eq!(replica.held(LOST).await, None);
    assert_eq!(bench.requests("get", "nodes"), 0);
    for _ in 0..5 {
        replica.alert(LOST).await;
        seconds(60).await;
    }
    bench.assert_held(&replica, "node_ready").await;
    let finalizers = bench.cluster.edit(|world| {
        let pod: &Pod = &world.pods[&key("monitoring", POD)];
        pod.metadata.finalizers.clone()
    });
    assert_eq!(finalizers, Some(vec![KEEP.to_owned()]));

    // The same pod when the Node object goes.
    bench.cluster.delete_node(LOST);
    seconds(60).await;
    assert_patched(&bench, &replica).await;
}
