//! A node: its object, and the kwok process that is its kubelet.

use crate::access::Access;
use crate::client::Client;
use crate::process::{Process, Scratch};
use crate::profile::Profile;
use crate::tools::repository;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a kubelet feels is told to kwok by this annotation: `well` or `unwell`.
const HEALTH: &str = "testbed.nodefall.io/kubelet";

/// A node's kubelet.
pub struct Kubelet {
    node: String,
    program: PathBuf,
    lease: u64,
    /// None while the node has no power.
    process: Option<Process>,
    starts: usize,
}

impl Kubelet {
    /// Registers a node in that zone and starts its kubelet.
    ///
    /// # Panics
    /// When the API server refuses it, or kwok is missing.
    pub fn start(
        plane: (&Access, &Scratch, &Client),
        binaries: &Path,
        profile: &Profile,
        node: &str,
        zone: &str,
    ) -> Self {
        let (access, scratch, client) = plane;
        client.create("/api/v1/nodes", &object(node, zone));
        let mut kubelet = Self {
            node: node.to_owned(),
            program: binaries.join("kwok"),
            lease: profile.lease.as_secs(),
            process: None,
            starts: 0,
        };
        kubelet.boot(access, scratch);
        kubelet
    }

    fn boot(&mut self, access: &Access, scratch: &Scratch) {
        self.starts += 1;
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&access.kubelet)
            .arg("--config")
            .arg(repository("tests/cluster/stages/kubelet.yaml"))
            .arg(format!("--manage-single-node={}", self.node))
            .arg(format!("--node-name={}", self.node))
            .arg(format!("--node-lease-duration-seconds={}", self.lease));
        let log = format!("{}-{}", self.node, self.starts);
        self.process = Some(Process::start(scratch, &log, &mut command));
    }

    /// The power loss: the kubelet stops at once, and so would its containers.
    pub fn cut_power(&mut self) {
        self.process = None;
    }

    /// The power is back: the kubelet starts, renews its Lease and reports its node Ready. One that
    /// hangs goes on.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub fn give_power(&mut self, access: &Access, scratch: &Scratch, client: &Client) {
        if let Some(process) = &mut self.process
            && process.is_running()
        {
            return process.signal("CONT");
        }
        // Else kwok would wait until its predecessor's Lease has run out; a kubelet does not.
        if client.get(&lease_path(&self.node)).is_some() {
            client.merge(
                &lease_path(&self.node),
                &json!({"spec": {"holderIdentity": null}}),
            );
        }
        self.boot(access, scratch);
    }

    /// The kubelet hangs; its containers would run on.
    ///
    /// # Panics
    /// When it has no power.
    pub fn hang(&self, hangs: bool) {
        let process = self.process.as_ref().expect("a node with power");
        process.signal(if hangs { "STOP" } else { "CONT" });
    }
}

/// Where the node's Lease is.
pub fn lease_path(node: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}")
}

/// Renews the node's Lease, as its kubelet does.
///
/// # Panics
/// When the API server refuses it.
pub fn renew(client: &Client, node: &str) {
    let now = format!("{:.6}", jiff::Timestamp::now());
    client.merge(&lease_path(node), &json!({"spec": {"renewTime": now}}));
}

/// Lets the kubelet report Ready `False`, or `True` again.
///
/// # Panics
/// When the API server refuses it.
pub fn report(client: &Client, node: &str, well: bool) {
    let health = if well { "well" } else { "unwell" };
    let patch = json!({"metadata": {"annotations": {HEALTH: health}}});
    client.merge(&format!("/api/v1/nodes/{node}"), &patch);
}

/// The Node as its kubelet registers it.
pub fn object(node: &str, zone: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": node,
            "annotations": {
                HEALTH: "well",
                // Without it the attach-detach controller leaves the node's volumes alone.
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "labels": {
                "kubernetes.io/hostname": node,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "testbed",
                "topology.kubernetes.io/zone": zone,
            },
        },
    })
}
