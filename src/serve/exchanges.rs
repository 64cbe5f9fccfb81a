//! What an HTTP/2 connection has in hand. hyper has no timeout for its answers: a client that lets
//! none of its bytes come would keep them in memory for as long as it answers pings, and an idle one
//! would stay for ever.

use super::door::Peer;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an exchange may take, and a connection have none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the request until the last byte of its answer has gone.
    pub(super) exchange: Duration,
    /// From one exchange to the next.
    pub(super) idle: Duration,
}

impl Limits {
    const NONE: Self = Self {
        exchange: Duration::ZERO,
        idle: Duration::ZERO,
    };
}

/// The exchanges of one connection; a clone is the same set.
#[derive(Clone, Debug)]
pub(super) struct Exchanges(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limits: Limits,
    /// Numbers are given once.
    next: u64,
    begun: BTreeMap<u64, Instant>,
    /// Since when there is none.
    quiet_since: Instant,
}

impl Exchanges {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(State {
            limits,
            next: 0,
            begun: BTreeMap::new(),
            quiet_since: Instant::now(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Exchange {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.begun.insert(id, Instant::now());
        Exchange {
            id,
            exchanges: self.clone(),
        }
    }

    /// Lets the connection go once it has nothing in hand.
    pub(super) fn end(&self) {
        self.state().limits.idle = Duration::ZERO;
    }

    /// True once the connection has had its time.
    pub(super) fn are_overdue(&self) -> bool {
        let state = self.state();
        match state.begun.first_key_value() {
            Some((_, begun)) => begun.elapsed() >= state.limits.exchange,
            None => state.quiet_since.elapsed() >= state.limits.idle,
        }
    }
}

/// One of them, until it is dropped.
#[derive(Debug)]
struct Exchange {
    id: u64,
    exchanges: Exchanges,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.exchanges.state();
        state.begun.remove(&self.id);
        state.quiet_since = Instant::now();
    }
}

/// A piece of an answer that has not gone yet: h2 takes pieces whole, long before they go.
struct Piece {
    data: Bytes,
    _exchange: Arc<Exchange>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

/// Around every page, those for probes included.
pub(super) async fn watch(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    let Some(peer) = peer.filter(|_| request.version() == Version::HTTP_2) else {
        return next.run(request).await;
    };
    if !peer.http2 {
        // Whoever knows how can speak it anywhere; it is offered under TLS only. The connection ends.
        peer.exchanges.get_or_init(|| Exchanges::new(Limits::NONE));
        return StatusCode::HTTP_VERSION_NOT_SUPPORTED.into_response();
    }
    let exchanges = peer.exchanges.get_or_init(|| Exchanges::new(peer.limits));
    let exchange = Arc::new(exchanges.begin());
    let response = next.run(request).await;
    response.map(|body| {
        let hold = move |data| {
            Bytes::from_owner(Piece {
                data,
                _exchange: exchange.clone(),
            })
        };
        Body::new(body.map_frame(move |frame| frame.map_data(&hold)))
    })
}
