//! The judgement: plain values in, plain values out. No I/O, no clock, no client.

mod alert;
mod guard;
mod judge;
mod labels;
mod names;
mod objects;
mod select;
mod step;

pub use alert::*;
pub use guard::*;
pub use judge::*;
pub use labels::*;
pub use names::*;
pub use objects::*;
pub use select::*;
pub use step::*;
