//! How long a node stays suspected: until its alerts resolve, are forgotten, or led to nothing for
//! ten minutes; and how many there may be.

use crate::bench::{Bench, LOST, POD, Replica, alert, late, millis, seconds, small};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use nodefall::demo::Constants;
use nodefall::demo::faults::{Effect, Fault};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: u64 = 3600;

async fn of_suspects(replica: &Replica) -> f64 {
    replica.metric("nodefall_suspected_nodes").await
}

async fn quiet(
    plan: impl FnOnce(nodefall::demo::Plan) -> nodefall::demo::Plan,
) -> (Bench, Replica) {
    let bench = Bench::new(small(plan)).await;
    let replica = bench.replica(&["--period=0"]).await;
    (bench, replica)
}

/// An alert for the lost node with a fingerprint of its own.
fn other(status: &str) -> Value {
    let mut other = alert(status, LOST);
    other["fingerprint"] = json!("other");
    other
}

#[tokio::test(start_paused = true)]
async fn a_repeat_joins() {
    let (bench, replica) = quiet(|p| p.finalizer("example.com/keep")).await;
    bench.lose(LOST).await;
    for expected in ["taken", "joined", "joined"] {
        let (status, answer) = replica.alert(LOST).await;
        assert_eq!(
            (status, answer["alerts"][0]["result"].as_str()),
            (202, Some(expected))
        );
        seconds(2).await;
    }
    let (_, answer) = replica
        .post(json!([other("firing"), other("firing")]))
        .await;
    assert_eq!(answer["alerts"][0]["result"], "joined");
    seconds(30).await;
    assert_eq!(
        bench.touched(),
        [format!("delete {POD}"), format!("patch {POD}")]
    );
    assert_eq!(replica.sum("nodefall_remediations_total").await, 1.0);
    assert_eq!(of_suspects(&replica).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_comes_during_the_sweeps_look_has_a_look_of_its_own_at_once() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=5s"]).await;
    bench.lose(LOST).await;
    seconds(10).await;
    bench.assert_held(&replica, "not_evicted").await;
    bench.cluster.inject(Fault::new(late(500)).resource("pods"));
    let in_hand = || async {
        let (_, status) = replica.get("/api/v1/remediations").await;
        status["nodes"][0]["in_hand"] == true
    };
    while !in_hand().await {
        millis(20).await;
    }
    bench.cluster.clear_faults();
    let (status, answer) = replica.alert(LOST).await;
    assert_eq!(status, 202);
    assert_eq!(answer["alerts"][0]["result"], "joined");
    assert_eq!(bench.touched(), [""; 0]);
    // The sweep's look ends, and the node does not wait a second to be looked at again.
    millis(900).await;
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
}

#[tokio::test(start_paused = true)]
async fn a_resolve_lifts_a_suspicion_that_is_held() {
    // With none of its alerts left the node is forgotten; with one left it is not.
    for left in [false, true] {
        let (bench, replica) = quiet(|p| p).await;
        replica
            .post(json!([alert("firing", LOST), other("firing")]))
            .await;
        seconds(10).await;
        bench.assert_held(&replica, "node_ready").await;
        assert_eq!(
            replica.resolve(LOST).await.1["alerts"][0]["result"],
            "resolved"
        );
        // Twice is once.
        assert_eq!(
            replica.resolve(LOST).await.1["alerts"][0]["result"],
            "ignored"
        );
        bench.assert_held(&replica, "node_ready").await;
        if !left {
            replica.post(json!([other("resolved")])).await;
        }
        assert_eq!(of_suspects(&replica).await, f64::from(u8::from(left)));
        assert_eq!(replica.held_nodes("").await, f64::from(u8::from(left)));
        bench.lose(LOST).await;
        seconds(20).await;
        if left {
            bench.assert_recovered(&replica).await;
        } else {
            assert!(bench.touched().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn alerts_without_a_fingerprint_are_told_apart_by_their_labels() {
    let (_bench, replica) = quiet(|p| p).await;
    let of = |status: &str, severity: &str| {
        json!({"status": status, "labels": {
            "alertname": "KubeNodeNotReady", "node": LOST, "severity": severity}})
    };
    replica
        .post(json!([of("firing", "warning"), of("firing", "critical")]))
        .await;
    replica.post(json!([of("resolved", "warning")])).await;
    assert_eq!(of_suspects(&replica).await, 1.0);
    replica.post(json!([of("resolved", "critical")])).await;
    assert_eq!(of_suspects(&replica).await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_resolve_never_stops_what_has_begun() {
    let (bench, replica) = quiet(|p| p.finalizer("example.com/keep")).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(2).await;
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
    assert_eq!(
        replica.resolve(LOST).await.1["alerts"][0]["result"],
        "resolved"
    );
    assert_eq!(of_suspects(&replica).await, 0.0);
    seconds(20).await;
    assert_eq!(
        bench.touched(),
        [format!("delete {POD}"), format!("patch {POD}")]
    );
    assert_ne!(bench.pod(POD).expect("a replacement").1, LOST);
}

#[tokio::test(start_paused = true)]
async fn nor_what_has_begun_and_is_held() {
    let (bench, replica) = quiet(|p| p.finalizer("example.com/keep")).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(2).await;
    // When the patch is due the taint is off for a moment.
    seconds(6).await;
    bench.cluster.restart_controller_manager();
    seconds(4).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_tainted"));
    replica.resolve(LOST).await;
    assert_eq!(of_suspects(&replica).await, 0.0);
    seconds(40).await;
    assert_eq!(
        bench.touched(),
        [format!("delete {POD}"), format!("patch {POD}")]
    );
    assert_eq!(replica.held_nodes("").await, 0.0);
    assert_eq!(replica.sum("nodefall_remediations_total").await, 1.0);
    let (_, status) = replica.get("/api/v1/remediations").await;
    assert_eq!(status["nodes"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_lost_once_more_under_the_same_alert_is_found() {
    let (bench, replica) = quiet(|p| p).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(20).await;
    bench.assert_recovered(&replica).await;
    // It is back, and the pod with it; then it is lost again, and its alert is not repeated.
    bench.cluster.give_power(LOST);
    for node in ["node-2", "node-3"] {
        bench.cluster.cordon(node, true);
    }
    seconds(30).await;
    let pods: Api<Pod> = Api::namespaced(bench.cluster.client_as("kubectl"), "monitoring");
    pods.delete(POD, &DeleteParams::default().grace_period(0))
        .await
        .expect("deleted");
    seconds(30).await;
    assert_eq!(bench.pod(POD).expect("the pod").1, LOST);
    bench.cluster.cordon("node-2", false);
    bench.lose(LOST).await;
    seconds(60).await;
    assert_eq!(bench.pod(POD).expect("a replacement").1, "node-2");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_ready_for_ten_minutes_is_suspected_no_more() {
    for (wait, suspected) in [(500, 1.0), (670, 0.0)] {
        let (bench, replica) = quiet(|p| p).await;
        replica.alert(LOST).await;
        seconds(wait).await;
        assert_eq!(of_suspects(&replica).await, suspected);
        assert_eq!(replica.held_nodes("node_ready").await, suspected);
        bench.lose(LOST).await;
        seconds(20).await;
        assert_eq!(bench.touched().len() as f64, suspected);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_are_counted_anew_after_every_doubt() {
    let (bench, replica) = quiet(|p| p).await;
    replica.alert(LOST).await;
    seconds(500).await;
    bench.cluster.kubelet_not_ready(LOST, true);
    seconds(60).await;
    bench.assert_held(&replica, "kubelet_alive").await;
    bench.cluster.kubelet_not_ready(LOST, false);
    seconds(500).await;
    bench.assert_held(&replica, "node_ready").await;
    seconds(200).await;
    assert_eq!(of_suspects(&replica).await, 0.0);
    assert_eq!(replica.held_nodes("").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_knows_is_forgotten_when_no_pod_is_left_on_it() {
    let (bench, replica) = quiet(|p| p).await;
    replica.alert("ghost").await;
    seconds(590).await;
    assert_eq!(replica.held("ghost").await.as_deref(), Some("unknown_node"));
    assert_eq!(bench.requests("create", "events"), 0);
    seconds(80).await;
    assert_eq!(of_suspects(&replica).await, 0.0);
    assert_eq!(replica.held_nodes("").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn and_not_while_a_selected_pod_is_bound_to_it() {
    let constants = Constants {
        gc_quarantine: Duration::from_secs(3600),
        ..Constants::default()
    };
    let bench = Bench::with(constants, small(|p| p.finalizer("example.com/keep"))).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.cluster.cut_power(LOST);
    bench.cluster.delete_node(LOST);
    replica.alert(LOST).await;
    seconds(3000).await;
    bench.assert_held(&replica, "unknown_node").await;
    // PodGC comes late, and finds us still there.
    seconds(700).await;
    assert_eq!(bench.touched(), [format!("patch {POD}")]);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_not_repeated_for_thirteen_hours_is_forgotten() {
    for repeated in [false, true] {
        let (bench, replica) = quiet(|p| p).await;
        bench.cluster.kubelet_not_ready(LOST, true);
        seconds(20).await;
        replica.alert(LOST).await;
        seconds(12 * HOUR).await;
        bench.assert_held(&replica, "kubelet_alive").await;
        if repeated {
            replica.alert(LOST).await;
        }
        seconds(HOUR - 60).await;
        bench.assert_held(&replica, "kubelet_alive").await;
        seconds(180).await;
        let left = f64::from(u8::from(repeated));
        assert_eq!(of_suspects(&replica).await, left);
        assert_eq!(replica.held_nodes("kubelet_alive").await, left);
        assert_eq!(replica.holds("kubelet_alive").await, 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_not_repeated_for_thirteen_hours_is_forgotten_behind_a_shut_guard_too() {
    // Nobody looks at the nodes that the guard holds: only the list of nodes is read for them.
    let (bench, replica) = quiet(|p| p).await;
    bench.cluster.cut_power("node-2");
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(12 * HOUR).await;
    bench.assert_held(&replica, "storm_guard").await;
    seconds(HOUR + 120).await;
    assert_eq!(of_suspects(&replica).await, 0.0);
    assert_eq!(replica.held_nodes("").await, 0.0);
}

fn ghosts(from: usize, count: usize) -> Value {
    (from..from + count)
        .map(|n| alert("firing", &format!("ghost-{n}")))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn forged_alerts_do_not_crowd_out_a_true_one() {
    let (bench, replica) = quiet(|p| p).await;
    assert_eq!(replica.post(ghosts(0, 9_999)).await.0, 202);
    // This one is held for a better reason than theirs, and stays.
    bench.cluster.kubelet_not_ready("node-2", true);
    seconds(20).await;
    assert_eq!(replica.alert("node-2").await.0, 202);
    seconds(20).await;
    assert_eq!(of_suspects(&replica).await, 10_000.0);

    bench.cluster.kubelet_not_ready("node-2", false);
    seconds(20).await;
    bench.lose(LOST).await;
    assert_eq!(replica.alert(LOST).await.0, 202);
    seconds(5).await;
    assert_eq!(of_suspects(&replica).await, 10_000.0);
    assert_eq!(replica.held_nodes("unknown_node").await, 9_998.0);
    assert!(replica.held("node-2").await.is_some());
    assert_eq!(bench.touched(), [format!("delete {POD}")]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_dropped_alertmanager_is_told_to_come_back() {
    let (bench, replica) = quiet(|p| p).await;
    // Nothing is known of the suspects while the API server is away.
    bench.cluster.inject(Fault::new(Effect::Reset));
    replica.alert(LOST).await;
    replica.post(ghosts(0, 9_999)).await;
    seconds(30).await;
    assert_eq!(replica.held_nodes("api_error").await, 10_000.0);
    let (status, answer) = replica
        .post(json!([alert("firing", "node-2"), alert("firing", LOST)]))
        .await;
    assert_eq!(status, 503);
    let results = [0, 1].map(|n| answer["alerts"][n]["result"].clone());
    assert_eq!(results, ["no_room", "joined"]);
    assert_eq!(of_suspects(&replica).await, 10_000.0);

    // Back again, the ghosts are found out, and there is room.
    bench.cluster.clear_faults();
    seconds(3 * HOUR / 4).await;
    assert_eq!(replica.alert("node-2").await.0, 202);
}
