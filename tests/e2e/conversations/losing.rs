//! A node loses power, is given up, and comes back; its pods are evicted, stay, are ended by force, and
//! are replaced.

use super::objects::{PODS, SETS, at, now, pod, stateful_set};
use super::script::{Lever, Step, create, delete, get, machine, until, until_gone, until_not};
use serde_json::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const NODE: &str = "/api/v1/nodes/$node";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/$node";
const READY: &str = "/status/conditions/type=Ready/status";
const NODE_STATE: &[&str] = &[
    "/spec/taints/effect=NoSchedule",
    "/spec/taints/effect=NoExecute",
    "/spec/taints/2",
    "/spec/unschedulable",
    "/status/conditions/type=Ready",
];
const POD_STATE: &[&str] = &[
    "/metadata/deletionTimestamp",
    "/metadata/deletionGracePeriodSeconds",
    "/metadata/finalizers",
    "/metadata/generation",
    "/status/phase",
    "/status/reason",
    "/status/conditions/type=Ready",
    "/status/conditions/type=ContainersReady/status",
    "/status/conditions/type=DisruptionTarget",
];

fn evicted_after(mut pod: Value, seconds: u64) -> Value {
    pod["tolerations"] = json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists",
        "effect": "NoExecute", "tolerationSeconds": seconds}]);
    pod
}

pub fn script() -> Vec<Step> {
    let (member, bare) = (at(PODS, "lost-0"), at(PODS, "lost-bare"));
    let mut set = stateful_set("lost", 1);
    let template = &mut set["spec"]["template"]["spec"];
    *template = evicted_after(template.take(), 3);
    let bound = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": "$uid"}});
    let nodes = |title: &str| {
        get(
            title,
            "/api/v1/nodes?includeObject=None&fieldSelector=metadata.name%3D$node",
        )
        .accept(TABLE)
        .keep(&["/rows/*/cells/0", "/rows/*/cells/1", "/rows/*/object"])
    };
    let mut steps = vec![
        create("a StatefulSet", SETS, &set),
        until("its pod runs", &member, READY, "True"),
        get("the pod", &member)
            .keep(&[
                "/status/phase",
                "/status/conditions/type=Ready/status",
                "/spec/tolerations",
                "/metadata/ownerReferences",
                "/spec/hostname",
                "/metadata/generateName",
            ])
            .capture("uid", "/metadata/uid")
            .capture("node", "/spec/nodeName"),
        create("a bare pod beside it", PODS, &pod("lost-bare", "$node")),
        until("the bare pod runs", &bare, READY, "True"),
        nodes("the node while it lives"),
        get("the living node", NODE)
            .keep(NODE_STATE)
            .capture("since", "/status/conditions/type=Ready/lastTransitionTime"),
        machine("the power is cut", Lever::Cut, "$node"),
        until("it is not heard of", NODE, READY, "Unknown"),
        until(
            "it is given up",
            NODE,
            "/spec/taints/effect=NoExecute/key",
            "node.kubernetes.io/unreachable",
        ),
        until("its pods are not Ready", &bare, READY, "False"),
        get("the lost node", NODE)
            .keep(NODE_STATE)
            .keep(&["/status/conditions/type=MemoryPressure/status"]),
        get("its Lease", LEASE).keep(&["/spec/leaseDurationSeconds", "/spec/renewTime"]),
        nodes("the lost node as a row"),
        get("the lost pod", &bare).keep(POD_STATE),
        until(
            "the pod is evicted",
            &member,
            "/metadata/deletionGracePeriodSeconds",
            30,
        ),
        get("it stays", &member)
            .keep(POD_STATE)
            .keep(&["/metadata/uid", "/spec/nodeName"]),
        create(
            "a pod that is bound there now",
            PODS,
            &pod("lost-late", "$node"),
        ),
        get(
            "the evicted pod as a row",
            &format!("{PODS}?fieldSelector=metadata.name%3Dlost-0"),
        )
        .accept(TABLE)
        .keep(&["/rows/*/cells/1", "/rows/*/cells/2"]),
        delete("an ordinary delete changes nothing", &member, &Value::Null).keep(POD_STATE),
        delete("the pod is ended by force", &member, &bound).keep(POD_STATE),
        until_not("there is another", &member, "/metadata/uid", "$uid"),
        until("it runs", &member, READY, "True"),
        until_not("elsewhere", &member, "/spec/nodeName", "$node"),
        delete("the old UID is a conflict", &member, &bound),
        get("the replacement", &member).keep(POD_STATE),
        delete("the bare pod is ended by force", &bare, &now()).keep(POD_STATE),
        get("nobody makes it again", &bare),
        delete(
            "the late pod, with grace",
            &at(PODS, "lost-late"),
            &Value::Null,
        )
        .keep(POD_STATE),
        delete("the late pod, by force", &at(PODS, "lost-late"), &now()).keep(POD_STATE),
        machine("the power is back", Lever::Restore, "$node"),
        until("it is Ready", NODE, READY, "True"),
        until("it is believed", NODE, "/spec/taints", Value::Null),
        get("the returned node", NODE).keep(NODE_STATE),
        nodes("the returned node as a row"),
        delete("the StatefulSet ends", &at(SETS, "lost"), &Value::Null),
        until_gone("and its pod", &member),
    ];
    // What else was on that node runs there again.
    for name in [
        "prometheus-k8s-0",
        "prometheus-k8s-1",
        "alertmanager-main-0",
        "alertmanager-main-1",
        "alertmanager-main-2",
    ] {
        let title = format!("{name} runs as before");
        steps.push(until(&title, &at(PODS, name), READY, "True"));
    }
    steps
}
