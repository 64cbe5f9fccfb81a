//! What must be true of every destructive call of the whole run, by the API server's audit log.

use crate::bed::{Scenario, Scene};
use jiff::Timestamp;
use nodefall_testbed::audit::Call;
use nodefall_testbed::workload::{condition, is_tainted};
use serde_json::Value;
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "each deletion and patch of this run rests on what was read less than 3 s before",
    record,
)];

/// The longest from sending the reads to the call that they allow.
const AGE: Duration = Duration::from_secs(3);

fn record(scene: &mut Scene) {
    let calls = scene.record();
    let destructive: Vec<_> = calls.iter().filter(|call| call.is_destructive()).collect();
    for call in &destructive {
        assert_eq!(call.namespace, "monitoring", "{call:?}");
        assert!(call.bound_to().is_some(), "bound to no UID: {call:?}");
        if call.verb == "delete" {
            assert_eq!(call.request["gracePeriodSeconds"], 0, "{call:?}");
        } else {
            let keys = call.request["metadata"]
                .as_object()
                .map(|meta| meta.keys().cloned().collect());
            assert_eq!(
                keys,
                Some(vec!["finalizers".to_owned(), "uid".to_owned()]),
                "{call:?}"
            );
        }
        proven(&calls, call);
    }
    let count = destructive.len();
    assert!(count > 40, "only {count} calls: was the whole run played?");
}

/// The last reads of the node by the same process, before the call was sent, allow it.
fn proven(calls: &[Call], call: &Call) {
    let node = node_of(calls, call);
    let last = |what: &dyn Fn(&Call) -> bool| {
        let mine =
            |other: &&Call| other.token == call.token && other.answered <= call.at && what(other);
        calls.iter().filter(mine).max_by_key(|other| other.at)
    };
    let read = |resource: &'static str| {
        let node = node.clone();
        move |other: &Call| other.verb == "get" && other.resource == resource && other.name == node
    };
    let seen = last(&read("nodes")).unwrap_or_else(|| panic!("the Node was not read: {call:?}"));
    let lease = last(&read("leases")).unwrap_or_else(|| panic!("the Lease was not read: {call:?}"));
    for read in [seen, lease] {
        let age = Duration::try_from(call.at.duration_since(read.at)).expect("it came before");
        assert!(
            age <= AGE,
            "{age:?} after the read of {}: {call:?}",
            read.resource
        );
    }
    if lease.code == 200 {
        let spec = &lease.response["spec"];
        let renewed = spec["renewTime"]
            .as_str()
            .and_then(|time| time.parse().ok());
        let renewed: Timestamp = renewed.expect("a Lease that was renewed");
        let silent = lease.at.duration_since(renewed).as_secs_f64();
        let lasts = spec["leaseDurationSeconds"]
            .as_f64()
            .expect("a Lease that ends");
        // The clock of an answer, its Date header, has whole seconds.
        assert!(silent > lasts - 1.0, "renewed {silent} s before: {call:?}");
    }
    match seen.code {
        200 => {
            assert_eq!(condition(&seen.response, "Ready"), "Unknown", "{call:?}");
            assert!(is_tainted(&seen.response), "{call:?}");
        }
        // The Node is deleted: PodGC was there first, and only finalizers are ours.
        404 => assert_eq!(call.verb, "patch", "{call:?}"),
        code => panic!("the Node's read was answered {code}: {call:?}"),
    }
    let fleet = |other: &Call| other.verb == "list" && other.resource == "nodes";
    let fleet = last(&fleet).unwrap_or_else(|| panic!("the fleet was not read: {call:?}"));
    assert!(
        !shows_ready(&fleet.response, &node) || fleet.at < seen.at,
        "{call:?}"
    );
}

/// The node that the pod was bound to, as this process had read it.
fn node_of(calls: &[Call], call: &Call) -> String {
    let uid = call.bound_to().expect("asserted before");
    let pods = calls
        .iter()
        .filter(|other| other.resource == "pods" && other.token == call.token);
    let read = pods.flat_map(|other| match other.response["items"].as_array() {
        Some(items) => items.iter().collect::<Vec<_>>(),
        None => vec![&other.response],
    });
    let mut nodes = read.filter(|pod| pod["metadata"]["uid"] == uid);
    let node = nodes.find_map(|pod| pod["spec"]["nodeName"].as_str());
    node.unwrap_or_else(|| panic!("the pod was not read: {call:?}"))
        .to_owned()
}

/// Whether a Table of Nodes shows the node as Ready.
fn shows_ready(table: &Value, node: &str) -> bool {
    let rows = table["rows"].as_array();
    rows.into_iter().flatten().any(|row| {
        let status = row["cells"][1].as_str().unwrap_or_default();
        row["cells"][0] == node && status.split(',').next() == Some("Ready")
    })
}
