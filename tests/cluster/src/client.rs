//! A client of the API server for tests: blocking, in plain JSON, with no opinion about what an answer
//! should be.

use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client as Kube, Config};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A healthy API server has answered by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a merge patch is called on the wire.
pub const MERGE: &str = "application/merge-patch+json";

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `Null` when it is no JSON.
    pub body: Value,
}

/// A client with one identity. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    kube: Kube,
    runtime: Arc<Runtime>,
}

impl Client {
    /// Over `config`.
    ///
    /// # Panics
    /// When the configuration cannot be used.
    pub fn new(mut config: Config) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = Arc::new(runtime.expect("threads"));
        config.default_retry = false;
        let _inside = runtime.enter();
        let kube = Kube::try_from(config).expect("a configuration that can be used");
        Self { kube, runtime }
    }

    /// The same client for asynchronous code; it answers only while `self` lives.
    pub fn kube(&self) -> Kube {
        self.kube.clone()
    }

    /// The threads that its connections live on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Sends a request with these headers.
    ///
    /// # Errors
    /// No answer within 10 s, in a line.
    pub fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bytes = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        let request = request.body(Body::from(bytes)).map_err(|e| e.to_string())?;
        let exchange = async {
            let answer = self
                .kube
                .send(request)
                .await
                .map_err(|e| format!("{e:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|e| format!("{e:?}"))?;
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
            })
        };
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
            .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
    }

    /// Reads an object; none when it is absent or the API server does not answer.
    pub fn get(&self, path: &str) -> Option<Value> {
        let answer = self.send(&Method::GET, path, &[], &Value::Null).ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    /// The items of a list; none while the API server does not answer.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let mut list = self.get(path).unwrap_or_default();
        match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
    }

    /// Creates an object and returns it as it was stored.
    ///
    /// # Panics
    /// When it is refused.
    pub fn create(&self, path: &str, object: &Value) -> Value {
        self.expect(&Method::POST, path, "application/json", object)
    }

    /// Applies a merge patch.
    ///
    /// # Panics
    /// When it is refused.
    pub fn merge(&self, path: &str, patch: &Value) -> Value {
        self.expect(&Method::PATCH, path, MERGE, patch)
    }

    /// Deletes an object, or all that a path with a selector names; absent ones are gone already.
    ///
    /// # Panics
    /// When it is refused.
    pub fn delete(&self, path: &str, options: &Value) {
        let headers = [("content-type", "application/json")];
        let answer = self.send(&Method::DELETE, path, &headers, options);
        let answer = answer.unwrap_or_else(|why| panic!("DELETE {path}: {why}"));
        let done = matches!(answer.status, 200 | 202 | 404);
        assert!(done, "DELETE {path}: {answer:?}");
    }

    fn expect(&self, method: &Method, path: &str, content: &str, body: &Value) -> Value {
        let answer = self.send(method, path, &[("content-type", content)], body);
        let answer = answer.unwrap_or_else(|why| panic!("{method} {path}: {why}"));
        let done = matches!(answer.status, 200 | 201);
        assert!(done, "{method} {path}: {answer:?}");
        answer.body
    }
}
