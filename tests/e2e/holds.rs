//! What is not proven is held, with its reason, and nothing is touched.

use crate::bed::{LOST, Scenario, Scene};
use crate::comeback::gated;
use crate::record::proven;
use http::Method;
use nodefall_testbed::cluster::ZONE;
use nodefall_testbed::control_plane::Part;
use nodefall_testbed::http::{notification, post};
use nodefall_testbed::kubelet;
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::workload::{Workload, condition, is_tainted};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "forged: a healthy node, an unknown one, another cluster's",
        forged,
    ),
    (
        "a kubelet that lives and reports Ready False",
        kubelet_alive,
    ),
    ("a Lease that is still renewed", lease_fresh),
    ("reads that took 4 s are made anew", slow_reads),
    (
        "a NoExecute taint that the zone rule withholds",
        not_tainted,
    ),
    ("too many nodes down, then no other node alive", storm),
    (
        "a controller manager that starts again takes the taint away",
        restarted,
    ),
];

fn forged(scene: &mut Scene) {
    let pod = scene.pod("forged");
    let receiver = scene.receiver("forged", &["--period=0"]);
    scene.alert(&receiver, LOST);
    scene.is_held(&receiver, LOST, "node_ready");
    scene.alert(&receiver, "node-of-nobody");
    scene.is_held(&receiver, "node-of-nobody", "unknown_node");
    // It goes to an Alertmanager that several clusters share.
    let ours = scene.receiver("forged", &["--period=0", "--match=cluster=ours"]);
    let theirs =
        notification("firing", LOST).replace(r#""alertname""#, r#""cluster":"theirs","alertname""#);
    let answer = post(ours.address, "application/json", &theirs).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    scene.counts(
        &ours,
        r#"nodefall_alerts_total{result="ignored",status="firing"}"#,
        1.0,
    );
    assert_eq!(ours.metric("nodefall_suspected_nodes"), 0.0);
    scene.nothing_is_touched();
    assert_eq!(scene.cluster.pod(&pod.name), Some(pod));
}

fn kubelet_alive(scene: &mut Scene) {
    scene.pod("alive");
    let receiver = scene.receiver("alive", &["--period=1s", "--unreachable-for=0s"]);
    scene.cluster.report(LOST, false);
    eventually("Ready is False", PATIENCE, || {
        (condition(&scene.cluster.node(LOST)?, "Ready") == "False").then_some(())
    });
    scene.alert(&receiver, LOST);
    scene.is_held(&receiver, LOST, "kubelet_alive");
    scene.nothing_is_touched();
}

/// As when the kubelet is back, and only its node's status late.
fn lease_fresh(scene: &mut Scene) {
    let pod = scene.pod("fresh");
    let receiver = scene.receiver("fresh", &["--period=0"]);
    scene.cluster.lose(LOST);
    let client = scene.cluster.client.clone();
    let (stop, stopped) = mpsc::channel::<()>();
    kubelet::renew(&client, LOST);
    let renewing = thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
            kubelet::renew(&client, LOST);
        }
    });
    scene.alert(&receiver, LOST);
    scene.is_held(&receiver, LOST, "lease_fresh");
    scene.nothing_is_touched();
    assert!(is_tainted(&scene.cluster.node(LOST).expect("a node")));
    drop(stop);
    renewing.join().expect("renewals that were taken");
    // All that held it: without it the work is done, with nobody telling again.
    scene.cluster.replaced(&pod);
}

/// What is 3 s old allows nothing any more, however fresh its answer is.
fn slow_reads(scene: &mut Scene) {
    let pod = scene.pod("slow");
    let (gate, receiver) = gated(scene, "slow", &["--period=0"]);
    scene.cluster.lose(LOST);
    let read = gate.hold(Method::GET, &format!("/leases/{LOST}"));
    scene.alert(&receiver, LOST);
    read.arrived();
    thread::sleep(Duration::from_secs(4));
    read.pass();
    scene.cluster.replaced(&pod);
    let calls = scene.asked();
    let reads = calls
        .iter()
        .filter(|call| call.verb == "get" && call.resource == "nodes");
    assert!(reads.count() >= 2, "{calls:?}");
    for call in scene.destructive() {
        proven(&calls, &call);
    }
}

/// Where 55 % of a zone's nodes are not Ready, and more than two, Kubernetes marks no further one.
fn not_tainted(scene: &mut Scene) {
    let others = ["node-4", "node-5", "node-6"];
    for node in others {
        scene.cluster.add_node(node, ZONE);
    }
    for node in others {
        scene.cluster.is_back(node);
    }
    scene.pod("untainted");
    let lost = ["node-2", "node-3", "node-4", "node-5"];
    for node in lost {
        scene.cluster.cut_power(node);
    }
    for node in lost {
        is_unknown(scene, node);
    }
    let options = [
        "--period=1s",
        "--unreachable-for=0s",
        "--max-unreachable=90%",
    ];
    let receiver = scene.receiver("untainted", &options);
    scene.cluster.cut_power(LOST);
    is_unknown(scene, LOST);
    scene.alert(&receiver, LOST);
    scene.is_held(&receiver, LOST, "not_tainted");
    scene.nothing_is_touched();
    assert!(!is_tainted(&scene.cluster.node(LOST).expect("a node")));
}

fn is_unknown(scene: &Scene, node: &str) {
    eventually(&format!("{node} is Unknown"), PATIENCE, || {
        (condition(&scene.cluster.node(node)?, "Ready") == "Unknown").then_some(())
    });
}

fn storm(scene: &mut Scene) {
    scene.pod("storm");
    for node in [LOST, "node-2"] {
        scene.cluster.cut_power(node);
    }
    scene.cluster.is_lost(LOST);
    scene.cluster.is_lost("node-2");
    let stock = scene.receiver("storm", &["--period=1s", "--unreachable-for=0s"]);
    scene.alert(&stock, LOST);
    scene.is_held(&stock, LOST, "storm_guard");
    scene.nothing_is_touched();
    scene.cluster.cut_power("node-3");
    eventually("nobody is Ready", PATIENCE, || {
        (!scene.cluster.is_ready("node-3")).then_some(())
    });
    let bold = [
        "--period=1s",
        "--unreachable-for=0s",
        "--max-unreachable=100%",
    ];
    let bold = scene.receiver("storm", &bold);
    scene.alert(&bold, LOST);
    scene.is_held(&bold, LOST, "no_other_node");
    scene.nothing_is_touched();
}

/// It takes the taint of both dead nodes away; by its stock rate of one in 10 s it marks one of them
/// again at once, and the other one 10 s later.
fn restarted(scene: &mut Scene) {
    let dead = [LOST, "node-2"];
    let pods = dead.map(|node| {
        let name = format!("restarted-{node}");
        Workload::stateful_set(&name)
            .on(node)
            .create(&scene.cluster.client);
        scene.cluster.runs(&format!("{name}-0"), node)
    });
    for node in dead {
        scene.cluster.cut_power(node);
    }
    for node in dead {
        scene.cluster.is_lost(node);
    }
    let since = dead.map(|node| transition(scene, node));
    let options = ["--period=0", "--max-unreachable=80%"];
    let receiver = scene.receiver("restarted-node-1,restarted-node-2", &options);
    scene.cluster.plane.kill(Part::Controllers);
    let stock = [
        "--node-eviction-rate=0.1",
        "--node-monitor-period=5s",
        "--node-monitor-grace-period=50s",
    ];
    scene.cluster.plane.begin_with(Part::Controllers, &stock);
    let tainted = |scene: &Scene| -> Option<[bool; 2]> {
        let nodes = [scene.cluster.node(dead[0])?, scene.cluster.node(dead[1])?];
        Some(nodes.each_ref().map(is_tainted))
    };
    let away = eventually("the taint of one node is away", PATIENCE, || {
        let before = tainted(scene)?;
        thread::sleep(Duration::from_secs(1));
        let after = tainted(scene)?;
        let away = after.iter().position(|tainted| !tainted)?;
        (before == after && after[0] != after[1]).then_some(away)
    });
    let pod = &pods[away];
    scene.alert(&receiver, dead[away]);
    scene.is_held(&receiver, dead[away], "not_tainted");
    assert!(scene.destructive().is_empty());
    // A node whose taint is away for a moment did not come back: the work goes on by itself.
    scene.cluster.replaced(pod);
    assert_eq!(
        dead.map(|node| transition(scene, node)),
        since,
        "both were Unknown all the time"
    );
    let deleted = ("delete".to_owned(), pod.name.clone());
    assert_eq!(scene.touched(&[pod]), [deleted]);
}

/// When the node's Ready condition last changed.
fn transition(scene: &Scene, node: &str) -> String {
    let node = scene.cluster.node(node).expect("a node");
    let conditions = node["status"]["conditions"].as_array().cloned();
    let conditions = conditions.unwrap_or_default();
    let ready = conditions
        .iter()
        .find(|c| c["type"] == "Ready")
        .expect("a condition");
    ready["lastTransitionTime"].to_string()
}
