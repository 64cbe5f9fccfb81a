//! The node comes back, or the control plane hesitates, at each moment of the work.

use crate::bench::{
    LOST, POD, RECOVERIES, deletions, late, lost, millis, patches, remediations, seconds, status,
    stuck,
};
use nodefall::demo::faults::Fault;

#[tokio::test(start_paused = true)]
async fn power_that_is_back_before_the_judgement_holds_it_and_a_later_loss_needs_no_new_alert() {
    let (bench, replica) = lost(stuck(), &[]).await;
    bench.cluster.give_power(LOST);
    seconds(10).await;
    assert_eq!(replica.alert(LOST).await.0, 202);
    seconds(60).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("node_ready"));
    assert!(bench.destructive().is_empty());
    let (uid, _) = bench.pod(POD).expect("the pod");
    bench.lose(LOST).await;
    seconds(45).await;
    assert_ne!(bench.pod(POD).expect("a replacement").0, uid);
    bench.assert_harmless();
    replica
        .assert_counts(&[(&remediations("alert", "freed"), 1.0)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn power_that_is_back_between_judgement_and_delete_stops_the_delete() {
    // The list of pods is late: the verdict is old when the DELETE is due.
    for comes_back in [true, false] {
        let (bench, replica) = lost(stuck(), &[]).await;
        bench.cluster.inject(
            Fault::new(late(4500))
                .verb("list")
                .resource("pods")
                .times(1),
        );
        replica.alert(LOST).await;
        seconds(1).await;
        if comes_back {
            bench.cluster.give_power(LOST);
        }
        seconds(4).await;
        let deleted = bench.asked("delete", "pods").len();
        assert_eq!(deleted, usize::from(!comes_back));
        // The Lease tells first, Ready some seconds later.
        let held = replica.held(LOST).await;
        assert_eq!(held.as_deref(), comes_back.then_some("lease_fresh"));
        seconds(30).await;
        assert_eq!(bench.asked("delete", "pods").len(), deleted);
        let held = replica.held(LOST).await;
        assert_eq!(held.as_deref(), comes_back.then_some("node_ready"));
        bench.assert_harmless();
    }
}

#[tokio::test(start_paused = true)]
async fn power_that_is_back_between_delete_and_patch_aborts_it() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(2).await;
    assert_eq!(bench.asked("delete", "pods").len(), 1);
    bench.cluster.give_power(LOST);
    seconds(30).await;
    assert!(bench.asked("patch", "pods").is_empty());
    replica
        .assert_counts(&[
            (&deletions("deleted"), 1.0),
            (&deletions("aborted"), 0.0),
            (&patches("aborted"), 1.0),
            (&remediations("alert", "aborted"), 1.0),
            (&remediations("alert", "freed"), 0.0),
        ])
        .await;
    assert_eq!(replica.story(POD).await["outcome"], "aborted");
    let told = bench.told("NodefallAborted");
    let about: Vec<_> = told.iter().map(|(kind, _, _)| kind.as_str()).collect();
    assert!(
        about.contains(&"Node") && about.contains(&"StatefulSet"),
        "{told:?}"
    );

    // Its alert still fires: the node stays in sight, and is worked on when it is lost again.
    assert_eq!(replica.held(LOST).await.as_deref(), Some("node_ready"));
    bench.lose(LOST).await;
    seconds(45).await;
    assert_eq!(bench.asked("patch", "pods").len(), 1);
    bench.assert_harmless();
    replica
        .assert_counts(&[(&remediations("alert", "freed"), 1.0)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_speaks_when_the_patch_is_due_holds_it_until_the_node_is_ready() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    millis(8500).await;
    bench.cluster.give_power(LOST);
    seconds(3).await;
    // Not Ready yet, but the Lease is renewed: held, then over.
    assert_eq!(replica.held(LOST).await.as_deref(), Some("lease_fresh"));
    assert_eq!(replica.metric(&remediations("alert", "aborted")).await, 0.0);
    seconds(10).await;
    assert!(bench.asked("patch", "pods").is_empty());
    replica
        .assert_counts(&[(&remediations("alert", "aborted"), 1.0)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn power_that_is_back_between_two_tries_of_the_delete_aborts_it() {
    let (bench, replica) = lost(stuck(), &["--delete-timeout=60s"]).await;
    let effect = status(503);
    bench.cluster.inject(Fault::new(effect).verb("delete"));
    replica.alert(LOST).await;
    seconds(5).await;
    bench.cluster.give_power(LOST);
    seconds(30).await;
    replica
        .assert_counts(&[
            (&deletions("aborted"), 1.0),
            (&patches("aborted"), 0.0),
            (&remediations("alert", "aborted"), 1.0),
        ])
        .await;
    bench.assert_harmless();
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_controller_manager_holds_the_patch_until_the_taint_is_back() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(9).await;
    bench.cluster.restart_controller_manager();
    seconds(5).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_tainted"));
    assert!(bench.asked("patch", "pods").is_empty());
    seconds(35).await;
    assert_eq!(bench.asked("patch", "pods").len(), 1);
    assert_eq!(bench.asked("delete", "pods").len(), 1);
    bench.assert_harmless();
    replica
        .assert_counts(&[
            (&patches("cleared"), 1.0),
            (&remediations("alert", "freed"), 1.0),
            ("nodefall_holds_total{reason=\"not_tainted\"}", 1.0),
            ("nodefall_held_nodes{reason=\"not_tainted\"}", 0.0),
            // The hold does not make its DELETE any less the first.
            (RECOVERIES, 1.0),
        ])
        .await;
    let story = replica.story(POD).await;
    let steps = story["steps"].as_array().expect("steps").iter();
    let held = steps.filter(|s| s.to_string().contains("held (not_tainted)"));
    assert_eq!(held.count(), 1, "told once, however often it was looked at");
    let recovery = story["replacement"]["recovery_seconds"]
        .as_f64()
        .expect("seconds");
    assert!(recovery > 15.0, "{recovery}");
}

#[tokio::test(start_paused = true)]
async fn time_spent_held_does_not_count_against_the_patch_timeout() {
    let (bench, replica) = lost(stuck(), &["--patch-timeout=6s"]).await;
    let effect = status(503);
    bench.cluster.inject(Fault::new(effect).verb("patch"));
    replica.alert(LOST).await;
    // Two seconds of patching, some ten of waiting for the taint, four seconds of patching.
    seconds(12).await;
    bench.cluster.restart_controller_manager();
    seconds(8).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_tainted"));
    assert_eq!(replica.metric(&patches("failed")).await, 0.0);
    // The first patch of the next try comes 5 s after the failure.
    let mut over = 0;
    while replica.metric(&patches("failed")).await == 0.0 {
        seconds(1).await;
        over += 1;
        assert!(over < 60, "never given up");
    }
    let patched = bench.seconds_of("patch", "pods");
    assert!((10..=13).contains(&patched.len()), "{patched:?}");
    let pause = patched.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    assert!(pause > 5.0, "held in between: {patched:?}");
    let last = patched.last().expect("a patch");
    assert!(last - pause < 6.0 && last - pause > 4.0, "{patched:?}");
}
