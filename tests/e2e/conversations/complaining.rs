//! A kubelet reports trouble: its node is not Ready, and what runs there goes on.

use super::objects::{PODS, at, now, pod};
use super::script::{Lever, Step, create, delete, get, machine, until};
use serde_json::Value;

const NODE: &str = "/api/v1/nodes/node-3";
const READY: &str = "/status/conditions/type=Ready/status";

pub fn script() -> Vec<Step> {
    let one = at(PODS, "sick");
    let node = &[
        "/spec/taints/effect=NoSchedule",
        "/spec/taints/effect=NoExecute",
        "/spec/taints/2",
        "/status/conditions/type=Ready/status",
        "/status/conditions/type=Ready/reason",
    ];
    let key = "/spec/taints/effect=NoExecute/key";
    vec![
        create("a pod", PODS, &pod("sick", "node-3")),
        until("it runs", &one, READY, "True"),
        machine("its kubelet complains", Lever::Sicken, "node-3"),
        until("the node is not Ready", NODE, READY, "False"),
        until("it is tainted", NODE, key, "node.kubernetes.io/not-ready"),
        get("the node", NODE).keep(node),
        get(
            "the node as a row",
            "/api/v1/nodes?includeObject=None&fieldSelector=metadata.name%3Dnode-3",
        )
        .accept("application/json;as=Table;v=v1;g=meta.k8s.io")
        .keep(&["/rows/*/cells/1"]),
        get("the pod", &one).keep(&[READY, "/status/phase", "/metadata/deletionTimestamp"]),
        machine("its kubelet is well", Lever::Heal, "node-3"),
        until("the node is Ready", NODE, READY, "True"),
        until("it is believed", NODE, "/spec/taints", Value::Null),
        get("the node that is well", NODE).keep(node),
        get("the pod all the time", &one).keep(&[READY, "/status/phase"]),
        delete("the pod ends", &one, &now()),
    ]
}
