//! What the API server does not let a write do.

use serde_json::{Value, json};

use super::call::Call;
use super::failure::Failure;

/// A DNS-1123 subdomain, and a prefix from which one can be made.
pub(super) fn check_name(call: &Call, name: &str, prefix: &str) -> Result<(), Failure> {
    const WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
        characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
        'example.com', regex used for validation is \
        '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let valid = |name: &str| {
        name.len() <= 253
            && name.split('.').all(|part| {
                let bytes = part.as_bytes();
                let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
                bytes.first().is_some_and(inner)
                    && bytes.last().is_some_and(inner)
                    && bytes.iter().all(|byte| inner(byte) || *byte == b'-')
            })
    };
    // As apimachinery has it: a prefix may end in one dash, but not in a dot.
    let masked = prefix
        .strip_suffix('-')
        .map_or(prefix.to_owned(), |it| format!("{it}a"));
    for (field, value, shown) in [
        ("metadata.generateName", masked.as_str(), prefix),
        ("metadata.name", name, name),
    ] {
        if !value.is_empty() && !valid(value) {
            let words = format!("Invalid value: \"{shown}\": {WORDS}");
            return Err(Failure::invalid(
                call,
                name,
                "FieldValueInvalid",
                field,
                &words,
            ));
        }
    }
    Ok(())
}

/// A write is about the object that its path names.
pub(super) fn check_name_on_url(call: &Call, new: &Value) -> Result<(), Failure> {
    let given = |field: &str| new["metadata"][field].as_str().filter(|it| !it.is_empty());
    if let Some(name) = given("name").filter(|name| *name != call.name) {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    let expected = call.namespace.as_deref();
    match given("namespace").filter(|namespace| Some(*namespace) != expected) {
        Some(_) => Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the \
             request"
                .to_owned(),
        )),
        None => Ok(()),
    }
}

/// The UID and the resourceVersion that a write names must be the stored ones.
pub(super) fn check_identity(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    let named = |object: &Value, field: &str| {
        object["metadata"][field]
            .as_str()
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
    };
    if let Some(uid) = named(new, "uid").filter(|uid| Some(uid) != named(old, "uid").as_ref()) {
        let words = format!("Invalid value: \"{uid}\": field is immutable");
        return Err(match call.verb {
            "patch" => Failure::invalid(
                call,
                &call.name,
                "FieldValueInvalid",
                "metadata.uid",
                &words,
            ),
            _ => {
                let own = named(old, "uid").unwrap_or_default();
                let place = call.namespace.iter().map(|one| format!("{one}/"));
                Failure::conflict(
                    call,
                    &format!(
                        "StorageError: invalid object, Code: 4, Key: /registry/{}/{}{}, \
                         ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
                         precondition: {uid}, UID in object meta: {own}",
                        call.plural,
                        place.collect::<String>(),
                        call.name
                    ),
                )
            }
        });
    }
    for (field, value) in [
        ("deletionTimestamp", &new["metadata"]["deletionTimestamp"]),
        (
            "deletionGracePeriodSeconds",
            &new["metadata"]["deletionGracePeriodSeconds"],
        ),
    ] {
        // Left out, it stays.
        if !value.is_null() && *value != old["metadata"][field] {
            let words = format!("Invalid value: {value}: field is immutable");
            let field = format!("metadata.{field}");
            let cause = "FieldValueInvalid";
            return Err(Failure::invalid(call, &call.name, cause, &field, &words));
        }
    }
    match named(new, "resourceVersion") {
        Some(version) if Some(&version) != named(old, "resourceVersion").as_ref() => {
            Err(Failure::stale(call))
        }
        _ => Ok(()),
    }
}

/// An object that is being deleted takes no new finalizers.
pub(super) fn check_finalizers(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    let of = |object: &Value| -> Vec<String> {
        object["metadata"]["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect()
    };
    if old["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let known = of(old);
    let added: Vec<String> = of(new)
        .into_iter()
        .filter(|one| !known.contains(one))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = added.iter().map(|one| format!("\"{one}\"")).collect();
    let words = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new \
         finalizers []string{{{}}}",
        list.join(", ")
    );
    Err(Failure::invalid(
        call,
        &call.name,
        "FieldValueForbidden",
        "metadata.finalizers",
        &words,
    ))
}

/// What a client cannot change stays, what is empty is left out; a status is changed only through its
/// subresource, and nothing of the spec there.
pub(super) fn keep(new: &mut Value, old: &Value, subresource: &str) {
    const FIXED: [&str; 9] = [
        "uid",
        "name",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "resourceVersion",
        "generation",
    ];
    for field in FIXED {
        new["metadata"][field] = old["metadata"][field].clone();
    }
    if let Some(meta) = new["metadata"].as_object_mut() {
        meta.retain(|_, field| *field != json!([]) && *field != json!({}));
    }
    let other = if subresource == "status" {
        "spec"
    } else {
        "status"
    };
    if let Some(kept) = old.get(other) {
        new[other] = kept.clone();
    }
}

/// Of a pod's spec only images and tolerations may change.
pub(super) fn check_pod_spec(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    let rest = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        spec["tolerations"] = Value::Null;
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            container["image"] = Value::Null;
        }
        spec
    };
    if rest(old) == rest(new) {
        return Ok(());
    }
    let words = "Forbidden: pod updates may not change fields other than \
        `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
        `spec.tolerations` (only additions to existing tolerations),\
        `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously \
        negative)";
    Err(Failure::forbidden_change(call, words))
}
