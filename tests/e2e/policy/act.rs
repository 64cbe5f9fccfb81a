//! Calls that a thief makes, and what a policy says to them.

use http::Method;
use nodefall_testbed::client::{Answer, Client};
use serde_json::{Value, json};

/// One call that somebody makes.
#[derive(Clone)]
pub struct Act {
    pub what: &'static str,
    method: Method,
    path: String,
    content: &'static str,
    pub body: Value,
}

impl Act {
    pub fn new(what: &'static str, method: Method, path: &str, body: Value) -> Self {
        Self {
            what,
            method,
            path: path.trim_end_matches('/').to_owned(),
            content: "application/json",
            body,
        }
    }

    pub fn patch(what: &'static str, path: &str, content: &'static str, body: Value) -> Self {
        Self {
            content,
            ..Self::new(what, Method::PATCH, path, body)
        }
    }

    pub fn called(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    /// The same without effect. Where a DELETE has a body, the API server does not read its query.
    pub fn dry(&self) -> Self {
        let mut dry = self.clone();
        if dry.method == Method::DELETE {
            dry.body["dryRun"] = json!(["All"]);
        // A connection knows of none.
        } else if dry.method != Method::GET {
            dry.path
                .push_str(if dry.path.contains('?') { "&" } else { "?" });
            dry.path.push_str("dryRun=All");
        }
        dry
    }
}

/// Somebody who has a token of an account, or was given its name, and may do whatever RBAC can grant.
pub struct Thief {
    pub client: Client,
    pub headers: Vec<(&'static str, String)>,
}

impl Thief {
    pub fn named(admin: &Client, account: &str) -> Self {
        let headers = vec![
            ("impersonate-user", account.to_owned()),
            ("impersonate-group", "system:masters".to_owned()),
        ];
        let client = admin.clone();
        Self { client, headers }
    }

    pub fn tries(&self, act: &Act) -> Answer {
        let mut headers = vec![("content-type", act.content)];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, &**value)));
        let answer = self
            .client
            .send(&act.method, &act.path, &headers, &act.body);
        answer.unwrap_or_else(|why| panic!("{}: {why}", act.what))
    }
}

/// What a policy said, if one refused.
pub fn refusal(answer: &Answer) -> Option<String> {
    let message = answer.body["message"].as_str()?;
    let (policy, why) = message.split_once(" denied request: ")?;
    assert!(policy.contains("ValidatingAdmissionPolicy"), "{message}");
    assert_eq!(answer.status, 403, "{answer:?}");
    Some(why.to_owned())
}
