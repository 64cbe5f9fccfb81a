//! A receiver that does not let everybody in, with what its callers need, on loopback.

use crate::api::{Api, NO_EVICTION, quick};
use crate::secure::{Ca, certificate, certificate_authority};
use nodefall::demo::Layout;
use nodefall_testbed::http;
use nodefall_testbed::process::{PATIENCE, Scratch, eventually};
use nodefall_testbed::receiver::Receiver;
use std::net::SocketAddr;

/// What is TLS for everybody.
pub const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

/// The password of `alertmanager` and of `prometheus`.
pub const PASSWORD: &str = "correct horse";

/// bcrypt of it, at cost 5: as libcrypt made it.
const HASH: &str = "$2b$05$VsJ8mQyzTUBw4dcXlcs0PeWq5jCAN61jykjj0OWpawhDfYVBxYARu";

pub fn users() -> String {
    format!("basic_auth_users:\n  alertmanager: {HASH}\n  prometheus: {HASH}\n")
}

/// The receiver, and the cluster it looks after.
pub struct Guarded {
    pub receiver: Receiver,
    pub health: SocketAddr,
    pub api: Api,
    pub ca: Ca,
    pub scratch: Scratch,
}

impl Guarded {
    /// With that web configuration; it is ready when this returns. Beside it lie `ca.pem`, the pair
    /// `client.pem` and `client.key` for a client named `alertmanager`, `stranger.*` of another CA,
    /// `password`, and `token`.
    pub fn start(config: &str) -> Self {
        let (scratch, ca) = (Scratch::new(), certificate_authority());
        let pair = |name: &str, (cert, key): (String, String)| {
            scratch.write(&format!("{name}.pem"), &cert);
            scratch.write(&format!("{name}.key"), &key);
        };
        scratch.write("ca.pem", &ca.pem());
        pair("server", certificate(&ca, &["127.0.0.1"]));
        pair("client", certificate(&ca, &["alertmanager"]));
        pair(
            "stranger",
            certificate(&certificate_authority(), &["alertmanager"]),
        );
        scratch.write("password", PASSWORD);
        scratch.write("token", "the-first-token\n");
        let config = scratch.write("web.yml", config);
        let api = Api::start(quick(NO_EVICTION), &Layout::kube_prometheus());
        let config = format!("--web.config.file={}", config.display());
        let options = [
            "--period=0",
            &config,
            "--web.health-listen-address=127.0.0.1:0",
        ];
        let kubeconfig = api.kubeconfig(&scratch);
        let binary = env!("CARGO_BIN_EXE_nodefall");
        let mut receiver = Receiver::start(binary, &scratch, "nodefall", &kubeconfig, &options);
        let health = receiver
            .process
            .listens(r#""message":"listening for probes""#);
        let guarded = Self {
            receiver,
            health,
            api,
            ca,
            scratch,
        };
        eventually("the receiver is ready", PATIENCE, || {
            let probe = http::get(guarded.health, "/-/ready").ok()?;
            (probe.status == 200).then_some(())
        });
        guarded
    }

    /// Where one of the files is.
    pub fn path(&self, name: &str) -> String {
        self.scratch.path(name).display().to_string()
    }

    /// The address of a page.
    pub fn url(&self, page: &str) -> String {
        format!("https://{}{page}", self.receiver.address)
    }

    /// Waits for words in the log.
    pub fn says(&self, words: &str) {
        eventually(&format!("it says {words:?}"), PATIENCE, || {
            self.receiver.process.log().contains(words).then_some(())
        });
    }
}
