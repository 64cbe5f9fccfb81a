//! The API server goes away in the middle, or hangs.

use crate::bed::{LOST, Scenario, Scene};
use nodefall_testbed::control_plane::Part;
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::workload::{Pod, Workload};
use std::thread;
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "kube-apiserver is killed in the middle, and comes back",
        killed,
    ),
    ("kube-apiserver hangs in the middle, and goes on", hangs),
];

/// Clients of the API server wait up to half a minute between two tries.
const RECOVERY: Duration = Duration::from_secs(120);

/// A pod whose DELETE was answered and whose patch is due, and who is to send it.
fn middle(scene: &mut Scene, name: &str) -> (Pod, nodefall_testbed::receiver::Receiver) {
    let pod = scene.run(
        name,
        Workload::stateful_set(name).finalizer("example.com/hold"),
    );
    let receiver = scene.receiver(name, &["--period=0", "--delete-timeout=3s"]);
    // An outage may take its taints away for a while: the scheduler would put the replacement there.
    scene.cluster.cordon(LOST, true);
    scene.cluster.lose(LOST);
    scene.alert(&receiver, LOST);
    scene.has("delete", &pod);
    (pod, receiver)
}

fn finished(scene: &Scene, pod: &Pod, receiver: &nodefall_testbed::receiver::Receiver) {
    // The scheduler and the controllers take their time to find the API server again.
    scene.cluster.replaced_within(RECOVERY, pod);
    scene.ended(receiver, "alert", "freed");
    let touched = scene.touched(&[pod]);
    assert!(
        touched.iter().any(|(verb, _)| verb == "patch"),
        "{touched:?}"
    );
}

fn killed(scene: &mut Scene) {
    let (pod, receiver) = middle(scene, "killed");
    scene.cluster.plane.kill(Part::ApiServer);
    // The patch is due while nobody is there.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(receiver.get("/-/healthy").status, 200);
    let failed = r#"nodefall_api_errors_total{reason="connect",resource="pods",verb="get"}"#;
    assert!(receiver.metric(failed) >= 1.0);
    scene.cluster.plane.begin(Part::ApiServer);
    scene.cluster.answers();
    // As it does when it could not renew its leader's lease; else it may be half a minute late.
    scene.cluster.plane.kill(Part::Scheduler);
    scene.cluster.plane.begin(Part::Scheduler);
    finished(scene, &pod, &receiver);
}

fn hangs(scene: &mut Scene) {
    let (pod, receiver) = middle(scene, "hangs");
    scene.cluster.plane.signal(Part::ApiServer, "STOP");
    let late = r#"nodefall_api_errors_total{reason="timeout",resource="pods",verb="get"}"#;
    eventually("a read got no answer in time", PATIENCE, || {
        (receiver.metric(late) >= 1.0).then_some(())
    });
    assert_eq!(receiver.get("/-/healthy").status, 200);
    scene.cluster.plane.signal(Part::ApiServer, "CONT");
    finished(scene, &pod, &receiver);
}
