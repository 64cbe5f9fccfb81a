//! The embedded cluster does what a real one was seen to do: the facts this project stands on,
//! one by one, on a paused clock and without a socket.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used)]

mod deleting;
mod faults;
mod nodes;
mod reading;
mod scale;
mod watching;
mod workloads;
mod writing;
mod zones;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use nodefall::demo::objects::{node_ready, pod_ready, taints};
use nodefall::demo::{Cluster, Constants, Layout};
use serde_json::Value;
use tower::ServiceExt;

/// A kube-prometheus cluster whose controllers run.
fn start() -> Cluster {
    run(&Layout::kube_prometheus())
}

/// A cluster of this layout with real Kubernetes' timings, whose controllers run.
fn run(layout: &Layout) -> Cluster {
    let cluster = Cluster::new(Constants::default(), layout);
    let runner = cluster.clone();
    tokio::spawn(async move { runner.run().await });
    cluster
}

fn pods(cluster: &Cluster) -> Api<Pod> {
    Api::namespaced(cluster.client(), "monitoring")
}

fn nodes(cluster: &Cluster) -> Api<Node> {
    Api::all(cluster.client())
}

fn leases(cluster: &Cluster) -> Api<Lease> {
    Api::namespaced(cluster.client(), "kube-node-lease")
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

async fn milliseconds(count: u64) {
    tokio::time::sleep(Duration::from_millis(count)).await;
}

/// A delete with grace 0 of one UID.
fn now_with(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default().grace_period(0)
    }
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap()
}

fn node_of(pod: &Pod) -> String {
    pod.spec
        .as_ref()
        .unwrap()
        .node_name
        .clone()
        .unwrap_or_default()
}

/// Status of a node's Ready condition.
async fn ready(cluster: &Cluster, node: &str) -> String {
    node_ready(&nodes(cluster).get(node).await.unwrap())
        .unwrap()
        .status
        .clone()
}

/// Status of a pod's Ready condition.
async fn pod_is_ready(cluster: &Cluster, pod: &str) -> String {
    pod_ready(&pods(cluster).get(pod).await.unwrap())
        .unwrap()
        .status
        .clone()
}

/// Whether a node carries `unreachable:NoExecute`.
async fn tainted(cluster: &Cluster, node: &str) -> bool {
    let node = nodes(cluster).get(node).await.unwrap();
    taints(&node)
        .iter()
        .any(|one| one.key == "node.kubernetes.io/unreachable" && one.effect == "NoExecute")
}

/// A request as it goes over the wire.
async fn send(
    cluster: &Cluster,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    cluster
        .router()
        .oneshot(request.body(body).unwrap())
        .await
        .unwrap()
}

/// Status and JSON of an answer.
async fn answer(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn get(cluster: &Cluster, path: &str) -> (u16, Value) {
    answer(send(cluster, Method::GET, path, &[], Value::Null).await).await
}
