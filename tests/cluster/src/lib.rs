//! The test bed: real processes for Nodefall's tests, each a child of the test, on loopback.
//!
//! [`cluster`] is a Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager,
//! kube-scheduler) with a kwok process for each kubelet; killing one is a power loss. [`receiver`] is
//! Nodefall, [`monitoring`] Prometheus and Alertmanager. [`gate`] stands between Nodefall and the API
//! server and keeps a request from arriving. What Nodefall asked is read from the API server's own
//! [`audit`] log.

pub mod access;
pub mod audit;
pub mod client;
pub mod cluster;
pub mod control_plane;
pub mod gate;
pub mod gauge;
pub mod http;
pub mod kubelet;
pub mod monitoring;
pub mod process;
pub mod profile;
pub mod receiver;
pub mod state_metrics;
pub mod tools;
pub mod workload;
