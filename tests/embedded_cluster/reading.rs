//! Lists, selectors, pages, Tables, discovery, Events, access reviews.

use axum::http::Method;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use super::*;

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn selectors_select() {
    let cluster = start();
    let (_, on_node) = get(
        &cluster,
        "/api/v1/namespaces/monitoring/pods?fieldSelector=spec.nodeName%3Dnode-3",
    )
    .await;
    let on_node = names(&on_node);
    assert!(on_node.contains(&"alertmanager-main-2"));
    assert!(!on_node.contains(&"prometheus-k8s-0"));
    let (_, both) = get(
        &cluster,
        "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1%2Cstatus.phase%21%3DFailed\
         &labelSelector=app.kubernetes.io%2Fname%3Dprometheus-k8s",
    )
    .await;
    assert_eq!(names(&both), ["prometheus-k8s-0"]);
    let one = ListParams::default().fields("metadata.name=debug");
    assert_eq!(pods(&cluster).list(&one).await.unwrap().items.len(), 1);
    let (status, body) = get(&cluster, "/api/v1/pods?fieldSelector=spec.color%3Dred").await;
    assert_eq!((status, body["reason"].as_str()), (400, Some("BadRequest")));
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_their_items_do_not_repeat_their_kind() {
    let cluster = start();
    let (_, whole) = get(&cluster, "/api/v1/pods").await;
    assert_eq!(
        (whole["kind"].as_str(), whole["apiVersion"].as_str()),
        (Some("PodList"), Some("v1"))
    );
    assert_eq!(whole["items"][0]["kind"], Value::Null);
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!(
            "/api/v1/pods?limit=5&continue={}",
            token.replace('/', "%2F")
        );
        let (status, page) = get(&cluster, &path).await;
        assert_eq!(status, 200);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let meta = &page["metadata"];
        let Some(next) = meta["continue"].as_str() else {
            break;
        };
        let left = names(&whole).len() - seen.len();
        assert_eq!(meta["remainingItemCount"], left);
        token = next.to_owned();
    }
    assert_eq!(seen, names(&whole));
}

#[tokio::test(start_paused = true)]
async fn nodes_as_a_table_without_objects_are_small_and_tell_ready_from_not() {
    let cluster = start();
    cluster.cut_power("node-1");
    cluster.cordon("node-2", true);
    seconds(60).await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let path = "/api/v1/nodes?includeObject=None";
    let (status, table) =
        answer(send(&cluster, Method::GET, path, &accept, Value::Null).await).await;
    assert_eq!((status, table["kind"].as_str()), (200, Some("Table")));
    let column = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .position(|column| column["name"] == "Status")
        .unwrap();
    let cells: Vec<(&str, &str)> = table["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["cells"][0].as_str().unwrap(),
                row["cells"][column].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        cells,
        [
            ("node-1", "NotReady"),
            ("node-2", "Ready,SchedulingDisabled"),
            ("node-3", "Ready")
        ]
    );
    let row = table["rows"][0].to_string();
    assert!(
        table["rows"][0]["object"].is_null() && row.len() < 250,
        "{row}"
    );
    let path = "/api/v1/nodes?includeObject=Metadata";
    let (_, table) = answer(send(&cluster, Method::GET, path, &accept, Value::Null).await).await;
    assert_eq!(table["rows"][2]["object"]["metadata"]["name"], "node-3");
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_refused_as_in_a_real_one() {
    let cluster = start();
    for (path, message) in [
        (
            "/api/v1/unicorns",
            "the server could not find the requested resource",
        ),
        ("/api/v1/nodes/none", "nodes \"none\" not found"),
        (
            "/apis/apps/v1/namespaces/x/statefulsets/none",
            "statefulsets.apps \"none\" not found",
        ),
    ] {
        let (status, body) = get(&cluster, path).await;
        assert_eq!((status, &body["message"]), (404, &json!(message)), "{path}");
        assert_eq!(
            (body["kind"].as_str(), &body["code"]),
            (Some("Status"), &json!(404))
        );
    }
    assert_eq!(get(&cluster, "/nothing").await, (404, Value::Null));
    let path = "/api/v1/nodes/node-1";
    let response = send(&cluster, Method::POST, path, &[], Value::Null).await;
    assert_eq!(response.status(), 405);
}

#[tokio::test(start_paused = true)]
async fn kubectl_finds_what_it_discovers() {
    let cluster = start();
    assert_eq!(
        cluster.client().apiserver_version().await.unwrap().minor,
        "36"
    );
    assert_eq!(get(&cluster, "/api").await.1["versions"], json!(["v1"]));
    let (_, groups) = get(&cluster, "/apis").await;
    for group in groups["groups"].as_array().unwrap() {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        let (status, list) = get(&cluster, &format!("/apis/{version}")).await;
        assert_eq!(
            (status, list["groupVersion"].as_str()),
            (200, Some(version))
        );
        assert!(!list["resources"].as_array().unwrap().is_empty());
    }
    for path in ["/healthz", "/readyz", "/livez"] {
        assert_eq!(get(&cluster, path).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_and_shown_in_both_groups() {
    let cluster = start();
    let path = "/apis/events.k8s.io/v1/namespaces/monitoring/events";
    let event = |name: Value| {
        json!({
            "metadata": name,
            "eventTime": "2026-01-01T00:00:01.000000Z",
            "action": "Delete", "reason": "Deleted", "type": "Normal", "note": "words",
            "reportingController": "nodefall", "reportingInstance": "one",
            "regarding": { "kind": "Pod", "name": "debug", "namespace": "monitoring" },
        })
    };
    let good = event(json!({ "generateName": "debug.", "name": "debug.1a2b" }));
    let (status, body) = answer(send(&cluster, Method::POST, path, &[], good.clone()).await).await;
    assert_eq!(
        (status, &body["reason"]),
        (422, &json!("Invalid")),
        "ends in a dot"
    );
    let good = event(json!({ "name": "debug.1a2b" }));
    assert_eq!(
        send(&cluster, Method::POST, path, &[], good.clone())
            .await
            .status(),
        201
    );
    let (status, body) = answer(send(&cluster, Method::POST, path, &[], good).await).await;
    assert_eq!((status, &body["reason"]), (409, &json!("AlreadyExists")));
    let made = event(json!({ "generateName": "debug-" }));
    let (status, body) = answer(send(&cluster, Method::POST, path, &[], made).await).await;
    assert_eq!(status, 201);
    assert_eq!(
        body["metadata"]["name"].as_str().unwrap().len(),
        "debug-".len() + 5
    );
    let series =
        json!({ "series": { "count": 2, "lastObservedTime": "2026-01-01T00:00:09.000000Z" } });
    let headers = [("content-type", "application/merge-patch+json")];
    let one = format!("{path}/debug.1a2b");
    assert_eq!(
        send(&cluster, Method::PATCH, &one, &headers, series)
            .await
            .status(),
        200
    );
    let core = "/api/v1/namespaces/monitoring/events?fieldSelector=involvedObject.name%3Ddebug";
    let (_, list) = get(&cluster, core).await;
    let items = list["items"].as_array().unwrap();
    let first = items
        .iter()
        .find(|item| item["metadata"]["name"] == "debug.1a2b")
        .unwrap();
    assert_eq!(
        (&first["message"], &first["involvedObject"]["name"]),
        (&json!("words"), &json!("debug"))
    );
    assert_eq!(first["series"]["count"], 2);
}

#[tokio::test(start_paused = true)]
async fn rights_are_there_until_they_are_taken() {
    let cluster = start();
    let review = async |verb: &str, resource: &str| {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(verb.to_owned()),
                    resource: Some(resource.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client());
        api.create(&PostParams::default(), &review)
            .await
            .unwrap()
            .status
            .unwrap()
            .allowed
    };
    assert!(review("delete", "pods").await);
    cluster.hide_access("list", "pods");
    assert!(!review("list", "pods").await);
    assert_eq!(
        get(&cluster, "/api/v1/pods").await.0,
        200,
        "granted by name"
    );
    cluster.deny_access("delete", "pods");
    assert!(!review("delete", "pods").await);
    let path = "/api/v1/namespaces/monitoring/pods/debug";
    let (status, body) = answer(send(&cluster, Method::DELETE, path, &[], Value::Null).await).await;
    assert_eq!((status, body["reason"].as_str()), (403, Some("Forbidden")));
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .starts_with("pods \"debug\" is forbidden: User ")
    );
}

#[tokio::test(start_paused = true)]
async fn the_two_series_of_kube_state_metrics_are_served() {
    let cluster = start();
    cluster.cut_power("node-1");
    cluster.cordon("node-2", true);
    seconds(60).await;
    let response = send(&cluster, Method::GET, "/metrics", &[], Value::Null).await;
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    for line in [
        "kube_node_status_condition{node=\"node-1\",condition=\"Ready\",status=\"true\"} 0",
        "kube_node_status_condition{node=\"node-1\",condition=\"Ready\",status=\"unknown\"} 1",
        "kube_node_status_condition{node=\"node-3\",condition=\"Ready\",status=\"true\"} 1",
        "kube_node_spec_unschedulable{node=\"node-1\"} 0",
        "kube_node_spec_unschedulable{node=\"node-2\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_apart_in_the_audit_log() {
    let cluster = start();
    let other: Api<Pod> = Api::namespaced(cluster.client_as("replica-b"), "monitoring");
    other.get("debug").await.unwrap();
    let entry = cluster.audit().pop().unwrap();
    assert_eq!(
        (entry.user_agent.as_str(), entry.verb, entry.status),
        ("replica-b", "get", 200)
    );
    assert_eq!(
        (entry.namespace.as_str(), entry.name.as_str()),
        ("monitoring", "debug")
    );
}
