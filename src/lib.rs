//! Nodefall.
pub mod act;
pub mod decide;
pub mod metrics;
pub mod settings;
