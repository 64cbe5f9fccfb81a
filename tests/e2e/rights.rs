//! The shipped Roles, right by right.

use crate::bed::{NODEFALL, Scenario, Scene};
use http::Method;
use nodefall_testbed::access::config;
use nodefall_testbed::client::{Client, MERGE};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::receiver::Receiver;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("one right too few is missed, and said", too_few),
    (
        "one right more than shipped is asked for by nothing",
        too_many,
    ),
];

/// Verb, group, resource and namespace (empty: the cluster's own).
type Right = (String, String, String, String);

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Where the shipped Roles are.
const ROLES: [(&str, &str); 4] = [
    ("", "clusterroles/nodefall"),
    ("kube-node-lease", "roles/nodefall-leases"),
    ("default", "roles/nodefall-events"),
    ("monitoring", "roles/nodefall"),
];

fn path(namespace: &str, role: &str) -> String {
    match namespace {
        "" => format!("{RBAC}/{role}"),
        namespace => format!("{RBAC}/namespaces/{namespace}/{role}"),
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn too_few(scene: &mut Scene) {
    for (namespace, role) in ROLES {
        let path = path(namespace, role);
        let shipped = scene.cluster.client.get(&path).expect("a shipped Role");
        let _restored = Restored {
            client: &scene.cluster.client,
            path: &path,
            rules: json!({"rules": shipped["rules"]}),
        };
        for (n, rule) in shipped["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            for verb in strings(&rule["verbs"]) {
                let mut rules = shipped["rules"].clone();
                let mut left = strings(&rule["verbs"]);
                left.retain(|other| *other != verb);
                rules[n]["verbs"] = json!(left);
                if left.is_empty() {
                    rules.as_array_mut().expect("rules").remove(n);
                }
                scene.cluster.client.merge(&path, &json!({"rules": rules}));
                for resource in strings(&rule["resources"]) {
                    missed(scene, (&verb, &rule["apiGroups"][0], &resource), namespace);
                }
            }
        }
    }
}

/// Puts a Role's rules back, also when the scenario fails.
struct Restored<'a> {
    client: &'a Client,
    path: &'a str,
    rules: Value,
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        let headers = [("content-type", MERGE)];
        let _ = self
            .client
            .send(&Method::PATCH, self.path, &headers, &self.rules);
    }
}

/// Nodefall says that this right is missing; it is ready only if it could still judge.
fn missed(scene: &Scene, right: (&str, &Value, &str), namespace: &str) {
    let (verb, group, resource) = right;
    let kubeconfig = scene
        .cluster
        .kubeconfig(&scene.scratch, "missed.kubeconfig");
    // The API server takes a moment to learn of it.
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "namespace": namespace,
        }},
    });
    let itself = Client::new(config(&kubeconfig));
    eventually("the right is gone", PATIENCE, || {
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        (itself.create(path, &review)["status"]["allowed"] == false).then_some(())
    });
    let options = ["--period=0"];
    let receiver = Receiver::start(NODEFALL, &scene.scratch, "missed", &kubeconfig, &options);
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in {namespace}"),
    };
    let words = format!("{verb} {resource}{place}");
    eventually(
        &format!("the log says that {words} is missing"),
        PATIENCE,
        || {
            let log = receiver.process.log();
            let mut lines = log.lines();
            lines
                .find(|line| line.contains("\"WARN\"") && line.contains(&words))
                .map(|_| ())
        },
    );
    let looks = matches!(
        (verb, resource),
        ("get" | "list", "nodes" | "pods") | ("get", "leases")
    );
    if !looks {
        assert!(receiver.metric("nodefall_missing_rights") >= 1.0, "{words}");
    }
    let status = if looks { 503 } else { 200 };
    eventually(&format!("without {words}: {status}"), PATIENCE, || {
        let answer = receiver.get("/-/ready");
        let says = answer.body.contains(&words) || !looks;
        (answer.status == status && says).then_some(())
    });
}

/// What was asked in the whole run is just what is granted. Also what was answered 403 counts: an API
/// server that has just started refuses everything until it has read the Roles.
fn too_many(scene: &mut Scene) {
    let mut used = BTreeSet::<Right>::new();
    for call in scene.record() {
        // The one every account may ask; the other's right comes with a component of its own.
        if matches!(&*call.resource, "selfsubjectaccessreviews" | "tokenreviews") {
            continue;
        }
        used.insert((call.verb, call.group, call.resource, call.namespace));
    }
    let mut granted = BTreeSet::new();
    for (namespace, role) in ROLES {
        let role = scene
            .cluster
            .client
            .get(&path(namespace, role))
            .expect("a shipped Role");
        for rule in role["rules"].as_array().into_iter().flatten() {
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    for verb in strings(&rule["verbs"]) {
                        granted.insert((
                            verb,
                            group.clone(),
                            resource.clone(),
                            namespace.to_owned(),
                        ));
                    }
                }
            }
        }
    }
    assert_eq!(used, granted, "was the whole run played?");
}
