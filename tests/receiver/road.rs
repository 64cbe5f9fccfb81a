//! The main road: from an alert, or from the sweep alone, to a running replacement.

use crate::bench::{Bench, LOST, seconds, small};
use nodefall::demo::Layout;

#[tokio::test(start_paused = true)]
async fn an_alert_for_a_lost_node_brings_the_pods_back_elsewhere() {
    let bench = Bench::new(Layout::kube_prometheus()).await;
    let replica = bench.replica(&["--period=0"]).await;
    let lost: Vec<_> = ["prometheus-k8s-0", "prometheus-k8s-1"]
        .into_iter()
        .filter_map(|name| bench.pod(name).map(|(uid, node)| (name, uid, node)))
        .collect();
    let (name, uid, node) = lost[0].clone();
    bench.lose(&node).await;
    assert_eq!(replica.alert(&node).await.0, 202);
    seconds(10).await;
    let (new_uid, new_node) = bench.pod(name).expect("a replacement");
    println!(
        "{}",
        serde_json::to_string_pretty(&replica.get("/api/v1/remediations").await.1).expect("JSON")
    );
    assert_ne!(new_uid, uid);
    assert_ne!(new_node, node);
    assert_eq!(
        replica
            .metric("nodefall_remediations_total{result=\"freed\",trigger=\"alert\"}")
            .await,
        1.0
    );
    for entry in bench.destructive() {
        println!("{entry:?}");
    }
}
