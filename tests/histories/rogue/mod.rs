//! The oracle itself: a rogue in Nodefall's place breaks one rule after the other, and must be caught
//! by that rule.

mod acts;
mod ends;
mod noise;
mod truths;

use crate::draw::History;
use crate::oracle::judge;
use crate::oracle::loss::Left;
use crate::record::Record;
use crate::regressions::calm;
use crate::wire::{Life, Wire};
use http::Request;
use k8s_openapi::api::core::v1::{Node, Pod};
use nodefall::demo::objects::uid;
use nodefall::demo::world::key;
use nodefall::demo::{Cluster, Constants, Layout, Plan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

const NODE: &str = "node-1";
const POD: &str = "prometheus-k8s-0";

/// A cluster whose first node lost its power a while ago, and a client that may do anything to it.
struct Rogue {
    cluster: Cluster,
    wire: Wire,
    client: kube::Client,
    history: History,
    uid: String,
}

impl Rogue {
    async fn new(plan: Plan) -> Self {
        let mut history = calm();
        history.layout = Layout::nodes(4).statefulset(plan);
        let cluster = Cluster::new(Constants::default(), &history.layout);
        let run = cluster.clone();
        tokio::spawn(async move { run.run().await });
        sleep(Duration::from_secs(30)).await;
        cluster.cut_power(NODE);
        sleep(Duration::from_secs(75)).await;
        let uid = cluster.read(|world| {
            let pods = &world.pods;
            pods.get(&key("monitoring", POD))
                .map(|pod| uid(pod).to_owned())
        });
        let wire = Wire::new(&cluster);
        let life = Life::new("nodefall-0-0", tokio::sync::mpsc::unbounded_channel().0);
        Self {
            client: wire.client(&life),
            wire,
            cluster,
            history,
            uid: uid.unwrap_or_default(),
        }
    }

    async fn ask(&self, verb: &str, path: &str, body: &Value) {
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        let kind = match verb {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let table = path.contains("includeObject");
        let accept = if table {
            "application/json;as=Table;v=v1;g=meta.k8s.io"
        } else {
            kind
        };
        let request = Request::builder().method(verb).uri(path);
        let request = request
            .header("content-type", kind)
            .header("accept", accept)
            .body(body);
        // What the answer is, the wire knows.
        let _ = self.client.request_text(request.expect("a request")).await;
    }

    async fn get(&self, path: &str) {
        self.ask("GET", path, &Value::Null).await;
    }

    async fn look_at_node(&self) {
        self.get(&format!("/api/v1/nodes/{NODE}")).await;
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        self.get(&format!("{leases}/{NODE}")).await;
    }

    async fn look_at_fleet(&self) {
        self.get("/api/v1/nodes?includeObject=None").await;
    }

    async fn look_at_pod(&self) {
        self.get(&format!("/api/v1/namespaces/monitoring/pods/{POD}"))
            .await;
    }

    /// What Nodefall reads before it acts.
    async fn look(&self) {
        self.look_at_pod().await;
        self.look_at_fleet().await;
        self.look_at_node().await;
    }

    async fn delete_with(&self, body: &Value) {
        self.ask(
            "DELETE",
            &format!("/api/v1/namespaces/monitoring/pods/{POD}"),
            body,
        )
        .await;
    }

    async fn delete(&self) {
        let body = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}});
        self.delete_with(&body).await;
    }

    async fn patch(&self) {
        let body = json!({"metadata": {"uid": self.uid, "finalizers": null}});
        self.ask(
            "PATCH",
            &format!("/api/v1/namespaces/monitoring/pods/{POD}"),
            &body,
        )
        .await;
    }

    fn edit_pod(&self, change: impl FnOnce(&mut Pod)) {
        let at = key("monitoring", POD);
        self.cluster
            .edit(|world| world.update::<Pod>(&at, "kubectl", change));
    }

    fn edit_node(&self, change: impl FnOnce(&mut Node)) {
        self.cluster
            .edit(|world| world.update::<Node>(&key("", NODE), "kubectl", change));
    }

    /// The API lies from now on: the node is well, its pod runs there, and everything reads as if both
    /// were gone.
    fn lies(&self) {
        let uid = self.uid.clone();
        self.cluster.edit(|world| {
            let machine = world.machines.get_mut(NODE).expect("a machine");
            (machine.power, machine.kubelet) = (true, true);
            machine.running.insert(uid);
        });
    }

    /// The node reads Ready from now on.
    fn reads_ready(&self) {
        self.edit_node(|node| {
            let status = node.status.get_or_insert_default();
            for one in status.conditions.iter_mut().flatten() {
                one.status = "True".to_owned();
            }
        });
    }

    /// What was done so far, and at the end `left` undone.
    fn record(&self, left: Vec<Left>, told: &[(&str, Value)]) -> Record {
        let told = told
            .iter()
            .map(|(replica, told)| ((*replica).to_owned(), told.clone()));
        Record {
            history: self.history.clone(),
            calls: self.wire.calls().clone(),
            audit: self.cluster.audit(),
            speaks: BTreeMap::new(),
            left,
            told: told.collect(),
            suspected: 0.0,
            rest: None,
            broken: Vec::new(),
            tasks: (0, 1),
            end: self.cluster.now(),
            lines: Vec::new(),
        }
    }

    /// The rules that are broken, each once.
    fn broken(&self, left: Vec<Left>, told: &[(&str, Value)]) -> Vec<&'static str> {
        rules(&self.record(left, told))
    }
}

/// The rules that a record shows broken, each once.
fn rules(record: &Record) -> Vec<&'static str> {
    let mut rules: Vec<_> = judge(record).findings.iter().map(|it| it.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn plan() -> Plan {
    Plan::new("monitoring", "prometheus-k8s")
}

/// A rogue that does `what` breaks just these rules.
async fn breaks(rules: &[&str], plan: Plan, what: impl AsyncFnOnce(&mut Rogue)) {
    let mut rogue = Rogue::new(plan).await;
    what(&mut rogue).await;
    assert_eq!(rogue.broken(Vec::new(), &[]), rules);
}
