//! The embedded cluster does what a real one was seen to do: the facts this project stands on,
//! one by one, on a paused clock.
#![cfg(feature = "demo")]

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use nodefall::demo::objects::{is_node_ready, is_pod_ready, node_ready, pod_ready};
use nodefall::demo::{Cluster, Constants, Layout};
use serde_json::json;
use tokio::time::sleep;

/// A kube-prometheus cluster whose controllers run.
fn start() -> Cluster {
    run(Cluster::new(
        Constants::default(),
        &Layout::kube_prometheus(),
    ))
}

fn run(cluster: Cluster) -> Cluster {
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

async fn seconds(count: u64) {
    sleep(Duration::from_secs(count)).await;
}

fn now_with(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default().grace_period(0)
    }
}

#[tokio::test(start_paused = true)]
async fn power_loss_goes_by_the_timeline() {
    let cluster = start();
    seconds(20).await;
    cluster.cut_power("node-1");

    seconds(39).await;
    assert!(is_node_ready(&nodes(&cluster).get("node-1").await.unwrap()));
    seconds(17).await;
    let node = nodes(&cluster).get("node-1").await.unwrap();
    let ready = node_ready(&node).unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_deref()),
        ("Unknown", Some("NodeStatusUnknown"))
    );
    let taints = node.spec.unwrap().taints.unwrap();
    for effect in ["NoSchedule", "NoExecute"] {
        let taint = taints.iter().find(|taint| taint.effect == effect).unwrap();
        assert_eq!(taint.key, "node.kubernetes.io/unreachable");
        assert!(taint.time_added.is_some());
    }
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(pod_ready(&pod).unwrap().status, "False");
    let status = pod.status.unwrap();
    assert_eq!(
        (status.phase.as_deref(), status.reason),
        (Some("Running"), None)
    );
    assert_eq!(pod.metadata.deletion_timestamp, None);

    seconds(285).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(pod.metadata.deletion_timestamp, None, "341 s");
    seconds(16).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert!(pod.metadata.deletion_timestamp.is_some(), "357 s");
    assert_eq!(pod.metadata.deletion_grace_period_seconds, Some(600));

    seconds(3600).await;
    let still = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(
        still.metadata.uid, pod.metadata.uid,
        "a StatefulSet's pod stays for ever"
    );

    let uid = still.metadata.uid.unwrap();
    pods(&cluster)
        .delete("prometheus-k8s-0", &now_with(&uid))
        .await
        .unwrap();
    sleep(Duration::from_millis(100)).await;
    let new = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_ne!(new.metadata.uid, Some(uid));
    assert_ne!(
        new.spec.as_ref().unwrap().node_name.as_deref(),
        Some("node-1")
    );
    seconds(5).await;
    assert!(is_pod_ready(
        &pods(&cluster).get("prometheus-k8s-0").await.unwrap()
    ));
}
