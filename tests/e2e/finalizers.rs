//! Pods that a finalizer keeps.

use crate::bed::{LOST, Scenario, Scene};
use http::Method;
use nodefall_testbed::access::config;
use nodefall_testbed::client::{Client, MERGE};
use nodefall_testbed::cluster::pod_path;
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::workload::{SCENARIO, Workload};
use serde_json::json;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "a pod held by a finalizer is deleted, waited for, patched, replaced",
        patched,
    ),
    (
        "a refused patch is reported, and everything else goes on",
        refused,
    ),
];

const FINALIZER: &str = "example.com/hold";

/// With the stock 10 s between the deletion and the patch.
fn patched(scene: &mut Scene) {
    let pod = scene.run("held", Workload::stateful_set("held").finalizer(FINALIZER));
    let receiver = scene.receiver("held", &["--period=0"]);
    scene.cluster.lose(LOST);
    scene.alert(&receiver, LOST);
    scene.cluster.replaced(&pod);
    scene.ended(&receiver, "alert", "freed");
    scene.counts(
        &receiver,
        r#"nodefall_finalizer_patches_total{result="cleared"}"#,
        1.0,
    );
    let calls = scene.destructive();
    let verbs: Vec<_> = calls.iter().map(|call| call.verb.as_str()).collect();
    assert_eq!(verbs, ["delete", "patch"]);
    scene.touched(&[&pod]);
    let waited = calls[1].at.duration_since(calls[0].answered).as_secs_f64();
    assert!((10.0..20.0).contains(&waited), "patched after {waited} s");
    assert_eq!(calls[0].request["gracePeriodSeconds"], 0);
    assert_eq!(
        calls[0].response["metadata"]["finalizers"],
        json!([FINALIZER])
    );
}

fn refused(scene: &mut Scene) {
    let stuck = scene.run(
        "stuck",
        Workload::stateful_set("stuck").finalizer(FINALIZER),
    );
    let free = scene.pod("free");
    forbid_updates(scene, &stuck.name);
    let options = ["--period=0", "--delete-timeout=1s", "--patch-timeout=3s"];
    let receiver = scene.receiver("stuck,free", &options);
    scene.cluster.lose(LOST);
    scene.alert(&receiver, LOST);
    scene.cluster.replaced(&free);
    scene.ended(&receiver, "alert", "refused");
    scene.counts(
        &receiver,
        r#"nodefall_pod_deletions_total{result="deleted"}"#,
        2.0,
    );
    scene.counts(
        &receiver,
        r#"nodefall_finalizer_patches_total{result="refused"}"#,
        1.0,
    );
    scene.is_held(&receiver, LOST, "backoff");
    let told = receiver.get("/api/v1/remediations").body;
    assert!(
        told.contains("no updates in this test"),
        "the server's own words: {told}"
    );
    scene.touched(&[&stuck, &free]);
    assert_eq!(scene.cluster.pod(&stuck.name).expect("kept").uid, stuck.uid);
}

/// A policy that denies every update of a pod, as a mistaken webhook would.
fn forbid_updates(scene: &Scene, pod: &str) {
    let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let meta = json!({"name": "no-updates", "labels": {SCENARIO: ""}});
    scene.cluster.client.create(policies, &json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": meta,
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
                "operations": ["UPDATE"],
            }]},
            "matchConditions": [
                {"name": "the-pod", "expression": format!("oldObject.metadata.name == '{pod}'")},
                {"name": "not-the-tests", "expression": "request.userInfo.username != 'admin'"},
            ],
            "validations": [{"expression": "false", "message": "no updates in this test"}],
        },
    }));
    let bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
    scene.cluster.client.create(bindings, &json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": meta,
        "spec": {"policyName": "no-updates", "validationActions": ["Deny"]},
    }));
    // It is in force some time after it is stored.
    let somebody = Client::new(config(&scene.cluster.plane.access.kubelet));
    let path = format!("{}?dryRun=All", pod_path(pod));
    let patch = json!({"metadata": {"annotations": {"tried": "1"}}});
    eventually("the policy is in force", PATIENCE, || {
        let headers = [("content-type", MERGE)];
        let answer = somebody.send(&Method::PATCH, &path, &headers, &patch);
        (answer.ok()?.status == 422).then_some(())
    });
}
