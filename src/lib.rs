//! Nodefall.

pub mod cli;
pub mod decide;
pub mod metrics;
pub mod settings;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision of this build, where it was known.
pub const REVISION: &str = match option_env!("NODEFALL_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
