//! `nodefall demo`: the receiver of this program, joined to the simulated cluster.

use super::scenario::{self, API, Options};
use crate::act::Clock;
use crate::cli::{self, Command, DemoOptions};
use crate::receiver::{self, Receiver};
use crate::serve::WebConfig;
use std::net::TcpListener;
use std::process::ExitCode;

/// What the demo's receiver is started with, for kube-prometheus' pods.
const RUN: [&str; 5] = [
    "nodefall",
    "run",
    "--namespace=monitoring",
    "--prometheus-name=prometheus-k8s",
    "--alertmanager-name=alertmanager-main",
];

/// Plays the demo; see [`scenario::run`] for the status.
///
/// # Errors
/// One line that says what could not be opened.
pub fn run(options: DemoOptions) -> Result<ExitCode, String> {
    let play = Options {
        receiver: receiver::bind("--web.listen-address", &options.listen)?,
        api: API,
        once: options.once,
        manual: options.manual,
    };
    Ok(receiver::runtime()?.block_on(scenario::run(play, receive)))
}

/// Runs the receiver against the API at that URL.
async fn receive(api: String, listener: TcpListener) -> Result<(), String> {
    let Ok(Command::Run(options)) = cli::parse(RUN.map(Into::into)) else {
        return Err("the demo's own options are wrong".to_owned());
    };
    let api = api.parse().map_err(|error| format!("{api}: {error}"))?;
    let mut config = kube::Config::new(api);
    config.default_retry = false;
    let client = kube::Client::try_from(config).map_err(|error| error.to_string())?;
    let receiver = Receiver::new(options.settings, client, Clock::system());
    let web = WebConfig::open_to_all()?;
    let served = receiver.serve(vec![listener], web, std::future::pending());
    served.await.map_err(|error| error.to_string())
}
