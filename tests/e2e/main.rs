//! Nodefall on a real Kubernetes control plane (`make e2e`): one cluster for all scenarios, in order,
//! each of which leaves it as it was. What Nodefall asked is read from the API server's audit log.

mod bed;
mod comeback;
mod conversations;
mod crashes;
mod credentials;
mod finalizers;
mod holds;
mod interactive;
mod many;
mod outages;
mod pod_security;
mod policy;
mod record;
mod removed;
mod rights;
mod road;
mod untouched;

use bed::{Bed, Scenario, Scene};
use conversations::{CONVERSATIONS, hold_with_both, kubectl};
use libtest_mimic::{Arguments, Failed, Trial};
use nodefall_testbed::process;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// In this order: the rights and the record read what all the others before them did.
const SCENARIOS: &[&[(&str, Scenario)]] = &[
    road::SCENARIOS,
    finalizers::SCENARIOS,
    holds::SCENARIOS,
    untouched::SCENARIOS,
    comeback::SCENARIOS,
    crashes::SCENARIOS,
    outages::SCENARIOS,
    credentials::SCENARIOS,
    removed::SCENARIOS,
    many::SCENARIOS,
    rights::SCENARIOS,
    record::SCENARIOS,
    policy::SCENARIOS,
    pod_security::SCENARIOS,
];

/// What is not about Nodefall: the simulated cluster of its other tests is as the real one.
const ALIKE: &str = "the embedded cluster answers as the real one:";

/// The cluster that the scenarios share.
enum Shared {
    /// Not started yet, or given up after a scenario that could not be tidied up after.
    None,
    Up(Box<Bed>),
    /// It did not start, and would not the next time.
    Dead,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster.
    arguments.test_threads = Some(1);
    process::end_on_signal();
    let shared = Arc::new(Mutex::new(Shared::None));
    let trial = |name: String, scenario: Box<dyn FnOnce(&mut Scene) + Send>| {
        let shared = shared.clone();
        Trial::test(name, move || play(&shared, scenario))
    };
    let scenarios = SCENARIOS.concat().into_iter();
    let scenarios = scenarios.map(|(name, scenario)| trial(name.to_owned(), Box::new(scenario)));
    let conversations = CONVERSATIONS.iter().map(|conversation| {
        let hold = |scene: &mut Scene| hold_with_both(*conversation, scene.cluster);
        trial(format!("{ALIKE} {}", conversation.0), Box::new(hold))
    });
    let talk = |scene: &mut Scene| kubectl::talk(scene.cluster);
    // First what is timed, on a machine on which nothing else runs yet.
    let mut trials = vec![Trial::test(interactive::NAME, || {
        interactive::by_hand();
        Ok(())
    })];
    trials.extend(scenarios.chain(conversations));
    trials.push(trial(format!("{ALIKE} {}", kubectl::NAME), Box::new(talk)));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Its processes end here.
    drop(shared);
    conclusion.exit_code()
}

fn play(shared: &Mutex<Shared>, scenario: impl FnOnce(&mut Scene)) -> Result<(), Failed> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    // What stands there if the start panics.
    let mut bed = match std::mem::replace(&mut *shared, Shared::Dead) {
        Shared::None => Box::new(Bed::start()),
        Shared::Up(bed) => bed,
        Shared::Dead => return Err("the cluster did not start, see above".into()),
    };
    *shared = Shared::None;
    let played = bed.play(scenario);
    // It could be tidied up after, failed or not.
    *shared = Shared::Up(bed);
    played.map_err(|panic| resume_unwind(panic))
}
