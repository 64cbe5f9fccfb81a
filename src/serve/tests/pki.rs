//! Certificates for tests, and clients that use them.

use nodefall_testbed::process::Scratch;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// A certificate authority.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for loopback.
    pub fn server(&self) -> Pair {
        self.sign(
            &["127.0.0.1", "localhost"],
            ExtendedKeyUsagePurpose::ServerAuth,
            false,
        )
    }

    /// A client's, with these names.
    pub fn client(&self, names: &[&str]) -> Pair {
        self.sign(names, ExtendedKeyUsagePurpose::ClientAuth, false)
    }

    /// The same, of yesteryear.
    pub fn expired(&self, names: &[&str]) -> Pair {
        self.sign(names, ExtendedKeyUsagePurpose::ClientAuth, true)
    }

    fn sign(&self, names: &[&str], usage: ExtendedKeyUsagePurpose, expired: bool) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![usage];
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A folder with a configuration and what it names.
pub struct Folder(pub Scratch);

impl Folder {
    pub fn new() -> Self {
        Self(Scratch::new())
    }

    /// With a server's certificate and key of that CA, and the CA itself for clients.
    pub fn with(ca: &Ca) -> Self {
        let folder = Self::new();
        folder.server(&ca.server());
        folder.0.write("ca.pem", &ca.pem());
        folder
    }

    pub fn server(&self, pair: &Pair) {
        self.0.write("cert.pem", &pair.cert);
        self.0.write("key.pem", &pair.key);
    }

    pub fn config(&self, text: &str) -> PathBuf {
        self.0.write("web.yml", text)
    }
}

/// The least that is TLS.
pub const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

/// How a client speaks TLS.
#[derive(Clone)]
pub struct Speaks {
    pub ca: String,
    pub own: Option<Pair>,
    pub versions: &'static [&'static SupportedProtocolVersion],
    pub alpn: &'static [&'static str],
}

impl Speaks {
    pub fn to(ca: &Ca) -> Self {
        Self {
            ca: ca.pem(),
            own: None,
            versions: ALL_VERSIONS,
            alpn: &[],
        }
    }

    pub fn own(self, pair: Pair) -> Self {
        Self {
            own: Some(pair),
            ..self
        }
    }

    pub fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.as_bytes()).expect("PEM");
        roots.add(ca).expect("a CA");
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
                builder
                    .with_client_auth_cert(vec![cert], key)
                    .expect("a key that fits")
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        TlsConnector::from(self.config())
            .connect(name, stream)
            .await
    }

    /// The status of one request, sent as it stands; or why there was none. In TLS 1.3 a client learns
    /// only by reading that it was not let in.
    pub async fn ask(&self, address: SocketAddr, request: &str) -> Result<u16, String> {
        let exchange = async {
            let mut stream = self.connect(address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = timeout(Duration::from_secs(30), exchange).await;
        let answer = answer.expect("an end").map_err(|e| e.to_string())?;
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.ok_or(answer)
    }
}

/// A request for a page, with these lines of a header.
pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
}
