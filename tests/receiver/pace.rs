//! Many alerts, many nodes, many pods: what it may cost the API server.

use crate::bench::{
    Bench, LOST, RECOVERIES, Replica, alert, deletions, late, millis, remediations, seconds, small,
};
use jiff::Timestamp;
use nodefall::demo::audit::Entry;
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::{Layout, NodePlan, Plan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every request of the replicas since `since`.
fn asked(bench: &Bench, since: Timestamp) -> Vec<Entry> {
    let ours = |e: &Entry| e.user_agent.starts_with("nodefall") && e.at > since;
    bench.cluster.audit().into_iter().filter(ours).collect()
}

/// The most requests in any second.
fn busiest_second(entries: &[Entry]) -> usize {
    let mut seconds = BTreeMap::<i64, usize>::new();
    for entry in entries {
        *seconds.entry(entry.at.as_second()).or_default() += 1;
    }
    seconds.into_values().max().unwrap_or(0)
}

fn alerts_for(nodes: usize) -> Value {
    json!(
        (1..=nodes)
            .map(|n| alert("firing", &format!("node-{n}")))
            .collect::<Vec<_>>()
    )
}

#[tokio::test(start_paused = true)]
async fn a_thousand_alerts_are_looked_at_sixteen_at_a_time_and_then_at_a_steady_rate() {
    const NODES: usize = 1000;
    let bench = Bench::new(Layout::nodes(NODES)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench
        .cluster
        .inject(Fault::new(late(1000)).verb("get").resource("nodes"));
    let began = bench.cluster.now();
    assert_eq!(replica.post(alerts_for(NODES)).await.0, 202);
    seconds(70).await;
    let reads = bench.asked("get", "nodes");
    let mut firsts = BTreeMap::new();
    for read in &reads {
        firsts.entry(read.name.clone()).or_insert(read.at);
    }
    assert_eq!(
        firsts.len(),
        NODES,
        "each is looked at within 70 s: 16 a second"
    );
    let under_way = |at: Timestamp| {
        let since = at - Duration::from_millis(999);
        firsts
            .values()
            .filter(|first| (since..=at).contains(first))
            .count()
    };
    let most = firsts.values().map(|at| under_way(*at)).max().unwrap_or(0);
    assert_eq!(most, 16);
    let held = "nodefall_held_nodes{reason=\"node_ready\"}";
    replica
        .assert_counts(&[(held, 1000.0), ("nodefall_suspected_nodes", 1000.0)])
        .await;

    // All are held. Their looks, and the Events that tell of it, share 20 requests a second.
    bench.cluster.clear_faults();
    let since = bench.cluster.now();
    seconds(120).await;
    let entries = asked(&bench, since);
    assert!(entries.len() > 120 * 15, "it goes on: {}", entries.len());
    assert!(
        entries.len() <= 120 * 21,
        "{} requests in 120 s",
        entries.len()
    );
    assert!(
        busiest_second(&entries) <= 26,
        "{}",
        busiest_second(&entries)
    );
    assert!(began < since && bench.destructive().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_at_the_start_is_asked_ever_more_seldom() {
    let bench = Bench::new(small(|plan| plan)).await;
    bench.cluster.inject(Fault::new(Effect::Reset));
    let replica = bench.unready_replica(&[]);
    seconds(120).await;
    assert_eq!(replica.get("/-/ready").await.0, 503);
    let asked = bench.seconds_of("create", "selfsubjectaccessreviews");
    let gaps: Vec<_> = asked.windows(2).map(|w| (w[1] - w[0]).round()).collect();
    assert_eq!(gaps[..6], [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
    bench.cluster.clear_faults();
    seconds(15).await;
    assert_eq!(replica.get("/-/ready").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn looks_that_wait_in_line_go_oldest_first() {
    const NODES: usize = 200;
    let bench = Bench::new(Layout::nodes(NODES)).await;
    let replica = bench.replica(&["--period=0"]).await;
    replica.post(alerts_for(NODES)).await;
    seconds(120).await;
    let mut looks = BTreeMap::<String, Vec<Timestamp>>::new();
    for read in bench.asked("get", "nodes") {
        looks.entry(read.name.clone()).or_default().push(read.at);
    }
    let counts: Vec<_> = looks.values().map(Vec::len).collect();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    assert!(
        most.zip(least)
            .is_some_and(|(most, least)| most - least <= 2),
        "{most:?} {least:?}"
    );
}

/// How many requests it takes to bring back a pod that hangs on a finalizer.
async fn cost(repeats: usize) -> BTreeMap<String, usize> {
    let bench = Bench::new(small(|plan| plan.finalizer("example.com/keep"))).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    let since = bench.cluster.now();
    replica.alert(LOST).await;
    seconds(3).await;
    for _ in 0..repeats {
        assert_eq!(replica.alert(LOST).await.0, 202);
    }
    seconds(30).await;
    let joined = "nodefall_alerts_total{result=\"joined\",status=\"firing\"}";
    assert_eq!(replica.metric(joined).await, repeats as f64);
    let mut counts = BTreeMap::new();
    for entry in asked(&bench, since) {
        *counts
            .entry(format!("{} {}", entry.verb, entry.resource))
            .or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_hundred_repeats_of_an_alert_in_hand_cost_nothing() {
    assert_eq!(cost(100).await, cost(0).await);
}

#[tokio::test(start_paused = true)]
async fn repeats_of_an_alert_for_a_held_node_cost_nothing() {
    let mut costs = Vec::new();
    for repeats in [true, false] {
        let bench = Bench::new(small(|plan| plan)).await;
        let replica = bench.replica(&["--period=0"]).await;
        replica.alert(LOST).await;
        seconds(1).await;
        assert_eq!(replica.held(LOST).await.as_deref(), Some("node_ready"));
        let since = bench.cluster.now();
        for _ in 0..100 {
            if repeats {
                assert_eq!(replica.alert(LOST).await.0, 202);
            }
            millis(100).await;
        }
        costs.push(asked(&bench, since).len());
    }
    assert!(costs[0] == costs[1] && costs[0] > 0, "{costs:?}");
}

#[tokio::test(start_paused = true)]
async fn sixteen_looks_at_an_api_server_that_hangs_do_not_wait_for_one_another() {
    let bench = Bench::new(Layout::nodes(40)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench
        .cluster
        .inject(Fault::new(Effect::Hang).verb("list").resource("nodes"));
    replica.post(alerts_for(16)).await;
    seconds(6).await;
    let held = "nodefall_held_nodes{reason=\"slow_api\"}";
    replica.assert_counts(&[(held, 16.0)]).await;
    assert_eq!(bench.asked("list", "nodes").len(), 1);
}

/// A node that carries 200 pods, of which a StatefulSet's 30 are selected, and four empty nodes.
async fn crowd() -> (Bench, Replica) {
    let chosen = Plan::new("monitoring", "prometheus-k8s")
        .replicas(30)
        .parallel();
    let others = Plan::new("monitoring", "others").replicas(170);
    let bench = Bench::new(Layout::nodes(1).statefulset(chosen).replicaset(others)).await;
    for n in 2..=5 {
        bench.cluster.add_node(&NodePlan::new(&format!("node-{n}")));
    }
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    (bench, replica)
}

#[tokio::test(start_paused = true)]
async fn thirty_of_two_hundred_pods_come_back_at_once_after_one_look() {
    let (bench, replica) = crowd().await;
    replica.alert(LOST).await;
    seconds(10).await;
    let times = bench.seconds_of("delete", "pods");
    assert_eq!(times.len(), 30);
    assert!(times.iter().all(|s| *s < 0.1), "all at once: {times:?}");
    for n in 0..30 {
        let (_, node) = bench
            .pod(&format!("prometheus-k8s-{n}"))
            .expect("a replacement");
        assert_ne!(node, LOST);
    }
    for (verb, resource) in [
        ("get", "nodes"),
        ("get", "leases"),
        ("list", "pods"),
        ("list", "nodes"),
    ] {
        assert_eq!(bench.asked(verb, resource).len(), 1, "{verb} {resource}");
    }
    let left = bench.cluster.edit(|world| world.pod_count(LOST));
    assert_eq!(left, 170);
    bench.assert_harmless();
    replica
        .assert_counts(&[
            (&deletions("deleted"), 30.0),
            (&remediations("alert", "freed"), 1.0),
            (RECOVERIES, 30.0),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_every_sweep_finds_is_looked_at_again_at_the_steady_rate() {
    let bench = Bench::new(Layout::nodes(100)).await;
    for n in 1..=40 {
        bench.cluster.cut_power(&format!("node-{n}"));
    }
    seconds(500).await;
    let replica = bench.replica(&["--period=30s"]).await;
    seconds(5).await;
    assert_eq!(
        bench.asked("get", "nodes").len(),
        40,
        "the first look comes at once"
    );
    let since = bench.cluster.now();
    // Four more sweeps; the looks of each take some 8 s.
    seconds(130).await;
    let looks = bench.asked("get", "nodes").len();
    assert_eq!(looks, 40 * 5, "and one after each sweep");
    let entries = asked(&bench, since);
    assert!(
        busiest_second(&entries) <= 26,
        "{}",
        busiest_second(&entries)
    );
    replica
        .assert_counts(&[("nodefall_unreachable_nodes", 40.0)])
        .await;
}
