//! How the log is written.

use clap::{ArgAction, Args, ValueEnum};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least severe lines that are written.
    pub level: LogLevel,
}

/// What ends the help of each command.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// How log lines are written
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t = LogFormat::Text,
        help_heading = "Log"
    )]
    log_format: LogFormat,

    /// The least severe lines that are written
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        default_value_t = LogLevel::Info,
        help_heading = "Log"
    )]
    log_level: LogLevel,

    /// Print this help
    #[arg(short, long, action = ArgAction::HelpShort, help_heading = "Help")]
    help: Option<bool>,
}

impl Log {
    /// What it was given.
    pub(super) fn check(&self) -> LogOptions {
        LogOptions {
            format: self.log_format,
            level: self.log_level,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least severe lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what needs a person's eye.
    Warn,
    /// And each decision and step.
    Info,
    /// And what did not concern us.
    Debug,
    /// And everything else.
    Trace,
}
