//! Reading: one, many, by selectors, in pages, as Tables, and as a watch.

use super::objects::{NOWHERE, PODS, SETS, at, now, pod};
use super::script::{MERGE, Step, create, delete, get, patch, until};
use serde_json::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const NAMES: &[&str] = &["/metadata", "/items/*/metadata/name", "/items/*/kind"];
const COLUMNS: &[&str] = &[
    "/columnDefinitions/*/name",
    "/columnDefinitions/*/type",
    "/columnDefinitions/*/format",
    "/columnDefinitions/*/priority",
];

/// Three pods of one label, in two rows.
fn pods() -> Vec<Step> {
    let make = |name: &str, tier: &str| {
        let mut pod = pod(name, NOWHERE);
        pod["metadata"]["labels"] = json!({"talk": "read", "tier": tier});
        create(&format!("made {name}"), PODS, &pod)
    };
    vec![
        make("read-0", "front"),
        make("read-1", "back"),
        make("read-2", "back"),
    ]
}

pub fn script() -> Vec<Step> {
    let mut steps = pods();
    steps.extend(one());
    steps.extend(many());
    steps.extend(pages());
    steps.extend(tables());
    steps.extend(watches());
    for name in ["read-0", "read-1"] {
        steps.push(delete(&format!("{name} ends"), &at(PODS, name), &now()));
    }
    steps
}

fn one() -> Vec<Step> {
    vec![
        get("one", &at(PODS, "read-0")).keep(&["/metadata/name", "/metadata/labels"]),
        get("an absent pod", &at(PODS, "none")),
        get(
            "a pod of a namespace that is missing",
            "/api/v1/namespaces/none/pods/none",
        ),
        get("an absent node", "/api/v1/nodes/none"),
        get("an absent StatefulSet", &at(SETS, "none")),
        get(
            "an absent Lease",
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/none",
        ),
        get("a name that cannot be", &at(PODS, "No_Such")),
        get("an absent status", &format!("{PODS}/none/status")),
        get(
            "a subresource that is none",
            &format!("{PODS}/read-0/colour"),
        ),
    ]
}

fn many() -> Vec<Step> {
    let list = |title: &str, query: &str| get(title, &format!("{PODS}?{query}")).keep(NAMES);
    vec![
        list("by a label", "labelSelector=talk%3Dread"),
        list("by two labels", "labelSelector=talk%3Dread,tier%3Dback"),
        list("by a label that is another", "labelSelector=talk%3Dread,tier!%3Dback"),
        list("by a set", "labelSelector=talk+in+(read,write),tier+notin+(front)"),
        list("by a label's presence", "labelSelector=talk%3Dread,tier"),
        list("by a label's absence", "labelSelector=talk%3Dread,!tier"),
        list("by no label that anybody has", "labelSelector=talk%3Dnone"),
        list("by a selector that is none", "labelSelector=talk%3Dread,,"),
        list("by a label that cannot be", "labelSelector=-talk-%3Dread"),
        list("by a node", "fieldSelector=spec.nodeName%3Dnowhere&labelSelector=talk%3Dread"),
        list("by a node, with two signs", "fieldSelector=spec.nodeName%3D%3Dnowhere&labelSelector=talk%3Dread"),
        list("by another node", "fieldSelector=spec.nodeName%3Dnode-1&labelSelector=talk%3Dread"),
        list("by a phase", "fieldSelector=status.phase%3DPending&labelSelector=talk%3Dread"),
        list("by another phase", "fieldSelector=status.phase!%3DPending&labelSelector=talk%3Dread"),
        list("by a name", "fieldSelector=metadata.name%3Dread-1"),
        list("by an absent name", "fieldSelector=metadata.name%3Dnone"),
        list("by a name and a label that differs", "fieldSelector=metadata.name%3Dread-1&labelSelector=tier%3Dfront"),
        list("by a name and a node that differs", "fieldSelector=metadata.name%3Dread-1,spec.nodeName%3Dnode-1"),
        list("by a field that is none", "fieldSelector=spec.colour%3Dred"),
        list("by a field that is none, and a name of nobody",
            "fieldSelector=metadata.name%3Dnone,spec.colour%3Dred"),
        list("by a field without a value", "fieldSelector=spec.nodeName"),
        list("in a version of old", "labelSelector=talk%3Dread&resourceVersion=0"),
        get("in a namespace that is missing", "/api/v1/namespaces/none/pods").keep(NAMES),
        get("in all namespaces", "/api/v1/pods?labelSelector=talk%3Dread").keep(NAMES),
        get("nodes by name", "/api/v1/nodes?fieldSelector=metadata.name%3Dnode-1").keep(NAMES),
        get("nodes by a field that is none", "/api/v1/nodes?fieldSelector=spec.nodeName%3Dnode-1"),
        get("Leases by name",
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?fieldSelector=metadata.name%3Dnode-1")
            .keep(NAMES),
        get("Leases by a field that is none",
            "/apis/coordination.k8s.io/v1/leases?fieldSelector=spec.holderIdentity%3Dnode-1"),
        get("StatefulSets by a field that is none", &format!("{SETS}?fieldSelector=spec.replicas%3D1")),
        get("namespaces by phase", "/api/v1/namespaces?fieldSelector=status.phase%3DActive,metadata.name%3Dmonitoring").keep(NAMES),
        get("StatefulSets", &format!("{SETS}?labelSelector=talk%3Dnone")).keep(NAMES),
    ]
}

fn pages() -> Vec<Step> {
    let page = |title: &str, query: &str| {
        get(title, &format!("{PODS}?labelSelector=talk%3Dread&{query}")).keep(NAMES)
    };
    vec![
        page("a first page", "limit=2").capture("next", "/metadata/continue"),
        page("the last page", "limit=2&continue=$next"),
        page("a page of all", "limit=3"),
        page("a limit of none", "limit=0"),
        page("a limit below none", "limit=-1"),
        page("a limit that is no number", "limit=some"),
        page("a token that is none", "limit=2&continue=garbage"),
        page(
            "a token that is none, in its letters",
            "limit=2&continue=Z2FyYmFnZQ",
        ),
        page(
            "a token with a version",
            "limit=2&continue=$next&resourceVersion=1",
        ),
        get(
            "all Leases, a page of one",
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=1",
        )
        .keep(NAMES)
        .capture("next", "/metadata/continue"),
        get(
            "the next Lease",
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=1&continue=$next",
        )
        .keep(NAMES)
        .capture("next", "/metadata/continue"),
        get(
            "the last Lease",
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=1&continue=$next",
        )
        .keep(NAMES),
    ]
}

fn tables() -> Vec<Step> {
    let cordon = |on: Value| json!({"spec": {"unschedulable": on}});
    let nodes = "/api/v1/nodes?includeObject=None";
    let node = "/api/v1/nodes/node-2";
    let table = |title: &str, path: &str| get(title, path).accept(TABLE);
    vec![
        patch("node-2 is cordoned", MERGE, node, &cordon(json!(true)))
            .keep(&["/spec/unschedulable"]),
        until(
            "the cordon's taint",
            node,
            "/spec/taints/0/key",
            "node.kubernetes.io/unschedulable",
        ),
        get("the cordoned node", node).keep(&["/spec/taints"]),
        table("nodes without objects", nodes).keep(COLUMNS).keep(&[
            "/metadata",
            "/rows/*/cells/0",
            "/rows/*/cells/1",
            "/rows/*/cells/2",
            "/rows/*/cells/4",
            "/rows/*/object",
        ]),
        table("a page of nodes", &format!("{nodes}&limit=2"))
            .keep(&["/metadata", "/rows/*/cells/0"])
            .capture("next", "/metadata/continue"),
        table(
            "the last page of nodes",
            &format!("{nodes}&limit=2&continue=$next"),
        )
        .keep(&["/metadata", "/rows/*/cells/0"]),
        table(
            "nodes with their metadata",
            "/api/v1/nodes?fieldSelector=metadata.name%3Dnode-2",
        )
        .keep(&[
            "/rows/0/object/kind",
            "/rows/0/object/apiVersion",
            "/rows/0/object/metadata/name",
            "/rows/0/object/spec",
        ]),
        table(
            "nodes with all of them",
            "/api/v1/nodes?includeObject=Object&fieldSelector=metadata.name%3Dnode-2",
        )
        .keep(&[
            "/rows/0/object/kind",
            "/rows/0/object/apiVersion",
            "/rows/0/object/spec/unschedulable",
        ]),
        table(
            "nodes with something else",
            "/api/v1/nodes?includeObject=Some",
        ),
        table("one node", node).keep(&["/rows/*/cells/0", "/rows/*/cells/1"]),
        table("an absent node as a Table", "/api/v1/nodes/none"),
        patch("node-2 is uncordoned", MERGE, node, &cordon(Value::Null))
            .keep(&["/spec/unschedulable"]),
        until(
            "the cordon's taint is gone",
            node,
            "/spec/taints",
            Value::Null,
        ),
        table("pods", &format!("{PODS}?labelSelector=talk%3Dread"))
            .keep(COLUMNS)
            .keep(&[
                "/rows/*/cells/0",
                "/rows/*/cells/1",
                "/rows/*/cells/2",
                "/rows/*/cells/3",
                "/rows/*/cells/5",
                "/rows/*/cells/6",
                "/rows/*/cells/7",
                "/rows/*/cells/8",
            ]),
        table("StatefulSets as a Table", SETS).keep(COLUMNS),
        table("DaemonSets as a Table", "/apis/apps/v1/daemonsets").keep(COLUMNS),
        table("ReplicaSets as a Table", "/apis/apps/v1/replicasets").keep(COLUMNS),
        table("Deployments as a Table", "/apis/apps/v1/deployments").keep(COLUMNS),
        table("namespaces as a Table", "/api/v1/namespaces").keep(COLUMNS),
        table("Leases as a Table", "/apis/coordination.k8s.io/v1/leases").keep(COLUMNS),
        table("Events as a Table", "/apis/events.k8s.io/v1/events").keep(COLUMNS),
        table("core Events as a Table", "/api/v1/events").keep(COLUMNS),
    ]
}

/// What `kubectl delete` does while it waits.
fn watches() -> Vec<Step> {
    let watch = |title: &str, query: &str| {
        let path = format!(
            "{PODS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dread-2&{query}"
        );
        get(title, &path).keep(&[
            "/*/type",
            "/*/object/metadata/name",
            "/*/object/kind",
            "/type",
            "/object/metadata/name",
        ])
    };
    let one = at(PODS, "read-2");
    vec![
        get(
            "a list before a watch",
            &format!("{PODS}?fieldSelector=metadata.name%3Dread-2"),
        )
        .capture("version", "/metadata/resourceVersion"),
        watch("a watch of what there is", "resourceVersion=0"),
        watch(
            "a watch that lists",
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        )
        .keep(&[
            "/1/object/metadata/annotations",
            "/1/object/metadata/resourceVersion",
        ]),
        watch("a watch of nothing new", "resourceVersion=$version"),
        patch(
            "a change after the list",
            MERGE,
            &one,
            &json!({"metadata": {"labels": {"new": "label"}}}),
        ),
        delete("an end after the list", &one, &now()),
        watch("a watch from the list on", "resourceVersion=$version"),
    ]
}
