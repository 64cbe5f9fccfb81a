//! A gate between Nodefall and the API server: a request can be kept from arriving, while the cluster
//! goes on.

use crate::access::kubeconfig;
use crate::client::Client;
use crate::process::{PATIENCE, Scratch, eventually};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use kube::Config;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What becomes of the requests that a rule names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They wait.
    Held,
    /// They are passed on.
    Passed,
    /// They are answered 503 and never arrive.
    Dropped,
}

/// Which requests are stopped.
struct Rule {
    method: Method,
    /// A part of the path.
    path: String,
    fate: watch::Receiver<Fate>,
    arrived: watch::Sender<usize>,
}

#[derive(Clone)]
struct Shared {
    rule: Arc<Mutex<Option<Rule>>>,
    upstream: kube::Client,
}

/// The gate; it is open unless told otherwise.
pub struct Gate {
    shared: Shared,
    address: SocketAddr,
    /// What its connections live on.
    _client: Client,
}

impl Gate {
    /// In front of the API server that `config` names. Passes on who asks, and adds nothing.
    ///
    /// # Panics
    /// When there is no port to be had.
    pub fn new(mut config: Config) -> Self {
        config.auth_info = kube::config::AuthInfo::default();
        let client = Client::new(config);
        let listener = client
            .runtime()
            .block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.expect("a free port on loopback");
        let address = listener.local_addr().expect("an address");
        let shared = Shared {
            rule: Arc::default(),
            upstream: client.kube(),
        };
        let routes = Router::new().fallback(pass).with_state(shared.clone());
        client.runtime().spawn(async move {
            // It ends with its runtime.
            let _ = axum::serve(listener, routes).await;
        });
        Self {
            shared,
            address,
            _client: client,
        }
    }

    /// A kubeconfig for the bearer of a token, through the gate.
    pub fn kubeconfig(&self, scratch: &Scratch, name: &str, token: &str) -> PathBuf {
        let server = format!("http://{}", self.address);
        scratch.write(name, &kubeconfig(&server, None, token))
    }

    /// Holds requests of that method whose path contains `path`, until the answer is dropped.
    pub fn hold(&self, method: Method, path: &str) -> Held {
        let (fate, told) = watch::channel(Fate::Held);
        let (arrived, arrivals) = watch::channel(0);
        *self.rule() = Some(Rule {
            method,
            path: path.to_owned(),
            fate: told,
            arrived,
        });
        Held {
            rule: self.shared.rule.clone(),
            fate,
            arrivals,
        }
    }

    fn rule(&self) -> std::sync::MutexGuard<'_, Option<Rule>> {
        self.shared
            .rule
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that wait at the gate.
pub struct Held {
    rule: Arc<Mutex<Option<Rule>>>,
    fate: watch::Sender<Fate>,
    arrivals: watch::Receiver<usize>,
}

impl Held {
    /// Waits until one is there.
    ///
    /// # Panics
    /// When none comes.
    pub fn arrived(&self) {
        eventually("a request waits at the gate", PATIENCE, || {
            (*self.arrivals.borrow() > 0).then_some(())
        });
    }

    /// Opens the gate: what waits is passed on.
    pub fn pass(self) {
        self.end(Fate::Passed);
    }

    /// Opens the gate for what comes; what waits is answered 503 and never arrives.
    pub fn drop_them(self) {
        self.end(Fate::Dropped);
    }

    fn end(self, fate: Fate) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.fate.send_replace(fate);
    }
}

async fn pass(State(shared): State<Shared>, request: Request) -> Response {
    let wait = {
        let rule = shared.rule.lock().unwrap_or_else(PoisonError::into_inner);
        rule.as_ref().and_then(|rule| {
            let path = request.uri().path_and_query().map_or("", |p| p.as_str());
            let named = request.method() == rule.method && path.contains(&rule.path);
            named.then(|| {
                rule.arrived.send_modify(|count| *count += 1);
                rule.fate.clone()
            })
        })
    };
    if let Some(mut fate) = wait {
        let decided = fate.wait_for(|fate| *fate != Fate::Held).await;
        // Who forgot the gate closed it.
        let passed = decided.is_ok_and(|fate| *fate == Fate::Passed);
        if !passed {
            return answer(StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    forward(&shared.upstream, request)
        .await
        .unwrap_or_else(|| answer(StatusCode::BAD_GATEWAY))
}

async fn forward(upstream: &kube::Client, request: Request) -> Option<Response> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let mut onward = http::Request::new(kube::client::Body::from(body.to_vec()));
    *onward.method_mut() = head.method;
    *onward.uri_mut() = head.uri.path_and_query()?.as_str().parse().ok()?;
    *onward.headers_mut() = head.headers;
    onward.headers_mut().remove(http::header::HOST);
    let (mut head, body) = upstream.send(onward).await.ok()?.into_parts();
    // The body is passed on in one piece.
    head.headers.remove(http::header::TRANSFER_ENCODING);
    let body = body.collect().await.ok()?.to_bytes();
    Some(Response::from_parts(head, Body::from(body)))
}

fn answer(status: StatusCode) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
