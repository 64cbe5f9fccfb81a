//! What the API server does with what it is given, as it was heard from a real one.

use axum::http::Method;
use serde_json::{Value, json};

use super::*;

const PODS: &str = "/api/v1/namespaces/monitoring/pods";

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "example.com/main:1" }] },
    })
}

async fn create(cluster: &Cluster, path: &str, object: Value) -> (u16, Value) {
    answer(send(cluster, Method::POST, path, &[], object).await).await
}

async fn delete(cluster: &Cluster, path: &str, options: Value) -> (u16, Value) {
    answer(send(cluster, Method::DELETE, path, &[], options).await).await
}

#[tokio::test(start_paused = true)]
async fn beside_a_body_a_deletes_query_is_not_read_not_even_a_dry_run() {
    let cluster = start();
    cluster.cut_power("node-1");
    let path = format!("{PODS}/debug?dryRun=All&gracePeriodSeconds=0");
    let (status, body) = delete(&cluster, &path, json!({ "gracePeriodSeconds": 9 })).await;
    assert_eq!(
        (status, &body["metadata"]["deletionGracePeriodSeconds"]),
        (200, &json!(9))
    );
    let (_, pod) = get(&cluster, &format!("{PODS}/debug")).await;
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 9);
    let path = format!("{PODS}/prometheus-k8s-0?dryRun=Some");
    let (status, body) = delete(&cluster, &path, Value::Null).await;
    assert_eq!((status, &body["reason"]), (422, &json!("Invalid")));
}

#[tokio::test(start_paused = true)]
async fn what_is_created_is_completed_and_counts_its_generations() {
    let cluster = start();
    let (status, made) = create(&cluster, PODS, pod("made")).await;
    assert_eq!(status, 201);
    assert_eq!(
        (&made["kind"], &made["metadata"]["generation"]),
        (&json!("Pod"), &json!(1))
    );
    assert_eq!(made["spec"]["dnsPolicy"], "ClusterFirst");
    assert_eq!(
        made["spec"]["containers"][0]["imagePullPolicy"],
        "IfNotPresent"
    );
    seconds(5).await;
    let path = format!("{PODS}/made");
    let (_, ended) = delete(&cluster, &path, Value::Null).await;
    assert_eq!(
        ended["metadata"]["generation"], 2,
        "being deleted is one more"
    );
    let (_, again) = delete(&cluster, &path, json!({ "gracePeriodSeconds": 0 })).await;
    assert_eq!(again["metadata"]["generation"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_makes_nothing_and_answers_as_if_it_had() {
    let cluster = start();
    let path = format!("{PODS}?dryRun=All");
    let (status, made) = create(&cluster, &path, pod("made")).await;
    assert_eq!(
        (status, &made["metadata"]["resourceVersion"]),
        (201, &Value::Null)
    );
    assert!(made["metadata"]["uid"].is_string());
    assert_eq!(get(&cluster, &format!("{PODS}/made")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let cluster = start();
    let (status, body) = create(&cluster, "/api/v1/namespaces/none/pods", pod("made")).await;
    assert_eq!(
        (status, &body["message"]),
        (404, &json!("namespaces \"none\" not found"))
    );
    let mut held = pod("made");
    held["metadata"]["finalizers"] = json!(["hold"]);
    let mut empty = pod("made");
    empty["spec"]["containers"] = json!([]);
    for refused in [held, empty] {
        let (status, body) = create(&cluster, PODS, refused).await;
        assert_eq!((status, &body["reason"]), (422, &json!("Invalid")));
    }
    let merge = [("content-type", "application/merge-patch+json")];
    let set = "/apis/apps/v1/namespaces/monitoring/statefulsets/prometheus-k8s";
    for spec in [json!({ "replicas": -1 }), json!({ "serviceName": "other" })] {
        let patch = json!({ "spec": spec });
        let response = send(&cluster, Method::PATCH, set, &merge, patch).await;
        assert_eq!(response.status(), 422);
    }
    // A patch that leaves no object.
    let path = format!("{PODS}/debug");
    let response = send(&cluster, Method::PATCH, &path, &merge, json!([])).await;
    assert_eq!(response.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn an_event_needs_what_a_real_server_asks_for() {
    let cluster = start();
    let path = "/apis/events.k8s.io/v1/namespaces/monitoring/events";
    let event = |field: &str, value: Value| {
        let mut event = json!({
            "metadata": { "name": "e" }, "eventTime": "2026-01-01T00:00:01.000000Z",
            "action": "Delete", "reason": "Deleted", "type": "Normal", "note": "words",
            "reportingController": "nodefall.io/nodefall", "reportingInstance": "one",
            "regarding": { "kind": "Pod", "name": "debug", "namespace": "monitoring" },
        });
        event[field] = value;
        event
    };
    for (field, value) in [
        ("eventTime", Value::Null),
        ("action", Value::Null),
        ("reason", json!("x".repeat(129))),
        ("note", json!("x".repeat(1025))),
        ("type", json!("Sad")),
        ("reportingController", json!("no name")),
        ("reportingInstance", Value::Null),
        ("regarding", json!({ "kind": "Node", "name": "node-1" })),
    ] {
        let (status, _) = create(&cluster, path, event(field, value)).await;
        assert_eq!(status, 422, "{field}");
    }
    assert_eq!(
        create(&cluster, path, event("note", json!("fine"))).await.0,
        201
    );
    let core = "/api/v1/namespaces/monitoring/events/e";
    assert_eq!(get(&cluster, core).await.1["message"], "fine");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_makes_a_replicaset_and_takes_it_along() {
    let cluster = start();
    let path = "/apis/apps/v1/namespaces/monitoring/deployments";
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "example.com/web:1" }] },
            },
        },
    });
    assert_eq!(create(&cluster, path, deployment).await.0, 201);
    seconds(5).await;
    let one = format!("{path}/web");
    assert_eq!(
        get(&cluster, &one).await.1["status"]["availableReplicas"],
        2
    );
    let merge = [("content-type", "application/merge-patch+json")];
    let scale = json!({ "spec": { "replicas": 1 } });
    send(
        &cluster,
        Method::PATCH,
        &format!("{one}/scale"),
        &merge,
        scale,
    )
    .await;
    let pods = format!("{PODS}?labelSelector=app%3Dweb");
    seconds(5).await;
    assert_eq!(
        get(&cluster, &pods).await.1["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    delete(&cluster, &one, Value::Null).await;
    seconds(5).await;
    assert_eq!(get(&cluster, &pods).await.1["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_makes_no_object_is_refused_and_changes_nothing() {
    let cluster = start();
    let path = format!("{PODS}/prometheus-k8s-0");
    let (_, before) = get(&cluster, &path).await;
    for patch in [
        json!({ "metadata": "x" }),
        json!({ "spec": "x" }),
        json!({ "spec": { "containers": ["x"] } }),
    ] {
        let headers = [("content-type", "application/merge-patch+json")];
        let response = send(&cluster, Method::PATCH, &path, &headers, patch.clone()).await;
        let (status, body) = answer(response).await;
        assert!((400..500).contains(&status), "{patch}: {status} {body}");
    }
    assert_eq!(get(&cluster, &path).await.1, before);
}
