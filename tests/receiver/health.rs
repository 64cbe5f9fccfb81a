//! What people are told of the receiver itself: ready or not, rights that are missing, alerts that it
//! does not take. `rules/nodefall-health.rules.yml` fires by these.

use crate::bench::{Bench, LOST, Replica, alert, seconds, small};
use nodefall::demo::audit::Entry;
use serde_json::json;

const MISSING: &str = "nodefall_missing_rights";

/// How often it was asked for a right, and what came of it.
fn reviews(bench: &Bench) -> Vec<Entry> {
    bench.asked("create", "selfsubjectaccessreviews")
}

#[tokio::test(start_paused = true)]
async fn readiness_is_told_until_the_end() {
    let bench = Bench::new(small(|plan| plan)).await;
    bench.cluster.deny_access("list", "nodes");
    let replica = bench.unready_replica(&["--period=90s"]);
    seconds(5).await;
    let shown = [
        ("nodefall_ready", 0.0),
        ("nodefall_sweep_period_seconds", 90.0),
        ("nodefall_last_sweep_timestamp_seconds", 0.0),
    ];
    replica.assert_counts(&shown).await;
    let bench = Bench::new(small(|plan| plan)).await;
    let replica = bench.replica(&["--period=0"]).await;
    let shown = [
        ("nodefall_ready", 1.0),
        ("nodefall_sweep_period_seconds", 0.0),
    ];
    replica.assert_counts(&shown).await;
    replica.drain();
    replica.assert_counts(&[("nodefall_ready", 0.0)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_right_to_act_that_is_taken_away_is_told_within_ten_minutes() {
    let bench = Bench::new(small(|plan| plan)).await;
    let replica = bench.replica(&["--period=0"]).await;
    seconds(60).await;
    assert_eq!(replica.metric(MISSING).await, 0.0);
    let before = reviews(&bench).len();
    bench.cluster.deny_access("delete", "pods");
    bench.cluster.deny_access("create", "events");
    seconds(530).await;
    assert_eq!(reviews(&bench).len(), before, "not asked all the time");
    seconds(30).await;
    // Events are written in two namespaces.
    assert_eq!(replica.metric(MISSING).await, 3.0);
    assert_eq!(replica.metric("nodefall_ready").await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_granted_by_name_is_not_missing() {
    let bench = Bench::new(small(|plan| plan.replicas(20))).await;
    bench.cluster.hide_access("patch", "pods");
    let replica = bench.replica(&["--period=0"]).await;
    seconds(60).await;
    assert_eq!(replica.metric(MISSING).await, 0.0);
    // Six to look, six to act, and of 20 pods only 16.
    let plain = Bench::new(small(|plan| plan)).await;
    let _other = plain.replica(&["--period=0"]).await;
    seconds(60).await;
    assert_eq!(reviews(&bench).len() - reviews(&plain).len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_lacks_no_right_to_act() {
    let bench = Bench::new(small(|plan| plan)).await;
    bench.cluster.deny_access("delete", "pods");
    let replica = bench.replica(&["--period=0", "--dry-run"]).await;
    seconds(700).await;
    assert_eq!(replica.metric(MISSING).await, 0.0);
}

async fn ignored(replica: &Replica, reason: &str) -> f64 {
    let series = format!(r#"nodefall_alerts_ignored_total{{reason="{reason}"}}"#);
    replica.metric(&series).await
}

#[tokio::test(start_paused = true)]
async fn each_alert_that_is_ignored_says_why() {
    let bench = Bench::new(small(|plan| plan)).await;
    let replica = bench.replica(&["--period=0", "--match=cluster=east"]).await;
    let mut east = alert("firing", LOST);
    east["labels"]["cluster"] = json!("east");
    let changed = |pointer: &str, value: &str| {
        let mut alert = east.clone();
        *alert.pointer_mut(pointer).expect("a field") = json!(value);
        alert
    };
    for (alert, reason) in [
        (changed("/labels/alertname", "Watchdog"), "alert_name"),
        (changed("/labels/cluster", "west"), "other_label"),
        (changed("/status", "suppressed"), "status"),
        (changed("/status", "resolved"), "no_suspicion"),
        (alert("firing", LOST), "no_label"),
    ] {
        assert_eq!(ignored(&replica, reason).await, 0.0);
        let (status, answer) = replica.post(json!([alert])).await;
        assert_eq!(
            (status, &answer["alerts"][0]["result"]),
            (200, &json!("ignored"))
        );
        assert_eq!(ignored(&replica, reason).await, 1.0, "{reason}");
    }
    assert_eq!(replica.sum("nodefall_alerts_ignored_total").await, 5.0);
    assert_eq!(replica.post(json!([east])).await.0, 202);
    assert_eq!(replica.sum("nodefall_alerts_ignored_total").await, 5.0);
}
