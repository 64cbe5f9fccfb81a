//! The sweep: finds gone nodes without any alert, since the alert's sender may be what died.

use super::desk::Desk;
use super::error::ApiError;
use crate::decide::{NodeName, Pod, SweepResult, is_named};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What PodGC gave up, and what had stopped before: pods that have ended, and that a controller would
/// make again. Of Jobs' pods there may be many, and none is ours.
const ENDED: &str = "status.phase!=Running,status.phase!=Pending,spec.restartPolicy=Always";

/// Sweeps every `period`, the first time at once; a sweep that is due while the one before is still
/// at work is skipped, and counted as such.
pub async fn run(desk: &Desk, period: Duration) {
    let metrics = &desk.context().metrics;
    let mut due = Instant::now();
    loop {
        sleep_until(due).await;
        due += period;
        if desk.is_sweeping() {
            metrics.sweep(SweepResult::Skipped, None);
            continue;
        }
        let result = sweep(desk).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the sweep could not read the cluster");
            SweepResult::Failed
        });
        let read = result != SweepResult::Failed;
        metrics.sweep(result, read.then(|| desk.context().clock.wall()));
        while due <= Instant::now() {
            metrics.sweep(SweepResult::Skipped, None);
            due += period;
        }
    }
}

/// One sweep: the nodes that are not Ready, and those that are gone while finalizers keep their
/// pods.
async fn sweep(desk: &Desk) -> Result<SweepResult, ApiError> {
    let context = desk.context();
    let fleet = context.fleet.read(Duration::ZERO).await?.fleet;
    let mut found: BTreeSet<_> = fleet
        .not_ready
        .iter()
        .filter_map(|name| NodeName::parse(name).ok())
        .collect();
    let orphan = |pod: &Pod| pod.is_orphan() && is_named(pod, &context.settings.selectors);
    let namespaces = context.settings.namespaces().into_iter();
    let lists = namespaces.map(|ns| context.api.pods(ns, ENDED, orphan));
    let mut failure = None;
    for list in join_all(lists).await {
        match list {
            Ok(pods) => found.extend(
                pods.iter()
                    .filter(|pod| !fleet.ready.contains(pod.node()))
                    .filter_map(|pod| NodeName::parse(pod.node()).ok()),
            ),
            // What the other reads found is not lost by it.
            Err(error) => failure = Some(error),
        }
    }
    let guard = fleet.is_calm(context.settings.max_unreachable);
    let result = if guard.is_ok() {
        SweepResult::Ok
    } else {
        SweepResult::Held
    };
    tracing::debug!(found = found.len(), %result, "swept");
    desk.hand_on(&found, guard);
    failure.map_or(Ok(result), Err)
}
