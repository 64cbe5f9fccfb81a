//! Who may call: any one of the credentials that are configured, before anything of a body is read.

mod accounts;
mod basic;
mod log;
mod memory;
mod methods;

pub(super) use log::Log;
pub(super) use methods::{Accounts, Methods};

use super::door::Peer;
use super::pages;
use super::web_config::{InForce, Live};
use crate::act::TokenReviews;
use crate::metrics::{AuthFailure, Metrics};
use accounts::{Reviews, Unknown};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use memory::Seal;
use std::sync::Arc;

/// Which pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `/webhook`.
    Webhook,
    /// Everything else but the probes.
    Rest,
}

/// Lets callers in, or not; a clone is the same gate.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    live: Live,
    metrics: Metrics,
    checks: basic::Checks,
    /// None where the system has no random numbers: no such token is taken then.
    reviews: Option<Reviews>,
    log: Log,
}

/// Why somebody is not let in.
struct Refusal {
    status: StatusCode,
    reason: AuthFailure,
    why: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: AuthFailure, why: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            why: why.into(),
        }
    }

    fn unauthorized(reason: AuthFailure, why: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, reason, why)
    }

    fn busy() -> Self {
        let why = "too many other credentials are being checked; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, AuthFailure::Busy, why)
    }
}

impl Gate {
    pub(super) fn new(live: Live, metrics: Metrics, reviews: TokenReviews) -> Self {
        let seal = Seal::new().ok();
        Self(Arc::new(Inner {
            live,
            metrics,
            checks: basic::Checks::new(),
            reviews: seal.map(|seal| Reviews::new(reviews, seal)),
            log: Log::default(),
        }))
    }

    /// What a page of that part asks of a request, in order; nothing of its body is read.
    async fn admit(&self, part: Part, request: &Parts) -> Result<(), Response> {
        let in_force = self.0.live.now();
        let peer = request.extensions.get::<Peer>();
        if let Some(peer) = peer.filter(|peer| peer.terms != in_force.terms()) {
            return Err(gone(peer, request.version));
        }
        if !in_force.rate.as_ref().is_none_or(|rate| rate.take()) {
            // Alertmanager tries again after 503 only.
            let status = match part {
                Part::Webhook => StatusCode::SERVICE_UNAVAILABLE,
                Part::Rest => StatusCode::TOO_MANY_REQUESTS,
            };
            let why = "more requests than rate_limit of --web.config.file allows";
            return Err(pages::error(status, why));
        }
        let methods = in_force.methods(part);
        let admitted = self.check(methods, peer, &request.headers).await;
        admitted.map_err(|refusal| self.refuse(methods, peer, &refusal))
    }

    async fn check(
        &self,
        methods: &Methods,
        peer: Option<&Peer>,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        certificate(methods, peer)?;
        if !methods.want_credentials() {
            return Ok(());
        }
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (given, more) = (given.next(), given.next());
        let malformed = || {
            let why = "the Authorization header is neither Basic nor Bearer credentials";
            Refusal::unauthorized(AuthFailure::Malformed, why)
        };
        let given = given
            .ok_or_else(|| Refusal::unauthorized(AuthFailure::Missing, "credentials are needed"))?;
        let given = given.as_bytes();
        let space = given.iter().position(|byte| *byte == b' ');
        let (scheme, value) = given.split_at(space.unwrap_or(given.len()));
        let value = value.trim_ascii();
        if more.is_some() || value.is_empty() {
            return Err(malformed());
        }
        if scheme.eq_ignore_ascii_case(b"basic") {
            let (user, password) = basic::parse(value).ok_or_else(malformed)?;
            match basic::is_good(methods, &self.0.checks, &user, password).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(wrong()),
                Err(basic::Busy) => Err(Refusal::busy()),
            }
        } else if scheme.eq_ignore_ascii_case(b"bearer") {
            self.bearer(methods, value).await
        } else {
            Err(malformed())
        }
    }

    async fn bearer(&self, methods: &Methods, token: &[u8]) -> Result<(), Refusal> {
        let digest = methods.seal.digest(&[token]);
        if methods.tokens.contains(&digest) {
            return Ok(());
        }
        let (Some(accounts), Some(reviews)) = (&methods.accounts, &self.0.reviews) else {
            return Err(wrong());
        };
        match reviews.user(token, accounts).await {
            Ok(Some(user)) if accounts.allowed.contains(&*user) => Ok(()),
            Ok(Some(user)) => {
                let why = format!("{user} is not in service_accounts.allowed");
                let reason = AuthFailure::NotAllowed;
                Err(Refusal::new(StatusCode::FORBIDDEN, reason, why))
            }
            Ok(None) => Err(wrong()),
            Err(Unknown::Busy) => Err(Refusal::busy()),
            Err(Unknown::Unavailable(error)) => {
                let why = format!("whose token this is cannot be asked: {error}");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Err(Refusal::new(status, AuthFailure::Unavailable, why))
            }
        }
    }

    fn refuse(&self, methods: &Methods, peer: Option<&Peer>, refusal: &Refusal) -> Response {
        self.0.metrics.auth_failure(refusal.reason);
        if let Some(left_out) = self.0.log.line() {
            let (reason, why) = (refusal.reason.as_str(), refusal.why.as_str());
            let peer = peer
                .and_then(|peer| peer.address)
                .map(tracing::field::display);
            tracing::warn!(reason, why, peer, left_out, "a caller is not let in");
        }
        let mut response = pages::error(refusal.status, refusal.why.as_str());
        if refusal.status == StatusCode::UNAUTHORIZED {
            let offered = [
                (methods.wants_basic(), "Basic realm=\"nodefall\""),
                (methods.wants_bearer(), "Bearer realm=\"nodefall\""),
            ];
            for (_, challenge) in offered.into_iter().filter(|(wanted, _)| *wanted) {
                let challenge = HeaderValue::from_static(challenge);
                response
                    .headers_mut()
                    .append(header::WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

/// What was asked of a connection when it began is not what is asked now: it ends, and Alertmanager
/// comes back by a new one.
fn gone(peer: &Peer, version: Version) -> Response {
    let why = "what is asked of a connection has changed since this one began: connect again";
    let mut response = pages::error(StatusCode::SERVICE_UNAVAILABLE, why);
    match peer.exchanges.get() {
        Some(exchanges) if version == Version::HTTP_2 => exchanges.end(),
        _ => {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }
    response
}

fn wrong() -> Refusal {
    let why = "nobody has these credentials";
    Refusal::unauthorized(AuthFailure::WrongCredentials, why)
}

/// A certificate that was verified, where one is needed.
fn certificate(methods: &Methods, peer: Option<&Peer>) -> Result<(), Refusal> {
    let Some(names) = &methods.certificate else {
        return Ok(());
    };
    let refuse = |reason, why| Err(Refusal::new(StatusCode::FORBIDDEN, reason, why));
    match peer.and_then(|peer| peer.verified.as_deref()) {
        None => refuse(
            AuthFailure::Missing,
            "a client certificate is needed that client_ca_file vouches for",
        ),
        Some(found) if names.is_empty() || found.iter().any(|name| names.contains(name)) => Ok(()),
        Some(_) => refuse(
            AuthFailure::NotAllowed,
            "none of the client certificate's names is in client_allowed_sans",
        ),
    }
}

impl InForce {
    fn methods(&self, part: Part) -> &Methods {
        match (part, &self.webhook) {
            (Part::Webhook, Some(webhook)) => webhook,
            _ => &self.rest,
        }
    }
}

/// In front of every page but the probes.
pub(super) async fn guard(
    State((gate, part)): State<(Gate, Part)>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    match gate.admit(part, &head).await {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refusal) => refusal,
    }
}
