//! Readiness is earned: the API server answered, and the rights to look were seen.

use super::api::{Api, Right};
use super::desk::Desk;
use crate::settings::Settings;
use std::time::Duration;

/// The waits between two tries, doubling.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Waits until the API server shows the rights to look; then the desk takes work in.
pub async fn earn(desk: &Desk) {
    let context = desk.context();
    let mut wait = RETRY.0;
    loop {
        let why = match missing(&context.api, &needed(&context.settings)).await {
            Ok(missing) if missing.is_empty() => break,
            Ok(missing) => format!("the right to {} is missing", missing.join(", ")),
            Err(error) => error,
        };
        tracing::warn!(why, "not ready");
        desk.set_unready(&why);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
    desk.set_unready("");
    tracing::info!("ready: the API server answers, and the rights to look are there");
}

/// Warns of rights to act that are not seen: they may be granted for single names, which no review
/// shows.
pub async fn review_rights_to_act(desk: &Desk) {
    let context = desk.context();
    if context.settings.dry_run {
        return;
    }
    match missing(&context.api, &wished(&context.settings)).await {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => tracing::warn!(
            "an access review does not show the right to {} (it may be granted by name)",
            missing.join(", ")
        ),
        Err(why) => tracing::warn!(why, "the rights to act could not be reviewed"),
    }
}

async fn missing(api: &Api, rights: &[Right<'_>]) -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for right in rights {
        if !api.is_allowed(right).await.map_err(|e| e.to_string())? {
            let place = right
                .namespace
                .map_or_else(String::new, |n| format!(" in {n}"));
            missing.push(format!("{} {}{place}", right.verb, right.resource));
        }
    }
    Ok(missing)
}

/// The rights without which nothing can be judged.
fn needed(settings: &Settings) -> Vec<Right<'_>> {
    let cluster = |verb| Right {
        verb,
        group: "",
        resource: "nodes",
        namespace: None,
    };
    let mut rights = vec![cluster("get"), cluster("list")];
    rights.push(Right {
        verb: "get",
        group: "coordination.k8s.io",
        resource: "leases",
        namespace: Some("kube-node-lease"),
    });
    for namespace in settings.namespaces() {
        let pods = |verb| Right {
            verb,
            group: "",
            resource: "pods",
            namespace: Some(namespace),
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
