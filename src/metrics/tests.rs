use super::*;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Puts every metric to use once.
fn used() -> Metrics {
    let metrics = Metrics::new();
    let second = Duration::from_secs(1);
    metrics.alert(AlertStatus::Firing, AlertResult::Taken);
    metrics.ignored(Ignored::NoLabel);
    metrics.webhook(202, second);
    metrics.webhook(418, second);
    metrics.remediation(Trigger::Alert, RemediationResult::Freed, second);
    metrics.recovery(second);
    metrics.replaced(Replaced::Late);
    metrics.hold(Hold::StormGuard);
    metrics.held(Hold::StormGuard, 4);
    metrics.held(Hold::StormGuard, -1);
    metrics.held(Hold::NodeReady, 4);
    metrics.skip(Skip::Mirror);
    metrics.deletion(DeletionResult::Deleted);
    metrics.patch(PatchResult::Cleared);
    metrics.api_request(Call::DeletePod, second);
    metrics.api_error(Call::GetLease, ApiErrorReason::Throttled);
    metrics.suspected(3);
    metrics.unreachable(2);
    metrics.sweep(
        SweepResult::Ok,
        Some(Timestamp::from_second(1_700_000_000).expect("a time")),
    );
    metrics.sweep_period(Some(Duration::from_secs(60)));
    metrics.ready(true);
    metrics.missing_rights(2);
    metrics.dry_run(true);
    metrics.auth_failure(AuthFailure::Busy);
    metrics.config_read(Some(Timestamp::from_second(1_600_000_000).expect("a time")));
    metrics.config_read(None);
    metrics
}

/// Name and labels of every series but those of the process, whose values change by themselves.
fn series(text: &str) -> BTreeSet<&str> {
    let own = text.lines().filter(|line| line.starts_with("nodefall_"));
    own.filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series)
        .collect()
}

#[test]
fn every_metric_exists_from_the_start_at_0() {
    let text = Metrics::new().encode();
    for name in [
        r#"nodefall_alerts_total{result="taken",status="firing"}"#,
        r#"nodefall_alerts_ignored_total{reason="alert_name"}"#,
        r#"nodefall_webhook_requests_total{code="401"}"#,
        r#"nodefall_webhook_requests_total{code="other"}"#,
        "nodefall_webhook_request_duration_seconds_count",
        r#"nodefall_remediations_total{result="protected_finalizer",trigger="sweep"}"#,
        r#"nodefall_holds_total{reason="slow_api"}"#,
        r#"nodefall_held_nodes{reason="storm_guard"}"#,
        r#"nodefall_pods_skipped_total{reason="mirror"}"#,
        r#"nodefall_pod_deletions_total{result="failed"}"#,
        r#"nodefall_finalizer_patches_total{result="cleared"}"#,
        "nodefall_remediation_duration_seconds_count",
        "nodefall_recovery_duration_seconds_count",
        r#"nodefall_replacements_total{result="late"}"#,
        r#"nodefall_api_request_duration_seconds_count{resource="pods",verb="patch"}"#,
        r#"nodefall_api_errors_total{reason="timeout",resource="leases",verb="get"}"#,
        "nodefall_suspected_nodes",
        "nodefall_unreachable_nodes",
        "nodefall_last_sweep_timestamp_seconds",
        "nodefall_sweep_period_seconds",
        "nodefall_ready",
        "nodefall_missing_rights",
        r#"nodefall_sweeps_total{result="skipped"}"#,
        "nodefall_dry_run",
        r#"nodefall_auth_failures_total{reason="unavailable"}"#,
        "nodefall_config_last_reload_success_timestamp_seconds",
    ] {
        assert!(
            text.lines().any(|line| line == format!("{name} 0")),
            "{name} is missing:\n{text}"
        );
    }
    // Without such a file nothing is broken.
    assert!(text.contains("nodefall_config_last_reload_successful 1\n"));
    let build = format!(
        r#"nodefall_build_info{{revision="{}",version="{}"}} 1"#,
        crate::REVISION,
        crate::VERSION
    );
    assert!(text.contains(&build), "{text}");
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(
            text.lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
}

#[test]
fn use_adds_no_series() {
    let (fresh, used) = (Metrics::new().encode(), used().encode());
    assert_eq!(series(&fresh), series(&used));
}

#[test]
fn what_is_counted_is_shown() {
    let text = used().encode();
    for line in [
        r#"nodefall_alerts_total{result="taken",status="firing"} 1"#,
        r#"nodefall_alerts_ignored_total{reason="no_label"} 1"#,
        r#"nodefall_webhook_requests_total{code="202"} 1"#,
        r#"nodefall_webhook_requests_total{code="other"} 1"#,
        "nodefall_webhook_request_duration_seconds_count 2",
        r#"nodefall_remediations_total{result="freed",trigger="alert"} 1"#,
        "nodefall_remediation_duration_seconds_sum 1",
        "nodefall_recovery_duration_seconds_sum 1",
        r#"nodefall_replacements_total{result="late"} 1"#,
        r#"nodefall_holds_total{reason="storm_guard"} 1"#,
        r#"nodefall_held_nodes{reason="storm_guard"} 3"#,
        r#"nodefall_held_nodes{reason="node_ready"} 4"#,
        r#"nodefall_pods_skipped_total{reason="mirror"} 1"#,
        r#"nodefall_pod_deletions_total{result="deleted"} 1"#,
        r#"nodefall_finalizer_patches_total{result="cleared"} 1"#,
        r#"nodefall_api_request_duration_seconds_sum{resource="pods",verb="delete"} 1"#,
        r#"nodefall_api_errors_total{reason="throttled",resource="leases",verb="get"} 1"#,
        "nodefall_suspected_nodes 3",
        "nodefall_unreachable_nodes 2",
        "nodefall_last_sweep_timestamp_seconds 1700000000",
        "nodefall_sweep_period_seconds 60",
        r#"nodefall_sweeps_total{result="ok"} 1"#,
        "nodefall_ready 1",
        "nodefall_missing_rights 2",
        "nodefall_dry_run 1",
        r#"nodefall_auth_failures_total{reason="busy"} 1"#,
        "nodefall_config_last_reload_successful 0",
        "nodefall_config_last_reload_success_timestamp_seconds 1600000000",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing:\n{text}"
        );
    }
}

#[test]
fn a_sweep_that_did_not_read_the_fleet_leaves_the_last_time() {
    let metrics = used();
    metrics.sweep(SweepResult::Failed, None);
    assert!(
        metrics
            .encode()
            .contains("nodefall_last_sweep_timestamp_seconds 1700000000\n")
    );
}

#[test]
fn a_clone_counts_into_the_same_metrics_and_a_second_program_into_its_own() {
    let (metrics, other) = (Metrics::new(), Metrics::new());
    metrics.clone().suspected(5);
    assert!(metrics.encode().contains("nodefall_suspected_nodes 5\n"));
    assert!(other.encode().contains("nodefall_suspected_nodes 0\n"));
}

#[test]
fn promtool_has_nothing_to_say() {
    for text in [Metrics::new().encode(), used().encode()] {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is missing: .ci/setup installs it");
        let mut stdin = promtool.stdin.take().expect("a pipe");
        stdin
            .write_all(text.as_bytes())
            .expect("promtool reads all of it");
        drop(stdin);
        let output = promtool.wait_with_output().expect("promtool ends");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success() && said.is_empty(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
}

#[test]
fn the_readme_names_every_metric() {
    let readme = include_str!("../../README.md");
    let text = used().encode();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let families = families.filter_map(|line| line.split(' ').next());
    for name in families.filter(|name| name.starts_with("nodefall_")) {
        assert!(readme.contains(&format!("`{name}")), "{name} is missing");
    }
}

#[test]
fn the_safety_page_explains_every_hold() {
    let page = include_str!("../../docs/safety.md");
    for hold in Hold::ALL {
        assert!(page.contains(&format!("`{hold}`")), "{hold} is missing");
    }
}
