//! SIGTERM: what has begun is finished, nothing else begins, and it ends.

use crate::bench::{LOST, Replica, late, lost, millis, patches, seconds, status, stuck};
use nodefall::demo::faults::Fault;
use tokio::time::Instant;

/// Stops it, and says how long that took.
async fn stop(replica: Replica) -> f64 {
    let began = Instant::now();
    replica.stop().await;
    began.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn new_work_is_refused_and_begun_work_is_finished() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(5).await;
    replica.drain();
    assert_eq!(replica.get("/-/ready").await.0, 503);
    assert_eq!(replica.get("/-/healthy").await.0, 200);
    let (status, answer) = replica.alert("node-2").await;
    assert_eq!(status, 503, "{answer}");
    let took = stop(replica).await;
    assert!((4.5..7.0).contains(&took), "{took}");
    // The patch of what had begun 5 s earlier.
    assert_eq!(bench.asked("patch", "pods").len(), 1);
    bench.assert_harmless();
}

#[tokio::test(start_paused = true)]
async fn what_was_not_begun_is_left_to_others() {
    for drains in [true, false] {
        let (bench, replica) = lost(stuck(), &[]).await;
        let slow = late(2000);
        bench
            .cluster
            .inject(Fault::new(slow).verb("list").resource("pods"));
        replica.alert(LOST).await;
        seconds(1).await;
        if drains {
            let took = stop(replica).await;
            assert!(
                (0.9..1.5).contains(&took),
                "the look comes to its end: {took}"
            );
        }
        seconds(30).await;
        assert_eq!(bench.destructive().is_empty(), drains);
    }
}

#[tokio::test(start_paused = true)]
async fn the_drain_is_bounded() {
    let (bench, replica) = lost(stuck(), &["--patch-timeout=10m"]).await;
    let effect = status(503);
    bench.cluster.inject(Fault::new(effect).verb("patch"));
    replica.alert(LOST).await;
    seconds(12).await;
    assert!(!bench.asked("patch", "pods").is_empty());
    let took = stop(replica).await;
    // HTTP has 3 s more: 20 s in all.
    assert!((16.9..17.1).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_replica_ends_at_once() {
    let (_bench, replica) = lost(stuck(), &[]).await;
    assert!(stop(replica).await < 0.1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_held_when_the_drain_begins_ends_it() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(9).await;
    bench.cluster.restart_controller_manager();
    millis(2500).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_tainted"));
    assert_eq!(replica.metric(&patches("cleared")).await, 0.0);
    assert!(stop(replica).await < 0.1);
    assert!(bench.asked("patch", "pods").is_empty());
}
