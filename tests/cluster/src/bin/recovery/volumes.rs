//! Volumes. The attach-detach controller is the real one; what is stood in for is a CSI driver's
//! external attacher, which attaches at once and lets every detachment pass, and what a kubelet does
//! about volumes: it waits until they are attached, and reports them in use.

use crate::roads::Road;
use http::Method;
use nodefall_testbed::client::{Client, MERGE};
use nodefall_testbed::cluster::node_path;
use nodefall_testbed::workload::{NAMESPACE, Workload};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

const DRIVER: &str = "testbed.nodefall.io";

/// A pod with this annotation is not started by the kubelets of the test bed.
const AWAITED: (&str, &str) = ("testbed.nodefall.io/volumes", "awaited");

const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";

/// A kubelet looks as often whether its volumes are there.
const PERIOD: Duration = Duration::from_millis(300);

/// Installs the driver, and begins to stand in for it.
pub fn install(client: &Client) {
    let driver = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
        "metadata": {"name": DRIVER}, "spec": {"attachRequired": true}});
    client.create("/apis/storage.k8s.io/v1/csidrivers", &driver);
    let client = client.clone();
    thread::spawn(move || {
        loop {
            stand_in(&client);
            thread::sleep(PERIOD);
        }
    });
}

/// Registers the driver on a node, as a kubelet does.
pub fn register(client: &Client, node: &str) {
    let node = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
        "metadata": {"name": node}, "spec": {"drivers": [{"name": DRIVER, "nodeID": node}]}});
    client.create("/apis/storage.k8s.io/v1/csinodes", &node);
}

/// Makes a road's volume, and gives it to its StatefulSet.
pub fn mount(client: &Client, road: &Road, set: Workload) -> Workload {
    let claim = format!("data-{}", road.pod());
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
    "metadata": {"name": road.name},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": NAMESPACE, "name": claim},
        "csi": {"driver": DRIVER, "volumeHandle": road.name},
    }});
    client.create("/api/v1/persistentvolumes", &volume);
    set.claim("data").annotation(AWAITED.0, AWAITED.1)
}

/// What a kubelet reports whose node came back: nothing is mounted there.
pub fn release(client: &Client, node: &str) {
    report(client, node, &Value::Null);
}

/// What the API server refuses is tried again the next time.
fn stand_in(client: &Client) {
    for attachment in client.list(ATTACHMENTS) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = text(&attachment["metadata"]["name"]);
        let volume = text(&attachment["spec"]["source"]["persistentVolumeName"]);
        let node = text(&attachment["spec"]["nodeName"]);
        if attachment["status"]["attached"] != true {
            let path = format!("{ATTACHMENTS}/{name}/status");
            patch(client, &path, &json!({"status": {"attached": true}}));
            continue;
        }
        // A road's volume has its name, and its StatefulSet one pod.
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{volume}-0");
        let waits = client.get(&path).is_some_and(|pod| {
            pod["spec"]["nodeName"] == node
                && pod["metadata"]["annotations"][AWAITED.0] == AWAITED.1
        });
        if waits {
            let in_use = json!([format!("kubernetes.io/csi/{DRIVER}^{volume}")]);
            report(client, &node, &in_use);
            let started = json!({"metadata": {"annotations": {AWAITED.0: null}}});
            patch(client, &path, &started);
        }
    }
}

fn report(client: &Client, node: &str, in_use: &Value) {
    let path = format!("{}/status", node_path(node));
    patch(client, &path, &json!({"status": {"volumesInUse": in_use}}));
}

fn patch(client: &Client, path: &str, patch: &Value) {
    let _ = client.send(&Method::PATCH, path, &[("content-type", MERGE)], patch);
}
