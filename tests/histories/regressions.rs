//! Histories that once went wrong, each in the fewest words that show it.

use crate::act::Act;
use crate::config::{Bound, Config, Spelling};
use crate::draw::History;
use crate::oracle::judge;
use crate::play::play;
use crate::sender::Alerting;
use jiff::SignedDuration;
use nodefall::demo::{Layout, Plan};
use std::time::Duration;

/// The stock options for the Prometheus of a small cluster, and a monitoring that works.
pub fn calm() -> History {
    let layout = Layout::nodes(3).statefulset(Plan::new("monitoring", "prometheus-k8s"));
    let secs = Duration::from_secs;
    History {
        seed: 0,
        layout,
        config: Config {
            names: vec![("monitoring", "prometheus-k8s")],
            bound: Bound::Percent(49),
            period: Some(secs(60)),
            unreachable_for: None,
            delete_timeout: secs(10),
            patch_interval: Duration::from_millis(500),
            patch_timeout: secs(10),
            alert_name: "KubeNodeNotReady",
            node_label: "node",
            cluster: None,
            dry_run: false,
            spelling: Spelling::OneByOne,
        },
        replicas: 1,
        skew: SignedDuration::ZERO,
        alerting: Alerting::Reliable,
        acts: Vec::new(),
        idles: false,
    }
}

/// What happens to the first node, where the Prometheus is, at which second.
fn check(plan: Plan, acts: &[(u64, Act)]) {
    let mut history = calm();
    history.layout = Layout::nodes(3).statefulset(plan);
    history.acts = acts
        .iter()
        .map(|(at, act)| (Duration::from_secs(*at), act.clone()))
        .collect();
    let record = play(&history, true);
    let judgement = judge(&record);
    let lines: Vec<_> = record.lines.iter().map(|line| line.text.as_str()).collect();
    assert!(
        judgement.findings.is_empty(),
        "{:?}\n{}",
        judgement.findings,
        lines.join("\n")
    );
    assert!(
        record.left.iter().all(|left| left.excuse.is_some()),
        "{:?}",
        record.left
    );
}

fn power(on: bool) -> Act {
    Act::Power("node-1".to_owned(), on)
}

fn delete(force: bool) -> Act {
    Act::Delete {
        namespace: "monitoring".to_owned(),
        pod: "prometheus-k8s-0".to_owned(),
        force,
    }
}

/// A pod that only a protected finalizer kept was deleted by force once more when its node was lost
/// a second time.
#[test]
fn a_node_that_is_lost_twice_does_not_have_its_pod_deleted_twice() {
    let plan =
        Plan::new("monitoring", "prometheus-k8s").finalizer("batch.kubernetes.io/job-tracking");
    let lost = (0, power(false));
    check(plan, &[lost, (100, power(true)), (200, power(false))]);
}

/// A pod that had stopped in order while a finalizer kept it reads Succeeded, not Failed, when its
/// Node is removed; the sweep asked for Failed alone.
#[test]
fn a_stopped_pod_of_a_removed_node_is_found_by_the_sweep() {
    let plan = Plan::new("monitoring", "prometheus-k8s").finalizer("example.com/keep");
    let removed = Act::DeleteNode("node-1".to_owned());
    check(
        plan,
        &[(0, delete(false)), (30, power(false)), (40, removed)],
    );
}
