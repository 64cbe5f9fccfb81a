//! What each situation cost, and whether the promises were kept.

use crate::probes::{Met, PROBES, Probes};
use crate::town::{KNOWN, PATIENCE, Spare, Town, node};
use jiff::Timestamp;
use nodefall_testbed::gauge::{Resident, forget_peak, mib, open_files, resident};
use nodefall_testbed::process::say;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The goal for resident memory, and what it must never take: docs/measurements.md has what it did.
const MEMORY: u64 = 25 * 1024 * 1024;
const MEMORY_AT_MOST: u64 = 40 * 1024 * 1024;

/// The goal for the answers to probes.
const PROMPT: Duration = Duration::from_secs(1);

/// How long the program gets to come to rest before it is measured again.
const REST: Duration = Duration::from_secs(2);

/// Idle connections to the API server are closed after 90 s.
const IDLE: Duration = Duration::from_secs(100);

/// Sockets that come and go: a few connections to the API server.
const FILES: usize = 4;

/// Memory may end so much above where it began: what the allocator keeps.
const KEPT: u64 = 4 * 1024 * 1024;

/// One goal: what it is, what was measured, and whether that is enough.
struct Goal {
    what: String,
    measured: String,
    met: bool,
    /// A promise: the run fails without it.
    hard: bool,
}

/// The whole run.
pub struct Report {
    began: Timestamp,
    first: (Resident, usize),
    rows: Vec<String>,
    goals: Vec<Goal>,
    spare: Spare,
    peak: (u64, String),
    slowest: (Duration, String),
    wrong: Vec<String>,
    /// Watched pods of nodes whose genuine alert was taken, and how many of them were not replaced.
    accepted: usize,
    lost: usize,
}

impl Report {
    /// Begins while nothing happens but sweeps.
    pub fn new(town: &Town) -> Self {
        Self {
            began: Timestamp::now(),
            first: now(town),
            rows: Vec::new(),
            goals: Vec::new(),
            spare: Spare::default(),
            peak: (0, String::new()),
            slowest: (Duration::ZERO, String::new()),
            wrong: Vec::new(),
            accepted: 0,
            lost: 0,
        }
    }

    /// From here on memory and files are compared with what they are now.
    pub fn at_rest(&mut self, town: &Town) {
        self.first = now(town);
    }

    /// Measures a situation; `load` is it, and says in a few words what became of it. Genuine alerts
    /// for `genuine` lost nodes are sent meanwhile. False when nobody asked for it.
    pub fn situation(
        &mut self,
        town: &Town,
        name: &str,
        genuine: usize,
        load: impl FnOnce() -> String,
    ) -> bool {
        if !wanted(name) {
            return false;
        }
        let spare = self.spare.take(genuine);
        let pods: Vec<_> = spare.iter().map(|n| (node(*n), town.watched(*n))).collect();
        forget_peak(town.process());
        let began = Instant::now();
        let told = match spare.is_empty() {
            true => vec![node(KNOWN)],
            false => spare.into_iter().map(node).collect(),
        };
        let probes = Probes::start(&town.receiver, told);
        let words = load();
        let took = began.elapsed();
        let met = probes.stop();
        let peak = resident(town.process()).peak;
        let pods = pods
            .into_iter()
            .filter(|(node, _)| met.taken.contains(node));
        let pods: Vec<_> = pods.flat_map(|(_, pods)| pods).collect();
        let left = town.not_replaced(&pods, PATIENCE);
        self.accepted += pods.len();
        self.lost += left;
        sleep(REST);
        let (after, files) = now(town);
        self.row(name, peak, after, files, &met, took, &words);
        if peak > self.peak.0 {
            self.peak = (peak, name.to_owned());
        }
        for (probe, slowest) in &met.slowest {
            if *slowest > self.slowest.0 {
                self.slowest = (*slowest, format!("{probe}, {name}"));
            }
        }
        let wrong = met.wrong.iter();
        self.wrong
            .extend(wrong.map(|(what, count)| format!("{name}: {what} ({count})")));
        true
    }

    #[expect(clippy::too_many_arguments, reason = "one row of a table")]
    fn row(
        &mut self,
        name: &str,
        peak: u64,
        after: Resident,
        files: usize,
        met: &Met,
        took: Duration,
        words: &str,
    ) {
        let slow = |probe| met.slowest.get(probe).copied().unwrap_or_default();
        let slow = PROBES.map(|probe| format!("{} ms", slow(probe).as_millis()));
        let row = format!(
            "| {name} | {} | {after} | {} | {files} | {} | {:.1} s: {words} |",
            mib(peak),
            met.files,
            slow.join(" | "),
            took.as_secs_f64()
        );
        say(&row);
        for (what, count) in &met.wrong {
            say(&format!("    {count} of {} probes: {what}", met.rounds));
        }
        self.rows.push(row);
    }

    /// Notes a goal that the run does not fail without.
    pub fn goal(&mut self, what: &str, measured: String, met: bool) {
        self.note(what, measured, met, false);
    }

    /// Notes a promise.
    pub fn promise(&mut self, what: &str, measured: String, met: bool) {
        self.note(what, measured, met, true);
    }

    fn note(&mut self, what: &str, measured: String, met: bool, hard: bool) {
        self.goals.push(Goal {
            what: what.to_owned(),
            measured,
            met,
            hard,
        });
    }

    /// Judges the run as a whole, once the program has come to rest.
    pub fn end(&mut self, town: &Town) {
        let (peak, at) = self.peak.clone();
        self.goal(
            "resident memory below 25 MiB",
            format!("{} ({at})", mib(peak)),
            peak < MEMORY,
        );
        let measured = format!("{} ({at})", mib(peak));
        self.promise("never 40 MiB", measured, peak < MEMORY_AT_MOST);
        let (slowest, at) = self.slowest.clone();
        let measured = format!("{} ms ({at})", slowest.as_millis());
        self.goal("probes answered within 1 s", measured, slowest < PROMPT);
        let wrong = std::mem::take(&mut self.wrong);
        let measured = match wrong.is_empty() {
            true => "all".to_owned(),
            false => wrong.join("; "),
        };
        self.goal("probes answered 200 and 202", measured, wrong.is_empty());
        let measured = format!("{} of {} pods not replaced", self.lost, self.accepted);
        self.promise("no alert that was taken is lost", measured, self.lost == 0);
        let (before, files_before) = self.first;
        let began = Instant::now();
        let (after, files) = loop {
            let (memory, files) = now(town);
            let is_back = files <= files_before + FILES && memory.all < before.all + KEPT;
            if is_back || began.elapsed() > IDLE {
                break (memory, files);
            }
            sleep(Duration::from_secs(1));
        };
        let measured = format!("{files_before} before, {files} after");
        self.promise("open files return", measured, files <= files_before + FILES);
        let measured = format!("{before} before, {after} after");
        self.promise(
            "memory returns, but for 4 MiB",
            measured,
            after.all < before.all + KEPT,
        );
        let harmed = town.asked(self.began, |entry| {
            let lives = entry.truth.as_ref().is_some_and(|truth| truth.power);
            crate::town::is_destructive(entry) && lives
        });
        let measured = format!("{harmed} deletions or patches there");
        self.promise(
            "nothing is touched on nodes with power",
            measured,
            harmed == 0,
        );
        let log = town.receiver.process.log();
        let errors = log
            .lines()
            .filter(|line| line.contains(r#""level":"ERROR""#));
        let errors = errors.count();
        self.promise(
            "no error in the log",
            format!("{errors} lines"),
            errors == 0,
        );
        let megabytes = format!("{} of log", mib(log.len() as u64));
        say(&format!("    {megabytes}"));
    }

    /// Prints all of it; a failure when a promise was broken.
    pub fn verdict(&self) -> ExitCode {
        say("\n| situation | peak | after | files | after | /metrics | /-/healthy | alert | |");
        say("|---|---|---|---|---|---|---|---|---|");
        self.rows.iter().for_each(|row| say(row));
        say("\n| goal | measured | |\n|---|---|---|");
        for goal in &self.goals {
            let verdict = match (goal.met, goal.hard) {
                (true, _) => "met",
                (false, false) => "**not met**",
                (false, true) => "**BROKEN**",
            };
            say(&format!(
                "| {} | {} | {verdict} |",
                goal.what, goal.measured
            ));
        }
        match self.goals.iter().any(|goal| goal.hard && !goal.met) {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        }
    }
}

/// Only situations whose name holds one of the arguments are played, if there are any.
fn wanted(name: &str) -> bool {
    let mut parts = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

fn now(town: &Town) -> (Resident, usize) {
    (resident(town.process()), open_files(town.process()))
}
