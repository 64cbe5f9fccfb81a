//! What is created, with what the API server adds to it, and what it refuses.

use super::objects::{NOWHERE, PODS, SETS, at, now, pod, stateful_set};
use super::script::{JSON, Step, create, delete, get, send, until_gone};
use http::Method;
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/monitoring/deployments";
const DAEMONS: &str = "/apis/apps/v1/namespaces/monitoring/daemonsets";

/// A workload that nothing runs of.
fn workload(kind: &str) -> Value {
    // Else they would adopt the pod of that name.
    let mut workload = stateful_set("made-none", 0);
    workload["kind"] = json!(kind);
    let spec = workload["spec"].as_object_mut().expect("a spec");
    spec.retain(|field, _| matches!(field.as_str(), "selector" | "template"));
    match kind {
        "Deployment" => workload["spec"]["replicas"] = json!(0),
        _ => workload["spec"]["template"]["spec"]["nodeSelector"] = json!({"nobody": "has-it"}),
    }
    workload
}

pub fn script() -> Vec<Step> {
    let generated = |prefix: &str| {
        let mut pod = pod("", NOWHERE);
        pod["metadata"] = json!({"generateName": prefix});
        pod
    };
    let elsewhere = |field: &str| {
        let mut pod = pod("made", NOWHERE);
        pod["metadata"][field] = json!("elsewhere");
        pod
    };
    let made = at(PODS, "made");
    let set = at(SETS, "made");
    let invalid_set = |field: &str, value: Value| {
        let mut set = stateful_set("made-not", 1);
        set["spec"][field] = value;
        set
    };
    vec![
        create("a pod", PODS, &pod("made", NOWHERE)).keep(&["/metadata", "/spec", "/status"]),
        create("the same again", PODS, &pod("made", NOWHERE)),
        get("as it is kept", &made).keep(&["/metadata", "/spec", "/status"]),
        create(
            "a dry run of the same",
            &format!("{PODS}?dryRun=All"),
            &pod("made", NOWHERE),
        ),
        create(
            "a dry run",
            &format!("{PODS}?dryRun=All"),
            &pod("made-dry", NOWHERE),
        )
        .keep(&["/metadata", "/spec", "/status"]),
        get("a dry run makes nothing", &at(PODS, "made-dry")),
        create("a name in capitals", PODS, &pod("Made", NOWHERE)),
        create("a name that is none", PODS, &pod("", NOWHERE)),
        create(
            "in a namespace that is missing",
            "/api/v1/namespaces/none/pods",
            &{
                let mut pod = pod("made", NOWHERE);
                pod["metadata"]["namespace"] = json!("none");
                pod
            },
        ),
        create(
            "in another namespace than it says",
            PODS,
            &elsewhere("namespace"),
        ),
        create(
            "with a resourceVersion",
            PODS,
            &elsewhere("resourceVersion"),
        ),
        create("with a UID of its own", PODS, &{
            let mut pod = pod("made-uid", NOWHERE);
            pod["metadata"]["uid"] = json!("elsewhere");
            pod
        })
        .keep(&["/metadata"]),
        delete("that one goes again", &at(PODS, "made-uid"), &now()).keep(&["/metadata"]),
        create("of another kind", PODS, &stateful_set("made", 1)),
        create("without a kind", PODS, &{
            let mut pod = pod("made-bare", NOWHERE);
            pod["kind"].take();
            pod["apiVersion"].take();
            pod
        })
        .keep(&["/metadata/name"]),
        delete("that goes again too", &at(PODS, "made-bare"), &now()).keep(&["/metadata/name"]),
        create("with a generated name", PODS, &generated("made-"))
            .keep(&["/metadata"])
            .capture("made", "/metadata/name"),
        delete("the generated one", &at(PODS, "$made"), &now()).keep(&["/metadata/generateName"]),
        create("with a prefix that ends in a dot", PODS, &{
            let mut pod = generated("made.");
            pod["metadata"]["name"] = json!("made-dot");
            pod
        }),
        create("with a finalizer that has no domain", PODS, &{
            let mut pod = pod("made-held", NOWHERE);
            pod["metadata"]["finalizers"] = json!(["hold"]);
            pod
        }),
        create("without containers", PODS, &{
            let mut pod = pod("made-empty", NOWHERE);
            pod["spec"] = json!({});
            pod
        }),
        send(
            "malformed JSON",
            Method::POST,
            PODS,
            JSON,
            "{\"kind\":\"Pod\",",
        ),
        send("a list for an object", Method::POST, PODS, JSON, "[]"),
        send("nothing", Method::POST, PODS, JSON, ""),
        send(
            "a field of another type",
            Method::POST,
            PODS,
            JSON,
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":7}}"#,
        ),
        send("text", Method::POST, PODS, "text/plain", "pod"),
        create("a StatefulSet", SETS, &stateful_set("made", 0)).keep(&["/metadata", "/spec"]),
        create("the same StatefulSet again", SETS, &stateful_set("made", 0)),
        create(
            "a StatefulSet whose labels do not match",
            SETS,
            &invalid_set("selector", json!({"matchLabels": {"app": "other"}})),
        ),
        create(
            "a StatefulSet of fewer than none",
            SETS,
            &invalid_set("replicas", json!(-1)),
        ),
        create("a Deployment", DEPLOYMENTS, &workload("Deployment")).keep(&["/metadata", "/spec"]),
        delete(
            "the Deployment",
            &at(DEPLOYMENTS, "made-none"),
            &Value::Null,
        ),
        create("a DaemonSet", DAEMONS, &workload("DaemonSet")).keep(&["/metadata", "/spec"]),
        delete("the DaemonSet", &at(DAEMONS, "made-none"), &Value::Null),
        // What is left to the real one.
        send(
            "an apply by the server",
            Method::PATCH,
            &format!("{}?fieldManager=talk", at(PODS, "made-applied")),
            "application/apply-patch+yaml",
            &pod("made-applied", NOWHERE).to_string(),
        ),
        create(
            "an eviction",
            &format!("{}/eviction", at(PODS, "made-applied")),
            &json!({
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "made-applied"},
            }),
        ),
        delete("the applied one", &at(PODS, "made-applied"), &now()),
        delete("the StatefulSet", &set, &Value::Null),
        until_gone("the StatefulSet is gone", &set),
        delete("the pod", &made, &now()).keep(&["/metadata"]),
        get("the pod is gone", &made),
    ]
}
