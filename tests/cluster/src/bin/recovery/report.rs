//! What was measured, as a table for people and as JSON.

use crate::roads::{ROADS, Road};
use crate::round::{Loss, Stage};
use jiff::Timestamp;
use nodefall_testbed::cluster::Cluster;
use nodefall_testbed::tools::run;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// Seconds from the power loss to each stage that was reached.
type Seconds = [Option<f64>; Stage::NAMES.len()];

/// All that was measured.
pub struct Report {
    date: Timestamp,
    versions: Vec<(&'static str, String)>,
    cores: usize,
    memory_gib: u64,
    /// The losses of each round, in the order of the roads.
    pub rounds: Vec<Vec<Loss>>,
}

/// A goal, and the worst that was measured.
struct Goal {
    what: &'static str,
    limit: f64,
    worst: Option<f64>,
}

impl Goal {
    fn is_met(&self) -> bool {
        self.worst.is_some_and(|worst| worst <= self.limit)
    }
}

impl Report {
    /// Of nothing yet; notes what it is measured with.
    pub fn new(cluster: &Cluster, nodefall: &str) -> Self {
        let kubernetes = cluster.client.get("/version").unwrap_or_default();
        let kubernetes = kubernetes["gitVersion"].as_str().unwrap_or("?");
        let kwok = Command::new(cluster.program("kwok"))
            .arg("--version")
            .output();
        let nodefall = Command::new(nodefall).arg("--version").output();
        let printed = |output: std::io::Result<std::process::Output>| {
            let output = output.expect("a program that ran a moment ago");
            version(&String::from_utf8_lossy(&output.stdout))
        };
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = memory
            .split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok());
        Self {
            date: Timestamp::now(),
            versions: vec![
                ("kubernetes", kubernetes.trim_start_matches('v').to_owned()),
                ("kwok", printed(kwok)),
                ("nodefall", printed(nodefall)),
                ("prometheus", version(&run("prometheus", &["--version"]))),
                (
                    "alertmanager",
                    version(&run("prometheus-alertmanager", &["--version"])),
                ),
            ],
            cores: available_parallelism().map_or(0, usize::from),
            memory_gib: kib.unwrap_or_default().div_ceil(1024 * 1024),
            rounds: Vec::new(),
        }
    }

    /// As JSON: every measurement, and what they come to.
    pub fn json(&self) -> Value {
        let roads = ROADS.iter().enumerate().map(|(index, road)| {
            let rounds = self.rounds.iter().map(|losses| {
                let loss = &losses[index];
                json!({
                    "node": loss.pod.node,
                    "power_lost": loss.lost,
                    "seconds": named(loss.seconds().map(|seconds| json!(seconds))),
                })
            });
            let all = self.of(index);
            let summary = std::array::from_fn(|stage| {
                let sorted = sorted(&all, stage);
                let [min, median, max] = spread(&sorted).map(|seconds| seconds[stage]);
                json!({"min": min, "median": median, "max": max})
            });
            json!({
                "name": road.name,
                "title": road.title,
                "volume": road.volume,
                "rounds": rounds.collect::<Vec<_>>(),
                "seconds": named(summary),
            })
        });
        let goals = self.goals().map(|goal| {
            json!({"goal": goal.what, "limit_seconds": goal.limit, "worst_seconds": goal.worst,
                "met": goal.is_met()})
        });
        let versions: Map<_, _> = self
            .versions
            .iter()
            .map(|(name, version)| ((*name).to_owned(), json!(version)))
            .collect();
        json!({
            "date": self.date,
            "versions": versions,
            "machine": {"cores": self.cores, "memory_gib": self.memory_gib},
            "roads": roads.collect::<Vec<_>>(),
            "goals": goals,
        })
    }

    /// As Markdown: a table of the roads, and one of the goals.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{}, {} cores, {} GiB.\n",
            self.versions(),
            self.cores,
            self.memory_gib
        );
        text += "| from power loss to replacement Ready | min | median | max | until Unknown | told \
                 | judged | deleted | Ready |\n|---|---|---|---|---|---|---|---|---|\n";
        for (index, road) in ROADS.iter().enumerate() {
            let sorted = sorted(&self.of(index), Stage::Ready as usize);
            text += &row(road, &spread(&sorted));
        }
        text += "\n| goal | worst | |\n|---|---|---|\n";
        for goal in self.goals() {
            let met = if goal.is_met() { "met" } else { "**not met**" };
            let worst = goal.worst.map_or("never".to_owned(), words);
            let _ = writeln!(
                text,
                "| {}: {} s | {worst} | {met} |",
                goal.what, goal.limit
            );
        }
        text
    }

    fn versions(&self) -> String {
        let words = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        format!(
            "{}: {}",
            self.date.strftime("%Y-%m-%d"),
            words.collect::<Vec<_>>().join(", ")
        )
    }

    fn goals(&self) -> [Goal; 3] {
        let ready = Stage::Ready as usize;
        let worst = |names: &[&str], took: &dyn Fn(Seconds) -> Option<f64>| {
            let indices = (0..ROADS.len()).filter(|index| names.contains(&ROADS[*index].name));
            let all: Vec<_> = indices.flat_map(|index| self.of(index)).map(took).collect();
            // One that never came is worse than any.
            let all: Option<Vec<f64>> = all.into_iter().collect();
            all?.into_iter().max_by(f64::total_cmp)
        };
        let since_told = |seconds: Seconds| {
            let took = seconds[ready]? - seconds[Stage::Told as usize]?;
            Some((took * 1000.0).round() / 1000.0)
        };
        [
            Goal {
                what: "by alert, from power loss to Ready",
                limit: 120.0,
                worst: worst(&["alert"], &|seconds| seconds[ready]),
            },
            Goal {
                what: "by sweep with `--unreachable-for 0s --period 5s`, from power loss to Ready",
                limit: 60.0,
                worst: worst(&["sweep-0s-5s"], &|seconds| seconds[ready]),
            },
            Goal {
                what: "from the alert's arrival, or the quick sweep's first look, to Ready",
                limit: 3.0,
                worst: worst(&["alert", "sweep-0s", "sweep-0s-5s"], &since_told),
            },
        ]
    }

    /// What was measured on one road.
    fn of(&self, road: usize) -> Vec<Seconds> {
        self.rounds
            .iter()
            .map(|losses| losses[road].seconds())
            .collect()
    }
}

/// By the time to that stage; who never reached it is last.
fn sorted(all: &[Seconds], stage: usize) -> Vec<Seconds> {
    let mut all = all.to_vec();
    let key = |seconds: &Seconds| seconds[stage].unwrap_or(f64::INFINITY);
    all.sort_by(|a, b| key(a).total_cmp(&key(b)));
    all
}

/// Minimum, median and maximum of what is sorted; of an even number the lower median.
fn spread(sorted: &[Seconds]) -> [Seconds; 3] {
    let last = sorted.len() - 1;
    [0, last / 2, last].map(|index| sorted[index])
}

fn row(road: &Road, spread: &[Seconds; 3]) -> String {
    let mut cells = vec![road.title.to_owned()];
    let ready = spread.map(|seconds| seconds[Stage::Ready as usize]);
    cells.extend(ready.map(|seconds| seconds.map_or("never".to_owned(), words)));
    // The steps of the median round: they add up to it.
    let mut before = 0.0;
    cells.extend(spread[1].map(|at| {
        at.map_or("–".to_owned(), |at| {
            let step = at - before;
            before = at;
            words(step)
        })
    }));
    format!("| {} |\n", cells.join(" | "))
}

/// What people read: `47.3 s`, `12 ms`.
fn words(seconds: f64) -> String {
    if seconds.abs() < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

/// A value for each stage, under its name.
fn named(values: [Value; Stage::NAMES.len()]) -> Value {
    let names = Stage::NAMES.map(str::to_owned);
    Value::Object(names.into_iter().zip(values).collect())
}

/// The first word that begins with a digit, or with `v` and one, without the `v`.
fn version(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    let mut versions = words.map(|word| word.trim_start_matches('v'));
    let found = versions.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    found.unwrap_or("?").to_owned()
}
