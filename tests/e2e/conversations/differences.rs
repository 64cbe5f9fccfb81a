//! What stays different, by name. Whatever is not listed here must be the same, and what is listed must
//! differ: an entry whose time is over fails the test.

/// One field of one step that the embedded cluster answers otherwise.
pub struct Difference {
    pub conversation: &'static str,
    pub step: &'static str,
    /// The field, with all below it.
    pub field: &'static str,
    pub why: &'static str,
}

pub const DIFFERENCES: &[Difference] = &[];
