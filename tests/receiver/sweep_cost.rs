//! What a sweep costs, when it is skipped, and what it does when the API server fails.

use crate::bench::{Bench, LOST, late, millis, remediations, seconds, small};
use nodefall::demo::faults::{Effect, Fault};
use nodefall::demo::{Layout, Plan};

fn sweeps(result: &str) -> String {
    format!("nodefall_sweeps_total{{result=\"{result}\"}}")
}

#[tokio::test(start_paused = true)]
async fn an_idle_sweep_costs_one_list_of_nodes_and_one_of_pods_in_each_namespace() {
    for (options, namespaces) in [
        (&["--period=30s"][..], 1),
        (
            &[
                "--period=30s",
                "--pod=kube-system/coredns-*",
                "--pod=default/x",
            ][..],
            3,
        ),
    ] {
        let bench = Bench::new(Layout::kube_prometheus()).await;
        let replica = bench.replica(options).await;
        millis(29_700).await;
        let before = bench.cluster.audit().len();
        seconds(300).await;
        let entries = bench.cluster.audit().split_off(before);
        let ours: Vec<_> = entries
            .iter()
            .filter(|e| e.user_agent == "nodefall")
            .collect();
        let count = |verb, resource| {
            let same =
                |e: &&&nodefall::demo::audit::Entry| e.verb == verb && e.resource == resource;
            ours.iter().filter(same).count()
        };
        assert_eq!(count("list", "nodes"), 10);
        assert_eq!(count("list", "pods"), 10 * namespaces);
        assert_eq!(ours.len(), 10 * (1 + namespaces));
        replica.assert_counts(&[(&sweeps("ok"), 11.0)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_cannot_keep_up_is_skipped_and_never_piles_up() {
    let plan = Plan::new("monitoring", "prometheus-k8s")
        .replicas(40)
        .parallel();
    let bench = Bench::new(Layout::nodes(100).statefulset(plan)).await;
    for n in 1..=40 {
        bench.cluster.cut_power(&format!("node-{n}"));
    }
    seconds(900).await;
    // 40 nodes, 16 looks at a time, each of 4 s.
    let slow = late(4000);
    bench
        .cluster
        .inject(Fault::new(slow).verb("list").resource("pods").times(41));
    let replica = bench.replica(&["--period=1s"]).await;
    millis(7_500).await;
    replica
        .assert_counts(&[(&sweeps("ok"), 1.0), (&sweeps("skipped"), 7.0)])
        .await;
    assert_eq!(
        bench.asked("list", "nodes").len(),
        2,
        "one for the sweep, one for the looks"
    );
    seconds(60).await;
    replica
        .assert_counts(&[(&remediations("sweep", "freed"), 40.0)])
        .await;
    let skipped = replica.metric(&sweeps("skipped")).await;
    seconds(30).await;
    assert_eq!(replica.metric(&sweeps("skipped")).await, skipped);
    bench.assert_harmless();
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_cannot_read_fails_and_the_next_one_goes_on() {
    let bench = Bench::new(small(|plan| plan)).await;
    let replica = bench.replica(&["--period=30s"]).await;
    let last = "nodefall_last_sweep_timestamp_seconds";
    let before = replica.metric(last).await;
    assert!(before > 0.0);
    bench.cluster.inject(Fault::new(Effect::Reset).verb("list"));
    bench.cluster.cut_power(LOST);
    seconds(400).await;
    assert!(replica.metric(&sweeps("failed")).await >= 12.0);
    assert_eq!(replica.metric(last).await, before);
    assert!(bench.destructive().is_empty());
    bench.cluster.clear_faults();
    seconds(40).await;
    assert!(replica.metric(last).await > before + 400.0);
    replica
        .assert_counts(&[(&remediations("sweep", "freed"), 1.0)])
        .await;
}
