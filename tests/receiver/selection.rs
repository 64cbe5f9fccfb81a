//! Which pods the options select: by name, by the controller that owns them, by pattern.

use crate::bench::{Bench, LOST, seconds};
use nodefall::demo::world::key;
use nodefall::demo::{Layout, Plan};

/// On the first node: two StatefulSets and a ReplicaSet of `monitoring`, one of each of `storage`.
async fn lost() -> Bench {
    let layout = Layout::nodes(3)
        .statefulset(Plan::new("monitoring", "thanos-store"))
        .statefulset(Plan::new("monitoring", "thanos-rule"))
        .statefulset(Plan::new("storage", "thanos-store"))
        .replicaset(Plan::new("monitoring", "grafana"))
        .replicaset(Plan::new("monitoring", "elsewhere"))
        .statefulset(Plan::new("storage", "minio"));
    let bench = Bench::new(layout).await;
    bench.lose(LOST).await;
    bench
}

/// What is touched with these options, as `namespace/name`.
async fn touched(bench: &Bench, options: &[&str]) -> Vec<String> {
    let mut words = vec!["--period=0"];
    words.extend(options);
    let replica = bench.replica(&words).await;
    replica.alert(LOST).await;
    seconds(10).await;
    let entries = bench.destructive().into_iter();
    let mut touched: Vec<_> = entries
        .map(|e| format!("{}/{}", e.namespace, e.name))
        .collect();
    touched.sort();
    touched
}

#[tokio::test(start_paused = true)]
async fn options_select_by_name_by_owner_and_by_pattern() {
    let store = "monitoring/thanos-store-0";
    let rule = "monitoring/thanos-rule-0";
    let (storage, minio) = ("storage/thanos-store-0", "storage/minio-0");
    let cases: [(&[&str], &[&str]); 14] = [
        // Names that are not there select nothing.
        (&["--prometheus-name=prometheus-k8s"], &[]),
        // The pod's name, its StatefulSet's, and nothing in between.
        (&["--prometheus-name=thanos-store-0"], &[store]),
        (&["--alertmanager-name=thanos-store"], &[store]),
        (&["--pod=monitoring/thanos-store"], &[store]),
        (&["--pod=monitoring/thanos"], &[]),
        (&["--pod=monitoring/store"], &[]),
        // Patterns match the whole pod name, and no owner's.
        (&["--pod=monitoring/thanos-*"], &[rule, store]),
        (&["--pod=monitoring/thanos-????-0"], &[rule]),
        (&["--pod=monitoring/*-store"], &[]),
        // Several, comma-separated and repeated; one pod is touched once.
        (
            &[
                "--prometheus-name=thanos-store,thanos-rule",
                "--pod=monitoring/thanos-*",
            ],
            &[rule, store],
        ),
        // Other namespaces are their own.
        (&["--pod=storage/thanos-store"], &[storage]),
        (
            &["--pod=storage/*,monitoring/thanos-rule-0"],
            &[rule, minio, storage],
        ),
        (&["--pod=default/*"], &[]),
        (
            &["--namespace=storage", "--prometheus-name=thanos-store"],
            &[storage],
        ),
    ];
    for (options, expected) in cases {
        let bench = lost().await;
        let touched = touched(&bench, options).await;
        assert_eq!(touched, expected, "{options:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replicaset_selects_and_the_deployment_above_it_does_not() {
    let name = |bench: &Bench| {
        bench.cluster.edit(|world| {
            let mut sets = world.replicasets.keys();
            sets.find(|(_, name)| name.starts_with("grafana"))
                .expect("a ReplicaSet")
                .1
                .clone()
        })
    };
    let bench = lost().await;
    assert!(
        touched(&bench, &["--pod=monitoring/grafana"])
            .await
            .is_empty()
    );

    let bench = lost().await;
    let set = name(&bench);
    let touched = touched(&bench, &[&format!("--pod=monitoring/{set}")]).await;
    assert_eq!(touched.len(), 1);
    assert!(touched[0].starts_with(&format!("monitoring/{set}-")));
    let left = bench.cluster.edit(|world| {
        let store = world.pods.get(&key("monitoring", "thanos-store-0"));
        store.and_then(|pod| pod.spec.as_ref()?.node_name.clone())
    });
    assert_eq!(left.as_deref(), Some(LOST));
}
