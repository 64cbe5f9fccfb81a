//! Which alerts suspect a node. An alert that does not concern us, is resolved, or lies about a
//! healthy node leads to nothing; the same alert made right does.

use crate::bench::{Bench, LOST, Replica, alert, seconds, small};
use serde_json::{Value, json};

async fn lost(options: &[&str]) -> (Bench, Replica) {
    let bench = Bench::new(small(|p| p)).await;
    let mut words = vec!["--period=0"];
    words.extend(options);
    let replica = bench.replica(&words).await;
    bench.lose(LOST).await;
    (bench, replica)
}

/// A firing alert with these labels beside its name.
fn labelled(name: &str, labels: Value) -> Value {
    let mut labels = labels;
    labels["alertname"] = json!(name);
    json!({"status": "firing", "labels": labels, "fingerprint": "0123456789abcdef"})
}

/// What each alert that is ignored or refused comes to; then `good` is remediated.
async fn only(options: &[&str], bad: Vec<(Value, u16, &str)>, good: Value) {
    let (bench, replica) = lost(options).await;
    for (alert, status, result) in bad {
        let (answered, answer) = replica.post(json!([alert])).await;
        assert_eq!(answered, status, "{alert}");
        assert_eq!(answer["alerts"][0]["result"], result, "{alert}");
        seconds(60).await;
        assert!(bench.touched().is_empty(), "{alert}");
        assert_eq!(replica.metric("nodefall_suspected_nodes").await, 0.0);
    }
    assert_eq!(replica.post(json!([good])).await.0, 202);
    seconds(10).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_named_alerts_count() {
    let node = || json!({"node": LOST});
    only(
        &[],
        vec![
            (labelled("KubeNodeUnreachable", node()), 200, "ignored"),
            (
                labelled("KubeNodeReadinessFlapping", node()),
                200,
                "ignored",
            ),
            (labelled("kubenodenotready", node()), 200, "ignored"),
        ],
        labelled("KubeNodeNotReady", node()),
    )
    .await;
    only(
        &["--alert-name=NodeDown", "--alert-name=KubeNodeUnreachable"],
        vec![(labelled("KubeNodeNotReady", node()), 200, "ignored")],
        labelled("KubeNodeUnreachable", node()),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn all_matches_must_hold() {
    let labels = |cluster: &str, severity: &str| {
        let labels = json!({"node": LOST, "cluster": cluster, "severity": severity});
        labelled("KubeNodeNotReady", labels)
    };
    let none = labelled("KubeNodeNotReady", json!({"node": LOST}));
    only(
        &["--match=cluster=east", "--match=severity=critical"],
        vec![
            (none, 200, "ignored"),
            (labels("west", "critical"), 200, "ignored"),
            (labels("east", "warning"), 200, "ignored"),
            (labels("east-2", "critical"), 200, "ignored"),
        ],
        labels("east", "critical"),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_node_stands_in_its_label() {
    let labels = |labels: Value| labelled("KubeNodeNotReady", labels);
    only(
        &[],
        vec![
            (labels(json!({"instance": LOST})), 400, "refused"),
            (labels(json!({"node": ""})), 400, "refused"),
            (labels(json!({"node": "node-1/../node-1"})), 400, "refused"),
            (labels(json!({"node": "Node-1"})), 400, "refused"),
        ],
        labels(json!({"node": LOST})),
    )
    .await;
    only(
        &["--node-label=kubernetes_node"],
        vec![(labels(json!({"node": LOST})), 400, "refused")],
        labels(json!({"kubernetes_node": LOST, "node": "node-2"})),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_counts_by_its_own_status() {
    let (bench, replica) = lost(&[]).await;
    // The group fires (see `post`); this alert of it does not.
    let (status, answer) = replica.resolve(LOST).await;
    assert_eq!(
        (status, &answer["alerts"][0]["result"]),
        (200, &json!("ignored"))
    );
    let odd = json!([alert("pending", LOST)]);
    assert_eq!(replica.post(odd).await.0, 200);
    seconds(60).await;
    assert!(bench.touched().is_empty());

    // A mixed group: a bad alert, a resolved one, one for a healthy node, and the true one.
    let group = json!([
        {"status": "firing", "labels": {"alertname": "KubeNodeNotReady"}},
        alert("resolved", "node-3"),
        alert("firing", "node-2"),
        alert("firing", LOST),
    ]);
    let (status, answer) = replica.post(group).await;
    let results = answer["alerts"].as_array().expect("alerts").iter();
    let results: Vec<_> = results.map(|a| a["result"].clone()).collect();
    assert_eq!(status, 202);
    assert_eq!(results, ["refused", "ignored", "taken", "taken"]);
    seconds(10).await;
    assert_eq!(bench.touched(), ["delete prometheus-k8s-0"]);
    assert_eq!(replica.held("node-2").await.as_deref(), Some("node_ready"));
}

#[tokio::test(start_paused = true)]
async fn forged_alerts_for_healthy_nodes_harm_nobody() {
    let (bench, replica) = lost(&[]).await;
    let forged: Vec<_> = ["node-2", "node-3", "node-4", "kubernetes.default"]
        .map(|node| alert("firing", node))
        .into();
    for _ in 0..10 {
        assert_eq!(replica.post(json!(forged)).await.0, 202);
        seconds(60).await;
    }
    assert!(bench.touched().is_empty());
    assert_eq!(replica.held_nodes("node_ready").await, 2.0);
    assert_eq!(replica.held_nodes("unknown_node").await, 2.0);
    replica.alert(LOST).await;
    seconds(10).await;
    assert_eq!(bench.touched(), ["delete prometheus-k8s-0"]);
}
