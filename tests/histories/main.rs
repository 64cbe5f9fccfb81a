//! Histories: the whole receiver against the simulated cluster, through everything that may go wrong,
//! on a paused clock and from one seed; and an oracle that says what must not be.
//!
//! `NODEFALL_SEED=N` plays one seed and tells it as a timeline. `NODEFALL_HISTORIES` says how many are
//! played, or for how long (`30m`).
#![cfg(feature = "demo")]

mod act;
mod config;
mod draw;
mod oracle;
mod panics;
mod play;
mod plots;
mod record;
mod regressions;
mod replica;
mod rogue;
mod run;
mod sender;
mod spoil;
mod stage;
mod wire;

use run::{Amount, Seeds, run, say, tell};

/// How many are played where nothing else is asked for, and how many of them are always the same.
const HISTORIES: u64 = 1000;
const FIXED: u64 = 500;

fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[test]
fn no_history_does_harm_or_loses_anything() {
    if let Some(seed) = asked("NODEFALL_SEED") {
        let seed = seed.parse().expect("NODEFALL_SEED is a number");
        let findings = tell(seed);
        assert!(
            findings.is_empty(),
            "seed {seed}: {} findings",
            findings.len()
        );
        return;
    }
    let amount = asked("NODEFALL_HISTORIES")
        .map_or(Ok(Amount::Histories(HISTORIES)), |text| Amount::read(&text));
    let amount = amount.unwrap_or_else(|why| panic!("{why}"));
    let seeds = Seeds {
        fixed: FIXED,
        fresh: fastrand::u64(1_000_000..1_000_000_000_000),
    };
    say(&format!("histories: {amount:?}, {seeds:?}"));
    let tally = run(seeds, amount);
    say(&tally.to_string());
    let broken: Vec<_> = tally.broken.iter().map(|(seed, _)| seed).collect();
    assert!(
        broken.is_empty(),
        "play one again with NODEFALL_SEED: {broken:?}"
    );
    assert!(
        tally.counts.contains_key("deletions answered"),
        "nothing was done: {tally}"
    );
}

#[test]
fn a_seed_is_the_same_history_every_time() {
    for seed in 0..20 {
        // Telling it must not change it.
        let trace = |tells| {
            let record = play::play(&draw::draw(seed), tells);
            (format!("{:?}", record.calls), format!("{:?}", record.audit))
        };
        let (first, second) = (trace(true), trace(false));
        assert!(first == second, "seed {seed} was played twice, and differs");
    }
}

#[test]
fn an_amount_is_a_number_or_a_time() {
    assert_eq!(Amount::read("12"), Ok(Amount::Histories(12)));
    assert_eq!(
        Amount::read("2m"),
        Ok(Amount::Time(std::time::Duration::from_secs(120)))
    );
    for text in ["-1", "many", "-2m"] {
        assert!(
            Amount::read(text).is_err_and(|why| why.contains(text)),
            "{text}"
        );
    }
}
