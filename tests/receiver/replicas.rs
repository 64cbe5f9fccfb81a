//! Two replicas act at once, without a leader and without harm.

use crate::bench::{
    Bench, LOST, POD, RECOVERIES, deletions, millis, patches, remediations, seconds, small,
};

#[tokio::test(start_paused = true)]
async fn two_replicas_with_the_same_alert_make_one_replacement() {
    // Milliseconds between the two notifications, and whether the pod hangs on a finalizer.
    for (between, hangs) in [
        (0, false),
        (1, false),
        (30, false),
        (5_000, false),
        (1, true),
        (30, true),
        (5_000, true),
        (10_200, true),
        (15_000, true),
    ] {
        let about = format!("{between} ms, {hangs}");
        let layout = small(|plan| {
            if hangs {
                plan.finalizer("example.com/keep")
            } else {
                plan
            }
        });
        let bench = Bench::new(layout).await;
        let one = bench.replica_as("nodefall-a", &["--period=0"]).await;
        let two = bench.replica_as("nodefall-b", &["--period=0"]).await;
        let (uid, _) = bench.pod(POD).expect("the pod");
        bench.lose(LOST).await;
        one.alert(LOST).await;
        millis(between).await;
        two.alert(LOST).await;
        seconds(40).await;
        let (new, node) = bench.pod(POD).expect("a replacement");
        assert!(new != uid && node != LOST, "{about}");
        for verb in ["delete", "patch"] {
            let asked = bench.asked(verb, "pods");
            let ours = |e: &nodefall::demo::audit::Entry| {
                e.truth
                    .as_ref()
                    .is_none_or(|t| t.wanted_uid.as_ref() == Some(&uid))
            };
            assert!(asked.iter().all(ours), "{about}: {asked:?}");
        }
        bench.assert_harmless();
        let recovered = one.metric(RECOVERIES).await + two.metric(RECOVERIES).await;
        assert_eq!(recovered, 1.0, "{about}");
        for replica in [&one, &two] {
            for result in ["failed", "refused", "aborted"] {
                replica
                    .assert_counts(&[
                        (&deletions(result), 0.0),
                        (&patches(result), 0.0),
                        (&remediations("alert", result), 0.0),
                    ])
                    .await;
            }
            assert_eq!(replica.held(LOST).await, None, "{about}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_only_sweep_make_one_replacement() {
    let bench = Bench::new(small(|plan| plan.finalizer("example.com/keep"))).await;
    let one = bench.replica_as("nodefall-a", &[]).await;
    seconds(7).await;
    let two = bench.replica_as("nodefall-b", &[]).await;
    let (uid, _) = bench.pod(POD).expect("the pod");
    bench.cluster.cut_power(LOST);
    seconds(450).await;
    assert_ne!(bench.pod(POD).expect("a replacement").0, uid);
    bench.assert_harmless();
    assert_eq!(
        one.metric(RECOVERIES).await + two.metric(RECOVERIES).await,
        1.0
    );
    let freed = remediations("sweep", "freed");
    assert_eq!(one.metric(&freed).await + two.metric(&freed).await, 2.0);
}
