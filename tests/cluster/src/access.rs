//! Who may enter: the API server's certificate, the tokens of people and kubelets, kubeconfig files.

use crate::process::Scratch;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use std::path::{Path, PathBuf};

/// May do everything; what tests do themselves.
const ADMIN: &str = "the-administrators-token";

/// May do everything too, so that the audit log tells its calls apart.
const KUBELET: &str = "the-kubelets-token";

/// The files that let processes find and trust each other.
pub struct Access {
    /// The CA's certificate.
    ca: PathBuf,
    /// The API server's certificate and key.
    pub serving: (PathBuf, PathBuf),
    /// The key that signs ServiceAccounts' tokens, and its public half.
    pub signing: (PathBuf, PathBuf),
    /// The administrators' and kubelets' tokens, for the API server.
    pub tokens: PathBuf,
    /// A kubeconfig for people.
    pub admin: PathBuf,
    /// One for the kubelets, as `system:masters` too.
    pub kubelet: PathBuf,
    server: String,
}

impl Access {
    /// Makes the files for an API server on that port.
    ///
    /// # Panics
    /// When one cannot be made.
    pub fn new(scratch: &Scratch, port: u16) -> Self {
        let mut authority = CertificateParams::new([]).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("a CA");
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let serving = key();
        let certificate = CertificateParams::new(names).expect("names");
        let certificate = certificate.signed_by(&serving, &authority);
        let certificate = certificate.expect("a certificate").pem();
        let ca = scratch.write("ca.crt", &authority.pem());
        let signing = key();
        let tokens = format!(
            "{ADMIN},admin,admin,\"system:masters\"\n{KUBELET},kubelet,kubelet,\"system:masters\"\n"
        );
        let server = format!("https://127.0.0.1:{port}");
        let config =
            |name: &str, token: &str| scratch.write(name, &kubeconfig(&server, Some(&ca), token));
        Self {
            serving: (
                scratch.write("apiserver.crt", &certificate),
                scratch.write("apiserver.key", &serving.serialize_pem()),
            ),
            signing: (
                scratch.write("tokens.key", &signing.serialize_pem()),
                scratch.write("tokens.pub", &signing.public_key_pem()),
            ),
            tokens: scratch.write("tokens.csv", &tokens),
            admin: config("kubeconfig", ADMIN),
            kubelet: config("kubelet.kubeconfig", KUBELET),
            ca,
            server,
        }
    }

    /// The text of a kubeconfig for the bearer of a token.
    pub fn kubeconfig(&self, token: &str) -> String {
        kubeconfig(&self.server, Some(&self.ca), token)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// The text of a kubeconfig: JSON, which is YAML too.
pub fn kubeconfig(server: &str, ca: Option<&Path>, token: &str) -> String {
    let cluster = json!({"server": server, "certificate-authority": ca});
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": "testbed", "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
    })
    .to_string()
}

/// What a client needs of that file.
///
/// # Panics
/// When the file is no kubeconfig.
pub fn config(kubeconfig: &Path) -> Config {
    let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options);
    let config = runtime.expect("a thread").block_on(config);
    config.expect("a kubeconfig that can be used")
}
