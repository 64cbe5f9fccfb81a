//! Watches, as `kubectl delete` waits by them.

use axum::http::Method;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::*;

/// A watch of one pod for five seconds.
async fn watch(cluster: &Cluster, pod: &str, query: &str) -> Response<Body> {
    let path = format!(
        "/api/v1/namespaces/monitoring/pods?watch=true&timeoutSeconds=5\
         &fieldSelector=metadata.name%3D{pod}&{query}"
    );
    send(cluster, Method::GET, &path, &[], Value::Null).await
}

/// All that it told, once it has ended.
async fn told(response: Response<Body>) -> Vec<Value> {
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect()
}

async fn end(cluster: &Cluster, pod: &str) {
    let uid = uid(&pods(cluster).get(pod).await.unwrap());
    pods(cluster).delete(pod, &now_with(&uid)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_changes() {
    let cluster = start();
    let response = watch(&cluster, "debug", "").await;
    end(&cluster, "debug").await;
    assert_eq!(kinds(&told(response).await).last(), Some(&"DELETED"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_begins_where_a_list_ended() {
    let cluster = start();
    let (_, list) = get(&cluster, "/api/v1/namespaces/monitoring/pods?limit=1").await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    end(&cluster, "debug").await;
    let since = format!("resourceVersion={version}");
    let response = watch(&cluster, "debug", &since).await;
    assert_eq!(kinds(&told(response).await), ["DELETED"]);
    let response = watch(&cluster, "prometheus-k8s-0", &since).await;
    assert_eq!(
        told(response).await,
        [] as [Value; 0],
        "nothing happened to it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_told_from_what_it_replaces() {
    let cluster = start();
    let name = "prometheus-k8s-0";
    let (_, list) = get(&cluster, "/api/v1/pods?limit=1").await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let response = watch(&cluster, name, &format!("resourceVersion={version}")).await;
    pods(&cluster)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    let lines = told(response).await;
    let gone = kinds(&lines)
        .iter()
        .position(|kind| *kind == "DELETED")
        .unwrap();
    assert_eq!(lines[gone + 1]["type"], "ADDED");
    let uid = |at: usize| &lines[at]["object"]["metadata"]["uid"];
    assert_ne!(uid(gone), uid(gone + 1));
}

#[tokio::test(start_paused = true)]
async fn a_watch_lists_first_where_it_is_asked_to() {
    let cluster = start();
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let lines = told(watch(&cluster, "debug", query).await).await;
    assert_eq!(kinds(&lines), ["ADDED", "BOOKMARK"]);
    let annotations = &lines[1]["object"]["metadata"]["annotations"];
    assert_eq!(*annotations, json!({ "k8s.io/initial-events-end": "true" }));
}
