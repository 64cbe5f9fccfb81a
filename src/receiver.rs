//! STAND-IN for the real wiring: binds, serves a desk that only collects, drains.

use crate::act::Desk;
use crate::cli::RunOptions;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// Runs the receiver until SIGTERM or SIGINT.
///
/// # Errors
/// One line that says what could not be opened.
pub fn run(options: RunOptions) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no threads: {error}"))?;
    runtime.block_on(serve(options))
}

async fn serve(options: RunOptions) -> Result<(), String> {
    let shutdown = Shutdown::catch().map_err(|error| format!("no signals: {error}"))?;
    let mut listeners = Vec::new();
    for address in options.listen {
        let listener = address.bind().map_err(|error| {
            format!("--web.listen-address: cannot listen on {address}: {error}")
        })?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "listening");
        }
        listeners.push(listener);
    }
    let (desk, metrics) = (Desk::stand_in(10_000), Metrics::new());
    let served = desk.clone();
    let stop = async move {
        shutdown.requested().await;
        desk.set_not_ready(Some("draining"));
    };
    crate::serve::serve(listeners, served, metrics, options.settings.alerts, stop)
        .await
        .map_err(|error| format!("HTTP: {error}"))
}
