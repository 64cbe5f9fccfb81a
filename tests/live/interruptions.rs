//! The receiver is stopped in the middle of its work, by SIGKILL and by SIGTERM.

use crate::api::{Api, LOST, NO_EVICTION, Seen, quick};
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::{Layout, Plan};
use nodefall_testbed::process::{PATIENCE, Scratch, eventually};
use nodefall_testbed::receiver::Receiver;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const POD: &str = "prometheus-k8s-0";

/// A Prometheus that a finalizer keeps, on the node that is lost.
struct Scene {
    api: Api,
    kubeconfig: PathBuf,
    old: Seen,
    scratch: Scratch,
}

impl Scene {
    fn new(toleration: Duration) -> Self {
        let prometheus = Plan::new("monitoring", "prometheus-k8s").finalizer("example.com/keep");
        let api = Api::start(quick(toleration), &Layout::nodes(3).statefulset(prometheus));
        let scratch = Scratch::new();
        let kubeconfig = api.kubeconfig(&scratch);
        let old = api.pod(POD).expect("a pod");
        assert_eq!(old.node, LOST);
        Self {
            api,
            kubeconfig,
            old,
            scratch,
        }
    }

    fn receiver(&self, name: &str, options: &[&str]) -> Receiver {
        let binary = env!("CARGO_BIN_EXE_nodefall");
        Receiver::start(binary, &self.scratch, name, &self.kubeconfig, options).ready()
    }

    /// Which requests met the old pod; none may have met another.
    fn touched(&self) -> Vec<&'static str> {
        let touched = self.api.destructive();
        for (verb, name, uid) in &touched {
            assert_eq!((name.as_str(), uid), (POD, &self.old.uid), "{verb}");
        }
        touched.into_iter().map(|(verb, ..)| verb).collect()
    }
}

#[test]
fn killed_between_delete_and_patch_a_sweep_finishes_the_work() {
    let scene = Scene::new(NO_EVICTION);
    let mut first = scene.receiver("first", &["--period=0", "--delete-timeout=30s"]);
    scene.api.lose(LOST);
    assert_eq!(first.alert(LOST).status, 202);
    scene.api.asked("delete");
    first.process.signal("KILL");
    assert_eq!(first.process.end(PATIENCE).code(), None);
    assert_eq!(scene.touched(), ["delete"]);
    assert_eq!(
        scene.api.pod(POD).expect("the finalizer keeps it").uid,
        scene.old.uid
    );
    // No alert: the cluster's own state is all that tells of the work.
    let second = scene.receiver("second", &["--period=1s", "--delete-timeout=1s"]);
    scene.api.replaced(POD, &scene.old);
    assert_eq!(scene.touched(), ["delete", "patch"]);
    freed_by(&second, "sweep");
}

#[test]
fn killed_after_202_and_before_its_look_a_sweep_does_the_work_once_pods_are_evicted() {
    let scene = Scene::new(Duration::from_secs(3));
    let mut first = scene.receiver("first", &["--period=0"]);
    scene
        .api
        .cluster
        .inject(Fault::new(Effect::Hang).verb("get").resource("nodes"));
    scene.api.lose(LOST);
    assert_eq!(first.alert(LOST).status, 202);
    first.process.signal("KILL");
    first.process.end(PATIENCE);
    scene.api.cluster.clear_faults();
    assert_eq!(scene.touched(), [""; 0]);
    let second = scene.receiver("second", &["--period=1s", "--delete-timeout=1s"]);
    scene.api.replaced(POD, &scene.old);
    assert_eq!(scene.touched(), ["delete", "patch"]);
    freed_by(&second, "sweep");
}

#[test]
fn told_to_end_it_finishes_what_it_began_and_takes_nothing_new() {
    let scene = Scene::new(NO_EVICTION);
    let mut receiver = scene.receiver("nodefall", &["--period=0", "--delete-timeout=3s"]);
    scene.api.lose(LOST);
    assert_eq!(receiver.alert(LOST).status, 202);
    scene.api.asked("delete");
    let told = Instant::now();
    receiver.process.signal("TERM");
    eventually("readiness is withdrawn", Duration::from_secs(2), || {
        (receiver.get("/-/ready").status == 503).then_some(())
    });
    assert_eq!(receiver.alert("node-2").status, 503);
    assert_eq!(receiver.get("/-/healthy").status, 200);
    assert_eq!(
        scene.touched(),
        ["delete"],
        "all that was in the middle of the work"
    );
    let status = receiver.process.end(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "after {:?}", told.elapsed());
    assert!(told.elapsed() < Duration::from_secs(20));
    assert_eq!(scene.touched(), ["delete", "patch"]);
    scene.api.replaced(POD, &scene.old);
}

#[test]
fn told_to_end_it_waits_no_longer_than_20_s() {
    let scene = Scene::new(NO_EVICTION);
    let mut receiver = scene.receiver("nodefall", &["--period=0", "--delete-timeout=1m"]);
    scene.api.lose(LOST);
    assert_eq!(receiver.alert(LOST).status, 202);
    scene.api.asked("delete");
    let told = Instant::now();
    receiver.process.signal("TERM");
    let status = receiver.process.end(PATIENCE);
    let took = told.elapsed();
    assert_eq!(status.code(), Some(0));
    let bounds = Duration::from_secs(16)..Duration::from_secs(21);
    assert!(bounds.contains(&took), "{took:?}");
    assert_eq!(scene.touched(), ["delete"]);
}

/// The receiver counts one remediation, and no recovery is lost or counted twice.
fn freed_by(receiver: &Receiver, trigger: &str) {
    let freed = format!(r#"nodefall_remediations_total{{result="freed",trigger="{trigger}"}}"#);
    eventually("it is counted", PATIENCE, || {
        (receiver.metric(&freed) == 1.0).then_some(())
    });
}
