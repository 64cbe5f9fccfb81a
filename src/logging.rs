//! The log: one structured line per decision and step, on standard error.

use crate::cli::{LogFormat, LogLevel, LogOptions};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

/// Starts the log of this process; only the first call has an effect.
pub fn start(options: LogOptions) {
    // Fails only when a log was started before, which then goes on.
    let _ = tracing::subscriber::set_global_default(subscriber(options, std::io::stderr));
}

/// A log that `writer` writes.
fn subscriber<W>(options: LogOptions, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(targets(options.level));
    match options.format {
        LogFormat::Text => Box::new(registry.with(lines.with_target(false))),
        LogFormat::Json => Box::new(registry.with(lines.json().flatten_event(true))),
    }
}

/// What we write at `level`; of the libraries only what a person must see, since their debug lines
/// may hold what was sent.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let targets = Targets::new()
        .with_target("nodefall", level)
        .with_default(level.min(LevelFilter::WARN));
    if level >= LevelFilter::DEBUG {
        return targets;
    }
    // It shouts at every call that fails, without saying which; the callers tell it themselves.
    targets.with_target("kube_client::client::builder", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .expect("not poisoned")
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: LogLevel, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(LogOptions { format, level }, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = buffer.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("a log is text")
    }

    fn three_lines() {
        tracing::info!(node = "n1", "taken");
        tracing::debug!("ignored");
        tracing::info!(target: "hyper", "connected");
    }

    #[test]
    fn the_level_is_ours_and_libraries_only_warn() {
        let info = written(LogFormat::Text, LogLevel::Info, three_lines);
        assert!(info.contains("INFO taken node=\"n1\"\n"), "{info}");
        assert_eq!(info.lines().count(), 1, "{info}");
        let debug = written(LogFormat::Text, LogLevel::Debug, three_lines);
        assert_eq!(debug.lines().count(), 2, "{debug}");
        assert_eq!(written(LogFormat::Text, LogLevel::Warn, three_lines), "");
        let warned = || tracing::warn!(target: "hyper", "trouble");
        assert!(written(LogFormat::Text, LogLevel::Trace, warned).contains("trouble"));
        assert_eq!(written(LogFormat::Text, LogLevel::Error, warned), "");
    }

    /// Asks an API server that is not there.
    fn ask_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a thread");
        runtime.block_on(async {
            let mut config = kube::Config::new("http://127.0.0.1:1".parse().expect("a URL"));
            config.default_retry = false;
            let client = kube::Client::try_from(config).expect("a client");
            client.apiserver_version().await.expect_err("nobody");
        });
    }

    #[test]
    fn a_call_that_failed_is_told_by_its_caller_alone() {
        assert_eq!(written(LogFormat::Text, LogLevel::Info, ask_nobody), "");
        let debug = written(LogFormat::Text, LogLevel::Debug, ask_nobody);
        assert!(debug.contains("ERROR"), "{debug}");
    }

    #[test]
    fn json_lines_are_objects() {
        let text = written(LogFormat::Json, LogLevel::Info, three_lines);
        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(line["message"], "taken");
        assert_eq!(line["node"], "n1");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].is_string(), "{line}");
    }

    #[test]
    fn what_a_stranger_sent_cannot_forge_a_line() {
        let evil = "x\n2024-01-01T00:00:00Z INFO forged \u{1b}[2J\u{9b}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = written(format, LogLevel::Info, || {
                tracing::info!(reason = evil, "refused")
            });
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
    }
}
