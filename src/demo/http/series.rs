//! A stand-in for kube-state-metrics: its two series about nodes, from the Node list.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::demo::Cluster;
use crate::demo::objects::node_ready;

/// `GET /metrics`, in the Prometheus text format.
pub(super) async fn metrics(State(cluster): State<Cluster>) -> impl IntoResponse {
    let mut text = String::from(
        "# HELP kube_node_status_condition The condition of a cluster node.\n\
         # TYPE kube_node_status_condition gauge\n",
    );
    let mut cordons = String::from(
        "# HELP kube_node_spec_unschedulable Whether a node can schedule new pods.\n\
         # TYPE kube_node_spec_unschedulable gauge\n",
    );
    let state = cluster.lock();
    for ((_, name), node) in &state.world.nodes {
        let ready = node_ready(node).map_or("", |ready| ready.status.as_str());
        for status in ["true", "false", "unknown"] {
            let value = u8::from(ready.eq_ignore_ascii_case(status));
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "kube_node_status_condition{{node=\"{name}\",condition=\"Ready\",\
                 status=\"{status}\"}} {value}"
            );
        }
        let cordoned = node
            .spec
            .as_ref()
            .is_some_and(|spec| spec.unschedulable == Some(true));
        let value = u8::from(cordoned);
        let _ = writeln!(
            cordons,
            "kube_node_spec_unschedulable{{node=\"{name}\"}} {value}"
        );
    }
    text.push_str(&cordons);
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
}
