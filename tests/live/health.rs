//! Each alert about Nodefall itself is provoked, and seen to fire in a real Prometheus: a simulated
//! cluster and a receiver for each thing that goes wrong, and one where all goes well.

use crate::api::{Api, LOST, NO_EVICTION, quick};
use jiff::ToSpan;
use k8s_openapi::api::core::v1::Node;
use nodefall::demo::world::key;
use nodefall::demo::{Layout, Plan};
use nodefall_testbed::http;
use nodefall_testbed::monitoring::Prometheus;
use nodefall_testbed::process::{PATIENCE, Scratch, eventually, say};
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::tools::repository;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// For eight clusters on a busy machine.
const SLOW: Duration = Duration::from_secs(90);

const POD: &str = "prometheus-k8s-0";

/// Cluster, alert, severity.
type Firing = BTreeSet<(String, String, String)>;

/// The web configuration that breaks.
const WEB: &str = "web.yml";

/// What goes wrong, and which alerts are to fire of it.
const EXPECTED: [(&str, &[(&str, &str)]); 8] = [
    ("well", &[]),
    (
        "unready",
        &[
            // All of them, and each.
            ("NodefallNotReady", "critical"),
            ("NodefallNotReady", "warning"),
        ],
    ),
    (
        "refused",
        &[
            ("NodefallRightsMissing", "critical"),
            ("NodefallRemediationFailed", "critical"),
            // Between two tries.
            ("NodefallHolding", "critical"),
            ("NodefallApiErrors", "warning"),
        ],
    ),
    (
        "away",
        &[
            ("NodefallApiErrors", "warning"),
            ("NodefallSweepLate", "warning"),
        ],
    ),
    ("storm", &[("NodefallHolding", "critical")]),
    (
        "untold",
        &[
            ("NodefallNotTold", "critical"),
            // Kubernetes has not evicted the pods.
            ("NodefallHolding", "warning"),
        ],
    ),
    ("slow", &[("NodefallRecoverySlow", "warning")]),
    (
        "dry",
        &[
            ("NodefallDryRun", "warning"),
            ("NodefallConfigBroken", "warning"),
            ("NodefallAlertsIgnored", "warning"),
        ],
    ),
];

/// A receiver and its cluster, which Prometheus knows by the scene's name.
struct Scene {
    name: &'static str,
    api: Api,
    receiver: Receiver,
    _scratch: Scratch,
}

impl Scene {
    fn new(name: &'static str, options: &[&str], denied: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let prometheus = Plan::new("monitoring", "prometheus-k8s");
        let layout = Layout::nodes(3).statefulset(prometheus);
        let api = Api::start(quick(NO_EVICTION), &layout);
        for (verb, resource) in denied {
            api.cluster.deny_access(verb, resource);
        }
        let kubeconfig = api.kubeconfig(&scratch);
        let binary = env!("CARGO_BIN_EXE_nodefall");
        let receiver = Receiver::start(binary, &scratch, name, &kubeconfig, options);
        Self {
            name,
            api,
            receiver,
            _scratch: scratch,
        }
    }

    /// Loses the node, tells the receiver, and waits for the pod's replacement.
    fn recover(&self) {
        let old = self.api.pod(POD).expect("a pod");
        self.api.lose(LOST);
        assert_eq!(self.receiver.alert(LOST).status, 202);
        self.api.replaced(POD, &old);
    }
}

/// A shipped rule file that waits for nothing: no other value of it differs.
fn impatient(scratch: &Scratch, name: &str) -> String {
    let shipped = std::fs::read_to_string(repository(&format!("rules/{name}"))).expect("rules");
    let mut quick = String::new();
    for line in shipped.lines() {
        let (indent, words) = line.split_at(line.len() - line.trim_start().len());
        let words = match words.split_once(": ") {
            Some((wait @ ("for" | "interval"), _)) => format!("{wait}: 1s"),
            // The minute that a sweep may be late beside its own period.
            _ => words.replace("sweep_period_seconds + 60", "sweep_period_seconds + 1"),
        };
        // Writing to a String does not fail.
        let _ = writeln!(quick, "{indent}{words}");
    }
    let path = scratch.write(name, &quick);
    format!("'{}'", path.display())
}

fn watch(scratch: &Scratch, scenes: &[Scene]) -> Prometheus {
    let rules = ["nodefall.rules.yml", "nodefall-health.rules.yml"];
    let rules = rules.map(|name| impatient(scratch, name)).join(", ");
    let target = |scene: &Scene, address| {
        let name = scene.name;
        format!("{{targets: ['{address}'], labels: {{cluster: {name}}}}}")
    };
    let receivers: Vec<_> = scenes
        .iter()
        .map(|s| target(s, s.receiver.address))
        .collect();
    // Of the others nothing about nodes is known to Prometheus.
    let nodes = scenes
        .iter()
        .filter(|s| matches!(s.name, "well" | "untold"));
    let nodes: Vec<_> = nodes.map(|s| target(s, s.api.address)).collect();
    let (receivers, nodes) = (receivers.join(", "), nodes.join(", "));
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: [{rules}]\n\
         scrape_configs:\n\
         - {{job_name: kube-state-metrics, static_configs: [{nodes}]}}\n\
         - {{job_name: nodefall, static_configs: [{receivers}]}}\n"
    );
    Prometheus::start(scratch, &config)
}

/// What fires of the alerts about Nodefall.
fn firing(prometheus: &Prometheus) -> Option<Firing> {
    let mut firing = Firing::new();
    for alert in prometheus.alerts()? {
        let label = |name: &str| alert["labels"][name].as_str().unwrap_or("").to_owned();
        if label("alertname").starts_with("Nodefall") && alert["state"] == "firing" {
            firing.insert((label("cluster"), label("alertname"), label("severity")));
        }
    }
    Some(firing)
}

fn expected() -> Firing {
    let alerts = |(cluster, alerts): (&str, &'static [(&str, &str)])| {
        let cluster = cluster.to_owned();
        alerts
            .iter()
            .map(move |(alert, severity)| (cluster.clone(), (*alert).into(), (*severity).into()))
    };
    EXPECTED.into_iter().flat_map(alerts).collect()
}

/// Waits until just these fire.
fn fire(prometheus: &Prometheus, expected: &Firing) {
    let mut last = Firing::new();
    let began = Instant::now();
    while began.elapsed() < SLOW {
        last = firing(prometheus).unwrap_or_default();
        if last == *expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let missing: Vec<_> = expected.difference(&last).collect();
    let more: Vec<_> = last.difference(expected).collect();
    panic!("do not fire: {missing:?}; fire for no reason: {more:?}");
}

/// Those of the shipped file, but for the one that fires where there is no receiver at all.
fn shipped() -> BTreeSet<String> {
    let path = repository("rules/nodefall-health.rules.yml");
    let text = std::fs::read_to_string(path).expect("rules");
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

fn go_wrong(scenes: &mut [Scene]) {
    for scene in scenes {
        match scene.name {
            "well" => scene.recover(),
            "refused" => {
                scene.api.lose(LOST);
                assert_eq!(scene.receiver.alert(LOST).status, 202);
            }
            "away" => scene.api.close(),
            "storm" => {
                scene.api.lose(LOST);
                scene.api.lose("node-2");
            }
            "untold" => scene.api.lose(LOST),
            "slow" => {
                let old = scene.api.pod(POD).expect("a pod");
                scene.api.lose(LOST);
                // As if nobody had looked at it for a long time.
                scene.api.cluster.edit(|world| {
                    world.update(&key("", LOST), "kubectl", |node: &mut Node| {
                        let status = node.status.get_or_insert_default();
                        for condition in status.conditions.iter_mut().flatten() {
                            if let Some(since) = &mut condition.last_transition_time {
                                since.0 -= 20.minutes();
                            }
                        }
                    });
                });
                assert_eq!(scene.receiver.alert(LOST).status, 202);
                scene.api.replaced(POD, &old);
            }
            "dry" => {
                let alert = json!({"status": "firing", "labels": {"alertname": "Watchdog"}});
                let body = json!({"version": "4", "alerts": [alert]}).to_string();
                let address = scene.receiver.address;
                let answer = http::post(address, "application/json", &body).expect("an answer");
                assert_eq!(answer.status, 200);
            }
            _ => {}
        }
    }
}

#[test]
fn each_alert_about_nodefall_fires_when_it_should_and_only_then() {
    let started = Instant::now();
    let scratch = Scratch::new();
    let web = format!(
        "--web.config.file={}",
        scratch.write(WEB, "# open\n").display()
    );
    let mut scenes = EXPECTED.map(|(name, _)| match name {
        "unready" => Scene::new(name, &["--period=1s"], &[("list", "nodes")]),
        "refused" => Scene::new(name, &["--period=0"], &[("delete", "pods")]),
        "slow" => Scene::new(name, &["--period=0"], &[]),
        "dry" => Scene::new(name, &["--period=1s", "--dry-run", &web], &[]),
        _ => Scene::new(name, &["--period=1s"], &[]),
    });
    let prometheus = watch(&scratch, &scenes);
    eventually("Prometheus sees all work", PATIENCE, || {
        let ready = "sum(nodefall_ready == bool 1) / 7 * (count(nodefall_build_info) == bool 8)";
        (prometheus.query(ready)? == 1.0).then_some(())
    });
    scratch.write(WEB, "half: ");
    go_wrong(&mut scenes);
    let wanted = expected();
    fire(&prometheus, &wanted);
    let took = started.elapsed().as_secs_f64();
    say(&format!(
        "alerts about Nodefall: {} fire after {took:.1} s",
        wanted.len()
    ));
    let mut seen: BTreeSet<_> = wanted.into_iter().map(|(_, alert, _)| alert).collect();
    assert!(seen.insert("NodefallAbsent".to_owned()));
    assert_eq!(seen, shipped());
    // All of them end.
    drop(scenes);
    eventually("the absence is told", SLOW, || {
        let absent = ("", "NodefallAbsent", "critical");
        let absent = (absent.0.into(), absent.1.into(), absent.2.into());
        firing(&prometheus)?.contains(&absent).then_some(())
    });
}
