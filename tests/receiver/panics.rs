//! A fault that nobody knows yet: a panic in the middle of the work.

use crate::bench::{Bench, LOST, POD, Replica, seconds};
use http::{Method, Request};
use kube::client::Body;
use nodefall::demo::{Layout, Plan};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tower::{ServiceExt, service_fn};

/// On [`LOST`] a pod of each, and on the next node one of the second.
async fn bench() -> Bench {
    let layout = Layout::nodes(5)
        .statefulset(Plan::new("monitoring", "prometheus-k8s"))
        .statefulset(
            Plan::new("monitoring", "alertmanager-main")
                .replicas(2)
                .parallel(),
        );
    let bench = Bench::new(layout).await;
    assert_eq!(bench.pod(POD).expect("a pod").1, LOST);
    bench
}

/// A replica that panics the first `times` that it sends such a request.
async fn fragile(bench: &Bench, method: Method, path: &'static str, times: u32) -> Replica {
    let service = bench.cluster.service("nodefall");
    let left = Arc::new(AtomicU32::new(times));
    let service = service_fn(move |request: Request<Body>| {
        let (service, left, method) = (service.clone(), left.clone(), method.clone());
        async move {
            if *request.method() == method && request.uri().path() == path {
                let less = |left: u32| left.checked_sub(1);
                let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
                assert!(left.is_err(), "a fault that nobody knows yet");
            }
            service.oneshot(request).await
        }
    });
    let client = kube::Client::new(service, "default");
    let replica = bench.start_over(client, "nodefall", &["--period=0", "--max-unreachable=2"]);
    seconds(1).await;
    replica
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_look_holds_its_node_and_harms_no_other() {
    let bench = bench().await;
    let (sibling, other) = bench.pod("alertmanager-main-1").expect("a pod");
    assert_ne!(other, LOST);
    let replica = fragile(&bench, Method::GET, "/api/v1/nodes/node-1", 4).await;
    bench.cluster.cut_power(LOST);
    bench.lose(&other).await;
    for node in [LOST, &other] {
        assert_eq!(replica.alert(node).await.0, 202);
    }
    seconds(1).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_understood"));
    let (new, _) = bench.pod("alertmanager-main-1").expect("a replacement");
    assert_ne!(new, sibling);
    seconds(30).await;
    assert_eq!(replica.held(LOST).await, None);
    assert_ne!(bench.pod(POD).expect("a replacement").1, LOST);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_work_on_a_pod_holds_its_node_and_harms_no_sibling() {
    const PATH: &str = "/api/v1/namespaces/monitoring/pods/prometheus-k8s-0";
    let bench = bench().await;
    let replica = fragile(&bench, Method::DELETE, PATH, 2).await;
    bench.lose(LOST).await;
    assert_eq!(replica.alert(LOST).await.0, 202);
    seconds(1).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some("not_understood"));
    let (_, node) = bench.pod("alertmanager-main-0").expect("a replacement");
    assert_ne!(node, LOST);
    assert_eq!(bench.pod(POD).expect("still there").1, LOST);
    seconds(30).await;
    assert_eq!(replica.held(LOST).await, None);
    assert_ne!(bench.pod(POD).expect("a replacement").1, LOST);
}
