//! Readiness is earned: the API server answered, and the rights to look were seen.

use super::Context;
use super::api::{Api, Right};
use super::desk::Desk;
use super::error::ApiError;
use crate::decide::is_named;
use crate::settings::Settings;
use std::time::Duration;

/// The waits between two tries, doubling.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How often the rights to act are reviewed: they may be taken away long before they are needed.
const REVIEW: Duration = Duration::from_secs(600);

/// Of how many pods it is asked whether the right to act is granted by their names.
const BY_NAME: usize = 16;

/// Waits until the API server shows the rights to look; then the desk takes work in.
pub async fn earn(desk: &Desk) {
    let context = desk.context();
    let mut wait = RETRY.0;
    loop {
        let why = match missing(&context.api, needed(&context.settings)).await {
            Ok(missing) if missing.is_empty() => break,
            Ok(missing) => format!("the right to {} is missing", told(&missing)),
            Err(error) => error.to_string(),
        };
        tracing::warn!(why, "not ready");
        desk.set_unready(&why);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
    desk.set_unready("");
    tracing::info!("ready: the API server answers, and the rights to look are there");
}

/// Reviews the rights to act again and again, and says which are not seen and how many are missing: they
/// may be granted for single names, which only a review with the name shows.
pub async fn review_rights_to_act(desk: &Desk) {
    let context = desk.context();
    if context.settings.dry_run {
        return;
    }
    let mut last = String::new();
    loop {
        match unseen(context).await {
            Ok((unseen, missing)) => {
                context.metrics.missing_rights(missing);
                if !unseen.is_empty() && unseen != last {
                    tracing::warn!(
                        missing,
                        "an access review does not show the right to {unseen} (it may be granted by name)"
                    );
                }
                last = unseen;
            }
            Err(why) => tracing::warn!(%why, "the rights to act could not be reviewed"),
        }
        tokio::time::sleep(REVIEW).await;
    }
}

/// The rights to act that a review does not show, and how many of them are not granted for every pod
/// that is named now either.
async fn unseen(context: &Context) -> Result<(String, usize), ApiError> {
    let unseen = missing(&context.api, wished(&context.settings)).await?;
    let mut count = 0;
    for right in &unseen {
        count += usize::from(!is_granted_by_name(context, right).await?);
    }
    Ok((told(&unseen), count))
}

/// Whether a right over pods is granted for each of those that are there.
async fn is_granted_by_name(context: &Context, right: &Right<'_>) -> Result<bool, ApiError> {
    let (Some(namespace), "pods") = (right.namespace, right.resource) else {
        return Ok(false);
    };
    let named = |pod: &_| is_named(pod, &context.settings.selectors);
    let pods = context.api.pods(namespace, "", named).await?;
    for pod in pods.iter().take(BY_NAME) {
        let name = Some(&*pod.metadata.name);
        if !context.api.is_allowed(&Right { name, ..*right }).await? {
            return Ok(false);
        }
    }
    Ok(!pods.is_empty())
}

async fn missing<'a>(api: &Api, rights: Vec<Right<'a>>) -> Result<Vec<Right<'a>>, ApiError> {
    let mut missing = Vec::new();
    for right in rights {
        if !api.is_allowed(&right).await? {
            missing.push(right);
        }
    }
    Ok(missing)
}

/// In words.
fn told(rights: &[Right<'_>]) -> String {
    let words = rights.iter().map(|right| {
        let place = right
            .namespace
            .map_or_else(String::new, |n| format!(" in {n}"));
        format!("{} {}{place}", right.verb, right.resource)
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The rights without which nothing can be judged.
fn needed(settings: &Settings) -> Vec<Right<'_>> {
    let cluster = |verb| Right {
        verb,
        group: "",
        resource: "nodes",
        namespace: None,
        name: None,
    };
    let mut rights = vec![cluster("get"), cluster("list")];
    rights.push(Right {
        verb: "get",
        group: "coordination.k8s.io",
        resource: "leases",
        namespace: Some("kube-node-lease"),
        name: None,
    });
    for namespace in settings.namespaces() {
        let pods = |verb| Right {
            verb,
            group: "",
            resource: "pods",
            namespace: Some(namespace),
            name: None,
        };
        rights.extend([pods("get"), pods("list")]);
    }
    rights
}

/// The rights to act and to tell.
fn wished(settings: &Settings) -> Vec<Right<'_>> {
    let right = |verb, group, resource, namespace| Right {
        verb,
        group,
        resource,
        namespace: Some(namespace),
        name: None,
    };
    let mut rights = vec![right("create", "events.k8s.io", "events", "default")];
    for namespace in settings.namespaces() {
        rights.push(right("delete", "", "pods", namespace));
        rights.push(right("patch", "", "pods", namespace));
        rights.push(right("get", "apps", "statefulsets", namespace));
        if namespace != "default" {
            rights.push(right("create", "events.k8s.io", "events", namespace));
        }
    }
    rights
}

#[cfg(test)]
mod tests;
