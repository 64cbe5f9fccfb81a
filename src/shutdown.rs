//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, caught from the moment this was made.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// Catches the signals from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system's own.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal; from then on a second one ends this process, with the status that
    /// a shell gives to a process that the signal killed (128 and its number).
    pub async fn requested(mut self) {
        let first = self.next().await;
        tracing::info!(signal = first, "draining; a second signal ends at once");
        tokio::spawn(async move {
            let second = self.next().await;
            tracing::warn!(signal = second, "ended at once by a second signal");
            std::process::exit(128 + second);
        });
    }

    /// The number of the next signal.
    async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        kind.as_raw_value()
    }
}
