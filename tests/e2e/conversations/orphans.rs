//! A Node object is deleted while its kubelet lives: its Lease goes, its pods are collected.

use super::objects::{HOLD, PODS, at, pod};
use super::script::{Lever, MERGE, Step, create, delete, get, machine, patch, until, until_gone};
use serde_json::{Value, json};

const NODE: &str = "/api/v1/nodes/node-4";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-4";

pub fn script() -> Vec<Step> {
    let (held, free) = (at(PODS, "orphan-held"), at(PODS, "orphan"));
    let state = &[
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
        "/metadata/finalizers",
        "/spec/nodeName",
        "/status/phase",
        "/status/reason",
        "/status/conditions/type=DisruptionTarget",
    ];
    let mut finalized = pod("orphan-held", "node-4");
    finalized["metadata"]["finalizers"] = json!([HOLD]);
    let failed =
        format!("{PODS}?fieldSelector=status.phase%3DFailed&labelSelector=app%3Dorphan-held");
    vec![
        machine("a node joins", Lever::Add, "node-4"),
        until(
            "it is Ready",
            NODE,
            "/status/conditions/type=Ready/status",
            "True",
        ),
        until("it has a Lease", LEASE, "/kind", "Lease"),
        create("a pod", PODS, &pod("orphan", "node-4")),
        create("a pod with a finalizer", PODS, &finalized).capture("uid", "/metadata/uid"),
        until(
            "the pod runs",
            &free,
            "/status/conditions/type=Ready/status",
            "True",
        ),
        until(
            "the other runs",
            &held,
            "/status/conditions/type=Ready/status",
            "True",
        ),
        delete("the Node is deleted", NODE, &Value::Null),
        get("the Node is gone", NODE),
        delete("and cannot be again", NODE, &Value::Null),
        until_gone("so is its Lease", LEASE),
        get("the pod is still there", &held).keep(state),
        get("none has failed", &failed).keep(&["/items/*/metadata/name"]),
        until("the pod is given up", &held, "/status/phase", "Failed").within(120),
        until(
            "and deleted",
            &held,
            "/metadata/deletionGracePeriodSeconds",
            0,
        ),
        get("what is left of it", &held).keep(state),
        get("it has failed", &failed).keep(&["/items/*/metadata/name"]),
        until_gone("the other is gone", &free),
        patch(
            "the finalizer goes",
            MERGE,
            &held,
            &json!({"metadata": {"uid": "$uid", "finalizers": null}}),
        ),
        until_gone("so does the pod", &held),
        machine("the machine goes", Lever::Remove, "node-4"),
        until_gone("nothing is left", NODE),
    ]
}
