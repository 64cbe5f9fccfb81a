//! `make cluster`: a real Kubernetes control plane on loopback, kubelets that can lose power, what
//! kube-prometheus and Nodefall install, and Nodefall itself, until Ctrl-C.
//!
//! `cluster NODEFALL [--quick]`, where NODEFALL is its program.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::post;
use http::StatusCode;
use nodefall_testbed::cluster::Cluster;
use nodefall_testbed::http::notification;
use nodefall_testbed::process::{self, Scratch, say};
use nodefall_testbed::profile::Profile;
use nodefall_testbed::receiver::Receiver;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, profile) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [program] => (program, Profile::STOCK),
        [program, "--quick"] => (program, Profile::QUICK),
        _ => {
            say("cluster: usage: cluster NODEFALL [--quick]");
            return ExitCode::from(2);
        }
    };
    process::end_on_signal();
    let started = Instant::now();
    let cluster = Cluster::start(profile, &NODES);
    cluster.install();
    let scratch = Scratch::new();
    let kubeconfig = cluster.kubeconfig(&scratch, "nodefall.kubeconfig");
    // The pods that the manifests made run nothing: this process does their work, with their rights.
    let receiver = Receiver::start(program, &scratch, "nodefall", &kubeconfig, &[]).ready();
    let admin = cluster.plane.access.admin.display().to_string();
    let kubectl = cluster.program("kubectl").display().to_string();
    let alert = scratch.write("alert.json", &notification("firing", NODES[0]));
    let (alert, log) = (alert.display(), scratch.path("nodefall.log"));
    let (log, nodefall) = (log.display(), receiver.address);
    let levers = levers(cluster);
    let (took, unknown) = (started.elapsed().as_secs_f64(), profile.grace.as_secs());
    say(&format!(
        "
Kubernetes is ready, after {took:.1} s. Ctrl-C ends it and leaves nothing behind.

  export KUBECONFIG={admin}
  {kubectl} get pods --namespace monitoring -o wide

  # cut a node's power (kill -9 of its kubelet); it reads Unknown some {unknown} s later
  curl -X POST 'http://{levers}/nodes/node-1/power?on=false'
  # then tell Nodefall, as Alertmanager would
  curl -d @{alert} http://{nodefall}/webhook
  # what it does, and why
  curl -s http://{nodefall}/api/v1/remediations
  tail -f {log}
  # the power is back
  curl -X POST 'http://{levers}/nodes/node-1/power?on=true'
  # a kubelet that hangs while its containers go on; one that reports Ready False
  curl -X POST 'http://{levers}/nodes/node-2/kubelet?on=false'
  curl -X POST 'http://{levers}/nodes/node-3/ready?on=false'
"
    ));
    loop {
        thread::park();
    }
}

type Shared = Arc<Mutex<Cluster>>;

/// Serves the levers, and says where.
fn levers(cluster: Cluster) -> SocketAddr {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads");
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)));
    let listener = listener.expect("a free port on loopback");
    let address = listener.local_addr().expect("an address");
    let routes = Router::new()
        .route("/nodes/{node}/{lever}", post(pull))
        .with_state(Arc::new(Mutex::new(cluster)));
    thread::spawn(move || runtime.block_on(async { axum::serve(listener, routes).await }));
    address
}

async fn pull(
    State(cluster): State<Shared>,
    Path((node, lever)): Path<(String, String)>,
    Query(query): Query<HashMap<String, bool>>,
) -> (StatusCode, String) {
    let on = query.get("on").copied();
    let moved = tokio::task::spawn_blocking(move || {
        let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
        if !NODES.contains(&node.as_str()) {
            return Err(format!("there is no {node}\n"));
        }
        match (lever.as_str(), on) {
            ("power", Some(true)) => cluster.give_power(&node),
            ("power", Some(false)) => cluster.cut_power(&node),
            ("kubelet", Some(on)) => cluster.hang_kubelet(&node, !on),
            ("ready", Some(on)) => cluster.report(&node, on),
            _ => {
                return Err(
                    "the levers are power, kubelet and ready, each ?on=true or false\n".to_owned(),
                );
            }
        }
        Ok(format!(
            "{node}: {lever} {}\n",
            if on == Some(true) { "on" } else { "off" }
        ))
    });
    match moved.await {
        Ok(Ok(said)) => (StatusCode::OK, said),
        Ok(Err(why)) => (StatusCode::NOT_FOUND, why),
        Err(error) => (StatusCode::CONFLICT, format!("{error}\n")),
    }
}
