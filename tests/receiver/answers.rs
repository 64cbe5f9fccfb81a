//! Answers of the API that come late, not at all, or make no sense: they hold the node, and once the
//! API is well again the work is done without a new notification.

use crate::bench::{Bench, LOST, POD, seconds, small};
use nodefall::demo::faults::{Effect, Fault};
use serde_json::{Value, json};
use std::time::Duration;

fn late(seconds: u64) -> Effect {
    Effect::Latency {
        before: Duration::ZERO,
        after: Duration::from_secs(seconds),
    }
}

fn status(code: u16) -> Effect {
    Effect::Status {
        code,
        retry_after: None,
    }
}

/// An alert comes while `fault` lasts: the node is held for `reason` until the API is well again.
async fn holds_while(fault: Fault, reason: &str) {
    let said = format!("{fault:?}");
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    bench.cluster.inject(fault);
    assert_eq!(replica.alert(LOST).await.0, 202);
    seconds(60).await;
    assert_eq!(replica.held(LOST).await.as_deref(), Some(reason), "{said}");
    assert_eq!(replica.held_nodes(reason).await, 1.0, "{said}");
    assert_eq!(replica.holds(reason).await, 1.0, "{said}");
    assert_eq!(bench.touched().len(), 0, "{said}");
    // Readiness is not withdrawn for that.
    assert_eq!(replica.get("/-/ready").await.0, 200, "{said}");

    bench.cluster.clear_faults();
    seconds(35).await;
    bench.assert_recovered(&replica).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_3_s_is_not_acted_on() {
    for resource in ["nodes", "leases"] {
        holds_while(
            Fault::new(late(4)).verb("get").resource(resource),
            "slow_api",
        )
        .await;
    }
    holds_while(Fault::new(late(4)), "slow_api").await;
    // Beyond 5 s a read is given up.
    for resource in ["nodes", "leases", "pods"] {
        holds_while(Fault::new(late(30)).resource(resource), "slow_api").await;
    }
    holds_while(Fault::new(Effect::Hang).verb("list"), "slow_api").await;
}

#[tokio::test(start_paused = true)]
async fn reads_of_less_than_3_s_will_do() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    for verb in ["get", "list"] {
        bench.cluster.inject(Fault::new(late(2)).verb(verb));
    }
    replica.alert(LOST).await;
    seconds(30).await;
    bench.assert_recovered(&replica).await;
    assert_eq!(replica.holds("slow_api").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn after_a_slow_list_of_pods_only_node_and_lease_are_read_again() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    bench
        .cluster
        .inject(Fault::new(late(4)).verb("list").resource("pods"));
    bench.cluster.edit(|world| world.audit.clear());
    replica.alert(LOST).await;
    seconds(8).await;
    bench.assert_recovered(&replica).await;
    let reads = ["nodes", "leases"].map(|r| [bench.requests("get", r), bench.requests("list", r)]);
    assert_eq!(reads, [[2, 1], [2, 0]]);
    assert_eq!(bench.requests("list", "pods"), 1);
    assert_eq!(replica.holds("slow_api").await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_while_the_pods_are_listed_is_left_alone() {
    let bench = Bench::new(small(|p| p)).await;
    let replica = bench.replica(&["--period=0"]).await;
    bench.lose(LOST).await;
    let before = bench.pod(POD);
    bench
        .cluster
        .inject(Fault::new(late(4)).verb("list").resource("pods"));
    replica.alert(LOST).await;
    seconds(1).await;
    bench.cluster.give_power(LOST);
    seconds(60).await;
    bench.assert_held(&replica, "node_ready").await;
    assert_eq!(replica.holds("lease_fresh").await, 1.0);
    assert_eq!(bench.pod(POD), before);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_waited_for() {
    for effect in [Effect::Reset, status(503), status(429), status(500)] {
        holds_while(Fault::new(effect), "api_error").await;
    }
    for (verb, resource) in [
        ("get", "nodes"),
        ("get", "leases"),
        ("list", "nodes"),
        ("list", "pods"),
    ] {
        let fault = Fault::new(status(403)).verb(verb).resource(resource);
        holds_while(fault, "api_error").await;
    }
}

fn node(conditions: &Value, taints: &Value) -> String {
    json!({"metadata": {"name": LOST}, "spec": {"taints": taints},
           "status": {"conditions": conditions}})
    .to_string()
}

fn table(columns: &Value, rows: &Value) -> String {
    json!({"kind": "Table", "columnDefinitions": columns, "rows": rows}).to_string()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_makes_no_sense_is_held() {
    let taint = json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]);
    let ready = |status: Value| json!([{"type": "Ready", "status": status}]);
    for body in [
        "".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "<html>Bad Gateway</html>".to_owned(),
        json!({"metadata": {}}).to_string(),
        json!({"metadata": {"name": LOST}, "status": "Unknown"}).to_string(),
        node(&json!(null), &taint),
        node(&json!([]), &taint),
        node(&json!({"Ready": "Unknown"}), &taint),
        node(
            &json!([{"type": "MemoryPressure", "status": "Unknown"}]),
            &taint,
        ),
        node(&ready(json!("unknown")), &taint),
        node(&ready(json!("")), &taint),
        node(&ready(json!(false)), &taint),
        node(&ready(json!(null)), &taint),
        node(&ready(json!("Unknown")), &json!("unreachable:NoExecute")),
        node(
            &json!([{"type": "Ready", "status": "Unknown", "lastTransitionTime": "yesterday"}]),
            &taint,
        ),
    ] {
        let fault = Fault::new(Effect::Body(body)).verb("get").resource("nodes");
        holds_while(fault, "not_understood").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_makes_no_sense_is_held() {
    let old = "2026-01-01T00:00:00.000000Z";
    for body in [
        json!({"metadata": {"name": LOST}}),
        json!({"metadata": {"name": LOST}, "spec": null}),
        json!({"metadata": {"name": LOST}, "spec": {"leaseDurationSeconds": 40}}),
        json!({"metadata": {"name": LOST}, "spec": {"leaseDurationSeconds": 0, "renewTime": old}}),
        json!({"metadata": {"name": LOST}, "spec": {"leaseDurationSeconds": -1, "renewTime": old}}),
        json!({"metadata": {"name": LOST}, "spec": {"leaseDurationSeconds": "40", "renewTime": old}}),
        json!({"metadata": {"name": LOST}, "spec": {"leaseDurationSeconds": 40, "renewTime": "now"}}),
        json!({"spec": {"leaseDurationSeconds": 40, "renewTime": old}}),
    ] {
        let fault = Fault::new(Effect::Body(body.to_string()))
            .verb("get")
            .resource("leases");
        holds_while(fault, "not_understood").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_makes_no_sense_is_held() {
    for body in [
        json!({}),
        json!({"items": null}),
        json!({"items": {}}),
        json!({"items": [{"spec": {"nodeName": LOST}}]}),
        json!({"items": [{"metadata": {"name": POD, "ownerReferences": "prometheus-k8s"}}]}),
        // All but the UID, without which a deletion would meet whatever has the name.
        json!({"items": [{
            "metadata": {"name": POD, "namespace": "monitoring", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "prometheus-k8s",
                 "uid": "u", "controller": true},
            ]},
            "spec": {"nodeName": LOST},
        }]}),
    ] {
        let fault = Fault::new(Effect::Body(body.to_string()))
            .verb("list")
            .resource("pods");
        holds_while(fault, "not_understood").await;
    }
    let columns = json!([{"name": "Name"}, {"name": "Status"}]);
    let row = |name: Value, status: Value| json!([{"cells": ["node-3", "Ready"]}, {"cells": [name, status]}]);
    for body in [
        json!({"kind": "NodeList", "items": []}).to_string(),
        table(&json!([{"name": "Name"}, {"name": "Age"}]), &json!([])),
        table(&json!([{"name": "Status"}]), &json!([])),
        table(&columns, &row(json!("node-2"), json!("Healthy"))),
        table(&columns, &row(json!("node-2"), json!(""))),
        table(&columns, &row(json!("node-2"), json!(true))),
        table(&columns, &row(json!(null), json!("Ready"))),
        table(&columns, &row(json!("node-3"), json!("NotReady"))),
        table(&columns, &json!([{"cells": ["node-2"]}])),
        table(&columns, &json!([{"cells": "node-2"}])),
        table(&columns, &json!(7)),
    ] {
        let fault = Fault::new(Effect::Body(body))
            .verb("list")
            .resource("nodes");
        holds_while(fault, "not_understood").await;
    }
    // Without a single row there is no other node to run on.
    let nobody = Effect::Body(table(&columns, &json!(null)));
    holds_while(
        Fault::new(nobody).verb("list").resource("nodes"),
        "no_other_node",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_held() {
    let fault = Fault::new(Effect::Truncate).verb("get").resource("nodes");
    holds_while(fault, "api_error").await;
}
