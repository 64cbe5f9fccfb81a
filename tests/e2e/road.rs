//! The whole road, by alert and by sweep.

use crate::bed::{LOST, NODEFALL, NODES, Scenario, Scene};
use nodefall_testbed::cluster::pod_path;
use nodefall_testbed::monitoring::{Stack, Targets};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::state_metrics;
use nodefall_testbed::workload::{NAMESPACE, Pod, unreachable_for};
use serde_json::{Value, json};
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
    // kubectl tells the story, once the Events are written.
    let describe = |arguments: &[&str], words: &[&str]| {
        eventually(
            &format!("describe {arguments:?}: {words:?}"),
            PATIENCE,
            || {
                let told = scene.cluster.kubectl(&[&["describe"], arguments].concat());
                words.iter().all(|word| told.contains(word)).then_some(())
            },
        );
    };
    describe(&["node", &lost], &["NodefallForceDeleted"]);
    let set = ["statefulset", "-n=monitoring", "prometheus-k8s"];
    describe(&set, &["NodefallForceDeleted", "NodefallRecovered"]);
}

/// All of kube-prometheus' Prometheus and Alertmanager pods are on one node, and Kubernetes evicts
/// them soon.
fn by_sweep(scene: &mut Scene) {
    let sets = ["prometheus-k8s", "alertmanager-main"];
    let others = NODES.into_iter().filter(|node| *node != LOST);
    others
        .clone()
        .for_each(|node| scene.cluster.cordon(node, true));
    for set in sets {
        tolerates(scene, set, &json!([unreachable_for(2)]));
    }
    let on_lost = |scene: &Scene| -> Vec<Pod> {
        let mut pods = scene.cluster.pods();
        pods.retain(|pod| pod.node == LOST && sets.iter().any(|set| pod.name.starts_with(set)));
        pods
    };
    eventually("all are on one node", PATIENCE, || {
        for pod in scene.cluster.pods() {
            let named = sets.iter().any(|set| pod.name.starts_with(set));
            if named && pod.node != LOST && !pod.terminating {
                let path = pod_path(&pod.name);
                scene.cluster.client.delete(&path, &Value::Null);
            }
        }
        let there = on_lost(scene);
        let well = there.iter().all(|pod| pod.ready && !pod.terminating);
        (there.len() == 5 && well).then_some(())
    });
    others.for_each(|node| scene.cluster.cordon(node, false));
    scene.cluster.lose(LOST);
    let old = eventually("Kubernetes evicts them", PATIENCE, || {
        let there = on_lost(scene);
        (there.len() == 5 && there.iter().all(|pod| pod.terminating)).then_some(there)
    });
    // There is nobody who could tell.
    assert!(old.iter().all(|pod| !pod.ready), "{old:?}");
    let kubeconfig = scene.cluster.kubeconfig(&scene.scratch, "kubeconfig");
    let options = ["--period=1s"];
    let receiver =
        Receiver::start(NODEFALL, &scene.scratch, "nodefall", &kubeconfig, &options).ready();
    for pod in &old {
        scene.cluster.replaced(pod);
    }
    scene.ended(&receiver, "sweep", "freed");
    scene.counts(&receiver, "nodefall_recovery_duration_seconds_count", 5.0);
    let touched = scene.touched(&old.iter().collect::<Vec<_>>());
    assert_eq!(touched.len(), 5, "once each: {touched:?}");
    for set in sets {
        tolerates(scene, set, &Value::Null);
    }
}

/// Sets the tolerations of a StatefulSet's pods, which are made anew.
fn tolerates(scene: &Scene, set: &str, tolerations: &Value) {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{set}");
    let patch = json!({"spec": {"template": {"spec": {"tolerations": tolerations}}}});
    scene.cluster.client.merge(&path, &patch);
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
