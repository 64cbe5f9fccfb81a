//! Which pods of a node may be touched.

use super::labels::Skip;
use super::names::Selector;
use super::objects::Pod;

/// The annotation by which a pod opts out, and its value.
const OPT_OUT: (&str, &str) = ("nodefall.io/remediation", "disabled");

/// The kubelet's mark on the mirror of a static pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// True when the operator named that pod.
pub fn is_named(pod: &Pod, selectors: &[Selector]) -> bool {
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    selectors
        .iter()
        .any(|s| s.selects(namespace, name, pod.owner_in_apps()))
}

/// Says why a named pod may not be touched, if so.
pub fn skip(pod: &Pod) -> Option<Skip> {
    let annotations = &pod.metadata.annotations;
    if annotations.contains_key(MIRROR) {
        return Some(Skip::Mirror);
    }
    if annotations
        .get(OPT_OUT.0)
        .is_some_and(|value| value == OPT_OUT.1)
    {
        return Some(Skip::OptedOut);
    }
    match pod.controller() {
        None => return Some(Skip::NoController),
        Some(owner) if owner.is_apps("DaemonSet") => return Some(Skip::DaemonSet),
        Some(owner) if owner.is_apps("StatefulSet") || owner.is_apps("ReplicaSet") => {}
        Some(_) => return Some(Skip::OtherController),
    }
    (pod.is_ready() && !pod.is_terminating()).then_some(Skip::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(change: impl FnOnce(&mut Value)) -> Pod {
        let mut pod = json!({
            "metadata": {
                "name": "prometheus-k8s-0", "namespace": "monitoring", "uid": "u1",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Other", "name": "x"},
                    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "prometheus-k8s",
                     "controller": true},
                ],
            },
            "spec": {"nodeName": "n1"},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]},
        });
        change(&mut pod);
        serde_json::from_value(pod).expect("a pod")
    }

    fn owner(api_version: &str, kind: &str) -> Value {
        json!([{"apiVersion": api_version, "kind": kind, "name": "prometheus-k8s", "controller": true}])
    }

    #[test]
    fn each_exclusion_has_its_reason() {
        type Change = fn(&mut Value);
        let cases: [(Option<Skip>, Change); 14] = [
            (None, |_| {}),
            (None, |p| {
                p["metadata"]["ownerReferences"] = owner("apps/v1", "ReplicaSet")
            }),
            (Some(Skip::Mirror), |p| {
                p["metadata"]["annotations"] = json!({MIRROR: "hash"})
            }),
            (Some(Skip::OptedOut), |p| {
                p["metadata"]["annotations"] = json!({OPT_OUT.0: "disabled"})
            }),
            (None, |p| {
                p["metadata"]["annotations"] = json!({OPT_OUT.0: "enabled"})
            }),
            (Some(Skip::DaemonSet), |p| {
                p["metadata"]["ownerReferences"] = owner("apps/v1", "DaemonSet")
            }),
            (Some(Skip::NoController), |p| {
                p["metadata"]["ownerReferences"] = Value::Null
            }),
            (Some(Skip::NoController), |p| {
                p["metadata"]["ownerReferences"][1]["controller"] = json!(false);
            }),
            (Some(Skip::OtherController), |p| {
                p["metadata"]["ownerReferences"] = owner("batch/v1", "Job")
            }),
            (Some(Skip::OtherController), |p| {
                p["metadata"]["ownerReferences"] = owner("apps.kruise.io/v1", "StatefulSet");
            }),
            (Some(Skip::Ready), |p| {
                p["status"]["conditions"][0]["status"] = json!("True")
            }),
            (None, |p| {
                p["status"]["conditions"][0]["status"] = json!("True");
                p["metadata"]["deletionTimestamp"] = json!("2026-11-01T00:00:00Z");
            }),
            (None, |p| p["status"] = Value::Null),
            (None, |p| {
                p["status"]["conditions"][0]["status"] = json!("Unknown")
            }),
        ];
        for (n, (expected, change)) in cases.into_iter().enumerate() {
            assert_eq!(skip(&pod(change)), expected, "case {n}");
        }
    }

    #[test]
    fn only_a_direct_controller_in_apps_gives_its_name() {
        let by_owner = [Selector::parse("monitoring", "prometheus-k8s").expect("a selector")];
        assert!(is_named(&pod(|_| {}), &by_owner));
        assert!(is_named(
            &pod(|p| p["metadata"]["ownerReferences"] = owner("apps/v1", "DaemonSet")),
            &by_owner
        ));
        for change in [
            |p: &mut Value| p["metadata"]["ownerReferences"] = owner("batch/v1", "Job"),
            |p: &mut Value| p["metadata"]["ownerReferences"][1]["controller"] = json!(false),
            |p: &mut Value| p["metadata"]["namespace"] = json!("other"),
        ] {
            assert!(!is_named(&pod(change), &by_owner));
        }
    }
}
