//! What kubectl asks before it asks for anything: versions, groups, resources.

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::failure::Failure;
use super::resources::RESOURCES;

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

const GROUPS: [&str; 4] = [
    "apps",
    "coordination.k8s.io",
    "events.k8s.io",
    "authorization.k8s.io",
];

fn group(name: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
    json!({ "name": name, "versions": [version], "preferredVersion": version })
}

pub(super) async fn api_groups() -> Json<Value> {
    let groups = GROUPS.map(group);
    Json(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
}

/// Any other path: a group's resources, a method that is not served, or nothing.
pub(super) fn elsewhere(method: &Method, path: &str) -> Response {
    let path = path.trim_end_matches('/');
    let described = match path.strip_prefix("/apis/") {
        _ if RESOURCES.iter().any(|(_, group, ..)| *group == path) => Some(resources(path)),
        Some(name) if GROUPS.contains(&name) => {
            let mut group = group(name);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            Some(Json(group))
        }
        _ => None,
    };
    match described {
        Some(_) if method != Method::GET => return Failure::method().into_response(),
        Some(described) => return described.into_response(),
        None => {}
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
    if path.starts_with("/api/") {
        return Failure::no_resource().into_response();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

fn resources(path: &str) -> Json<Value> {
    let mut list = Vec::new();
    for (resource, group, plural, kind, namespaced) in RESOURCES {
        if group != path {
            continue;
        }
        let mut described = json!({
            "name": plural,
            "singularName": kind.to_lowercase(),
            "namespaced": namespaced,
            "kind": kind,
            "verbs": resource.verbs(),
        });
        if let Some(short) = resource.short() {
            described["shortNames"] = json!([short]);
        }
        if resource.in_all() {
            described["categories"] = json!(["all"]);
        }
        list.push(described);
        let below = |name: &str, kind: &str| {
            json!({
                "name": format!("{plural}/{name}"),
                "singularName": "",
                "namespaced": namespaced,
                "kind": kind,
                "verbs": ["get", "patch", "update"],
            })
        };
        if resource.has_status() {
            list.push(below("status", kind));
        }
        if resource.has_scale() {
            let mut scale = below("scale", "Scale");
            scale["group"] = json!("autoscaling");
            scale["version"] = json!("v1");
            list.push(scale);
        }
    }
    let version = path
        .trim_start_matches("/apis/")
        .trim_start_matches("/api/");
    let mut described = json!({
        "kind": "APIResourceList",
        "groupVersion": version,
        "resources": list,
    });
    // The core group's has none.
    if path != "/api/v1" {
        described["apiVersion"] = json!("v1");
    }
    Json(described)
}
