//! Watches, as far as `kubectl delete` and a tail of changes need them.

use std::collections::BTreeMap;
use std::io::Error;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::events::v1::Event;
use tokio::sync::mpsc::Sender;

use super::body::pieces;
use super::call::{Call, Resource};
use super::failure::Failure;
use super::reads::{select, shaped};
use super::select::Selection;
use super::table::Row;
use crate::demo::Cluster;
use crate::demo::world::{Key, World};

/// How often a watch looks for changes: no client here needs it sooner.
const LOOK: Duration = Duration::from_millis(100);

/// What a watch has shown: resourceVersion and text of each object.
type Shown = BTreeMap<Key, (String, Vec<u8>)>;

/// Starts a watch. Without a resourceVersion it begins with what there is.
pub(super) fn start(cluster: &Cluster, world: &World, call: &Call) -> Result<Response, Failure> {
    match call.resource {
        Resource::Nodes => begin::<Node>(cluster, world, call),
        Resource::Pods => begin::<Pod>(cluster, world, call),
        Resource::Leases => begin::<Lease>(cluster, world, call),
        Resource::StatefulSets => begin::<StatefulSet>(cluster, world, call),
        Resource::ReplicaSets => begin::<ReplicaSet>(cluster, world, call),
        Resource::DaemonSets => begin::<DaemonSet>(cluster, world, call),
        Resource::Events | Resource::CoreEvents => begin::<Event>(cluster, world, call),
        Resource::AccessReviews => Err(Failure::method()),
    }
}

fn begin<K: Row>(cluster: &Cluster, world: &World, call: &Call) -> Result<Response, Failure> {
    let shown = match call.param("resourceVersion") {
        None | Some("0") => Shown::new(),
        Some(_) => look::<K>(world, call)?,
    };
    let seconds = call
        .param("timeoutSeconds")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1800);
    let (sender, body) = pieces();
    let (cluster, call) = (cluster.clone(), call.clone());
    tokio::spawn(async move {
        let end = Duration::from_secs(seconds);
        // A watch ends with its time, or when its client is gone.
        let _ = tokio::time::timeout(end, follow::<K>(cluster, call, shown, sender)).await;
    });
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

async fn follow<K: Row>(
    cluster: Cluster,
    call: Call,
    mut shown: Shown,
    sender: Sender<Result<Bytes, Error>>,
) {
    loop {
        let now = match look::<K>(&cluster.lock().world, &call) {
            Ok(now) => now,
            Err(_) => return,
        };
        let mut lines = Vec::new();
        for (key, (_, text)) in &shown {
            if !now.contains_key(key) {
                line(&mut lines, "DELETED", text);
            }
        }
        for (key, (version, text)) in &now {
            match shown.get(key) {
                None => line(&mut lines, "ADDED", text),
                Some((old, _)) if old != version => line(&mut lines, "MODIFIED", text),
                Some(_) => {}
            }
        }
        if !lines.is_empty() && sender.send(Ok(lines.into())).await.is_err() {
            return;
        }
        shown = now;
        tokio::select! {
            biased;
            () = sender.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn look<K: Row>(world: &World, call: &Call) -> Result<Shown, Failure> {
    let mut selection = Selection::read(call)?;
    selection.limit = None;
    let (found, _) = select::<K>(world, call, &selection)?;
    Ok(found
        .into_iter()
        .map(|(key, object)| {
            let version = object
                .metadata()
                .resource_version
                .clone()
                .unwrap_or_default();
            (key, (version, shaped(call, object)))
        })
        .collect())
}

fn line(lines: &mut Vec<u8>, kind: &str, object: &[u8]) {
    lines.extend_from_slice(format!("{{\"type\":\"{kind}\",\"object\":").as_bytes());
    lines.extend_from_slice(object);
    lines.extend_from_slice(b"}\n");
}
