//! From a node's silence to its pods elsewhere, told by a real Prometheus and a real Alertmanager
//! with the shipped rule and configuration.

use crate::api::{Api, LOST, NO_EVICTION, quick};
use nodefall::demo::Layout;
use nodefall::demo::faults::{Effect, Fault};
use nodefall_testbed::monitoring::{Stack, Targets};
use nodefall_testbed::process::{PATIENCE, Scratch, eventually, say};
use nodefall_testbed::receiver::Receiver;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// The rule needs up to two evaluations, 15 s apart; the rest is for a busy machine.
const FIRING: Duration = Duration::from_secs(75);

/// Alertmanager sends the end of an alert with the group's next flush, 30 s after the last one.
const RESOLVED: Duration = Duration::from_secs(90);

/// A cluster, a receiver without its sweep, Prometheus and Alertmanager, and a stop watch.
struct Scene {
    stack: Stack,
    receiver: Receiver,
    api: Api,
    _scratch: Scratch,
    started: Instant,
    story: String,
}

impl Scene {
    fn new(name: &str) -> Self {
        let started = Instant::now();
        let scratch = Scratch::new();
        let api = Api::start(quick(NO_EVICTION), &Layout::kube_prometheus());
        let kubeconfig = api.kubeconfig(&scratch);
        let binary = env!("CARGO_BIN_EXE_nodefall");
        let receiver = Receiver::start(binary, &scratch, "nodefall", &kubeconfig, &["--period=0"]);
        let receiver = receiver.ready();
        let targets = Targets {
            state_metrics: api.address,
            receiver: receiver.address,
            scrape_interval: "1s",
        };
        let stack = Stack::start(&scratch, &targets);
        eventually(
            "Prometheus knows the node and the receiver",
            PATIENCE,
            || {
                let node = format!(
                    r#"kube_node_status_condition{{job="kube-state-metrics",node="{LOST}",status="true"}}"#
                );
                let counters = r#"nodefall_remediations_total{trigger="alert",result="freed"}"#;
                (stack.query(&node)? == 1.0 && stack.query(counters)? == 0.0).then_some(())
            },
        );
        let mut scene = Self {
            stack,
            receiver,
            api,
            _scratch: scratch,
            started,
            story: format!("{name}:"),
        };
        scene.note("all run");
        scene
    }

    /// Notes how long it took up to here.
    fn note(&mut self, what: &str) {
        // Writing to a String does not fail.
        let _ = write!(
            self.story,
            " {what} {:.1} s;",
            self.started.elapsed().as_secs_f64()
        );
    }

    /// Waits until Alertmanager told the receiver of the node.
    fn told(&mut self) {
        eventually("the rule fires", FIRING, || {
            (self.stack.alert(LOST)? == "firing").then_some(())
        });
        self.note("the rule fires");
        let taken = r#"nodefall_alerts_total{result="taken",status="firing"}"#;
        eventually("the receiver takes the alert", PATIENCE, || {
            (self.receiver.metric(taken) == 1.0).then_some(())
        });
        self.note("told");
        assert!(self.stack.notifications().is_some_and(|sent| sent >= 1.0));
    }

    /// Waits until Prometheus has scraped that value of a counter of the receiver.
    fn scraped(&self, series: &str, value: f64) {
        eventually(
            &format!("Prometheus reads {series} = {value}"),
            PATIENCE,
            || (self.stack.query(series)? == value).then_some(()),
        );
    }
}

#[test]
fn a_lost_node_is_told_by_prometheus_and_its_pods_run_elsewhere() {
    let mut scene = Scene::new("a lost node");
    let names = ["alertmanager-main-0", "prometheus-k8s-0"];
    let lost = names.map(|name| scene.api.pod(name).expect("a pod"));
    assert!(lost.iter().all(|pod| pod.node == LOST && pod.ready));
    scene.api.lose(LOST);
    scene.note("Unknown");
    scene.told();
    for (name, old) in names.iter().zip(&lost) {
        scene.api.replaced(name, old);
    }
    scene.note("replaced");
    scene.scraped(
        r#"nodefall_remediations_total{trigger="alert",result="freed"}"#,
        1.0,
    );
    scene.scraped("nodefall_recovery_duration_seconds_count", 2.0);
    scene.scraped(r#"nodefall_pod_deletions_total{result="deleted"}"#, 2.0);
    scene.scraped(r#"nodefall_webhook_requests_total{code="202"}"#, 1.0);
    scene.note("scraped");
    // Nothing else on that node was touched: its DaemonSet's pods, bare pod, ReplicaSets' pods.
    let mut touched = scene.api.destructive();
    touched.sort();
    let deleted = names.iter().zip(&lost);
    let deleted: Vec<_> = deleted
        .map(|(name, old)| ("delete", (*name).to_owned(), old.uid.clone()))
        .collect();
    assert_eq!(touched, deleted);
    say(&scene.story);
}

#[test]
fn a_node_that_is_back_before_it_could_be_judged_loses_nothing() {
    let mut scene = Scene::new("a node that is back");
    let names = ["alertmanager-main-0", "prometheus-k8s-0"];
    let before = names.map(|name| scene.api.pod(name).expect("a pod").uid);
    scene.api.lose(LOST);
    scene.note("Unknown");
    // All that keeps the receiver from acting: the test above is the same without it.
    let trouble = Effect::Status {
        code: 503,
        retry_after: None,
    };
    scene
        .api
        .cluster
        .inject(Fault::new(trouble).verb("get").resource("nodes"));
    scene.told();
    eventually("held", PATIENCE, || {
        let held = r#"nodefall_held_nodes{reason="api_error"}"#;
        (scene.receiver.metric(held) == 1.0).then_some(())
    });
    scene.api.cluster.give_power(LOST);
    eventually("the node is Ready", PATIENCE, || {
        scene.api.is_ready(LOST).then_some(())
    });
    scene.note("Ready");
    scene.api.cluster.clear_faults();
    let resolved = r#"nodefall_alerts_total{result="resolved",status="resolved"}"#;
    eventually("the end of the alert is told", RESOLVED, || {
        (scene.receiver.metric(resolved) == 1.0).then_some(())
    });
    scene.note("resolved");
    scene.scraped(
        r#"nodefall_alerts_total{status="resolved",result="resolved"}"#,
        1.0,
    );
    scene.scraped("nodefall_suspected_nodes", 0.0);
    assert_eq!(
        scene
            .receiver
            .metric(r#"nodefall_holds_total{reason="node_ready"}"#),
        1.0
    );
    assert_eq!(scene.api.destructive(), []);
    assert_eq!(
        names.map(|name| scene.api.pod(name).expect("a pod").uid),
        before
    );
    say(&scene.story);
}
