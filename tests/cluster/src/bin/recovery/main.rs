//! `make bench-recovery`: from a power loss to the replacement's being Ready, for Kubernetes alone, for
//! the out-of-service taint put by hand, and for Nodefall's roads, side by side on one cluster with
//! Kubernetes' own timings.
//!
//! `recovery NODEFALL [--rounds N] [--json FILE]`, where NODEFALL is its program. The table goes to
//! standard output. A round takes some 12 minutes.

mod bed;
mod report;
mod roads;
mod round;
mod volumes;
mod watch;

use bed::Bed;
use nodefall_testbed::process::{self, say};
use report::Report;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

struct Options {
    program: String,
    rounds: usize,
    json: Option<PathBuf>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            program: arguments.next()?,
            rounds: 3,
            json: None,
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next()?;
            match option.as_str() {
                "--rounds" => options.rounds = value.parse().ok().filter(|rounds| *rounds > 0)?,
                "--json" => options.json = Some(value.into()),
                _ => return None,
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::read(std::env::args().skip(1)) else {
        say("recovery: usage: recovery NODEFALL [--rounds N] [--json FILE]");
        return ExitCode::from(2);
    };
    process::end_on_signal();
    let mut bed = Bed::start(&options.program);
    let mut report = Report::new(&bed.cluster, &options.program);
    for round in 1..=options.rounds {
        say(&format!("round {round} of {}", options.rounds));
        report.rounds.push(round::play(&mut bed));
        // Each round is kept, whatever becomes of the next.
        if let Some(file) = &options.json
            && let Err(error) = std::fs::write(file, format!("{:#}\n", report.json()))
        {
            say(&format!(
                "recovery: {} cannot be written: {error}",
                file.display()
            ));
            return ExitCode::FAILURE;
        }
    }
    match std::io::stdout().write_all(report.markdown().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
