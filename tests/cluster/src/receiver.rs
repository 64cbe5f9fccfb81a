//! `nodefall run` as a process.

use crate::http::{self, Answer};
use crate::process::{PATIENCE, Process, Scratch, eventually};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The pods of kube-prometheus.
pub const KUBE_PROMETHEUS: [&str; 2] = [
    "--prometheus-name=prometheus-k8s",
    "--alertmanager-name=alertmanager-main",
];

/// `nodefall run`.
pub struct Receiver {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Receiver {
    /// Starts `binary` on a free port, for the pods of kube-prometheus; it listens when this returns.
    ///
    /// # Panics
    /// When it does not start, or ends; so do the others here when it does not answer.
    pub fn start(
        binary: &str,
        scratch: &Scratch,
        name: &str,
        kubeconfig: &Path,
        options: &[&str],
    ) -> Self {
        let options = [&KUBE_PROMETHEUS, options].concat();
        Self::start_for(binary, scratch, name, kubeconfig, &options)
    }

    /// The same for the pods of `monitoring`, or others, that `options` name.
    pub fn start_for(
        binary: &str,
        scratch: &Scratch,
        name: &str,
        kubeconfig: &Path,
        options: &[&str],
    ) -> Self {
        let mut command = Command::new(binary);
        command
            .args(["run", "--namespace=monitoring", "--log-format=json"])
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(options);
        let mut process = Process::start(scratch, name, &mut command);
        let address = process.listens(r#""message":"listening""#);
        Self { process, address }
    }

    /// Waits until it is ready.
    pub fn ready(self) -> Self {
        eventually("the receiver is ready", PATIENCE, || {
            (self.get("/-/ready").status == 200).then_some(())
        });
        self
    }

    /// Reads a page.
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address, path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Posts the alert for a node, as Alertmanager does.
    pub fn alert(&self, node: &str) -> Answer {
        let body = http::notification("firing", node);
        http::post(self.address, "application/json", &body).expect("an answer")
    }

    /// The value of a series, written as `/metrics` writes it.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        value.parse().expect("a number")
    }
}
