//! The embedded cluster is held to the real one: the same conversations are held with both, and what
//! they answer must be the same.
//!
//! A conversation is one list of steps ([`script`]). Playing it ([`player`]) leaves a [`transcript`];
//! the two are compared field by field, but for the [`differences`] that are listed with their reason.

mod asking;
mod complaining;
mod creating;
mod deleting;
mod differences;
mod events;
pub mod kubectl;
mod leases;
mod losing;
mod objects;
mod orphans;
mod patching;
mod player;
mod reading;
mod script;
mod transcript;
mod workloads;

use self::differences::{DIFFERENCES, Difference};
use self::player::Partner;
use self::script::Step;
use self::transcript::Entry;
use nodefall::demo::{Cluster as Embedded, Constants, Layout};
use nodefall_testbed::cluster::Cluster;
use nodefall_testbed::profile::Profile;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::thread;
use std::time::Duration;

/// A conversation: its name and its steps.
pub type Conversation = (&'static str, fn() -> Vec<Step>);

/// All of them. Each leaves the cluster as it found it.
pub const CONVERSATIONS: &[Conversation] = &[
    ("asking", asking::script),
    ("reading", reading::script),
    ("creating", creating::script),
    ("patching", patching::script),
    ("deleting", deleting::script),
    ("leases", leases::script),
    ("events", events::script),
    ("workloads", workloads::script),
    ("losing", losing::script),
    ("complaining", complaining::script),
    ("orphans", orphans::script),
];

/// Kubernetes as quick as [`Profile::QUICK`], with kubelets as quick as kwok.
fn constants() -> Constants {
    let quick = Profile::QUICK;
    Constants {
        start: jiff::Timestamp::now(),
        lease_duration: quick.lease,
        renew_interval: quick.lease / 4,
        node_ready_delay: Duration::from_millis(200),
        monitor_period: quick.monitor,
        grace_period: quick.grace,
        taint_interval: Duration::from_secs_f32(1.0 / quick.taint_rate),
        toleration: quick.toleration,
        pod_start: Duration::from_millis(50),
        pod_stop: Duration::from_millis(50),
        ..Constants::default()
    }
}

/// Holds a conversation with both at once: a cluster of [`Profile::QUICK`] in which kube-prometheus is
/// installed, and an embedded one.
///
/// # Panics
/// With a diff, when they do not answer alike.
pub fn hold_with_both((name, script): Conversation, cluster: &mut Cluster) {
    let script = &script()[..];
    let titles: BTreeSet<&str> = script.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles.len(), script.len(), "{name}: two steps of one title");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads");
    let mut embedded = {
        let _inside = runtime.enter();
        Embedded::new(constants(), &Layout::kube_prometheus())
    };
    let runner = embedded.clone();
    runtime.spawn(async move { runner.run().await });
    let client = {
        let _inside = runtime.enter();
        embedded.client()
    };
    let (real, simulated) = thread::scope(|scope| {
        let handle = runtime.handle().clone();
        let other = scope.spawn(move || {
            let machines = &mut embedded;
            let mut partner = Partner {
                client,
                runtime: handle,
                machines,
            };
            partner.play(script)
        });
        let client = cluster.client.clone();
        let mut partner = Partner {
            client: client.kube(),
            runtime: client.runtime().handle().clone(),
            machines: cluster,
        };
        (partner.play(script), other.join().expect("a transcript"))
    });
    compare(name, &real, &simulated);
}

/// # Panics
/// With a diff, when the two did not say the same.
fn compare(name: &str, real: &[Entry], embedded: &[Entry]) {
    // Two that fail alike would be alike too.
    for (title, lines) in real {
        let came = lines.get("came").is_none_or(|came| came == "yes");
        let failed = lines.get("failed");
        assert!(came && failed.is_none(), "{name}: {title}: {lines:?}");
    }
    let said = diff(real, embedded, &listed(name));
    assert!(
        said.is_empty(),
        "{name}: the real cluster (-) and the embedded one (+)\n{said}"
    );
}

/// A step and a field that may, and must, differ, and as part of what.
type Listed = (&'static str, &'static str, &'static Difference);

fn listed(conversation: &str) -> Vec<Listed> {
    let known = |of: &str| of == kubectl::NAME || CONVERSATIONS.iter().any(|(name, _)| *name == of);
    for (of, step, _) in DIFFERENCES.iter().flat_map(|one| one.places) {
        assert!(
            known(of),
            "a listed step is of no conversation: {of}: {step}"
        );
    }
    let places = |known: &'static Difference| known.places.iter().map(move |at| (at, known));
    let all = DIFFERENCES.iter().flat_map(places);
    let own = all.filter(|((of, ..), _)| *of == conversation);
    own.map(|((_, step, field), known)| (*step, *field, known))
        .collect()
}

/// What differs without being listed, and what is listed without differing; empty when all is well.
fn diff(real: &[Entry], embedded: &[Entry], listed: &[Listed]) -> String {
    let mut said = String::new();
    let mut used = vec![false; listed.len()];
    for ((title, lines), (_, others)) in real.iter().zip(embedded) {
        let mut of_step = String::new();
        for field in lines.keys().chain(others.keys()).collect::<BTreeSet<_>>() {
            let (one, other) = (lines.get(field), others.get(field));
            if one == other {
                continue;
            }
            let covers = |(step, known, _): &Listed| {
                let below = field.strip_prefix(known);
                step == title
                    && (*known == "*"
                        || below.is_some_and(|it| it.is_empty() || it.starts_with('/')))
            };
            if let Some(at) = listed.iter().position(covers) {
                used[at] = true;
                continue;
            }
            for (sign, value) in [('-', one), ('+', other)] {
                if let Some(value) = value {
                    let _ = writeln!(of_step, "    {sign} {field}: {value}");
                }
            }
        }
        if !of_step.is_empty() {
            let _ = write!(said, "  {title}\n{of_step}");
        }
    }
    for ((step, field, Difference { name, why, .. }), used) in listed.iter().zip(used) {
        if !used {
            let _ = writeln!(
                said,
                "  {step}\n    {field} differs no more; take it off the list of \"{name}\" ({why})"
            );
        }
    }
    said
}
