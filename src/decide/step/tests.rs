use super::*;
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    delete_timeout: Duration::from_secs(10),
    patch_interval: Duration::from_millis(500),
    patch_timeout: Duration::from_secs(10),
};

const DELETE: Step = Step::Do(Destructive::Delete);
const PATCH: Step = Step::Do(Destructive::Patch);

fn pod(finalizers: &[&str]) -> Pod {
    let pod = json!({
        "metadata": {"name": "p-0", "namespace": "m", "uid": "u1", "finalizers": finalizers,
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "p", "controller": true},
            ]},
    });
    serde_json::from_value(pod).expect("a pod")
}

fn there(finalizers: &[&str]) -> Sight {
    Sight::There(Box::new(pod(finalizers)))
}

/// The clock of a test and the progress on one pod.
#[derive(Default)]
struct Run {
    progress: Progress,
    now: Duration,
}

impl Run {
    fn next(&mut self, sight: &Sight) -> Step {
        self.progress.next(sight, &LIMITS, self.now)
    }

    fn reply(&mut self, call: Destructive, reply: Reply) {
        self.progress.note(call, reply, &LIMITS, self.now, self.now);
    }

    fn deleted() -> Self {
        let mut run = Self::default();
        assert_eq!(run.next(&there(&["f"])), DELETE);
        run.reply(Destructive::Delete, Reply::Acknowledged);
        run
    }

    fn pass(&mut self, millis: u64) -> &mut Self {
        self.now += Duration::from_millis(millis);
        self
    }

    fn ending(&mut self, sight: &Sight) -> Ending {
        match self.next(sight) {
            Step::End(ending) => ending,
            other => panic!("not at the end: {other:?}"),
        }
    }
}

fn busy() -> Reply {
    Reply::Again("busy".to_owned(), None)
}

#[test]
fn a_delete_that_frees_the_name_is_the_end() {
    let mut run = Run::deleted();
    let ending = run.ending(&Sight::Gone);
    assert_eq!(ending.result, RemediationResult::Freed);
    assert_eq!((ending.deletion, ending.patch), (None, None));
}

#[test]
fn a_pod_that_is_gone_before_any_delete_was_somebody_elses() {
    let ending = Run::default().ending(&Sight::Gone);
    assert_eq!(ending.result, RemediationResult::Freed);
    assert_eq!(ending.deletion, Some(DeletionResult::Gone));
}

#[test]
fn the_patch_comes_after_the_delete_timeout_and_repeats_at_its_interval() {
    let mut run = Run::deleted();
    assert!(matches!(
        run.pass(9_999).next(&there(&["f"])),
        Step::Wait(_)
    ));
    assert_eq!(run.pass(1).next(&there(&["f"])), PATCH);
    run.reply(Destructive::Patch, busy());
    assert!(matches!(run.pass(499).next(&there(&["f"])), Step::Wait(_)));
    assert_eq!(run.pass(1).next(&there(&["f"])), PATCH);
    run.reply(Destructive::Patch, Reply::Acknowledged);
    let ending = run.ending(&Sight::Gone);
    assert_eq!(ending.patch, Some(PatchResult::Cleared));
}

#[test]
fn no_patch_without_an_acknowledged_delete() {
    let mut run = Run::default();
    for _ in 0..30 {
        match run.pass(1_000).next(&there(&["f"])) {
            Step::Do(call) => {
                assert_eq!(call, Destructive::Delete);
                run.reply(call, busy());
            }
            Step::Wait(_) => {}
            Step::End(ending) => {
                assert_eq!(ending.result, RemediationResult::Failed);
                assert_eq!(ending.deletion, Some(DeletionResult::Failed));
                assert!(ending.why.contains("busy"), "{}", ending.why);
                return;
            }
        }
    }
    panic!("no end after 30 s");
}

#[test]
fn retries_back_off_and_heed_the_servers_wish() {
    let mut run = Run::default();
    assert_eq!(run.next(&there(&[])), DELETE);
    run.reply(Destructive::Delete, busy());
    assert!(matches!(run.pass(499).next(&there(&[])), Step::Wait(_)));
    assert_eq!(run.pass(1).next(&there(&[])), DELETE);
    run.reply(
        Destructive::Delete,
        Reply::Again("slow down".into(), Some(Duration::from_secs(4))),
    );
    assert!(matches!(run.pass(3_999).next(&there(&[])), Step::Wait(_)));
    assert_eq!(run.pass(1).next(&there(&[])), DELETE);
}

#[test]
fn failed_deletes_come_ever_more_seldom_and_no_wish_is_heeded_for_more_than_a_minute() {
    let limits = Limits {
        delete_timeout: Duration::from_secs(3600),
        ..LIMITS
    };
    let mut progress = Progress::default();
    let mut now = Duration::ZERO;
    // Halves of a second until the next DELETE is sent.
    let mut pause = |reply: Reply| {
        progress.note(Destructive::Delete, reply, &limits, now, now);
        let sent = now;
        while progress.next(&there(&[]), &limits, now) != DELETE {
            now += Duration::from_millis(500);
        }
        (now - sent).as_millis() / 500
    };
    let pauses: Vec<_> = (0..6).map(|_| pause(busy())).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(pause(Reply::Again("come back later".to_owned(), hour)), 120);
}

#[test]
fn a_pod_that_outlives_the_patches_has_failed_and_its_finalizers_are_named() {
    let mut run = Run::deleted();
    let first = run.pass(10_000).next(&there(&["a/b"]));
    assert_eq!(first, PATCH);
    run.reply(Destructive::Patch, Reply::Acknowledged);
    assert!(!matches!(
        run.pass(9_999).next(&there(&["a/b"])),
        Step::End(_)
    ));
    let ending = run.pass(1).ending(&there(&["a/b"]));
    assert_eq!(ending.result, RemediationResult::Failed);
    assert_eq!(
        (ending.deletion, ending.patch),
        (None, Some(PatchResult::Failed))
    );
    assert!(ending.why.contains("a/b"), "{}", ending.why);
}

#[test]
fn of_many_finalizers_the_first_are_named_in_one_line() {
    let odd = format!("a\n\u{1b}[2J{}", "x".repeat(100_000));
    let pod = pod(&[odd.as_str(); 1000]);
    let told = pod.finalizers();
    assert!(told.ends_with("…, and 992 more"), "{told}");
    assert!(
        told.len() < 1500 && !told.contains(char::is_control),
        "{told:?}"
    );
    assert_eq!(self::pod(&["f"; 8]).finalizers(), ["f"; 8].join(", "));
}

#[test]
fn time_spent_held_does_not_count() {
    let mut run = Run::deleted();
    run.pass(10_000).reply(Destructive::Patch, busy());
    run.pass(3_600_000);
    run.progress.resume(Duration::from_secs(3_600));
    assert_eq!(run.next(&there(&["f"])), PATCH);
}

#[test]
fn a_pod_that_cannot_be_read_is_given_up_when_both_timeouts_are_over() {
    let unread = Sight::Unread("away".to_owned());
    let mut run = Run::default();
    run.pass(1_000)
        .reply(Destructive::Delete, Reply::Acknowledged);
    assert!(matches!(run.pass(19_999).next(&unread), Step::Wait(_)));
    let ending = run.pass(1).ending(&unread);
    assert_eq!(ending.result, RemediationResult::Failed);
    assert_eq!(ending.why, "away");

    // Before any call there is no hurry: the judgement is renewed before the first.
    let mut run = Run::default();
    assert!(matches!(run.pass(60_000).next(&unread), Step::Wait(_)));
}

#[test]
fn the_jobs_finalizer_is_never_stripped() {
    let mut run = Run::deleted();
    let ending = run.pass(10_000).ending(&there(&["f", PROTECTED_FINALIZER]));
    assert_eq!(ending.result, RemediationResult::ProtectedFinalizer);
    assert_eq!(ending.patch, Some(PatchResult::ProtectedFinalizer));
}

#[test]
fn a_refusal_counts_only_while_the_pod_is_still_there() {
    let refused = || Reply::Refused("denied by policy".to_owned());
    let mut run = Run::default();
    run.reply(Destructive::Delete, refused());
    assert!(matches!(
        run.next(&Sight::Unread("away".into())),
        Step::Wait(_)
    ));
    let ending = run.ending(&there(&[]));
    assert_eq!(ending.result, RemediationResult::Refused);
    assert_eq!(ending.deletion, Some(DeletionResult::Refused));
    assert_eq!(ending.why, "denied by policy");

    let mut run = Run::deleted();
    run.pass(10_000).reply(Destructive::Patch, refused());
    assert_eq!(run.ending(&Sight::Gone).result, RemediationResult::Freed);
    run.reply(Destructive::Patch, refused());
    let ending = run.ending(&there(&["f"]));
    assert_eq!(
        (ending.deletion, ending.patch),
        (None, Some(PatchResult::Refused))
    );
}

#[test]
fn a_conflict_with_the_same_uid_is_tried_again() {
    let mut run = Run::default();
    run.reply(Destructive::Delete, Reply::Conflict("conflict".to_owned()));
    assert!(matches!(run.next(&there(&[])), Step::Wait(_)));
    assert_eq!(run.pass(500).next(&there(&[])), DELETE);
}

#[test]
fn a_pod_that_podgc_deleted_is_waited_for_and_patched_without_a_delete() {
    let mut run = Run {
        progress: Progress::already_deleted(Duration::ZERO),
        ..Run::default()
    };
    assert!(matches!(run.next(&there(&["f"])), Step::Wait(_)));
    assert!(!run.progress.has_begun());
    assert_eq!(run.pass(10_000).next(&there(&["f"])), PATCH);
    run.reply(Destructive::Patch, Reply::Acknowledged);
    assert!(run.progress.has_begun());
}

#[test]
fn a_new_try_does_not_repeat_an_acknowledged_delete() {
    let mut run = Run::deleted();
    run.progress.was_first = true;
    run.pass(60_000);
    run.progress = run.progress.clone().again();
    assert!(run.progress.was_first);
    assert_eq!(run.next(&there(&["f"])), PATCH);

    let mut run = Run::default();
    run.reply(Destructive::Delete, busy());
    run.pass(60_000);
    run.progress = run.progress.clone().again();
    assert_eq!(run.next(&there(&["f"])), DELETE);
}

#[test]
fn polls_start_quick_and_grow() {
    let mut run = Run::deleted();
    let waits: Vec<_> = (0..6).map(|_| run.next(&there(&["f"]))).collect();
    let expected = [50, 100, 200, 400, 500, 500].map(|ms| Step::Wait(Duration::from_millis(ms)));
    assert_eq!(waits, expected);
}

#[test]
fn only_the_right_verdict_permits_a_call() {
    let forced = |grace: Value| {
        let mut forced = json!({"metadata": {"name": "p-0", "namespace": "m", "uid": "u1",
            "deletionTimestamp": "2026-11-01T00:00:00Z", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "p", "controller": true}]}});
        forced["metadata"]["deletionGracePeriodSeconds"] = grace;
        serde_json::from_value::<Pod>(forced).expect("a pod")
    };
    let gone = Verdict::Gone {
        since: None,
        why: String::new(),
    };
    let held = |hold| Verdict::Hold(hold, "why".to_owned());
    let ask = |call, verdict: &Verdict, pod: &Pod, begun| permits(call, verdict, pod, begun);
    use Destructive::{Delete, Patch};

    assert_eq!(ask(Delete, &gone, &pod(&[]), false), Permission::Granted);
    assert_eq!(ask(Patch, &gone, &pod(&[]), true), Permission::Granted);
    for hold in Hold::ALL.iter().copied().filter(|h| *h != Hold::NodeReady) {
        for begun in [false, true] {
            let answer = ask(Patch, &held(hold), &pod(&[]), begun);
            assert_eq!(answer, Permission::Held(hold, "why".to_owned()));
        }
    }
    let ready = held(Hold::NodeReady);
    let answer = ask(Delete, &ready, &pod(&[]), false);
    assert_eq!(answer, Permission::Held(Hold::NodeReady, "why".to_owned()));
    assert_eq!(
        ask(Delete, &ready, &pod(&[]), true),
        Permission::Aborted("why".to_owned())
    );

    // Where the Node object is gone, nothing is deleted, and only what PodGC deleted is patched.
    assert_eq!(
        ask(Patch, &Verdict::Removed, &forced(json!(0)), false),
        Permission::Granted
    );
    for (call, pod) in [
        (Delete, forced(json!(0))),
        (Patch, forced(json!(30))),
        (Patch, forced(Value::Null)),
        (Patch, pod(&[])),
    ] {
        let answer = ask(call, &Verdict::Removed, &pod, true);
        assert!(
            matches!(answer, Permission::Held(Hold::UnknownNode, _)),
            "{answer:?}"
        );
    }
}

#[test]
fn a_pod_that_changed_since_it_was_selected_is_asked_again() {
    let gone = Verdict::Gone {
        since: None,
        why: String::new(),
    };
    let changed = |change: fn(&mut Value)| {
        let mut pod = json!({"metadata": {"name": "p-0", "namespace": "m", "uid": "u1",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "p", "controller": true}]}});
        change(&mut pod);
        serde_json::from_value::<Pod>(pod).expect("a pod")
    };
    let opted_out = changed(|p| {
        p["metadata"]["annotations"] = json!({"nodefall.io/remediation": "disabled"});
    });
    let answer = permits(Destructive::Patch, &gone, &opted_out, true);
    assert_eq!(answer, Permission::Excluded(Skip::OptedOut));
    let ready =
        changed(|p| p["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    let answer = permits(Destructive::Delete, &gone, &ready, false);
    assert!(
        matches!(answer, Permission::Held(Hold::PodReady, _)),
        "{answer:?}"
    );
}
