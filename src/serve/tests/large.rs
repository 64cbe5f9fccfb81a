//! What is large is in memory only a few times at once, and keeps nothing small out.

use super::super::Bounds;
use super::support::*;
use crate::metrics::Metrics;
use axum::body::Body;
use axum::http::Request;
use std::time::Duration;
use tokio::net::TcpSocket;
use tower::ServiceExt;

fn one_alert() -> String {
    payload(&[alert("firing", "n1")])
}

/// As long as may be, and answered at twice that length: more than the kernel keeps for a client
/// that does not read.
fn long_winded() -> String {
    let node = "\\\"".repeat(64);
    let alert = format!(
        r#"{{"status":"firing","labels":{{"alertname":"KubeNodeNotReady","cluster":"east","node":"{node}"}}}}"#
    );
    payload(&vec![alert; 19_000])
}

#[tokio::test]
async fn a_small_alert_does_not_wait_behind_large_bodies() {
    let server = Server::start(Bounds::DEFAULT);
    let mut slow = Vec::new();
    for number in 0..80 {
        let mut client = server.connect().await;
        let length = if number % 2 == 0 { 9000 } else { 4 << 20 };
        client.send(&head(length)).await;
        client.send("{").await;
        slow.push(client);
    }
    // All places are taken, and all who may wait do.
    server
        .counted(r#"nodefall_webhook_requests_total{code="503"} 14"#)
        .await;
    let mut client = server.connect().await;
    client.send(&post(&one_alert())).await;
    assert_eq!(code(&client.rest().await), "202");
}

#[tokio::test]
async fn a_body_in_chunks_waits_once_it_turns_out_to_be_large() {
    let server = Server::start(Bounds {
        places: 0,
        small_body: 100,
        ..patient()
    });
    let chunked = "POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n";
    for (length, expected) in [(100, "400"), (101, "503")] {
        let mut client = server.connect().await;
        let body = " ".repeat(length);
        client
            .send(&format!("{chunked}{length:x}\r\n{body}\r\n0\r\n\r\n"))
            .await;
        assert_eq!(code(&client.rest().await), expected, "{length}");
    }
}

#[tokio::test]
async fn many_alerts_are_large_however_short_they_are() {
    let bounds = Bounds {
        places: 0,
        ..patient()
    };
    for (count, code) in [(32, 400), (33, 503)] {
        let router = bounded_router(ready_desk(), Metrics::new(), bounds);
        let body = payload(&vec!["1".to_owned(); count]);
        let request = Request::post("/webhook").body(Body::from(body));
        let answer = router.oneshot(request.expect("a request")).await;
        assert_eq!(answer.expect("an answer").status(), code, "{count}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_gives_its_place_up() {
    let server = Server::start(Bounds {
        places: 1,
        small_body: 0,
        ..patient()
    });
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("an option");
    let connected = socket.connect(server.addresses[0]).await;
    let mut deaf = Client::from(connected.expect("the server listens"));
    deaf.send(&post(&long_winded())).await;
    server
        .counted(r#"nodefall_webhook_requests_total{code="400"} 1"#)
        .await;
    // While the answer is being written its place is taken.
    tokio::time::sleep(PATIENCE / 4).await;
    let mut client = server.connect().await;
    client.send(&post(&one_alert())).await;
    assert!(client.is_open().await);
    assert_eq!(code(&client.rest().await), "202");
    let answer = deaf.rest().await;
    assert_eq!(code(&answer), "400");
    assert!(
        !answer.ends_with("}\n"),
        "the answer was written to its end"
    );
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_is_written_to_its_end() {
    let server = Server::start(patient());
    let mut slow = server.connect().await;
    slow.send(&post(&long_winded())).await;
    let mut answer = String::new();
    while !answer.ends_with("}\n") {
        tokio::time::sleep(Duration::from_micros(100)).await;
        let more = slow.some().await;
        assert!(!more.is_empty(), "closed after {} bytes", answer.len());
        answer += &more;
    }
    assert!(answer.contains(r#""index":18999,"#));
}
