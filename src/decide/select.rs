//! Which pods of a node may be touched.

use super::judge::Verdict;
use super::labels::{Hold, Skip, Trigger};
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

/// What is to be done with a named pod on which nothing was done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Delete it.
    Delete,
    /// Somebody else deleted it with grace 0; what is left is to wait and to clear its finalizers.
    Clear,
    /// Not now.
    Hold(Hold, String),
    /// Leave it alone; what may pass is looked at again.
    Skip(Skip),
}

/// Chooses for one pod of a node that the verdict takes for gone. `evicted` says whether a node
/// without an alert has been Unknown for as long as the operator asked (`--unreachable-for`).
pub fn choose(pod: &Pod, verdict: &Verdict, trigger: Trigger, evicted: bool) -> Choice {
    if let Some(skip) = skip(pod) {
        return Choice::Skip(skip);
    }
    match verdict {
        Verdict::Hold(hold, why) => Choice::Hold(*hold, why.clone()),
        // Deleted by force already, and again would change nothing.
        Verdict::Gone { .. } | Verdict::Removed if pod.is_orphan() => Choice::Clear,
        Verdict::Removed => {
            let why = format!("the Node is gone; PodGC has not deleted {} yet", pod.path());
            Choice::Hold(Hold::UnknownNode, why)
        }
        Verdict::Gone { .. } if trigger == Trigger::Alert || evicted || pod.is_terminating() => {
            Choice::Delete
        }
        Verdict::Gone { .. } => {
            let why = format!("Kubernetes has not evicted {} yet", pod.path());
            Choice::Hold(Hold::NotEvicted, why)
        }
    }
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
        let cases: [(Option<Skip>, Change); 16] = [
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
            // What contradicts itself is left alone.
            (Some(Skip::Ready), |p| {
                let ready = json!({"type": "Ready", "status": "True"});
                let conditions = p["status"]["conditions"].as_array_mut();
                conditions.expect("conditions").push(ready);
            }),
            (Some(Skip::NoController), |p| {
                p["metadata"]["ownerReferences"][0]["controller"] = json!(true);
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

    #[test]
    fn without_an_alert_kubernetes_must_have_given_the_pod_up() {
        let gone = Verdict::Gone {
            since: None,
            why: String::new(),
        };
        let running = pod(|_| {});
        let terminating =
            pod(|p| p["metadata"]["deletionTimestamp"] = json!("2026-11-01T00:00:00Z"));
        let choose = |pod: &Pod, trigger, evicted| choose(pod, &gone, trigger, evicted);
        assert_eq!(choose(&running, Trigger::Alert, false), Choice::Delete);
        assert_eq!(choose(&running, Trigger::Sweep, true), Choice::Delete);
        assert_eq!(choose(&terminating, Trigger::Sweep, false), Choice::Delete);
        let held = choose(&running, Trigger::Sweep, false);
        assert!(
            matches!(held, Choice::Hold(Hold::NotEvicted, _)),
            "{held:?}"
        );
    }

    #[test]
    fn what_was_deleted_by_force_is_only_cleared_and_of_a_removed_node_nothing_else() {
        let orphan = |grace: i64, finalizers: Value| {
            pod(|p| {
                p["metadata"]["deletionTimestamp"] = json!("2026-11-01T00:00:00Z");
                p["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
                p["metadata"]["finalizers"] = finalizers;
            })
        };
        let gone = Verdict::Gone {
            since: None,
            why: String::new(),
        };
        let forced = orphan(0, json!(["f"]));
        assert_eq!(choose(&forced, &gone, Trigger::Sweep, false), Choice::Clear);
        let choose = |pod: &Pod| choose(pod, &Verdict::Removed, Trigger::Alert, true);
        assert_eq!(choose(&forced), Choice::Clear);
        for pod in [orphan(30, json!(["f"])), orphan(0, json!([])), pod(|_| {})] {
            let held = choose(&pod);
            assert!(
                matches!(held, Choice::Hold(Hold::UnknownNode, _)),
                "{held:?}"
            );
        }
    }

    #[test]
    fn a_hold_and_an_exclusion_stand_before_everything() {
        let held = Verdict::Hold(Hold::StormGuard, "why".to_owned());
        let choice = choose(&pod(|_| {}), &held, Trigger::Alert, true);
        assert_eq!(choice, Choice::Hold(Hold::StormGuard, "why".to_owned()));
        let mirror = pod(|p| p["metadata"]["annotations"] = json!({MIRROR: "hash"}));
        let choice = choose(&mirror, &Verdict::Removed, Trigger::Alert, true);
        assert_eq!(choice, Choice::Skip(Skip::Mirror));
    }
}
