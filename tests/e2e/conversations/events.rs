//! Events in both of their groups.

use super::script::{MERGE, Step, create, delete, get, patch};
use serde_json::{Value, json};

const NEW: &str = "/apis/events.k8s.io/v1/namespaces/monitoring/events";
const CORE: &str = "/api/v1/namespaces/monitoring/events";

fn event(name: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": name, "namespace": "monitoring"},
        "eventTime": "2026-01-01T00:00:01.000000Z",
        "action": "Delete", "reason": "Deleted", "type": "Normal", "note": "words",
        "reportingController": "nodefall.io/talk", "reportingInstance": "one",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "talk", "namespace": "monitoring", "uid": "u-1"},
        "related": {"kind": "Node", "name": "node-1"},
    })
}

fn core(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": "monitoring"},
        "involvedObject": {"kind": "Pod", "name": "talk", "namespace": "monitoring"},
        "reason": "Old", "message": "old words", "type": "Warning", "count": 3,
        "firstTimestamp": "2026-01-01T00:00:01Z", "lastTimestamp": "2026-01-01T00:00:02Z",
        "source": {"component": "talk"},
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut event = event("talk.refused");
    event[field] = value;
    event
}

pub fn script() -> Vec<Step> {
    let all = &[
        "/metadata/name",
        "/metadata/namespace",
        "/eventTime",
        "/action",
        "/reason",
        "/type",
        "/note",
        "/message",
        "/regarding",
        "/involvedObject",
        "/related",
        "/series",
        "/reportingController",
        "/reportingComponent",
        "/reportingInstance",
        "/count",
        "/deprecatedCount",
        "/source",
        "/deprecatedSource",
        "/firstTimestamp",
        "/deprecatedFirstTimestamp",
    ];
    let one = format!("{NEW}/talk.1");
    let names = &["/items/*/metadata/name"];
    let series = |count: u32| json!({"series": {"count": count, "lastObservedTime": "2026-01-01T00:00:09.000000Z"}});
    vec![
        create("an Event", NEW, &event("talk.1")).keep(all),
        create("it again", NEW, &event("talk.1")),
        create("a prefix that ends in a dot", NEW, &{
            let mut event = event("");
            event["metadata"] =
                json!({"generateName": "talk.", "namespace": "monitoring", "name": "talk.7"});
            event
        }),
        create("without a time", NEW, &with("eventTime", Value::Null)),
        create("without an action", NEW, &with("action", Value::Null)),
        create("without a reason", NEW, &with("reason", Value::Null)),
        create(
            "without a controller",
            NEW,
            &with("reportingController", Value::Null),
        ),
        create(
            "with a controller that is no name",
            NEW,
            &with("reportingController", json!("No Name")),
        ),
        create(
            "without an instance",
            NEW,
            &with("reportingInstance", Value::Null),
        ),
        create("of another type", NEW, &with("type", json!("Sad"))),
        create(
            "with a note that is too long",
            NEW,
            &with("note", json!("x".repeat(1025))),
        ),
        create(
            "with a reason that is too long",
            NEW,
            &with("reason", json!("x".repeat(129))),
        ),
        create(
            "about another namespace's",
            NEW,
            &with(
                "regarding",
                json!({"kind": "Pod", "name": "p", "namespace": "default"}),
            ),
        ),
        create(
            "about a Node, here",
            NEW,
            &with("regarding", json!({"kind": "Node", "name": "node-1"})),
        ),
        create(
            "about a Node, where it belongs",
            "/apis/events.k8s.io/v1/namespaces/default/events",
            &{
                let mut event = event("talk.node");
                event["metadata"]["namespace"] = json!("default");
                event["regarding"] =
                    json!({"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "node-1"});
                event
            },
        )
        .keep(all),
        get("it in the core group", &format!("{CORE}/talk.1")).keep(all),
        patch("a series", MERGE, &one, &series(2)).keep(&["/series", "/note"]),
        patch("a longer series", MERGE, &one, &series(3)).keep(&["/series"]),
        patch("another note", MERGE, &one, &json!({"note": "other words"})),
        patch("another reason", MERGE, &one, &json!({"reason": "Other"})),
        patch(
            "an absent Event",
            MERGE,
            &format!("{NEW}/talk.none"),
            &series(2),
        ),
        create("a core Event", CORE, &core("talk.2")).keep(all),
        create("a core Event about another namespace's", CORE, &{
            let mut event = core("talk.3");
            event["involvedObject"]["namespace"] = json!("default");
            event
        }),
        get("it in the new group", &format!("{NEW}/talk.2")).keep(all),
        patch(
            "a core Event's count",
            MERGE,
            &format!("{CORE}/talk.2"),
            &json!({"count": 4}),
        )
        .keep(&["/count", "/message"]),
        get(
            "core, by object",
            &format!("{CORE}?fieldSelector=involvedObject.name%3Dtalk,involvedObject.kind%3DPod"),
        )
        .keep(names),
        get(
            "core, by reason",
            &format!(
                "{CORE}?fieldSelector=reason%3DDeleted,type%3DNormal,involvedObject.name%3Dtalk"
            ),
        )
        .keep(names),
        get(
            "core, by who reports",
            &format!("{CORE}?fieldSelector=reportingComponent%3Dnodefall.io/talk"),
        )
        .keep(names),
        get(
            "core, by the source",
            &format!("{CORE}?fieldSelector=source%3Dtalk"),
        )
        .keep(names),
        get(
            "core, by the new word",
            &format!("{CORE}?fieldSelector=regarding.name%3Dtalk"),
        )
        .keep(names),
        get(
            "new, by object",
            &format!("{NEW}?fieldSelector=regarding.name%3Dtalk,regarding.namespace%3Dmonitoring"),
        )
        .keep(names),
        get(
            "new, by the old word",
            &format!("{NEW}?fieldSelector=involvedObject.name%3Dtalk"),
        )
        .keep(names),
        get(
            "new, by who reports",
            &format!("{NEW}?fieldSelector=reportingController%3Dnodefall.io/talk"),
        )
        .keep(names),
        get(
            "new, by what is none",
            &format!("{NEW}?fieldSelector=note%3Dwords"),
        )
        .keep(names),
        delete("the Event", &one, &Value::Null),
        delete("the core Event", &format!("{CORE}/talk.2"), &Value::Null),
        delete(
            "the Node's Event",
            "/api/v1/namespaces/default/events/talk.node",
            &Value::Null,
        ),
        get("the Event is gone", &one),
    ]
}
