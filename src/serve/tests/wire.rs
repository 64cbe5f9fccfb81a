//! What a client on the network can do to it.

use super::super::Bounds;
use super::support::*;
use std::time::{Duration, Instant};

fn one_alert() -> String {
    payload(&[alert("firing", "n1")])
}

const GET: &str = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn an_alert_is_taken_over_tcp() {
    let server = Server::start(Bounds::DEFAULT);
    let mut client = server.connect().await;
    client.send(&post(&one_alert())).await;
    let answer = client.rest().await;
    assert_eq!(code(&answer), "202", "{answer}");
    assert!(answer.contains(r#""result":"taken""#), "{answer}");
    server
        .stop()
        .await
        .expect("no panic")
        .expect("an orderly end");
}

#[tokio::test]
async fn a_body_in_chunks_is_bounded_too() {
    let bounds = Bounds {
        body_bytes: 100_000,
        ..Bounds::DEFAULT
    };
    let server = Server::start(bounds);
    let chunked = "POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n";
    let body = one_alert();
    let mut client = server.connect().await;
    client
        .send(&format!("{chunked}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
        .await;
    assert_eq!(code(&client.rest().await), "202");

    let mut client = server.connect().await;
    client.send(chunked).await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..25 {
        client.try_send(&chunk).await;
    }
    server
        .counted(r#"nodefall_webhook_requests_total{code="413"} 1"#)
        .await;
    client.rest().await;

    // What announces that it is too long is not even read.
    let mut client = server.connect().await;
    client.send(&head(100_001)).await;
    assert_eq!(code(&client.rest().await), "413");
}

#[tokio::test]
async fn a_slow_body_is_answered_408() {
    let server = Server::start(patient());
    let mut client = server.connect().await;
    client.send(&head(1000)).await;
    client.send("{\"alerts\"").await;
    let answer = client.rest().await;
    assert_eq!(code(&answer), "408", "{answer}");
    server
        .counted(r#"nodefall_webhook_requests_total{code="408"} 1"#)
        .await;
}

#[tokio::test]
async fn a_slow_header_is_cut_off() {
    let server = Server::start(patient());
    let started = Instant::now();
    let (mut silent, mut half) = (server.connect().await, server.connect().await);
    half.send("POST /webhook HTTP/1.1\r\nHost: x\r\n").await;
    // One byte now and then does not help.
    let mut dripping = server.connect().await;
    for byte in "GET /-/healthy HTTP/1.1".chars() {
        dripping.try_send(&byte.to_string()).await;
        tokio::time::sleep(PATIENCE / 20).await;
    }
    for client in [&mut silent, &mut half, &mut dripping] {
        client.rest().await;
    }
    assert!(started.elapsed() < PATIENCE * 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_second_header_is_cut_off_too() {
    let server = Server::start(patient());
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_eq!(code(&client.some().await), "200");
    client.send("GET /-/healthy HT").await;
    let started = Instant::now();
    client.rest().await;
    assert!(started.elapsed() < PATIENCE * 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_header_of_more_than_16_kib_is_refused() {
    let server = Server::start(Bounds::DEFAULT);
    for (length, answered) in [(14 * 1024, "200"), (128 * 1024, "431")] {
        let mut client = server.connect().await;
        let filler = "x".repeat(length);
        let header = format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\nX: {filler}\r\n\r\n");
        client.try_send(&header).await;
        assert_eq!(code(&client.some().await), answered, "{length}");
    }
}

#[tokio::test]
async fn half_a_request_and_garbage_leave_the_server_well() {
    let server = Server::start(patient());
    for start in [
        "",
        "P",
        "POST /web",
        "\0\0\0\0",
        "\u{16}\u{3}\u{1}",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(start).await;
    }
    let mut client = server.connect().await;
    client
        .try_send(&format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "x".repeat(1_000_000)
        ))
        .await;
    client.rest().await;
    let mut client = server.connect().await;
    client.send(&post(&one_alert())).await;
    assert_eq!(code(&client.rest().await), "202");
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nothing() {
    let server = Server::start(Bounds::DEFAULT);
    for count in 1..=40 {
        let mut client = server.connect().await;
        client
            .send(&post(&payload(&[alert(
                "firing",
                &format!("n{}", count % 2),
            )])))
            .await;
        if count > 20 {
            client.reset();
        }
    }
    server
        .counted(r#"nodefall_alerts_total{result="taken",status="firing"} 2"#)
        .await;
    server
        .counted(r#"nodefall_alerts_total{result="joined",status="firing"} 38"#)
        .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_while_it_waits_cancels_nothing() {
    let server = Server::start(Bounds {
        places: 1,
        small_body: 0,
        ..Bounds::DEFAULT
    });
    let body = payload(&[]);
    let mut slow = server.connect().await;
    slow.send(&head(body.len())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for reset in [false, true] {
        let mut client = server.connect().await;
        client.send(&post(&one_alert())).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if reset {
            client.reset();
        }
    }
    slow.send(&body).await;
    assert_eq!(code(&slow.rest().await), "200");
    server
        .counted(r#"nodefall_alerts_total{result="taken",status="firing"} 1"#)
        .await;
    server
        .counted(r#"nodefall_alerts_total{result="joined",status="firing"} 1"#)
        .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_within_a_body_is_not_believed() {
    let server = Server::start(Bounds::DEFAULT);
    let mut client = server.connect().await;
    let body = one_alert();
    client.send(&head(body.len() + 1)).await;
    client.send(&body).await;
    drop(client);
    let mut client = server.connect().await;
    client.send(&post(&payload(&[]))).await;
    assert_eq!(code(&client.rest().await), "200");
    assert!(
        server
            .metrics
            .encode()
            .contains("nodefall_alerts_total{result=\"taken\",status=\"firing\"} 0\n")
    );
}

#[tokio::test]
async fn two_bodies_are_read_at_a_time() {
    let bounds = Bounds {
        small_body: 0,
        patience: Duration::from_secs(3),
        ..Bounds::DEFAULT
    };
    let server = Server::start(bounds);
    let body = one_alert();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(&head(body.len())).await;
        client.send(&body[..10]).await;
        clients.push(client);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The third is complete, and waits all the same.
    let mut third = clients.pop().expect("three");
    third.send(&body[10..]).await;
    assert!(third.is_open().await);
    for client in &mut clients {
        client.send(&body[10..]).await;
        assert_eq!(code(&client.rest().await), "202");
    }
    assert_eq!(code(&third.rest().await), "202");

    // One that never completes gives its place up when its time is over.
    let bounds = Bounds {
        places: 1,
        small_body: 0,
        patience: Duration::from_secs(2),
        ..Bounds::DEFAULT
    };
    let server = Server::start(bounds);
    let mut slow = server.connect().await;
    slow.send(&head(body.len())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut next = server.connect().await;
    next.send(&post(&body)).await;
    assert_eq!(code(&slow.rest().await), "408");
    assert_eq!(code(&next.rest().await), "202");
}

#[tokio::test]
async fn the_257th_connection_closes_the_one_idle_longest() {
    let server = Server::with_listeners(Bounds::DEFAULT, 2);
    let mut clients = Vec::new();
    for index in 0..256 {
        let mut client = Client::connect(server.addresses[index % 2]).await;
        client.send(GET).await;
        assert_eq!(code(&client.some().await), "200");
        clients.push(client);
    }
    // The first speaks again, so the second is now the one idle longest.
    clients[0].send(GET).await;
    assert_eq!(code(&clients[0].some().await), "200");
    let mut one_more = server.connect().await;
    one_more.send(GET).await;
    assert_eq!(code(&one_more.some().await), "200");
    assert_eq!(clients[1].rest().await, "");
    assert!(clients[0].is_open().await && clients[2].is_open().await);
    assert!(clients[255].is_open().await && one_more.is_open().await);
    // Places are free again once connections end.
    clients.truncate(3);
    clients[2].send(GET).await;
    assert_eq!(code(&clients[2].some().await), "200");
}

#[tokio::test]
async fn thousands_of_idle_connections_do_not_keep_an_alert_out() {
    let server = Server::start(Bounds {
        connections: 16,
        ..Bounds::DEFAULT
    });
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(server.connect().await);
    }
    let mut client = server.connect().await;
    client.send(&post(&one_alert())).await;
    assert_eq!(code(&client.rest().await), "202");
    let mut closed = 0;
    for client in &mut idle[..400] {
        closed += usize::from(!client.is_open().await);
    }
    assert_eq!(closed, 400);
}

#[tokio::test]
async fn a_stop_lets_the_request_in_flight_finish_and_takes_no_other() {
    let server = Server::start(Bounds::DEFAULT);
    let address = server.addresses[0];
    let body = one_alert();
    let mut in_flight = server.connect().await;
    in_flight.send(&head(body.len())).await;
    let mut idle = server.connect().await;
    idle.send(GET).await;
    assert_eq!(code(&idle.some().await), "200");
    let ended = server.stop();
    assert_eq!(idle.rest().await, "", "an idle connection is closed");
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens"
    );
    in_flight.send(&body).await;
    assert_eq!(code(&in_flight.rest().await), "202");
    ended.await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_request_without_end() {
    let server = Server::with_listeners(Bounds::DEFAULT, 2);
    let mut client = server.connect().await;
    client.send(&head(1000)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    server
        .stop()
        .await
        .expect("no panic")
        .expect("an orderly end");
    let took = started.elapsed();
    assert!(
        took < super::super::DRAIN + Duration::from_secs(3),
        "{took:?}"
    );
}
