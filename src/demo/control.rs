//! The levers of the demo, for curl: power, kubelets, network, the controller manager; and the
//! alert that Alertmanager would send.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cluster;

#[derive(Deserialize)]
struct Switch {
    on: bool,
}

/// The routes below `/demo/`.
pub fn router(cluster: &Cluster) -> Router {
    Router::new()
        .route("/demo/nodes/{node}/{lever}", post(pull))
        .route("/demo/controller-manager/restart", post(restart))
        .route("/demo/alert/{node}", get(alert))
        .with_state(cluster.clone())
}

/// An alert as Alertmanager sends it for one node that went silent.
pub fn sample_alert(node: &str, since: Timestamp) -> Value {
    let labels = json!({ "alertname": "KubeNodeNotReady", "node": node, "severity": "warning" });
    let group = json!({ "alertname": "KubeNodeNotReady", "node": node });
    let annotations = json!({ "summary": "Node is not ready." });
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname=\"KubeNodeNotReady\", node=\"{node}\"}}"),
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "nodefall",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager-main.monitoring.svc:9093",
        "alerts": [{
            "status": "firing",
            "labels": labels,
            "annotations": annotations,
            "startsAt": since.to_string(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus-k8s.monitoring.svc:9090/graph",
            "fingerprint": format!("demo-{node}"),
        }],
    })
}

async fn pull(
    State(cluster): State<Cluster>,
    Path((node, lever)): Path<(String, String)>,
    Query(Switch { on }): Query<Switch>,
) -> Response {
    if !cluster.edit(|world| world.machines.contains_key(&node)) {
        return (StatusCode::NOT_FOUND, format!("there is no {node}\n")).into_response();
    }
    match (lever.as_str(), on) {
        ("power", true) => cluster.give_power(&node),
        ("power", false) => cluster.cut_power(&node),
        ("kubelet", true) => cluster.start_kubelet(&node),
        ("kubelet", false) => cluster.stop_kubelet(&node),
        ("network", on) => cluster.partition(&node, !on),
        ("ready", on) => cluster.kubelet_not_ready(&node, !on),
        _ => {
            let levers = "the levers are power, kubelet, network and ready\n";
            return (StatusCode::NOT_FOUND, levers).into_response();
        }
    }
    let state = if on { "on" } else { "off" };
    format!("{node}: {lever} {state}\n").into_response()
}

async fn restart(State(cluster): State<Cluster>) -> &'static str {
    cluster.restart_controller_manager();
    "the controller manager starts again\n"
}

async fn alert(State(cluster): State<Cluster>, Path(node): Path<String>) -> String {
    sample_alert(&node, cluster.now()).to_string()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::demo::{Constants, Layout};

    #[tokio::test(start_paused = true)]
    async fn levers_move_what_they_name() {
        let cluster = Cluster::new(Constants::default(), &Layout::nodes(2));
        let post = async |path: &str| {
            let request = Request::post(path).body(Body::empty()).unwrap();
            router(&cluster)
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        let machine = || cluster.edit(|world| world.machines["node-1"].clone());
        assert_eq!(post("/demo/nodes/node-1/power?on=false").await, 200);
        assert!(!machine().power);
        assert_eq!(post("/demo/nodes/node-1/power?on=true").await, 200);
        assert!(machine().power);
        assert_eq!(post("/demo/nodes/node-1/kubelet?on=false").await, 200);
        assert!(!machine().kubelet);
        assert_eq!(post("/demo/nodes/node-1/network?on=false").await, 200);
        assert!(!machine().reachable);
        assert_eq!(post("/demo/nodes/node-1/ready?on=false").await, 200);
        assert!(!machine().healthy);
        assert_eq!(post("/demo/controller-manager/restart").await, 200);
        assert_eq!(post("/demo/nodes/none/power?on=true").await, 404);
        assert_eq!(post("/demo/nodes/node-1/roof?on=true").await, 404);
        assert_eq!(post("/demo/nodes/node-1/power").await, 400);
    }
}
