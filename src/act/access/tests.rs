use super::*;
use crate::act::{Clock, TokenReviews, Transport};
use crate::decide::{NodeName, Pod};
use crate::metrics::{Call, Metrics};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A right, as `namespace: group/resource verb`; `*` for the cluster's own.
type Rights = BTreeSet<String>;

fn right(namespace: Option<&str>, group: &str, resource: &str, verb: &str) -> String {
    format!("{}: {group}/{resource} {verb}", namespace.unwrap_or("*"))
}

/// The right that the API server's authorizer would ask for.
fn asked(method: &Method, path: &str) -> String {
    let mut parts = path.split('/').skip(1);
    let group = match parts.next() {
        Some("api") => "",
        Some("apis") => parts.next().expect("a group"),
        other => panic!("{other:?}: {path}"),
    };
    assert_eq!(parts.next(), Some("v1"), "{path}");
    let rest: Vec<_> = parts.collect();
    let (namespace, rest) = match &rest[..] {
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (resource, verb) = match (rest, method) {
        ([resource, _], &Method::GET) => (resource, "get"),
        ([resource], &Method::GET) => (resource, "list"),
        ([resource], &Method::POST) => (resource, "create"),
        ([resource, _], &Method::PATCH) => (resource, "patch"),
        ([resource, _], &Method::DELETE) => (resource, "delete"),
        _ => panic!("{method} {path}"),
    };
    right(namespace, group, resource, verb)
}

/// What each of the calls asks for that are made with these settings.
async fn called(settings: &Settings) -> Rights {
    let called = Arc::new(Mutex::new(Rights::new()));
    let log = called.clone();
    let service = axum::Router::new().fallback(move |method: Method, uri: http::Uri| {
        log.lock()
            .expect("a lock")
            .insert(asked(&method, uri.path()));
        std::future::ready("{}")
    });
    let client = kube::Client::new(service, "default");
    let api = Api::new(Transport::new(client, Metrics::new(), Clock::system()));
    let node = NodeName::parse("node-1").expect("a name");
    // Nothing is understood of the answers, and nothing has to be.
    let _ = api.node(&node).await;
    let _ = api.lease(&node).await;
    let _ = api.fleet().await;
    let _ = api.create_event("default", Vec::new()).await;
    for namespace in settings.namespaces() {
        let pod = json!({"metadata": {"namespace": namespace, "name": "p", "uid": "u"}});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let _ = api.pod(namespace, "p").await;
        let _ = api.pods(namespace, "", |_| true).await;
        let _ = api.delete_pod(&pod).await;
        let _ = api.clear_finalizers(&pod).await;
        let _ = api.stateful_set(namespace, "s").await;
        let _ = api.create_event(namespace, Vec::new()).await;
    }
    for right in needed(settings) {
        let _ = api.is_allowed(&right).await;
    }
    let _ = TokenReviews::new(api).review("t", "nodefall").await;
    let called = called.lock().expect("a lock").clone();
    let all: BTreeSet<_> = Call::ALL
        .iter()
        .map(|call| format!("{} {}", call.resource(), call.verb()))
        .collect();
    let made = called.iter().map(|right| right.rsplit_once('/'));
    let made: BTreeSet<_> = made
        .map(|right| right.expect("a right").1.to_owned())
        .collect();
    assert_eq!(made, all, "a call is not made here");
    called
}

/// What is asked for before the start, and warned of.
fn reviewed(settings: &Settings) -> Rights {
    let rights = needed(settings).into_iter().chain(wished(settings));
    rights
        .map(|r| right(r.namespace, r.group, r.resource, r.verb))
        .collect()
}

/// What the Roles in these shipped files grant.
fn granted(files: &[&str]) -> Rights {
    let mut granted = Rights::new();
    for file in files {
        let path = format!("{}/manifests/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a manifest");
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        for role in objects {
            let namespace = match role["kind"].as_str() {
                Some("ClusterRole") => None,
                // What names no namespace is applied to each whose pods are recovered.
                _ => role["metadata"]["namespace"]
                    .as_str()
                    .or(Some("monitoring")),
            };
            for rule in role["rules"].as_array().into_iter().flatten() {
                let [groups, resources, verbs] =
                    ["apiGroups", "resources", "verbs"].map(|key| strings(&rule[key]));
                for group in &groups {
                    for resource in &resources {
                        let new = verbs.iter().map(|v| right(namespace, group, resource, v));
                        granted.extend(new);
                    }
                }
            }
        }
    }
    granted
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("a string").to_owned())
        .collect()
}

#[tokio::test]
async fn the_calls_need_what_is_reviewed_and_the_shipped_roles_grant_just_that() {
    let settings = Settings::for_tests();
    let mut called = called(&settings).await;
    // Everybody may ask for his own rights.
    assert!(called.remove("*: authorization.k8s.io/selfsubjectaccessreviews create"));
    // Asked only where ServiceAccounts may call.
    let reviews = "*: authentication.k8s.io/tokenreviews create";
    assert!(called.remove(reviews));
    let for_them = granted(&["components/web-auth/rbac.yaml"]);
    assert_eq!(for_them, [reviews.to_owned()].into());
    assert_eq!(called, reviewed(&settings));
    assert_eq!(called, granted(&["rbac.yaml", "namespace/rbac.yaml"]));
}
