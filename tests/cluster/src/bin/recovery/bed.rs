//! The cluster on which all roads are taken side by side.

use crate::roads::{Means, ROADS, Road};
use crate::volumes;
use jiff::Timestamp;
use nodefall_testbed::cluster::Cluster;
use nodefall_testbed::monitoring::{Stack, Targets};
use nodefall_testbed::process::{PATIENCE, Scratch, eventually};
use nodefall_testbed::profile::Profile;
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::state_metrics;
use nodefall_testbed::tools::repository;
use nodefall_testbed::workload::{NAMESPACE, Pod, Workload};
use serde_json::{Value, json};

/// As `kubectl taint` wants it, from the documentation of the non-graceful node shutdown.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";

/// All that runs. What asks the API server ends before it.
pub struct Bed {
    _stack: Stack,
    alert: Receiver,
    sweeps: Vec<(&'static str, Receiver)>,
    /// The cluster, with Kubernetes' own timings.
    pub cluster: Cluster,
    _scratch: Scratch,
}

impl Bed {
    /// Starts everything; each road's pod is Ready when this returns.
    pub fn start(program: &str) -> Self {
        let mut cluster = Cluster::start(Profile::STOCK, &[]);
        volumes::install(&cluster.client);
        for road in &ROADS {
            for node in road.nodes() {
                cluster.add_node(&node, &road.zone());
                volumes::register(&cluster.client, &node);
            }
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE}});
        cluster.client.create("/api/v1/namespaces", &namespace);
        let manifests = repository("manifests").display().to_string();
        cluster.kubectl(&["apply", "-k", &manifests]);
        // This process starts Nodefall itself: pods of it run nothing, and would only be lost too.
        let nobody = ["scale", "deployment", "nodefall", "--replicas=0"];
        cluster.kubectl(&[&nobody[..], &["--namespace", NAMESPACE]].concat());
        for road in &ROADS {
            stateful_set(&cluster, road).create(&cluster.client);
        }
        for road in &ROADS {
            settled(&cluster, road);
        }
        let scratch = Scratch::new();
        let start = |name: &str, options: &[String]| {
            let kubeconfig = cluster.kubeconfig(&scratch, &format!("{name}.kubeconfig"));
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            Receiver::start_for(program, &scratch, name, &kubeconfig, &options).ready()
        };
        let mut alerted = vec!["--period=0".to_owned()];
        let mut sweeps = Vec::new();
        for road in &ROADS {
            match road.means {
                Means::Kubernetes | Means::Taint => {}
                Means::Alert => alerted.push(road.option()),
                Means::Sweep(options) => {
                    let mut options: Vec<_> = options.iter().map(ToString::to_string).collect();
                    options.push(road.option());
                    sweeps.push((road.name, start(road.name, &options)));
                }
            }
        }
        let alert = start("nodefall", &alerted);
        let targets = Targets {
            state_metrics: state_metrics::serve(&cluster.client),
            receiver: alert.address,
            scrape_interval: "15s",
        };
        Self {
            _stack: Stack::start(&scratch, &targets),
            alert,
            sweeps,
            cluster,
            _scratch: scratch,
        }
    }

    /// A road's pod, Ready, and nothing of an older one.
    pub fn pod(&self, road: &Road) -> Pod {
        settled(&self.cluster, road)
    }

    /// Puts the out-of-service taint on a node, as a person would.
    pub fn put_taint(&self, node: &str) {
        self.cluster
            .kubectl(&["taint", "nodes", node, OUT_OF_SERVICE]);
    }

    /// Gives nodes their power back, with what a person and a kubelet do then.
    pub fn restore(&mut self, lost: &[(&Road, &str)]) {
        for (road, node) in lost {
            volumes::release(&self.cluster.client, node);
            self.cluster.give_power(node);
            if road.means == Means::Taint {
                let off = format!("{OUT_OF_SERVICE}-");
                self.cluster.kubectl(&["taint", "nodes", node, &off]);
            }
        }
        for (_, node) in lost {
            self.cluster.is_back(node);
        }
    }

    /// When the Nodefall of that road first logged that message about a node since then.
    pub fn logged(
        &self,
        road: &Road,
        message: &str,
        node: &str,
        since: Timestamp,
    ) -> Option<Timestamp> {
        let receiver = match road.means {
            Means::Kubernetes | Means::Taint => return None,
            Means::Alert => &self.alert,
            Means::Sweep(_) => &self.sweeps.iter().find(|(name, _)| *name == road.name)?.1,
        };
        receiver.process.log().lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let at: Timestamp = line["timestamp"].as_str()?.parse().ok()?;
            (line["message"] == message && line["node"] == node && at >= since).then_some(at)
        })
    }
}

fn stateful_set(cluster: &Cluster, road: &Road) -> Workload {
    let zone = json!({"topology.kubernetes.io/zone": road.zone()});
    let set = Workload::stateful_set(road.name).pod("nodeSelector", zone);
    if road.volume {
        volumes::mount(&cluster.client, road, set)
    } else {
        set
    }
}

fn settled(cluster: &Cluster, road: &Road) -> Pod {
    eventually(&format!("{} runs", road.pod()), PATIENCE, || {
        let pod = cluster.pod(&road.pod())?;
        (pod.ready && !pod.terminating && cluster.is_ready(&pod.node)).then_some(pod)
    })
}
