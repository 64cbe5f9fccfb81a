//! Patches of every kind, with and without the UID, before and after the deletion.

use super::objects::{HOLD, NOWHERE, PODS, at, now, pod};
use super::script::{
    JSON, MERGE, OPERATIONS, STRATEGIC, Step, create, delete, get, patch, replace, send,
};
use http::Method;
use serde_json::{Value, json};

const META: &[&str] = &[
    "/metadata/finalizers",
    "/metadata/labels",
    "/metadata/annotations",
    "/metadata/uid",
    "/metadata/generation",
    "/metadata/deletionGracePeriodSeconds",
];

fn finalizers(list: Value) -> Value {
    json!({"metadata": {"finalizers": list}})
}

fn of(uid: &str, list: Value) -> Value {
    json!({"metadata": {"uid": uid, "finalizers": list}})
}

/// Makes a pod with a finalizer, and notes its UID.
fn make(title: &str, name: &str) -> Step {
    let mut pod = pod(name, NOWHERE);
    pod["metadata"]["finalizers"] = json!([HOLD]);
    create(title, PODS, &pod)
        .capture("uid", "/metadata/uid")
        .capture("version", "/metadata/resourceVersion")
}

pub fn script() -> Vec<Step> {
    let mut steps = living();
    steps.extend(refused());
    steps.extend(dying());
    steps
}

fn living() -> Vec<Step> {
    let one = at(PODS, "patched");
    vec![
        patch("an absent pod", MERGE, &one, &of("some-uid", Value::Null)),
        make("made to be patched", "patched"),
        patch("another UID", MERGE, &one, &of("x", Value::Null)),
        patch(
            "another UID, strategic",
            STRATEGIC,
            &one,
            &of("x", Value::Null),
        ),
        patch("an empty UID", MERGE, &one, &of("", Value::Null)).keep(META),
        patch(
            "a dry run",
            MERGE,
            &format!("{one}?dryRun=All"),
            &of("$uid", Value::Null),
        )
        .keep(META),
        patch(
            "the UID alone",
            MERGE,
            &one,
            &json!({"metadata": {"uid": "$uid"}}),
        )
        .keep(META)
        .keep(&["/metadata/resourceVersion"]),
        patch(
            "a strategic empty list merges",
            STRATEGIC,
            &one,
            &finalizers(json!([])),
        )
        .keep(META),
        patch(
            "a strategic list merges",
            STRATEGIC,
            &one,
            &finalizers(json!(["example.com/too"])),
        )
        .keep(META),
        patch(
            "a strategic null clears",
            STRATEGIC,
            &one,
            &finalizers(Value::Null),
        )
        .keep(META),
        patch(
            "a merged list replaces",
            MERGE,
            &one,
            &finalizers(json!([HOLD])),
        )
        .keep(META),
        patch(
            "a merged empty list clears",
            MERGE,
            &one,
            &finalizers(json!([])),
        )
        .keep(META),
        patch(
            "operations add",
            OPERATIONS,
            &one,
            &json!([{"op": "add", "path": "/metadata/finalizers", "value": [HOLD]}]),
        )
        .keep(META),
        patch(
            "operations that test another UID",
            OPERATIONS,
            &one,
            &json!([{"op": "test", "path": "/metadata/uid", "value": "x"},
                    {"op": "remove", "path": "/metadata/finalizers"}]),
        ),
        patch(
            "operations on what is not there",
            OPERATIONS,
            &one,
            &json!([{"op": "remove", "path": "/metadata/annotations"}]),
        ),
        patch(
            "operations that test the UID",
            OPERATIONS,
            &one,
            &json!([{"op": "test", "path": "/metadata/uid", "value": "$uid"},
                    {"op": "remove", "path": "/metadata/finalizers"}]),
        )
        .keep(META),
        patch(
            "an annotation and a label",
            MERGE,
            &one,
            &json!({"metadata": {"annotations": {"a": "b"}, "labels": {"c": "d"}}}),
        )
        .keep(META)
        .capture("second", "/metadata/resourceVersion"),
        patch(
            "an old version",
            MERGE,
            &one,
            &json!({"metadata": {"resourceVersion": "$version", "labels": {"c": "e"}}}),
        ),
        patch(
            "the version",
            MERGE,
            &one,
            &json!({"metadata": {"resourceVersion": "$second", "labels": {"c": null}}}),
        )
        .keep(META),
        patch(
            "no change keeps the version",
            MERGE,
            &one,
            &json!({"metadata": {"labels": {"c": null}}}),
        )
        .keep(META),
        patch(
            "times of deletion are not for clients",
            MERGE,
            &one,
            &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        )
        .keep(META)
        .keep(&["/metadata/deletionTimestamp"]),
        patch(
            "a status by the wrong way",
            MERGE,
            &one,
            &json!({"status": {"phase": "Failed"}}),
        )
        .keep(&["/status/phase", "/metadata/generation"]),
        patch(
            "a status",
            MERGE,
            &format!("{one}/status"),
            &json!({"metadata": {"labels": {"by": "status"}}, "status": {"message": "words"}}),
        )
        .keep(&[
            "/status/phase",
            "/status/message",
            "/metadata/generation",
            "/metadata/labels",
        ]),
        patch(
            "an image",
            STRATEGIC,
            &one,
            &json!({"spec": {"containers": [{"name": "main", "image": "example.com/main:2"}]}}),
        )
        .keep(&["/spec/containers", "/metadata/generation"]),
        get("as it is now", &one).keep(META),
    ]
}

fn refused() -> Vec<Step> {
    let one = at(PODS, "patched");
    vec![
        patch(
            "another node",
            MERGE,
            &one,
            &json!({"spec": {"nodeName": "other"}}),
        ),
        patch(
            "another name",
            MERGE,
            &one,
            &json!({"metadata": {"name": "other"}}),
        ),
        patch(
            "another namespace",
            MERGE,
            &one,
            &json!({"metadata": {"namespace": "other"}}),
        ),
        patch(
            "a finalizer without a domain",
            MERGE,
            &one,
            &finalizers(json!(["hold"])),
        ),
        patch(
            "finalizers that are no list",
            MERGE,
            &one,
            &finalizers(json!("hold")),
        ),
        patch("of an unknown type", JSON, &one, &json!({})),
        send("of no type", Method::PATCH, &one, "", "{}"),
        send("malformed", Method::PATCH, &one, MERGE, "{\"metadata\":"),
        send("a list for a merge", Method::PATCH, &one, MERGE, "[]"),
        send(
            "an object for operations",
            Method::PATCH,
            &one,
            OPERATIONS,
            "{}",
        ),
        patch("a collection", MERGE, PODS, &json!({})),
        replace("an old version, replaced", &one, &{
            let mut pod = pod("patched", NOWHERE);
            pod["metadata"]["resourceVersion"] = json!("$version");
            pod
        }),
        replace("another UID, replaced", &one, &{
            let mut pod = pod("patched", NOWHERE);
            pod["metadata"]["uid"] = json!("x");
            pod
        }),
        replace("under another name", &one, &pod("other", NOWHERE)),
        replace(
            "an absent one",
            &at(PODS, "patched-none"),
            &pod("patched-none", NOWHERE),
        ),
        delete("the patched one ends", &one, &now()).keep(META),
    ]
}

fn dying() -> Vec<Step> {
    let one = at(PODS, "patched");
    let new = finalizers(json!([HOLD, "example.com/new"]));
    vec![
        make("made to be held", "patched"),
        delete("ended with grace", &one, &Value::Null).keep(META),
        patch("a new finalizer", MERGE, &one, &new),
        patch(
            "an annotation still goes",
            MERGE,
            &one,
            &json!({"metadata": {"annotations": {"a": "b"}}}),
        )
        .keep(META),
        patch(
            "cleared before grace 0",
            MERGE,
            &one,
            &of("$uid", Value::Null),
        )
        .keep(META),
        get("it stays", &one).keep(META),
        delete("grace 0 after that", &one, &now()).keep(META),
        get("it is gone", &one),
        make("made to be held again", "patched"),
        delete("grace 0 first", &one, &now()).keep(META),
        patch(
            "another UID on a held one",
            MERGE,
            &one,
            &of("x", Value::Null),
        ),
        patch("a new finalizer after grace 0", MERGE, &one, &new),
        patch(
            "a dry run on a held one",
            MERGE,
            &format!("{one}?dryRun=All"),
            &of("$uid", Value::Null),
        )
        .keep(META),
        patch(
            "cleared after grace 0",
            MERGE,
            &one,
            &of("$uid", Value::Null),
        )
        .keep(META),
        get("gone with the patch", &one),
        patch("cleared again", MERGE, &one, &of("$uid", Value::Null)),
        make("made a third time", "patched"),
        patch(
            "the replacement is another",
            MERGE,
            &one,
            &of("00000000-0000-4000-8000-000000000000", Value::Null),
        ),
        patch(
            "without a UID the replacement is met",
            MERGE,
            &one,
            &finalizers(Value::Null),
        )
        .keep(META),
        delete("the last ends", &one, &now()).keep(META),
    ]
}
