//! Leases, and the clocks in them.

use super::script::{MERGE, Step, create, delete, get, patch, replace, until_not};
use serde_json::{Value, json};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/monitoring/leases";
const NODE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1";
const ALL: &[&str] = &[
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/uid",
    "/spec",
];

fn lease(spec: &Value) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "talk", "namespace": "monitoring"}, "spec": spec,
    })
}

pub fn script() -> Vec<Step> {
    let one = format!("{LEASES}/talk");
    let renew = |time: &str| json!({"spec": {"renewTime": time}});
    let stamped = &[
        "/metadata/managedFields/0/manager",
        "/metadata/managedFields/0/time",
        "/metadata/managedFields/0/operation",
        "/metadata/managedFields/0/apiVersion",
        "/metadata/managedFields/0/fieldsType",
        "/metadata/managedFields/1",
    ];
    vec![
        patch("an absent Lease", MERGE, &one, &renew("2026-01-01T00:00:00.000000Z")),
        create("a Lease", &format!("{LEASES}?fieldManager=talk"), &lease(&json!({
            "holderIdentity": "talk", "leaseDurationSeconds": 40, "renewTime": "2026-01-01T00:00:00.000000Z",
        })))
        .keep(ALL)
        .keep(stamped)
        .capture("version", "/metadata/resourceVersion"),
        create("it again", LEASES, &lease(&json!({}))),
        get("it", &one).keep(ALL),
        patch("renewed", MERGE, &format!("{one}?fieldManager=talk"), &renew("2032-01-01T00:00:00.000001Z"))
            .keep(ALL).keep(stamped),
        patch("renewed by another", MERGE, &format!("{one}?fieldManager=other"), &renew("2026-01-01T00:00:01.000000Z"))
            .keep(ALL)
            .keep(&["/metadata/managedFields/1/manager", "/metadata/managedFields/1/time"]),
        patch("renewed at no time", MERGE, &one, &renew("soon")),
        patch("for less than a second", MERGE, &one, &json!({"spec": {"leaseDurationSeconds": 0}})),
        replace("an old version", &one, &{
            let mut lease = lease(&json!({}));
            lease["metadata"]["resourceVersion"] = json!("$version");
            lease
        }),
        get("as it stands", &one).capture("stands", "/metadata/resourceVersion"),
        delete("another version ends", &one, &json!({"preconditions": {"resourceVersion": "1"}})),
        delete("another one ends", &one, &json!({"preconditions": {"uid": "another"}})),
        delete("it ends", &one, &Value::Null),
        get("it is gone", &one),
        delete("it ends again", &one, &Value::Null),
        get("a node's", NODE)
            .keep(&["/spec/leaseDurationSeconds", "/spec/renewTime", "/metadata/ownerReferences/0/kind",
                "/metadata/ownerReferences/0/name", "/metadata/ownerReferences/0/apiVersion"])
            .capture("renewed", "/spec/renewTime")
            .capture("written", "/metadata/managedFields/0/time"),
        until_not("its kubelet renews it", NODE, "/spec/renewTime", "$renewed"),
        until_not("the server stamps that", NODE, "/metadata/managedFields/0/time", "$written"),
    ]
}
