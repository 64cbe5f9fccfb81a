//! `--web.config.file`: read at the start, and afresh whenever it, or a file that it names, holds
//! something else. What is broken then is told once, and what was in force stays so.

mod client;
pub(super) mod file;
mod read;
mod san;
mod tls;

use super::auth::{Accounts, Methods};
use super::headers::Headers;
use super::rate::Rate;
use crate::metrics::Metrics;
use file::{File, ServiceAccounts};
use jiff::Timestamp;
use read::Snapshot;
use ring::digest::Digest;
pub(super) use san::names as names_of;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
pub(super) use tls::Terms;
use tls::{ClientAuth, Tls};
use tokio::sync::watch;

/// Between two looks at the files. cert-manager renews long before the old certificate ends, and the
/// kubelet itself takes up to a minute to bring a new one.
const INTERVAL: Duration = Duration::from_secs(5);

/// What changed must have held still for so long before it counts.
const SETTLING: Duration = Duration::from_millis(250);

/// What is in force.
pub(super) struct InForce {
    pub(super) tls: Option<Tls>,
    pub(super) headers: Headers,
    pub(super) rate: Option<Rate>,
    /// What every page asks for, but for the probes.
    pub(super) rest: Methods,
    /// What `/webhook` asks for, where that is something else.
    pub(super) webhook: Option<Methods>,
}

/// What is in force now; a clone follows the same changes.
#[derive(Clone)]
pub(super) struct Live(watch::Receiver<Arc<InForce>>);

impl Live {
    pub(super) fn now(&self) -> Arc<InForce> {
        self.0.borrow().clone()
    }
}

/// The configuration of the front door.
pub struct WebConfig {
    path: Option<PathBuf>,
    in_force: watch::Sender<Arc<InForce>>,
    /// What was read last, good or broken.
    read: Option<Digest>,
    interval: Duration,
}

impl WebConfig {
    /// No TLS, and nobody needs credentials.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn open_to_all() -> Result<Self, String> {
        let in_force = InForce::new(&mut File::default(), &Snapshot::default())?;
        Ok(Self {
            path: None,
            in_force: watch::Sender::new(Arc::new(in_force)),
            read: None,
            interval: INTERVAL,
        })
    }

    /// Reads the file, and what it names.
    ///
    /// # Errors
    /// One line that says what is wrong, and shows nothing secret.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut snapshot = Snapshot::take(path);
        let failed = |why| format!("--web.config.file {why}");
        let in_force = snapshot.in_force(path).map_err(failed)?;
        Ok(Self {
            path: Some(path.to_owned()),
            in_force: watch::Sender::new(Arc::new(in_force)),
            read: Some(snapshot.digest()),
            interval: INTERVAL,
        })
    }

    pub(super) fn live(&self) -> Live {
        Live(self.in_force.subscribe())
    }

    /// Looks more often.
    #[cfg(test)]
    pub(super) fn every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Says once how the door stands.
    pub(super) fn tell(&self) {
        let in_force = self.in_force.borrow();
        let everywhere = in_force.asks();
        let (encrypted, asks) = (
            in_force.tls.is_some(),
            everywhere || in_force.webhook.is_some(),
        );
        match (encrypted, asks) {
            (true, true) => tracing::info!("TLS and authentication are on"),
            (false, true) => tracing::warn!(
                "authentication without TLS: credentials can be read on their way; give a \
                 certificate in tls_server_config of --web.config.file"
            ),
            (true, false) => tracing::warn!(
                "TLS without authentication: whoever reaches this port can have any node looked at, \
                 and lift suspicions; ask for credentials or a client certificate in \
                 --web.config.file"
            ),
            (false, false) => tracing::warn!(
                "NO AUTHENTICATION and no TLS: whoever reaches this port can have any node looked at, \
                 and lift suspicions; give --web.config.file, and keep the NetworkPolicy until then"
            ),
        }
        if asks && !everywhere {
            tracing::info!(
                "only /webhook asks who calls; whoever reaches this port can read the rest"
            );
        }
    }

    /// Follows the files for ever.
    pub(super) async fn follow(mut self, metrics: Metrics) {
        if self.path.is_some() {
            metrics.config_read(Some(Timestamp::now()));
        }
        while let Some(path) = self.path.clone() {
            tokio::time::sleep(self.interval).await;
            let last = self.read;
            let settle = || std::thread::sleep(SETTLING);
            let look = move || look(&path, last.as_ref(), settle);
            // A panic is no change.
            let Ok(Some((digest, read))) = tokio::task::spawn_blocking(look).await else {
                continue;
            };
            self.read = Some(digest);
            let opens = |new: InForce| match new.opens(&self.in_force.borrow()) {
                None => Ok(new),
                // An emptied file is valid, and so is one that was written half.
                Some(how) => Err(format!(
                    "the door would stand open, {how}; if that is meant, start anew"
                )),
            };
            match read.and_then(opens) {
                Ok(in_force) => {
                    tracing::info!("what --web.config.file says now is in force");
                    metrics.config_read(Some(Timestamp::now()));
                    self.in_force.send_replace(Arc::new(in_force));
                    self.tell();
                }
                Err(why) => {
                    tracing::error!(
                        why,
                        "what --web.config.file says now is broken; what it said before is in force"
                    );
                    metrics.config_read(None);
                }
            }
        }
        // There is nothing to follow, and the sender must live.
        std::future::pending().await
    }
}

/// What the files hold, where that is not what they held last, and is still so after `settle`: who
/// writes one, or replaces a certificate and its key, may be half-way. Blocks.
fn look(
    path: &Path,
    last: Option<&Digest>,
    settle: impl FnOnce(),
) -> Option<(Digest, Result<InForce, String>)> {
    let is_new = |snapshot: &Snapshot| !last.is_some_and(|last| snapshot.is_like(last));
    let first = Some(Snapshot::take(path)).filter(is_new)?;
    settle();
    let mut second = Some(Snapshot::take(path)).filter(|second| second.is_like(&first.digest()))?;
    Some((second.digest(), second.in_force(path)))
}

impl Snapshot {
    /// Makes what it says.
    fn in_force(&mut self, path: &Path) -> Result<InForce, String> {
        let mut file = std::mem::replace(&mut self.file, Ok(File::default()))?;
        InForce::new(&mut file, self).map_err(|why| read::place(path, &why))
    }
}

impl InForce {
    fn new(file: &mut File, files: &Snapshot) -> Result<Self, String> {
        let within = |field: &'static str| move |why: String| format!("{field}: {why}");
        let http = file.http_server_config.take().unwrap_or_default();
        let tls = file.tls_server_config.take().unwrap_or_default();
        let tls = tls
            .build(files, http.http2.unwrap_or(true))
            .map_err(within("tls_server_config"))?;
        let headers = Headers::new(&http.headers.unwrap_or_default())
            .map_err(within("http_server_config"))?;
        let rate = file.rate_limit.take().unwrap_or_default();
        let rate = Rate::new(&rate).map_err(within("rate_limit"))?;
        let own = file.nodefall.take().unwrap_or_default();
        let rest = methods(
            file.basic_auth_users.take(),
            own.bearer_token_files,
            own.service_accounts,
            files,
        )
        .map_err(|why| match why.starts_with("basic_auth_users") {
            true => why,
            false => within("nodefall")(why),
        })?;
        let mut webhook = None;
        if let Some(own) = own.webhook {
            let within = within("nodefall.webhook");
            let mut methods = methods(
                own.basic_auth_users,
                own.bearer_token_files,
                own.service_accounts,
                files,
            )
            .map_err(within)?;
            // A certificate comes on top of what all others need.
            if !methods.want_credentials() {
                methods.need_as(&rest);
            }
            let names = own.client_allowed_sans;
            if names.as_ref().is_some_and(Vec::is_empty) {
                return Err(within(
                    "client_allowed_sans: there is no name in it; leave it out to take any \
                     certificate that client_ca vouches for"
                        .to_owned(),
                ));
            }
            if own.require_client_certificate == Some(true) || names.is_some() {
                if !tls.as_ref().is_some_and(|tls| tls.client_auth.verifies()) {
                    return Err(within(
                        "a client certificate needs tls_server_config with client_auth_type \
                         VerifyClientCertIfGiven, or RequireAndVerifyClientCert"
                            .to_owned(),
                    ));
                }
                methods.certificate(names.unwrap_or_default());
            }
            if !methods.want_anything() {
                return Err(within(
                    "it asks for nothing, and would let everybody in; leave it out, or name a way"
                        .to_owned(),
                ));
            }
            webhook = Some(methods);
        }
        Ok(Self {
            tls,
            headers,
            rate,
            rest,
            webhook,
        })
    }

    /// What a connection that comes now is taken in under; none while it is plain.
    pub(super) fn terms(&self) -> Option<Terms> {
        self.tls.as_ref().map(|tls| tls.terms)
    }

    /// What would stand open that `before` shuts, if anything.
    fn opens(&self, before: &Self) -> Option<&'static str> {
        let asks = |it: &Self| it.asks() || it.webhook.is_some();
        if before.tls.is_some() && self.tls.is_none() {
            Some("without TLS")
        } else if before.asks() && !self.asks() {
            Some("without asking who calls")
        } else if asks(before) && !asks(self) {
            Some("without asking who posts alerts")
        } else {
            None
        }
    }

    /// Whether everybody must show who it is.
    fn asks(&self) -> bool {
        let tls = self.tls.as_ref();
        let certificate = tls.is_some_and(|t| t.client_auth == ClientAuth::RequireAndVerify);
        certificate || self.rest.want_anything()
    }
}

/// The ways in that these fields name.
fn methods(
    users: Option<BTreeMap<String, String>>,
    tokens: Option<Vec<PathBuf>>,
    accounts: Option<ServiceAccounts>,
    files: &Snapshot,
) -> Result<Methods, String> {
    let mut methods = Methods::none()?;
    methods.users(&users.unwrap_or_default())?;
    for path in tokens.unwrap_or_default() {
        let content = files.content(&path);
        let token = content.and_then(|content| {
            let read = methods.token(content);
            read.map_err(|why| read::place(&path, &why))
        });
        token.map_err(|why| format!("bearer_token_files: {why}"))?;
    }
    if let Some(own) = accounts {
        let allowed = own.allowed.unwrap_or_default();
        let accounts = Accounts::new(own.audience.as_deref(), &allowed)
            .map_err(|why| format!("service_accounts: {why}"))?;
        methods.accounts(accounts);
    }
    Ok(methods)
}

#[cfg(test)]
pub(super) mod tests;
