//! Alertmanager's own token, as the real API server knows it.

use crate::bed::{Scenario, Scene};
use http::Method;
use nodefall_testbed::access::config;
use nodefall_testbed::client::Client;
use nodefall_testbed::control_plane::Part;
use nodefall_testbed::http as plain;
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::tools::repository;
use nodefall_testbed::workload::NAMESPACE;
use serde_json::{Value, json};
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "only Alertmanager's ServiceAccount may post, with a token that is worth nothing elsewhere",
    service_accounts,
)];

/// What `components/web-auth` asks for, without its TLS.
const CONFIG: &str = "nodefall: {webhook: {service_accounts: \
    {audience: nodefall, allowed: [monitoring/alertmanager-main]}}}";

/// What the scenario makes, gone when it ends.
struct Made<'a> {
    scene: &'a Scene<'a>,
    rbac: String,
}

impl Made<'_> {
    fn account(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name}});
        self.scene.cluster.client.create(&path, &account);
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let admin = &self.scene.cluster.plane.access.admin;
        let accounts =
            ["alertmanager-main", "somebody"].map(|name| format!("serviceaccount/{name}"));
        let delete = [
            "delete",
            "--ignore-not-found",
            "-n",
            NAMESPACE,
            &accounts[0],
            &accounts[1],
        ];
        self.scene.cluster.try_kubectl(admin, &delete);
        let delete = ["delete", "--ignore-not-found", "-f", &self.rbac];
        self.scene.cluster.try_kubectl(admin, &delete);
    }
}

/// A token of a ServiceAccount, for that audience or for the API server's own.
fn token(scene: &Scene, account: &str, audience: Option<&str>) -> String {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
    let audiences: Vec<_> = audience.into_iter().collect();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600, "audiences": audiences}});
    let made = scene.cluster.client.create(&path, &request);
    let token = made["status"]["token"].as_str().expect("a token");
    token.to_owned()
}

/// The answer to an alert that bears this token.
fn post(receiver: &Receiver, token: &str) -> plain::Answer {
    let body = plain::notification("firing", "no-such-node");
    let request = format!(
        "POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let patience = Duration::from_secs(20);
    plain::exchange(receiver.address, request.as_bytes(), patience).expect("an answer")
}

/// Whether the API server itself knows the bearer of a token.
fn is_known(scene: &Scene, token: &str) -> bool {
    let text = scene.cluster.plane.access.kubeconfig(token);
    let itself = Client::new(config(&scene.scratch.write("bearer.kubeconfig", &text)));
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let headers = [("content-type", "application/json")];
    let answer = itself.send(&Method::POST, path, &headers, &review);
    let answer = answer.expect("an answer");
    assert!(matches!(answer.status, 201 | 401), "{answer:?}");
    answer.status == 201
}

fn service_accounts(scene: &mut Scene) {
    let rbac = repository("manifests/components/web-auth/rbac.yaml");
    let rbac = rbac.display().to_string();
    let web = scene.scratch.write("web.yml", CONFIG);
    let option = format!("--web.config.file={}", web.display());
    let receiver = scene.receiver("nothing", &["--period=0", &option]);
    let made = Made { scene, rbac };
    made.account("alertmanager-main");
    made.account("somebody");
    let ours = token(scene, "alertmanager-main", Some("nodefall"));
    // Without the component's right it says so, and Alertmanager would try again.
    let answer = post(&receiver, &ours);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("tokenreviews"), "{answer:?}");
    scene.cluster.kubectl(&["apply", "-f", &made.rbac]);
    eventually("Alertmanager is let in", PATIENCE, || {
        (post(&receiver, &ours).status == 202).then_some(())
    });
    // Of the API server's own audience it would be worth something to whoever saw it.
    let default = token(scene, "alertmanager-main", None);
    let other_audience = token(scene, "alertmanager-main", Some("elsewhere"));
    let somebody = token(scene, "somebody", Some("nodefall"));
    for (token, code) in [(&default, 401), (&other_audience, 401), (&somebody, 403)] {
        let answer = post(&receiver, token);
        assert_eq!(answer.status, code, "{answer:?}");
    }
    assert_eq!(post(&receiver, "made.up.token").status, 401);
    assert!(
        !is_known(scene, &ours),
        "ours is worth something at the API server"
    );
    assert!(is_known(scene, &default));
    // Pages ask for nothing here.
    assert_eq!(receiver.get("/metrics").status, 200);
    let unseen = token(scene, "alertmanager-main", Some("nodefall"));
    drop(made);
    while_it_is_away(scene, &receiver, &ours, &unseen);
    let log = receiver.process.log();
    assert!(
        ![&ours, &default, &unseen]
            .iter()
            .any(|token| log.contains(token.as_str()))
    );
    let asked = scene.asked();
    let asked = asked
        .iter()
        .filter(|call| call.resource == "tokenreviews" && call.code == 201);
    let bodies: Vec<&Value> = asked
        .map(|call| &call.request["spec"]["audiences"])
        .collect();
    assert!(
        bodies.len() >= 4 && bodies.iter().all(|named| **named == json!(["nodefall"])),
        "{bodies:?}"
    );
}

fn while_it_is_away(scene: &mut Scene, receiver: &Receiver, known: &str, unseen: &str) {
    scene.cluster.plane.kill(Part::ApiServer);
    let answer = post(receiver, known);
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = post(receiver, unseen);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(receiver.get("/-/healthy").status, 200);
    let series = r#"nodefall_auth_failures_total{reason="unavailable"}"#;
    assert!(receiver.metric(series) >= 2.0);
    scene.cluster.plane.begin(Part::ApiServer);
    scene.cluster.answers();
    // As after any outage: it may be half a minute late otherwise.
    scene.cluster.plane.kill(Part::Scheduler);
    scene.cluster.plane.begin(Part::Scheduler);
}
