//! The front door: HTTP, and nothing of Kubernetes. What alerts say goes to the desk of
//! [`act`](crate::act); what a stranger may cost is bounded here.

mod body;
mod connections;
mod pages;
mod places;
mod webhook;

use crate::act::Desk;
use crate::decide::AlertRules;
use crate::metrics::Metrics;
use axum::Router;
use axum::routing::{any, get};
use connections::Connections;
use places::Places;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// How long requests in flight may take to end once the server was told to stop.
const DRAIN: Duration = Duration::from_secs(3);

/// The most that hyper buffers of one connection, its headers included; 256 of them are 4 MiB.
const CONNECTION_BUFFER: usize = 16 * 1024;

/// What strangers may cost.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections at a time, of all listeners together.
    connections: usize,
    /// Large things in memory at a time: webhook bodies and their answers, and as many long pages.
    places: usize,
    /// Requests that wait for such a place: a connection that was closed meanwhile is not noticed
    /// before its turn, so these come on top of `connections`.
    waiting: usize,
    /// A webhook body up to this length is not large: it never waits behind those of strangers.
    small_body: usize,
    /// The longest webhook body.
    body_bytes: usize,
    /// For a complete header, for a body, and for the client to take more of an answer;
    /// Alertmanager's peers wait 15 s for an answer.
    patience: Duration,
}

impl Bounds {
    const DEFAULT: Self = Self {
        connections: 256,
        places: 2,
        waiting: 64,
        small_body: 8 * 1024,
        body_bytes: 4 * 1024 * 1024,
        patience: Duration::from_secs(10),
    };
}

/// What the handlers share.
#[derive(Clone, Debug)]
struct App {
    desk: Desk,
    metrics: Metrics,
    alerts: Arc<AlertRules>,
    bounds: Bounds,
    /// Places for large bodies and their answers.
    bodies: Places,
    /// Places for long pages, so that who reads them keeps no alert out.
    pages: Places,
}

/// Every route, to be called in memory or by [`serve`].
pub fn router(desk: Desk, metrics: Metrics, alerts: AlertRules) -> Router {
    bounded_router(desk, metrics, alerts, Bounds::DEFAULT)
}

fn bounded_router(desk: Desk, metrics: Metrics, alerts: AlertRules, bounds: Bounds) -> Router {
    let places = || Places::new(bounds.places, bounds.waiting, bounds.patience);
    Router::new()
        // Every method, since a refused one is counted too.
        .route("/webhook", any(webhook::handle))
        .route("/metrics", get(pages::metrics))
        .route("/-/healthy", get(pages::healthy))
        .route("/-/ready", get(pages::ready))
        .route("/api/v1/remediations", get(pages::remediations))
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .with_state(App {
            desk,
            metrics,
            alerts: Arc::new(alerts),
            bounds,
            bodies: places(),
            pages: places(),
        })
}

/// Serves on all of the listeners until `stop` completes; then no connection is taken any more, and
/// requests in flight have 3 s to end.
///
/// # Errors
/// A listener that cannot be used.
pub async fn serve(
    listeners: Vec<TcpListener>,
    desk: Desk,
    metrics: Metrics,
    alerts: AlertRules,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let bounds = Bounds::DEFAULT;
    serve_router(
        listeners,
        bounded_router(desk, metrics, alerts, bounds),
        bounds,
        stop,
    )
    .await
}

async fn serve_router(
    listeners: Vec<TcpListener>,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let connections = Connections::new(bounds.connections, bounds.patience);
    let handle = axum_server::Handle::new();
    let mut servers = JoinSet::new();
    for listener in listeners {
        let mut server = axum_server::from_tcp(listener)?
            .http1_only()
            .acceptor(connections.clone())
            .first_request_timeout(bounds.patience)
            .handle(handle.clone())
            .accept_error_handler(
                |_, error| tracing::warn!(%error, "a connection was not accepted"),
            );
        server
            .http_builder()
            .http1()
            .header_read_timeout(bounds.patience)
            // Else a client that hangs up after its request takes the request back.
            .half_close(true)
            .max_buf_size(CONNECTION_BUFFER);
        servers.spawn(server.serve(router.clone().into_make_service()));
    }
    // A server ends by itself only with an error, and then the others end, too.
    let first = tokio::select! {
        () = stop => None,
        Some(server) = servers.join_next() => Some(server),
    };
    handle.graceful_shutdown(Some(DRAIN));
    let mut result = first.map_or(Ok(()), joined);
    while let Some(server) = servers.join_next().await {
        result = result.and(joined(server));
    }
    result
}

/// A server's own end; a panic is an error, too.
fn joined(server: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    server.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

#[cfg(test)]
mod tests;
