//! What both kinds of test need; the desk is made here and nowhere else.

use super::super::{Bounds, Front, Listeners, Routes, WebConfig, serve_bounded};
use crate::act::{Desk, MAX_SUSPICIONS, Suspected};
use crate::decide::{AlertRules, NodeName};
use crate::metrics::Metrics;
use axum::Router;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);

/// Short enough for tests that wait for it, long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_millis(800);

pub fn ready_desk() -> Desk {
    Desk::idle("")
}

/// Has room for one node.
pub fn small_desk() -> Desk {
    let desk = ready_desk();
    for n in 1..MAX_SUSPICIONS {
        let node = NodeName::parse(&format!("full-{n}")).expect("a node name");
        assert_eq!(desk.suspect(node, "f".to_owned()), Suspected::New);
    }
    desk
}

pub fn desk_that_is_not_ready(why: &str) -> Desk {
    Desk::idle(why)
}

pub fn rules() -> AlertRules {
    AlertRules {
        alert_names: vec!["KubeNodeNotReady".to_owned()],
        matches: vec![("cluster".to_owned(), "east".to_owned())],
        node_label: "node".to_owned(),
    }
}

pub fn open() -> WebConfig {
    WebConfig::open_to_all().expect("random numbers")
}

pub fn front(desk: Desk, metrics: Metrics) -> Front {
    let alerts = rules();
    Front {
        desk,
        metrics,
        alerts,
    }
}

/// The routes, to be called in memory.
pub fn bounded_router(desk: Desk, metrics: Metrics, bounds: Bounds) -> Router {
    let Routes { all, .. } = super::super::bounded_router(front(desk, metrics), &open(), bounds);
    all
}

pub fn alert(status: &str, node: &str) -> String {
    format!(
        r#"{{"status":"{status}","labels":{{"alertname":"KubeNodeNotReady","cluster":"east","node":"{node}"}},"fingerprint":"f-{node}"}}"#
    )
}

pub fn payload(alerts: &[String]) -> String {
    format!(
        r#"{{"version":"4","status":"firing","alerts":[{}]}}"#,
        alerts.join(",")
    )
}

pub fn patient() -> Bounds {
    Bounds {
        patience: PATIENCE,
        ..Bounds::DEFAULT
    }
}

/// A server on ports of its own.
pub struct Server {
    pub addresses: Vec<SocketAddr>,
    pub health: SocketAddr,
    pub metrics: Metrics,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub fn start(bounds: Bounds) -> Self {
        Self::with_listeners(bounds, 1)
    }

    pub fn with_listeners(bounds: Bounds, count: usize) -> Self {
        let metrics = Metrics::new();
        Self::serve(front(ready_desk(), metrics), open(), bounds, count)
    }

    /// With one listener for all, and one for probes.
    pub fn guarded(web: WebConfig, desk: Desk) -> Self {
        Self::serve(front(desk, Metrics::new()), web, Bounds::DEFAULT, 1)
    }

    pub fn serve(front: Front, web: WebConfig, bounds: Bounds, count: usize) -> Self {
        let bind = |_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listeners = Listeners {
            all: (0..count).map(bind).collect(),
            health: vec![bind(0)],
        };
        let address = |l: &std::net::TcpListener| l.local_addr().expect("an address");
        let addresses = listeners.all.iter().map(address).collect();
        let health = address(&listeners.health[0]);
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.expect("the test stops it") };
        let metrics = front.metrics.clone();
        let task = tokio::spawn(serve_bounded(listeners, front, web, bounds, stopped));
        Self {
            addresses,
            health,
            metrics,
            stop,
            task,
        }
    }

    pub async fn connect(&self) -> Client {
        Client::connect(self.addresses[0]).await
    }

    /// Says stop, and hands over the server's end.
    pub fn stop(self) -> JoinHandle<std::io::Result<()>> {
        self.stop.send(()).expect("it still serves");
        self.task
    }

    /// Waits until a line of the metrics is there.
    pub async fn counted(&self, line: &str) {
        let wait = async {
            while !self.metrics.encode().lines().any(|found| found == line) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, wait)
            .await
            .unwrap_or_else(|_| panic!("never counted: {line}"));
    }
}

/// One connection, byte by byte.
pub struct Client(TcpStream);

impl From<TcpStream> for Client {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self(
            TcpStream::connect(address)
                .await
                .expect("the server listens"),
        )
    }

    pub async fn send(&mut self, text: &str) {
        self.0
            .write_all(text.as_bytes())
            .await
            .expect("the server reads");
    }

    /// Sends what a server that has heard enough may refuse to read.
    pub async fn try_send(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes()).await;
    }

    /// Hangs up in the rudest way.
    pub fn reset(self) {
        self.0.set_zero_linger().expect("a socket option");
    }

    /// Everything until the server closes, which a reset does too.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = timeout(LONG, self.0.read_to_end(&mut bytes)).await;
        let _ = read.expect("the server closes");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The next bytes, without waiting for the end.
    pub async fn some(&mut self) -> String {
        let mut bytes = [0; 4096];
        let read = timeout(LONG, self.0.read(&mut bytes))
            .await
            .expect("the server answers");
        String::from_utf8_lossy(&bytes[..read.expect("the connection lives")]).into_owned()
    }

    /// True when nothing came and nothing was closed for a while.
    pub async fn is_open(&mut self) -> bool {
        timeout(Duration::from_millis(50), self.0.read(&mut [0]))
            .await
            .is_err()
    }
}

/// The head of a POST that announces a body of `length` bytes.
pub fn head(length: usize) -> String {
    format!(
        "POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

pub fn post(body: &str) -> String {
    head(body.len()) + body
}

/// A notification with these headers besides.
pub fn notification(headers: &str) -> String {
    let plain = post(&payload(&[alert("firing", "n1")]));
    plain.replacen("Host: x\r\n", &format!("Host: x\r\n{headers}"), 1)
}

/// The status code of a raw answer.
pub fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}
