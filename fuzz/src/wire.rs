//! The API server in memory, on a paused clock: it answers what it is told to and notes what it was
//! asked.

use axum::body::Body;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The API server's clock, which stands still: as a time, and as the `Date` header.
pub const DATE: (&str, &str) = ("2026-11-01T12:00:00Z", "Sun, 01 Nov 2026 12:00:00 GMT");

/// The API server's clock.
pub fn now() -> Timestamp {
    DATE.0.parse().expect("a time")
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// Path and query.
    pub uri: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn is_destructive(&self) -> bool {
        self.method == Method::DELETE || self.method == Method::PATCH
    }
}

/// What was asked so far.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Asked>>>);

impl Record {
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, asked: Asked) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
    }
}

/// A client of an API server that answers a request with this status and body.
pub fn client(
    answer: impl Fn(&Asked) -> (u16, Vec<u8>) + Send + Sync + 'static,
) -> (kube::Client, Record) {
    let (record, answer) = (Record::default(), Arc::new(answer));
    let noted = record.clone();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (record, answer) = (noted.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|b| b.to_bytes().to_vec());
            let asked = Asked {
                method: head.method,
                uri: head
                    .uri
                    .path_and_query()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                body: body.unwrap_or_default(),
            };
            let (status, body) = answer(&asked);
            record.note(asked);
            // Else what is read one after the other would be of the same time.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let response = Response::builder().status(status).header("date", DATE.1);
            Ok::<_, Infallible>(response.body(Body::from(body)).expect("an answer"))
        }
    });
    (kube::Client::new(service, "default"), record)
}

/// Runs a conversation on a clock that jumps to whatever is waited for.
pub fn run<T>(conversation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(conversation)
}

/// 201 for an access review and for an Event; none for what is no such request.
pub fn formality(asked: &Asked) -> Option<(u16, Vec<u8>)> {
    let is_review = asked.uri.contains("/selfsubjectaccessreviews");
    let is_event = asked.uri.contains("/apis/events.k8s.io/");
    (is_review || is_event).then(|| (201, br#"{"status":{"allowed":true}}"#.to_vec()))
}
