//! What Nodefall's ServiceAccount may do: the Roles, and the components that narrow them. That the
//! Roles grant what the calls need, and no more, is tested where the calls are (`src/act/access.rs`); what
//! the policy refuses, on a real API server (`tests/e2e/policy.rs`).

use super::manifests::{applied, pod};
use super::*;

const POLICY: &str = "manifests/components/admission-policy/policy.yaml";
const EXACT: &str = "manifests/components/exact-names/kustomization.yaml";

/// Every right, as `namespace: group/resource verb`: none is wider than it reads, and none is there
/// twice.
#[test]
fn rights_are_plain() {
    let mut rights = BTreeSet::new();
    for role in applied() {
        if !matches!(text(&role["kind"]), "Role" | "ClusterRole") {
            continue;
        }
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or("*");
        for rule in array(&role["rules"]) {
            assert_eq!(
                rule.as_object().map(serde_json::Map::len),
                Some(3),
                "{rule}"
            );
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        let right = format!("{group}/{resource} {verb}");
                        assert!(!right.contains('*'), "{right}");
                        assert!(rights.insert(format!("{namespace}: {right}")), "{right}");
                    }
                }
            }
        }
    }
    // Outside the namespaces of its pods it reads, and writes Events.
    let outside: Vec<_> = rights
        .iter()
        .filter(|right| !right.starts_with("monitoring: "))
        .collect();
    assert_eq!(
        outside,
        [
            "*: /nodes get",
            "*: /nodes list",
            "default: events.k8s.io/events create",
            "kube-node-lease: coordination.k8s.io/leases get",
        ]
    );
}

/// The names of the policy, in CEL as in JSON but for the quotes.
fn named() -> Value {
    let variable = &documents(POLICY)[0]["spec"]["variables"][0];
    // Where the overlay that the component shows replaces it.
    assert_eq!(variable["name"], "named");
    let names = text(&variable["expression"]).replace('\'', "\"");
    serde_json::from_str(&names).expect("names")
}

#[test]
fn the_policy_names_the_pods_that_the_deployment_recovers() {
    let pod = pod();
    let arguments = texts(&pod["containers"][0]["args"]);
    let value = |name: &str| {
        let mut found = arguments.iter().filter_map(|arg| arg.strip_prefix(name));
        found.next().expect("an argument")
    };
    let names = [value("--prometheus-name="), value("--alertmanager-name=")];
    assert_eq!(named(), json!({value("--namespace="): names}));
}

#[test]
fn the_policy_binds_the_service_account_alone_and_fails_closed() {
    let [policy, binding] = &documents(POLICY)[..] else {
        panic!("a policy and its binding");
    };
    let spec = &policy["spec"];
    let conditions = array(&spec["matchConditions"]);
    assert_eq!(conditions.len(), 1);
    assert_eq!(
        conditions[0]["expression"],
        "request.userInfo.username == 'system:serviceaccount:monitoring:nodefall'"
    );
    assert_eq!(spec["failurePolicy"], "Fail");
    // A parameter that is missing would refuse everything to everybody.
    assert!(spec["paramKind"].is_null() && binding["spec"]["paramRef"].is_null());
    assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    assert_eq!(text(&binding["spec"]["validationActions"][0]), "Deny");
    let mut told = BTreeSet::new();
    for check in array(&spec["validations"]) {
        assert_eq!(check["reason"], "Forbidden");
        assert!(told.insert(text(&check["message"])), "{check}");
    }
}

/// The Role that is left is the shipped one, with deletions and patches by name.
#[test]
fn exact_names_narrow_the_shipped_role() {
    let patch = &yaml(EXACT)["patches"][0];
    assert_eq!(
        patch["target"],
        json!({"kind": "Role", "name": "nodefall", "namespace": "monitoring"})
    );
    let steps: Value = serde_saphyr::from_str(text(&patch["patch"])).expect("YAML");
    let [test, replace, add] = array(&steps) else {
        panic!("three steps");
    };
    let mut verbs = texts(&replace["value"]);
    verbs.extend(texts(&add["value"]["verbs"]));
    assert_eq!(verbs, texts(&test["value"]));
    let objects = applied();
    let mut roles = objects.iter().filter(|object| {
        object["kind"] == "Role" && object["metadata"]["namespace"] == "monitoring"
    });
    let rule = &roles.next().expect("the Role")["rules"][0];
    assert_eq!(rule["verbs"], test["value"]);
    for key in ["apiGroups", "resources"] {
        assert_eq!(add["value"][key], rule[key]);
    }
    // Each replica of each StatefulSet that the policy names, too.
    let sets = documents("tests/cluster/workloads.yaml");
    let named = named();
    let mut pods = Vec::new();
    for name in texts(&named["monitoring"]) {
        let mut found = sets.iter().filter(|set| set["metadata"]["name"] == name);
        let replicas = found.next().expect("a StatefulSet")["spec"]["replicas"].as_u64();
        pods.extend((0..replicas.expect("a number")).map(|n| format!("{name}-{n}")));
    }
    assert_eq!(texts(&add["value"]["resourceNames"]), pods);
}
