//! Nodefall.

pub mod act;
pub mod cli;
pub mod decide;
pub mod logging;
pub mod metrics;
pub mod receiver;
pub mod serve;
pub mod settings;
pub mod shutdown;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision of this build, where it was known.
pub const REVISION: &str = match option_env!("NODEFALL_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
