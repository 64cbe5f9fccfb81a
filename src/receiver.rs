//! The wiring: the API server on one side, HTTP on the other, the desk between them.

use crate::act::{self, Api, Clock, Context, Desk, Transport};
use crate::cli::RunOptions;
use crate::metrics::Metrics;
use crate::serve;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use std::future::Future;
use std::net::TcpListener;
use tokio::sync::{oneshot, watch};

/// Runs the receiver until SIGTERM or SIGINT.
///
/// # Errors
/// One line that says what could not be opened, and what to do.
pub fn run(options: RunOptions) -> Result<(), String> {
    // The work is waiting for an API server; a thread more would cost memory and bring nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(async {
        let shutdown = Shutdown::catch().map_err(|e| format!("cannot catch signals: {e}"))?;
        let client = act::connect(options.kubeconfig.as_deref()).await?;
        let mut listeners = Vec::new();
        for address in &options.listen {
            let listener = address.bind().map_err(|error| {
                format!("--web.listen-address: cannot listen on {address}: {error}")
            })?;
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, "listening");
            }
            listeners.push(listener);
        }
        let served = receive(options.settings, client, listeners, shutdown.requested());
        served.await.map_err(|error| format!("HTTP: {error}"))
    })
}

/// Receives alerts on `listeners` and acts through `client` until `stop` completes. Then nothing
/// new is taken (503), what had begun comes to a safe point within 20 s, and HTTP ends last.
///
/// # Errors
/// A listener that cannot be used.
pub async fn receive(
    settings: Settings,
    client: kube::Client,
    listeners: Vec<TcpListener>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let (metrics, clock) = (Metrics::new(), Clock::system());
    metrics.dry_run(settings.dry_run);
    let alerts = settings.alerts.clone();
    let api = Api::new(Transport::new(client, metrics.clone(), clock));
    let (drain, draining) = watch::channel(false);
    let (context, events) = Context::new(settings, api, clock, metrics.clone(), draining.clone());
    let desk = Desk::new(context);
    let (worked, all_worked) = oneshot::channel();
    tokio::spawn(events);
    let work = {
        let desk = desk.clone();
        tokio::spawn(async move {
            act::run(desk, draining).await;
            // Nobody listens any more when HTTP ended with an error.
            let _ = worked.send(());
        })
    };
    let http = serve::serve(listeners, desk, metrics, alerts, async {
        // The work ends only after `drain`, or by a panic, which must not leave HTTP behind alone.
        let _ = all_worked.await;
    });
    let stop = async {
        stop.await;
        drain.send_replace(true);
        std::future::pending::<()>().await;
    };
    let served = tokio::select! {
        served = http => served,
        () = stop => Ok(()),
    };
    work.abort();
    served
}
