//! The shipped Roles, right by right.

use crate::bed::{Scenario, Scene};
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
                    missed(scene, &format!("{verb} {resource}"), namespace);
                }
            }
        }
        let rules = json!({"rules": shipped["rules"]});
        scene.cluster.client.merge(&path, &rules);
    }
}

/// Nodefall says that this right is missing; it is ready only if it could still judge.
fn missed(scene: &Scene, right: &str, namespace: &str) {
    let kubeconfig = scene
        .cluster
        .kubeconfig(&scene.scratch, "missed.kubeconfig");
    let receiver = Receiver::start(
        crate::bed::NODEFALL,
        &scene.scratch,
        "missed",
        &kubeconfig,
        &["--period=0"],
    );
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in {namespace}"),
    };
    let words = format!("{right}{place}");
    eventually(
        &format!("the log says that {words} is missing"),
        PATIENCE,
        || {
            let log = receiver.process.log();
            let line = log
                .lines()
                .find(|line| line.contains("\"WARN\"") && line.contains(&words))?;
            Some(line.to_owned())
        },
    );
    let looks = right.starts_with("get nodes")
        || right.starts_with("list")
        || right.starts_with("get leases")
        || right.starts_with("get pods");
    if looks {
        let answer = receiver.get("/-/ready");
        assert_eq!(answer.status, 503, "{right}: {answer:?}");
        assert!(answer.body.contains(right), "{right}: {answer:?}");
    }
}

/// What was asked in the whole run is just what is granted. Also what was answered 403 counts: an API
/// server that has just started refuses everything until it has read the Roles.
fn too_many(scene: &mut Scene) {
    let mut used = BTreeSet::<Right>::new();
    for call in scene.record() {
        // This every account may ask.
        if call.resource == "selfsubjectaccessreviews" {
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
    assert_eq!(used, granted);
}
