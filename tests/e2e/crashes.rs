//! Nodefall is killed at each point of the road, or runs twice.

use crate::bed::{LOST, Scenario, Scene};
use crate::comeback::gated;
use http::Method;
use nodefall_testbed::process::PATIENCE;
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::workload::{Pod, Workload};

pub const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "killed before the judgement, before the delete, before the patch",
        killed,
    ),
    ("two replicas are told at once", twice),
];

/// What a new process does of itself.
const SWEEP: [&str; 3] = ["--period=1s", "--unreachable-for=0s", "--delete-timeout=2s"];

fn killed(scene: &mut Scene) {
    let finalizer = Workload::stateful_set("killed-c").finalizer("example.com/hold");
    let pods = [
        scene.pod("killed-a"),
        scene.pod("killed-b"),
        scene.run("killed-c", finalizer),
    ];
    scene.cluster.lose(LOST);
    let read = (Method::GET, format!("/nodes/{LOST}"));
    let points = [
        (read, "killed-a"),
        ((Method::DELETE, "killed-b".to_owned()), "killed-b"),
        ((Method::PATCH, "killed-c".to_owned()), "killed-c"),
    ];
    for (((method, path), name), pod) in points.into_iter().zip(&pods) {
        let options = ["--period=0", "--delete-timeout=1s"];
        let (gate, mut receiver) = gated(scene, name, &options);
        let call = gate.hold(method, &path);
        scene.alert(&receiver, LOST);
        call.arrived();
        receiver.process.signal("KILL");
        receiver.process.end(PATIENCE);
        call.drop_them();
        assert_eq!(
            scene.cluster.pod(name_of(pod)).expect("kept").uid,
            pod.uid,
            "{name}"
        );
        let next = scene.receiver(name, &SWEEP);
        scene.cluster.replaced(pod);
        scene.ended(&next, "sweep", "freed");
    }
    let done = |verb: &str, pod: &Pod| (verb.to_owned(), pod.name.clone());
    let [a, b, c] = &pods;
    let expected = [
        done("delete", a),
        done("delete", b),
        done("delete", c),
        done("delete", c),
        done("patch", c),
    ];
    assert_eq!(scene.touched(&[a, b, c]), expected);
}

fn name_of(pod: &Pod) -> &str {
    &pod.name
}

fn twice(scene: &mut Scene) {
    let set = Workload::stateful_set("twice").finalizer("example.com/hold");
    let pods = [scene.run("twice", set), scene.pod("once")];
    let options = ["--period=0", "--delete-timeout=2s"];
    let replicas = [(); 2].map(|()| scene.receiver("twice,once", &options));
    scene.cluster.lose(LOST);
    std::thread::scope(|threads| {
        for replica in &replicas {
            threads.spawn(|| scene.alert(replica, LOST));
        }
    });
    let new = pods.each_ref().map(|pod| scene.cluster.replaced(pod));
    for replica in &replicas {
        quiet(replica);
    }
    let [twice, once] = &pods;
    scene.touched(&[twice, once]);
    // One replacement each: nobody deleted it again.
    std::thread::sleep(std::time::Duration::from_secs(3));
    for new in &new {
        assert_eq!(scene.cluster.pod(&new.name).as_ref(), Some(new));
    }
}

/// Nothing in the log that a person would have to look into.
fn quiet(receiver: &Receiver) {
    for line in receiver.process.log().lines() {
        let loud = line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#);
        assert!(!loud, "{line}");
    }
}
