//! The storm guard: when too many nodes go at once, nothing is touched until it opens again.

use crate::bench::{Bench, LOST, POD, Replica, millis, seconds, stuck};
use k8s_openapi::api::core::v1::Node;
use nodefall::demo::world::key;
use nodefall::demo::{Layout, Plan};

const FREED: &str = "nodefall_remediations_total{result=\"freed\",trigger=\"alert\"}";

/// A cluster of that size, with a pod on the first nodes.
async fn bench(nodes: usize, pods: i32) -> Bench {
    let plan = Plan::new("monitoring", "prometheus-k8s")
        .replicas(pods)
        .parallel();
    Bench::new(Layout::nodes(nodes).statefulset(plan)).await
}

/// Cuts the power of the first nodes and waits for the taints, which come 10 s apart.
async fn lose(bench: &Bench, count: usize) {
    for number in 1..=count {
        bench.cluster.cut_power(&format!("node-{number}"));
    }
    seconds(65 + 10 * count as u64).await;
}

async fn alert(replica: &Replica, count: usize) {
    for number in 1..=count {
        assert_eq!(replica.alert(&format!("node-{number}")).await.0, 202);
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_too_many_shuts_the_guard_and_its_return_opens_it() {
    // The option, the nodes, and how many of them it allows to be gone.
    for (option, nodes, allowed) in [
        ("--max-unreachable=49%", 3, 1),
        ("--max-unreachable=49%", 10, 4),
        ("--max-unreachable=20%", 10, 2),
        ("--max-unreachable=20%", 14, 2),
        ("--max-unreachable=1%", 9, 1),
        ("--max-unreachable=3", 10, 3),
        ("--max-unreachable=0", 4, 1),
    ] {
        let lost = allowed + 1;
        let bench = bench(nodes, lost as i32).await;
        let replica = bench.replica(&["--period=0", option]).await;
        lose(&bench, lost).await;
        alert(&replica, lost).await;
        seconds(120).await;
        assert_eq!(
            replica.held_nodes("storm_guard").await,
            lost as f64,
            "{option} of {nodes}"
        );
        assert!(bench.touched().is_empty(), "{option} of {nodes}");
        assert!(bench.events(LOST)[0].contains("--max-unreachable"));

        bench.cluster.give_power(&format!("node-{lost}"));
        seconds(40).await;
        assert_eq!(bench.touched().len(), allowed, "{option} of {nodes}");
        assert_eq!(replica.metric(FREED).await, allowed as f64);
        assert_eq!(replica.held_nodes("storm_guard").await, 0.0);
        assert_eq!(replica.holds("storm_guard").await, lost as f64);
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_as_allowed_are_remediated() {
    let bench = bench(10, 4).await;
    let replica = bench.replica(&["--period=0"]).await;
    lose(&bench, 4).await;
    alert(&replica, 4).await;
    seconds(10).await;
    assert_eq!(bench.touched().len(), 4);
    assert_eq!(replica.holds("storm_guard").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn cordoned_nodes_do_not_count_and_nodes_in_trouble_do() {
    let bench = bench(5, 1).await;
    let replica = bench.replica(&["--period=0", "--max-unreachable=1"]).await;
    bench.cluster.kubelet_not_ready("node-2", true);
    for node in ["node-3", "node-4"] {
        bench.cluster.cordon(node, true);
    }
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(60).await;
    bench.assert_held(&replica, "storm_guard").await;
    bench.cluster.kubelet_not_ready("node-2", false);
    seconds(30).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn a_shut_guard_costs_one_request_for_all() {
    let bench = bench(20, 6).await;
    let replica = bench.replica(&["--period=0", "--max-unreachable=5"]).await;
    lose(&bench, 6).await;
    alert(&replica, 6).await;
    seconds(60).await;
    let before = [bench.requests("*", "*"), bench.requests("list", "nodes")];
    seconds(150).await;
    assert_eq!(replica.held_nodes("storm_guard").await, 6.0);
    let after = [bench.requests("*", "*"), bench.requests("list", "nodes")];
    // Every 15 s, and nothing but the list of nodes.
    assert_eq!([after[0] - before[0], after[1] - before[1]], [10, 10]);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_stands_still_too() {
    let bench = bench(5, 3).await;
    let replica = bench.replica(&["--unreachable-for=0s"]).await;
    lose(&bench, 3).await;
    bench.cluster.edit(|world| world.audit.clear());
    seconds(600).await;
    assert!(bench.touched().is_empty());
    assert_eq!(replica.held_nodes("storm_guard").await, 3.0);
    assert!(
        replica
            .metric("nodefall_sweeps_total{result=\"held\"}")
            .await
            >= 10.0
    );
    // A sweep lists nodes, and pods that failed; no node is read.
    assert_eq!(bench.requests("get", "nodes"), 0);
    bench.cluster.give_power("node-3");
    seconds(90).await;
    assert_eq!(bench.touched().len(), 2);
    assert_eq!(replica.held_nodes("").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_another_nodes_look_saw_shuts_it_for_a_judgement_that_is_still_fresh() {
    let bench = Bench::new(stuck()).await;
    let replica = bench.replica(&["--period=0", "--delete-timeout=2s"]).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    millis(1200).await;
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
    bench.cluster.edit(|world| {
        world.update::<Node>(&key("", "node-2"), "test", |node| {
            let conditions = node.status.iter_mut().flat_map(|it| &mut it.conditions);
            for one in conditions.flatten() {
                one.status = "False".to_owned();
            }
        })
    });
    // Its look reads the list of nodes anew, 0.8 s before the patch is due.
    replica.alert("node-2").await;
    seconds(2).await;
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
    assert_eq!(replica.held(LOST).await.as_deref(), Some("storm_guard"));
}
