use super::*;
use serde_json::{Value, json};

const NOW: &str = "2026-11-01T12:00:00Z";

/// A node that is gone by every sign, and the ways in which a test spoils it.
struct Scene {
    node: Value,
    lease: Value,
    date: Option<&'static str>,
    memory: Memory,
    running: Duration,
    fleet: Fleet,
    node_lost: bool,
    orphans: bool,
    ready_in_fleet: bool,
}

impl Scene {
    fn gone() -> Self {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Self {
            node: json!({
                "metadata": {"name": "n1"},
                "spec": {"taints": [
                    {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
                    {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
                ]},
                "status": {"conditions": [
                    {"type": "MemoryPressure", "status": "Unknown"},
                    {"type": "Ready", "status": "Unknown",
                     "lastHeartbeatTime": "2026-11-01T11:50:00Z",
                     "lastTransitionTime": "2026-11-01T11:59:10Z"},
                ]},
            }),
            lease: json!({
                "metadata": {"managedFields": [
                    {"time": "2026-11-01T09:00:00Z"}, {"time": "2026-11-01T11:59:00Z"},
                ]},
                "spec": {"renewTime": "2026-11-01T11:59:00.000000Z", "leaseDurationSeconds": 40},
            }),
            date: Some(NOW),
            memory: Memory::default(),
            running: Duration::from_secs(1000),
            fleet: Fleet {
                ready: names(&["n2", "n3"]),
                not_ready: names(&["n1"]),
            },
            node_lost: false,
            orphans: false,
            ready_in_fleet: false,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn read<T: serde::de::DeserializeOwned>(&self, object: &Value) -> Answer<T> {
        let object =
            (!object.is_null()).then(|| serde_json::from_value(object.clone()).expect("an object"));
        Answer {
            object,
            date: self.date.map(|d| d.parse().expect("a time")),
        }
    }

    fn judge(mut self) -> Verdict {
        let (node, lease) = (self.read(&self.node), self.read(&self.lease));
        self.memory.note(&node, &lease, self.running);
        let evidence = Evidence {
            node,
            lease,
            fleet: Arc::new(self.fleet),
            ready_in_fleet: self.ready_in_fleet,
            node_lost: self.node_lost,
            orphans: self.orphans,
        };
        let now = Now {
            wall: NOW.parse().expect("a time"),
            running: self.running,
        };
        judge(
            "n1",
            &evidence,
            &self.memory,
            MaxUnreachable::Percent(49),
            now,
        )
    }

    fn held(self) -> Hold {
        let verdict = self.judge();
        verdict
            .held()
            .unwrap_or_else(|| panic!("not held: {verdict:?}"))
    }

    fn assert_gone(self) {
        let verdict = self.judge();
        let Verdict::Gone { since, why } = verdict else {
            panic!("not gone: {verdict:?}")
        };
        assert_eq!(since, Some("2026-11-01T11:59:10Z".parse().expect("a time")));
        assert!(why.contains("Unknown since 2026-11-01T11:59:10Z"), "{why}");
    }
}

fn ready(scene: &mut Scene, status: &str) {
    scene.node["status"]["conditions"][1]["status"] = json!(status);
}

fn written(scene: &mut Scene, time: &str) {
    scene.lease["metadata"]["managedFields"][1]["time"] = json!(time);
}

/// The same scene without the API server's clock, for which ours stands in.
fn clockless() -> Scene {
    Scene::gone().with(|s| s.lease["metadata"] = json!({}))
}

/// A node without a Lease whose heartbeat was seen before, so long ago.
fn leaseless(seen: u64) -> Scene {
    Scene::gone().with(|s| {
        s.lease = Value::Null;
        let (node, lease) = (s.read(&s.node), s.read(&s.lease));
        s.memory
            .note(&node, &lease, s.running - Duration::from_secs(seen));
    })
}

#[test]
fn unknown_tainted_and_without_a_fresh_lease_assert_gone() {
    Scene::gone().assert_gone();
}

#[test]
fn the_ready_condition_must_be_unknown() {
    assert_eq!(
        Scene::gone().with(|s| ready(s, "True")).held(),
        Hold::NodeReady
    );
    assert_eq!(
        Scene::gone().with(|s| ready(s, "False")).held(),
        Hold::KubeletAlive
    );
    assert_eq!(
        Scene::gone().with(|s| ready(s, "unknown")).held(),
        Hold::NotUnderstood
    );
    assert_eq!(
        Scene::gone()
            .with(|s| s.node["status"] = Value::Null)
            .held(),
        Hold::NotUnderstood
    );
}

#[test]
fn two_ready_conditions_are_not_understood() {
    for second in ["True", "False", "Unknown"] {
        let scene = Scene::gone().with(|s| {
            let conditions = s.node["status"]["conditions"].as_array_mut();
            let second = json!({"type": "Ready", "status": second});
            conditions.expect("conditions").push(second);
        });
        assert_eq!(scene.held(), Hold::NotUnderstood, "{second}");
    }
}

#[test]
fn a_newer_list_of_nodes_that_shows_it_ready_holds() {
    assert_eq!(
        Scene::gone().with(|s| s.ready_in_fleet = true).held(),
        Hold::NodeReady
    );
}

#[test]
fn only_the_control_planes_no_execute_taint_counts() {
    let taint = |key: &str, effect: &str| json!([{"key": key, "effect": effect}]);
    for taints in [
        Value::Null,
        json!([]),
        taint("node.kubernetes.io/unreachable", "NoSchedule"),
        taint("node.kubernetes.io/not-ready", "NoExecute"),
        taint("node.kubernetes.io/out-of-service", "NoExecute"),
    ] {
        assert_eq!(
            Scene::gone()
                .with(|s| s.node["spec"]["taints"] = taints)
                .held(),
            Hold::NotTainted
        );
    }
}

#[test]
fn a_lease_younger_than_its_duration_by_the_servers_clock_gives_doubt() {
    assert_eq!(
        Scene::gone()
            .with(|s| written(s, "2026-11-01T11:59:21Z"))
            .held(),
        Hold::LeaseFresh
    );
    Scene::gone()
        .with(|s| written(s, "2026-11-01T11:59:20Z"))
        .assert_gone();
    let long = |s: &mut Scene| s.lease["spec"]["leaseDurationSeconds"] = json!(3600);
    assert_eq!(Scene::gone().with(long).held(), Hold::LeaseFresh);
    // Without a duration a kubelet's default holds.
    let default = |s: &mut Scene| {
        s.lease["spec"]["leaseDurationSeconds"] = Value::Null;
        written(s, "2026-11-01T11:59:21Z");
    };
    assert_eq!(Scene::gone().with(default).held(), Hold::LeaseFresh);
    for odd in [0, -40] {
        let odd = |s: &mut Scene| s.lease["spec"]["leaseDurationSeconds"] = json!(odd);
        assert_eq!(Scene::gone().with(odd).held(), Hold::NotUnderstood);
    }
}

#[test]
fn the_kubelets_clock_does_not_count_where_the_servers_is_known() {
    let skewed =
        |time: &'static str| move |s: &mut Scene| s.lease["spec"]["renewTime"] = json!(time);
    Scene::gone()
        .with(skewed("2032-01-01T00:00:00Z"))
        .assert_gone();
    let behind = |s: &mut Scene| {
        skewed("2020-01-01T00:00:00Z")(s);
        written(s, "2026-11-01T11:59:50Z");
    };
    assert_eq!(Scene::gone().with(behind).held(), Hold::LeaseFresh);
}

#[test]
fn without_the_servers_clock_a_renew_time_that_is_fresh_by_ours_gives_doubt() {
    clockless().assert_gone();
    Scene::gone()
        .with(|s| s.lease["metadata"]["managedFields"] = Value::Null)
        .assert_gone();
    let renewed =
        |time: &'static str| clockless().with(move |s| s.lease["spec"]["renewTime"] = json!(time));
    assert_eq!(renewed("2026-11-01T11:59:21Z").held(), Hold::LeaseFresh);
    assert_eq!(renewed("2026-11-01T12:30:00Z").held(), Hold::LeaseFresh);
    renewed("2026-11-01T11:59:20Z").assert_gone();
    let nothing = clockless().with(|s| s.lease["spec"]["renewTime"] = Value::Null);
    assert_eq!(nothing.held(), Hold::NotUnderstood);
}

#[test]
fn without_the_servers_clock_a_renewal_that_was_seen_gives_doubt_for_the_leases_duration() {
    // The kubelet's clock is far behind, so only the change itself tells.
    let seen = |ago: u64| {
        clockless().with(|s| {
            let node = s.read(&s.node);
            let at = |s: &mut Scene, time: &str, running: Duration| {
                s.lease["spec"]["renewTime"] = json!(time);
                let lease = s.read(&s.lease);
                s.memory.note(&node, &lease, running);
            };
            at(s, "2020-01-01T00:00:00Z", Duration::from_secs(500));
            at(
                s,
                "2020-01-01T00:00:10Z",
                s.running - Duration::from_secs(ago),
            );
        })
    };
    assert_eq!(seen(39).held(), Hold::LeaseFresh);
    seen(40).assert_gone();
}

#[test]
fn without_a_lease_the_heartbeat_must_be_old_and_seen_unchanged() {
    assert_eq!(leaseless(0).held(), Hold::HeartbeatFresh);
    assert_eq!(leaseless(14).held(), Hold::HeartbeatFresh);
    leaseless(15).assert_gone();
    let heartbeat = |time: &'static str| {
        leaseless(0).with(move |s| {
            s.node["status"]["conditions"][1]["lastHeartbeatTime"] = json!(time);
            let (node, lease) = (s.read(&s.node), s.read(&s.lease));
            s.memory
                .note(&node, &lease, s.running - Duration::from_secs(20));
        })
    };
    assert_eq!(
        heartbeat("2026-11-01T11:54:01Z").held(),
        Hold::HeartbeatFresh
    );
    heartbeat("2026-11-01T11:54:00Z").assert_gone();
    assert_eq!(
        leaseless(15).with(|s| s.date = None).held(),
        Hold::NotUnderstood
    );
    let never =
        |s: &mut Scene| s.node["status"]["conditions"][1]["lastHeartbeatTime"] = Value::Null;
    assert_eq!(leaseless(15).with(never).held(), Hold::NotUnderstood);
}

#[test]
fn a_heartbeat_that_moved_between_two_looks_holds() {
    let moved = leaseless(60).with(|s| {
        s.node["status"]["conditions"][1]["lastHeartbeatTime"] = json!("2026-11-01T11:51:00Z");
    });
    assert_eq!(moved.held(), Hold::HeartbeatFresh);
}

#[test]
fn node_lost_stands_for_the_taint_only_where_there_is_no_lease() {
    let untainted = |s: &mut Scene| {
        s.node["spec"] = Value::Null;
        s.node_lost = true;
    };
    leaseless(15).with(untainted).assert_gone();
    assert_eq!(Scene::gone().with(untainted).held(), Hold::NotTainted);
    let neither = |s: &mut Scene| s.node["spec"] = Value::Null;
    assert_eq!(leaseless(15).with(neither).held(), Hold::NotTainted);
}

#[test]
fn the_storm_guard_and_the_last_node_hold() {
    let move_down = |s: &mut Scene, name: &str| {
        s.fleet.ready.remove(name);
        s.fleet.not_ready.insert(name.to_owned());
    };
    assert_eq!(
        Scene::gone().with(|s| move_down(s, "n2")).held(),
        Hold::StormGuard
    );
    // One request answers for all nodes, so the guard speaks before the taint and the Lease.
    let untainted = Scene::gone().with(|s| {
        move_down(s, "n2");
        s.node["spec"] = Value::Null;
        written(s, NOW);
    });
    assert_eq!(untainted.held(), Hold::StormGuard);
    let alone = |s: &mut Scene| s.fleet.ready.clear();
    assert_eq!(Scene::gone().with(alone).held(), Hold::NoOtherNode);
}

#[test]
fn a_missing_node_is_ours_only_with_pods_that_finalizers_keep() {
    let missing = || Scene::gone().with(|s| s.node = Value::Null);
    assert_eq!(missing().held(), Hold::UnknownNode);
    let orphans = || missing().with(|s| s.orphans = true);
    assert_eq!(orphans().judge(), Verdict::Removed);
    // It registered again after it was asked for.
    let back = orphans().with(|s| s.ready_in_fleet = true);
    assert_eq!(back.held(), Hold::NodeReady);
    let storm = orphans().with(|s| {
        s.fleet.not_ready = ["n2", "n3"].map(str::to_owned).into();
    });
    assert_eq!(storm.held(), Hold::StormGuard);
}

#[test]
fn the_age_of_unknown_is_measured_by_the_control_planes_clocks() {
    let at = |time: &str| Some(time.parse().expect("a time"));
    let (since, minute) = (at("2026-11-01T11:59:00Z"), Duration::from_secs(60));
    assert!(unknown_for(since, at("2026-11-01T12:00:00Z"), minute));
    assert!(!unknown_for(since, at("2026-11-01T11:59:59Z"), minute));
    assert!(!unknown_for(since, None, minute));
    assert!(!unknown_for(None, since, minute));
    assert!(unknown_for(None, None, Duration::ZERO));
}
