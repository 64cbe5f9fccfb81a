//! One replica of Nodefall: the whole receiver over a wire, called in memory.

use crate::config::Config;
use crate::wire::{Life, Wire};
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use nodefall::act::Clock;
use nodefall::cli::{Command, parse};
use nodefall::receiver::Receiver;
use nodefall::serve::WebConfig;
use serde_json::Value;
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// A running replica.
pub struct Replica {
    pub name: String,
    pub life: Life,
    receiver: Receiver,
    router: axum::Router,
    work: JoinHandle<()>,
}

/// The name of a replica, by its place and how often it was started anew.
pub fn name(place: usize, generation: usize) -> String {
    format!("nodefall-{place}-{generation}")
}

impl Replica {
    /// Starts one.
    pub fn start(
        config: &Config,
        wire: &Wire,
        life: Life,
        name: String,
        now: Timestamp,
        skew: SignedDuration,
    ) -> Self {
        let words = config.words().into_iter().map(Into::into);
        let options = match parse(words) {
            Ok(Command::Run(options)) => options,
            other => panic!("{:?} are no options to run with: {other:?}", config.words()),
        };
        let clock = Clock::simulated(now + skew);
        let receiver = Receiver::new(options.settings, wire.client(&life), clock);
        let (router, work) = (
            receiver.router(&WebConfig::open_to_all().expect("random numbers")),
            tokio::spawn(receiver.work()),
        );
        Self {
            name,
            life,
            receiver,
            router,
            work,
        }
    }

    /// Posts a notification; the status, and the answer's text.
    pub async fn post(&self, body: String) -> (u16, String) {
        let request = Request::post("/webhook").body(Body::from(body));
        self.call(request.expect("a request")).await
    }

    /// What it tells about its nodes and remediations.
    pub async fn status(&self) -> Value {
        let request = Request::get("/api/v1/remediations").body(Body::empty());
        let (_, text) = self.call(request.expect("a request")).await;
        serde_json::from_str(&text).expect("JSON")
    }

    /// The sum of the series whose text begins like this.
    pub async fn metric(&self, start: &str) -> f64 {
        let request = Request::get("/metrics").body(Body::empty());
        let (_, text) = self.call(request.expect("a request")).await;
        let lines = text.lines().filter(|line| line.starts_with(start));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    async fn call(&self, request: Request<Body>) -> (u16, String) {
        let answer = self.router.clone().oneshot(request).await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body");
        (
            status,
            String::from_utf8(body.to_bytes().into()).expect("UTF-8"),
        )
    }

    /// Ends it as SIGKILL does.
    pub fn kill(self) {
        self.life.over();
        self.work.abort();
    }

    /// Ends it as SIGTERM does.
    pub async fn stop(self) {
        self.receiver.drain();
        // A panic of its work was noted when it happened.
        let _ = self.work.await;
        self.life.over();
    }

    /// Whether its work ended by itself.
    pub fn is_over(&self) -> bool {
        self.work.is_finished()
    }
}
