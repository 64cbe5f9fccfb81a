//! Deleting pods: grace, preconditions, dry runs, finalizers, and all of it again.

use super::objects::{HOLD, NOWHERE, PODS, SETS, at, now, pod, stateful_set};
use super::script::{JSON, MERGE, Step, create, delete, get, patch, send, until_gone};
use http::Method;
use serde_json::{Value, json};

const END: &[&str] = &[
    "/metadata/deletionTimestamp",
    "/metadata/deletionGracePeriodSeconds",
    "/metadata/finalizers",
    "/metadata/uid",
    "/metadata/generation",
    "/status/phase",
];

fn grace(seconds: i64) -> Value {
    json!({"gracePeriodSeconds": seconds})
}

pub fn script() -> Vec<Step> {
    let one = at(PODS, "ended");
    let with = |query: &str| format!("{one}?{query}");
    let bound = |uid: &str| json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
    let version = |version: &str| json!({"preconditions": {"resourceVersion": version}});
    let make = |title: &str| {
        create(title, PODS, &pod("ended", NOWHERE))
            .capture("uid", "/metadata/uid")
            .capture("version", "/metadata/resourceVersion")
    };
    let held = at(PODS, "ended-held");
    let mut finalized = pod("ended-held", NOWHERE);
    finalized["metadata"]["finalizers"] = json!([HOLD]);
    vec![
        // Preconditions.
        delete("an absent pod", &one, &bound("some-uid")),
        delete("an absent pod without options", &one, &Value::Null),
        make("made to be ended"),
        delete(
            "another UID",
            &one,
            &bound("00000000-0000-4000-8000-000000000000"),
        ),
        delete("another UID that is none", &one, &bound("x")),
        delete("an empty UID", &one, &bound("")),
        delete("another version", &one, &version("1")),
        delete("dry", &with("dryRun=All"), &Value::Null).keep(END),
        delete(
            "dry in the body",
            &one,
            &json!({"dryRun": ["All"], "gracePeriodSeconds": 0}),
        )
        .keep(END),
        delete(
            "a dry run that is no such thing",
            &with("dryRun=Some"),
            &Value::Null,
        ),
        get("nothing of that ended it", &one).keep(END),
        delete("its version", &one, &version("$version")).keep(END),
        // Grace, again and again.
        delete("again", &one, &Value::Null).keep(END),
        delete("again with more grace", &one, &grace(90)).keep(END),
        delete("again with less grace", &one, &grace(20)).keep(END),
        delete(
            "again with the grace in the query",
            &with("gracePeriodSeconds=10"),
            &Value::Null,
        )
        .keep(END),
        delete(
            "the query beside a body",
            &with("gracePeriodSeconds=5"),
            &grace(9),
        )
        .keep(END),
        delete("with a grace below none", &one, &grace(-1)).keep(END),
        get("as it is now", &one).keep(END),
        delete("at once, with its UID", &one, &bound("$uid")).keep(END),
        delete("when it is gone", &one, &bound("$uid")),
        get("it is gone", &one),
        make("made again"),
        delete(
            "the query alone, at once",
            &with("gracePeriodSeconds=0"),
            &Value::Null,
        )
        .keep(END),
        make("made a third time"),
        // Beside a body, nobody reads the query.
        delete(
            "dry in the query, beside a body",
            &with("dryRun=All"),
            &bound("$uid"),
        )
        .keep(END),
        get("that was no dry run", &one),
        make("made a fourth time"),
        delete(
            "a query that is no number",
            &with("gracePeriodSeconds=soon"),
            &Value::Null,
        ),
        send(
            "options that are malformed",
            Method::DELETE,
            &one,
            JSON,
            "{\"grace",
        ),
        send(
            "options of another type",
            Method::DELETE,
            &one,
            "text/plain",
            "now",
        ),
        delete(
            "options of another kind",
            &one,
            &json!({"kind": "Pod", "apiVersion": "v1"}),
        ),
        delete(
            "options with a wrong field type",
            &one,
            &json!({"gracePeriodSeconds": "soon"}),
        ),
        delete(
            "an unknown way to propagate",
            &one,
            &json!({"propagationPolicy": "Sometimes"}),
        ),
        delete(
            "options with their kind",
            &one,
            &json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 30}),
        )
        .keep(END),
        delete("grace 0 without a UID", &one, &now()).keep(END),
        get("gone too", &one),
        // A pod that nobody has scheduled needs no grace.
        create("one that fits nowhere", PODS, &{
            let mut pod = pod("ended-unbound", "");
            pod["spec"]["schedulerName"] = json!("nobody");
            pod
        })
        .keep(&["/spec", "/status"]),
        delete(
            "one that is bound to no node",
            &at(PODS, "ended-unbound"),
            &Value::Null,
        )
        .keep(END),
        get("gone at once", &at(PODS, "ended-unbound")),
        // Finalizers.
        create("one with a finalizer", PODS, &finalized)
            .capture("held", "/metadata/uid")
            .keep(END),
        delete("it, with grace", &held, &Value::Null).keep(END),
        delete("it, at once", &held, &bound("$held")).keep(END),
        get("it stays", &held).keep(END),
        delete("it, at once, again", &held, &bound("$held")).keep(END),
        delete("it, with grace again", &held, &grace(30)).keep(END),
        patch(
            "its finalizers go",
            MERGE,
            &held,
            &json!({"metadata": {"uid": "$held", "finalizers": null}}),
        )
        .keep(END),
        get("and so does it", &held),
        // What is no pod.
        create("a StatefulSet to be ended", SETS, &stateful_set("ended", 0))
            .capture("set", "/metadata/uid"),
        delete(
            "a StatefulSet of another UID",
            &at(SETS, "ended"),
            &bound("x"),
        ),
        delete("an absent StatefulSet", &at(SETS, "none"), &bound("x")),
        delete("the StatefulSet", &at(SETS, "ended"), &bound("$set")),
        until_gone("the StatefulSet is gone", &at(SETS, "ended")),
    ]
}
