//! What may be asked at all: discovery, rights, paths and methods.

use super::objects::{PODS, SETS, at};
use super::script::{JSON, MERGE, Step, create, get, patch, send};
use http::Method;
use serde_json::{Value, json};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

fn review(spec: &Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec})
}

pub fn script() -> Vec<Step> {
    let resource = |verb: &str, resource: &str| {
        review(&json!({"resourceAttributes": {
            "namespace": "monitoring", "verb": verb, "group": "apps", "resource": resource,
        }}))
    };
    let may = &["/status/allowed", "/status/denied", "/spec"];
    let none = |title: &str, method: Method, path: &str| send(title, method, path, JSON, "{}");
    vec![
        // What kubectl looks for before anything else.
        get("the version", "/version").keep(&["/major", "/minor"]),
        get("the core group's versions", "/api").keep(&["/versions"]),
        get("the groups", "/apis").keep(&[
            "/groups/name=apps",
            "/groups/name=coordination.k8s.io",
            "/groups/name=events.k8s.io",
            "/groups/name=authorization.k8s.io",
        ]),
        get("a group", "/apis/apps").keep(&["/name", "/versions", "/preferredVersion"]),
        get("the core resources", "/api/v1").keep(&[
            "/groupVersion",
            "/resources/name=nodes",
            "/resources/name=pods",
            "/resources/name=namespaces",
            "/resources/name=events",
            "/resources/name=pods~1status",
        ]),
        get("the workloads", "/apis/apps/v1").keep(&[
            "/groupVersion",
            "/resources/name=statefulsets",
            "/resources/name=daemonsets",
            "/resources/name=replicasets",
            "/resources/name=deployments",
            "/resources/name=statefulsets~1scale",
        ]),
        get("the Leases", "/apis/coordination.k8s.io/v1")
            .keep(&["/groupVersion", "/resources/name=leases"]),
        get("the Events", "/apis/events.k8s.io/v1")
            .keep(&["/groupVersion", "/resources/name=events"]),
        get("the reviews", "/apis/authorization.k8s.io/v1")
            .keep(&["/groupVersion", "/resources/name=selfsubjectaccessreviews"]),
        get("readiness", "/readyz"),
        get("health", "/healthz"),
        // Rights.
        create(
            "may one delete StatefulSets?",
            REVIEWS,
            &resource("delete", "statefulsets"),
        )
        .keep(may),
        create(
            "may one patch them?",
            REVIEWS,
            &resource("patch", "statefulsets"),
        )
        .keep(may),
        create("a review of nothing", REVIEWS, &review(&json!({}))),
        get("reviews are not kept", REVIEWS),
        // What there is not.
        get("no such resource", "/api/v1/unicorns"),
        get(
            "no such resource in a namespace",
            "/api/v1/namespaces/monitoring/unicorns",
        ),
        get("no such resource in a group", "/apis/apps/v1/unicorns"),
        get("no such group", "/apis/unicorns.example.com/v1/unicorns"),
        get("no such group at all", "/apis/unicorns.example.com"),
        get("no such version", "/api/v2/pods"),
        get("no such path", "/nothing"),
        get(
            "a node in a namespace",
            "/api/v1/namespaces/monitoring/nodes/node-1",
        ),
        get("a pod in no namespace", "/api/v1/pods/none"),
        get(
            "a path with an empty name",
            "/api/v1/namespaces/monitoring/pods/",
        ),
        none("POST of a name", Method::POST, &at(PODS, "none")),
        none("PUT of a collection", Method::PUT, PODS),
        none("POST in all namespaces", Method::POST, "/api/v1/pods"),
        none("DELETE in all namespaces", Method::DELETE, "/api/v1/pods"),
        none(
            "POST of a status",
            Method::POST,
            &format!("{PODS}/none/status"),
        ),
        none(
            "DELETE of a status",
            Method::DELETE,
            &format!("{PODS}/none/status"),
        ),
        none("POST of the version", Method::POST, "/version"),
        none("PUT of a group", Method::PUT, "/apis/apps/v1"),
        none("OPTIONS", Method::OPTIONS, PODS),
        patch(
            "the scale of an absent set",
            MERGE,
            &format!("{}/scale", at(SETS, "none")),
            &json!({}),
        ),
        send(
            "DELETE of none of a collection",
            Method::DELETE,
            &format!("{PODS}?labelSelector=talk%3Dnone"),
            JSON,
            "",
        )
        .keep(&["/items"]),
        get("a form that nobody has", &at(PODS, "none")).accept("text/html"),
        get("a list in a form that nobody has", PODS).accept("text/html"),
    ]
}
