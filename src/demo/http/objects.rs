//! Writing objects: create, update, patch, delete; and what becomes of the rest.

use axum::http::StatusCode;
use axum::response::Response;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::events::v1::Event;
use serde_json::{Value, json};

use super::call::Call;
use super::checks::{
    check_finalizers, check_identity, check_name, check_name_on_url, check_pod_spec, keep,
};
use super::failure::{Failure, details};
use super::options::deletion_of;
use super::resources::Resource;
use super::select::Selection;
use super::table::Row;
use super::{access, events, json_response, patch, reads, scale, valid};
use crate::demo::cluster::State;
use crate::demo::deletion::{Refusal, delete_pod, remove_if_free};
use crate::demo::world::{Key, Kind, World, key, time};

/// Answers a request.
pub(super) fn serve(state: &mut State, call: &Call) -> Result<Response, Failure> {
    let world = &mut state.world;
    match (call.resource, call.verb) {
        (Resource::AccessReviews, "create") => access::review(state, call),
        (Resource::AccessReviews, _) => Err(Failure::method()),
        (Resource::Pods, "delete") => remove_pod(world, call),
        (Resource::Namespaces, "delete" | "deletecollection") => Err(Failure::method()),
        (Resource::Namespaces, _) => any::<Namespace>(world, call),
        (Resource::Nodes, _) => any::<Node>(world, call),
        (Resource::Pods, _) => any::<Pod>(world, call),
        (Resource::Leases, _) => any::<Lease>(world, call),
        (Resource::StatefulSets, _) => any::<StatefulSet>(world, call),
        (Resource::Deployments, _) => any::<Deployment>(world, call),
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
    let writes = matches!(call.verb, "create" | "delete" | "deletecollection");
    if writes && !call.subresource.is_empty() {
        return Err(Failure::method());
    }
    match call.verb {
        "deletecollection" => remove_all::<K>(world, call),
        "get" if scale => scale::read::<K>(world, call),
        "get" => reads::get::<K>(world, call),
        "list" => reads::list::<K>(world, call),
        "create" => create::<K>(world, call),
        "update" | "patch" if scale => scale::write::<K>(world, call),
        "update" | "patch" => change::<K>(world, call),
        _ => remove::<K>(world, call),
    }
}

fn remove_pod(world: &mut World, call: &Call) -> Result<Response, Failure> {
    if !call.subresource.is_empty() {
        return Err(Failure::method());
    }
    let asked = deletion_of(call)?;
    let pod = delete_pod(world, &call.key(), &asked).map_err(|refusal| refused(call, refusal))?;
    Ok(json_response(StatusCode::OK, reads::json_of(&pod)))
}

fn refused(call: &Call, refusal: Refusal) -> Failure {
    match refusal {
        Refusal::NotFound => Failure::not_found(call),
        Refusal::Conflict(words) => Failure::precondition(call, &words),
    }
}

/// Deletes all that a list would show, and answers with that list.
fn remove_all<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let (found, _) = reads::select::<K>(world, call, &Selection::read(call)?)?;
    let keys: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
    let listed = reads::list::<K>(world, call)?;
    for (_, name) in keys {
        let one = Call {
            verb: "delete",
            name,
            ..call.clone()
        };
        match call.resource {
            Resource::Pods => remove_pod(world, &one)?,
            _ => remove::<K>(world, &one)?,
        };
    }
    Ok(listed)
}

/// Deletes anything but a pod: at once, unless finalizers hold it.
fn remove<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let asked = deletion_of(call)?;
    let Some(object) = K::store(world).get(&call.key()) else {
        return Err(Failure::not_found(call));
    };
    let meta = object.metadata().clone();
    asked
        .holds_for(&meta)
        .map_err(|refusal| refused(call, refusal))?;
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
    let mut details = details(call, &call.name, call.plural);
    details["uid"] = json!(meta.uid);
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    });
    Ok(json_response(
        StatusCode::OK,
        status.to_string().into_bytes(),
    ))
}

fn create<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let mut value = body_of(call)?;
    if call.resource == Resource::CoreEvents {
        events::from_core(&mut value);
    }
    if call.resource == Resource::Pods
        && let Some(pod) = value.as_object_mut()
    {
        pod.remove("status");
    }
    let mut object: K = decode(call, value)?;
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
    if let Some(namespace) = &call.namespace
        && !world.namespaces.contains_key(&key("", namespace))
    {
        return Err(Failure::no_namespace(namespace));
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
    object.complete(&world.constants);
    let checked = serde_json::to_value(&object).unwrap_or_default();
    valid::check_new(call, &name, &checked)?;
    let at = (call.namespace.clone().unwrap_or_default(), name.clone());
    if K::store(world).contains_key(&at) {
        return Err(Failure::already_exists(call, &name));
    }
    let manager = call.manager();
    let made = match call.dry_run() {
        true => world.identify(&manager, object),
        false => world.create(&manager, object),
    };
    Ok(json_response(
        StatusCode::CREATED,
        reads::shaped(call, &made),
    ))
}

/// Updates or patches an object.
pub(super) fn change<K: Row>(world: &mut World, call: &Call) -> Result<Response, Failure> {
    let Some(old) = K::store(world).get(&call.key()) else {
        return Err(Failure::not_found(call));
    };
    let core = call.resource == Resource::CoreEvents;
    let old_value = serde_json::to_value(old).unwrap_or_default();
    let mut value = old_value.clone();
    if core {
        events::to_core(&mut value);
    }
    if call.verb == "patch" {
        patch::apply(call, &mut value)?;
    } else {
        value = body_of(call)?;
    }
    if core {
        events::from_core(&mut value);
    }
    check_name_on_url(call, &value)?;
    check_identity(call, &old_value, &value)?;
    check_finalizers(call, &old_value, &value)?;
    // From here on it has the form of its kind.
    decode::<K>(call, value.clone())?;
    keep(&mut value, &old_value, &call.subresource);
    let spec_changed = value.get("spec") != old_value.get("spec");
    if call.resource == Resource::Pods && spec_changed {
        check_pod_spec(call, &old_value, &value)?;
    }
    if spec_changed && let Some(generation) = old_value["metadata"]["generation"].as_i64() {
        value["metadata"]["generation"] = json!(generation + 1);
    }
    let new: K = decode(call, value)?;
    let new_value = serde_json::to_value(&new).unwrap_or_default();
    valid::check_change(call, &old_value, &new_value)?;
    let answer = reads::shaped(call, &new);
    if call.dry_run() {
        return Ok(json_response(StatusCode::OK, answer));
    }
    world.update::<K>(&call.key(), &call.manager(), |object| *object = new);
    let answer = K::store(world)
        .get(&call.key())
        .map_or(answer, |object| reads::shaped(call, object));
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

/// The body of a create or an update, with its kind, which may be left out.
pub(super) fn body_of(call: &Call) -> Result<Value, Failure> {
    call.accepts_body()?;
    let unrecognized = |why: &str| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get \
             version/kind; json parse error: {why}",
            call.kind
        ))
    };
    let mut body: Value =
        serde_json::from_slice(&call.body).map_err(|error| unrecognized(&error.to_string()))?;
    if !body.is_object() {
        return Err(unrecognized("no object"));
    }
    let version = match call.group {
        "" => "v1".to_owned(),
        group => format!("{group}/v1"),
    };
    for (field, expected) in [("kind", call.kind), ("apiVersion", version.as_str())] {
        match body[field].as_str() {
            None | Some("") => body[field] = json!(expected),
            Some(given) if given != expected && field == "kind" => {
                return Err(Failure::bad_request(format!(
                    "{given} in version \"v1\" cannot be handled as a {expected}: converting \
                     (v1.{given}) to (core.{expected}): unknown conversion"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(body)
}

fn decode<K: Kind>(call: &Call, value: Value) -> Result<K, Failure> {
    serde_json::from_value(value).map_err(|error| match call.verb {
        "patch" => Failure::patch(&error.to_string()),
        _ => Failure::bad_request(format!(
            "{kind} in version \"v1\" cannot be handled as a {kind}: json: {error}",
            kind = call.kind
        )),
    })
}
