//! What a delete asks for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::Value;

use super::call::Call;
use super::failure::Failure;
use crate::demo::deletion::Deletion;

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

/// The options of a delete: its body, or its query where there is none. Beside a body the query is
/// not read at all, a dry run included.
pub(super) fn deletion_of(call: &Call) -> Result<Deletion, Failure> {
    if !call.verb.starts_with("delete") {
        return Ok(Deletion::default());
    }
    let options = match call.body.is_empty() {
        true => of_query(call)?,
        false => of_body(call)?,
    };
    check(&options)?;
    let conditions = options.preconditions.unwrap_or_default();
    Ok(Deletion {
        grace: options.grace_period_seconds,
        uid: conditions.uid,
        resource_version: conditions.resource_version,
        dry_run: options.dry_run.is_some_and(|dry| !dry.is_empty()),
    })
}

fn of_query(call: &Call) -> Result<DeleteOptions, Failure> {
    let grace = call.param("gracePeriodSeconds").map(|text| {
        text.parse().map_err(|_| {
            let words = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            Failure::bad_request(words)
        })
    });
    Ok(DeleteOptions {
        grace_period_seconds: grace.transpose()?,
        dry_run: call.param("dryRun").map(|dry| vec![dry.to_owned()]),
        propagation_policy: call.param("propagationPolicy").map(str::to_owned),
        ..DeleteOptions::default()
    })
}

fn of_body(call: &Call) -> Result<DeleteOptions, Failure> {
    call.accepts_body()?;
    let failure = |error: serde_json::Error| {
        let words = match error.is_data() {
            true => format!("json: {error}"),
            false => format!("couldn't get version/kind; json parse error: {error}"),
        };
        Failure::bad_request(words)
    };
    let body: Value = serde_json::from_slice(&call.body).map_err(failure)?;
    if let Some(kind) = body["kind"]
        .as_str()
        .filter(|kind| *kind != "DeleteOptions")
    {
        let version = body["apiVersion"].as_str().unwrap_or_default();
        return Err(Failure::bad_request(format!(
            "no kind \"{kind}\" is registered for version \"{version}\" in scheme \
             \"pkg/runtime/scheme.go:111\""
        )));
    }
    serde_json::from_value(body).map_err(failure)
}

fn check(options: &DeleteOptions) -> Result<(), Failure> {
    let refuse = |field: &str, given: &str, known: &str| {
        let words = format!("Unsupported value: {given}: supported values: {known}");
        Err(Failure::options(field, &words))
    };
    let dry = options.dry_run.as_deref().unwrap_or_default();
    if dry.iter().any(|one| one != "All") {
        return refuse("dryRun", &format!("{dry:?}"), "\"All\"");
    }
    match options.propagation_policy.as_deref() {
        None | Some("Foreground" | "Background" | "Orphan") => Ok(()),
        Some(other) => refuse(
            "propagationPolicy",
            &format!("{other:?}"),
            "\"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        ),
    }
}
