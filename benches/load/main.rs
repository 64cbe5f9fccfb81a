//! Load and misuse: the released program as a process, told, flooded and starved over loopback, while
//! it guards a simulated cluster of 5,000 nodes. Says what each situation cost, and fails when a
//! promise is broken. Run by `make load`.

mod alerts;
#[path = "../../tests/live/api.rs"]
#[expect(dead_code, reason = "the tests ask for more")]
mod api;
mod clients;
mod outages;
mod probes;
mod report;
mod strangers;
mod town;

use nodefall_testbed::process::say;
use report::Report;
use std::process::ExitCode;
use std::time::Instant;
use town::Town;

fn main() -> ExitCode {
    let binary = std::env::var("NODEFALL").expect("NODEFALL, the program to load: `make load`");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    say(&format!("nodefall {}, {cores} cores", nodefall::VERSION));
    let began = Instant::now();
    let town = Town::build(&binary);
    let mut report = Report::new(&town);
    outages::quiet(&town, &mut report);
    report.at_rest(&town);
    outages::one_node(&town, &mut report);
    outages::hundred_nodes(&town, &mut report);
    outages::most_nodes(&town, &mut report);
    alerts::thousand_nodes(&town, &mut report);
    alerts::same_alert(&town, &mut report);
    strangers::connections(&town, &mut report);
    strangers::half_headers(&town, &mut report);
    strangers::half_bodies(&town, &mut report);
    strangers::large_bodies(&town, &mut report);
    strangers::unread_answers(&town, &mut report);
    report.end(&town);
    say(&format!("\n{} s in all", began.elapsed().as_secs()));
    report.verdict()
}
