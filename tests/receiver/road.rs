//! The main road: from an alert, or from the sweep alone, to a running replacement.

use crate::bench::{Bench, LOST, RECOVERIES, alert, deletions, patches, remediations, seconds};
use nodefall::demo::Layout;
use serde_json::json;
use std::collections::BTreeMap;

/// Every pod of the cluster, with its UID and node.
fn pods(bench: &Bench) -> BTreeMap<(String, String), (String, String)> {
    bench.cluster.edit(|world| {
        let pods = world.pods.iter();
        let told = pods.map(|(key, pod)| {
            let node = pod.spec.as_ref().and_then(|s| s.node_name.clone());
            let uid = pod.metadata.uid.clone();
            (
                key.clone(),
                (uid.unwrap_or_default(), node.unwrap_or_default()),
            )
        });
        told.collect()
    })
}

const STATEFUL: [&str; 2] = ["alertmanager-main-0", "prometheus-k8s-0"];

#[tokio::test(start_paused = true)]
async fn an_alert_for_a_lost_node_brings_its_pods_back_elsewhere_and_touches_nothing_else() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let options = ["--period=0", "--pod=monitoring/grafana-*"];
    let replica = bench.replica(&options).await;
    let before = pods(&bench);
    bench.lose(LOST).await;
    let (status, answer) = replica.alert(LOST).await;
    assert_eq!(status, 202);
    assert_eq!(
        answer["alerts"][0]["see"],
        "/api/v1/remediations?node=node-1"
    );
    seconds(10).await;

    for name in STATEFUL {
        let (uid, node) = &before[&("monitoring".to_owned(), name.to_owned())];
        let (new_uid, new_node) = bench.pod(name).expect("a replacement");
        assert!(new_uid != *uid && new_node != *node, "{name}");
    }
    let after = pods(&bench);
    let gone = before
        .iter()
        .filter(|(key, pod)| after.get(*key) != Some(*pod));
    let gone: Vec<_> = gone.map(|((_, name), _)| name.as_str()).collect();
    assert!(
        gone.len() == 3 && gone[1].starts_with("grafana-"),
        "{gone:?}"
    );
    bench.assert_harmless();

    replica
        .assert_counts(&[
            (&remediations("alert", "freed"), 1.0),
            (&remediations("sweep", "freed"), 0.0),
            (&deletions("deleted"), 3.0),
            (&deletions("gone"), 0.0),
            (&patches("cleared"), 0.0),
            (RECOVERIES, 2.0),
            ("nodefall_remediation_duration_seconds_count", 1.0),
            ("nodefall_suspected_nodes", 1.0),
            ("nodefall_unreachable_nodes", 1.0),
        ])
        .await;
    // One wave of reads, one DELETE each, no patch; and the counters say what was asked.
    for (verb, resource, count) in [
        ("get", "nodes", Some(1)),
        ("get", "leases", Some(1)),
        ("list", "nodes", Some(1)),
        ("list", "pods", Some(1)),
        ("delete", "pods", Some(3)),
        ("patch", "pods", Some(0)),
        // Five things were done to three pods, each told on the owner and on the Node.
        ("create", "events", Some(10)),
        ("get", "pods", None),
        ("get", "statefulsets", None),
    ] {
        let asked = bench.asked(verb, resource).len();
        if let Some(count) = count {
            assert_eq!(asked, count, "{verb} {resource}");
        }
        let labels = format!("{{resource=\"{resource}\",verb=\"{verb}\"}}");
        let series = format!("nodefall_api_request_duration_seconds_count{labels}");
        assert_eq!(replica.metric(&series).await, asked as f64, "{series}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_told_in_events_and_step_by_step() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let options = ["--period=0", "--pod=monitoring/grafana-*"];
    let replica = bench.replica(&options).await;
    bench.lose(LOST).await;
    replica.alert(LOST).await;
    seconds(10).await;

    let about = |reason: &str, kind: &str| {
        let mut names: Vec<_> = bench.told(reason);
        names.retain(|(k, _, note)| k == kind && note.contains("monitoring/"));
        let mut names: Vec<_> = names.into_iter().map(|(_, name, _)| name).collect();
        names.sort();
        names
    };
    let sets = ["alertmanager-main", "prometheus-k8s"];
    assert_eq!(about("NodefallForceDeleted", "StatefulSet"), sets);
    assert_eq!(about("NodefallForceDeleted", "Node"), [LOST; 3]);
    assert_eq!(about("NodefallForceDeleted", "ReplicaSet").len(), 1);
    assert_eq!(about("NodefallRecovered", "StatefulSet"), sets);
    assert_eq!(about("NodefallRecovered", "Node"), [LOST; 2]);
    assert!(bench.told("NodefallHeld").is_empty());

    let (_, status) = replica.get("/api/v1/remediations?node=node-1").await;
    let remediation = &status["remediations"][0];
    assert_eq!(remediation["node"], LOST);
    assert_eq!(remediation["trigger"], "alert");
    assert_eq!(remediation["result"], "freed");
    assert!(remediation["ended"].is_string() && remediation["judgement"].is_string());
    assert_eq!(
        status["nodes"][0],
        json!({
            "node": LOST, "alerts": 1, "in_hand": false, "held": null,
        })
    );

    for name in STATEFUL {
        let story = replica.story(name).await;
        let (uid, node) = bench.pod(name).expect("a replacement");
        assert_eq!(story["outcome"], "freed");
        assert_eq!(story["replacement"]["state"], "ready");
        assert_eq!(story["replacement"]["uid"], json!(uid));
        assert_eq!(story["replacement"]["node"], json!(node));
        let steps = story["steps"].as_array().expect("steps");
        assert!(
            steps[0]["what"]
                .as_str()
                .expect("a word")
                .starts_with("DELETE (grace 0")
        );
        assert!(steps.iter().all(|s| s["at"].is_string()));
    }
    // A ReplicaSet made its pod's replacement long ago: nobody waits for it.
    let pods = remediation["pods"].as_array().expect("pods");
    let grafana = pods.iter().find(|p| {
        p["name"]
            .as_str()
            .is_some_and(|n| n.starts_with("grafana-"))
    });
    let grafana = grafana.expect("grafana's story");
    assert_eq!(grafana["outcome"], "freed");
    assert!(grafana["replacement"].is_null());
}

#[tokio::test(start_paused = true)]
async fn the_sweep_alone_acts_once_kubernetes_has_evicted_the_pods() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let replica = bench.replica(&[]).await;
    let before = pods(&bench);
    bench.cluster.cut_power(LOST);
    seconds(340).await;
    assert!(bench.destructive().is_empty());
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_evicted"));
    assert_eq!(replica.metric("nodefall_suspected_nodes").await, 0.0);
    seconds(90).await;
    for name in STATEFUL {
        let (uid, node) = &before[&("monitoring".to_owned(), name.to_owned())];
        let (new_uid, new_node) = bench.pod(name).expect("a replacement");
        assert!(new_uid != *uid && new_node != *node, "{name}");
    }
    bench.assert_harmless();
    let terminating =
        |e: &nodefall::demo::audit::Entry| e.truth.as_ref().is_some_and(|t| t.terminating);
    assert!(bench.asked("delete", "pods").iter().all(terminating));
    replica
        .assert_counts(&[
            (&remediations("sweep", "freed"), 1.0),
            (&remediations("alert", "freed"), 0.0),
            (&deletions("deleted"), 2.0),
            (RECOVERIES, 2.0),
            ("nodefall_sweeps_total{result=\"ok\"}", 8.0),
            ("nodefall_sweeps_total{result=\"skipped\"}", 0.0),
            ("nodefall_held_nodes{reason=\"not_evicted\"}", 0.0),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn unreachable_for_lets_the_sweep_act_before_the_eviction() {
    for (wait, by) in [("0s", 125), ("2m", 245)] {
        let bench = Bench::new(Layout::kube_prometheus()).await;
        let option = format!("--unreachable-for={wait}");
        let replica = bench.replica(&[&option]).await;
        bench.cluster.cut_power(LOST);
        seconds(by - 80).await;
        assert!(bench.destructive().is_empty(), "{wait}");
        seconds(80).await;
        assert_eq!(bench.asked("delete", "pods").len(), 2, "{wait}");
        replica
            .assert_counts(&[(&remediations("sweep", "freed"), 1.0)])
            .await;
        bench.assert_harmless();
    }
}

#[tokio::test(start_paused = true)]
async fn alerts_and_sweeps_for_one_node_are_one_piece_of_work() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let replica = bench
        .replica(&["--period=1s", "--unreachable-for=0s"])
        .await;
    bench.lose(LOST).await;
    for _ in 0..5 {
        let both = json!([alert("firing", LOST), {
            "status": "firing", "fingerprint": "other",
            "labels": {"alertname": "KubeNodeNotReady", "node": LOST},
        }]);
        assert_eq!(replica.post(both).await.0, 202);
    }
    seconds(30).await;
    assert_eq!(bench.asked("delete", "pods").len(), 2);
    let freed = replica.metric(&remediations("sweep", "freed")).await
        + replica.metric(&remediations("alert", "freed")).await;
    assert_eq!(freed, 1.0);
    assert_eq!(replica.metric(RECOVERIES).await, 2.0);
}
