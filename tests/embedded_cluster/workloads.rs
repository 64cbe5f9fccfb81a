//! StatefulSets in order and in parallel, ReplicaSets, the scheduler, volumes.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{Patch, PatchParams};
use nodefall::demo::{Layout, Plan};
use serde_json::json;

use super::*;

async fn force(cluster: &Cluster, name: &str) -> String {
    let pod = pods(cluster).get(name).await.unwrap();
    pods(cluster)
        .delete(name, &now_with(&uid(&pod)))
        .await
        .unwrap();
    uid(&pod)
}

fn sets(cluster: &Cluster) -> Api<StatefulSet> {
    Api::namespaced(cluster.client(), "monitoring")
}

async fn patch_set(cluster: &Cluster, name: &str, patch: serde_json::Value) {
    sets(cluster)
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn in_order_an_ordinal_waits_for_those_below_it() {
    let layout = Layout::nodes(3).statefulset(Plan::new("monitoring", "db").replicas(3));
    let cluster = run(&layout);
    force(&cluster, "db-0").await;
    force(&cluster, "db-2").await;
    milliseconds(500).await;
    assert!(pods(&cluster).get_opt("db-0").await.unwrap().is_some());
    assert!(
        pods(&cluster).get_opt("db-2").await.unwrap().is_none(),
        "db-0 is not Ready yet"
    );
    seconds(3).await;
    assert!(pods(&cluster).get_opt("db-2").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn in_parallel_all_come_back_at_once() {
    let cluster = start();
    force(&cluster, "alertmanager-main-0").await;
    force(&cluster, "alertmanager-main-2").await;
    milliseconds(100).await;
    assert!(
        pods(&cluster)
            .get_opt("alertmanager-main-0")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        pods(&cluster)
            .get_opt("alertmanager-main-2")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stray_pod_of_its_name_and_labels_is_adopted() {
    let cluster = start();
    let name = "prometheus-k8s-0";
    let before = uid(&pods(&cluster).get(name).await.unwrap());
    let stray = Patch::Merge(json!({ "metadata": { "ownerReferences": null } }));
    let params = PatchParams::default();
    let pod = pods(&cluster).patch(name, &params, &stray).await.unwrap();
    assert_eq!(pod.metadata.owner_references, None);
    seconds(1).await;
    patch_set(
        &cluster,
        "prometheus-k8s",
        json!({ "spec": { "replicas": 3 } }),
    )
    .await;
    seconds(1).await;
    let pod = pods(&cluster).get(name).await.unwrap();
    let owners = pod.metadata.owner_references.clone().unwrap();
    assert_eq!(
        (uid(&pod), owners[0].kind.as_str()),
        (before, "StatefulSet")
    );
}

#[tokio::test(start_paused = true)]
async fn scaled_down_and_deleted_sets_bring_nothing_back() {
    let cluster = start();
    patch_set(
        &cluster,
        "prometheus-k8s",
        json!({ "spec": { "replicas": 1 } }),
    )
    .await;
    seconds(5).await;
    assert!(
        pods(&cluster)
            .get_opt("prometheus-k8s-1")
            .await
            .unwrap()
            .is_none()
    );
    sets(&cluster)
        .delete("prometheus-k8s", &DeleteParams::default())
        .await
        .unwrap();
    seconds(5).await;
    assert!(
        pods(&cluster)
            .get_opt("prometheus-k8s-0")
            .await
            .unwrap()
            .is_none()
    );
    seconds(60).await;
    assert!(
        pods(&cluster)
            .get_opt("prometheus-k8s-0")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_goes_from_the_highest_ordinal_down() {
    let cluster = start();
    let before: Vec<String> = [
        pods(&cluster).get("prometheus-k8s-0").await.unwrap(),
        pods(&cluster).get("prometheus-k8s-1").await.unwrap(),
    ]
    .iter()
    .map(uid)
    .collect();
    let labels = json!({ "metadata": { "annotations": { "restarted": "yes" } } });
    patch_set(
        &cluster,
        "prometheus-k8s",
        json!({ "spec": { "template": labels } }),
    )
    .await;
    seconds(2).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(uid(&pod), before[0]);
    seconds(20).await;
    for (number, before) in before.iter().enumerate() {
        let pod = pods(&cluster)
            .get(&format!("prometheus-k8s-{number}"))
            .await
            .unwrap();
        assert_ne!(uid(&pod), *before);
    }
    let set = sets(&cluster).get("prometheus-k8s").await.unwrap();
    let status = set.status.unwrap();
    assert_eq!(status.current_revision, status.update_revision);
    assert_eq!(set.metadata.generation, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_replicasets_pod_is_replaced_long_before_it_is_gone() {
    let cluster = start();
    cluster.cut_power("node-1");
    seconds(380).await;
    let list = kube::api::ListParams::default().labels("app.kubernetes.io/name=grafana");
    let found = pods(&cluster).list(&list).await.unwrap().items;
    assert_eq!(found.len(), 2);
    let ready = |pod: &&Pod| pod_ready(pod).is_some_and(|ready| ready.status == "True");
    assert_eq!(found.iter().filter(ready).count(), 1);
    assert_eq!(
        found
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_some())
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn what_fits_nowhere_is_told_in_the_schedulers_words() {
    let cluster = start();
    cluster.cut_power("node-1");
    cluster.cordon("node-2", true);
    cluster.cordon("node-3", true);
    seconds(60).await;
    force(&cluster, "prometheus-k8s-0").await;
    seconds(1).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    let conditions = pod.status.unwrap().conditions.unwrap();
    let scheduled = conditions
        .iter()
        .find(|one| one.type_ == "PodScheduled")
        .unwrap();
    assert_eq!(
        (scheduled.status.as_str(), scheduled.reason.as_deref()),
        ("False", Some("Unschedulable"))
    );
    assert_eq!(
        scheduled.message.as_deref().unwrap(),
        "0/3 nodes are available: 1 node(s) had untolerated taint \
         {node.kubernetes.io/unreachable: }, 2 node(s) were unschedulable. preemption: 0/3 nodes \
         are available: 3 Preemption is not helpful for scheduling."
    );
    cluster.cordon("node-2", false);
    seconds(4).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(node_of(&pod), "node-2");
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
}

#[tokio::test(start_paused = true)]
async fn a_volume_keeps_the_replacement_away_for_six_minutes() {
    let layout = Layout::nodes(3).statefulset(Plan::new("monitoring", "db").claim());
    let cluster = run(&layout);
    cluster.cut_power("node-1");
    seconds(60).await;
    force(&cluster, "db-0").await;
    seconds(350).await;
    let pod = pods(&cluster).get("db-0").await.unwrap();
    assert_ne!(node_of(&pod), "node-1");
    assert_eq!(pod_is_ready(&cluster, "db-0").await, "False");
    seconds(20).await;
    assert_eq!(pod_is_ready(&cluster, "db-0").await, "True");
}
