//! What was asked of the API server, from its own audit log.

use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// One request.
#[derive(Clone)]
pub struct Call {
    /// When it arrived, by the API server's clock.
    pub at: Timestamp,
    /// When it was answered.
    pub answered: Timestamp,
    /// Who asked: the user's name.
    pub user: String,
    /// With which token: one for each process of Nodefall.
    pub token: String,
    /// `get`, `list`, `create`, `patch`, `delete`, ...
    pub verb: String,
    /// API group; empty for the core.
    pub group: String,
    /// Resource, plural, with its subresource.
    pub resource: String,
    /// Namespace; empty for the cluster's own.
    pub namespace: String,
    /// Name; empty for lists.
    pub name: String,
    /// Status of the answer.
    pub code: u64,
    /// The body, where the policy keeps it.
    pub request: Value,
    /// The answer's body, where the policy keeps it.
    pub response: Value,
}

/// A line, without the bodies.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, verb, resource) = (self.at, &self.verb, &self.resource);
        let (namespace, name, code) = (&self.namespace, &self.name, self.code);
        write!(
            f,
            "{at} {verb} {resource} {namespace}/{name}: {code}, by {}",
            self.token
        )
    }
}

impl Call {
    fn read(event: &mut Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str()?.parse().ok();
        let (object, user) = (&event["objectRef"], &event["user"]);
        let resource = text(&object["resource"]);
        Some(Self {
            at: time(&event["requestReceivedTimestamp"])?,
            answered: time(&event["stageTimestamp"])?,
            user: text(&user["username"]),
            token: text(&user["extra"]["authentication.kubernetes.io/credential-id"][0]),
            verb: text(&event["verb"]),
            group: text(&object["apiGroup"]),
            resource: match object["subresource"].as_str() {
                Some(sub) => format!("{resource}/{sub}"),
                None => resource,
            },
            namespace: text(&object["namespace"]),
            name: text(&object["name"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
            request: event["requestObject"].take(),
            response: event["responseObject"].take(),
        })
    }

    /// True when Nodefall asked.
    pub fn is_ours(&self) -> bool {
        self.user == "system:serviceaccount:monitoring:nodefall"
    }

    /// True for all that changes anything but the story that is told of it.
    pub fn is_destructive(&self) -> bool {
        let reads = matches!(self.verb.as_str(), "get" | "list" | "watch");
        let tells = matches!(
            &*self.resource,
            "events" | "selfsubjectaccessreviews" | "tokenreviews"
        );
        !(reads || tells && self.verb == "create")
    }

    /// The UID that a destructive call is bound to.
    pub fn bound_to(&self) -> Option<&str> {
        match self.verb.as_str() {
            "delete" => self.request["preconditions"]["uid"].as_str(),
            _ => self.request["metadata"]["uid"].as_str(),
        }
    }
}

/// A place in the audit log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(u64);

/// The audit log.
#[derive(Clone)]
pub struct Audit(PathBuf);

impl Audit {
    /// In that file.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it ends now.
    pub fn mark(&self) -> Mark {
        Mark(self.0.metadata().map(|file| file.len()).unwrap_or_default())
    }

    /// What Nodefall has asked since then, in the order of the answers.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub fn ours(&self, since: Mark) -> Vec<Call> {
        let mut file = File::open(&self.0).expect("an audit log");
        let length = file.metadata().expect("its length").len();
        assert!(length >= since.0, "the audit log was cut off");
        let mut text = String::new();
        file.seek(SeekFrom::Start(since.0)).expect("a place in it");
        file.read_to_string(&mut text).expect("a log in UTF-8");
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut calls = Vec::new();
        for line in whole.lines() {
            let mut event = serde_json::from_str(line).expect("a line of JSON");
            calls.extend(Call::read(&mut event).filter(Call::is_ours));
        }
        calls
    }

    /// The ones among them that change anything, Events apart.
    pub fn destructive(&self, since: Mark) -> Vec<Call> {
        let mut calls = self.ours(since);
        calls.retain(Call::is_destructive);
        calls
    }
}
