//! Runs many histories on all cores, and says what was found.

use crate::draw::draw;
use crate::oracle::{Finding, judge};
use crate::play::play;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Histories(u64),
    Time(Duration),
}

impl Amount {
    /// As `NODEFALL_HISTORIES` has it: a number, or a time such as `30m`.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Ok(histories) = text.parse() {
            return Ok(Self::Histories(histories));
        }
        let time = text.parse::<jiff::SignedDuration>().ok();
        let time = time.and_then(|time| Duration::try_from(time).ok());
        time.map(Self::Time)
            .ok_or_else(|| format!("NODEFALL_HISTORIES={text}: give a number, or a time like 30m"))
    }
}

/// The seeds of a run: the first are the same in every run, the others are new.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    pub fixed: u64,
    /// The first of the new ones.
    pub fresh: u64,
}

impl Seeds {
    fn nth(self, number: u64) -> u64 {
        match number.checked_sub(self.fixed) {
            None => number,
            Some(beyond) => self.fresh + beyond,
        }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub histories: u64,
    pub counts: BTreeMap<&'static str, u64>,
    pub broken: Vec<(u64, Vec<Finding>)>,
    pub took: Duration,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.histories as f64 / self.took.as_secs_f64().max(0.001);
        write!(
            f,
            "{} histories in {:.0} s ({rate:.0} a second), {} with findings",
            self.histories,
            self.took.as_secs_f64(),
            self.broken.len()
        )?;
        for (what, count) in &self.counts {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

/// Plays as much as was asked for, on a thread for each core.
pub fn run(seeds: Seeds, amount: Amount) -> Tally {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let over = match amount {
                Amount::Histories(histories) => number >= histories,
                Amount::Time(time) => began.elapsed() >= time,
            };
            if over {
                break;
            }
            let seed = seeds.nth(number);
            // A panic of the player must not hide which seed it was; those of the receiver are findings.
            let judged = std::panic::catch_unwind(|| judge(&play(&draw(seed), false)));
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.histories += 1;
            match judged {
                Ok(judgement) => {
                    for (what, count) in judgement.counts {
                        *tally.counts.entry(what).or_default() += count;
                    }
                    if !judgement.findings.is_empty() {
                        say(&report(seed, &judgement.findings));
                        tally.broken.push((seed, judgement.findings));
                    }
                }
                Err(_) => {
                    say(&format!("seed {seed}: a panic"));
                    tally.broken.push((seed, Vec::new()));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.took = began.elapsed();
    tally
}

/// Plays one seed, and tells it as a timeline.
pub fn tell(seed: u64) -> Vec<Finding> {
    let history = draw(seed);
    say(&format!(
        "seed {seed}: {} nodes, {} replicas",
        history.layout.nodes.len(),
        history.replicas
    ));
    say(&history.config.words().join(" "));
    let record = play(&history, true);
    for line in &record.lines {
        say(&format!("{:.3} {}", line.at, line.text));
    }
    let judgement = judge(&record);
    say(&report(seed, &judgement.findings));
    judgement.findings
}

fn report(seed: u64, findings: &[Finding]) -> String {
    let mut lines = vec![format!("seed {seed}: {} findings", findings.len())];
    lines.extend(
        findings
            .iter()
            .take(5)
            .map(|finding| format!("  {finding}")),
    );
    lines.join("\n")
}

/// Past the capture of the test harness: a long run tells while it runs.
pub fn say(text: &str) {
    // Nobody is left to be told of a failure.
    let _ = writeln!(std::io::stderr(), "{text}");
}
