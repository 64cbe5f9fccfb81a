//! Clients that mean no good.

use crate::alerts::largest;
use crate::clients::{Client, Tally, crowd, deliver, head};
use crate::report::Report;
use crate::town::{PATIENCE, Town};
use nodefall_testbed::process::eventually;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Connections offered at once; 256 are kept.
const OFFERED: usize = 10_000;

/// How long they stay when they are not closed.
const SILENCE: Duration = Duration::from_secs(5);

/// Half-sent requests and large bodies come from so many clients each.
const HALVES: usize = 400;
const CLIENTS: usize = 200;

/// The program gives a request 10 s to be complete, and 10 s to wait for its turn.
const CUT_OFF: Duration = Duration::from_secs(25);

/// Longer than the program waits for a client to take more of an answer.
const UNREAD: Duration = Duration::from_secs(15);

/// 10,000 connections that say nothing.
pub fn connections(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    report.situation(town, "10,000 connections offered", 4, || {
        let tally = crowd(OFFERED, |_| async move {
            let mut tally = Tally::default();
            match Client::connect(address).await {
                Ok(mut client) => match client.is_closed_within(SILENCE).await {
                    true => tally.count("shed"),
                    false => tally.count("kept"),
                },
                Err(error) => tally.count(error.kind().to_string()),
            }
            tally
        });
        tally.to_string()
    });
}

/// Headers that are never complete.
pub fn half_headers(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    let start = "POST /webhook HTTP/1.1\r\nHost: x\r\nX: half";
    report.situation(town, "half-sent headers from 400 clients", 4, || {
        crowd(
            HALVES,
            |_| async move { half(address, start.as_bytes()).await },
        )
        .to_string()
    });
}

/// Bodies of which only a half comes: 2 MiB, or a few bytes.
pub fn half_bodies(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    let large = Arc::new(largest("firing")[..2 * 1024 * 1024].to_vec());
    let small = Arc::new((head(1000) + r#"{"version":"4","#).into_bytes());
    report.situation(town, "half-sent bodies from 400 clients", 4, || {
        let tally = crowd(HALVES, |number| {
            let half_body = if number % 2 == 0 {
                large.clone()
            } else {
                small.clone()
            };
            async move { half(address, &half_body).await }
        });
        tally.to_string()
    });
}

/// Sends the half of a request, and waits for what becomes of it.
async fn half(address: std::net::SocketAddr, bytes: &[u8]) -> Tally {
    let mut tally = Tally::default();
    let Ok(mut client) = Client::connect(address).await else {
        tally.count("refused");
        return tally;
    };
    // A connection that was closed meanwhile tells so when it is read.
    let answered = async {
        let _ = client.send(bytes).await;
        client.answer().await
    };
    match tokio::time::timeout(CUT_OFF, answered).await {
        Ok(Ok(status)) => tally.count(status.to_string()),
        Ok(Err(_)) => tally.count("closed"),
        Err(_) => tally.count("still open"),
    }
    tally
}

/// 4 MiB of alerts, from 200 clients at once.
pub fn large_bodies(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    let body = Arc::new(largest("firing"));
    report.situation(town, "4 MiB of alerts from 200 clients", 4, || {
        let tally = crowd(CLIENTS, |_| {
            let body = body.clone();
            async move { half(address, &body).await }
        });
        tally.to_string()
    });
    forget_them(town);
}

/// The same from clients that do not read the answers.
pub fn unread_answers(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    let body = Arc::new(largest("firing"));
    report.situation(town, "the same, the answers unread", 4, || {
        let tally = crowd(CLIENTS, |_| {
            let body = body.clone();
            async move {
                let mut tally = Tally::default();
                if let Ok(mut client) = Client::connect(address).await {
                    let sent = client.send(&body).await;
                    tally.count(if sent.is_ok() { "sent" } else { "closed" });
                    sleep(UNREAD).await;
                }
                tally
            }
        });
        tally.to_string()
    });
    forget_them(town);
}

/// Says that those alerts are over, and waits until few others are suspected.
fn forget_them(town: &Town) {
    deliver(town.receiver.address, largest("resolved"));
    eventually("the suspicions are lifted", PATIENCE, || {
        (town.receiver.metric("nodefall_suspected_nodes") < 1000.0).then_some(())
    });
}
