//! How an API misbehaves.

use crate::draw::{moment, pick};
use fastrand::Rng;
use nodefall::demo::faults::{Effect, Fault};
use std::time::Duration;

/// One fault: for single requests of a kind, or for everything and a while.
pub fn draw(rng: &mut Rng, replicas: usize) -> Fault {
    let secs = Duration::from_secs;
    let mut fault = Fault::new(effect(rng));
    let (verb, resource) = *pick(
        rng,
        &[
            ("*", "*"),
            ("*", "*"),
            ("delete", "pods"),
            ("delete", "pods"),
            ("patch", "pods"),
            ("get", "pods"),
            ("list", "pods"),
            ("get", "nodes"),
            ("list", "nodes"),
            ("get", "leases"),
            ("create", "events"),
        ],
    );
    if verb != "*" {
        fault = fault.verb(verb).resource(resource);
    }
    if replicas > 1 && rng.bool() {
        // A replica that was started anew has another name.
        let generation = *pick(rng, &[0, 0, 0, 1]);
        fault = fault.user_agent(&crate::replica::name(rng.usize(..replicas), generation));
    }
    if rng.bool() {
        let count = rng.u32(1..4);
        fault.after(rng.u32(0..6)).times(count)
    } else {
        fault.lasting(moment(rng, secs(1), secs(90)))
    }
}

fn effect(rng: &mut Rng) -> Effect {
    let millis = |rng: &mut Rng, most: u64| Duration::from_millis(rng.u64(0..most));
    match rng.u8(..13) {
        0 => Effect::Hang,
        1 => Effect::HangAfter,
        2 => Effect::Reset,
        3 => Effect::ResetAfter,
        4 => Effect::Truncate,
        5..8 => Effect::Latency {
            before: millis(rng, 400),
            after: millis(rng, 400),
        },
        8 | 9 => Effect::Latency {
            before: millis(rng, 6000),
            after: millis(rng, 6000),
        },
        _ => Effect::Status {
            code: *pick(rng, &[403, 409, 422, 429, 500, 503, 504]),
            retry_after: *pick(rng, &[None, None, Some(1), Some(30)]),
        },
    }
}
