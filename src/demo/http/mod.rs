//! The API of the simulated cluster, as an axum router.

mod access;
mod body;
mod call;
mod checks;
mod discovery;
mod events;
mod failure;
mod fields;
mod objects;
mod options;
mod patch;
mod reads;
mod resources;
mod rows;
mod scale;
mod select;
mod series;
mod table;
mod valid;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use tower::{Service, ServiceExt, service_fn};

use self::body::Reset;
use self::call::Call;
use self::failure::Failure;
use self::resources::Resource;
use super::Cluster;
use super::audit::{Entry, Truth};
use super::faults::{Effect, Target};

impl Cluster {
    /// The API as a router: to be served over TCP, or called in memory.
    pub fn router(&self) -> Router {
        let ok = || get(|| async { "ok" });
        Router::new()
            .route("/healthz", ok())
            .route("/readyz", ok())
            .route("/livez", ok())
            .route("/version", get(discovery::version))
            .route("/api", get(discovery::api_versions))
            .route("/apis", get(discovery::api_groups))
            .route("/metrics", get(series::metrics))
            .fallback(api)
            .with_state(self.clone())
            .layer(axum::middleware::from_fn_with_state(self.clone(), date))
    }

    /// A client that calls the API in memory, without a socket.
    pub fn client(&self) -> kube::Client {
        self.client_as("nodefall")
    }

    /// The same with a `User-Agent` of its own, by which the audit log and faults tell it apart.
    pub fn client_as(&self, user_agent: &str) -> kube::Client {
        kube::Client::new(self.service(user_agent), "default")
    }

    /// What is behind such a client: one request, one answer, or a connection that died.
    pub fn service(
        &self,
        user_agent: &str,
    ) -> impl Service<
        Request<kube::client::Body>,
        Response = Response,
        Error = std::io::Error,
        Future: Send,
    > + Clone
    + Send
    + use<> {
        let router = self.router();
        let agent: Arc<str> = user_agent.into();
        service_fn(move |request: Request<kube::client::Body>| {
            let (router, agent) = (router.clone(), agent.clone());
            async move {
                let mut request = request.map(Body::new);
                if let Ok(agent) = HeaderValue::from_str(&agent) {
                    request.headers_mut().insert(header::USER_AGENT, agent);
                }
                let response = match router.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                match response.extensions().get::<Reset>() {
                    Some(Reset) => Err(body::reset_error()),
                    None => Ok(response),
                }
            }
        })
    }
}

/// Stamps the cluster's time on every answer, and writes the audit log of nothing else.
async fn date(
    State(cluster): State<Cluster>,
    request: Request<Body>,
    next: axum::middleware::Next,
) -> Response {
    let mut response = next.run(request).await;
    let now = response
        .extensions()
        .get::<Effected>()
        .map_or_else(|| cluster.now(), |at| at.0);
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// When the request took effect: an answer that travels long carries an old date.
#[derive(Clone)]
struct Effected(Timestamp);

fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

async fn api(
    State(cluster): State<Cluster>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(call) = Call::read(&method, &uri, &headers, body) else {
        return discovery::elsewhere(&method, uri.path());
    };
    let mut effects = {
        let mut state = cluster.lock();
        let now = state.world.now;
        let target = Target {
            verb: call.verb,
            resource: call.plural,
            name: &call.name,
            user_agent: &call.user_agent,
        };
        state.faults.meet(&target, now)
    };
    let mut travel = Duration::ZERO;
    for effect in &effects {
        if let Effect::Latency { before, after } = effect {
            tokio::time::sleep(*before).await;
            travel += *after;
        }
    }
    effects.retain(|effect| !matches!(effect, Effect::Latency { .. }));
    let effect = effects.pop();
    if let Some(response) = instead(&cluster, &call, effect.as_ref()).await {
        return response;
    }
    let (mut response, at) = perform(&cluster, &call);
    response.extensions_mut().insert(Effected(at));
    if !travel.is_zero() {
        tokio::time::sleep(travel).await;
    }
    match effect {
        Some(Effect::HangAfter) => std::future::pending().await,
        Some(Effect::ResetAfter) => body::reset(),
        Some(Effect::Truncate) => body::truncate(response).await,
        _ => response,
    }
}

/// What happens in place of the request, if a fault keeps it from taking effect.
async fn instead(cluster: &Cluster, call: &Call, effect: Option<&Effect>) -> Option<Response> {
    let response = match effect? {
        Effect::Status { code, retry_after } => {
            Failure::injected(*code, *retry_after, call).into_response()
        }
        Effect::Body(text) => json_response(StatusCode::OK, text.clone().into_bytes()),
        Effect::Reset => body::reset(),
        Effect::Hang => Response::default(),
        _ => return None,
    };
    {
        let mut state = cluster.lock();
        let entry = entry(&state.world, call, 0);
        state.world.record(entry);
    }
    if effect == Some(&Effect::Hang) {
        std::future::pending::<()>().await;
    }
    Some(response)
}

/// The request itself: one step under the lock, noted in the audit log.
fn perform(cluster: &Cluster, call: &Call) -> (Response, Timestamp) {
    let mut state = cluster.lock();
    let at = state.world.now;
    let mut entry = entry(&state.world, call, 0);
    let answer = if !state.access.allows(call.verb, &call.full_resource()) {
        Err(Failure::forbidden(call))
    } else if call.verb == "watch" {
        watch::start(cluster, &state.world, call)
    } else {
        objects::serve(&mut state, call)
    };
    let response = answer.unwrap_or_else(Failure::into_response);
    entry.status = response.status().as_u16();
    let wrote = entry.is_write();
    state.world.record(entry);
    drop(state);
    if wrote {
        cluster.wake();
    }
    (response, at)
}

fn entry(world: &super::world::World, call: &Call, status: u16) -> Entry {
    let about_pod =
        call.resource == Resource::Pods && !matches!(call.verb, "get" | "list" | "watch");
    let pod = about_pod.then(|| world.pods.get(&call.key())).flatten();
    Entry {
        at: world.now,
        verb: call.verb,
        resource: call.full_resource(),
        namespace: call.namespace.clone().unwrap_or_default(),
        name: call.name.clone(),
        status,
        own: false,
        user_agent: call.user_agent.clone(),
        dry_run: call.dry_run() || options::deletion_of(call).is_ok_and(|asked| asked.dry_run),
        truth: pod.map(|pod| Truth::of(world, pod, options::wanted_uid(call))),
    }
}

/// A JSON answer.
fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
