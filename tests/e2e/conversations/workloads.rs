//! A StatefulSet: up, down, changed, ended.

use super::objects::{NOWHERE, PODS, SETS, at, now, pod, stateful_set};
use super::script::{MERGE, Step, create, delete, get, patch, until, until_gone, until_not};
use serde_json::{Value, json};

const READY: &str = "/status/conditions/type=Ready/status";

const REPLICAS: &str = "/apis/apps/v1/namespaces/monitoring/replicasets";

/// A workload of one replica, with the labels of pods that are there before it.
fn found(kind: &str) -> Value {
    let mut workload = stateful_set("work-found", 1);
    workload["kind"] = json!(kind);
    let label = match kind {
        "StatefulSet" => "work-found-0",
        _ => "work-found",
    };
    workload["spec"]["selector"]["matchLabels"]["app"] = json!(label);
    workload["spec"]["template"]["metadata"]["labels"]["app"] = json!(label);
    if kind == "ReplicaSet" {
        let spec = workload["spec"].as_object_mut().expect("a spec");
        spec.retain(|field, _| matches!(field.as_str(), "replicas" | "selector" | "template"));
    }
    workload
}

pub fn script() -> Vec<Step> {
    let set = at(SETS, "work");
    let member = |ordinal: u32| at(PODS, &format!("work-{ordinal}"));
    let scale = |replicas: i32| json!({"spec": {"replicas": replicas}});
    let state = &[
        "/spec/replicas",
        "/status/replicas",
        "/status/readyReplicas",
        "/status/availableReplicas",
        "/status/currentReplicas",
        "/status/updatedReplicas",
        "/status/observedGeneration",
        "/metadata/generation",
    ];
    vec![
        create("of two", SETS, &stateful_set("work", 2)),
        until("its first runs", &member(0), READY, "True"),
        until("its second runs", &member(1), READY, "True"),
        until("it says so", &set, "/status/availableReplicas", 2),
        get("the set", &set).keep(state),
        get("the first", &member(0))
            .keep(&[
                "/metadata/labels/statefulset.kubernetes.io~1pod-name",
                "/metadata/labels/apps.kubernetes.io~1pod-index",
                "/metadata/labels/app",
                "/metadata/ownerReferences",
                "/metadata/generateName",
                "/spec/hostname",
                "/spec/subdomain",
                "/metadata/finalizers",
            ])
            .capture("first", "/metadata/uid"),
        patch("one more", MERGE, &set, &scale(3)).keep(&["/spec/replicas", "/metadata/generation"]),
        until("the third runs", &member(2), READY, "True"),
        patch("two fewer", MERGE, &format!("{set}/scale"), &scale(1))
            .keep(&["/spec", "/metadata/name"]),
        until_gone("the third is gone", &member(2)),
        until_gone("the second is gone", &member(1)),
        until("it says that too", &set, "/status/replicas", 1),
        get("the set of one", &set).keep(state),
        get("its scale", &format!("{set}/scale")).keep(&[
            "/spec",
            "/status",
            "/metadata/name",
            "/metadata/namespace",
        ]),
        patch(
            "an immutable field",
            MERGE,
            &set,
            &json!({"spec": {"serviceName": "other"}}),
        ),
        patch("fewer than none", MERGE, &set, &scale(-1)),
        delete("the first is ended", &member(0), &now())
            .keep(&["/metadata/deletionGracePeriodSeconds"]),
        until_not(
            "there is another first",
            &member(0),
            "/metadata/uid",
            "$first",
        ),
        until("it runs too", &member(0), READY, "True"),
        patch(
            "another image",
            MERGE,
            &set,
            &json!({"spec": {"template": {"spec": {"containers":
            [{"name": "main", "image": "example.com/main:2"}]}}}}),
        )
        .keep(&["/metadata/generation"]),
        until(
            "the first is renewed",
            &member(0),
            "/spec/containers/0/image",
            "example.com/main:2",
        ),
        until("and runs", &member(0), READY, "True"),
        delete(
            "the set is ended",
            &set,
            &json!({"propagationPolicy": "Background"}),
        ),
        until_gone("it is gone", &set),
        until_gone("so is its pod", &member(0)),
        create(
            "one whose pod is to outlive it",
            SETS,
            &stateful_set("work-left", 1),
        ),
        until("that pod runs", &at(PODS, "work-left-0"), READY, "True"),
        delete(
            "it alone is ended",
            &at(SETS, "work-left"),
            &json!({"propagationPolicy": "Orphan"}),
        ),
        until_gone("it alone is gone", &at(SETS, "work-left")),
        until(
            "the pod is nobody's",
            &at(PODS, "work-left-0"),
            "/metadata/ownerReferences",
            Value::Null,
        ),
        get("the pod that is left", &at(PODS, "work-left-0")),
        delete("the pod ends too", &at(PODS, "work-left-0"), &now()),
        create(
            "a pod that nobody controls",
            PODS,
            &pod("work-found-0", NOWHERE),
        )
        .keep(&["/metadata/ownerReferences"])
        .capture("found", "/metadata/uid"),
        create("a set of its name and labels", SETS, &found("StatefulSet")),
        until(
            "the pod is adopted",
            &at(PODS, "work-found-0"),
            "/metadata/ownerReferences/0/kind",
            "StatefulSet",
        ),
        get("the adopted pod", &at(PODS, "work-found-0"))
            .keep(&["/metadata/uid", "/metadata/ownerReferences"]),
        delete("that set is ended", &at(SETS, "work-found"), &Value::Null),
        until(
            "and so is the adopted pod",
            &at(PODS, "work-found-0"),
            "/metadata/deletionGracePeriodSeconds",
            30,
        ),
        delete("at once", &at(PODS, "work-found-0"), &now()),
        create(
            "another that nobody controls",
            PODS,
            &pod("work-found", NOWHERE),
        ),
        create("a ReplicaSet of its labels", REPLICAS, &found("ReplicaSet")),
        until(
            "it is adopted too",
            &at(PODS, "work-found"),
            "/metadata/ownerReferences/0/kind",
            "ReplicaSet",
        )
        .within(10),
        delete(
            "the ReplicaSet is ended",
            &at(REPLICAS, "work-found"),
            &Value::Null,
        ),
        delete("the other at once", &at(PODS, "work-found"), &now()),
        create("of none", SETS, &stateful_set("work", 0)),
        get("of none, read", &set).keep(&["/spec/replicas"]),
        delete("of none, ended", &set, &Value::Null),
    ]
}
