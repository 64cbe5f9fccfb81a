//! `tls_server_config`, made into what rustls needs. What rustls cannot do is refused by its name.

use super::client::{AnyCertificate, NamedCertificate};
use super::file::TlsServer;
use super::read::{Snapshot, place};
use crate::decide::quoted;
use ::ring::digest::{Context, SHA256};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ProtocolVersion, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};

/// The suites of TLS 1.2 that there are, as Go names them.
const SUITES: [(&str, SupportedCipherSuite); 6] = {
    use ring::cipher_suite::*;
    [
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
        (
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ),
        (
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
    ]
};

/// The suites of TLS 1.3, which cannot be chosen in Go either: they are always there.
const SUITES_13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// What a client's certificate is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum ClientAuth {
    /// None is asked for.
    No,
    /// It is asked for, and not checked.
    Request,
    /// It must be there, and is not checked.
    RequireAny,
    /// Where it is there, it is checked.
    VerifyIfGiven,
    /// It must be there, and is checked.
    RequireAndVerify,
}

impl ClientAuth {
    fn parse(name: Option<&str>) -> Result<Self, String> {
        Ok(match name.unwrap_or_default() {
            "" | "NoClientCert" => Self::No,
            "RequestClientCert" => Self::Request,
            // The second for the sake of old files, as in the toolkit.
            "RequireAnyClientCert" | "RequireClientCert" => Self::RequireAny,
            "VerifyClientCertIfGiven" => Self::VerifyIfGiven,
            "RequireAndVerifyClientCert" => Self::RequireAndVerify,
            other => {
                return Err(format!(
                    "client_auth_type: {} is not valid, expected NoClientCert, RequestClientCert, \
                     RequireAnyClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert",
                    quoted(other)
                ));
            }
        })
    }

    /// Whether a certificate that came is one that the CA vouches for.
    pub(in crate::serve) fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// TLS as it is in force.
pub(in crate::serve) struct Tls {
    pub(in crate::serve) config: Arc<ServerConfig>,
    pub(in crate::serve) client_auth: ClientAuth,
    /// A digest of all that is asked of a client's certificate.
    pub(in crate::serve) terms: Terms,
}

/// What a connection was taken in under: plain, or what was asked of a client's certificate.
pub(in crate::serve) type Terms = [u8; 32];

impl TlsServer {
    /// True when anything says that there shall be TLS; the toolkit decides by the same fields.
    fn is_enabled(&self) -> bool {
        let texts = [
            &self.cert,
            &self.key,
            &self.client_ca,
            &self.client_auth_type,
        ];
        let files = [&self.cert_file, &self.key_file, &self.client_ca_file];
        texts.into_iter().flatten().any(|text| !text.is_empty())
            || files
                .into_iter()
                .flatten()
                .any(|path| !path.as_os_str().is_empty())
    }

    /// Makes it; none where the file asks for no TLS.
    ///
    /// # Errors
    /// One line that names the field and what to do.
    pub(super) fn build(&self, files: &Snapshot, http2: bool) -> Result<Option<Tls>, String> {
        if !self.is_enabled() {
            return Ok(None);
        }
        let chain = pem("cert", &self.cert, self.cert_file.as_deref(), files)?
            .ok_or("one of cert and cert_file is missing")?;
        let key = pem("key", &self.key, self.key_file.as_deref(), files)?
            .ok_or("one of key and key_file is missing")?;
        let chain = certificates(&chain)?;
        let key = PrivateKeyDer::from_pem_slice(key.text)
            .map_err(|_| key.is("there is no private key in PEM"))?;
        let client_auth = ClientAuth::parse(self.client_auth_type.as_deref())?;
        let provider = Arc::new(self.provider()?);
        let versions = self.versions(&provider)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|error| error.to_string())?;
        let builder = match self.verifier(client_auth, &provider, files)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| format!("the key does not fit the certificate: {error}"))?;
        // A session that is taken up again would bring a client's certificate that nobody looked at
        // again. Whoever calls here does so seldom, and can afford a handshake.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.ignore_client_order = self.prefer_server_cipher_suites.unwrap_or(true);
        config.alpn_protocols = match http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        Ok(Some(Tls {
            config: Arc::new(config),
            client_auth,
            terms: self.terms(client_auth, files)?,
        }))
    }

    fn terms(&self, client_auth: ClientAuth, files: &Snapshot) -> Result<Terms, String> {
        let path = self.client_ca_file.as_deref();
        let ca = pem("client_ca", &self.client_ca, path, files)?;
        let asked = format!("{client_auth:?} {:?} ", self.client_allowed_sans);
        let mut digest = Context::new(&SHA256);
        digest.update(asked.as_bytes());
        digest.update(ca.map_or(b"", |ca| ca.text));
        let mut terms = Terms::default();
        // SHA-256 is as long.
        terms.copy_from_slice(digest.finish().as_ref());
        Ok(terms)
    }

    /// ring, with the suites and curves that were asked for.
    fn provider(&self) -> Result<CryptoProvider, String> {
        let mut provider = ring::default_provider();
        let chosen = self.cipher_suites.as_deref().unwrap_or_default();
        if !chosen.is_empty() {
            provider
                .cipher_suites
                .retain(|suite| suite.version().version == ProtocolVersion::TLSv1_3);
        }
        for name in chosen {
            match SUITES.iter().find(|(known, _)| known == name) {
                Some((_, suite)) => provider.cipher_suites.push(*suite),
                None if SUITES_13.contains(&name.as_str()) => {}
                None => {
                    return Err(format!(
                        "cipher_suites: {} cannot be had (rustls has neither CBC nor RSA key \
                         exchange); there are {}",
                        quoted(name),
                        SUITES.map(|(known, _)| known).join(", ")
                    ));
                }
            }
        }
        let curves = self.curve_preferences.as_deref().unwrap_or_default();
        if !curves.is_empty() {
            provider.kx_groups.clear();
        }
        for name in curves {
            provider.kx_groups.push(match name.as_str() {
                "X25519" => ring::kx_group::X25519,
                "CurveP256" => ring::kx_group::SECP256R1,
                "CurveP384" => ring::kx_group::SECP384R1,
                other => {
                    return Err(format!(
                        "curve_preferences: {} cannot be had; there are X25519, CurveP256 and \
                         CurveP384",
                        quoted(other)
                    ));
                }
            });
        }
        Ok(provider)
    }

    fn versions(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        let old = |name: &str| {
            format!(
                "{name} cannot be had: it is broken, and rustls does not speak it; set TLS12 or TLS13"
            )
        };
        let read = |field: &str, value: &Option<String>, default: u16| match value.as_deref() {
            None | Some("") => Ok(default),
            Some("TLS12") => Ok(12),
            Some("TLS13") => Ok(13),
            Some(name @ ("TLS10" | "TLS11")) => Err(format!("{field}: {}", old(name))),
            Some(other) => Err(format!(
                "{field}: {} is not valid, expected TLS12 or TLS13",
                quoted(other)
            )),
        };
        let least = read("min_version", &self.min_version, 12)?;
        let most = read("max_version", &self.max_version, 13)?;
        let has = |version| {
            let mut suites = provider.cipher_suites.iter();
            suites.any(|suite| suite.version().version == version)
        };
        let mut versions = Vec::new();
        if most >= 13 {
            versions.push(&TLS13);
        }
        if least <= 12 && has(ProtocolVersion::TLSv1_2) {
            versions.push(&TLS12);
        }
        if least > most {
            return Err("min_version: it is above max_version".to_owned());
        }
        if versions.is_empty() {
            return Err(
                "cipher_suites: none of them is for TLS 1.2, which max_version asks for".to_owned(),
            );
        }
        Ok(versions)
    }

    fn verifier(
        &self,
        client_auth: ClientAuth,
        provider: &Arc<CryptoProvider>,
        files: &Snapshot,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
        let ca = pem(
            "client_ca",
            &self.client_ca,
            self.client_ca_file.as_deref(),
            files,
        )?;
        let sans = self.client_allowed_sans.clone();
        let must = matches!(
            client_auth,
            ClientAuth::RequireAny | ClientAuth::RequireAndVerify
        );
        if sans.is_some() && !must {
            return Err(
                "client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert, \
                 or RequireAnyClientCert"
                    .to_owned(),
            );
        }
        let verifier: Arc<dyn ClientCertVerifier> = match client_auth {
            ClientAuth::No if ca.is_some() => {
                return Err("client_ca_file: needs a client_auth_type, such as \
                     RequireAndVerifyClientCert"
                    .to_owned());
            }
            ClientAuth::No => return Ok(None),
            ClientAuth::Request | ClientAuth::RequireAny => {
                let mandatory = client_auth == ClientAuth::RequireAny;
                Arc::new(AnyCertificate::new(provider, mandatory))
            }
            ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
                let ca = ca.ok_or(
                    "client_auth_type: needs client_ca_file (or client_ca): there are no CAs of \
                     the system's here",
                )?;
                let mut roots = RootCertStore::empty();
                for certificate in certificates(&ca)? {
                    roots
                        .add(certificate)
                        .map_err(|error| ca.is(&format!("no CA certificate: {error}")))?;
                }
                let builder =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
                let builder = match client_auth {
                    ClientAuth::VerifyIfGiven => builder.allow_unauthenticated(),
                    _ => builder,
                };
                builder.build().map_err(|error| ca.is(&error.to_string()))?
            }
        };
        Ok(Some(match sans {
            Some(sans) => Arc::new(NamedCertificate::new(verifier, sans)),
            None => verifier,
        }))
    }
}

/// Text in PEM, and where it is from.
struct Pem<'a> {
    text: &'a [u8],
    field: &'static str,
    path: Option<&'a Path>,
}

impl Pem<'_> {
    fn is(&self, why: &str) -> String {
        match self.path {
            Some(path) => format!("{}_file: {}", self.field, place(path, why)),
            None => format!("{}: {why}", self.field),
        }
    }
}

/// The value of a field that can be given here or in a file.
fn pem<'a>(
    field: &'static str,
    text: &'a Option<String>,
    path: Option<&'a Path>,
    files: &'a Snapshot,
) -> Result<Option<Pem<'a>>, String> {
    let text = text.as_deref().filter(|text| !text.is_empty());
    let path = path.filter(|path| !path.as_os_str().is_empty());
    let text = match (text, path) {
        (Some(_), Some(_)) => {
            return Err(format!("{field} and {field}_file exclude each other"));
        }
        (None, None) => return Ok(None),
        (Some(text), None) => text.as_bytes(),
        (None, Some(path)) => files
            .content(path)
            .map_err(|why| format!("{field}_file: {why}"))?,
    };
    Ok(Some(Pem { text, field, path }))
}

/// The certificates in a text; there must be one.
fn certificates(pem: &Pem<'_>) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.text).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(pem.is("there is no certificate in PEM")),
    }
}
