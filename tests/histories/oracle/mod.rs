//! Says of a history that was played what Nodefall did wrong, if anything. It reads the wire, the
//! audit log and the simulated truth, and shares no code with what it judges.

pub mod harm;
pub mod loss;
pub mod noise;
mod reads;
mod truth;

use crate::record::Record;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule is broken, in a word.
    pub rule: &'static str,
    pub at: Timestamp,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.rule, self.what, self.at)
    }
}

/// What a history came to.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    pub findings: Vec<Finding>,
    /// How often something happened, by its name: what a run of many histories says at its end.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Judgement {
    fn find(&mut self, rule: &'static str, at: Timestamp, what: String) {
        self.findings.push(Finding { rule, at, what });
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

/// Judges what was played.
pub fn judge(record: &Record) -> Judgement {
    let mut judgement = Judgement::default();
    // What never happened is told, too.
    judgement
        .counts
        .extend(truth::POSSIBLE.map(|what| (what, 0)));
    for what in &record.broken {
        judgement.find("broken", record.end, what.clone());
    }
    harm::judge(record, &mut judgement);
    truth::when_done(record, &mut judgement);
    loss::judge(record, &mut judgement);
    noise::judge(record, &mut judgement);
    judgement
}
