//! What is said when the command line is wrong: one line.

use crate::decide::quoted;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Options whose value is a path, which need not be UTF-8.
const PATHS: [&str; 2] = ["--kubeconfig", "--web.config.file"];

/// A mistake on the command line, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// A value that is not what its option expects.
    pub(super) fn value(option: &str, value: &str, expected: &str) -> Self {
        Self(format!(
            "{option}: {} is not valid, expected {expected}",
            quoted(value)
        ))
    }

    /// Anything else.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The text that was asked for, help or version, or else the mistake.
pub(super) fn text_or_error(error: &clap::Error, args: &[OsString]) -> Result<String, UsageError> {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = word(ContextKind::InvalidArg).map(name);
    let value = word(ContextKind::InvalidValue).unwrap_or_default();
    Err(match (error.kind(), argument) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => {
            return Ok(error.to_string());
        }
        (ErrorKind::DisplayVersion, _) => {
            return Ok(format!(
                "nodefall {} (revision {})\n",
                crate::VERSION,
                crate::REVISION
            ));
        }
        (ErrorKind::ValueValidation, Some(option)) => {
            let source = std::error::Error::source(error);
            let expected = source.map_or_else(|| "another value".to_owned(), ToString::to_string);
            UsageError::value(option, value, &expected)
        }
        // clap shows a missing value as an empty one.
        (ErrorKind::InvalidValue, Some(option)) => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(words)) if !words.is_empty() => {
                UsageError::value(option, value, &format!("one of {}", words.join(", ")))
            }
            _ => UsageError::because(format!("{option}: a value is missing")),
        },
        (ErrorKind::UnknownArgument, _) => {
            let argument = word(ContextKind::InvalidArg).unwrap_or_default();
            UsageError::because(format!("{} is no option; see --help", quoted(argument)))
        }
        (ErrorKind::InvalidSubcommand, _) => subcommand(word(ContextKind::InvalidSubcommand)),
        (ErrorKind::ArgumentConflict, Some(option)) => {
            match word(ContextKind::PriorArg).map(name) {
                Some(other) if other != option => {
                    UsageError::because(format!("{option} and {other} exclude each other"))
                }
                _ => UsageError::because(format!("{option} is given twice")),
            }
        }
        (ErrorKind::TooManyValues, Some(option)) => UsageError::because(format!(
            "{option} takes no value, and {} was given",
            quoted(value)
        )),
        (ErrorKind::InvalidUtf8, _) => not_utf8(args),
        (kind, Some(option)) => UsageError::because(format!("{option}: {kind}; see --help")),
        (kind, None) => UsageError::because(format!("{kind}; see --help")),
    })
}

/// clap names an argument with its values: `--period <DURATION>`.
fn name(argument: &str) -> &str {
    argument.split(' ').next().unwrap_or(argument)
}

/// clap does not say which argument it is. A path need not be UTF-8.
fn not_utf8(args: &[OsString]) -> UsageError {
    let is_option = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        name.starts_with("--") && name.len() <= 64 && name.bytes().all(plain)
    };
    let mut option = "an argument".to_owned();
    for arg in args {
        let text = arg.to_string_lossy();
        let (name, value) = text.split_once('=').unwrap_or((&text, &text));
        if is_option(name) {
            option = name.to_owned();
        }
        if arg.to_str().is_none() && !PATHS.contains(&option.as_str()) {
            return UsageError::because(format!("{option}: {} is not UTF-8", quoted(value)));
        }
    }
    UsageError::because("an argument is not UTF-8")
}

fn subcommand(name: Option<&str>) -> UsageError {
    match name {
        Some("demo") => UsageError::because(
            "demo: this binary was built without it (cargo build --features demo)",
        ),
        name => UsageError::because(format!(
            "{} is no command, expected run or demo; see --help",
            quoted(name.unwrap_or_default())
        )),
    }
}
