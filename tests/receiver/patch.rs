//! Finalizers: what hangs is patched on time, at the right pace, and never what must not be.

use crate::bench::{
    Bench, LOST, POD, RECOVERIES, Replica, deletions, lost, patches, remediations, seconds, small,
    status, stuck,
};
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::{Layout, Plan};

async fn steps(replica: &Replica, pod: &str) -> String {
    replica.story(pod).await["steps"].to_string()
}

/// Seconds from the first DELETE to each patch, to the tenth.
fn patched_after(bench: &Bench) -> Vec<f64> {
    let deleted = bench.asked("delete", "pods")[0].at;
    let patched = bench.asked("patch", "pods").into_iter();
    let after = patched.map(|e| e.at.duration_since(deleted).as_secs_f64());
    after.map(|s| (s * 10.0).round() / 10.0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_hangs_on_a_finalizer_is_patched_after_the_delete_timeout() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(9).await;
    assert!(bench.asked("patch", "pods").is_empty());
    let (uid, _) = bench.pod(POD).expect("the old pod");
    seconds(10).await;
    assert_eq!(patched_after(&bench), [10.0]);
    assert_ne!(bench.pod(POD).expect("a replacement").0, uid);
    bench.assert_harmless();
    assert!(
        steps(&replica, POD)
            .await
            .contains("strips finalizers: example.com/keep")
    );
    let told = bench.told("NodefallFinalizersCleared");
    assert!(
        told.len() == 2 && told[0].2.contains("example.com/keep"),
        "{told:?}"
    );
    replica
        .assert_counts(&[
            (&deletions("deleted"), 1.0),
            (&patches("cleared"), 1.0),
            (&remediations("alert", "freed"), 1.0),
            (RECOVERIES, 1.0),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_timeouts_are_those_of_the_options() {
    let options = [
        "--delete-timeout=3s",
        "--patch-interval=1s",
        "--patch-timeout=4s",
    ];
    let (bench, replica) = lost(stuck(), &options).await;
    bench.cluster.inject(Fault::new(status(500)).verb("patch"));
    replica.alert(LOST).await;
    seconds(8).await;
    assert_eq!(patched_after(&bench), [3.0, 4.0, 5.0, 6.0]);
    assert_eq!(replica.story(POD).await["outcome"], "failed");
    replica
        .assert_counts(&[
            (&deletions("deleted"), 1.0),
            (&deletions("failed"), 0.0),
            (&patches("failed"), 1.0),
            (&remediations("alert", "failed"), 1.0),
            (
                "nodefall_api_errors_total{reason=\"server\",resource=\"pods\",verb=\"patch\"}",
                4.0,
            ),
        ])
        .await;
    let told = bench.told("NodefallGivenUp");
    assert!(
        told.len() == 2 && told[0].2.contains("example.com/keep"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_patch_goes_on_at_its_interval_until_its_timeout() {
    let (bench, replica) = lost(stuck(), &[]).await;
    bench.cluster.inject(Fault::new(status(503)).verb("patch"));
    replica.alert(LOST).await;
    seconds(22).await;
    let patched = patched_after(&bench);
    assert_eq!(patched.len(), 20);
    let at = |n: usize| 10.0 + n as f64 / 2.0;
    assert!(
        (0..20).all(|n| (patched[n] - at(n)).abs() < 0.15),
        "{patched:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_of_the_job_controller_is_never_stripped() {
    let layout = small(|plan| {
        plan.finalizer("example.com/keep")
            .finalizer("batch.kubernetes.io/job-tracking")
    });
    let (bench, replica) = lost(layout, &[]).await;
    replica.alert(LOST).await;
    seconds(120).await;
    assert_eq!(bench.asked("delete", "pods").len(), 1);
    assert!(bench.asked("patch", "pods").is_empty());
    assert_eq!(replica.story(POD).await["outcome"], "protected_finalizer");
    // There is nothing to try again.
    assert_eq!(replica.held(LOST).await, None);
    replica
        .assert_counts(&[
            (&deletions("deleted"), 1.0),
            (&patches("protected_finalizer"), 1.0),
            (&remediations("alert", "protected_finalizer"), 1.0),
        ])
        .await;
    assert_eq!(bench.told("NodefallGivenUp").len(), 2);
}

/// A pod that is refused, and a sibling that is not.
fn two() -> Layout {
    let sibling = Plan::new("monitoring", "alertmanager-main").finalizer("example.com/keep");
    stuck().statefulset(sibling)
}

#[tokio::test(start_paused = true)]
async fn a_refused_patch_ends_it_in_the_servers_words_and_harms_no_sibling() {
    for code in [403, 422] {
        let (bench, replica) = lost(two(), &[]).await;
        let refusal = Fault::new(status(code)).verb("patch").name(POD);
        bench.cluster.inject(refusal);
        replica.alert(LOST).await;
        seconds(14).await;
        let mine = |e: &&nodefall::demo::audit::Entry| e.name == POD;
        assert_eq!(
            bench.asked("patch", "pods").iter().filter(mine).count(),
            1,
            "{code}"
        );
        let words = "denied request: injected";
        assert!(steps(&replica, POD).await.contains(words), "{code}");
        assert!(bench.told("NodefallGivenUp")[0].2.contains(words), "{code}");
        assert_eq!(replica.story(POD).await["outcome"], "refused", "{code}");
        assert_eq!(
            replica.story("alertmanager-main-0").await["outcome"],
            "freed",
            "{code}"
        );
        replica
            .assert_counts(&[
                (&deletions("deleted"), 2.0),
                (&deletions("refused"), 0.0),
                (&patches("refused"), 1.0),
                (&patches("cleared"), 1.0),
                // The worst of its pods names the node's result.
                (&remediations("alert", "refused"), 1.0),
                (&remediations("alert", "freed"), 0.0),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_tried_again_ever_more_seldom_without_another_delete() {
    let (bench, replica) = lost(stuck(), &[]).await;
    bench.cluster.inject(Fault::new(status(422)).verb("patch"));
    replica.alert(LOST).await;
    seconds(1600).await;
    let patched = bench.seconds_of("patch", "pods");
    let gaps: Vec<_> = patched.windows(2).map(|w| (w[1] - w[0]).round()).collect();
    assert_eq!(
        gaps[..8],
        [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    );
    assert_eq!(bench.asked("delete", "pods").len(), 1);
    // People are told once, on the owner and on the Node.
    assert_eq!(bench.told("NodefallGivenUp").len(), 2);
    bench.cluster.clear_faults();
    seconds(310).await;
    assert_eq!(replica.story(POD).await["outcome"], "freed");
    assert_eq!(bench.asked("delete", "pods").len(), 1);
    replica
        .assert_counts(&[(&patches("cleared"), 1.0), (RECOVERIES, 1.0)])
        .await;
    bench.assert_harmless();
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_fails_for_a_while_succeeds_in_the_end() {
    let after_effect = [Effect::ResetAfter, Effect::HangAfter, Effect::Truncate];
    let before = [
        Effect::Status {
            code: 429,
            retry_after: Some(2),
        },
        status(500),
        status(503),
        status(504),
        status(409),
        status(404),
        Effect::Hang,
        Effect::Reset,
    ];
    for effect in after_effect.into_iter().chain(before) {
        let (bench, replica) = lost(stuck(), &[]).await;
        bench
            .cluster
            .inject(Fault::new(effect.clone()).verb("patch").times(1));
        replica.alert(LOST).await;
        seconds(60).await;
        assert_eq!(replica.story(POD).await["outcome"], "freed", "{effect:?}");
        assert_eq!(bench.asked("delete", "pods").len(), 1, "{effect:?}");
        assert_eq!(replica.metric(RECOVERIES).await, 1.0, "{effect:?}");
        let patched = patched_after(&bench);
        match effect {
            Effect::ResetAfter | Effect::HangAfter | Effect::Truncate => {
                assert_eq!(patched, [10.0])
            }
            Effect::Status { code: 429, .. } => assert_eq!(patched, [10.0, 12.0]),
            // The hanging call used up the whole patch timeout.
            Effect::Hang => assert_eq!(patched.len(), 2, "{patched:?}"),
            _ => assert_eq!(patched, [10.0, 10.5], "{effect:?}"),
        }
        bench.assert_harmless();
    }
}

#[tokio::test(start_paused = true)]
async fn no_patch_goes_before_an_acknowledged_delete() {
    for effect in [
        status(500),
        status(422),
        status(409),
        Effect::Hang,
        Effect::Reset,
    ] {
        let (bench, replica) = lost(stuck(), &[]).await;
        bench
            .cluster
            .inject(Fault::new(effect.clone()).verb("delete"));
        replica.alert(LOST).await;
        seconds(60).await;
        assert!(bench.asked("patch", "pods").is_empty(), "{effect:?}");
        bench.cluster.clear_faults();
        seconds(600).await;
        assert_eq!(replica.story(POD).await["outcome"], "freed", "{effect:?}");
    }
}
