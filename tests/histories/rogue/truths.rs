//! What the reads say is held against the truth, when a call is sent and when it takes effect.

use super::{NODE, POD, Rogue, breaks, plan, rules};
use crate::oracle::judge;
use nodefall::demo::faults::{Effect, Fault};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_pod_that_runs_must_not_be_touched_whatever_the_api_says() {
    breaks(&["harm"], plan(), async |rogue| {
        rogue.lies();
        rogue.look().await;
        rogue.delete().await;
    })
    .await;
    breaks(
        &["harm"],
        plan().finalizer("example.com/keep"),
        async |rogue| {
            rogue.look().await;
            rogue.delete().await;
            sleep(Duration::from_secs(10)).await;
            rogue.lies();
            rogue.look().await;
            rogue.patch().await;
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_a_removed_node_was_given_up_by_kubernetes_already() {
    let rogue = Rogue::new(plan().finalizer("example.com/keep")).await;
    rogue.look().await;
    rogue.delete().await;
    sleep(Duration::from_secs(10)).await;
    rogue.cluster.delete_node(NODE);
    rogue.lies();
    rogue.look().await;
    rogue.patch().await;
    assert_count(&rogue, "a living pod of a removed Node");
}

#[tokio::test(start_paused = true)]
async fn a_node_may_come_back_while_a_call_is_on_its_way_but_not_for_ever() {
    for (seconds, broken) in [(3, &[][..]), (8, &["harm"])] {
        let rogue = Rogue::new(plan()).await;
        rogue.look().await;
        let effect = Effect::Latency {
            before: Duration::from_secs(seconds),
            after: Duration::ZERO,
        };
        rogue.cluster.inject(Fault::new(effect).verb("delete"));
        let back = async {
            sleep(Duration::from_secs(1)).await;
            rogue.lies();
        };
        tokio::join!(rogue.delete(), back);
        assert_eq!(rogue.broken(Vec::new(), &[]), broken, "after {seconds} s");
        if broken.is_empty() {
            assert_count(&rogue, "a living pod back while the call was on its way");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_effect_was_sent_and_bound_to_the_pod() {
    let rogue = Rogue::new(plan()).await;
    rogue.look().await;
    rogue.delete().await;
    let mut record = rogue.record(Vec::new(), &[]);
    assert!(rules(&record).is_empty());
    let is_delete = |call: &crate::wire::Call| call.target().is_some();
    record.calls.retain(|call| !is_delete(call));
    assert_eq!(rules(&record), ["harm"]);

    let rogue = Rogue::new(plan()).await;
    rogue.look().await;
    rogue.delete_with(&json!({"gracePeriodSeconds": 0})).await;
    let found = judge(&rogue.record(Vec::new(), &[])).findings;
    let about = |it: &crate::oracle::Finding| it.rule == "another uid" && it.what.contains(POD);
    assert!(found.iter().any(about), "{found:?}");
}

fn assert_count(rogue: &Rogue, what: &str) {
    let judgement = judge(&rogue.record(Vec::new(), &[]));
    assert!(judgement.findings.is_empty(), "{:?}", judgement.findings);
    assert_eq!(
        judgement.counts.get(what),
        Some(&1),
        "{:?}",
        judgement.counts
    );
}
