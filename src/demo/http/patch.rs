//! The three kinds of patch.

use serde_json::{Map, Value};

use super::call::Call;
use super::failure::Failure;

/// Applies a patch of the request's type to an object.
pub(super) fn apply(call: &Call, object: &mut Value) -> Result<(), Failure> {
    let body: Value = serde_json::from_slice(&call.body)
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    match call
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
    {
        "application/merge-patch+json" => json_patch::merge(object, &body),
        "application/strategic-merge-patch+json" => strategic(object, body),
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_value(body)
                .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(object, &patch).map_err(|_| Failure::operations())?;
        }
        _ => {
            return Err(Failure::unsupported_patch());
        }
    }
    match object.is_object() {
        true => Ok(()),
        false => Err(Failure::bad_request(
            "error decoding patch: no object".to_owned(),
        )),
    }
}

/// The key by which the items of a list are merged; `None`: the list is replaced.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "containers" | "volumes" | "env" => Some("name"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}

/// A strategic merge, for the lists that matter here: `null` clears, conditions merge by type,
/// finalizers as a set.
fn strategic(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else {
        return;
    };
    for (field, value) in patch {
        if field == "$patch" || field.starts_with("$setElementOrder/") {
            continue;
        }
        if let Some(list) = field.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(known) = object.get_mut(list).and_then(Value::as_array_mut) {
                known.retain(|item| !gone.contains(item));
            }
            continue;
        }
        match (value, object.get_mut(&field)) {
            (Value::Null, _) => {
                object.remove(&field);
            }
            (Value::Array(items), Some(Value::Array(known))) if field == "finalizers" => {
                for item in items {
                    if !known.contains(&item) {
                        known.push(item);
                    }
                }
            }
            (Value::Array(items), Some(Value::Array(known))) if merge_key(&field).is_some() => {
                merge_list(known, items, merge_key(&field).unwrap_or_default());
            }
            (value @ Value::Object(_), Some(known)) => strategic(known, value),
            (value @ Value::Object(_), None) => {
                let mut fresh = Value::Object(Map::new());
                strategic(&mut fresh, value);
                object.insert(field, fresh);
            }
            (value, _) => {
                object.insert(field, value);
            }
        }
    }
}

fn merge_list(known: &mut Vec<Value>, items: Vec<Value>, key: &str) {
    for item in items {
        let at = known.iter().position(|one| one.get(key) == item.get(key));
        match (at, item.get("$patch").and_then(Value::as_str)) {
            (Some(at), Some("delete")) => {
                known.remove(at);
            }
            (Some(at), _) => strategic(&mut known[at], item),
            (None, Some("delete")) => {}
            (None, _) => known.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_clears_and_an_empty_list_merges() {
        let mut pod = json!({ "metadata": { "finalizers": ["a/b"], "labels": { "x": "y" } } });
        strategic(&mut pod, json!({ "metadata": { "finalizers": [] } }));
        assert_eq!(pod["metadata"]["finalizers"], json!(["a/b"]));
        strategic(
            &mut pod,
            json!({ "metadata": { "finalizers": null, "labels": { "z": "1" } } }),
        );
        assert_eq!(
            pod,
            json!({ "metadata": { "labels": { "x": "y", "z": "1" } } })
        );
    }

    #[test]
    fn conditions_merge_by_type_and_taints_are_replaced() {
        let mut node = json!({
            "spec": { "taints": [{ "key": "a" }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "r" }] },
        });
        strategic(
            &mut node,
            json!({
                "spec": { "taints": [{ "key": "b" }] },
                "status": { "conditions": [
                    { "type": "Ready", "status": "False" }, { "type": "New", "status": "True" },
                ] },
            }),
        );
        assert_eq!(node["spec"]["taints"], json!([{ "key": "b" }]));
        assert_eq!(
            node["status"]["conditions"],
            json!([
                { "type": "Ready", "status": "False", "reason": "r" },
                { "type": "New", "status": "True" },
            ])
        );
    }
}
