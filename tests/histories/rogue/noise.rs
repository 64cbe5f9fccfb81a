//! Who asks too much, or keeps too much, is caught.

use super::{NODE, Rogue, breaks, plan, rules};
use crate::record::Rest;
use nodefall::demo::faults::{Effect, Fault};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_pod_is_not_asked_about_too_often() {
    breaks(&["too many calls"], plan(), async |rogue| {
        for _ in 0..200 {
            rogue.look_at_pod().await;
        }
    })
    .await;
    breaks(&["too many calls"], plan(), async |rogue| {
        for _ in 0..900 {
            rogue.look_at_pod().await;
            sleep(Duration::from_millis(650)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_never_answered_is_not_sent_for_ever() {
    let rogue = Rogue::new(plan()).await;
    rogue
        .cluster
        .inject(Fault::new(Effect::Reset).verb("delete"));
    for (tries, loops) in [(89, false), (1, true)] {
        for _ in 0..tries {
            rogue.delete().await;
            sleep(Duration::from_secs(5)).await;
        }
        let rules = rogue.broken(Vec::new(), &[]);
        assert_eq!(rules.contains(&"loop"), loops, "{rules:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded() {
    let rogue = Rogue::new(plan()).await;
    let mut record = rogue.record(Vec::new(), &[]);
    record.suspected = 5.0;
    record.tasks = (18, 1);
    assert!(rules(&record).is_empty());
    record.suspected = 6.0;
    assert_eq!(rules(&record), ["too many suspects"]);
    record.suspected = 0.0;
    record.tasks = (19, 1);
    assert_eq!(rules(&record), ["too many tasks"]);

    let remediations = |count| json!({"remediations": vec![json!({}); count]});
    assert!(
        rogue
            .broken(Vec::new(), &[("r", remediations(256))])
            .is_empty()
    );
    assert_eq!(
        rogue.broken(Vec::new(), &[("r", remediations(257))]),
        ["history"]
    );
}

#[tokio::test(start_paused = true)]
async fn rest_is_rest() {
    let rogue = Rogue::new(plan()).await;
    let began = rogue.cluster.now();
    // What is asked about a node in trouble, and what about one that is not.
    for _ in 0..40 {
        sleep(Duration::from_secs(4)).await;
        rogue.look_at_node().await;
    }
    let rest = |troubled: &[&str]| {
        let mut record = rogue.record(Vec::new(), &[]);
        let troubled: BTreeSet<_> = troubled.iter().map(|it| (*it).to_owned()).collect();
        record.rest = Some(Rest { began, troubled });
        rules(&record)
    };
    assert!(rest(&[NODE]).is_empty());
    assert_eq!(rest(&[]), ["restless"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_finding() {
    let rogue = Rogue::new(plan()).await;
    let mut record = rogue.record(Vec::new(), &[]);
    record.broken.push("a panic".to_owned());
    assert_eq!(rules(&record), ["broken"]);

    crate::panics::note();
    let task = tokio::spawn(async { panic!("swallowed") });
    assert!(task.await.is_err());
    let noted = crate::panics::noted();
    assert!(
        noted.len() == 1 && noted[0].contains("swallowed"),
        "{noted:?}"
    );
}
