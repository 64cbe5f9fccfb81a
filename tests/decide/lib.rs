//! `src/decide` as a crate of its own: what proves that it needs nothing of the rest, and builds in
//! a second or two for each mutant (`make mutants`).

// The rest of the program takes one more macro from it.
#[allow(unused_imports)]
#[path = "../../src/decide/mod.rs"]
pub mod decide;
