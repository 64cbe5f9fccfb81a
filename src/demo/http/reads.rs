//! Reading objects: one, lists in pages, Tables.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::call::Call;
use super::failure::Failure;
use super::resources::Resource;
use super::select::{Selection, token};
use super::table::{Row, columns, row};
use super::{events, json_response};
use crate::demo::world::{Key, Kind, World, key};

/// An object as the API shows it.
pub(super) fn json_of<K: Kind>(object: &K) -> Vec<u8> {
    serde_json::to_vec(object).unwrap_or_default()
}

/// One object.
pub(super) fn get<K: Row>(world: &World, call: &Call) -> Result<Response, Failure> {
    let object = K::store(world)
        .get(&call.key())
        .ok_or_else(|| Failure::not_found(call))?;
    if call.wants_table() {
        return table(world, call, &[object], json!({}));
    }
    Ok(json_response(StatusCode::OK, shaped(call, object)))
}

/// Objects with their keys, and whether there are more.
pub(super) type Page<'w, K> = (Vec<(Key, &'w K)>, bool);

/// The objects that a list selects, up to its limit.
pub(super) fn select<'w, K: Row>(
    world: &'w World,
    call: &Call,
    selection: &Selection,
) -> Result<Page<'w, K>, Failure> {
    let mut found = Vec::new();
    for (key, object) in candidates::<K>(world, call, selection) {
        if !selection.matches(object)? {
            continue;
        }
        if selection.limit.is_some_and(|limit| found.len() >= limit) {
            return Ok((found, true));
        }
        found.push((key, object));
    }
    Ok((found, false))
}

/// All objects that may be selected, in key order: the few on a node where the list asks for them.
fn candidates<'w, K: Row>(
    world: &'w World,
    call: &Call,
    selection: &Selection,
) -> Box<dyn Iterator<Item = (Key, &'w K)> + 'w> {
    let namespace = call.namespace.clone();
    if call.resource == Resource::Pods
        && let Some(node) = selection.wants("spec.nodeName")
    {
        let after = selection.after.clone();
        return Box::new(
            world
                .pods_on(node)
                .into_iter()
                .filter(move |at| namespace.as_ref().is_none_or(|wanted| *wanted == at.0))
                .filter(move |at| after.as_ref().is_none_or(|after| at > after))
                .filter_map(|at| K::store(world).get(&at).map(|object| (at, object))),
        );
    }
    if let (Some(namespace), Some(name)) = (&namespace, selection.wants("metadata.name")) {
        let at = key(namespace, name);
        return Box::new(
            K::store(world)
                .get(&at)
                .map(|object| (at, object))
                .into_iter(),
        );
    }
    let listed = world.list::<K>(namespace.as_deref(), selection.after.as_ref());
    Box::new(listed.map(|(key, object)| (key.clone(), object)))
}

/// A list, or a page of one.
pub(super) fn list<K: Row>(world: &World, call: &Call) -> Result<Response, Failure> {
    let selection = Selection::read(call)?;
    let (found, more) = select::<K>(world, call, &selection)?;
    let mut meta = json!({ "resourceVersion": world.revision().to_string() });
    if more && let Some((last, _)) = found.last() {
        meta["continue"] = json!(token(last));
        if selection.is_empty() {
            let rest = world
                .list::<K>(call.namespace.as_deref(), Some(last))
                .count();
            meta["remainingItemCount"] = json!(rest);
        }
    }
    let found: Vec<&K> = found.into_iter().map(|(_, object)| object).collect();
    if call.wants_table() {
        return table(world, call, &found, meta);
    }
    let group = if call.group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{}/v1", call.group)
    };
    let mut body = format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{group}\",\"metadata\":{meta},\"items\":[",
        call.kind
    )
    .into_bytes();
    // Inside a list the items do not repeat their kind.
    let typed = format!(
        "{{\"apiVersion\":\"{}\",\"kind\":\"{}\",",
        K::API_VERSION,
        K::KIND
    );
    for (number, object) in found.into_iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        let item = shaped(call, object);
        match item.strip_prefix(typed.as_bytes()) {
            Some(rest) => {
                body.push(b'{');
                body.extend_from_slice(rest);
            }
            None => body.extend_from_slice(&item),
        }
    }
    body.extend_from_slice(b"]}");
    Ok(json_response(StatusCode::OK, body))
}

fn table<K: Row>(
    world: &World,
    call: &Call,
    objects: &[&K],
    meta: Value,
) -> Result<Response, Failure> {
    let include = call.param("includeObject").unwrap_or("Metadata");
    if !matches!(include, "None" | "Metadata" | "Object") {
        return Err(Failure::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: \
             \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        )));
    }
    let rows: Vec<Value> = objects
        .iter()
        .map(|one| row(*one, include, world.now))
        .collect();
    let table = json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns::<K>(),
        "rows": rows,
    });
    Ok(json_response(
        StatusCode::OK,
        table.to_string().into_bytes(),
    ))
}

/// An object in the shape of the group that it is asked through.
pub(super) fn shaped<K: Kind>(call: &Call, object: &K) -> Vec<u8> {
    if call.resource != Resource::CoreEvents {
        return json_of(object);
    }
    let mut value = serde_json::to_value(object).unwrap_or_default();
    events::to_core(&mut value);
    value.to_string().into_bytes()
}
