//! A connection as it comes in: counted, and under TLS where that is in force.

use super::Bounds;
use super::auth::Log;
use super::connections::{Bounded, Connections};
use super::exchanges::{Exchanges, Limits};
use super::web_config::{InForce, Live, Terms, names_of};
use crate::act::chain;
use crate::metrics::{AuthFailure, Metrics};
use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Layer;

/// Who is at the other end, as far as the connection shows.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: Option<SocketAddr>,
    /// HTTP/2 was agreed on.
    pub(super) http2: bool,
    /// The names in its certificate, where the CA vouches for that.
    pub(super) verified: Option<Arc<[String]>>,
    /// What it was taken in under; none where it is plain.
    pub(super) terms: Option<Terms>,
    /// What it has in hand, once it speaks HTTP/2; its stream looks there, too.
    pub(super) exchanges: Arc<OnceLock<Exchanges>>,
    /// What it may have in hand.
    pub(super) limits: Limits,
}

/// A plain or an encrypted connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Takes connections in; a clone counts them together.
#[derive(Clone)]
pub(super) struct Door {
    connections: Connections,
    /// None: plain for ever, for probes.
    live: Option<Live>,
    /// For a whole handshake.
    patience: Duration,
    limits: Limits,
    metrics: Metrics,
    log: Arc<Log>,
}

impl Door {
    pub(super) fn new(
        connections: Connections,
        live: Option<Live>,
        bounds: Bounds,
        metrics: Metrics,
    ) -> Self {
        Self {
            connections,
            live,
            patience: bounds.patience,
            limits: bounds.http2,
            metrics,
            log: Arc::default(),
        }
    }

    /// Does what is in force asks for of a connection.
    async fn open(self, stream: TcpStream) -> io::Result<(Box<dyn Stream>, Peer)> {
        let address = stream.peer_addr().ok();
        let exchanges = Arc::new(OnceLock::new());
        let stream = self.connections.add(stream, exchanges.clone());
        let plain = Peer {
            address,
            http2: false,
            verified: None,
            terms: None,
            exchanges,
            limits: self.limits,
        };
        match self.live.as_ref().map(Live::now) {
            Some(in_force) if in_force.tls.is_some() => {
                let shaken = timeout(self.patience, shake(&in_force, stream, plain)).await;
                let late = || io::Error::from(io::ErrorKind::TimedOut);
                let shaken = shaken.unwrap_or_else(|_| Err(late()));
                shaken.inspect_err(|error| self.failed(address, error))
            }
            _ => Ok((Box::new(stream), plain)),
        }
    }

    fn failed(&self, address: Option<SocketAddr>, error: &io::Error) {
        self.metrics.auth_failure(AuthFailure::Tls);
        let Some(left_out) = self.log.line() else {
            return;
        };
        let (mut why, peer) = (chain(error), address.map(tracing::field::display));
        if why.contains("InvalidContentType") {
            why += " (perhaps the client speaks plain HTTP: it must say https://)";
        }
        tracing::warn!(why, peer, left_out, "a TLS handshake failed");
    }
}

async fn shake(
    in_force: &InForce,
    stream: Bounded<TcpStream>,
    plain: Peer,
) -> io::Result<(Box<dyn Stream>, Peer)> {
    let Some(tls) = &in_force.tls else {
        return Ok((Box::new(stream), plain));
    };
    let stream = TlsAcceptor::from(tls.config.clone()).accept(stream).await?;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let peer = Peer {
        http2: session.alpn_protocol() == Some(b"h2"),
        terms: Some(tls.terms),
        verified: certificate
            .filter(|_| tls.client_auth.verifies())
            .map(|certificate| names_of(certificate).into()),
        ..plain
    };
    Ok((Box::new(stream), peer))
}

impl<S: Send + 'static> Accept<TcpStream, S> for Door {
    type Stream = Box<dyn Stream>;
    type Service = AddExtension<S, Peer>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let door = self.clone();
        Box::pin(async move {
            let (stream, peer) = door.open(stream).await?;
            Ok((stream, Extension(peer).layer(service)))
        })
    }
}
