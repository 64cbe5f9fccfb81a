//! Every answer, by a call in memory.

use super::super::Bounds;
use super::support::*;
use crate::act::Desk;
use crate::metrics::Metrics;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt;

struct Answer {
    code: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("visible text"))
    }
}

async fn ask(router: &Router, method: &str, path: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(body.into());
    let response = router
        .clone()
        .oneshot(request.expect("a request"))
        .await
        .expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    if path != "/metrics" {
        assert!(
            !text.trim_end().contains(char::is_control),
            "more than a line: {text:?}"
        );
    }
    Answer {
        code: parts.status.as_u16(),
        headers: parts.headers,
        text,
    }
}

fn serving(desk: Desk) -> (Router, Metrics) {
    let metrics = Metrics::new();
    (
        bounded_router(desk, metrics.clone(), Bounds::DEFAULT),
        metrics,
    )
}

async fn post(router: &Router, body: impl Into<Body>) -> Answer {
    ask(router, "POST", "/webhook", body).await
}

fn has(metrics: &Metrics, line: &str) -> bool {
    metrics.encode().lines().any(|found| found == line)
}

#[tokio::test]
async fn the_status_follows_the_most_urgent_alert() {
    let (taken, other) = (alert("firing", "n1"), alert("firing", "n2"));
    let (resolved, ignored) = (alert("resolved", "n3"), alert("pending", "n1"));
    let (refused, unreadable) = (alert("firing", "N 1"), "7".to_owned());
    for (alerts, code) in [
        (vec![], 200),
        (vec![&ignored], 200),
        (vec![&resolved], 200),
        (vec![&ignored, &resolved], 200),
        (vec![&refused], 400),
        (vec![&unreadable], 400),
        (vec![&ignored, &refused], 400),
        (vec![&resolved, &unreadable], 400),
        (vec![&taken], 202),
        (vec![&taken, &taken], 202),
        (vec![&refused, &taken], 202),
        (
            vec![&taken, &refused, &ignored, &resolved, &unreadable],
            202,
        ),
        // The desk has room for one node.
        (vec![&taken, &other], 503),
        (vec![&refused, &taken, &other, &ignored], 503),
    ] {
        let (router, metrics) = serving(small_desk());
        let alerts: Vec<_> = alerts.into_iter().cloned().collect();
        let answer = post(&router, payload(&alerts)).await;
        assert_eq!(answer.code, code, "{alerts:?}: {}", answer.text);
        assert_eq!(
            answer.json()["alerts"].as_array().map(Vec::len),
            Some(alerts.len())
        );
        let counted = format!("nodefall_webhook_requests_total{{code=\"{code}\"}} 1");
        assert!(has(&metrics, &counted), "{counted}");
        assert_eq!(answer.header(header::RETRY_AFTER).is_empty(), code != 503);
    }
}

#[tokio::test]
async fn the_answer_says_for_each_alert_what_becomes_of_it() {
    let (router, metrics) = serving(small_desk());
    let foreign = alert("firing", "n1").replace("east", "west");
    let alerts = [
        alert("firing", "n1"),
        alert("firing", "n1"),
        alert("firing", "n2"),
        foreign,
        alert("firing", "../pods"),
        "null".to_owned(),
        alert("resolved", "n9"),
        alert("resolved", "n1"),
    ];
    let body = payload(&alerts).replace("\"alerts\"", "\"truncatedAlerts\":2,\"alerts\"");
    let answer = post(&router, body).await.json();
    assert_eq!(answer["truncatedAlerts"], 2);
    let see = "/api/v1/remediations?node=n1";
    for (index, expected) in [
        (
            0,
            json!({"fingerprint": "f-n1", "node": "n1", "result": "taken", "see": see}),
        ),
        (
            1,
            json!({"fingerprint": "f-n1", "node": "n1", "result": "joined", "see": see}),
        ),
        (
            2,
            json!({"fingerprint": "f-n2", "node": "n2", "result": "no_room"}),
        ),
        (3, json!({"fingerprint": "f-n1", "result": "ignored"})),
        (4, json!({"fingerprint": "f-../pods", "result": "refused"})),
        (5, json!({"result": "refused"})),
        (
            6,
            json!({"fingerprint": "f-n9", "node": "n9", "result": "ignored"}),
        ),
        (
            7,
            json!({"fingerprint": "f-n1", "node": "n1", "result": "resolved"}),
        ),
    ] {
        let mut alert = answer["alerts"][index]
            .as_object()
            .expect("an object")
            .clone();
        let reason = alert.remove("reason").expect("a reason");
        assert!(
            reason.as_str().is_some_and(|reason| !reason.is_empty()),
            "{alert:?}"
        );
        assert_eq!(alert.remove("index"), Some(json!(index)));
        assert_eq!(Value::from(alert), expected, "{reason}");
    }
    assert!(
        answer["alerts"][3]["reason"]
            .to_string()
            .contains("cluster"),
        "{answer}"
    );
    for (status, result, count) in [
        ("firing", "taken", 1),
        ("firing", "joined", 1),
        ("firing", "no_room", 1),
        ("firing", "ignored", 1),
        ("firing", "refused", 1),
        ("other", "refused", 1),
        ("resolved", "ignored", 1),
        ("resolved", "resolved", 1),
    ] {
        let line =
            format!("nodefall_alerts_total{{result=\"{result}\",status=\"{status}\"}} {count}");
        assert!(has(&metrics, &line), "{line}");
    }
}

#[tokio::test]
async fn each_alerts_own_status_counts_and_not_its_groups() {
    let (router, _) = serving(ready_desk());
    let group = payload(&[alert("firing", "n1")]).replacen("firing", "resolved", 1);
    assert_eq!(
        post(&router, group).await.json()["alerts"][0]["result"],
        "taken"
    );
    let group = payload(&[alert("resolved", "n1")]);
    assert_eq!(
        post(&router, group).await.json()["alerts"][0]["result"],
        "resolved"
    );
}

#[tokio::test]
async fn any_content_type_will_do() {
    let (router, _) = serving(ready_desk());
    for kind in [
        "application/json",
        "application/x-www-form-urlencoded",
        "x",
        "",
    ] {
        let request = Request::post("/webhook").header(header::CONTENT_TYPE, kind);
        let request = request.body(Body::from(payload(&[alert("firing", "n1")])));
        let response = router.clone().oneshot(request.expect("a request")).await;
        assert_eq!(response.expect("an answer").status(), 202, "{kind:?}");
    }
}

#[tokio::test]
async fn garbage_is_answered_400_with_the_place() {
    let (router, metrics) = serving(ready_desk());
    let deep = "[".repeat(1_000_000);
    let bodies: [(&[u8], &str); 12] = [
        (b"", "empty"),
        (b"garbage", "line 1 column 1"),
        (b"[]", "expected an object"),
        (b"{}", "alerts"),
        (b"{\"alerts\":null}", "array"),
        (b"{\"version\":\"3\",\"alerts\":[]}", "version"),
        (b"{\"alerts\":[", "line 1 column 11"),
        (b"\xff\xfe{\"alerts\":[]}", "byte 1 is not UTF-8"),
        (b"\0", "line 1 column 1"),
        (b"{\"alerts\":[\"\0\"]}", "line 1"),
        (b"payload=%7B%22alerts%22%3A%5B%5D%7D", "line 1 column 1"),
        (deep.as_bytes(), "array"),
    ];
    for (body, words) in &bodies {
        let answer = post(&router, body.to_vec()).await;
        assert_eq!(answer.code, 400, "{}", answer.text);
        let error = answer.json()["error"]
            .as_str()
            .expect("an error")
            .to_owned();
        assert!(error.contains(words), "{error}");
    }
    assert!(has(
        &metrics,
        "nodefall_webhook_requests_total{code=\"400\"} 12"
    ));
    assert!(has(
        &metrics,
        "nodefall_webhook_request_duration_seconds_count 12"
    ));
}

#[tokio::test]
async fn what_an_alert_brings_stays_short_and_escaped() {
    let (router, _) = serving(ready_desk());
    for node in ["\\u001b[2J\\u0000\\n".to_owned(), "x/".repeat(500_000)] {
        let answer = post(&router, payload(&[alert("firing", &node)])).await;
        assert_eq!(answer.code, 400);
        assert!(answer.text.len() < 500, "{}", answer.text);
    }
}

#[tokio::test]
async fn twenty_thousand_alerts_are_answered_one_by_one() {
    let (router, _) = serving(ready_desk());
    let answer = post(&router, payload(&vec!["1".to_owned(); 20_000])).await;
    assert_eq!(
        (
            answer.code,
            answer.json()["alerts"].as_array().map(Vec::len)
        ),
        (400, Some(20_000))
    );
    let answer = post(&router, payload(&vec!["1".to_owned(); 20_001])).await;
    assert!(
        answer.json()["error"]
            .to_string()
            .contains("more than 20000"),
        "{}",
        answer.text
    );
}

/// Counts the lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.0.fetch_add(lines, Ordering::Relaxed);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn twenty_refused_alerts_have_a_line_of_their_own_in_the_log() {
    let (lines, (router, _)) = (Lines::default(), serving(ready_desk()));
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _log = tracing::subscriber::set_default(log.finish());
    for (refused, logged) in [(20, 20), (21, 21), (10_000, 21)] {
        let before = lines.0.load(Ordering::Relaxed);
        post(&router, payload(&vec!["1".to_owned(); refused])).await;
        // Of more, one line says how many.
        assert_eq!(
            lines.0.load(Ordering::Relaxed) - before,
            logged,
            "{refused}"
        );
    }
}

#[tokio::test]
async fn bodies_are_taken_up_to_4_mib() {
    let (router, metrics) = serving(ready_desk());
    let mut body = payload(&[alert("firing", "n1")]);
    body.extend(std::iter::repeat_n(' ', 4 * 1024 * 1024 - body.len()));
    assert_eq!(post(&router, body.clone()).await.code, 202);
    body.push(' ');
    assert_eq!(post(&router, body).await.code, 413);
    assert!(has(
        &metrics,
        "nodefall_webhook_requests_total{code=\"413\"} 1"
    ));
}

#[tokio::test]
async fn only_post_is_taken() {
    let (router, metrics) = serving(ready_desk());
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "X"] {
        let answer = ask(
            &router,
            method,
            "/webhook",
            payload(&[alert("firing", "n1")]),
        )
        .await;
        assert_eq!(
            (answer.code, answer.header(header::ALLOW)),
            (405, "POST"),
            "{method}"
        );
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(ask(&router, "HEAD", "/webhook", "").await.code, 405);
    assert!(has(
        &metrics,
        "nodefall_webhook_requests_total{code=\"405\"} 7"
    ));
    assert!(has(
        &metrics,
        "nodefall_alerts_total{result=\"taken\",status=\"firing\"} 0"
    ));
}

#[tokio::test]
async fn pages_are_only_read_and_others_are_not_there() {
    let (router, _) = serving(ready_desk());
    for path in ["/metrics", "/-/healthy", "/-/ready", "/api/v1/remediations"] {
        assert_eq!(ask(&router, "GET", path, "").await.code, 200, "{path}");
        let answer = ask(&router, "POST", path, "").await;
        assert_eq!(
            (answer.code, answer.header(header::ALLOW)),
            (405, "GET,HEAD"),
            "{path}"
        );
        assert!(answer.json()["error"].is_string());
    }
    for path in [
        "/",
        "/webhook/",
        "/webhooks",
        "//webhook",
        "/api/v1/remediations/n1",
        "/%2e%2e",
    ] {
        let answer = ask(&router, "GET", path, "").await;
        assert_eq!(answer.code, 404, "{path}");
        assert!(
            answer.json()["error"].to_string().contains("/webhook"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn while_not_ready_nothing_is_taken_and_everything_is_shown() {
    let (router, metrics) = serving(desk_that_is_not_ready("draining"));
    for body in [
        payload(&[alert("firing", "n1")]),
        payload(&[]),
        "garbage".to_owned(),
    ] {
        let answer = post(&router, body).await;
        assert_eq!(answer.code, 503);
        assert!(!answer.header(header::RETRY_AFTER).is_empty());
        assert_eq!(answer.json()["error"], "not ready: draining");
    }
    assert!(has(
        &metrics,
        "nodefall_webhook_requests_total{code=\"503\"} 3"
    ));
    assert!(has(
        &metrics,
        "nodefall_alerts_total{result=\"taken\",status=\"firing\"} 0"
    ));
    let ready = ask(&router, "GET", "/-/ready", "").await;
    assert_eq!(
        (ready.code, ready.text.as_str()),
        (503, "not ready: draining\n")
    );
    assert!(!ready.header(header::RETRY_AFTER).is_empty());
    for path in ["/metrics", "/-/healthy", "/api/v1/remediations"] {
        assert_eq!(ask(&router, "GET", path, "").await.code, 200, "{path}");
    }
}

#[tokio::test]
async fn the_metrics_are_in_text_format_004() {
    let (router, _) = serving(ready_desk());
    let request = Request::get("/metrics")
        .body(Body::empty())
        .expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    let kind = response.headers()[header::CONTENT_TYPE]
        .to_str()
        .expect("visible text");
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert!(String::from_utf8_lossy(&bytes).contains("\nnodefall_build_info{"));
}

#[tokio::test]
async fn remediations_are_shown_for_all_nodes_or_for_one() {
    let (router, _) = serving(ready_desk());
    post(
        &router,
        payload(&[alert("firing", "n1"), alert("firing", "n2")]),
    )
    .await;
    let page = |query: &'static str| {
        let router = router.clone();
        async move { ask(&router, "GET", &format!("/api/v1/remediations{query}"), "").await }
    };
    let all = page("").await;
    assert_eq!(
        (all.code, all.header(header::CONTENT_TYPE)),
        (200, "application/json")
    );
    assert!(
        all.text.contains("n1") && all.text.contains("n2"),
        "{}",
        all.text
    );
    let one = page("?node=n1").await;
    assert!(
        one.text.contains("n1") && !one.text.contains("n2"),
        "{}",
        one.text
    );
    let other = page("?x=y&node=n2").await;
    assert!(
        other.text.contains("n2") && !other.text.contains("n1"),
        "{}",
        other.text
    );
    assert_eq!(page("?node=n3").await.code, 200);
    for bad in [
        "?node=",
        "?node=N1",
        "?node=a/b",
        "?node=a%2Fb",
        "?node=..",
        "?node=n1%00",
    ] {
        let answer = page(bad).await;
        assert_eq!(answer.code, 400, "{bad}");
        assert!(
            answer.json()["error"].to_string().contains("node"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_a_bounded_number_of_requests_do_not_even_wait_for_a_place() {
    let metrics = Metrics::new();
    let bounds = Bounds {
        places: 0,
        small_body: 0,
        waiting: 0,
        ..Bounds::DEFAULT
    };
    let router = bounded_router(ready_desk(), metrics.clone(), bounds);
    let began = tokio::time::Instant::now();
    let answer = post(&router, payload(&[])).await;
    assert_eq!(answer.code, 503, "{}", answer.text);
    assert!(began.elapsed().is_zero());
}

#[tokio::test]
async fn a_body_that_waits_for_a_place_too_long_is_answered_503() {
    let metrics = Metrics::new();
    let bounds = Bounds {
        places: 0,
        small_body: 0,
        ..patient()
    };
    let router = bounded_router(ready_desk(), metrics.clone(), bounds);
    let answer = post(&router, payload(&[])).await;
    assert_eq!(answer.code, 503, "{}", answer.text);
    assert!(!answer.header(header::RETRY_AFTER).is_empty());
    assert!(has(
        &metrics,
        "nodefall_webhook_requests_total{code=\"503\"} 1"
    ));
}
