//! The wiring: the API server on one side, HTTP on the other, the desk between them.

use crate::act::{self, Api, Clock, Context, Desk, Transport};
use crate::cli::{ListenAddress, RunOptions};
use crate::decide::AlertRules;
use crate::metrics::Metrics;
use crate::serve::{self, Front, Listeners, WebConfig};
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use std::future::Future;
use std::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Runs the receiver until SIGTERM or SIGINT.
///
/// # Errors
/// One line that says what could not be opened, and what to do.
pub fn run(options: RunOptions) -> Result<(), String> {
    runtime()?.block_on(async {
        let shutdown = Shutdown::catch().map_err(|e| format!("cannot catch signals: {e}"))?;
        let client = act::connect(options.kubeconfig.as_deref()).await?;
        let web = match &options.web_config {
            Some(path) => WebConfig::read(path)?,
            None => WebConfig::open_to_all()?,
        };
        let listeners = Listeners {
            all: open("--web.listen-address", &options.listen, "listening")?,
            health: open(
                "--web.health-listen-address",
                &options.health_listen,
                "listening for probes",
            )?,
        };
        let receiver = Receiver::new(options.settings, client, Clock::system());
        let served = receiver.serve(listeners, web, shutdown.requested());
        served.await.map_err(|error| format!("HTTP: {error}"))
    })
}

/// Listens on each, and says where.
fn open(
    option: &str,
    addresses: &[ListenAddress],
    what: &'static str,
) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = bind(option, address)?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "{what}");
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The threads of this process.
pub(crate) fn runtime() -> Result<Runtime, String> {
    // The work is waiting for an API server; a thread more would cost memory and bring nothing.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))
}

/// Listens where the operator said.
pub(crate) fn bind(option: &str, address: &ListenAddress) -> Result<TcpListener, String> {
    address
        .bind()
        .map_err(|error| format!("{option}: cannot listen on {address}: {error}"))
}

/// The parts of a receiver, joined.
pub struct Receiver {
    desk: Desk,
    metrics: Metrics,
    alerts: AlertRules,
    drain: watch::Sender<bool>,
}

impl Receiver {
    /// Joins the parts over a client whose own retries are off. Needs a tokio runtime, on which
    /// Events are written from now on.
    pub fn new(settings: Settings, client: kube::Client, clock: Clock) -> Self {
        let metrics = Metrics::new();
        metrics.dry_run(settings.dry_run);
        metrics.sweep_period(settings.period);
        let alerts = settings.alerts.clone();
        let api = Api::new(Transport::new(client, metrics.clone(), clock));
        let (drain, draining) = watch::channel(false);
        let (context, events) = Context::new(settings, api, clock, metrics.clone(), draining);
        tokio::spawn(events);
        Self {
            desk: Desk::new(context),
            metrics,
            alerts,
            drain,
        }
    }

    /// The HTTP routes with that web configuration, to be called in memory.
    pub fn router(&self, web: &WebConfig) -> axum::Router {
        serve::router(self.front(), web)
    }

    fn front(&self) -> Front {
        Front {
            desk: self.desk.clone(),
            metrics: self.metrics.clone(),
            alerts: self.alerts.clone(),
        }
    }

    /// Begins the orderly end: nothing new is taken, and the work comes to a safe point.
    pub fn drain(&self) {
        self.metrics.ready(false);
        self.drain.send_replace(true);
    }

    /// The work behind the routes; it ends within 17 s of [`Receiver::drain`].
    pub fn work(&self) -> impl Future<Output = ()> + Send + use<> {
        act::run(self.desk.clone(), self.drain.subscribe())
    }

    /// Receives alerts on `listeners` until `stop` completes. Then nothing new is taken (503), what
    /// had begun comes to a safe point, and HTTP ends last.
    ///
    /// # Errors
    /// A listener that cannot be used.
    pub async fn serve(
        &self,
        listeners: impl Into<Listeners>,
        web: WebConfig,
        stop: impl Future<Output = ()>,
    ) -> std::io::Result<()> {
        // Aborted when HTTP ends first, with an error.
        let mut work = JoinSet::new();
        work.spawn(self.work());
        let mut broken = None;
        let worked = async {
            broken = work.join_next().await.and_then(Result::err);
        };
        let http = serve::serve(listeners.into(), self.front(), web, worked);
        let stop = async {
            stop.await;
            self.drain();
            std::future::pending().await
        };
        let served = tokio::select! {
            served = http => served,
            never = stop => never,
        };
        // A panic of the loop must not pass for an orderly end.
        broken.map_or(served, |error| Err(std::io::Error::other(error)))
    }
}
