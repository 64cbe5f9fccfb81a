//! The cluster, the program that guards it, and which nodes are lost for what.

use crate::api::{AGENT, Api, Seen};
use jiff::Timestamp;
use nodefall::demo::audit::Entry;
use nodefall::demo::objects::{has_unreachable_taint, is_pod_ready};
use nodefall::demo::world::key;
use nodefall::demo::{Constants, Layout, Plan};
use nodefall_testbed::process::{Scratch, eventually, say};
use nodefall_testbed::receiver::Receiver;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The nodes of the cluster, ten pods on each.
pub const NODES: usize = 5000;

/// So many of them carry one pod of Prometheus and one of Alertmanager, which Nodefall is told of.
const WATCHED: usize = 1000;

/// Those that are lost from the start; each of the alerts about them is a genuine one.
const SPARE: Range<usize> = 41..80;

/// One more of these, whose alert is sent where no other is.
pub const KNOWN: usize = 80;

/// How long the simulated control plane may take for what it does to a thousand nodes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster and its Nodefall.
pub struct Town {
    /// The simulated cluster.
    pub api: Api,
    /// The released program.
    pub receiver: Receiver,
    _scratch: Scratch,
}

/// Kubernetes' delays, shortened so that a hundred nodes are tainted within seconds and not within
/// 17 minutes; nothing is evicted.
fn impatient() -> Constants {
    Constants {
        start: Timestamp::now(),
        lease_duration: Duration::from_secs(8),
        renew_interval: Duration::from_secs(3),
        node_ready_delay: Duration::from_secs(1),
        monitor_period: Duration::from_secs(1),
        grace_period: Duration::from_secs(10),
        taint_interval: Duration::from_millis(20),
        toleration: Duration::from_secs(3600),
        pod_start: Duration::from_millis(500),
        ..Constants::default()
    }
}

/// 50,000 pods: 20,000 of DaemonSets, 28,000 of Deployments, 2,000 of the watched StatefulSets.
fn layout() -> Layout {
    let watched = |name: &str| {
        let plan = Plan::new("monitoring", name).parallel();
        plan.replicas(WATCHED as i32)
    };
    let layout = Layout::nodes(NODES)
        .statefulset(watched("prometheus-k8s"))
        .statefulset(watched("alertmanager-main"));
    let layout = (1..=4).fold(layout, |layout, number| {
        layout.daemonset(Plan::new("kube-system", &format!("agent-{number}")))
    });
    (1..=28).fold(layout, |layout, number| {
        layout.replicaset(Plan::new("shop", &format!("web-{number}")).replicas(1000))
    })
}

pub fn node(number: usize) -> String {
    format!("node-{number}")
}

impl Town {
    /// Builds the cluster, cuts the power of the spare nodes, and starts the program.
    pub fn build(binary: &str) -> Self {
        let began = Instant::now();
        let api = Api::start(impatient(), &layout());
        let pods = api.cluster.edit(|world| world.pods.len());
        let scratch = Scratch::new();
        let kubeconfig = api.kubeconfig(&scratch);
        let options = ["--period=5s"];
        let receiver = Receiver::start(binary, &scratch, "nodefall", &kubeconfig, &options);
        let town = Self {
            api,
            receiver: receiver.ready(),
            _scratch: scratch,
        };
        town.lose(SPARE.start..KNOWN + 1);
        let took = began.elapsed().as_secs_f64();
        say(&format!("{NODES} nodes and {pods} pods, after {took:.1} s"));
        town
    }

    /// The process id of the program.
    pub fn process(&self) -> u32 {
        self.receiver.process.id()
    }

    /// Cuts the power of these nodes and waits until Kubernetes has seen it.
    pub fn lose(&self, nodes: Range<usize>) {
        for number in nodes.clone() {
            self.api.cluster.cut_power(&node(number));
        }
        self.tainted(nodes);
    }

    /// Waits until these nodes are tainted and their watched pods are not Ready.
    pub fn tainted(&self, nodes: Range<usize>) {
        eventually("the nodes are tainted", PATIENCE, || {
            let tainted = self.api.cluster.edit(|world| {
                nodes.clone().all(|number| {
                    let name = node(number);
                    let tainted = has_unreachable_taint(&world.nodes[&key("", &name)]);
                    let pods = world.pods_on(&name);
                    tainted && !pods.iter().any(|at| is_pod_ready(&world.pods[at]))
                })
            });
            std::thread::sleep(Duration::from_millis(100));
            tainted.then_some(())
        });
    }

    /// The watched pods of that node, by name.
    pub fn watched(&self, number: usize) -> Vec<(String, Seen)> {
        ["prometheus-k8s", "alertmanager-main"]
            .map(|set| format!("{set}-{}", number - 1))
            .into_iter()
            .map(|name| {
                let pod = self.api.pod(&name).expect("a watched pod");
                (name, pod)
            })
            .collect()
    }

    /// Waits until each of these pods is another one, Ready and elsewhere; says how many are not, and
    /// shows what is known of their nodes.
    pub fn not_replaced(&self, pods: &[(String, Seen)], patience: Duration) -> usize {
        let began = Instant::now();
        loop {
            let left = pods.iter().filter(|(name, old)| {
                let new = self.api.pod(name);
                !new.is_some_and(|new| new.uid != old.uid && new.node != old.node && new.ready)
            });
            let left: Vec<_> = left.collect();
            if left.is_empty() || began.elapsed() > patience {
                for (name, old) in &left {
                    let page = format!("/api/v1/remediations?node={}", old.node);
                    let known = self.receiver.get(&page).body;
                    say(&format!(
                        "    not replaced: {name}, {old:?}, {:?}: {known}",
                        self.api.pod(name)
                    ));
                }
                return left.len();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many entries of the audit log since `from` are the program's and fit.
    pub fn asked(&self, from: Timestamp, fits: impl Fn(&Entry) -> bool) -> usize {
        self.api.cluster.edit(|world| {
            let late = world
                .audit
                .iter()
                .rev()
                .take_while(|entry| entry.at >= from);
            late.filter(|entry| entry.user_agent == AGENT && fits(entry))
                .count()
        })
    }

    /// How often it has swept.
    pub fn sweeps(&self) -> f64 {
        let count = |result: &str| {
            let series = format!(r#"nodefall_sweeps_total{{result="{result}"}}"#);
            self.receiver.metric(&series)
        };
        count("ok") + count("held")
    }
}

/// A request that deletes or changes a pod.
pub fn is_destructive(entry: &Entry) -> bool {
    entry.resource == "pods" && entry.is_write()
}

/// Hands out spare nodes, each once.
pub struct Spare(Range<usize>);

impl Default for Spare {
    fn default() -> Self {
        Self(SPARE)
    }
}

impl Spare {
    pub fn take(&mut self, count: usize) -> Vec<usize> {
        let taken: Vec<_> = self.0.by_ref().take(count).collect();
        assert_eq!(taken.len(), count, "more spare nodes are needed");
        taken
    }
}
