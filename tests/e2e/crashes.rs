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

const ALERTED: [&str; 2] = ["--period=0", "--delete-timeout=1s"];

const SWEEP: [&str; 3] = ["--period=1s", "--unreachable-for=0s", "--delete-timeout=1s"];

fn killed(scene: &mut Scene) {
    let finalizer = Workload::stateful_set("killed-c").finalizer("example.com/hold");
    let pods = [
        scene.pod("killed-a"),
        scene.pod("killed-b"),
        scene.run("killed-c", finalizer),
    ];
    scene.cluster.lose(LOST);
    let points = [
        (Method::GET, format!("/nodes/{LOST}"), "killed-a"),
        (Method::DELETE, "killed-b".to_owned(), "killed-b"),
        (Method::PATCH, "killed-c".to_owned(), "killed-c"),
    ];
    for ((method, path, name), pod) in points.into_iter().zip(&pods) {
        let (gate, mut receiver) = gated(scene, name, &ALERTED);
        let call = gate.hold(method, &path);
        scene.alert(&receiver, LOST);
        call.arrived();
        receiver.process.signal("KILL");
        receiver.process.end(PATIENCE);
        call.drop_them();
        let kept = scene.cluster.pod(&pod.name).expect("kept");
        assert_eq!(kept.uid, pod.uid, "{name}");
        // Started again it is told again, or finds out by itself.
        let (next, trigger) = match name {
            "killed-a" => {
                let next = scene.receiver(name, &ALERTED);
                scene.alert(&next, LOST);
                (next, "alert")
            }
            name => (scene.receiver(name, &SWEEP), "sweep"),
        };
        scene.cluster.replaced(pod);
        scene.ended(&next, trigger, "freed");
    }
    let done = |verb: &str, pod: &Pod| (verb.to_owned(), pod.name.clone());
    let [a, b, c] = &pods;
    let expected = [
        done("delete", a),
        done("delete", b),
        done("delete", c),
        done("patch", c),
    ];
    assert_eq!(scene.touched(&[a, b, c]), expected);
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
        scene.ended(replica, "alert", "freed");
        quiet(replica);
    }
    let [twice, once] = &pods;
    let touched = scene.touched(&[twice, once]);
    for pod in [twice, once] {
        let deletes = touched
            .iter()
            .filter(|(verb, name)| verb == "delete" && *name == pod.name);
        assert!((1..=2).contains(&deletes.count()), "{touched:?}");
    }
    // One replacement each: nobody deleted it again.
    std::thread::sleep(std::time::Duration::from_secs(3));
    for new in &new {
        assert_eq!(scene.cluster.pod(&new.name).as_ref(), Some(new));
    }
}

/// Nothing in the log that a person would have to look into.
fn quiet(receiver: &Receiver) {
    // But that nobody has to show who it is, here.
    let log = receiver.process.log();
    for line in log
        .lines()
        .filter(|line| !line.contains("NO AUTHENTICATION"))
    {
        let loud = line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#);
        assert!(!loud, "{line}");
    }
}
