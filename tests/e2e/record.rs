//! What must be true of every destructive call of the whole run, by the API server's audit log.

use crate::bed::{Scenario, Scene};
use jiff::Timestamp;
use nodefall_testbed::audit::Call;
use nodefall_testbed::workload::{condition, is_tainted};
use serde_json::{Value, json};
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "each deletion and patch of this run rests on what was read less than 3 s before",
    record,
)];

/// The longest from the reads of the Node and its Lease to the call that they allow.
const AGE: Duration = Duration::from_secs(3);

/// The same for the list of nodes.
const FLEET_AGE: Duration = Duration::from_secs(10);

fn record(scene: &mut Scene) {
    let calls = scene.record();
    let destructive: Vec<_> = calls.iter().filter(|call| call.is_destructive()).collect();
    for call in &destructive {
        assert_eq!(call.resource, "pods", "{call:?}");
        assert_eq!(call.namespace, "monitoring", "{call:?}");
        assert!(call.bound_to().is_some(), "bound to no UID: {call:?}");
        match call.verb.as_str() {
            "delete" => assert_eq!(call.request["gracePeriodSeconds"], 0, "{call:?}"),
            "patch" => {
                let patch = json!({"metadata": {"uid": call.bound_to(), "finalizers": null}});
                assert_eq!(call.request, patch, "{call:?}");
            }
            verb => panic!("{verb}: {call:?}"),
        }
        proven(&calls, call);
    }
    let count = destructive.len();
    assert!(count > 40, "only {count} calls: was the whole run played?");
}

/// The last reads by the same process that were answered before the call was sent allow it.
pub fn proven(calls: &[Call], call: &Call) {
    let before: Vec<_> = calls
        .iter()
        .filter(|other| other.token == call.token && other.answered <= call.at)
        .collect();
    let last = |what: &str, matches: &dyn Fn(&Call) -> bool| {
        let reads = before.iter().filter(|read| matches(read));
        let last = reads.max_by_key(|read| read.at);
        *last.unwrap_or_else(|| panic!("{what} was not read before: {call:?}"))
    };
    let age = |read: &Call, bound: Duration| {
        let age = Duration::try_from(call.at.duration_since(read.at)).expect("it came before");
        assert!(age <= bound, "{age:?} after {read:?}: {call:?}");
    };
    let uid = call.bound_to().expect("a call that is bound to a UID");
    let pod = last("the pod", &|read| found(read, uid).is_some());
    let pod = found(pod, uid).expect("found before");
    may_be_touched(pod, call);
    let node = pod["spec"]["nodeName"]
        .as_str()
        .expect("a pod that is bound to a node");
    let named = |read: &Call, resource: &str| {
        read.verb == "get" && read.resource == resource && read.name == node
    };
    let seen = last("the Node", &|read| named(read, "nodes"));
    age(seen, AGE);
    match seen.code {
        200 => {
            assert_eq!(condition(&seen.response, "Ready"), "Unknown", "{call:?}");
            assert!(is_tainted(&seen.response), "{call:?}");
        }
        // The Node is deleted: PodGC was there first, and only finalizers are ours.
        404 => {
            assert_eq!(call.verb, "patch", "{call:?}");
            assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 0, "{call:?}");
        }
        code => panic!("the Node's read was answered {code}: {call:?}"),
    }
    let lease = last("the Lease", &|read| named(read, "leases"));
    age(lease, AGE);
    match lease.code {
        200 => is_silent(lease, call),
        code => assert_eq!((code, seen.code), (404, 404), "{call:?}"),
    }
    let fleet = last("the fleet", &|read| {
        read.verb == "list" && read.resource == "nodes" && read.code == 200
    });
    age(fleet, FLEET_AGE);
    let shown = row(&fleet.response, node);
    assert_eq!(shown.is_some(), seen.code == 200, "{shown:?}: {call:?}");
    // An older list may still show as Ready what the Node's own read does not.
    let ready = shown.is_some_and(|status| status.starts_with("Ready"));
    assert!(!ready || fleet.at < seen.at, "{call:?}");
}

/// The pod of that UID in an answer to a read.
fn found<'a>(read: &'a Call, uid: &str) -> Option<&'a Value> {
    if read.resource != "pods" || !matches!(&*read.verb, "get" | "list") {
        return None;
    }
    let listed = read.response["items"].as_array().map(Vec::as_slice);
    let pods = listed.unwrap_or(std::slice::from_ref(&read.response));
    pods.iter().find(|pod| pod["metadata"]["uid"] == uid)
}

/// As the process saw it last, it is none of those that are never touched.
fn may_be_touched(pod: &Value, call: &Call) {
    let meta = &pod["metadata"];
    let owners = meta["ownerReferences"].as_array();
    let controller = owners.and_then(|all| all.iter().find(|owner| owner["controller"] == true));
    let kind = controller.map(|owner| &owner["kind"]);
    let again = kind.is_some_and(|kind| kind == "StatefulSet" || kind == "ReplicaSet");
    assert!(again, "nobody would make it again: {call:?}");
    let annotations = &meta["annotations"];
    assert_ne!(
        annotations["nodefall.io/remediation"], "disabled",
        "{call:?}"
    );
    assert!(
        annotations["kubernetes.io/config.mirror"].is_null(),
        "{call:?}"
    );
    let terminating = !meta["deletionTimestamp"].is_null();
    assert!(terminating || condition(pod, "Ready") != "True", "{call:?}");
}

/// When it was read, the Lease had not been renewed for as long as it lasts.
fn is_silent(lease: &Call, call: &Call) {
    let spec = &lease.response["spec"];
    let renewed = spec["renewTime"]
        .as_str()
        .and_then(|time| time.parse().ok());
    let renewed: Timestamp = renewed.expect("a Lease that was renewed");
    let silent = lease.answered.duration_since(renewed).as_secs_f64();
    let lasts = spec["leaseDurationSeconds"]
        .as_f64()
        .expect("a Lease that ends");
    // The clock of an answer, its Date header, has whole seconds.
    assert!(silent > lasts - 1.0, "renewed {silent} s before: {call:?}");
}

/// The status that a Table of Nodes shows for a node.
fn row<'a>(table: &'a Value, node: &str) -> Option<&'a str> {
    let rows = table["rows"].as_array().expect("a Table with rows");
    let row = rows.iter().find(|row| row["cells"][0] == node)?;
    row["cells"][1].as_str()
}
