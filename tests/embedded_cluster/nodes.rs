//! A node that loses power, a kubelet that stops or complains, clocks, and a restart of the
//! controller manager.

use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use nodefall::demo::objects::{node_ready, taints};
use nodefall::demo::{Layout, NodePlan, Plan};
use serde_json::Value;

use super::*;

#[tokio::test(start_paused = true)]
async fn power_loss_goes_by_the_timeline() {
    let cluster = start();
    seconds(20).await;
    cluster.cut_power("node-1");

    seconds(39).await;
    assert_eq!(ready(&cluster, "node-1").await, "True");
    seconds(17).await;
    let node = nodes(&cluster).get("node-1").await.unwrap();
    let condition = node_ready(&node).unwrap();
    assert_eq!(condition.status, "Unknown");
    assert_eq!(condition.reason.as_deref(), Some("NodeStatusUnknown"));
    for effect in ["NoSchedule", "NoExecute"] {
        let taint = taints(&node)
            .iter()
            .find(|taint| taint.effect == effect)
            .unwrap();
        assert_eq!(taint.key, "node.kubernetes.io/unreachable");
        assert!(taint.time_added.is_some());
    }
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(pod_ready(&pod).unwrap().status, "False");
    let status = pod.status.clone().unwrap();
    assert_eq!(
        (status.phase.as_deref(), status.reason),
        (Some("Running"), None)
    );
    assert_eq!(pod.metadata.deletion_timestamp, None);

    seconds(285).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(pod.metadata.deletion_timestamp, None, "341 s");
    seconds(16).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert!(pod.metadata.deletion_timestamp.is_some(), "357 s");
    assert_eq!(pod.metadata.deletion_grace_period_seconds, Some(600));

    seconds(3600).await;
    let still = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(
        still.metadata.uid, pod.metadata.uid,
        "a StatefulSet's pod stays for ever"
    );
    pods(&cluster)
        .delete("prometheus-k8s-0", &now_with(&uid(&still)))
        .await
        .unwrap();
    milliseconds(100).await;
    let new = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_ne!(uid(&new), uid(&still));
    assert_ne!(node_of(&new), "node-1");
    seconds(5).await;
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
}

#[tokio::test(start_paused = true)]
async fn pods_read_not_ready_only_a_moment_after_the_taint() {
    let cluster = start();
    cluster.cut_power("node-1");
    while !tainted(&cluster, "node-1").await {
        milliseconds(1).await;
    }
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
    milliseconds(50).await;
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "False");
}

#[tokio::test(start_paused = true)]
async fn a_returning_node_renews_its_lease_before_it_reads_ready() {
    let cluster = start();
    cluster.cut_power("node-1");
    seconds(120).await;
    assert!(tainted(&cluster, "node-1").await);
    let before = leases(&cluster).get("node-1").await.unwrap();
    cluster.give_power("node-1");
    milliseconds(100).await;
    let after = leases(&cluster).get("node-1").await.unwrap();
    assert_ne!(
        before.spec.unwrap().renew_time,
        after.spec.unwrap().renew_time
    );
    assert_eq!(ready(&cluster, "node-1").await, "Unknown");
    seconds(12).await;
    assert_eq!(ready(&cluster, "node-1").await, "True");
    assert!(!tainted(&cluster, "node-1").await);
    assert_eq!(taints(&nodes(&cluster).get("node-1").await.unwrap()), []);
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
}

#[tokio::test(start_paused = true)]
async fn a_returning_kubelet_finishes_the_pods_that_were_to_go() {
    let cluster = start();
    cluster.cut_power("node-1");
    seconds(400).await;
    let old = pods(&cluster).get("alertmanager-main-0").await.unwrap();
    assert!(old.metadata.deletion_timestamp.is_some());
    cluster.give_power("node-1");
    seconds(10).await;
    let new = pods(&cluster).get("alertmanager-main-0").await.unwrap();
    assert_ne!(uid(&old), uid(&new));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_kubelet_looks_like_power_loss_but_its_containers_run() {
    let cluster = start();
    cluster.stop_kubelet("node-1");
    seconds(60).await;
    assert_eq!(ready(&cluster, "node-1").await, "Unknown");
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    pods(&cluster)
        .delete("prometheus-k8s-0", &now_with(&uid(&pod)))
        .await
        .unwrap();
    let entry = cluster
        .audit()
        .into_iter()
        .rfind(|entry| entry.verb == "delete")
        .unwrap();
    let truth = entry.truth.unwrap();
    assert!(truth.power && !truth.kubelet && truth.containers_running);
    assert_eq!(
        (truth.node_ready.as_str(), truth.tainted),
        ("Unknown", true)
    );
    assert_eq!(truth.wanted_uid, Some(uid(&pod)));
}

#[tokio::test(start_paused = true)]
async fn a_partition_leaves_the_containers_running_until_it_heals() {
    let cluster = start();
    cluster.partition("node-1", true);
    seconds(60).await;
    assert_eq!(ready(&cluster, "node-1").await, "Unknown");
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    pods(&cluster)
        .delete("prometheus-k8s-0", &now_with(&uid(&pod)))
        .await
        .unwrap();
    let runs = |cluster: &Cluster| {
        let uid = uid(&pod);
        cluster.edit(move |world| world.machines["node-1"].running.contains(&uid))
    };
    seconds(60).await;
    assert!(runs(&cluster), "two of one identity: nobody told the node");
    cluster.partition("node-1", false);
    seconds(5).await;
    assert!(!runs(&cluster));
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_complains_is_not_ready_but_its_pods_stay_ready() {
    let cluster = start();
    cluster.kubelet_not_ready("node-1", true);
    seconds(20).await;
    assert_eq!(ready(&cluster, "node-1").await, "False");
    let node = nodes(&cluster).get("node-1").await.unwrap();
    assert!(
        taints(&node)
            .iter()
            .all(|taint| taint.key == "node.kubernetes.io/not-ready")
    );
    assert_eq!(taints(&node).len(), 2);
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
    // And then it falls silent: the other taint takes the place, the pods still read Ready.
    cluster.cut_power("node-1");
    seconds(60).await;
    assert_eq!(ready(&cluster, "node-1").await, "Unknown");
    assert!(tainted(&cluster, "node-1").await);
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
    cluster.restart_controller_manager();
    seconds(30).await;
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_controller_manager_takes_the_taint_off_for_ten_seconds() {
    let cluster = start();
    cluster.cut_power("node-1");
    seconds(300).await;
    let stamp = |node: &Node| {
        let taint = taints(node)
            .iter()
            .find(|taint| taint.effect == "NoExecute");
        taint.and_then(|taint| taint.time_added.clone())
    };
    let before = nodes(&cluster).get("node-1").await.unwrap();
    cluster.restart_controller_manager();
    seconds(1).await;
    let during = nodes(&cluster).get("node-1").await.unwrap();
    assert_eq!(stamp(&during), None);
    assert_eq!(taints(&during).len(), 1, "NoSchedule stays");
    seconds(8).await;
    assert!(!tainted(&cluster, "node-1").await);
    seconds(2).await;
    let after = nodes(&cluster).get("node-1").await.unwrap();
    assert!(stamp(&after) > stamp(&before));
    let since = |node: &Node| node_ready(node).unwrap().last_transition_time.clone();
    assert_eq!(since(&after), since(&before));
    // The eviction timers begin anew: 300 s from the new taint.
    seconds(290).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(pod.metadata.deletion_timestamp, None);
    seconds(20).await;
    let pod = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert!(pod.metadata.deletion_timestamp.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_stamped_by_two_clocks() {
    let six_years = SignedDuration::from_hours(6 * 365 * 24);
    let layout = Layout::nodes(2).node(NodePlan::new("ahead").skew(six_years));
    let cluster = run(&layout);
    seconds(60).await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/ahead";
    let response = send(&cluster, Method::GET, path, &[], Value::Null).await;
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    let (_, lease) = answer(response).await;
    let renewed: Timestamp = lease["spec"]["renewTime"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(renewed.duration_since(cluster.now()) > six_years - SignedDuration::from_secs(30));
    let written: Timestamp = lease["metadata"]["managedFields"][0]["time"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(cluster.now().duration_since(written) <= SignedDuration::from_secs(11));
    assert_eq!(date, "Thu, 01 Jan 2026 00:01:00 GMT");
    assert_eq!(ready(&cluster, "ahead").await, "True");
    // Dead, its Lease looks fresh for years; the control plane is not deceived.
    cluster.cut_power("ahead");
    seconds(60).await;
    assert_eq!(ready(&cluster, "ahead").await, "Unknown");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_every_five_minutes_with_a_lease_and_every_ten_seconds_without() {
    let cluster = run(&Layout::nodes(1).node(NodePlan::new("virtual").without_lease()));
    let beat = async |node: &str| {
        let node = nodes(&cluster).get(node).await.unwrap();
        node_ready(&node)
            .unwrap()
            .last_heartbeat_time
            .clone()
            .unwrap()
            .0
    };
    assert!(leases(&cluster).get_opt("virtual").await.unwrap().is_none());
    seconds(100).await;
    assert_eq!(beat("node-1").await, Constants::default().start);
    assert!(cluster.now().duration_since(beat("virtual").await) < SignedDuration::from_secs(12));
    seconds(220).await;
    assert!(beat("node-1").await > Constants::default().start);
    cluster.cut_power("virtual");
    seconds(60).await;
    assert_eq!(ready(&cluster, "virtual").await, "Unknown");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_nodes_lease_goes_at_once_and_its_pods_after_forty_seconds() {
    let layout = Layout::kube_prometheus()
        .statefulset(Plan::new("monitoring", "held").finalizer("example.com/hold"));
    let cluster = run(&layout);
    cluster.delete_node("node-1");
    seconds(1).await;
    assert!(leases(&cluster).get_opt("node-1").await.unwrap().is_none());
    seconds(30).await;
    assert!(
        leases(&cluster).get_opt("node-1").await.unwrap().is_none(),
        "the kubelet lives"
    );
    let old = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_eq!(old.metadata.deletion_timestamp, None);
    seconds(50).await;
    let new = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_ne!(uid(&old), uid(&new));
    let (_, failed) = get(&cluster, "/api/v1/pods?fieldSelector=status.phase%3DFailed").await;
    let held: Vec<&Value> = failed["items"].as_array().unwrap().iter().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["metadata"]["name"], "held-0");
    assert_eq!(held[0]["metadata"]["deletionGracePeriodSeconds"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_out_of_service_taint_ends_pods_within_podgcs_period() {
    let cluster = start();
    cluster.cut_power("node-1");
    seconds(60).await;
    let old = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    cluster.edit(|world| {
        world.update::<Node>(&(String::new(), "node-1".into()), "kubectl", |node| {
            node.spec.as_mut().unwrap().taints.as_mut().unwrap().push(
                k8s_openapi::api::core::v1::Taint {
                    key: "node.kubernetes.io/out-of-service".into(),
                    value: Some("nodeshutdown".into()),
                    effect: "NoExecute".into(),
                    time_added: None,
                },
            );
        })
    });
    seconds(25).await;
    let new = pods(&cluster).get("prometheus-k8s-0").await.unwrap();
    assert_ne!(uid(&old), uid(&new));
    assert_eq!(pod_is_ready(&cluster, "prometheus-k8s-0").await, "True");
}
