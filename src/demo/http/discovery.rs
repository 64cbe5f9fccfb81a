//! What kubectl asks before it asks for anything: versions, groups, resources.

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::call::{RESOURCES, Resource};
use super::failure::Failure;

pub(super) async fn version() -> Json<Value> {
    Json(json!({
        "major": "1",
        "minor": "36",
        "gitVersion": "v1.36.3+simulated",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }))
}

pub(super) async fn api_versions() -> Json<Value> {
    Json(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))
}

pub(super) async fn api_groups() -> Json<Value> {
    let groups: Vec<Value> = [
        "apps",
        "coordination.k8s.io",
        "events.k8s.io",
        "authorization.k8s.io",
    ]
    .iter()
    .map(|group| {
        let version = json!({ "groupVersion": format!("{group}/v1"), "version": "v1" });
        json!({ "name": group, "versions": [version], "preferredVersion": version })
    })
    .collect();
    Json(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
}

/// Any other path: a group's resources, a method that is not served, or nothing.
pub(super) fn elsewhere(method: &Method, path: &str) -> Response {
    let path = path.trim_end_matches('/');
    if RESOURCES.iter().any(|(_, group, ..)| *group == path) {
        return resources(path).into_response();
    }
    let mut groups = RESOURCES.iter().map(|(_, group, ..)| format!("{group}/"));
    if groups.any(|group| path.starts_with(&group)) {
        let plural = |plural: &&str| path.contains(&format!("/{plural}"));
        let known = RESOURCES.iter().any(|(_, _, name, ..)| plural(name));
        return match known && method != Method::GET {
            true => Failure::method().into_response(),
            false => Failure::no_resource().into_response(),
        };
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

fn resources(path: &str) -> Json<Value> {
    let verbs = json!([
        "create", "delete", "get", "list", "patch", "update", "watch"
    ]);
    let mut list = Vec::new();
    for (resource, group, plural, kind, namespaced) in RESOURCES {
        if group != path {
            continue;
        }
        let (short, verbs) = match resource {
            Resource::Nodes => (json!(["no"]), verbs.clone()),
            Resource::Pods => (json!(["po"]), verbs.clone()),
            Resource::StatefulSets => (json!(["sts"]), verbs.clone()),
            Resource::ReplicaSets => (json!(["rs"]), verbs.clone()),
            Resource::DaemonSets => (json!(["ds"]), verbs.clone()),
            Resource::Events => (json!(["ev"]), verbs.clone()),
            Resource::CoreEvents => (json!(["ev"]), json!(["get", "list", "watch"])),
            Resource::AccessReviews => (json!([]), json!(["create"])),
            Resource::Leases => (json!([]), verbs.clone()),
        };
        list.push(json!({
            "name": plural,
            "singularName": kind.to_lowercase(),
            "namespaced": namespaced,
            "kind": kind,
            "verbs": verbs,
            "shortNames": short,
        }));
        if matches!(resource, Resource::StatefulSets | Resource::ReplicaSets) {
            list.push(json!({
                "name": format!("{plural}/scale"),
                "singularName": "",
                "namespaced": true,
                "group": "autoscaling",
                "version": "v1",
                "kind": "Scale",
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    let version = path
        .trim_start_matches("/apis/")
        .trim_start_matches("/api/");
    Json(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": list,
    }))
}
