//! A stand-in for kube-state-metrics, which cannot be had here: its two series about nodes, with its
//! labels, from the cluster's list of nodes.

use crate::client::Client;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{Request, StatusCode};
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves `/metrics` for as long as `client` lives, and says where.
///
/// # Panics
/// When there is no port to be had.
pub fn serve(client: &Client) -> SocketAddr {
    let listener = client
        .runtime()
        .block_on(TcpListener::bind(("127.0.0.1", 0)));
    let listener = listener.expect("a free port on loopback");
    let address = listener.local_addr().expect("an address");
    let routes = Router::new().route("/metrics", get(metrics));
    let routes = routes.with_state(client.kube());
    client.runtime().spawn(async move {
        // It ends with its runtime.
        let _ = axum::serve(listener, routes).await;
    });
    address
}

async fn metrics(State(kube): State<kube::Client>) -> Result<String, StatusCode> {
    let request = Request::get("/api/v1/nodes").body(Vec::new());
    let request = request.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let nodes: Value = kube
        .request(request)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(page(nodes["items"].as_array().map_or(&[], Vec::as_slice)))
}

fn page(nodes: &[Value]) -> String {
    let mut text = String::from("# TYPE kube_node_status_condition gauge\n");
    let mut cordons = String::from("# TYPE kube_node_spec_unschedulable gauge\n");
    for node in nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        for condition in node["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let kind = condition["type"].as_str().unwrap_or_default();
            let now = condition["status"].as_str().unwrap_or_default();
            for status in ["true", "false", "unknown"] {
                let value = u8::from(now.eq_ignore_ascii_case(status));
                // Writing to a String does not fail.
                let _ = writeln!(
                    text,
                    "kube_node_status_condition{{node=\"{name}\",condition=\"{kind}\",\
                     status=\"{status}\"}} {value}"
                );
            }
        }
        let value = u8::from(node["spec"]["unschedulable"] == true);
        let _ = writeln!(
            cordons,
            "kube_node_spec_unschedulable{{node=\"{name}\"}} {value}"
        );
    }
    text + &cordons
}
