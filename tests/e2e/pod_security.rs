//! The shipped Deployment's pod where the Restricted Pod Security Standard is enforced.

use crate::bed::{Scenario, Scene};
use http::Method;
use nodefall_testbed::workload::{NAMESPACE, SCENARIO};
use serde_json::{Value, json};

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "a namespace with Restricted Pod Security takes the shipped pod, and nothing less",
    restricted,
)];

fn restricted(scene: &mut Scene) {
    let client = &scene.cluster.client;
    let labels = json!({SCENARIO: "", "pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"name": "restricted", "labels": labels}});
    client.create("/api/v1/namespaces", &namespace);
    let deployment = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/nodefall");
    let deployment = client.get(&deployment).expect("the shipped Deployment");
    let mut pod = deployment["spec"]["template"].clone();
    pod["metadata"]["name"] = json!("nodefall");
    let tries = |pod: &Value| {
        let path = "/api/v1/namespaces/restricted/pods?dryRun=All";
        let headers = [("content-type", "application/json")];
        let answer = client.send(&Method::POST, path, &headers, pod);
        answer.expect("an answer")
    };
    let answer = tries(&pod);
    assert_eq!(answer.status, 201, "{answer:?}");
    for (field, what) in [
        ("/spec/securityContext", "runAsNonRoot"),
        ("/spec/securityContext", "seccompProfile"),
        (
            "/spec/containers/0/securityContext",
            "allowPrivilegeEscalation",
        ),
        ("/spec/containers/0/securityContext", "capabilities"),
    ] {
        let mut less = pod.clone();
        let context = less.pointer_mut(field).and_then(Value::as_object_mut);
        context.expect("a context").remove(what).expect("a field");
        let answer = tries(&less);
        let why = answer.body["message"].as_str().unwrap_or_default();
        let is_refused = answer.status == 403 && why.contains("violates PodSecurity");
        assert!(is_refused && why.contains(what), "{what}: {answer:?}");
    }
}
