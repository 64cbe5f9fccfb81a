use super::*;
use crate::act::Clock;
use crate::metrics::Metrics;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An API server that answers everything with this, and how often it was asked.
fn answering(answer: Value) -> (Api, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let service = axum::Router::new().fallback(move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(answer.to_string())
    });
    let client = kube::Client::new(service, "default");
    let api = Api::new(Transport::new(client, Metrics::new(), Clock::system()));
    (api, asked)
}

fn pod(name: &str, namespace: &str, uid: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace, "uid": uid}})
}

fn why<T>(answer: Result<T, ApiError>) -> String {
    match answer {
        Err(ApiError::Decode(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was understood"),
    }
}

#[tokio::test]
async fn what_is_about_another_object_is_no_answer() {
    let name = NodeName::parse("n1").expect("a name");
    let (api, _) = answering(json!({"metadata": {"name": "n2"}}));
    assert_eq!(why(api.node(&name).await), r#"it is about "n2", not n1"#);
    assert_eq!(why(api.lease(&name).await), r#"it is about "n2", not n1"#);
    assert_eq!(why(api.pod("a", "n1").await), r#"it is about "n2", not n1"#);
    let (api, _) = answering(json!({"metadata": {}}));
    assert_eq!(why(api.node(&name).await), r#"it is about "", not n1"#);
    let (api, _) = answering(pod("p", "b", "u"));
    assert_eq!(why(api.pod("a", "p").await), "the pod p is not in a");
}

#[tokio::test]
async fn a_pod_that_cannot_be_told_from_others_is_not_understood() {
    for (pod, words) in [
        (pod("../../../nodes/n1", "a", "u"), "DNS-1123"),
        (pod("p?dryRun=All", "a", "u"), "DNS-1123"),
        (pod("", "a", "u"), "is empty"),
        (pod("p", "b", "u"), "is not in a"),
        (pod("p", "a", ""), r#"has the UID """#),
        (pod("p", "a", "u\n"), r#"has the UID "u\n""#),
    ] {
        let (api, _) = answering(json!({"items": [pod]}));
        let why = why(api.pods("a", "", |_| true).await);
        assert!(why.contains(words), "{why}");
        // One that nobody named stops nothing.
        assert!(api.pods("a", "", |_| false).await.is_ok());
    }
}

#[tokio::test]
async fn what_the_api_says_never_becomes_a_path() {
    let (api, asked) = answering(json!({}));
    for name in ["..", "../x", "a/b", "a?b", "a#b", "%2e%2e", "A", ""] {
        let why = why(api.stateful_set("a", name).await);
        assert!(
            why.contains("is empty") || why.contains("DNS-1123"),
            "{why}"
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let (api, asked) = answering(json!({"items": [], "metadata": {"continue": "again"}}));
    let why = why(api.pods("a", "", |_| true).await);
    assert_eq!(why, "a list of pods does not end after 400 pages");
    assert_eq!(asked.load(Ordering::Relaxed), 400);
}

#[tokio::test]
async fn a_table_that_contradicts_itself_is_not_understood() {
    let columns = json!([{"name": "Name"}, {"name": "Status"}]);
    for (rows, words) in [
        (
            json!([["a", "Ready"], ["a", "NotReady"]]),
            r#""a" is there twice"#,
        ),
        (
            json!([["a", "NotReady"], ["a", "NotReady"]]),
            r#""a" is there twice"#,
        ),
        (
            json!([["a\n", "Up"]]),
            r#"the node "a\n" has the status "Up""#,
        ),
    ] {
        let rows = rows.as_array().into_iter().flatten();
        let rows: Vec<_> = rows.map(|cells| json!({"cells": cells})).collect();
        let (api, _) = answering(json!({"columnDefinitions": columns, "rows": rows}));
        let why = why(api.fleet().await);
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn why_an_answer_cannot_be_read_is_one_short_line() {
    let huge = format!("{}\n\u{1b}[2J", "x".repeat(100_000));
    let name = NodeName::parse("n1").expect("a name");
    for answer in [
        json!(huge),
        json!({"metadata": huge}),
        json!({"metadata": {"name": "n1", "deletionTimestamp": huge}}),
    ] {
        let (api, _) = answering(answer);
        let why = why(api.node(&name).await);
        assert_short(&why);
    }
    // The rows of a Table are read one by one.
    let columns = json!([{"name": "Name"}, {"name": "Status"}]);
    let (api, _) = answering(json!({"columnDefinitions": columns, "rows": [{"cells": huge}]}));
    assert_short(&why(api.fleet().await));
}

fn assert_short(why: &str) {
    assert!(
        why.len() < 500 && !why.contains(char::is_control),
        "{why:?}"
    );
}
