//! More alerts than any Alertmanager sends.

use crate::clients::{Client, Tally, crowd, deliver, head, post, request};
use crate::report::Report;
use crate::town::{KNOWN, PATIENCE, Town, node};
use nodefall_testbed::http::notification;
use nodefall_testbed::process::eventually;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Living nodes, each of which is said to be lost.
const THOUSAND: Range<usize> = 3501..4501;

/// How often the same alert is sent, and over how many connections.
const REPEATS: usize = 100_000;
const SENDERS: usize = 50;

/// 1,000 notifications at once, each of one alert for a node of its own; and one of 1,000 alerts.
pub fn thousand_nodes(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    report.situation(
        town,
        "1,000 alerts for 1,000 nodes, 1,000 requests",
        4,
        || {
            let before = found_alive(town);
            let tally = crowd(THOUSAND.len(), |number| async move {
                let node = node(THOUSAND.start + number);
                post(address, &request(&notification("firing", &node))).await
            });
            format!("{tally}, {}", judged(town, before))
        },
    );
    end(town, THOUSAND);
    report.situation(town, "1,000 alerts for 1,000 nodes, one request", 2, || {
        let before = found_alive(town);
        let tally = tell(town, "firing", THOUSAND);
        format!("{tally}, {}", judged(town, before))
    });
    end(town, THOUSAND);
}

/// One alert, of a node that is really lost, 100,000 times.
pub fn same_alert(town: &Town, report: &mut Report) {
    let address = town.receiver.address;
    let body = Arc::new(request(&notification("firing", &node(KNOWN))));
    report.situation(town, "the same alert 100,000 times", 4, || {
        let tally = crowd(SENDERS, |_| {
            let body = body.clone();
            async move {
                let mut tally = Tally::default();
                let mut sent = 0;
                while sent < REPEATS / SENDERS {
                    let Ok(mut client) = Client::connect(address).await else {
                        tally.count("refused");
                        continue;
                    };
                    while sent < REPEATS / SENDERS {
                        let answer = match client.send(&body).await {
                            Ok(()) => client.answer().await,
                            Err(error) => Err(error),
                        };
                        let Ok(status) = answer else {
                            tally.count("closed unanswered");
                            break;
                        };
                        tally.count(status.to_string());
                        sent += 1;
                    }
                }
                tally
            }
        });
        tally.to_string()
    });
}

/// How often a node was found alive so far.
fn found_alive(town: &Town) -> f64 {
    town.receiver
        .metric(r#"nodefall_holds_total{reason="node_ready"}"#)
}

/// Waits until each of the thousand was found alive.
fn judged(town: &Town, before: f64) -> String {
    let began = Instant::now();
    eventually("the nodes are judged", PATIENCE, || {
        (found_alive(town) - before >= THOUSAND.len() as f64).then_some(())
    });
    format!("all judged {:.1} s later", began.elapsed().as_secs_f64())
}

/// One notification about all of these nodes.
pub fn tell(town: &Town, status: &str, nodes: Range<usize>) -> Tally {
    deliver(town.receiver.address, request(&group(status, nodes)))
}

/// Says that the alerts of these nodes are over.
pub fn end(town: &Town, nodes: Range<usize>) {
    tell(town, "resolved", nodes);
}

/// A notification about all of these nodes.
fn group(status: &str, nodes: Range<usize>) -> String {
    let mut text = format!(r#"{{"version":"4","status":"{status}","alerts":["#);
    for number in nodes.clone() {
        let comma = if number == nodes.start { "" } else { "," };
        let name = node(number);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            r#"{comma}{{"status":"{status}","labels":{{"alertname":"KubeNodeNotReady","node":"{name}"}},"annotations":{{"summary":"Node is not ready."}},"startsAt":"2026-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"f-{name}"}}"#
        );
    }
    text + "]}"
}

/// A request whose body is as long as may be: 4 MiB, full of alerts.
pub fn largest(status: &str) -> Vec<u8> {
    const LARGEST: usize = 4 * 1024 * 1024;
    // As many as fit, whether they fire or are over.
    let each = group("resolved", 100_000..100_001).len();
    let mut body = group(status, 100_000..100_000 + LARGEST / each);
    body.extend(std::iter::repeat_n(' ', LARGEST - body.len()));
    (head(LARGEST) + &body).into_bytes()
}
