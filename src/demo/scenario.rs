//! `nodefall demo`: a node loses power, its Prometheus comes back elsewhere, and then it is your
//! turn.
//!
//! The simulated API and the receiver talk over real HTTP on loopback, in real time; only
//! Kubernetes' own timings are shortened, and the output says by how much.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::control::{self, sample_alert};
use super::guide::{ending, introduction, shortened, what_next};
use super::timeline::Timeline;
use super::{Cluster, Layout};

/// Where the simulated API is served unless that port is taken: where `kubectl proxy` serves, too.
pub const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);

/// The node whose power is cut.
pub(super) const LOST: &str = "node-1";
/// How long the pods may take to come back: ten times what they need.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the receiver may take until it is ready.
const START: Duration = Duration::from_secs(15);
/// Shorter than what a person notices.
const LOOK: Duration = Duration::from_millis(20);

/// How the demo is played.
#[derive(Debug)]
pub struct Options {
    /// The bound listener that the receiver will serve.
    pub receiver: TcpListener,
    /// Where the simulated API is served; see [`API`]. A port that is taken is replaced by a free
    /// one.
    pub api: SocketAddr,
    /// End after the timeline.
    pub once: bool,
    /// Cut nothing by itself.
    pub manual: bool,
}

/// Plays the demo. `start_receiver` is given the API's base URL and the listener to serve; its
/// future ends when the receiver does, and is dropped at the end.
///
/// With [`Options::once`] the status is 0 if every replacement became Ready, else 1. Otherwise it
/// serves until Ctrl-C, and the status is 0.
pub async fn run<F, Fut>(options: Options, start_receiver: F) -> ExitCode
where
    F: FnOnce(String, TcpListener) -> Fut,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    let played = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(true),
        played = play(options, start_receiver) => played,
    };
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            // With nobody to read it, the status still tells.
            let _ = writeln!(std::io::stderr(), "nodefall: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn play<F, Fut>(options: Options, start_receiver: F) -> Result<bool, String>
where
    F: FnOnce(String, TcpListener) -> Fut,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    let cluster = Cluster::new(shortened(), &Layout::kube_prometheus());
    let listener = match tokio::net::TcpListener::bind(options.api).await {
        Ok(listener) => listener,
        Err(_) => tokio::net::TcpListener::bind((options.api.ip(), 0))
            .await
            .map_err(text)?,
    };
    let api = url(listener.local_addr().map_err(text)?);
    let receiver = url(options.receiver.local_addr().map_err(text)?);
    // Dropping the set ends them all.
    let mut servers: JoinSet<Result<(), String>> = JoinSet::new();
    let runner = cluster.clone();
    servers.spawn(async move {
        runner.run().await;
        Ok(())
    });
    let routes = cluster.router().merge(control::router(&cluster));
    servers.spawn(async move { axum::serve(listener, routes).await.map_err(text) });
    servers.spawn(start_receiver(api.clone(), options.receiver));
    let story = Story {
        cluster,
        api,
        receiver,
    };
    tokio::select! {
        biased;
        ended = servers.join_next() => match ended {
            Some(Ok(Err(why))) => Err(why),
            _ => Err("a server of the demo ended early".to_owned()),
        },
        told = story.tell(options.once, options.manual) => told,
    }
}

/// The demo once everything is served.
struct Story {
    cluster: Cluster,
    api: String,
    receiver: String,
}

impl Story {
    async fn tell(&self, once: bool, manual: bool) -> Result<bool, String> {
        self.await_receiver().await?;
        say(&introduction(&self.api, &self.receiver));
        let mut timeline = self.cluster.edit(|world| Timeline::new(world));
        let begun = self.cluster.now();
        let mut restored = true;
        if !manual {
            restored = self.lose_a_node(&mut timeline, begun).await?;
        }
        if once {
            return Ok(restored);
        }
        say(&what_next(&self.api, &self.receiver, manual));
        loop {
            self.look(&mut timeline, begun);
            sleep(LOOK).await;
        }
    }

    /// From the power loss to the replacements; answers whether all of them became Ready.
    async fn lose_a_node(&self, timeline: &mut Timeline, begun: Timestamp) -> Result<bool, String> {
        let lost = timeline.pods_on(LOST);
        self.cluster.cut_power(LOST);
        let end = Instant::now() + PATIENCE;
        while !timeline.is_given_up(LOST) {
            if Instant::now() > end {
                return Ok(false);
            }
            self.look(timeline, begun);
            sleep(LOOK).await;
        }
        let unknown = self.cluster.now();
        let alert = sample_alert(LOST, unknown).to_string();
        let status = post(&format!("{}/webhook", self.receiver), alert).await?;
        let what = format!("Alertmanager: POST /webhook, KubeNodeNotReady node={LOST} -> {status}");
        say(&line(self.cluster.now(), begun, &what));
        let restored = |timeline: &Timeline| {
            lost.iter()
                .all(|(pod, uid)| timeline.replacement(pod, uid).is_some())
        };
        while !restored(timeline) && Instant::now() < end {
            self.look(timeline, begun);
            sleep(LOOK).await;
        }
        let took = seconds(self.cluster.now(), unknown);
        say(&ending(timeline, &lost, took));
        Ok(restored(timeline))
    }

    /// Prints what has happened.
    fn look(&self, timeline: &mut Timeline, begun: Timestamp) {
        for one in self.cluster.edit(|world| timeline.look(world)) {
            say(&line(one.at, begun, &one.text));
        }
    }

    async fn await_receiver(&self) -> Result<(), String> {
        let ready = async {
            let address = format!("{}/-/ready", self.receiver);
            while !get(&address).await.is_ok_and(|status| status == 200) {
                sleep(LOOK).await;
            }
        };
        timeout(START, ready)
            .await
            .map_err(|_| format!("the receiver at {} did not become ready", self.receiver))
    }
}

fn line(at: Timestamp, begun: Timestamp, text: &str) -> String {
    format!("{:>7.1} s  {text}", seconds(at, begun))
}

fn seconds(at: Timestamp, since: Timestamp) -> f64 {
    at.duration_since(since).as_secs_f64()
}

/// A line on standard output; whoever closed it does not want to read on.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The base URL of a listener, as a program on this machine reaches it.
fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

async fn get(url: &str) -> Result<u16, String> {
    send(Request::get(url).body(Full::default()).map_err(text)?).await
}

async fn post(url: &str, body: String) -> Result<u16, String> {
    let request = Request::post(url).header("content-type", "application/json");
    send(request.body(Full::from(body)).map_err(text)?).await
}

async fn send(request: Request<Full<Bytes>>) -> Result<u16, String> {
    // Alertmanager's own patience, as its peers have it.
    const ANSWER: Duration = Duration::from_secs(15);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = timeout(ANSWER, client.request(request));
    let response = response
        .await
        .map_err(|_| "no answer from the receiver".to_owned())?;
    Ok(response.map_err(text)?.status().as_u16())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::{get, post};
    use kube::api::DeleteParams;

    use super::*;

    fn options() -> Options {
        Options {
            receiver: TcpListener::bind("127.0.0.1:0").unwrap(),
            api: "127.0.0.1:0".parse().unwrap(),
            once: true,
            manual: false,
        }
    }

    /// The least that could be called a receiver.
    async fn crude(api: String, listener: TcpListener) -> Result<(), String> {
        let client = kube::Client::try_from(kube::Config::new(api.parse().unwrap())).unwrap();
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(client, "monitoring");
        let webhook = async move || {
            for name in ["prometheus-k8s-0", "alertmanager-main-0"] {
                pods.delete(name, &DeleteParams::default().grace_period(0))
                    .await
                    .unwrap();
            }
            axum::http::StatusCode::ACCEPTED
        };
        let routes = Router::new()
            .route("/-/ready", get(|| async {}))
            .route("/webhook", post(webhook));
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, routes).await.map_err(text)
    }

    #[tokio::test]
    async fn the_story_ends_well_with_a_receiver_and_tells_when_there_is_none() {
        assert_eq!(play(options(), crude).await, Ok(true));
        let none = async |_api: String, _listener: TcpListener| Err("no receiver".to_owned());
        assert_eq!(play(options(), none).await, Err("no receiver".to_owned()));
    }

    #[test]
    fn an_address_that_means_all_is_reached_through_loopback() {
        assert_eq!(
            url("0.0.0.0:9095".parse().unwrap()),
            "http://127.0.0.1:9095"
        );
        assert_eq!(url("[::]:9095".parse().unwrap()), "http://127.0.0.1:9095");
        assert_eq!(url("[::1]:9095".parse().unwrap()), "http://[::1]:9095");
    }
}
