//! The forced deletion, when the API server does not simply say yes.

use crate::bench::{
    Bench, LOST, POD, RECOVERIES, deletions, lost, millis, on_its_way, patches, remediations,
    seconds, small, status, stuck,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use nodefall::demo::Plan;
use nodefall::demo::faults::{Effect, Fault};

#[tokio::test(start_paused = true)]
async fn a_delete_that_fails_for_a_while_succeeds_in_the_end() {
    // What happens, how often, how many DELETEs it takes, and how the last one is counted.
    let cases = [
        (
            Effect::Status {
                code: 429,
                retry_after: Some(3),
            },
            1,
            2,
            "deleted",
        ),
        (status(429), 1, 2, "deleted"),
        (status(500), 3, 4, "deleted"),
        (status(503), 3, 4, "deleted"),
        (status(504), 1, 2, "deleted"),
        (status(409), 2, 3, "deleted"),
        (status(404), 1, 2, "deleted"),
        (Effect::Reset, 2, 3, "deleted"),
        (Effect::Hang, 1, 2, "deleted"),
        // The pod is gone, and nobody was told: the read that follows tells.
        (Effect::ResetAfter, 1, 1, "gone"),
        (Effect::Truncate, 1, 1, "gone"),
        (Effect::HangAfter, 1, 1, "gone"),
    ];
    for (effect, times, calls, counted) in cases {
        let (bench, replica) = lost(small(|plan| plan), &[]).await;
        let (uid, _) = bench.pod(POD).expect("the pod");
        bench
            .cluster
            .inject(Fault::new(effect.clone()).verb("delete").times(times));
        replica.alert(LOST).await;
        seconds(18).await;
        assert_ne!(bench.pod(POD).expect("a replacement").0, uid, "{effect:?}");
        let asked = bench.seconds_of("delete", "pods");
        assert_eq!(asked.len(), calls, "{effect:?}");
        if let Effect::Status {
            retry_after: Some(wait),
            ..
        } = effect
        {
            assert!(asked[1] >= f64::from(wait), "{asked:?}");
        }
        bench.assert_harmless();
        let total: f64 = if counted == "gone" { 0.0 } else { 1.0 };
        replica
            .assert_counts(&[
                (&deletions(counted), 1.0),
                (&deletions("failed"), 0.0),
                (&deletions("refused"), 0.0),
                (&remediations("alert", "freed"), 1.0),
                (RECOVERIES, total),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_always_fails_is_given_up_when_the_time_is_over_and_tried_again() {
    for (effect, reason) in [
        (
            Effect::Status {
                code: 429,
                retry_after: Some(60),
            },
            "throttled",
        ),
        (status(429), "throttled"),
        (status(500), "server"),
        (status(503), "server"),
        (Effect::Hang, "timeout"),
        (Effect::Reset, "connect"),
        (status(409), ""),
        (status(404), ""),
    ] {
        let (bench, replica) = lost(small(|plan| plan), &[]).await;
        bench
            .cluster
            .inject(Fault::new(effect.clone()).verb("delete"));
        replica.alert(LOST).await;
        // 10 s and 10 s by default; a call that hangs is not cut short.
        seconds(19).await;
        assert_eq!(
            replica.metric(&deletions("failed")).await,
            0.0,
            "{effect:?}"
        );
        seconds(3).await;
        replica
            .assert_counts(&[
                (&deletions("failed"), 1.0),
                (&deletions("deleted"), 0.0),
                (&patches("failed"), 0.0),
                (&remediations("alert", "failed"), 1.0),
            ])
            .await;
        assert_eq!(
            replica.held(LOST).await.as_deref(),
            Some("backoff"),
            "{effect:?}"
        );
        assert_eq!(replica.story(POD).await["outcome"], "failed", "{effect:?}");
        if !reason.is_empty() {
            let labels = format!("{{reason=\"{reason}\",resource=\"pods\",verb=\"delete\"}}");
            assert!(
                replica
                    .metric(&format!("nodefall_api_errors_total{labels}"))
                    .await
                    > 0.0
            );
        }
        let pause = bench.seconds_of("delete", "pods");
        assert!(
            pause.windows(2).all(|w| w[1] - w[0] >= 0.5),
            "backoff: {pause:?}"
        );
        bench.cluster.clear_faults();
        seconds(10).await;
        assert_eq!(replica.story(POD).await["outcome"], "freed", "{effect:?}");
        bench.assert_harmless();
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_that_of_the_options() {
    let bench = Bench::new(small(|plan| plan)).await;
    let options = ["--period=0", "--delete-timeout=2s", "--patch-timeout=3s"];
    let replica = bench.replica(&options).await;
    bench.lose(LOST).await;
    bench.cluster.inject(Fault::new(status(500)).verb("delete"));
    replica.alert(LOST).await;
    millis(4900).await;
    assert_eq!(replica.metric(&deletions("failed")).await, 0.0);
    millis(700).await;
    assert_eq!(replica.metric(&deletions("failed")).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_delete_is_told_in_the_servers_words_and_tried_again_later() {
    for code in [403, 422] {
        let (bench, replica) = lost(stuck(), &[]).await;
        bench
            .cluster
            .inject(Fault::new(status(code)).verb("delete"));
        replica.alert(LOST).await;
        seconds(1).await;
        assert_eq!(bench.asked("delete", "pods").len(), 1, "{code}");
        replica
            .assert_counts(&[
                (&deletions("refused"), 1.0),
                (&patches("refused"), 0.0),
                (&remediations("alert", "refused"), 1.0),
            ])
            .await;
        let story = replica.story(POD).await;
        assert_eq!(story["outcome"], "refused");
        assert!(
            story["steps"]
                .to_string()
                .contains("denied request: injected"),
            "{story}"
        );
        assert!(
            bench.told("NodefallGivenUp")[0]
                .2
                .contains("denied request: injected")
        );
        seconds(40).await;
        let gaps = bench.seconds_of("delete", "pods");
        let gaps: Vec<_> = gaps.windows(2).map(|w| (w[1] - w[0]).round()).collect();
        assert_eq!(gaps, [5.0, 10.0, 20.0], "{code}");
        bench.cluster.clear_faults();
        seconds(60).await;
        assert_eq!(replica.story(POD).await["outcome"], "freed", "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_given_up_and_is_held_at_its_next_try_was_given_up_all_the_same() {
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    bench.cluster.inject(Fault::new(status(403)).verb("delete"));
    replica.alert(LOST).await;
    seconds(3).await;
    bench.set_ready(POD, true);
    seconds(30).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("pod_ready"));
    bench.set_ready(POD, false);
    seconds(30).await;
    let times = bench.seconds_of("delete", "pods");
    assert_eq!(times.len(), 3, "{times:?}");
    assert_eq!((times[2] - times[1]).round(), 10.0, "{times:?}");
    assert_eq!(bench.told("NodefallGivenUp").len(), 2, "told once, of two");
}

#[tokio::test(start_paused = true)]
async fn a_new_try_counts_again_when_another_pod_joins_it() {
    for joins in [false, true] {
        let sibling = Plan::new("monitoring", "alertmanager-main")
            .annotation("nodefall.io/remediation", "disabled");
        let (bench, replica) = lost(small(|plan| plan).statefulset(sibling), &[]).await;
        bench
            .cluster
            .inject(Fault::new(status(403)).verb("delete").name(POD));
        replica.alert(LOST).await;
        seconds(3).await;
        let refused = remediations("alert", "refused");
        replica.assert_counts(&[(&refused, 1.0)]).await;
        if joins {
            bench.edit_pod("alertmanager-main-0", |pod| {
                pod.metadata.annotations = None;
            });
        }
        seconds(5).await;
        let count = if joins { 2.0 } else { 1.0 };
        replica
            .assert_counts(&[(&refused, count), (&deletions("deleted"), count - 1.0)])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_about_the_same_pod_is_judged_again_and_a_failure_is_not() {
    // The second DELETE comes half a second later: what was read before the first is still fresh.
    for (code, looks) in [(409, 2), (500, 1)] {
        let (bench, replica) = lost(small(|plan| plan), &[]).await;
        bench
            .cluster
            .inject(Fault::new(status(code)).verb("delete").times(1));
        replica.alert(LOST).await;
        seconds(5).await;
        let second = bench.asked("delete", "pods")[1].at;
        for resource in ["nodes", "leases"] {
            let reads = bench.asked("get", resource).into_iter();
            let reads = reads.filter(|read| read.at <= second).count();
            assert_eq!(reads, looks, "{code} {resource}");
        }
        replica
            .assert_counts(&[(&remediations("alert", "freed"), 1.0)])
            .await;
    }
}

/// What kubectl's `delete --force` does.
async fn force_delete(bench: &Bench) {
    let pods: Api<Pod> = Api::namespaced(bench.cluster.client_as("kubectl"), "monitoring");
    let now = DeleteParams::default().grace_period(0);
    pods.delete(POD, &now).await.expect("deleted");
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_another_uid_is_never_touched() {
    // Somebody else deletes it while our DELETE is on its way: 409, and that is success.
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    let (uid, _) = bench.pod(POD).expect("the pod");
    bench.cluster.inject(
        Fault::new(on_its_way(1000))
            .verb("delete")
            .user_agent("nodefall"),
    );
    replica.alert(LOST).await;
    millis(500).await;
    force_delete(&bench).await;
    seconds(10).await;
    let asked = bench.asked("delete", "pods");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].status, 409);
    let truth = asked[0].truth.as_ref().expect("a pod of that name");
    assert_eq!(truth.wanted_uid.as_ref(), Some(&uid));
    assert_ne!(truth.uid, uid);
    replica
        .assert_counts(&[
            (&deletions("gone"), 1.0),
            (&deletions("deleted"), 0.0),
            (&remediations("alert", "freed"), 1.0),
            // Not ours to count.
            (RECOVERIES, 0.0),
        ])
        .await;
    assert_eq!(replica.story(POD).await["replacement"]["state"], "ready");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_vanishes_without_a_successor_is_success_too() {
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    bench.cluster.inject(
        Fault::new(on_its_way(1000))
            .verb("delete")
            .user_agent("nodefall"),
    );
    replica.alert(LOST).await;
    millis(500).await;
    bench.cluster.edit(|world| {
        let set = ("monitoring".to_owned(), "prometheus-k8s".to_owned());
        world.remove::<k8s_openapi::api::apps::v1::StatefulSet>(&set);
    });
    force_delete(&bench).await;
    seconds(5).await;
    assert_eq!(bench.asked("delete", "pods")[0].status, 404);
    replica
        .assert_counts(&[(&deletions("gone"), 1.0), (&deletions("failed"), 0.0)])
        .await;
}
