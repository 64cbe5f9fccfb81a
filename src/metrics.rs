//! Every metric of the program, in one registry of its own. Labels come from closed sets, so the
//! number of series is bounded, and each of them exists from the start, at 0.

mod count;
mod make;
mod words;
pub use words::{ApiErrorReason, AuthFailure, Call, Replaced};

use crate::decide::{
    AlertResult, AlertStatus, DeletionResult, Hold, Ignored, PatchResult, RemediationResult, Skip,
    SweepResult, Trigger,
};
use make::{counters, gauge, gauges, histogram, register, start};
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};
use words::Code;

/// The media type of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The metrics; a clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    alerts: IntCounterVec,
    alerts_ignored: IntCounterVec,
    webhook_requests: IntCounterVec,
    webhook_duration: Histogram,
    remediations: IntCounterVec,
    remediation_duration: Histogram,
    recovery_duration: Histogram,
    replacements: IntCounterVec,
    holds: IntCounterVec,
    held_nodes: IntGaugeVec,
    pods_skipped: IntCounterVec,
    pod_deletions: IntCounterVec,
    finalizer_patches: IntCounterVec,
    api_duration: HistogramVec,
    api_errors: IntCounterVec,
    suspected_nodes: IntGauge,
    unreachable_nodes: IntGauge,
    last_sweep: Gauge,
    sweep_period: Gauge,
    sweeps: IntCounterVec,
    ready: IntGauge,
    missing_rights: IntGauge,
    dry_run: IntGauge,
    auth_failures: IntCounterVec,
    config_good: IntGauge,
    config_read: Gauge,
}

impl Metrics {
    /// All metrics, at 0, with those of this process and of this build.
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            alerts: counters(
                &registry,
                "nodefall_alerts_total",
                "Alerts received, by their own status and by what became of them.",
                &["status", "result"],
            ),
            alerts_ignored: counters(
                &registry,
                "nodefall_alerts_ignored_total",
                "Alerts that do not concern this program, by why.",
                &["reason"],
            ),
            webhook_requests: counters(
                &registry,
                "nodefall_webhook_requests_total",
                "Answers to requests for /webhook, by HTTP status code.",
                &["code"],
            ),
            webhook_duration: histogram(
                &registry,
                "nodefall_webhook_request_duration_seconds",
                "Time from a request for /webhook to its answer.",
                // A body is read within 10 s, after at most 10 s of waiting for a place.
                &[
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                    20.0,
                ],
            ),
            remediations: counters(
                &registry,
                "nodefall_remediations_total",
                "Nodes whose last selected pod is free or given up, by what set the work going.",
                &["trigger", "result"],
            ),
            remediation_duration: histogram(
                &registry,
                "nodefall_remediation_duration_seconds",
                "Time from a node's trigger until its last selected pod is free or given up.",
                &[
                    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0,
                    300.0, 600.0,
                ],
            ),
            recovery_duration: histogram(
                &registry,
                "nodefall_recovery_duration_seconds",
                "Time from a node turning unreachable until a pod's replacement is Ready.",
                &[
                    1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0,
                    600.0, 1200.0, 1800.0,
                ],
            ),
            replacements: counters(
                &registry,
                "nodefall_replacements_total",
                "Replacements that were waited for, by how that ended.",
                &["result"],
            ),
            holds: counters(
                &registry,
                "nodefall_holds_total",
                "Times a node was held, or the reason for holding it changed.",
                &["reason"],
            ),
            held_nodes: gauges(
                &registry,
                "nodefall_held_nodes",
                "Nodes held now, by reason.",
                &["reason"],
            ),
            pods_skipped: counters(
                &registry,
                "nodefall_pods_skipped_total",
                "Selected pods left alone, once per UID and reason.",
                &["reason"],
            ),
            pod_deletions: counters(
                &registry,
                "nodefall_pod_deletions_total",
                "Forced deletions of pods, by how they ended.",
                &["result"],
            ),
            finalizer_patches: counters(
                &registry,
                "nodefall_finalizer_patches_total",
                "Pods whose finalizers were to be cleared, by how that ended.",
                &["result"],
            ),
            api_duration: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "nodefall_api_request_duration_seconds",
                        "Time that requests to the Kubernetes API took.",
                    )
                    .buckets(vec![
                        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                    ]),
                    &["verb", "resource"],
                ),
            ),
            api_errors: counters(
                &registry,
                "nodefall_api_errors_total",
                "Requests to the Kubernetes API that failed; an expected 404 or 409 is no failure.",
                &["verb", "resource", "reason"],
            ),
            suspected_nodes: gauge(
                &registry,
                "nodefall_suspected_nodes",
                "Nodes that an alert named and that are not cleared of it yet.",
            ),
            unreachable_nodes: gauge(
                &registry,
                "nodefall_unreachable_nodes",
                "Nodes that were not Ready when the fleet was last read.",
            ),
            last_sweep: register(
                &registry,
                Gauge::new(
                    "nodefall_last_sweep_timestamp_seconds",
                    "When the last sweep that read every node ended, in Unix time; 0: none yet.",
                ),
            ),
            sweep_period: register(
                &registry,
                Gauge::new(
                    "nodefall_sweep_period_seconds",
                    "Time between sweeps; 0: the sweep is off.",
                ),
            ),
            sweeps: counters(
                &registry,
                "nodefall_sweeps_total",
                "Sweeps, by what they came to.",
                &["result"],
            ),
            ready: gauge(
                &registry,
                "nodefall_ready",
                "1 when work is taken in: the API server answered, and the rights to look were seen.",
            ),
            missing_rights: gauge(
                &registry,
                "nodefall_missing_rights",
                "Rights to act that the last review did not show, also not by the names of pods.",
            ),
            dry_run: gauge(
                &registry,
                "nodefall_dry_run",
                "1 when nothing is changed, only judged.",
            ),
            auth_failures: counters(
                &registry,
                "nodefall_auth_failures_total",
                "Requests and connections that were not let in, by why.",
                &["reason"],
            ),
            config_good: gauge(
                &registry,
                "nodefall_config_last_reload_successful",
                "0 when what --web.config.file says now is broken, and what it said before is in force.",
            ),
            config_read: register(
                &registry,
                Gauge::new(
                    "nodefall_config_last_reload_success_timestamp_seconds",
                    "When --web.config.file came in force, in Unix time; 0: there is none.",
                ),
            ),
            registry,
        };
        metrics.start_every_series();
        // Also where there is no such file: nothing is broken.
        metrics.config_good.set(1);
        metrics.describe_the_process();
        metrics
    }

    fn start_every_series(&self) {
        for status in AlertStatus::ALL {
            for result in AlertResult::ALL {
                self.alerts
                    .with_label_values(&[status.as_str(), result.as_str()]);
            }
        }
        for trigger in Trigger::ALL {
            for result in RemediationResult::ALL {
                self.remediations
                    .with_label_values(&[trigger.as_str(), result.as_str()]);
            }
        }
        for call in Call::ALL {
            self.api_duration
                .with_label_values(&[call.verb(), call.resource()]);
            for reason in ApiErrorReason::ALL {
                let labels = [call.verb(), call.resource(), reason.as_str()];
                self.api_errors.with_label_values(&labels);
            }
        }
        for hold in Hold::ALL {
            self.held_nodes.with_label_values(&[hold.as_str()]);
        }
        start(&self.holds, Hold::ALL.iter().map(|word| word.as_str()));
        start(
            &self.webhook_requests,
            Code::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.auth_failures,
            AuthFailure::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.alerts_ignored,
            Ignored::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.replacements,
            Replaced::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.pods_skipped,
            Skip::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.pod_deletions,
            DeletionResult::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.finalizer_patches,
            PatchResult::ALL.iter().map(|word| word.as_str()),
        );
        start(
            &self.sweeps,
            SweepResult::ALL.iter().map(|word| word.as_str()),
        );
    }

    fn describe_the_process(&self) {
        let build = gauges(
            &self.registry,
            "nodefall_build_info",
            "1, with the version and the git revision of this build.",
            &["version", "revision"],
        );
        build
            .with_label_values(&[crate::VERSION, crate::REVISION])
            .set(1);
        let pid = std::process::id().cast_signed();
        let process = ProcessCollector::new(pid, "");
        self.registry
            .register(Box::new(process))
            .expect("nothing else is named process_*");
    }

    /// Everything in Prometheus' text format 0.0.4.
    pub fn encode(&self) -> String {
        // Fails only for a family without series, which never is registered here.
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
