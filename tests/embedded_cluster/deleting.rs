//! The facts about deleting, one by one.

use axum::http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use nodefall::demo::{Layout, Plan};
use serde_json::{Value, json};

use super::*;

const HELD: &str = "example.com/hold";

fn held() -> Layout {
    Layout::kube_prometheus()
        .statefulset(Plan::new("monitoring", "held").replicas(2).finalizer(HELD))
}

fn path(pod: &str) -> String {
    format!("/api/v1/namespaces/monitoring/pods/{pod}")
}

async fn merge(cluster: &Cluster, pod: &str, patch: Value) -> (u16, Value) {
    let headers = [("content-type", "application/merge-patch+json")];
    answer(send(cluster, Method::PATCH, &path(pod), &headers, patch).await).await
}

#[tokio::test(start_paused = true)]
async fn grace_0_answers_at_once_with_the_pod_that_a_finalizer_keeps() {
    let cluster = run(&held());
    let pod = pods(&cluster).get("held-0").await.unwrap();
    let answered = pods(&cluster)
        .delete("held-0", &now_with(&uid(&pod)))
        .await
        .unwrap();
    let answered = answered.left().expect("a Pod, not a Status");
    assert!(answered.metadata.deletion_timestamp.is_some());
    assert_eq!(answered.metadata.finalizers, Some(vec![HELD.to_owned()]));
    seconds(600).await;
    let kept = pods(&cluster).get("held-0").await.unwrap();
    assert_eq!(uid(&kept), uid(&pod));
    // Again is no error and no change, once its kubelet has stopped it.
    let version = kept.metadata.resource_version.clone();
    let again = pods(&cluster)
        .delete("held-0", &now_with(&uid(&pod)))
        .await
        .unwrap();
    assert_eq!(again.left().unwrap().metadata.resource_version, version);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_at_once_is_answered_as_a_pod_too() {
    let cluster = start();
    let pod = pods(&cluster).get("debug").await.unwrap();
    let answered = pods(&cluster)
        .delete("debug", &now_with(&uid(&pod)))
        .await
        .unwrap();
    assert_eq!(
        answered
            .left()
            .unwrap()
            .metadata
            .deletion_grace_period_seconds,
        Some(0)
    );
    let (status, body) = get(&cluster, &path("debug")).await;
    assert_eq!((status, body["reason"].as_str()), (404, Some("NotFound")));
    assert_eq!(body["message"], "pods \"debug\" not found");
    seconds(60).await;
    assert_eq!(
        get(&cluster, &path("debug")).await.0,
        404,
        "nobody makes a bare pod again"
    );
}

#[tokio::test(start_paused = true)]
async fn another_uid_is_a_conflict_and_an_absent_pod_not_found() {
    let cluster = start();
    let options = json!({
        "gracePeriodSeconds": 0,
        "preconditions": { "uid": "00000000-0000-4000-8000-000000000000" },
    });
    let pod = "prometheus-k8s-0";
    let response = send(&cluster, Method::DELETE, &path(pod), &[], options.clone()).await;
    let (status, body) = answer(response).await;
    assert_eq!((status, body["reason"].as_str()), (409, Some("Conflict")));
    let message = body["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "Operation cannot be fulfilled on Pod \"prometheus-k8s-0\": the UID in the \
             precondition (00000000-0000-4000-8000-000000000000) does not match the UID in record"
        ),
        "{message}"
    );
    let response = send(&cluster, Method::DELETE, &path("none"), &[], options).await;
    assert_eq!(answer(response).await.0, 404);
    let stale = json!({ "preconditions": { "resourceVersion": "1" } });
    let response = send(&cluster, Method::DELETE, &path(pod), &[], stale).await;
    assert_eq!(answer(response).await.0, 409);
}

#[tokio::test(start_paused = true)]
async fn grace_0_works_on_a_pod_that_is_terminating_already() {
    let cluster = start();
    cluster.cut_power("node-1");
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    let name = "prometheus-k8s-0";
    let ordinary = pods(&cluster)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(
        ordinary
            .left()
            .unwrap()
            .metadata
            .deletion_grace_period_seconds,
        Some(600)
    );
    seconds(30).await;
    pods(&cluster)
        .delete(name, &now_with(&uid(&pod)))
        .await
        .unwrap();
    assert_eq!(get(&cluster, &path(name)).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn options_may_come_in_the_query_and_a_dry_run_changes_nothing() {
    let cluster = start();
    cluster.cut_power("node-1");
    let name = "prometheus-k8s-0";
    let with = |query: &str| format!("{}?{query}", path(name));
    let dry = with("gracePeriodSeconds=0&dryRun=All");
    let (status, body) = answer(send(&cluster, Method::DELETE, &dry, &[], Value::Null).await).await;
    assert_eq!(
        (status, &body["metadata"]["deletionGracePeriodSeconds"]),
        (200, &json!(0))
    );
    let (_, pod) = get(&cluster, &path(name)).await;
    assert_eq!(pod["metadata"]["deletionTimestamp"], Value::Null);
    assert!(
        cluster
            .audit()
            .iter()
            .any(|entry| entry.dry_run && entry.verb == "delete")
    );
    let short = with("gracePeriodSeconds=7");
    let (_, body) = answer(send(&cluster, Method::DELETE, &short, &[], Value::Null).await).await;
    assert_eq!(body["metadata"]["deletionGracePeriodSeconds"], 7);
    assert_eq!(
        body["metadata"]["deletionTimestamp"],
        "2026-01-01T00:00:07Z"
    );
}

#[tokio::test(start_paused = true)]
async fn finalizers_are_cleared_of_one_uid_only() {
    let cluster = run(&held());
    let pod = pods(&cluster).get("held-0").await.unwrap();
    pods(&cluster)
        .delete("held-0", &now_with(&uid(&pod)))
        .await
        .unwrap();
    let (status, body) = merge(
        &cluster,
        "held-0",
        json!({ "metadata": { "uid": "x", "finalizers": null } }),
    )
    .await;
    assert_eq!((status, body["reason"].as_str()), (422, Some("Invalid")));
    assert_eq!(
        body["message"],
        "Pod \"held-0\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable"
    );
    let right = json!({ "metadata": { "uid": uid(&pod), "finalizers": null } });
    assert_eq!(merge(&cluster, "absent-0", right.clone()).await.0, 404);
    assert_eq!(merge(&cluster, "held-0", right.clone()).await.0, 200);
    milliseconds(50).await;
    let new = pods(&cluster).get("held-0").await.unwrap();
    assert_ne!(
        uid(&new),
        uid(&pod),
        "the replacement is there within milliseconds"
    );
    assert_eq!(
        merge(&cluster, "held-0", right).await.0,
        422,
        "and is another pod"
    );
}

#[tokio::test(start_paused = true)]
async fn clearing_finalizers_removes_a_pod_only_after_a_grace_0_delete() {
    let cluster = run(&held());
    cluster.cut_power("node-1");
    let pod = pods(&cluster).get("held-0").await.unwrap();
    pods(&cluster)
        .delete("held-0", &DeleteParams::default())
        .await
        .unwrap();
    let patch = json!({ "metadata": { "uid": uid(&pod), "finalizers": null } });
    assert_eq!(merge(&cluster, "held-0", patch).await.0, 200);
    seconds(120).await;
    assert_eq!(uid(&pods(&cluster).get("held-0").await.unwrap()), uid(&pod));
    pods(&cluster)
        .delete("held-0", &now_with(&uid(&pod)))
        .await
        .unwrap();
    milliseconds(50).await;
    assert_ne!(uid(&pods(&cluster).get("held-0").await.unwrap()), uid(&pod));
}

#[tokio::test(start_paused = true)]
async fn a_strategic_patch_clears_with_null_and_merges_an_empty_list() {
    let cluster = run(&held());
    let strategic = async |list: Value| {
        let patch = Patch::Strategic(json!({ "metadata": { "finalizers": list } }));
        pods(&cluster)
            .patch("held-0", &PatchParams::default(), &patch)
            .await
            .unwrap()
    };
    assert_eq!(
        strategic(json!([])).await.metadata.finalizers,
        Some(vec![HELD.to_owned()])
    );
    assert_eq!(strategic(Value::Null).await.metadata.finalizers, None);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_being_deleted_takes_no_new_finalizer() {
    let cluster = run(&held());
    pods(&cluster)
        .delete("held-0", &DeleteParams::default())
        .await
        .unwrap();
    let patch = json!({ "metadata": { "finalizers": [HELD, "example.com/new"] } });
    let (status, body) = merge(&cluster, "held-0", patch).await;
    assert_eq!(status, 422);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("no new finalizers can be added")
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_resource_version_is_a_conflict_and_no_change_keeps_it() {
    let cluster = start();
    let (_, before) = get(&cluster, &path("debug")).await;
    let version = before["metadata"]["resourceVersion"].clone();
    let same = json!({ "metadata": { "labels": before["metadata"]["labels"] } });
    assert_eq!(
        merge(&cluster, "debug", same).await.1["metadata"]["resourceVersion"],
        version
    );
    let note = json!({ "metadata": { "annotations": { "a": "b" }, "resourceVersion": version } });
    let (status, after) = merge(&cluster, "debug", note).await;
    assert_eq!(status, 200);
    assert_ne!(after["metadata"]["resourceVersion"], version);
    let late = json!({ "metadata": { "annotations": { "a": "c" }, "resourceVersion": version } });
    let (status, body) = merge(&cluster, "debug", late).await;
    assert_eq!((status, body["reason"].as_str()), (409, Some("Conflict")));
}

#[tokio::test(start_paused = true)]
async fn a_daemonsets_pod_comes_back_on_the_same_node() {
    let cluster = start();
    let list = kube::api::ListParams::default()
        .labels("app.kubernetes.io/name=node-exporter")
        .fields("spec.nodeName=node-2");
    let old = pods(&cluster).list(&list).await.unwrap().items.remove(0);
    pods(&cluster)
        .delete(&old.metadata.name.clone().unwrap(), &now_with(&uid(&old)))
        .await
        .unwrap();
    seconds(5).await;
    let new: Vec<Pod> = pods(&cluster).list(&list).await.unwrap().items;
    assert_eq!(new.len(), 1);
    assert_ne!(uid(&new[0]), uid(&old));
}
