//! The API server goes away, or hangs; and two receivers are told at once.

use crate::api::{Api, LOST, NO_EVICTION, quick};
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::{Layout, Plan};
use nodefall_testbed::process::{PATIENCE, Scratch, eventually};
use nodefall_testbed::receiver::Receiver;
use std::thread;
use std::time::{Duration, Instant};

const POD: &str = "prometheus-k8s-0";

/// A cluster whose Prometheus is on the node that is lost.
fn api(plan: impl FnOnce(Plan) -> Plan) -> Api {
    let prometheus = plan(Plan::new("monitoring", "prometheus-k8s"));
    Api::start(
        quick(NO_EVICTION),
        &Layout::nodes(3).statefulset(prometheus),
    )
}

fn receiver(api: &Api, scratch: &Scratch, name: &str, options: &[&str]) -> Receiver {
    let kubeconfig = api.kubeconfig(scratch);
    let binary = env!("CARGO_BIN_EXE_nodefall");
    Receiver::start(binary, scratch, name, &kubeconfig, options)
}

fn held(receiver: &Receiver, reason: &str) {
    eventually("held", PATIENCE, || {
        let held = format!(r#"nodefall_held_nodes{{reason="{reason}"}}"#);
        (receiver.metric(&held) == 1.0).then_some(())
    });
}

/// Everything that needs no API server is answered within a second.
fn answers_at_once(receiver: &Receiver, pages: &[&str]) {
    for page in pages {
        let asked = Instant::now();
        assert_eq!(receiver.get(page).status, 200, "{page}");
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1), "{page}: {took:?}");
    }
}

#[test]
fn an_api_server_that_was_away_needs_no_second_alert() {
    let (scratch, mut api) = (Scratch::new(), api(|plan| plan));
    let receiver = receiver(&api, &scratch, "nodefall", &["--period=0"]).ready();
    let old = api.pod(POD).expect("a pod");
    api.lose(LOST);
    api.close();
    assert_eq!(receiver.alert(LOST).status, 202);
    held(&receiver, "api_error");
    answers_at_once(&receiver, &["/-/healthy", "/-/ready", "/metrics"]);
    assert_eq!(api.destructive(), []);
    api.open();
    api.replaced(POD, &old);
    assert_eq!(api.destructive(), [("delete", POD.to_owned(), old.uid)]);
}

#[test]
fn an_api_server_that_goes_away_between_delete_and_patch_is_waited_for() {
    let (scratch, mut api) = (
        Scratch::new(),
        api(|plan| plan.finalizer("example.com/keep")),
    );
    let options = ["--period=0", "--delete-timeout=2s"];
    let receiver = receiver(&api, &scratch, "nodefall", &options).ready();
    let old = api.pod(POD).expect("a pod");
    api.lose(LOST);
    assert_eq!(receiver.alert(LOST).status, 202);
    api.asked("delete");
    api.close();
    // Past the moment of the patch.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(api.destructive().len(), 1);
    api.open();
    api.replaced(POD, &old);
    let touched = ["delete", "patch"].map(|verb| (verb, POD.to_owned(), old.uid.clone()));
    assert_eq!(api.destructive(), touched);
}

#[test]
fn an_api_server_that_hangs_hangs_nothing_else() {
    let (scratch, api) = (Scratch::new(), api(|plan| plan));
    let receiver = receiver(&api, &scratch, "nodefall", &["--period=1s"]).ready();
    let old = api.pod(POD).expect("a pod");
    api.lose(LOST);
    api.cluster.inject(Fault::new(Effect::Hang));
    let asked = Instant::now();
    assert_eq!(receiver.alert(LOST).status, 202);
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    let pages = ["/metrics", "/-/healthy", "/-/ready", "/api/v1/remediations"];
    answers_at_once(&receiver, &pages);
    // The reads of the look have timed out.
    held(&receiver, "slow_api");
    answers_at_once(&receiver, &pages);
    assert_eq!(api.destructive(), []);
    api.cluster.clear_faults();
    api.replaced(POD, &old);
    assert_eq!(api.destructive(), [("delete", POD.to_owned(), old.uid)]);
}

#[test]
fn an_api_server_that_hangs_from_the_start_keeps_only_readiness_back() {
    let (scratch, api) = (Scratch::new(), api(|plan| plan));
    api.cluster.inject(Fault::new(Effect::Hang));
    let receiver = receiver(&api, &scratch, "nodefall", &["--period=1s"]);
    answers_at_once(
        &receiver,
        &["/metrics", "/-/healthy", "/api/v1/remediations"],
    );
    assert_eq!(receiver.get("/-/ready").status, 503);
    assert_eq!(receiver.alert(LOST).status, 503);
    api.cluster.clear_faults();
    receiver.ready();
}

#[test]
fn two_receivers_told_at_once_make_one_replacement_and_count_one_recovery() {
    let (api, two) = told_at_once(api(|plan| plan));
    let recoveries = || {
        two.iter()
            .map(|r| r.metric("nodefall_recovery_duration_seconds_count"))
    };
    eventually("the recovery is counted", PATIENCE, || {
        (recoveries().sum::<f64>() >= 1.0).then_some(())
    });
    let new = api.pod(POD);
    // Several sweeps later.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(api.pod(POD), new);
    assert_eq!(recoveries().sum::<f64>(), 1.0);
}

#[test]
fn two_receivers_told_at_once_agree_about_a_finalizer() {
    let (api, _two) = told_at_once(api(|plan| plan.finalizer("example.com/keep")));
    assert!(api.destructive().iter().any(|(verb, ..)| *verb == "patch"));
}

/// Tells two receivers of the lost node at the same moment, and waits for the replacement.
fn told_at_once(api: Api) -> (Api, [Receiver; 2]) {
    let scratch = Scratch::new();
    let options = ["--period=1s", "--delete-timeout=1s"];
    let two = ["one", "other"].map(|name| receiver(&api, &scratch, name, &options).ready());
    let old = api.pod(POD).expect("a pod");
    api.lose(LOST);
    thread::scope(|scope| {
        let posts = two
            .each_ref()
            .map(|receiver| scope.spawn(|| receiver.alert(LOST).status));
        for post in posts {
            assert_eq!(post.join().expect("an answer"), 202);
        }
    });
    api.replaced(POD, &old);
    // The slower one may find nothing left to do.
    let freed = r#"nodefall_remediations_total{result="freed",trigger="alert"}"#;
    eventually("it is counted", PATIENCE, || {
        (two.iter().map(|r| r.metric(freed)).sum::<f64>() >= 1.0).then_some(())
    });
    for receiver in &two {
        let log = receiver.process.log();
        assert!(!log.contains(r#""level":"ERROR""#), "{log}");
    }
    // A request that came after the other's may meet the replacement, and does not touch it.
    let met =
        |(_, name, uid): &(_, String, String)| name == POD && (*uid == old.uid || uid.is_empty());
    assert!(api.destructive().iter().all(met), "{:?}", api.destructive());
    (api, two)
}
