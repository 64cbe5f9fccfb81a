//! The whole road, by alert and by sweep.

use crate::bed::{LOST, NODEFALL, NODES, Scenario, Scene};
use nodefall_testbed::cluster::PATIENCE;
use nodefall_testbed::monitoring::{Stack, Targets};
use nodefall_testbed::process::eventually;
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::state_metrics;
use nodefall_testbed::workload::{Pod, Workload};
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "an alert alone: from power loss to counters in Prometheus",
        by_alert,
    ),
    (
        "the sweep alone: Prometheus and Alertmanager were on the dead node",
        by_sweep,
    ),
    (
        "the sweep that does not wait for Kubernetes to evict",
        by_quick_sweep,
    ),
];

/// The rule needs up to two evaluations, 15 s apart; the rest is for a busy machine.
const FIRING: Duration = Duration::from_secs(75);

fn by_alert(scene: &mut Scene) {
    // The pods that a user's own installation has, by the shipped arguments but for the sweep.
    let kubeconfig = scene.cluster.kubeconfig(&scene.scratch, "kubeconfig");
    let receiver = Receiver::start(
        NODEFALL,
        &scene.scratch,
        "nodefall",
        &kubeconfig,
        &["--period=0"],
    )
    .ready();
    let targets = Targets {
        state_metrics: state_metrics::serve(&scene.cluster.client),
        receiver: receiver.address,
        scrape_interval: "1s",
    };
    let stack = Stack::start(&scene.scratch, &targets);
    let lost = scene.cluster.pod("prometheus-k8s-0").expect("a pod").node;
    let series = format!(
        r#"kube_node_status_condition{{job="kube-state-metrics",condition="Ready",node="{lost}",status="true"}}"#
    );
    eventually("Prometheus knows the node", PATIENCE, || {
        (stack.query(&series)? == 1.0).then_some(())
    });
    let mut stateful: Vec<Pod> = scene.cluster.pods();
    stateful.retain(|pod| {
        let named = ["prometheus-k8s-", "alertmanager-main-"];
        pod.node == lost && named.iter().any(|name| pod.name.starts_with(name))
    });
    assert!(stateful.len() >= 2, "{stateful:?}");
    scene.cluster.lose(&lost);
    eventually("the rule fires", FIRING, || {
        (stack.alert(&lost)? == "firing").then_some(())
    });
    let all: Vec<&Pod> = stateful.iter().collect();
    for pod in &all {
        scene.cluster.replaced(pod);
    }
    for (series, value) in [
        (
            r#"nodefall_remediations_total{trigger="alert",result="freed"}"#,
            1.0,
        ),
        (
            r#"nodefall_pod_deletions_total{result="deleted"}"#,
            all.len() as f64,
        ),
        ("nodefall_recovery_duration_seconds_count", all.len() as f64),
        (r#"nodefall_webhook_requests_total{code="202"}"#, 1.0),
        ("nodefall_unreachable_nodes", 1.0),
    ] {
        eventually(
            &format!("Prometheus reads {series} {value}"),
            PATIENCE,
            || (stack.query(series)? == value).then_some(()),
        );
    }
    assert!(stack.notifications().is_some_and(|sent| sent >= 1.0));
    assert_eq!(
        receiver.metric(r#"nodefall_sweeps_total{result="ok"}"#),
        0.0
    );
    let touched = scene.touched(&all);
    assert!(
        touched.iter().all(|(verb, _)| verb == "delete"),
        "{touched:?}"
    );
    assert_eq!(touched.len(), all.len());
    // kubectl tells the story.
    let told = scene.cluster.kubectl(&["describe", "node", &lost]);
    assert!(told.contains("NodefallForceDeleted"), "{told}");
    let told =
        scene
            .cluster
            .kubectl(&["describe", "statefulset", "-n=monitoring", "prometheus-k8s"]);
    assert!(
        told.contains("NodefallForceDeleted") && told.contains("NodefallRecovered"),
        "{told}"
    );
}

fn by_sweep(scene: &mut Scene) {
    let soon = |name| Workload::stateful_set(name).tolerates(2);
    let prometheus = scene.run("prometheus-swept", soon("prometheus-swept"));
    let alertmanager = scene.run("alertmanager-swept", soon("alertmanager-swept"));
    let names = "prometheus-swept,alertmanager-swept";
    let receiver = scene.receiver(names, &["--period=1s"]);
    scene.cluster.cut_power(LOST);
    for pod in [&prometheus, &alertmanager] {
        let new = scene.cluster.replaced(pod);
        assert!(NODES.contains(&new.node.as_str()));
    }
    scene.ended(&receiver, "sweep", "freed");
    scene.counts(&receiver, "nodefall_recovery_duration_seconds_count", 2.0);
    let mut touched = scene.touched(&[&prometheus, &alertmanager]);
    touched.sort();
    let delete = |pod: &Pod| ("delete".to_owned(), pod.name.clone());
    assert_eq!(touched, [delete(&alertmanager), delete(&prometheus)]);
}

fn by_quick_sweep(scene: &mut Scene) {
    let pod = scene.pod("quick");
    let stock = scene.receiver("quick", &["--period=1s"]);
    scene.cluster.lose(LOST);
    // Kubernetes evicts after 300 s: until then the stock sweep leaves the pod alone, and says so.
    scene.is_held(&stock, LOST, "not_evicted");
    scene.nothing_is_touched();
    let quick = scene.receiver("quick", &["--period=1s", "--unreachable-for=0s"]);
    scene.cluster.replaced(&pod);
    scene.ended(&quick, "sweep", "freed");
    assert_eq!(scene.touched(&[&pod]), [("delete".to_owned(), pod.name)]);
}
