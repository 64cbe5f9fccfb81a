//! How a conversation is written down: one list of steps, with no word about whom it is held with.

use http::Method;
use serde_json::Value;
use std::time::Duration;

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const OPERATIONS: &str = "application/json-patch+json";

/// What a busy machine takes for what takes a quiet one seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// One step. In paths, bodies and expected values, `$name` stands for what was captured before.
pub struct Step {
    /// What it is about; the only one of that name in its conversation.
    pub title: String,
    pub action: Action,
    /// Pointers into the answer: their values, with all below them, must be the same.
    pub keep: Vec<&'static str>,
    /// Names for values of the answer, by pointer.
    pub capture: Vec<(&'static str, &'static str)>,
}

pub enum Action {
    /// Asks the API.
    Ask(Request),
    /// Asks again and again, until a field of the answer is as wanted.
    Await {
        path: String,
        pointer: &'static str,
        wanted: Wanted,
        patience: Duration,
    },
    /// Does something to a machine.
    Machine(Lever, String),
}

pub struct Request {
    pub method: Method,
    pub path: String,
    pub accept: &'static str,
    pub content: &'static str,
    pub body: String,
}

/// What a field is waited for to be.
pub enum Wanted {
    Is(Value),
    /// There, and something else.
    Not(Value),
}

#[derive(Clone, Copy, Debug)]
pub enum Lever {
    Cut,
    Restore,
    /// Its kubelet reports Ready `False`.
    Sicken,
    Heal,
    Add,
    Remove,
}

fn step(title: &str, action: Action) -> Step {
    let title = title.to_owned();
    let (keep, capture) = (Vec::new(), Vec::new());
    Step {
        title,
        action,
        keep,
        capture,
    }
}

/// A request with that body, whatever it is, of that type.
pub fn send(title: &str, method: Method, path: &str, content: &'static str, body: &str) -> Step {
    let (path, body) = (path.to_owned(), body.to_owned());
    let request = Request {
        method,
        path,
        accept: JSON,
        content,
        body,
    };
    step(title, Action::Ask(request))
}

pub fn get(title: &str, path: &str) -> Step {
    send(title, Method::GET, path, "", "")
}

pub fn create(title: &str, path: &str, object: &Value) -> Step {
    send(title, Method::POST, path, JSON, &object.to_string())
}

pub fn replace(title: &str, path: &str, object: &Value) -> Step {
    send(title, Method::PUT, path, JSON, &object.to_string())
}

/// Deletes with these options in the body; none for `Null`.
pub fn delete(title: &str, path: &str, options: &Value) -> Step {
    let body = match options {
        Value::Null => String::new(),
        options => options.to_string(),
    };
    send(title, Method::DELETE, path, JSON, &body)
}

pub fn patch(title: &str, kind: &'static str, path: &str, patch: &Value) -> Step {
    send(title, Method::PATCH, path, kind, &patch.to_string())
}

pub fn until(title: &str, path: &str, pointer: &'static str, value: impl Into<Value>) -> Step {
    wait(title, path, pointer, Wanted::Is(value.into()))
}

pub fn until_not(title: &str, path: &str, pointer: &'static str, value: &str) -> Step {
    wait(title, path, pointer, Wanted::Not(value.into()))
}

pub fn until_gone(title: &str, path: &str) -> Step {
    until(title, path, "/reason", "NotFound")
}

fn wait(title: &str, path: &str, pointer: &'static str, wanted: Wanted) -> Step {
    let (path, patience) = (path.to_owned(), PATIENCE);
    let action = Action::Await {
        path,
        pointer,
        wanted,
        patience,
    };
    step(title, action)
}

pub fn machine(title: &str, lever: Lever, node: &str) -> Step {
    step(title, Action::Machine(lever, node.to_owned()))
}

impl Step {
    pub fn keep(mut self, pointers: &[&'static str]) -> Self {
        self.keep.extend(pointers);
        self
    }

    pub fn capture(mut self, name: &'static str, pointer: &'static str) -> Self {
        self.capture.push((name, pointer));
        self
    }

    /// Asks for another form of the answer.
    pub fn accept(mut self, form: &'static str) -> Self {
        if let Action::Ask(request) = &mut self.action {
            request.accept = form;
        }
        self
    }

    /// Waits for longer than usual.
    pub fn within(mut self, seconds: u64) -> Self {
        if let Action::Await { patience, .. } = &mut self.action {
            *patience = Duration::from_secs(seconds);
        }
        self
    }
}
