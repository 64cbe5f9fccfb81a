//! The wire between a replica and the API server: what was asked and answered, and when, word for
//! word; and the place where a replica dies.

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{Method, Request, Uri};
use http_body::Frame;
use jiff::Timestamp;
use nodefall::demo::Cluster;
use nodefall::demo::objects::{node_name, uid};
use nodefall::demo::world::{World, key};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedSender;
use tower::{ServiceExt, service_fn};

/// What a request asks for. Namespace first, then the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    Node(String),
    /// All nodes, as a Table.
    Nodes,
    Lease(String),
    /// The pods of a namespace that fit a field selector.
    Pods(String, String),
    Pod(String, String),
    StatefulSet(String, String),
    Delete(String, String),
    Patch(String, String),
    Event,
    Review,
    /// Nothing that Nodefall is meant to ask for.
    Other(String),
}

/// One request of a replica.
#[derive(Clone, Debug)]
pub struct Call {
    pub replica: Arc<str>,
    pub ask: Ask,
    pub sent: Timestamp,
    pub body: Bytes,
    /// None while there is none, and for ever when it was lost or cut off.
    pub answer: Option<Answer>,
    /// What was true when a DELETE or a patch of a pod was sent.
    pub truth: Option<Truth>,
}

/// An answer that arrived whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub at: Timestamp,
    pub status: u16,
    /// The API server's clock, as it said itself.
    pub date: String,
    pub body: Bytes,
}

/// The truth about a pod and its node, whatever the API shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    pub uid: String,
    pub node: String,
    /// Its containers run.
    pub runs: bool,
    pub power: bool,
    pub kubelet: bool,
    pub reachable: bool,
}

impl Truth {
    /// Its containers run on a node with power.
    pub fn lives(&self) -> bool {
        self.runs && self.power
    }

    fn of(world: &World, namespace: &str, name: &str) -> Option<Self> {
        let pod = world.pods.get(&key(namespace, name))?;
        let node = node_name(pod).unwrap_or_default();
        let machine = world.machines.get(node);
        Some(Self {
            uid: uid(pod).to_owned(),
            node: node.to_owned(),
            runs: machine.is_some_and(|it| it.running.contains(uid(pod))),
            power: machine.is_some_and(|it| it.power),
            kubelet: machine.is_some_and(|it| it.kubelet),
            reachable: machine.is_some_and(|it| it.reachable),
        })
    }
}

impl Call {
    /// The answer, when it says 200.
    pub fn success(&self) -> Option<&Answer> {
        self.answer.as_ref().filter(|answer| answer.status == 200)
    }

    /// The pod that a DELETE or a patch is about.
    pub fn target(&self) -> Option<(&str, &str)> {
        match &self.ask {
            Ask::Delete(namespace, name) | Ask::Patch(namespace, name) => Some((namespace, name)),
            _ => None,
        }
    }
}

/// The wires of all replicas.
#[derive(Clone)]
pub struct Wire {
    cluster: Cluster,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// Whether and when a replica dies. Clones are the same life.
#[derive(Clone)]
pub struct Life {
    name: Arc<str>,
    end: Arc<Mutex<End>>,
    deaths: UnboundedSender<Arc<str>>,
}

#[derive(Default)]
struct End {
    dead: bool,
    /// So many calls are left, and whether the last one takes effect.
    left: Option<(u32, bool)>,
}

impl Life {
    pub fn new(name: &str, deaths: UnboundedSender<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            end: Arc::default(),
            deaths,
        }
    }

    /// From its call `after` from now on nothing is answered any more.
    pub fn ends(&self, after: u32, effective: bool) {
        lock(&self.end).left = Some((after, effective));
    }

    /// Nothing that is sent from now on arrives.
    pub fn over(&self) {
        lock(&self.end).dead = true;
    }

    /// Counts one call: whether it takes effect, and whether it is answered.
    fn lives(&self) -> (bool, bool) {
        let end = &mut *lock(&self.end);
        match (&mut end.left, end.dead) {
            (_, true) => (false, false),
            (Some((0, effective)), _) => {
                end.dead = true;
                let _ = self.deaths.send(self.name.clone());
                (*effective, false)
            }
            (Some((left, _)), _) => {
                *left -= 1;
                (true, true)
            }
            (None, _) => (true, true),
        }
    }
}

impl Wire {
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            calls: Arc::default(),
        }
    }

    /// A replica's client.
    pub fn client(&self, life: &Life) -> kube::Client {
        let service = self.cluster.service(&life.name);
        let (wire, life) = (self.clone(), life.clone());
        let service = service_fn(move |request: Request<kube::client::Body>| {
            let (wire, life, service) = (wire.clone(), life.clone(), service.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default();
                let (effective, answered) = life.lives();
                if !effective {
                    std::future::pending::<()>().await;
                }
                let number = wire.ask(&life.name, &parts.method, &parts.uri, body.clone());
                let answer = service.oneshot(Request::from_parts(parts, body.into()));
                let answer = answer.await;
                if !answered {
                    std::future::pending::<()>().await;
                }
                answer.map(|answer| wire.listen(number, answer))
            }
        });
        kube::Client::new(service, "default")
    }

    /// All that was asked so far.
    pub fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        lock(&self.calls)
    }

    fn ask(&self, replica: &Arc<str>, method: &Method, uri: &Uri, body: Bytes) -> usize {
        let ask = ask(method, uri);
        let truth = match &ask {
            Ask::Delete(namespace, name) | Ask::Patch(namespace, name) => {
                self.cluster.read(|world| Truth::of(world, namespace, name))
            }
            _ => None,
        };
        let call = Call {
            replica: replica.clone(),
            ask,
            sent: self.cluster.now(),
            body,
            answer: None,
            truth,
        };
        let mut calls = self.calls();
        calls.push(call);
        calls.len() - 1
    }

    /// Lets an answer pass, and notes it once it has arrived whole.
    fn listen(&self, number: usize, answer: Response) -> Response<Heard> {
        let date = answer.headers().get("date").map(|date| date.as_bytes());
        let date = String::from_utf8_lossy(date.unwrap_or_default()).into_owned();
        let status = answer.status().as_u16();
        answer.map(|body| Heard {
            body,
            heard: Vec::new(),
            wire: self.clone(),
            number,
            status,
            date,
        })
    }
}

/// The body of an answer on its way.
struct Heard {
    body: Body,
    heard: Vec<u8>,
    wire: Wire,
    number: usize,
    status: u16,
    date: String,
}

impl HttpBody for Heard {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let data = frame.data_ref().map(Bytes::as_ref);
                self.heard.extend_from_slice(data.unwrap_or_default());
            }
            Some(Err(_)) => {}
            None => {
                let answer = Answer {
                    at: self.wire.cluster.now(),
                    status: self.status,
                    date: std::mem::take(&mut self.date),
                    body: std::mem::take(&mut self.heard).into(),
                };
                self.wire.calls()[self.number].answer = Some(answer);
            }
        }
        Poll::Ready(frame)
    }
}

/// What a method and a path ask for.
fn ask(method: &Method, uri: &Uri) -> Ask {
    let parts: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let query = uri.query().unwrap_or_default();
    let owned = |it: &str| it.to_owned();
    match (method.as_str(), &parts[..]) {
        ("GET", ["api", "v1", "nodes"]) => Ask::Nodes,
        ("GET", ["api", "v1", "nodes", name]) => Ask::Node(owned(name)),
        (
            "GET",
            [
                "apis",
                "coordination.k8s.io",
                "v1",
                "namespaces",
                "kube-node-lease",
                "leases",
                name,
            ],
        ) => Ask::Lease(owned(name)),
        ("GET", ["api", "v1", "namespaces", namespace, "pods"]) => {
            Ask::Pods(owned(namespace), owned(query))
        }
        (verb, ["api", "v1", "namespaces", namespace, "pods", name]) => {
            let (namespace, name) = (owned(namespace), owned(name));
            match verb {
                "GET" => Ask::Pod(namespace, name),
                "DELETE" => Ask::Delete(namespace, name),
                "PATCH" => Ask::Patch(namespace, name),
                _ => Ask::Other(format!("{method} {uri}")),
            }
        }
        (
            "GET",
            [
                "apis",
                "apps",
                "v1",
                "namespaces",
                namespace,
                "statefulsets",
                name,
            ],
        ) => Ask::StatefulSet(owned(namespace), owned(name)),
        ("POST", ["apis", "events.k8s.io", "v1", "namespaces", _, "events"]) => Ask::Event,
        (
            "POST",
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ],
        ) => Ask::Review,
        _ => Ask::Other(format!("{method} {uri}")),
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
