//! No destructive call rests on old reads: 3 s for Node and Lease, 10 s for the fleet, counted from
//! when the reads were sent; and none follows a read that showed the node Ready.

use crate::bench::{
    Bench, LOST, POD, Replica, late, lost, millis, remediations, seconds, status, stuck,
};
use jiff::Timestamp;
use nodefall::demo::faults::Fault;
use nodefall::demo::objects::is_node_ready;
use nodefall::demo::{Layout, NodePlan, Plan};
use std::time::Duration;

/// A pod that hangs on a finalizer and whose patches fail: destructive calls for 20 s.
async fn begin() -> (Bench, Replica) {
    let sibling = Plan::new("monitoring", "alertmanager-main");
    let (bench, replica) = lost(stuck().statefulset(sibling), &[]).await;
    bench.cluster.inject(Fault::new(status(503)).verb("patch"));
    (bench, replica)
}

/// The age of the newest of these reads, answered after `took`, at each destructive call.
fn ages(bench: &Bench, verb: &str, resource: &str, took: u64) -> Vec<f64> {
    let reads = bench.asked(verb, resource);
    let took = Duration::from_millis(took);
    let age = |at: Timestamp| {
        let known = reads.iter().filter(|read| read.at + took <= at);
        let newest = known
            .map(|read| read.at)
            .max()
            .expect("a read before the call");
        at.duration_since(newest).as_secs_f64()
    };
    let calls = ["delete", "patch"].into_iter();
    calls
        .flat_map(|verb| bench.asked(verb, "pods"))
        .map(|call| age(call.at))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_destructive_call_rests_on_fresh_reads() {
    // The resource whose answers are late, and by how many milliseconds.
    for (verb, resource, by) in [
        ("get", "nodes", 0),
        ("get", "nodes", 1500),
        ("get", "nodes", 2900),
        ("get", "leases", 2900),
        ("list", "pods", 4900),
        ("list", "nodes", 2900),
        ("list", "nodes", 4900),
        ("get", "pods", 2900),
        ("get", "pods", 4900),
    ] {
        let about = format!("{verb} {resource} {by} ms late");
        let (bench, replica) = begin().await;
        bench
            .cluster
            .inject(Fault::new(late(by)).verb(verb).resource(resource));
        replica.alert(LOST).await;
        seconds(60).await;
        let late_by = |v: &str, r: &str| if (v, r) == (verb, resource) { by } else { 0 };
        for (read, object, bound) in [
            ("get", "nodes", 3.0),
            ("get", "leases", 3.0),
            ("list", "nodes", 10.0),
        ] {
            let ages = ages(&bench, read, object, late_by(read, object));
            assert!(ages.len() > 2, "{about}: {} calls", ages.len());
            let oldest = ages.iter().copied().fold(0.0, f64::max);
            assert!(oldest <= bound, "{about}: {read} {object} {oldest} s old");
        }
        bench.assert_harmless();
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_are_slower_than_their_answers_stay_true_hold_it() {
    for (verb, resource) in [("get", "nodes"), ("get", "leases")] {
        let (bench, replica) = begin().await;
        let fault = Fault::new(late(3100)).verb(verb).resource(resource);
        bench.cluster.inject(fault);
        replica.alert(LOST).await;
        seconds(40).await;
        assert!(bench.destructive().is_empty(), "{resource}");
        assert_eq!(
            replica.held(LOST).await.as_deref(),
            Some("slow_api"),
            "{resource}"
        );
        bench.cluster.clear_faults();
        seconds(40).await;
        replica
            .assert_counts(&[(&remediations("alert", "freed"), 1.0)])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_once_serves_all_pods_of_the_node_until_it_is_old() {
    let (bench, replica) = begin().await;
    replica.alert(LOST).await;
    seconds(20).await;
    // 1 at first; from 10 s to 20 s one every 3 s.
    let reads = bench.asked("get", "nodes").len();
    assert!((4..=5).contains(&reads), "{reads} reads of the Node");
    let reads = bench.asked("list", "nodes").len();
    assert!(reads <= 3, "{reads} reads of the fleet");
}

/// When the API shows the node as Ready again.
async fn ready_at(bench: &Bench) -> Timestamp {
    for _ in 0..6000 {
        let node = (String::new(), LOST.to_owned());
        if bench
            .cluster
            .edit(|world| world.nodes.get(&node).is_some_and(is_node_ready))
        {
            return bench.cluster.now();
        }
        millis(10).await;
    }
    panic!("it never was Ready");
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_a_read_that_showed_the_node_ready_whoever_sent_it() {
    // No Lease gives it away, so Ready is the first sign; and the sweep reads the fleet each second,
    // more often than a judgement is renewed. Every phase between the two is tried.
    for phase in 0..7_u64 {
        let layout = Layout::default()
            .node(NodePlan::new(LOST).without_lease())
            .node(NodePlan::new("node-2"))
            .node(NodePlan::new("node-3"));
        let plan = Plan::new("monitoring", "prometheus-k8s").finalizer("example.com/keep");
        let bench = Bench::new(layout.statefulset(plan)).await;
        bench.cluster.inject(Fault::new(status(503)).verb("patch"));
        bench.lose(LOST).await;
        seconds(360).await;
        let options = ["--period=1s", "--patch-timeout=60s"];
        let replica = bench.replica(&options).await;
        replica.alert(LOST).await;
        seconds(32).await;
        millis(phase * 431).await;
        let patched = bench.asked("patch", "pods").len();
        assert!(patched > 2, "the patches are under way: {patched}");
        bench.cluster.give_power(LOST);
        let ready = ready_at(&bench).await;
        seconds(20).await;
        let reads = [bench.asked("get", "nodes"), bench.asked("list", "nodes")].concat();
        let reads = reads
            .iter()
            .filter(|read| read.name.is_empty() || read.name == LOST);
        let seen = reads
            .map(|read| read.at)
            .filter(|at| *at >= ready)
            .min()
            .expect("a read");
        let late = bench
            .asked("patch", "pods")
            .into_iter()
            .filter(|call| call.at > seen);
        assert_eq!(late.count(), 0, "phase {phase}");
        replica
            .assert_counts(&[(&remediations("alert", "aborted"), 1.0)])
            .await;
        assert_eq!(replica.held(LOST).await.as_deref(), Some("node_ready"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_listed_long_ago_is_read_again_before_its_delete() {
    for opts_out in [true, false] {
        // Two pages of pods, each 4.9 s late, and a Node that is 2.9 s late.
        let others = Plan::new("monitoring", "others").replicas(300);
        let chosen = Plan::new("monitoring", "prometheus-k8s");
        let layout = Layout::nodes(1).statefulset(chosen).replicaset(others);
        let bench = Bench::new(layout).await;
        for n in 2..=4 {
            bench.cluster.add_node(&NodePlan::new(&format!("node-{n}")));
        }
        let replica = bench.replica(&["--period=0"]).await;
        bench.lose(LOST).await;
        let pages = Fault::new(late(4900)).verb("list").resource("pods");
        bench.cluster.inject(pages);
        let node = Fault::new(late(2900)).verb("get").resource("nodes");
        bench.cluster.inject(node);
        replica.alert(LOST).await;
        seconds(6).await;
        if opts_out {
            bench.edit_pod(POD, |pod| {
                let annotations = pod.metadata.annotations.get_or_insert_default();
                annotations.insert("nodefall.io/remediation".into(), "disabled".into());
            });
        }
        seconds(30).await;
        assert_eq!(bench.asked("delete", "pods").len(), usize::from(!opts_out));
        assert_eq!(
            replica.skips("opted_out").await,
            f64::from(u8::from(opts_out))
        );
    }
}
