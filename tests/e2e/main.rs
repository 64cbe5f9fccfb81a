//! Nodefall on a real Kubernetes control plane (`make e2e`): one cluster for all scenarios, in order,
//! each of which leaves it as it was. What Nodefall asked is read from the API server's audit log.

mod bed;
mod comeback;
mod crashes;
mod finalizers;
mod holds;
mod interactive;
mod many;
mod outages;
mod record;
mod removed;
mod rights;
mod road;
mod untouched;

use bed::{Bed, Scenario};
use libtest_mimic::{Arguments, Trial};
use nodefall_testbed::process;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// In this order: the last ones read what all the others did.
const SCENARIOS: &[&[(&str, Scenario)]] = &[
    road::SCENARIOS,
    finalizers::SCENARIOS,
    holds::SCENARIOS,
    untouched::SCENARIOS,
    comeback::SCENARIOS,
    crashes::SCENARIOS,
    outages::SCENARIOS,
    removed::SCENARIOS,
    many::SCENARIOS,
    interactive::SCENARIOS,
    rights::SCENARIOS,
    record::SCENARIOS,
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The scenarios share one cluster.
    arguments.test_threads = Some(1);
    process::end_on_signal();
    let bed = Arc::new(Mutex::new(None));
    let trials = SCENARIOS.concat().into_iter().map(|(name, scenario)| {
        let bed = bed.clone();
        Trial::test(name, move || {
            // A scenario that failed has been tidied up after.
            let mut bed = bed.lock().unwrap_or_else(PoisonError::into_inner);
            bed.get_or_insert_with(Bed::start).play(scenario);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Its processes end here.
    drop(bed);
    conclusion.exit_code()
}
