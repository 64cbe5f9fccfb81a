//! Holds a conversation with a cluster, real or embedded: both speak HTTP, and both have machines that
//! can lose power.

use super::script::{Action, Lever, Request, Step, Wanted};
use super::transcript::{Captured, Entry, fill, find, note, pick};
use http_body_util::BodyExt;
use kube::client::Body;
use nodefall::demo::{Cluster as Embedded, NodePlan};
use nodefall_testbed::cluster::Cluster as Real;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A healthy API has answered by then, watches included.
const ANSWER: Duration = Duration::from_secs(10);

/// What can be done to a cluster's machines.
pub trait Machines {
    fn pull(&mut self, lever: Lever, node: &str);
}

impl Machines for Real {
    fn pull(&mut self, lever: Lever, node: &str) {
        match lever {
            Lever::Cut => self.cut_power(node),
            Lever::Restore => self.give_power(node),
            Lever::Sicken => self.report(node, false),
            Lever::Heal => self.report(node, true),
            Lever::Add => self.add_node(node, "zone-1"),
            Lever::Remove => self.remove_node(node),
        }
    }
}

impl Machines for Embedded {
    fn pull(&mut self, lever: Lever, node: &str) {
        match lever {
            Lever::Cut => self.cut_power(node),
            Lever::Restore => self.give_power(node),
            Lever::Sicken => self.kubelet_not_ready(node, true),
            Lever::Heal => self.kubelet_not_ready(node, false),
            Lever::Add => self.add_node(&NodePlan::new(node)),
            Lever::Remove => self.delete_node(node),
        }
    }
}

/// One who is talked to.
pub struct Partner<'a> {
    pub client: kube::Client,
    /// Where the client's connections live.
    pub runtime: Handle,
    pub machines: &'a mut dyn Machines,
}

/// An answer, and how it came.
struct Answer {
    status: u16,
    /// The body; lines of JSON are a list, and what is no JSON is a text.
    body: Value,
    date: bool,
    form: String,
}

impl Partner<'_> {
    /// Goes through all steps and writes down what was said.
    pub fn play(&mut self, script: &[Step]) -> Vec<Entry> {
        let mut captured = Captured::new();
        let mut transcript = Vec::new();
        for step in script {
            let lines = match &step.action {
                Action::Ask(request) => self.ask(step, request, &mut captured),
                Action::Machine(lever, node) => {
                    self.machines.pull(*lever, &fill(node, &captured));
                    BTreeMap::new()
                }
                Action::Await {
                    path,
                    pointer,
                    wanted,
                    patience,
                } => {
                    let path = fill(path, &captured);
                    let came = self.wait(&path, pointer, wanted, *patience, &captured);
                    BTreeMap::from([("came".to_owned(), came)])
                }
            };
            transcript.push((step.title.clone(), lines));
        }
        transcript
    }

    fn ask(
        &self,
        step: &Step,
        request: &Request,
        captured: &mut Captured,
    ) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        let answer = match self.send(request, captured) {
            Ok(answer) => answer,
            Err(why) => return BTreeMap::from([("failed".to_owned(), why)]),
        };
        for (name, pointer) in &step.capture {
            let value = find(&answer.body, pointer).and_then(Value::as_str);
            captured.insert(name, value.unwrap_or("nothing").to_owned());
        }
        lines.insert("status".to_owned(), answer.status.to_string());
        lines.insert("form".to_owned(), answer.form);
        lines.insert("Date".to_owned(), answer.date.to_string());
        if answer.body["kind"] == "Status" || answer.body.is_string() {
            note(&mut lines, "", &answer.body, captured);
            return lines;
        }
        for pointer in ["/kind", "/apiVersion"].iter().chain(&step.keep) {
            let value = pick(&answer.body, pointer).filter(|value| !value.is_null());
            note(
                &mut lines,
                pointer,
                &value.unwrap_or(json!("nothing")),
                captured,
            );
        }
        lines
    }

    /// Asks until it is so; says when it never was.
    fn wait(
        &self,
        path: &str,
        pointer: &str,
        wanted: &Wanted,
        patience: Duration,
        captured: &Captured,
    ) -> String {
        let request = Request {
            method: http::Method::GET,
            path: path.to_owned(),
            accept: super::script::JSON,
            content: "",
            body: String::new(),
        };
        let filled = |value: &Value| match value {
            Value::String(text) => Value::String(fill(text, captured)),
            other => other.clone(),
        };
        let started = Instant::now();
        loop {
            let answer = self.send(&request, captured);
            let found = answer.map(|answer| find(&answer.body, pointer).cloned());
            let so = match (&found, wanted) {
                (Ok(found), Wanted::Is(value)) => {
                    found.clone().unwrap_or_default() == filled(value)
                }
                (Ok(Some(found)), Wanted::Not(value)) => *found != filled(value),
                _ => false,
            };
            if so {
                return "yes".to_owned();
            }
            if started.elapsed() > patience {
                return format!("not within {patience:?}, but {found:?}");
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    fn send(&self, request: &Request, captured: &Captured) -> Result<Answer, String> {
        let mut built = http::Request::builder()
            .method(&request.method)
            .uri(fill(&request.path, captured))
            .header("accept", request.accept);
        if !request.content.is_empty() {
            built = built.header("content-type", request.content);
        }
        let body = fill(&request.body, captured).into_bytes();
        let built = built.body(Body::from(body)).map_err(|e| e.to_string())?;
        let exchange = async {
            let answer = self
                .client
                .send(built)
                .await
                .map_err(|e| format!("{e:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|e| format!("{e:?}"))?;
            let form = head.headers.get("content-type");
            let form = form.and_then(|form| form.to_str().ok()).unwrap_or_default();
            Ok(Answer {
                status: head.status.as_u16(),
                body: read(&body.to_bytes()),
                date: head.headers.contains_key("date"),
                form: form.to_owned(),
            })
        };
        let bounded = async { tokio::time::timeout(ANSWER, exchange).await };
        let answer = self.runtime.block_on(bounded);
        answer.unwrap_or_else(|_| Err(format!("no answer within {ANSWER:?}")))
    }
}

fn read(body: &[u8]) -> Value {
    if let Ok(whole) = serde_json::from_slice(body) {
        return whole;
    }
    let lines = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let lines: Result<Vec<Value>, _> = lines.map(serde_json::from_slice).collect();
    match lines {
        Ok(lines) => Value::Array(lines),
        Err(_) => String::from_utf8_lossy(body).into(),
    }
}
