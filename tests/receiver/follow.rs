//! What keeps a replacement from coming is told apart, and waited for no longer than ten minutes.

use crate::bench::{Bench, LOST, POD, RECOVERIES, Replica, lost, remediations, seconds, small};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

async fn replacement(replica: &Replica, pod: &str) -> (String, Value) {
    let story = replica.story(pod).await;
    let state = story["replacement"]["state"].as_str().unwrap_or_default();
    (state.to_owned(), story["replacement"].clone())
}

/// The series of waits for a replacement that ended so.
fn replacements(result: &str) -> String {
    format!(r#"nodefall_replacements_total{{result="{result}"}}"#)
}

fn edit_set(bench: &Bench, change: impl FnOnce(&mut StatefulSet)) {
    let key = ("monitoring".to_owned(), "prometheus-k8s".to_owned());
    bench
        .cluster
        .edit(|world| world.update(&key, "kubectl", change));
}

/// When Ready of the lost node turned Unknown, seconds ago.
fn unknown_for(bench: &Bench) -> f64 {
    let now = bench.cluster.now();
    bench.cluster.edit(|world| {
        let node = world
            .nodes
            .get(&(String::new(), LOST.to_owned()))
            .expect("the node");
        let ready = nodefall::demo::objects::node_ready(node).expect("a condition");
        let since = ready.last_transition_time.as_ref().expect("a time").0;
        now.duration_since(since).as_secs_f64()
    })
}

#[tokio::test(start_paused = true)]
async fn the_time_of_recovery_counts_from_the_nodes_turning_unknown() {
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    seconds(100).await;
    let unknown = unknown_for(&bench);
    assert!(unknown > 100.0);
    replica.alert(LOST).await;
    seconds(5).await;
    let (state, told) = replacement(&replica, POD).await;
    assert_eq!(state, "ready");
    let recovery = told["recovery_seconds"].as_f64().expect("seconds");
    // A pod takes 2 s to start here; polls and whole seconds blur it a little.
    assert!(
        (recovery - (unknown + 2.0)).abs() < 1.5,
        "{recovery} after {unknown}"
    );
    let sum = replica
        .metric("nodefall_recovery_duration_seconds_sum")
        .await;
    assert_eq!(sum, recovery);
}

#[tokio::test(start_paused = true)]
async fn lower_ordinals_that_are_not_ready_are_named() {
    let layout = small(|plan| plan.replicas(2));
    let (bench, replica) = lost(layout, &["--max-unreachable=2"]).await;
    bench.lose("node-2").await;
    replica.alert("node-2").await;
    seconds(10).await;
    let (state, _) = replacement(&replica, "prometheus-k8s-1").await;
    assert_eq!(state, "lower ordinals: prometheus-k8s-0 is not Ready");
    // The remediation itself is over: only the replacement is waited for.
    replica
        .assert_counts(&[(&remediations("alert", "freed"), 1.0), (RECOVERIES, 0.0)])
        .await;
    replica.alert(LOST).await;
    seconds(20).await;
    replica.assert_counts(&[(RECOVERIES, 2.0)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_not_scheduled_is_told_in_the_schedulers_words() {
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    bench.cluster.cordon("node-2", true);
    bench.cluster.cordon("node-3", true);
    replica.alert(LOST).await;
    seconds(100).await;
    let (state, told) = replacement(&replica, POD).await;
    assert!(
        state.starts_with("not scheduled: 0/3 nodes are available: "),
        "{state}"
    );
    assert!(state.contains("2 node(s) were unschedulable"), "{state}");
    assert!(told["uid"].is_string() && told["node"].is_null());
    bench.cluster.cordon("node-3", false);
    seconds(10).await;
    let (state, told) = replacement(&replica, POD).await;
    assert_eq!((state.as_str(), &told["node"]), ("ready", &"node-3".into()));
    let counts = [(RECOVERIES, 1.0), (&*replacements("ready"), 1.0)];
    replica.assert_counts(&counts).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_the_lost_node_still_holds_is_told_and_waited_for() {
    let (_bench, replica) = lost(small(|plan| plan.claim()), &[]).await;
    replica.alert(LOST).await;
    seconds(300).await;
    let (state, told) = replacement(&replica, POD).await;
    assert!(state.starts_with("volume: "), "{state}");
    assert!(state.contains("the claim data-prometheus-k8s-0"), "{state}");
    assert!(told["node"].is_string());
    seconds(80).await;
    let (state, told) = replacement(&replica, POD).await;
    assert_eq!(state, "ready");
    assert!(
        told["recovery_seconds"].as_f64().is_some_and(|s| s > 360.0),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_will_never_come_is_not_waited_for() {
    type Change = fn(&Bench);
    let cases: [(Change, &str); 3] = [
        (
            |bench| {
                edit_set(bench, |set| {
                    set.spec.get_or_insert_default().replicas = Some(0)
                })
            },
            "its StatefulSet prometheus-k8s was scaled down",
        ),
        (
            |bench| {
                let key = ("monitoring".to_owned(), "prometheus-k8s".to_owned());
                bench
                    .cluster
                    .edit(|world| world.remove::<StatefulSet>(&key));
            },
            "its StatefulSet prometheus-k8s is deleted",
        ),
        (
            |bench| {
                let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(bench.cluster.now());
                edit_set(bench, |set| set.metadata.deletion_timestamp = Some(now));
            },
            "its StatefulSet prometheus-k8s is deleted",
        ),
    ];
    for (change, why) in cases {
        let (bench, replica) = lost(small(|plan| plan), &[]).await;
        change(&bench);
        replica.alert(LOST).await;
        seconds(5).await;
        let (state, told) = replacement(&replica, POD).await;
        assert_eq!(state, why);
        assert!(told["uid"].is_null());
        let told = bench.told("NodefallNotRecovered");
        assert!(told.len() == 2 && told[0].2.contains(why), "{told:?}");
        let before = bench.asked("get", "pods").len();
        seconds(60).await;
        assert_eq!(bench.asked("get", "pods").len(), before);
        let counts = [
            (&*remediations("alert", "freed"), 1.0),
            (RECOVERIES, 0.0),
            (&*replacements("never"), 1.0),
        ];
        replica.assert_counts(&counts).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_minutes_it_is_no_longer_waited_for() {
    let (bench, replica) = lost(small(|plan| plan), &[]).await;
    bench.cluster.cordon("node-2", true);
    bench.cluster.cordon("node-3", true);
    replica.alert(LOST).await;
    seconds(590).await;
    assert!(bench.told("NodefallNotRecovered").is_empty());
    seconds(20).await;
    let (state, _) = replacement(&replica, POD).await;
    assert!(
        state.starts_with("not Ready after 10 minutes: not scheduled: 0/3"),
        "{state}"
    );
    assert_eq!(bench.told("NodefallNotRecovered").len(), 2);
    let before = bench.asked("get", "pods").len();
    // Quick at first, then every 5 s.
    assert!(before < 200, "{before} reads");
    bench.cluster.cordon("node-2", false);
    seconds(60).await;
    assert_eq!(bench.asked("get", "pods").len(), before);
    let counts = [(RECOVERIES, 0.0), (&*replacements("late"), 1.0)];
    replica.assert_counts(&counts).await;
}
