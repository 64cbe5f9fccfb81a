//! A second, secure front of the simulated cluster's API: TLS with a CA of its own, and a token.

use crate::api::{Api, kubeconfig};
use axum::extract::Request;
use axum::http::{StatusCode, header::AUTHORIZATION};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use k8s_openapi::ByteString;
use nodefall_testbed::process::Scratch;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, IsCa, KeyPair,
};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Who brings it is let in.
pub const TOKEN: &str = "the-token-of-a-service-account";

/// A certificate authority with its key.
pub type Ca = CertifiedIssuer<'static, KeyPair>;

pub fn certificate_authority() -> Ca {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ca::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// A certificate of `ca` with these names, and its key, in PEM.
pub fn certificate(ca: &Ca, names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    // With the CA's own name openssl takes it for self-signed.
    params.distinguished_name = DistinguishedName::new();
    let certificate = params.signed_by(&key, ca).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

/// A certificate of `ca` for loopback.
fn server_config(ca: &Ca) -> ServerConfig {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    let certificate = params.signed_by(&key, ca).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key in PKCS #8");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions that the provider knows")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a key that fits")
}

/// Connections whose TLS handshake succeeded; others are dropped.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Lets only bearers of the token in.
async fn authenticated(request: Request, next: Next) -> Response {
    let expected = format!("Bearer {TOKEN}");
    match request.headers().get(AUTHORIZATION) {
        Some(given) if given.as_bytes() == expected.as_bytes() => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// A simulated cluster behind a second, secure front.
pub struct Secure {
    pub api: Api,
    pub ca: Ca,
    pub scratch: Scratch,
    address: SocketAddr,
    _served: Runtime,
}

impl Secure {
    pub fn new(api: Api) -> Self {
        let ca = certificate_authority();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&ca)));
        let served = Runtime::new().expect("threads");
        let listener = served
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = api.cluster.router().layer(from_fn(authenticated));
        let server = axum::serve(Tls { listener, acceptor }, router);
        served.spawn(async move { server.await });
        Self {
            api,
            address,
            ca,
            scratch: Scratch::new(),
            _served: served,
        }
    }

    /// A kubeconfig that trusts `ca`.
    pub fn kubeconfig(&self, ca: &Ca, token: &str) -> PathBuf {
        let cluster = json!({
            "server": format!("https://{}", self.address),
            "certificate-authority-data": ByteString(ca.pem().into_bytes()),
        });
        let user = json!({"token": token});
        self.scratch.write(
            "kubeconfig",
            &kubeconfig(&cluster.to_string(), &user.to_string()),
        )
    }
}
