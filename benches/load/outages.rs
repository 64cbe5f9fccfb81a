//! Nodes that are really lost: one, a hundred, and more than the storm guard allows.

use crate::alerts::{end, tell};
use crate::report::Report;
use crate::town::{PATIENCE, Town, is_destructive, node};
use jiff::Timestamp;
use nodefall_testbed::process::eventually;
use std::ops::Range;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nodes with watched pods.
const ONE: Range<usize> = 1..2;
const HUNDRED: Range<usize> = 101..201;

/// More than 49 % of all nodes; with watched pods on the first 700.
const MOST: Range<usize> = 201..3201;

/// How long the guard is watched while it holds: three sweeps and more.
const HELD: Duration = Duration::from_secs(20);

/// Nothing happens but sweeps.
pub fn quiet(town: &Town, report: &mut Report) {
    report.situation(town, "5,000 nodes, 40 lost, sweeps only", 0, || {
        requests_per_sweep(town, 5.0)
    });
}

/// What a sweep asks of the API server, over so many of them.
fn requests_per_sweep(town: &Town, sweeps: f64) -> String {
    let swept = || town.sweeps();
    let first = swept();
    let next = |wanted: f64| {
        eventually("it sweeps", PATIENCE, || {
            sleep(Duration::from_millis(100));
            (swept() >= wanted).then_some(())
        });
    };
    next(first + 1.0);
    let from = Timestamp::now();
    next(first + 1.0 + sweeps);
    let asked = town.asked(from, |_| true) as f64;
    format!("{:.1} API requests per sweep", asked / sweeps)
}

/// One node, told of by an alert.
pub fn one_node(town: &Town, report: &mut Report) {
    lost(town, report, "1 of 5,000 nodes lost", ONE);
}

/// A hundred, told of by one notification.
pub fn hundred_nodes(town: &Town, report: &mut Report) {
    lost(town, report, "100 of 5,000 nodes lost", HUNDRED);
}

fn lost(town: &Town, report: &mut Report, name: &str, nodes: Range<usize>) {
    let pods: Vec<_> = nodes.clone().flat_map(|n| town.watched(n)).collect();
    let mut replaced = (0, Duration::ZERO);
    let played = report.situation(town, name, 2, || {
        town.lose(nodes.clone());
        let began = Instant::now();
        tell(town, "firing", nodes);
        let left = town.not_replaced(&pods, PATIENCE);
        replaced = (left, began.elapsed());
        let after = replaced.1.as_secs_f64();
        let count = pods.len();
        format!(
            "{} of {count} pods Ready elsewhere {after:.2} s after the alert",
            count - left
        )
    });
    if !played {
        return;
    }
    let measured = format!("{} of {} not replaced", replaced.0, pods.len());
    report.promise(
        &format!("every watched pod replaced, {name}"),
        measured,
        replaced.0 == 0,
    );
}

/// 3,000 of 5,000: likely no power loss at all.
pub fn most_nodes(town: &Town, report: &mut Report) {
    let name = "3,000 of 5,000 nodes lost";
    let not_ready = || town.receiver.metric("nodefall_unreachable_nodes");
    let guarded = || {
        let held = r#"nodefall_held_nodes{reason="storm_guard"}"#;
        town.receiver.metric(held)
    };
    let mut touched = 0;
    let played = report.situation(town, name, 0, || {
        let from = Timestamp::now();
        for number in MOST {
            town.api.cluster.cut_power(&node(number));
        }
        eventually("the program sees that they are not Ready", PATIENCE, || {
            (not_ready() >= MOST.len() as f64).then_some(())
        });
        tell(town, "firing", MOST);
        eventually("all are held", PATIENCE, || {
            (guarded() >= MOST.len() as f64).then_some(())
        });
        let sweeps = requests_per_sweep(town, (HELD.as_secs() / 5) as f64);
        touched = town.asked(from, is_destructive);
        format!(
            "{} held, {touched} deletions or patches, {sweeps}",
            guarded()
        )
    });
    if !played {
        return;
    }
    let measured = format!("{touched} deletions or patches");
    report.promise(
        &format!("the storm guard holds, {name}"),
        measured,
        touched == 0,
    );
    for number in MOST {
        town.api.cluster.give_power(&node(number));
    }
    end(town, MOST);
    eventually("they are Ready again", PATIENCE, || {
        (not_ready() < 1000.0).then_some(())
    });
}
