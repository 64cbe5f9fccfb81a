//! The simulated cluster's API over TCP, in real time.

use axum::Router;
use nodefall::demo::audit::Entry;
use nodefall::demo::objects::{
    has_unreachable_taint, is_node_ready, is_pod_ready, node_name, node_ready,
};
use nodefall::demo::world::key;
use nodefall::demo::{Cluster, Constants, Layout};
use nodefall_testbed::process::{PATIENCE, Scratch, eventually};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// The node whose fate is told.
pub const LOST: &str = "node-1";

/// How the receiver's requests are told from others in the audit log.
pub const AGENT: &str = concat!("nodefall/", env!("CARGO_PKG_VERSION"));

/// A simulated cluster and its API server.
pub struct Api {
    pub cluster: Cluster,
    pub address: SocketAddr,
    /// What all connections live on; none while the API server is away.
    served: Option<Runtime>,
    /// The cluster's own life goes on without its API server.
    _world: Runtime,
}

/// A pod, as far as the tests ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub uid: String,
    pub node: String,
    pub ready: bool,
}

/// A Kubernetes that does within seconds what takes a real one minutes; pods are evicted from a
/// lost node after `toleration`.
pub fn quick(toleration: Duration) -> Constants {
    Constants {
        start: jiff::Timestamp::now(),
        lease_duration: Duration::from_secs(2),
        renew_interval: Duration::from_millis(500),
        node_ready_delay: Duration::from_millis(500),
        monitor_period: Duration::from_millis(250),
        grace_period: Duration::from_secs(4),
        taint_interval: Duration::from_millis(100),
        toleration,
        gc_period: Duration::from_secs(2),
        gc_quarantine: Duration::from_secs(4),
        pod_start: Duration::from_millis(500),
        ..Constants::default()
    }
}

/// Kubernetes' own toleration: longer than any test here.
pub const NO_EVICTION: Duration = Duration::from_secs(300);

impl Api {
    pub fn start(constants: Constants, layout: &Layout) -> Self {
        let world = runtime();
        let cluster = Cluster::new(constants, layout);
        let run = cluster.clone();
        world.spawn(async move { run.run().await });
        let mut api = Self {
            cluster,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            served: None,
            _world: world,
        };
        api.open();
        api
    }

    /// Starts the API server, where it was the last time.
    pub fn open(&mut self) {
        let runtime = runtime();
        let bound = runtime.block_on(TcpListener::bind(self.address));
        let listener = bound.expect("an address on loopback");
        self.address = listener.local_addr().expect("an address");
        runtime.spawn(serve(listener, self.cluster.router()));
        self.served = Some(runtime);
    }

    /// Ends the API server: its connections die, and its address refuses new ones.
    pub fn close(&mut self) {
        self.served = None;
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self, scratch: &Scratch) -> PathBuf {
        let cluster = format!(r#"{{"server":"http://{}"}}"#, self.address);
        scratch.write("kubeconfig", &kubeconfig(&cluster, "{}"))
    }

    /// Cuts the node's power and waits until Kubernetes has seen it.
    pub fn lose(&self, node: &str) {
        self.cluster.cut_power(node);
        eventually(
            "the node is Unknown, tainted, and its pods know",
            PATIENCE,
            || {
                let seen = self.cluster.edit(|world| {
                    let lost = &world.nodes[&key("", node)];
                    let unknown = node_ready(lost).is_some_and(|ready| ready.status == "Unknown");
                    let mut pods = world.pods.values();
                    let known = !pods.any(|pod| node_name(pod) == Some(node) && is_pod_ready(pod));
                    unknown && has_unreachable_taint(lost) && known
                });
                seen.then_some(())
            },
        );
    }

    /// Whether the node reads Ready.
    pub fn is_ready(&self, node: &str) -> bool {
        self.cluster
            .edit(|world| is_node_ready(&world.nodes[&key("", node)]))
    }

    /// A pod of `monitoring`.
    pub fn pod(&self, name: &str) -> Option<Seen> {
        self.cluster.edit(|world| {
            let pod = world.pods.get(&key("monitoring", name))?;
            Some(Seen {
                uid: pod.metadata.uid.clone().unwrap_or_default(),
                node: node_name(pod).unwrap_or_default().to_owned(),
                ready: is_pod_ready(pod),
            })
        })
    }

    /// Waits until `name` is another pod than `old`, Ready and elsewhere.
    pub fn replaced(&self, name: &str, old: &Seen) -> Seen {
        eventually(&format!("{name} is replaced"), PATIENCE, || {
            let new = self.pod(name)?;
            (new.uid != old.uid && new.node != old.node && new.ready).then_some(new)
        })
    }

    /// What the receivers asked to delete or patch: verb and name, and the UID that it is bound to;
    /// empty when there was no pod of that name any more.
    pub fn destructive(&self) -> Vec<(&'static str, String, String)> {
        let told = |entry: Entry| {
            let bound = entry.truth.map(|truth| truth.wanted_uid);
            let uid = bound.map(|uid| uid.unwrap_or_else(|| "unbound".to_owned()));
            let uid = uid.unwrap_or_default();
            (entry.verb, entry.name, uid)
        };
        let ours = |entry: &Entry| {
            entry.user_agent == AGENT
                && entry.resource == "pods"
                && matches!(entry.verb, "delete" | "patch")
        };
        self.cluster
            .audit()
            .into_iter()
            .filter(ours)
            .map(told)
            .collect()
    }

    /// Waits until a receiver has sent such a request.
    pub fn asked(&self, verb: &str) {
        eventually(&format!("a {verb} of a pod"), PATIENCE, || {
            self.destructive()
                .iter()
                .any(|(asked, ..)| *asked == verb)
                .then_some(())
        });
    }
}

async fn serve(listener: TcpListener, router: Router) {
    let served = axum::serve(listener, router).await;
    served.expect("it serves until its runtime is dropped");
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("threads")
}

/// A kubeconfig of one cluster and one user, each given as JSON.
pub fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Config","current-context":"x",
        "clusters":[{{"name":"x","cluster":{cluster}}}],
        "contexts":[{{"name":"x","context":{{"cluster":"x","user":"x"}}}}],
        "users":[{{"name":"x","user":{user}}}]}}"#
    )
}
