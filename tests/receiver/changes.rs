//! The pod changes under way: somebody else deletes it, opts it out, or adds a finalizer.

use crate::bench::{
    Bench, LOST, POD, RECOVERIES, deletions, lost, millis, on_its_way, patches, remediations,
    seconds, small, status, stuck,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use nodefall::demo::Plan;
use nodefall::demo::faults::Fault;
use serde_json::json;

/// Somebody with kubectl takes the finalizers off, which frees a pod that is force-deleted.
async fn free(bench: &Bench) {
    let pods: Api<Pod> = Api::namespaced(bench.cluster.client_as("kubectl"), "monitoring");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch(POD, &PatchParams::default(), &none)
        .await
        .expect("patched");
}

#[tokio::test(start_paused = true)]
async fn a_successor_with_the_same_finalizer_is_not_patched() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(5).await;
    free(&bench).await;
    seconds(60).await;
    let (uid, _) = bench.pod(POD).expect("the successor");
    assert!(bench.asked("patch", "pods").is_empty());
    assert_eq!(bench.asked("delete", "pods").len(), 1);
    replica
        .assert_counts(&[
            (&deletions("deleted"), 1.0),
            (&patches("cleared"), 0.0),
            (&remediations("alert", "freed"), 1.0),
            (RECOVERIES, 1.0),
        ])
        .await;
    assert_eq!(replica.story(POD).await["replacement"]["uid"], json!(uid));
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_meets_another_uid_changes_nothing_and_is_success() {
    let (bench, replica) = lost(stuck(), &[]).await;
    let slow = on_its_way(2000);
    bench
        .cluster
        .inject(Fault::new(slow).verb("patch").user_agent("nodefall"));
    replica.alert(LOST).await;
    // The patch sets out after 10 s and arrives after 12.
    millis(10_500).await;
    free(&bench).await;
    seconds(20).await;
    let patched = bench.asked("patch", "pods");
    assert_eq!(patched.len(), 1);
    assert_eq!(patched[0].status, 422);
    let (uid, _) = bench.pod(POD).expect("the successor");
    assert_eq!(patched[0].truth.as_ref().expect("a pod").uid, uid);
    let keeps = |pod: &mut Pod| {
        assert_eq!(
            pod.metadata.finalizers,
            Some(vec!["example.com/keep".to_owned()])
        );
        pod.metadata.finalizers = None;
    };
    bench.edit_pod(POD, keeps);
    replica
        .assert_counts(&[
            (&patches("gone"), 1.0),
            (&patches("refused"), 0.0),
            (&remediations("alert", "freed"), 1.0),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_opted_out_between_delete_and_patch_is_left_alone() {
    for opts_out in [true, false] {
        let (bench, replica) = lost(stuck(), &[]).await;
        replica.alert(LOST).await;
        seconds(5).await;
        let value = if opts_out { "disabled" } else { "enabled" };
        bench.edit_pod(POD, |pod| {
            let annotations = pod.metadata.annotations.get_or_insert_default();
            annotations.insert("nodefall.io/remediation".into(), value.into());
        });
        seconds(60).await;
        assert_eq!(bench.asked("patch", "pods").len(), usize::from(!opts_out));
        let (result, patch) = if opts_out {
            ("aborted", "aborted")
        } else {
            ("freed", "cleared")
        };
        replica
            .assert_counts(&[
                (&remediations("alert", result), 1.0),
                (&patches(patch), 1.0),
            ])
            .await;
        assert_eq!(bench.told("NodefallAborted").is_empty(), !opts_out);
    }
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_that_comes_after_the_look_is_patched_too() {
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    let slow = on_its_way(1000);
    bench
        .cluster
        .inject(Fault::new(slow).verb("delete").user_agent("nodefall"));
    replica.alert(LOST).await;
    millis(500).await;
    bench.edit_pod(POD, |pod| {
        pod.metadata.finalizers = Some(vec!["example.com/late".into()])
    });
    seconds(20).await;
    assert_eq!(bench.asked("patch", "pods").len(), 1);
    assert!(
        replica.story(POD).await["steps"]
            .to_string()
            .contains("strips finalizers: example.com/late")
    );
    replica
        .assert_counts(&[(&remediations("alert", "freed"), 1.0)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_while_its_node_is_held_is_success_and_is_followed() {
    let (bench, replica) = lost(stuck(), &[]).await;
    replica.alert(LOST).await;
    seconds(9).await;
    bench.cluster.restart_controller_manager();
    millis(2500).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_tainted"));
    free(&bench).await;
    seconds(20).await;
    assert!(bench.asked("patch", "pods").is_empty());
    assert_eq!(replica.held(LOST).await, None);
    replica
        .assert_counts(&[
            (&remediations("alert", "freed"), 1.0),
            (&deletions("deleted"), 1.0),
            (RECOVERIES, 1.0),
        ])
        .await;
    assert_eq!(replica.story(POD).await["replacement"]["state"], "ready");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_unreadable_after_its_delete_is_given_up_in_time_and_tried_again() {
    let (bench, replica) = lost(stuck(), &[]).await;
    let forbidden = status(403);
    bench
        .cluster
        .inject(Fault::new(forbidden).verb("get").resource("pods"));
    replica.alert(LOST).await;
    seconds(26).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("backoff"));
    replica
        .assert_counts(&[(&remediations("alert", "failed"), 1.0)])
        .await;
    bench.cluster.clear_faults();
    seconds(20).await;
    assert_eq!(replica.story(POD).await["outcome"], "freed");
    // The remediation was counted when it was given up; the new try does not count again.
    replica
        .assert_counts(&[(&remediations("alert", "freed"), 0.0), (RECOVERIES, 1.0)])
        .await;
    assert_eq!(bench.asked("delete", "pods").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_turns_not_ready_late_does_not_wait_for_a_sibling_that_hangs() {
    const SIBLING: &str = "alertmanager-main-0";
    let sibling = Plan::new("monitoring", "alertmanager-main");
    let (bench, replica) = lost(stuck().statefulset(sibling), &["--patch-timeout=10m"]).await;
    bench.cluster.inject(Fault::new(status(503)).verb("patch"));
    bench.set_ready(SIBLING, true);
    let (uid, _) = bench.pod(SIBLING).expect("the sibling");
    replica.alert(LOST).await;
    seconds(40).await;
    assert_eq!(bench.pod(SIBLING).expect("the sibling").0, uid);
    bench.set_ready(SIBLING, false);
    seconds(16).await;
    assert_ne!(bench.pod(SIBLING).expect("a replacement").0, uid);
    assert_eq!(
        replica.metric(&patches("failed")).await,
        0.0,
        "the other one still hangs"
    );
    bench.assert_harmless();
}
