//! Nodefall gets the StatefulSet pods of a Kubernetes node that lost power running again elsewhere.
//!
//! ```text
//! POST /webhook ──> suspects ─┐
//!   (serve)                   ├─> a pass over one node: look ─> decide ─> pods ─> follow
//! sweep, --period ────────────┘     (act)             │      (decide)  delete, wait, patch
//!   (act)                                             └─> hold, with a reason, looked at again
//!                    outcome ─> metrics, Events, log, GET /api/v1/remediations
//! ```
//!
//! Imports point downward: [`receiver`] joins [`serve`] to [`act`], which asks [`decide`]; `decide`
//! knows nobody. [`cli`] makes the [`settings`] that all read.

pub mod act;
pub mod cli;
pub mod decide;
#[cfg(feature = "demo")]
pub mod demo;
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
