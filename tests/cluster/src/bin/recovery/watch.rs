//! What changes in the cluster, with the moment when it was seen.

use futures_util::TryStreamExt;
use http::Request;
use jiff::Timestamp;
use kube::api::WatchEvent;
use nodefall_testbed::client::Client;
use serde_json::Value;
use std::pin::pin;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What a watch told.
pub enum Change {
    /// An object is there, or differs.
    Is(Value),
    /// An object is gone; as it was last.
    Gone(Value),
}

/// Watches the objects of a path until nobody listens any more. It begins with all that are there; a
/// watch that breaks begins again, and then tells some twice.
pub fn watch(client: &Client, path: &str, listener: Sender<(Timestamp, Change)>) {
    let kube = client.kube();
    let path = format!("{path}?watch=true");
    client.runtime().spawn(async move {
        loop {
            let request = Request::get(&path).body(Vec::new());
            let request = request.expect("a request of constants");
            if let Ok(events) = kube.request_events::<Value>(request).await {
                let mut events = pin!(events);
                while let Ok(Some(event)) = events.try_next().await {
                    let change = match event {
                        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                            Change::Is(object)
                        }
                        WatchEvent::Deleted(object) => Change::Gone(object),
                        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
                    };
                    if listener.send((Timestamp::now(), change)).is_err() {
                        return;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}
