//! What nobody should send: nothing panics, nothing is touched, and a line says what is wrong.

mod corpora;
mod payload;

/// The properties that the fuzz targets hold too.
#[path = "../../fuzz/src/lib.rs"]
mod properties;
