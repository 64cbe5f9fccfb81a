//! Pods that a name selects and that are left alone all the same, each counted once.

use crate::bench::{Bench, LOST, POD, seconds, small};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use nodefall::demo::world::key;
use nodefall::demo::{Layout, Plan};
use std::collections::BTreeMap;

/// Selects every pod of the namespace.
const ALL: &str = "--pod=monitoring/*";

fn owner(kind: &str, api_version: &str) -> OwnerReference {
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: "it".to_owned(),
        uid: "2f7b1c5e-0000-4000-8000-000000000001".to_owned(),
        controller: Some(true),
        ..OwnerReference::default()
    }
}

/// Puts a twin of the lost pod beside it, of no controller and not in the least Ready.
fn put(bench: &Bench, name: &str, change: impl FnOnce(&mut Pod)) {
    bench.cluster.edit(|world| {
        let mut twin = world.pods[&key("monitoring", POD)].clone();
        twin.metadata.name = Some(name.to_owned());
        twin.metadata.owner_references = None;
        twin.metadata.labels = None;
        change(&mut twin);
        world.create("kubectl", twin)
    });
}

fn annotated(name: &str, value: &str) -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([(name.to_owned(), value.to_owned())]))
}

/// All that is to be left alone, each for its own reason; the names are the reasons.
fn put_everything(bench: &Bench) {
    let set = || Some(vec![owner("StatefulSet", "apps/v1")]);
    put(bench, "mirror", |pod| {
        pod.metadata.owner_references = Some(vec![owner("Node", "v1")]);
        pod.metadata.annotations = annotated("kubernetes.io/config.mirror", "hash");
    });
    put(bench, "opted-out", |pod| {
        pod.metadata.owner_references = set();
        pod.metadata.annotations = annotated("nodefall.io/remediation", "disabled");
    });
    put(bench, "daemonset", |pod| {
        pod.metadata.owner_references = Some(vec![owner("DaemonSet", "apps/v1")]);
    });
    put(bench, "no-controller", |_| {});
    put(bench, "other-controller", |pod| {
        pod.metadata.owner_references = Some(vec![owner("Job", "batch/v1")]);
    });
    // Not Kubernetes' own StatefulSet.
    put(bench, "other-controller-too", |pod| {
        pod.metadata.owner_references = Some(vec![owner("StatefulSet", "apps.kruise.io/v1")]);
    });
}

const REASONS: [(&str, f64); 5] = [
    ("mirror", 1.0),
    ("opted_out", 1.0),
    ("daemonset", 1.0),
    ("no_controller", 1.0),
    ("other_controller", 2.0),
];

#[tokio::test(start_paused = true)]
async fn each_is_counted_once_and_left_alone() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&[ALL, "--unreachable-for=0s"]).await;
    bench.lose(LOST).await;
    put_everything(&bench);
    bench.edit_pod(POD, |pod| {
        pod.metadata.annotations = annotated("nodefall.io/remediation", "enabled");
    });
    replica.alert(LOST).await;
    seconds(10).await;
    bench.assert_recovered(&replica).await;
    // Long after, when Kubernetes has evicted them too; sweep after sweep, alert after alert.
    for _ in 0..10 {
        seconds(60).await;
        replica.resolve(LOST).await;
        replica.alert(LOST).await;
    }
    bench.assert_recovered(&replica).await;
    for (reason, count) in REASONS {
        assert_eq!(replica.skips(reason).await, count, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_opts_out_at_the_last_moment_is_left_alone() {
    // A finalizer keeps it: between the DELETE and the patch there is time to opt out.
    let bench = Bench::new(small(|p| p.finalizer("example.com/keep"))).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(5).await;
    bench.edit_pod(POD, |pod| {
        pod.metadata.annotations = annotated("nodefall.io/remediation", "disabled");
    });
    seconds(60).await;
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
    assert_eq!(replica.story(POD).await["outcome"], "aborted");
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_the_node_is_left_alone_in_a_whole_kube_prometheus() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let replica = bench.replica(&[ALL, "--pod=kube-system/*"]).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    // The sweep, too, once Kubernetes has evicted them.
    seconds(600).await;
    let mut touched = bench.touched();
    touched.sort();
    let kept = ["node-exporter", "kube-proxy", "debug"];
    assert!(
        !touched.iter().any(|t| kept.iter().any(|k| t.contains(k))),
        "{touched:?}"
    );
    // prometheus-k8s-0, alertmanager-main-0, one of grafana, one of coredns.
    assert_eq!(touched.len(), 4, "{touched:?}");
    assert_eq!(replica.skips("daemonset").await, 2.0);
    assert_eq!(replica.skips("no_controller").await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_never_touched() {
    let plan = Plan::new("monitoring", "prometheus-k8s").replicas(2);
    let bench = Bench::new(Layout::nodes(3).statefulset(plan.parallel())).await;
    let replica = bench.replica(&["--unreachable-for=0s"]).await;
    let (lost, _) = bench.pod(POD).expect("a pod");
    bench.lose(LOST).await;
    for _ in 0..20 {
        replica.alert(LOST).await;
        seconds(60).await;
        replica.resolve(LOST).await;
    }
    // The node comes back, and the alert fires on.
    bench.cluster.give_power(LOST);
    replica.alert(LOST).await;
    seconds(300).await;
    let deleted: Vec<_> = bench.destructive().into_iter().collect();
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    let truth = deleted[0].truth.as_ref().expect("a pod");
    assert_eq!(
        (&truth.uid, truth.wanted_uid.as_ref()),
        (&lost, Some(&lost))
    );
}
