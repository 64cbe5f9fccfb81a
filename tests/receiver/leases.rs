//! The Lease may only add doubt, and by the API server's clock; without one the heartbeat must be
//! old.

use crate::bench::{Bench, LOST, POD, Replica, seconds, small};
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::world::{LEASES, key};
use nodefall::demo::{Layout, NodePlan, Plan};
use std::time::Duration;

fn skewed(hours: i64) -> Layout {
    let skew = SignedDuration::from_hours(hours);
    Layout::default()
        .node(NodePlan::new(LOST).skew(skew))
        .node(NodePlan::new("node-2"))
        .node(NodePlan::new("node-3"))
        .statefulset(Plan::new("monitoring", "prometheus-k8s"))
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_is_back_renews_its_lease_before_its_node_is_ready() {
    // A kubelet's clock may be right, ahead or behind: only the API server's counts.
    for hours in [0, 6, -6] {
        let bench = Bench::new(skewed(hours)).await;
        let replica = bench.replica(&["--period=0"]).await;
        bench.lose(LOST).await;
        bench.cluster.give_power(LOST);
        seconds(1).await;
        replica.alert(LOST).await;
        seconds(2).await;
        bench.assert_held(&replica, "lease_fresh").await;
        assert!(bench.events(LOST)[0].contains("Lease was written"));

        seconds(20).await;
        bench.assert_held(&replica, "node_ready").await;
        bench.lose(LOST).await;
        seconds(20).await;
        bench.assert_recovered(&replica).await;
        assert_eq!(replica.holds("lease_fresh").await, 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_does_not_keep_a_dead_node_alive() {
    for hours in [6, -6] {
        let bench = Bench::new(skewed(hours)).await;
        let replica = bench.replica(&["--period=0"]).await;
        bench.lose(LOST).await;
        replica.alert(LOST).await;
        seconds(5).await;
        bench.assert_recovered(&replica).await;
        assert_eq!(replica.holds("lease_fresh").await, 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_servers_stamps_the_kubelets_own_time_gives_doubt() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    // The last renewal of a kubelet that was two minutes ahead, some 60 s ago.
    bench.cluster.edit(|world| {
        let lease = world.leases.get_mut(&key(LEASES, LOST)).expect("a Lease");
        lease.metadata.managed_fields = None;
        let spec = lease.spec.as_mut().expect("a spec");
        let renewed = spec.renew_time.as_mut().expect("a time");
        renewed.0 += SignedDuration::from_secs(120);
    });
    replica.alert(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "lease_fresh").await;
    seconds(70).await;
    bench.assert_recovered(&replica).await;
}

/// Three of five nodes go, so that Kubernetes taints nobody; a node controller of before 1.13 says
/// so in the pod's status instead.
async fn untainted_and_lost(lease: bool) -> (Bench, Replica) {
    let node = NodePlan::new(LOST);
    let node = if lease { node } else { node.without_lease() };
    let mut layout = Layout::nodes(5).statefulset(Plan::new("monitoring", "prometheus-k8s"));
    layout.nodes[0] = node;
    let bench = Bench::new(layout).await;
    let replica = bench
        .replica(&["--period=0", "--max-unreachable=100%"])
        .await;
    for node in ["node-2", "node-3"] {
        bench.cluster.cut_power(node);
    }
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(400).await;
    bench.assert_held(&replica, "not_tainted").await;
    bench.edit_pod(POD, |pod| {
        pod.status.get_or_insert_default().reason = Some("NodeLost".to_owned());
    });
    seconds(30).await;
    (bench, replica)
}

#[tokio::test(start_paused = true)]
async fn node_lost_stands_for_the_taint_where_there_is_no_lease() {
    let (bench, replica) = untainted_and_lost(false).await;
    bench.assert_recovered(&replica).await;
    let (bench, replica) = untainted_and_lost(true).await;
    bench.assert_held(&replica, "not_tainted").await;
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_the_heartbeat_must_be_six_minutes_old() {
    let mut layout = small(|p| p);
    layout.nodes[0] = NodePlan::new(LOST).without_lease();
    let bench = Bench::new(layout).await;
    let replica = bench.replica(&["--period=0"]).await;
    let last = bench.cluster.now();
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(270).await;
    bench.assert_held(&replica, "heartbeat_fresh").await;
    seconds(45).await;
    bench.assert_recovered(&replica).await;
    // The last heartbeat came at most 10 s before the power went.
    let waited = bench.destructive()[0].at.duration_since(last).as_secs();
    assert!((350..=375).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn an_old_heartbeat_must_be_seen_unchanged_for_15_s() {
    for moves in [false, true] {
        let bench = Bench::new(small(|p| p)).await;
        let replica = bench.replica(&["--period=0"]).await;
        bench.lose(LOST).await;
        seconds(600).await;
        // The Lease is gone, whoever took it; with one the heartbeat moves only every five minutes.
        bench
            .cluster
            .edit(|world| world.remove::<Lease>(&key(LEASES, LOST)));
        replica.alert(LOST).await;
        seconds(8).await;
        if moves {
            bench.cluster.edit(|world| {
                world.update::<Node>(&key("", LOST), "kubelet", |node| {
                    let status = node.status.as_mut().expect("a status");
                    for condition in status.conditions.iter_mut().flatten() {
                        let heartbeat = condition.last_heartbeat_time.as_mut();
                        heartbeat.expect("a heartbeat").0 += SignedDuration::from_secs(10);
                    }
                })
            });
        }
        seconds(6).await;
        bench.assert_held(&replica, "heartbeat_fresh").await;
        seconds(10).await;
        if moves {
            bench.assert_held(&replica, "heartbeat_fresh").await;
            seconds(20).await;
        }
        bench.assert_recovered(&replica).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_nodes_that_is_newer_than_the_node_counts() {
    // Without a Lease nothing tells of a kubelet that is back before its node reads Ready. Whenever
    // that is: while the list of nodes is on its way, too.
    for wait in 42..66 {
        let mut layout = small(|p| p.finalizer("example.com/keep"));
        layout.nodes[0] = NodePlan::new(LOST).without_lease();
        let bench = Bench::new(layout).await;
        let replica = bench.replica(&["--period=0"]).await;
        bench.lose(LOST).await;
        seconds(240).await;
        let slow = Effect::Latency {
            before: Duration::from_millis(2500),
            after: Duration::ZERO,
        };
        let slow = Fault::new(slow).verb("list").resource("nodes");
        bench.cluster.inject(slow);
        replica.alert(LOST).await;
        // The heartbeat is old enough some 50 s later, and its kubelet reports 5 s after its start.
        seconds(wait).await;
        bench.cluster.give_power(LOST);
        seconds(60).await;
        for entry in bench.destructive() {
            let truth = entry.truth.expect("a pod");
            assert_eq!(truth.node_ready, "Unknown", "{wait} s");
        }
    }
}
