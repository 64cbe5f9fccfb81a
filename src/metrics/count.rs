//! What counts into the metrics, and what they say of the moment.

use super::words::Code;
use super::{ApiErrorReason, AuthFailure, Call, Metrics, Replaced};
use crate::decide::{
    AlertResult, AlertStatus, DeletionResult, Hold, Ignored, PatchResult, RemediationResult, Skip,
    SweepResult, Trigger,
};
use jiff::Timestamp;
use std::time::Duration;

impl Metrics {
    /// Counts an alert.
    pub fn alert(&self, status: AlertStatus, result: AlertResult) {
        self.alerts
            .with_label_values(&[status.as_str(), result.as_str()])
            .inc();
    }

    /// Counts an alert that does not concern us.
    pub fn ignored(&self, reason: Ignored) {
        self.alerts_ignored
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// Counts an answer to a request for `/webhook`, given after `took`.
    pub fn webhook(&self, code: u16, took: Duration) {
        self.webhook_requests
            .with_label_values(&[Code::of(code).as_str()])
            .inc();
        self.webhook_duration.observe(took.as_secs_f64());
    }

    /// Counts a node whose last pod is free or given up, `took` after its trigger.
    pub fn remediation(&self, trigger: Trigger, result: RemediationResult, took: Duration) {
        self.remediations
            .with_label_values(&[trigger.as_str(), result.as_str()])
            .inc();
        self.remediation_duration.observe(took.as_secs_f64());
    }

    /// Counts a replacement that became Ready, `took` after its predecessor's node turned
    /// unreachable.
    pub fn recovery(&self, took: Duration) {
        self.recovery_duration.observe(took.as_secs_f64());
    }

    /// Counts a replacement that is no longer waited for.
    pub fn replaced(&self, result: Replaced) {
        self.replacements
            .with_label_values(&[result.as_str()])
            .inc();
    }

    /// Counts a node that is held, or held for another reason than before.
    pub fn hold(&self, reason: Hold) {
        self.holds.with_label_values(&[reason.as_str()]).inc();
    }

    /// Notes that so many nodes more (or less) are held now for that reason.
    pub fn held(&self, reason: Hold, more: i64) {
        self.held_nodes
            .with_label_values(&[reason.as_str()])
            .add(more);
    }

    /// Counts a selected pod that is left alone.
    pub fn skip(&self, reason: Skip) {
        self.pods_skipped
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// Counts a forced deletion that ended.
    pub fn deletion(&self, result: DeletionResult) {
        self.pod_deletions
            .with_label_values(&[result.as_str()])
            .inc();
    }

    /// Counts a pod whose finalizers were to be cleared.
    pub fn patch(&self, result: PatchResult) {
        self.finalizer_patches
            .with_label_values(&[result.as_str()])
            .inc();
    }

    /// Counts a request to the API, whatever its answer, that took `took`.
    pub fn api_request(&self, call: Call, took: Duration) {
        let labels = [call.verb(), call.resource()];
        self.api_duration
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
    }

    /// Counts a request to the API that failed.
    pub fn api_error(&self, call: Call, reason: ApiErrorReason) {
        let labels = [call.verb(), call.resource(), reason.as_str()];
        self.api_errors.with_label_values(&labels).inc();
    }

    /// Says how many nodes are suspected now.
    pub fn suspected(&self, nodes: usize) {
        self.suspected_nodes.set(whole(nodes));
    }

    /// Says how many nodes are not Ready, as the fleet was last read.
    pub fn unreachable(&self, nodes: usize) {
        self.unreachable_nodes.set(whole(nodes));
    }

    /// Counts a sweep; `ended` when it read every node.
    pub fn sweep(&self, result: SweepResult, ended: Option<Timestamp>) {
        self.sweeps.with_label_values(&[result.as_str()]).inc();
        if let Some(ended) = ended {
            self.last_sweep.set(ended.as_duration().as_secs_f64());
        }
    }

    /// Says how often there is a sweep, if at all.
    pub fn sweep_period(&self, period: Option<Duration>) {
        self.sweep_period
            .set(period.unwrap_or_default().as_secs_f64());
    }

    /// Says whether work is taken in.
    pub fn ready(&self, is_ready: bool) {
        self.ready.set(i64::from(is_ready));
    }

    /// Says how many rights to act are missing.
    pub fn missing_rights(&self, rights: usize) {
        self.missing_rights.set(whole(rights));
    }

    /// Says whether nothing is changed, only judged.
    pub fn dry_run(&self, on: bool) {
        self.dry_run.set(i64::from(on));
    }

    /// Counts a caller that was not let in.
    pub fn auth_failure(&self, reason: AuthFailure) {
        self.auth_failures
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// Says that a web configuration came in force, or, without a time, that the one that is there now
    /// is broken.
    pub fn config_read(&self, in_force: Option<Timestamp>) {
        self.config_good.set(i64::from(in_force.is_some()));
        if let Some(at) = in_force {
            self.config_read.set(at.as_duration().as_secs_f64());
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
