//! Nodefall gets the StatefulSet pods of a Kubernetes node that lost power running again elsewhere.

#[cfg(feature = "demo")]
pub mod demo;
