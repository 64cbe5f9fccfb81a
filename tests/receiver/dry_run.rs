//! `--dry-run` judges, answers and counts, and changes nothing, not even on trial.

use crate::bench::{Bench, LOST, POD, seconds, small};
use nodefall::demo::Layout;
use nodefall::demo::faults::{Effect, Fault};
use std::time::Duration;

const DELETIONS: &str = "nodefall_pod_deletions_total{result=\"dry_run\"}";

/// Asserts that no write but the access reviews was asked for.
fn assert_nothing_written(bench: &Bench) {
    let audit = bench.cluster.audit().into_iter();
    let writes: Vec<_> = audit
        .filter(|e| e.user_agent.starts_with("nodefall") && e.is_write())
        .filter(|e| e.resource != "selfsubjectaccessreviews")
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert!(bench.requests("get", "nodes") > 0);
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_judged_and_counted_and_nothing_is_written() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let replica = bench.replica(&["--period=0", "--dry-run"]).await;
    // Holds too are told without an Event.
    replica.alert("node-2").await;
    bench.lose(LOST).await;
    for _ in 0..5 {
        assert_eq!(replica.alert(LOST).await.0, 202);
        seconds(60).await;
        replica.resolve(LOST).await;
    }
    assert_nothing_written(&bench);
    assert_eq!(replica.holds("node_ready").await, 1.0);
    // prometheus-k8s-0 and alertmanager-main-0, each UID once.
    assert_eq!(replica.metric(DELETIONS).await, 2.0);
    assert_eq!(replica.sum("nodefall_pod_deletions_total").await, 2.0);
    let series = "nodefall_remediations_total{result=\"dry_run\",trigger=\"alert\"}";
    assert_eq!(replica.metric(series).await, 1.0);
    assert_eq!(replica.metric("nodefall_dry_run").await, 1.0);
    assert_eq!(replica.story(POD).await["outcome"], "dry_run");
}

#[tokio::test(start_paused = true)]
async fn the_sweep_too() {
    let bench = Bench::new(small(|p| p.finalizer("example.com/keep"))).await;
    let replica = bench.replica(&["--dry-run"]).await;
    bench.lose(LOST).await;
    seconds(240).await;
    bench.assert_held(&replica, "not_evicted").await;
    seconds(900).await;
    assert_nothing_written(&bench);
    assert_eq!(replica.metric(DELETIONS).await, 1.0);
    let series = "nodefall_remediations_total{result=\"dry_run\",trigger=\"sweep\"}";
    assert_eq!(replica.metric(series).await, 1.0);
    assert_eq!(replica.held_nodes("").await, 0.0);
    assert_eq!(replica.sum("nodefall_finalizer_patches_total").await, 0.0);

    // The same scene without it is remediated.
    let bold = bench.replica(&[]).await;
    seconds(30).await;
    assert_eq!(
        bench.touched(),
        [format!("delete {POD}"), format!("patch {POD}")]
    );
    assert_eq!(bold.metric("nodefall_dry_run").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_deleted_node_too() {
    let bench = Bench::new(small(|p| p.finalizer("example.com/keep"))).await;
    let replica = bench.replica(&["--dry-run"]).await;
    bench.cluster.cut_power(LOST);
    bench.cluster.delete_node(LOST);
    seconds(600).await;
    assert_nothing_written(&bench);
    assert_eq!(replica.metric(DELETIONS).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_held_first_counts_when_it_is_held_no_more() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0", "--dry-run"]).await;
    bench.lose(LOST).await;
    let slow = Effect::Latency {
        before: Duration::ZERO,
        after: Duration::from_secs(4),
    };
    bench.cluster.inject(Fault::new(slow).verb("get"));
    replica.alert(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "slow_api").await;
    bench.cluster.clear_faults();
    seconds(60).await;
    assert_nothing_written(&bench);
    assert_eq!(replica.metric(DELETIONS).await, 1.0);
    assert_eq!(replica.held_nodes("").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn each_uid_counts() {
    // The replacement is lost with the next node: another UID.
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0", "--dry-run"]).await;
    let bold = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(5).await;
    bold.alert(LOST).await;
    seconds(10).await;
    let (_, second) = bench.pod(POD).expect("a replacement");
    bench.cluster.give_power(LOST);
    seconds(30).await;
    bench.lose(&second).await;
    replica.alert(&second).await;
    seconds(5).await;
    assert_eq!(replica.metric(DELETIONS).await, 2.0);
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
}
