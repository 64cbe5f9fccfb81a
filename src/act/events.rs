//! Kubernetes Events about what was done and what is held, on the Node and on the StatefulSet, for
//! `kubectl describe`.

use super::api::Api;
use super::clock::Clock;
use super::pacer::Pacer;
use crate::decide::{NodeName, Pod};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How many Events may wait to be written; more are dropped, the log has them all.
const WAITING: usize = 512;

/// The longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// What an Event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A node is held.
    Held,
    /// A pod's DELETE was acknowledged.
    ForceDeleted,
    /// A pod's finalizers were cleared.
    FinalizersCleared,
    /// The node came back.
    Aborted,
    /// A pod was given up for now.
    GivenUp,
    /// A replacement is Ready.
    Recovered,
    /// A replacement does not come.
    NotRecovered,
}

impl Reason {
    /// The Event's `reason` and `action`, as kubectl shows them.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Held => ("NodefallHeld", "Judge"),
            Self::ForceDeleted => ("NodefallForceDeleted", "Delete"),
            Self::FinalizersCleared => ("NodefallFinalizersCleared", "Patch"),
            Self::Aborted => ("NodefallAborted", "Judge"),
            Self::GivenUp => ("NodefallGivenUp", "Delete"),
            Self::Recovered => ("NodefallRecovered", "Follow"),
            Self::NotRecovered => ("NodefallNotRecovered", "Follow"),
        }
    }

    fn is_normal(self) -> bool {
        matches!(
            self,
            Self::ForceDeleted | Self::FinalizersCleared | Self::Recovered
        )
    }
}

/// Takes Events and writes them at a steady rate. Silent in a dry run.
pub struct Events {
    /// Namespaces and Events, as JSON: parsed, each would take ten times the memory.
    queue: Option<mpsc::Sender<(String, Vec<u8>)>>,
    clock: Clock,
    instance: String,
}

impl Events {
    /// Makes the queue, and the future that writes what is in it until the queue is dropped.
    pub fn new(
        api: Api,
        clock: Clock,
        pacer: std::sync::Arc<Pacer>,
        dry_run: bool,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, mut receiver) = mpsc::channel::<(String, Vec<u8>)>(WAITING);
        let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| "nodefall".to_owned());
        let events = Self {
            queue: (!dry_run).then_some(sender),
            clock,
            instance,
        };
        let writer = async move {
            while let Some((namespace, event)) = receiver.recv().await {
                pacer.take(1).await;
                if let Err(error) = api.create_event(&namespace, event).await {
                    tracing::debug!(namespace, %error, "an Event could not be written");
                }
            }
        };
        (events, writer)
    }

    /// Tells of a node. Such Events live in the namespace `default`.
    pub fn of_node(&self, node: &NodeName, reason: Reason, note: &str) {
        let regarding = json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": node});
        self.put("default", regarding, None, reason, note);
    }

    /// Tells of a pod, on the controller that owns it and on its node.
    pub fn of_pod(&self, pod: &Pod, reason: Reason, note: &str) {
        self.of_owner(pod, reason, note);
        let node = pod.node();
        let regarding = json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": node});
        self.put("default", regarding, Some(related(pod)), reason, note);
    }

    /// Tells of a pod, on the controller that owns it.
    pub fn of_owner(&self, pod: &Pod, reason: Reason, note: &str) {
        let namespace = &pod.metadata.namespace;
        if let Some(owner) = pod.controller() {
            let regarding = json!({
                "apiVersion": owner.api_version, "kind": owner.kind, "namespace": namespace,
                "name": owner.name, "uid": owner.uid,
            });
            self.put(namespace, regarding, Some(related(pod)), reason, note);
        }
    }

    fn put(
        &self,
        namespace: &str,
        regarding: Value,
        related: Option<Value>,
        reason: Reason,
        note: &str,
    ) {
        let Some(queue) = &self.queue else { return };
        let (word, action) = reason.words();
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"generateName": "nodefall-", "namespace": namespace},
            "eventTime": format!("{:.6}", self.clock.wall()),
            "reportingController": "nodefall.io/nodefall",
            "reportingInstance": self.instance,
            "action": action, "reason": word,
            "type": if reason.is_normal() { "Normal" } else { "Warning" },
            "regarding": regarding, "related": related,
            "note": note.get(..note.floor_char_boundary(MAX_NOTE)).unwrap_or_default(),
        });
        let event = event.to_string().into_bytes();
        if queue.try_send((namespace.to_owned(), event)).is_err() {
            tracing::debug!(
                reason = word,
                note,
                "an Event was dropped: too many are waiting"
            );
        }
    }
}

/// The pod, as an Event's second object.
fn related(pod: &Pod) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": pod.metadata.namespace,
        "name": pod.metadata.name, "uid": pod.metadata.uid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::Transport;
    use crate::metrics::Metrics;
    use std::sync::{Arc, Mutex};

    /// The notes that are written of those that are put.
    async fn written(notes: Vec<String>) -> Vec<String> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = written.clone();
        let take = move |body: String| {
            let event: Value = serde_json::from_str(&body).expect("an Event");
            let note = event["note"].as_str().expect("a note").to_owned();
            sink.lock().expect("a lock").push(note);
            std::future::ready("{}")
        };
        let client = kube::Client::new(axum::Router::new().fallback(take), "default");
        let clock = Clock::system();
        let api = Api::new(Transport::new(client, Metrics::new(), clock));
        let pacer = Arc::new(Pacer::new(clock));
        let (events, writer) = Events::new(api, clock, pacer, false);
        let node = NodeName::parse("node-1").expect("a name");
        for note in notes {
            events.of_node(&node, Reason::Held, &note);
        }
        drop(events);
        writer.await;
        written.lock().expect("a lock").clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_note_is_cut_at_1024_bytes_and_never_within_a_letter() {
        let written = written(vec!["ä".repeat(1000), "€".repeat(1000)]).await;
        assert_eq!(written, ["ä".repeat(512), "€".repeat(341)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_512_events_wait_to_be_written() {
        let notes: Vec<_> = (0..600).map(|n| n.to_string()).collect();
        assert_eq!(written(notes.clone()).await, notes[..512]);
    }
}
