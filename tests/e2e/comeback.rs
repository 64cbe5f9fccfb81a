//! The power comes back at each point of the road.

use crate::bed::{LOST, Scenario, Scene};
use http::Method;
use nodefall_testbed::access::config;
use nodefall_testbed::gate::Gate;
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::workload::Workload;
use std::thread;
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("the power is back before the judgement", before_judgement),
    (
        "the power is back between judgement and delete",
        before_delete,
    ),
    ("the power is back between delete and patch", before_patch),
    (
        "a kubelet that hung goes on: its pods' replacements stay",
        hung,
    ),
];

/// Nodefall behind a gate.
pub fn gated(scene: &Scene, names: &str, options: &[&str]) -> (Gate, Receiver) {
    let gate = Gate::new(config(&scene.cluster.plane.access.admin));
    let kubeconfig = gate.kubeconfig(&scene.scratch, "gate.kubeconfig", &scene.cluster.token());
    let receiver = scene.receiver_at(&kubeconfig, names, options);
    (gate, receiver)
}

fn before_judgement(scene: &mut Scene) {
    let pod = scene.pod("judged");
    let (gate, receiver) = gated(scene, "judged", &["--period=0"]);
    scene.cluster.lose(LOST);
    let read = gate.hold(Method::GET, &format!("/nodes/{LOST}"));
    scene.alert(&receiver, LOST);
    read.arrived();
    scene.cluster.give_power(LOST);
    scene.cluster.is_back(LOST);
    read.pass();
    scene.is_held(&receiver, LOST, "node_ready");
    scene.nothing_is_touched();
    assert_eq!(scene.cluster.runs(&pod.name, LOST).uid, pod.uid);
}

fn before_delete(scene: &mut Scene) {
    let pod = scene.pod("undeleted");
    let (gate, receiver) = gated(scene, "undeleted", &["--period=0"]);
    scene.cluster.lose(LOST);
    let delete = gate.hold(Method::DELETE, &pod.name);
    scene.alert(&receiver, LOST);
    delete.arrived();
    scene.cluster.give_power(LOST);
    scene.cluster.is_back(LOST);
    // The DELETE never arrived; what would be its repeat is a new decision.
    delete.drop_them();
    scene.ended(&receiver, "alert", "aborted");
    scene.nothing_is_touched();
    assert_eq!(scene.cluster.runs(&pod.name, LOST).uid, pod.uid);
}

fn before_patch(scene: &mut Scene) {
    let set = Workload::stateful_set("unpatched").finalizer("example.com/hold");
    let pod = scene.run("unpatched", set);
    let receiver = scene.receiver("unpatched", &["--period=0", "--delete-timeout=15s"]);
    scene.cluster.lose(LOST);
    scene.alert(&receiver, LOST);
    scene.has("delete", &pod);
    scene.cluster.give_power(LOST);
    scene.cluster.is_back(LOST);
    scene.ended(&receiver, "alert", "aborted");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(
        scene.touched(&[&pod]),
        [("delete".to_owned(), pod.name.clone())]
    );
    // The finalizer's own controller has to let it go, as on any node that lives.
    assert_eq!(scene.cluster.pod(&pod.name).expect("kept").uid, pod.uid);
}

/// Kubernetes cannot tell this from a power loss, and so neither can Nodefall: the README says so. (That
/// the replacement is another one by then is kwok's doing: it deletes by name, a kubelet by UID.)
fn hung(scene: &mut Scene) {
    let pod = scene.pod("hung");
    let receiver = scene.receiver("hung", &["--period=0"]);
    scene.cluster.hang_kubelet(LOST, true);
    scene.cluster.is_lost(LOST);
    scene.alert(&receiver, LOST);
    scene.cluster.replaced(&pod);
    scene.cluster.hang_kubelet(LOST, false);
    scene.cluster.is_back(LOST);
    // Who is told only now does nothing any more.
    let late = scene.receiver("hung", &["--period=1s", "--unreachable-for=0s"]);
    scene.alert(&late, LOST);
    scene.is_held(&late, LOST, "node_ready");
    assert_eq!(scene.touched(&[&pod]), [("delete".to_owned(), pod.name)]);
}
