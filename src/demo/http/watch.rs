//! Watches, as far as `kubectl delete` and a tail of changes need them.

use std::collections::BTreeMap;
use std::io::Error;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::events::v1::Event;
use serde_json::json;
use tokio::sync::mpsc::Sender;

use super::body::pieces;
use super::call::Call;
use super::failure::Failure;
use super::reads::{select, shaped};
use super::resources::Resource;
use super::select::Selection;
use super::table::Row;
use crate::demo::Cluster;
use crate::demo::world::{Key, World, key_of};

/// How often a watch looks for changes: no client here needs it sooner.
const LOOK: Duration = Duration::from_millis(100);

/// An object as it was shown.
struct Shown {
    uid: String,
    version: String,
    text: Vec<u8>,
}

impl Shown {
    fn of<K: Row>(call: &Call, object: &K) -> Self {
        let meta = object.metadata();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            version: meta.resource_version.clone().unwrap_or_default(),
            text: shaped(call, object),
        }
    }
}

/// All that a watch has shown.
type All = BTreeMap<Key, Shown>;

/// Starts a watch. It begins with what there is, and with a bookmark behind that, where that is
/// asked for: so kubectl lists. Without a resourceVersion it begins with what there is.
pub(super) fn start(cluster: &Cluster, world: &World, call: &Call) -> Result<Response, Failure> {
    match call.resource {
        Resource::Namespaces => begin::<Namespace>(cluster, world, call),
        Resource::Nodes => begin::<Node>(cluster, world, call),
        Resource::Pods => begin::<Pod>(cluster, world, call),
        Resource::Leases => begin::<Lease>(cluster, world, call),
        Resource::StatefulSets => begin::<StatefulSet>(cluster, world, call),
        Resource::Deployments => begin::<Deployment>(cluster, world, call),
        Resource::ReplicaSets => begin::<ReplicaSet>(cluster, world, call),
        Resource::DaemonSets => begin::<DaemonSet>(cluster, world, call),
        Resource::Events | Resource::CoreEvents => begin::<Event>(cluster, world, call),
        Resource::AccessReviews => Err(Failure::method()),
    }
}

fn begin<K: Row>(cluster: &Cluster, world: &World, call: &Call) -> Result<Response, Failure> {
    let since = call.param("resourceVersion");
    let shown = match since.and_then(|since| since.parse().ok()) {
        None | Some(0) => All::new(),
        Some(since) => as_of::<K>(world, call, since)?,
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
    mut shown: All,
    sender: Sender<Result<Bytes, Error>>,
) {
    let mut bookmark = call
        .param("sendInitialEvents")
        .is_some_and(|send| send == "true");
    loop {
        let now = match look::<K>(&cluster.lock().world, &call) {
            Ok(now) => now,
            Err(_) => return,
        };
        let mut lines = news(&shown, &now);
        if std::mem::take(&mut bookmark) {
            let revision = cluster.lock().world.revision();
            line(&mut lines, "BOOKMARK", &end_of_initial::<K>(revision));
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

/// What there is now.
fn look<K: Row>(world: &World, call: &Call) -> Result<All, Failure> {
    let mut selection = Selection::read(call)?;
    selection.limit = None;
    let (found, _) = select::<K>(world, call, &selection)?;
    let shown = found.into_iter();
    Ok(shown
        .map(|(key, object)| (key, Shown::of(call, object)))
        .collect())
}

/// What a list at that revision has shown: what was changed since is news, and so is what is gone.
fn as_of<K: Row>(world: &World, call: &Call, since: u64) -> Result<All, Failure> {
    let selection = Selection::read(call)?;
    let mut shown = look::<K>(world, call)?;
    for one in shown.values_mut() {
        if one
            .version
            .parse()
            .is_ok_and(|version: u64| version > since)
        {
            one.version.clear();
        }
    }
    for gone in world.removed_since::<K>(since) {
        let namespace = gone.metadata().namespace.as_deref();
        let here = call.namespace.is_none() || call.namespace.as_deref() == namespace;
        if here && selection.matches(gone)? {
            shown.insert(key_of(gone), Shown::of(call, gone));
        }
    }
    Ok(shown)
}

/// The lines that tell what became of what was shown. The same name with another UID is another
/// object.
fn news(shown: &All, now: &All) -> Vec<u8> {
    let mut lines = Vec::new();
    for (key, old) in shown {
        if now.get(key).is_none_or(|new| new.uid != old.uid) {
            line(&mut lines, "DELETED", &old.text);
        }
    }
    for (key, new) in now {
        match shown.get(key) {
            Some(old) if old.uid == new.uid && old.version == new.version => {}
            Some(old) if old.uid == new.uid => line(&mut lines, "MODIFIED", &new.text),
            _ => line(&mut lines, "ADDED", &new.text),
        }
    }
    lines
}

/// Says that all there was has been told.
fn end_of_initial<K: Row>(revision: u64) -> Vec<u8> {
    let object = json!({
        "kind": K::KIND,
        "apiVersion": K::API_VERSION,
        "metadata": {
            "resourceVersion": revision.to_string(),
            "annotations": { "k8s.io/initial-events-end": "true" },
        },
    });
    object.to_string().into_bytes()
}

fn line(lines: &mut Vec<u8>, kind: &str, object: &[u8]) {
    lines.extend_from_slice(format!("{{\"type\":\"{kind}\",\"object\":").as_bytes());
    lines.extend_from_slice(object);
    lines.extend_from_slice(b"}\n");
}
