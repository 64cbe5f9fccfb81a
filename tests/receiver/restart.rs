//! A replica dies at any moment; another one finishes from what the cluster shows.

use crate::bench::{
    Bench, LOST, POD, RECOVERIES, millis, on_its_way, remediations, seconds, small,
};
use nodefall::demo::faults::{Effect, Fault};

/// Kills the first replica at its request number `calls`; true when it had finished by then.
async fn dies_after(calls: u32, last: &Effect, next: &[&str], wait: u64) -> bool {
    let about = format!("after {calls} calls, {last:?}");
    let bench = Bench::new(small(|plan| plan.finalizer("example.com/keep"))).await;
    let (uid, _) = bench.pod(POD).expect("the pod");
    let first = bench.replica_as("nodefall-a", &["--period=0"]).await;
    bench.lose(LOST).await;
    let died = Fault::new(Effect::Hang).user_agent("nodefall-a");
    bench.cluster.inject(
        Fault {
            effect: last.clone(),
            ..died.clone()
        }
        .after(calls)
        .times(1),
    );
    bench.cluster.inject(died.after(calls));
    first.alert(LOST).await;
    seconds(25).await;
    let finished = bench.pod(POD).is_some_and(|(now, _)| now != uid);
    first.kill();

    let second = bench.replica_as("nodefall-b", next).await;
    if next.contains(&"--period=0") {
        assert_eq!(second.alert(LOST).await.0, 202);
    }
    seconds(wait).await;
    let (now, node) = bench.pod(POD).expect("a replacement");
    assert!(now != uid && node != LOST, "{about}");
    bench.assert_harmless();
    // The replacement is the first one: nobody replaced it again.
    let touched = |verb| {
        let mut uids: Vec<_> = bench.asked(verb, "pods").into_iter().collect();
        uids.retain(|e| e.truth.as_ref().is_some_and(|t| t.uid != uid) && e.status == 200);
        uids
    };
    assert!(
        touched("delete").is_empty() && touched("patch").is_empty(),
        "{about}"
    );
    let counted = second.metric(&remediations("alert", "freed")).await
        + second.metric(&remediations("sweep", "freed")).await;
    assert_eq!(counted, if finished { 0.0 } else { 1.0 }, "{about}");
    finished
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_between_any_two_calls_is_taken_over_at_the_next_notification() {
    for last in [Effect::Hang, Effect::HangAfter] {
        let mut calls = 0;
        while !dies_after(calls, &last, &["--period=0"], 25).await {
            calls += 1;
        }
        assert!(calls > 20, "it took only {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sweep_takes_over_once_the_pod_is_terminating() {
    // Before the DELETE, at the DELETE, in the middle of the wait, at the patch.
    for calls in [0, 2, 4, 5, 12, 30] {
        dies_after(calls, &Effect::HangAfter, &[], 400).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_killed_while_its_delete_travels_does_no_harm() {
    let bench = Bench::new(small(|plan| plan)).await;
    let first = bench.replica_as("nodefall-a", &["--period=0"]).await;
    bench.lose(LOST).await;
    let slow = on_its_way(3000);
    bench
        .cluster
        .inject(Fault::new(slow).verb("delete").user_agent("nodefall-a"));
    first.alert(LOST).await;
    millis(500).await;
    first.kill();
    let second = bench.replica_as("nodefall-b", &["--period=0"]).await;
    second.alert(LOST).await;
    seconds(20).await;
    // The old DELETE arrives after the new one, and meets another UID.
    let status: Vec<_> = bench
        .asked("delete", "pods")
        .iter()
        .map(|e| e.status)
        .collect();
    assert_eq!(status, [200, 409]);
    bench.assert_harmless();
    second
        .assert_counts(&[(&remediations("alert", "freed"), 1.0), (RECOVERIES, 1.0)])
        .await;
}
