//! The front door: HTTP, and nothing of Kubernetes. What alerts say goes to the desk of
//! [`act`](crate::act); what a stranger may cost is bounded here.

mod auth;
mod body;
mod connections;
mod door;
mod exchanges;
mod headers;
mod pages;
mod places;
mod rate;
mod turns;
mod web_config;
mod webhook;

pub use web_config::WebConfig;

use crate::act::Desk;
use crate::decide::AlertRules;
use crate::metrics::Metrics;
use auth::{Gate, Part};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
use connections::Connections;
use door::Door;
use exchanges::Limits;
use places::Places;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// How long requests in flight may take to end once the server was told to stop.
const DRAIN: Duration = Duration::from_secs(3);

/// The most that hyper buffers of one connection, its headers included; 256 of them are 4 MiB.
const CONNECTION_BUFFER: usize = 16 * 1024;

/// HTTP/2: requests at a time on one connection. Alertmanager sends a receiver's notifications one
/// after another, and what is more waits at the client.
const STREAMS: u32 = 8;

/// HTTP/2: the longest header of one request; the longest credentials are 8 KiB.
const HEADER_LIST: u32 = 12 * 1024;

/// HTTP/2: bytes of a body, and of all bodies of a connection, that may be under way unread. The
/// second is the least that the protocol knows.
const WINDOWS: (u32, u32) = (32 * 1024, 64 * 1024 - 1);

/// HTTP/2: bytes of an answer that wait for its client.
const SEND_BUFFER: usize = 16 * 1024;

/// HTTP/2: requests that are taken back before they were looked at, and that are reset for an error of
/// the client; one more ends the connection.
const RESETS: (usize, usize) = (16, 64);

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
    /// For an exchange over HTTP/2 as a whole, and between two of them. Clients in Go let go of an idle
    /// connection after 5 minutes, and should be first.
    http2: Limits,
}

impl Bounds {
    const DEFAULT: Self = Self {
        connections: 256,
        places: 2,
        waiting: 64,
        small_body: 8 * 1024,
        body_bytes: 4 * 1024 * 1024,
        patience: Duration::from_secs(10),
        http2: Limits {
            exchange: Duration::from_secs(90),
            idle: Duration::from_secs(10 * 60),
        },
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

/// What is served.
#[derive(Clone)]
pub struct Front {
    /// Takes alerts in, and knows what becomes of them.
    pub desk: Desk,
    /// The counters.
    pub metrics: Metrics,
    /// Which alerts count.
    pub alerts: AlertRules,
}

/// Where it is served.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Everything.
    pub all: Vec<TcpListener>,
    /// Only what probes ask, in plain HTTP, whatever the web configuration asks of others.
    pub health: Vec<TcpListener>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(all: Vec<TcpListener>) -> Self {
        Self {
            all,
            ..Self::default()
        }
    }
}

/// Every route, to be called in memory or by [`serve`].
pub fn router(front: Front, web: &WebConfig) -> Router {
    bounded_router(front, web, Bounds::DEFAULT).all
}

/// The routes of both kinds of listener.
struct Routes {
    all: Router,
    health: Router,
}

fn bounded_router(front: Front, web: &WebConfig, bounds: Bounds) -> Routes {
    let Front {
        desk,
        metrics,
        alerts,
    } = front;
    let live = web.live();
    let gate = Gate::new(live.clone(), metrics.clone(), desk.token_reviews());
    let guarded = |part| from_fn_with_state((gate.clone(), part), auth::guard);
    let places = || Places::new(bounds.places, bounds.waiting, bounds.patience);
    let app = App {
        desk,
        metrics: metrics.clone(),
        alerts: Arc::new(alerts),
        bounds,
        bodies: places(),
        pages: places(),
    };
    let probes = || {
        Router::new()
            .route("/-/healthy", get(pages::healthy))
            .route("/-/ready", get(pages::ready))
    };
    let webhook = Router::new()
        // Every method, since a refused one is counted too.
        .route("/webhook", any(webhook::handle))
        .layer(guarded(Part::Webhook))
        .layer(from_fn_with_state(metrics, webhook::count));
    let rest = Router::new()
        .route("/metrics", get(pages::metrics))
        .route("/api/v1/remediations", get(pages::remediations))
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .layer(guarded(Part::Rest));
    let not_allowed =
        |router: Router<App>| router.method_not_allowed_fallback(pages::method_not_allowed);
    let all = rest.merge(webhook).merge(not_allowed(probes()));
    let health = not_allowed(probes().fallback(pages::only_probes));
    let finish = |router: Router<App>| {
        router
            .layer(from_fn_with_state(live.clone(), headers::add))
            .layer(from_fn(exchanges::watch))
            .with_state(app.clone())
    };
    Routes {
        all: finish(all),
        health: finish(health),
    }
}

/// Serves on all of the listeners until `stop` completes; then no connection is taken any more, and
/// requests in flight have 3 s to end. Meanwhile the web configuration is read afresh when it changes.
///
/// # Errors
/// A listener that cannot be used.
pub async fn serve(
    listeners: Listeners,
    front: Front,
    web: WebConfig,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    web.tell();
    serve_bounded(listeners, front, web, Bounds::DEFAULT, stop).await
}

async fn serve_bounded(
    listeners: Listeners,
    front: Front,
    web: WebConfig,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let metrics = front.metrics.clone();
    let (live, routes) = (web.live(), bounded_router(front, &web, bounds));
    // Probes have connections of their own: no crowd at the other door keeps them out.
    let door = |live| {
        let connections = Connections::new(bounds.connections, bounds.patience);
        Door::new(connections, live, bounds, metrics.clone())
    };
    let doors = (door(Some(live)), door(None));
    let handle = axum_server::Handle::new();
    let mut servers = JoinSet::new();
    let all = listeners.all.into_iter();
    let all = all.map(|l| (l, &doors.0, &routes.all));
    let health = listeners.health.into_iter();
    let health = health.map(|l| (l, &doors.1, &routes.health));
    for (listener, door, router) in all.chain(health) {
        let server = server(listener, door.clone(), bounds, handle.clone())?;
        servers.spawn(server.serve(router.clone().into_make_service()));
    }
    let mut following = JoinSet::new();
    following.spawn(web.follow(metrics.clone()));
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

fn server(
    listener: TcpListener,
    door: Door,
    bounds: Bounds,
    handle: axum_server::Handle<SocketAddr>,
) -> io::Result<axum_server::Server<SocketAddr, Door>> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(door)
        .first_request_timeout(bounds.patience)
        .handle(handle)
        .accept_error_handler(|peer, error| {
            // What a peer does is the door's to tell, at a bounded rate.
            if peer.is_none() {
                tracing::warn!(%error, "a connection was not accepted");
            }
        });
    server
        .http_builder()
        .http1()
        .header_read_timeout(bounds.patience)
        // Else a client that hangs up after its request takes the request back.
        .half_close(true)
        .max_buf_size(CONNECTION_BUFFER);
    server
        .http_builder()
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS.0)
        .max_local_error_reset_streams(RESETS.1)
        // A peer that is gone is noticed.
        .keep_alive_interval(bounds.patience)
        .keep_alive_timeout(bounds.patience);
    Ok(server)
}

/// A server's own end; a panic is an error, too.
fn joined(server: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    server.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

#[cfg(test)]
mod tests;
