//! The subresource `scale` of StatefulSets, Deployments and ReplicaSets.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::call::Call;
use super::failure::Failure;
use super::objects::{body_of, change};
use super::table::Row;
use super::{json_response, patch};
use crate::demo::world::{Kind, World};

fn scale_of<K: Kind>(object: &K) -> Value {
    let value = serde_json::to_value(object).unwrap_or_default();
    let meta = object.metadata();
    let labels = value["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
            "creationTimestamp": meta.creation_timestamp,
        },
        "spec": { "replicas": value["spec"]["replicas"] },
        "status": {
            "replicas": value["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": selector.join(","),
        },
    })
}

/// `GET`.
pub(super) fn read<K: Kind>(world: &World, call: &Call) -> Result<Response, Failure> {
    let object = K::store(world)
        .get(&call.key())
        .ok_or_else(|| Failure::not_found(call))?;
    Ok(json_response(
        StatusCode::OK,
        scale_of(object).to_string().into_bytes(),
    ))
}

/// `PUT` and `PATCH`: only the number of replicas matters.
pub(super) fn write<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let object = K::store(world)
        .get(&call.key())
        .ok_or_else(|| Failure::not_found(call))?;
    let mut scale = scale_of(object);
    if call.verb == "patch" {
        patch::apply(call, &mut scale)?;
    } else {
        scale = body_of(call)?;
    }
    let inner = Call {
        verb: "patch",
        subresource: String::new(),
        content_type: "application/merge-patch+json".to_owned(),
        body: json!({ "spec": { "replicas": scale["spec"]["replicas"] } })
            .to_string()
            .into(),
        ..call.clone()
    };
    change::<K>(world, &inner)?;
    read::<K>(world, call)
}
