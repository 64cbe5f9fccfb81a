//! Writing objects: create, update, patch, delete; and what becomes of the rest.

use axum::http::StatusCode;
use axum::response::Response;
use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::{Value, json};

use super::call::{Call, Resource};
use super::checks::{check_finalizers, check_identity, check_name, check_pod_spec, keep};
use super::failure::Failure;
use super::table::Row;
use super::{access, json_response, patch, reads, scale};
use crate::demo::cluster::State;
use crate::demo::controllers::template::admit;
use crate::demo::deletion::{Deletion, Refusal, delete_pod, remove_if_free};
use crate::demo::world::{Kind, World, time};

/// Answers a request.
pub(super) fn serve(state: &mut State, call: &Call) -> Result<Response, Failure> {
    let world = &mut state.world;
    match (call.resource, call.verb) {
        (Resource::AccessReviews, "create") => access::review(state, call),
        (Resource::AccessReviews, _) => Err(Failure::method()),
        (Resource::Pods, "delete") => remove_pod(world, call),
        (Resource::CoreEvents, "create" | "update" | "patch" | "delete") => Err(Failure::method()),
        (Resource::Nodes, _) => any::<Node>(world, call),
        (Resource::Pods, _) => any::<Pod>(world, call),
        (Resource::Leases, _) => any::<Lease>(world, call),
        (Resource::StatefulSets, _) => any::<StatefulSet>(world, call),
        (Resource::ReplicaSets, _) => any::<ReplicaSet>(world, call),
        (Resource::DaemonSets, _) => any::<DaemonSet>(world, call),
        (Resource::Events | Resource::CoreEvents, _) => any::<Event>(world, call),
    }
}

fn any<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let scale = call.subresource == "scale" && call.group == "apps";
    if !scale && !matches!(call.subresource.as_str(), "" | "status") {
        return Err(Failure::no_resource());
    }
    match call.verb {
        "get" if scale => scale::read::<K>(world, call),
        "get" => reads::get::<K>(world, call),
        "list" => reads::list::<K>(world, call),
        "create" => create::<K>(world, call),
        "update" | "patch" if scale => scale::write::<K>(world, call),
        "update" | "patch" => change::<K>(world, call),
        _ => remove::<K>(world, call),
    }
}

/// The UID that a write is bound to, if any.
pub(super) fn wanted_uid(call: &Call) -> Option<String> {
    match call.verb {
        "delete" => deletion_of(call).ok()?.uid,
        "patch" => {
            let body: Value = serde_json::from_slice(&call.body).ok()?;
            Some(body.get("metadata")?.get("uid")?.as_str()?.to_owned())
        }
        _ => None,
    }
}

/// What a delete asks for: its body, or its query where there is none.
pub(super) fn deletion_of(call: &Call) -> Result<Deletion, Failure> {
    if call.verb != "delete" {
        return Ok(Deletion::default());
    }
    let mut asked = Deletion {
        dry_run: call.dry_run(),
        ..Deletion::default()
    };
    if let Some(grace) = call.param("gracePeriodSeconds") {
        let grace = grace.parse();
        asked.grace =
            Some(grace.map_err(|_| {
                Failure::bad_request("gracePeriodSeconds is not a number".to_owned())
            })?);
    }
    if !call.body.is_empty() {
        let options: DeleteOptions = serde_json::from_slice(&call.body)
            .map_err(|error| Failure::bad_request(format!("error decoding options: {error}")))?;
        let conditions = options.preconditions.unwrap_or_default();
        asked.grace = options.grace_period_seconds.or(asked.grace);
        asked.uid = conditions.uid;
        asked.resource_version = conditions.resource_version;
        asked.dry_run |= options
            .dry_run
            .unwrap_or_default()
            .iter()
            .any(|one| one == "All");
    }
    Ok(asked)
}

fn remove_pod(world: &mut World, call: &Call) -> Result<Response, Failure> {
    if !call.subresource.is_empty() {
        return Err(Failure::method());
    }
    let asked = deletion_of(call)?;
    match delete_pod(world, &call.key(), &asked) {
        Ok(pod) => Ok(json_response(StatusCode::OK, reads::json_of(&pod))),
        Err(Refusal::NotFound) => Err(Failure::not_found(call)),
        Err(Refusal::Conflict(words)) => Err(Failure::precondition(call, &words)),
    }
}

/// Deletes anything but a pod: at once, unless finalizers hold it.
fn remove<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let asked = deletion_of(call)?;
    let Some(object) = K::store(world).get(&call.key()) else {
        return Err(Failure::not_found(call));
    };
    let meta = object.metadata().clone();
    let uid = meta.uid.unwrap_or_default();
    if let Some(wanted) = asked.uid.filter(|wanted| *wanted != uid) {
        let words = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). \
             The object might have been deleted and then recreated"
        );
        return Err(Failure::precondition(call, &words));
    }
    if !asked.dry_run {
        if meta.finalizers.is_some_and(|held| !held.is_empty()) {
            let now = time(world.now);
            world.update::<K>(&call.key(), "kube-apiserver", |object| {
                let meta = object.metadata_mut();
                meta.deletion_timestamp.get_or_insert(now);
                meta.deletion_grace_period_seconds = Some(0);
            });
            if let Some(object) = K::store(world).get(&call.key()) {
                return Ok(json_response(StatusCode::OK, reads::json_of(object)));
            }
        }
        world.remove::<K>(&call.key());
    }
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": { "name": call.name, "group": call.group, "kind": call.plural, "uid": uid },
    });
    Ok(json_response(
        StatusCode::OK,
        status.to_string().into_bytes(),
    ))
}

fn create<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let mut value = body_of(call)?;
    if call.resource == Resource::Pods
        && let Some(pod) = value.as_object_mut()
    {
        pod.remove("status");
    }
    let mut object: K = decode(value)?;
    let meta = object.metadata_mut();
    match (&meta.namespace, &call.namespace) {
        (Some(own), Some(asked)) if own != asked => {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request"
                    .to_owned(),
            ));
        }
        (_, asked) => meta.namespace.clone_from(asked),
    }
    let prefix = meta.generate_name.clone().unwrap_or_default();
    let given = meta.name.clone().filter(|name| !name.is_empty());
    let name = match given {
        Some(name) => name,
        None if prefix.is_empty() => {
            let words = "Required value: name or generateName is required";
            return Err(Failure::invalid(
                call,
                "",
                "FieldValueRequired",
                "metadata.name",
                words,
            ));
        }
        None => format!("{prefix}{}", world.suffix(5)),
    };
    check_name(call, &name, &prefix)?;
    meta.name = Some(name.clone());
    meta.resource_version = None;
    let key = (call.namespace.clone().unwrap_or_default(), name.clone());
    if K::store(world).contains_key(&key) {
        return Err(Failure::already_exists(call, &name));
    }
    if call.dry_run() {
        return Ok(json_response(StatusCode::CREATED, reads::json_of(&object)));
    }
    let manager = call.manager();
    world.create(&manager, object);
    if call.resource == Resource::Pods {
        let constants = world.constants.clone();
        world.update::<Pod>(&key, &manager, |pod| admit(pod, &constants));
    }
    let created = K::store(world)
        .get(&key)
        .ok_or_else(|| Failure::not_found(call))?;
    Ok(json_response(StatusCode::CREATED, reads::json_of(created)))
}

/// Updates or patches an object.
pub(super) fn change<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let Some(old) = K::store(world).get(&call.key()) else {
        return Err(Failure::not_found(call));
    };
    let old_value = serde_json::to_value(old).unwrap_or_default();
    let mut value = old_value.clone();
    if call.verb == "patch" {
        patch::apply(call, &mut value)?;
    } else {
        value = body_of(call)?;
    }
    check_identity(call, &old_value, &value)?;
    check_finalizers(call, &old_value, &value)?;
    keep(&mut value, &old_value, &call.subresource);
    let spec_changed = value.get("spec") != old_value.get("spec");
    if call.resource == Resource::Pods && spec_changed {
        check_pod_spec(call, &old_value, &value)?;
    }
    if call.group == "apps" && spec_changed {
        let generation = old_value["metadata"]["generation"].as_i64().unwrap_or(0);
        value["metadata"]["generation"] = json!(generation + 1);
    }
    let new: K = decode(value)?;
    let answer = reads::json_of(&new);
    if call.dry_run() {
        return Ok(json_response(StatusCode::OK, answer));
    }
    world.update::<K>(&call.key(), &call.manager(), |object| *object = new);
    let answer = K::store(world)
        .get(&call.key())
        .map_or(answer, |object| reads::json_of(object));
    if call.resource == Resource::Pods {
        remove_if_free(world, &call.key());
    } else {
        remove_if_unheld::<K>(world, call);
    }
    Ok(json_response(StatusCode::OK, answer))
}

fn remove_if_unheld<K: Kind>(world: &mut World, call: &Call) {
    let free = K::store(world).get(&call.key()).is_some_and(|object| {
        let meta = object.metadata();
        meta.deletion_timestamp.is_some() && meta.finalizers.as_ref().is_none_or(Vec::is_empty)
    });
    if free {
        world.remove::<K>(&call.key());
    }
}

/// The body of a create or an update.
pub(super) fn body_of(call: &Call) -> Result<Value, Failure> {
    if call.content_type.contains("protobuf") {
        return Err(Failure::unsupported_media(&call.content_type));
    }
    serde_json::from_slice(&call.body)
        .map_err(|error| Failure::bad_request(format!("error decoding object: {error}")))
}

fn decode<K: Kind>(value: Value) -> Result<K, Failure> {
    serde_json::from_value(value)
        .map_err(|error| Failure::bad_request(format!("error decoding object: {error}")))
}
