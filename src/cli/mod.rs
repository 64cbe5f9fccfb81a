//! The command line: from arguments to checked values, before anything is opened.

mod args;
mod duration;
mod help;
mod listen;
mod log;
mod usage;
mod values;

pub use listen::ListenAddress;
pub use log::{LogFormat, LogLevel, LogOptions};
pub use usage::UsageError;

use crate::settings::Settings;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run the receiver.
    Run(Box<RunOptions>),
    /// Show the product on a cluster that lives inside this process.
    #[cfg(feature = "demo")]
    Demo(DemoOptions),
    /// Print this text on standard output: help or version.
    Print(String),
}

/// What `run` was given.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What the receiver is to do.
    pub settings: Settings,
    /// Where the API server is described; `None`: in the pod this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// Where to serve HTTP; never empty.
    pub listen: Vec<ListenAddress>,
    /// TLS, and who may call; `None`: no TLS, and everybody.
    pub web_config: Option<PathBuf>,
    /// Where to serve only what probes ask.
    pub health_listen: Vec<ListenAddress>,
    /// How the log is written.
    pub log: LogOptions,
}

/// What `demo` was given.
#[cfg(feature = "demo")]
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Exit after the first timeline.
    pub once: bool,
    /// Cut no node's power by itself.
    pub manual: bool,
    /// Where to serve HTTP.
    pub listen: ListenAddress,
    /// How the log is written.
    pub log: LogOptions,
}

/// Reads the command line; the first argument is the program's name.
///
/// # Errors
/// One line that names the option, the value and what is expected.
pub fn parse<I: IntoIterator<Item = OsString>>(args: I) -> Result<Command, UsageError> {
    let args: Vec<_> = args.into_iter().collect();
    let cli = match args::Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage::text_or_error(&error, &args).map(Command::Print),
    };
    match cli.command {
        args::Subcommand::Run(run) => run.check().map(|options| Command::Run(Box::new(options))),
        #[cfg(feature = "demo")]
        args::Subcommand::Demo(demo) => Ok(Command::Demo(demo.check())),
    }
}

#[cfg(test)]
mod odd_values;
#[cfg(test)]
mod tests;
