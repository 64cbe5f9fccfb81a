//! What the API server asks of an object, whether it is made or changed: as much of it as somebody
//! who does what this product does could get wrong.

use serde_json::Value;

use super::call::Call;
use super::events;
use super::failure::Failure;
use super::resources::Resource;

/// Asked of every object.
pub(super) fn check(call: &Call, name: &str, object: &Value) -> Result<(), Failure> {
    let refuse = |cause: &str, field: &str, words: &str| {
        Err(Failure::invalid(call, name, cause, field, words))
    };
    let finalizers = object["metadata"]["finalizers"].as_array();
    for (number, one) in finalizers.into_iter().flatten().enumerate() {
        let one = one.as_str().unwrap_or_default();
        let standard = matches!(one, "foregroundDeletion" | "orphan" | "kubernetes");
        if !standard && !one.contains('/') {
            let words = format!(
                "Invalid value: \"{one}\": name is neither a standard finalizer name nor is it \
                 fully qualified"
            );
            let field = format!("metadata.finalizers[{number}]");
            return refuse("FieldValueInvalid", &field, &words);
        }
    }
    let spec = &object["spec"];
    match call.resource {
        Resource::Pods if spec["containers"].as_array().is_none_or(Vec::is_empty) => {
            refuse("FieldValueRequired", "spec.containers", "Required value")
        }
        Resource::StatefulSets | Resource::Deployments | Resource::ReplicaSets
            if spec["replicas"].as_i64() < Some(0) && !spec["replicas"].is_null() =>
        {
            let words = format!(
                "Invalid value: {}: must be greater than or equal to 0",
                spec["replicas"]
            );
            refuse("FieldValueInvalid", "spec.replicas", &words)
        }
        Resource::Leases
            if spec["leaseDurationSeconds"]
                .as_i64()
                .is_some_and(|it| it <= 0) =>
        {
            let words = format!(
                "Invalid value: {}: must be greater than 0",
                spec["leaseDurationSeconds"]
            );
            refuse("FieldValueInvalid", "spec.leaseDurationSeconds", &words)
        }
        _ => check_selector(call, name, spec),
    }
}

/// A workload selects its own pods.
fn check_selector(call: &Call, name: &str, spec: &Value) -> Result<(), Failure> {
    if call.group != "apps" {
        return Ok(());
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let mut wanted = spec["selector"]["matchLabels"]
        .as_object()
        .into_iter()
        .flatten();
    if wanted.all(|(key, value)| labels[key] == *value) {
        return Ok(());
    }
    let words = format!("Invalid value: {labels}: `selector` does not match template `labels`");
    let field = "spec.template.metadata.labels";
    Err(Failure::invalid(
        call,
        name,
        "FieldValueInvalid",
        field,
        &words,
    ))
}

/// Asked of a new object.
pub(super) fn check_new(call: &Call, name: &str, object: &Value) -> Result<(), Failure> {
    if call.kind == "Event" {
        events::check_new(call, object)?;
    }
    check(call, name, object)
}

/// Asked of a changed object.
pub(super) fn check_change(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    if call.kind == "Event" {
        events::check_change(call, old, new)?;
    }
    check(call, &call.name, new)?;
    if call.resource != Resource::StatefulSets {
        return Ok(());
    }
    const FREE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|field, _| !FREE.contains(&field.as_str()));
        }
        spec
    };
    if fixed(old) == fixed(new) {
        return Ok(());
    }
    let words = "Forbidden: updates to statefulset spec for fields other than 'replicas', \
        'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
        'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    Err(Failure::forbidden_change(call, words))
}
