//! The admission policy: it lets through whatever the program does, and refuses what a stolen token could
//! do. It is in force for the whole run.

mod act;
mod pods;

use crate::bed::{NODEFALL, Scenario, Scene};
use crate::record::proven;
use act::{Act, Thief, refusal};
use http::Method;
use nodefall_testbed::access::config;
use nodefall_testbed::client::Client;
use nodefall_testbed::cluster::{Cluster, pod_path};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::tools::repository;
use nodefall_testbed::workload::{NAMESPACE, SCENARIO};
use pods::Pods;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// After those that read the whole run: a thief's calls are none of the program's.
pub const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "kube-prometheus is recovered with the admission policy and exact names, as shipped",
        as_shipped,
    ),
    (
        "the admission policy refuses a stolen token, each call by its own expression",
        stolen,
    ),
];

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const ACCOUNT: &str = "system:serviceaccount:monitoring:nodefall";
const FINALIZER: &str = "example.com/hold";
const APPLY: &str = "application/apply-patch+yaml";

/// A node that was never there: its pods never read Ready, and nothing happens to them.
const DARK: &str = "dark";

/// Puts the shipped policy in force, for every name in `monitoring`.
pub fn enforce(cluster: &Cluster) {
    put(&cluster.client, &shipped(&json!({NAMESPACE: ["*"]})));
    let thief = Thief::named(&cluster.client, ACCOUNT);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]},
    });
    let probe = Act::new("a probe", Method::POST, &pod_path(""), pod);
    eventually("the admission policy is in force", PATIENCE, || {
        refusal(&thief.tries(&probe.dry())).map(|_| ())
    });
}

/// The shipped policy and its binding, with these names.
fn shipped(named: &Value) -> [Value; 2] {
    let file = repository("manifests/components/admission-policy/policy.yaml");
    let text = fs::read_to_string(file).expect("the policy");
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    assert_eq!(objects[0]["spec"]["variables"][0]["name"], "named");
    objects[0]["spec"]["variables"][0]["expression"] = json!(named.to_string());
    objects.try_into().expect("a policy and its binding")
}

/// Creates or changes a policy and its binding.
fn put(client: &Client, [policy, binding]: &[Value; 2]) {
    for (kind, object) in [
        ("validatingadmissionpolicies", policy),
        ("validatingadmissionpolicybindings", binding),
    ] {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let path = format!("{GROUP}/{kind}/{name}?fieldManager=testbed&force=true");
        let answer = client.send(&Method::PATCH, &path, &[("content-type", APPLY)], object);
        let answer = answer.expect("an answer");
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
}

/// Plays a story in which the rights are others than usual.
fn with_rights(scene: &mut Scene, story: Scenario) {
    let played = catch_unwind(AssertUnwindSafe(|| story(scene)));
    let manifests = repository("manifests").display().to_string();
    scene.cluster.kubectl(&["apply", "-k", &manifests]);
    enforce(scene.cluster);
    if let Err(panic) = played {
        resume_unwind(panic);
    }
}

fn as_shipped(scene: &mut Scene) {
    with_rights(scene, |scene| {
        let overlay = overlay(scene, &["admission-policy", "exact-names"]);
        scene.cluster.kubectl(&["apply", "-k", &overlay]);
        let path = format!("{GROUP}/validatingadmissionpolicies/nodefall");
        let policy = eventually("the expressions are checked", PATIENCE, || {
            let policy = scene.cluster.client.get(&path)?;
            let checked = &policy["status"]["observedGeneration"];
            (*checked == policy["metadata"]["generation"]).then_some(policy)
        });
        let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
        assert!(warnings.is_null(), "{warnings}");
        let named = policy["spec"]["variables"][0]["expression"].as_str();
        let shipped = "{'monitoring': ['prometheus-k8s', 'alertmanager-main']}";
        assert_eq!(named, Some(shipped));
        let old = scene.cluster.pod("prometheus-k8s-0").expect("a pod");
        let held = json!({"metadata": {"finalizers": [FINALIZER]}});
        scene.cluster.client.merge(&pod_path(&old.name), &held);
        let mut named = scene.cluster.pods();
        named.retain(|pod| {
            let names = ["prometheus-k8s-", "alertmanager-main-"];
            pod.node == old.node && names.iter().any(|name| pod.name.starts_with(name))
        });
        let kubeconfig = scene.cluster.kubeconfig(&scene.scratch, "named.kubeconfig");
        let itself = Thief {
            client: scene.cluster.client.clone(),
            headers: vec![("impersonate-user", ACCOUNT.to_owned())],
        };
        // Somebody else's pod: now the Role says no, before any policy is asked.
        let other = json!({"gracePeriodSeconds": 0});
        let other = Act::new("another", Method::DELETE, &pod_path("grafana-0"), other);
        eventually("exact names are in force", PATIENCE, || {
            let answer = itself.tries(&other);
            let message = answer.body["message"].as_str()?;
            (answer.status == 403 && message.contains("cannot delete resource")).then_some(())
        });
        let options = ["--period=0", "--delete-timeout=1s"];
        let receiver = Receiver::start(NODEFALL, &scene.scratch, "named", &kubeconfig, &options);
        let receiver = receiver.ready();
        eventually("the rights by name are explained", PATIENCE, || {
            let log = receiver.process.log();
            log.contains("it may be granted by name").then_some(())
        });
        assert_eq!(receiver.metric("nodefall_missing_rights"), 0.0);
        scene.cluster.lose(&old.node);
        scene.alert(&receiver, &old.node);
        scene.cluster.replaced(&old);
        scene.ended(&receiver, "alert", "freed");
        let all: Vec<_> = named.iter().collect();
        let touched = scene.touched(&all);
        for verb in ["delete", "patch"] {
            let call = (verb.to_owned(), old.name.clone());
            assert!(touched.contains(&call), "{touched:?}");
        }
        let calls = scene.asked();
        for call in calls.iter().filter(|call| call.is_destructive()) {
            proven(&calls, call);
        }
    });
}

/// An overlay as a user writes one: the manifests and some of their components.
fn overlay(scene: &Scene, components: &[&str]) -> String {
    let folder = scene.scratch.path("");
    // kustomize takes no absolute paths.
    let up = "../".repeat(folder.components().count() - 1);
    let manifests = format!("{up}{}", repository("manifests").display()).replace("//", "/");
    let components = components.iter();
    let components: Vec<_> = components
        .map(|name| format!("{manifests}/components/{name}"))
        .collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [manifests], "components": components,
    });
    let file = scene
        .scratch
        .write("kustomization.yaml", &kustomization.to_string());
    let folder = file.parent().expect("a folder");
    folder.display().to_string()
}

fn stolen(scene: &mut Scene) {
    with_rights(scene, |scene| {
        let pods = Pods::create(scene.cluster);
        let client = &scene.cluster.client;
        let whole = shipped(&json!({
            NAMESPACE: ["owned", "exact-0", "named-*", "one-?", "a.b-0"],
            "another": ["*"],
        }));
        put(client, &whole);
        let checks = whole[0]["spec"]["validations"].as_array();
        let checks = checks.expect("validations");
        let message = |check: &Value| check["message"].as_str().expect("a message").to_owned();
        // For each expression a policy without it, that binds somebody of its own.
        let mut lenient = Vec::new();
        for n in 0..checks.len() {
            let (account, copy) = without(&whole, n);
            put(client, &copy);
            lenient.push(Thief::named(client, &account));
        }
        let thief = thief(scene);
        let [gracious, nameless] = [pods.delete("owned-0", 30), {
            let mut act = pods.delete("owned-0", 0);
            act.body["preconditions"] = Value::Null;
            act
        }];
        let somebody_elses = pods.delete("other-0", 0);
        eventually("the policies are in force", PATIENCE, || {
            let refuses = |thief: &Thief, act: &Act| refusal(&thief.tries(&act.dry())).is_some();
            let each = lenient.iter();
            let each = each.zip(checks).all(|(thief, check)| {
                // Whatever it lacks, it has one of these two.
                let grace = message(check).contains("grace 0");
                refuses(thief, if grace { &nameless } else { &gracious })
            });
            (each && refuses(&thief, &somebody_elses)).then_some(())
        });

        for act in pods.allowed() {
            let answer = thief.tries(&act.dry());
            assert_eq!(answer.status, 200, "{}: {answer:?}", act.what);
        }
        let mut needed = BTreeSet::new();
        for (words, alone, act) in pods.forbidden() {
            let what = act.what;
            let found = checks
                .iter()
                .position(|check| message(check).contains(words));
            let n = found.unwrap_or_else(|| panic!("{what}: no expression says {words}"));
            for act in [&act, &act.dry()] {
                let answer = thief.tries(act);
                let why = refusal(&answer);
                assert_eq!(why, Some(message(&checks[n])), "{what}: {answer:?}");
            }
            if alone {
                let answer = lenient[n].tries(&act.dry());
                let passed = matches!(answer.status, 200 | 201);
                assert!(passed, "{what}, without “{words}”: {answer:?}");
                needed.insert(n);
            }
        }
        for (n, check) in checks.iter().enumerate() {
            assert!(needed.contains(&n), "nothing needs “{}”", message(check));
        }
        // What the policy need not say: the API server refuses it to everybody.
        for act in pods.refused_anyway() {
            let answer = thief.tries(&act);
            let is_plain = answer.status == 422 && refusal(&answer).is_none();
            assert!(is_plain, "{}: {answer:?}", act.what);
        }
        // None of all that had an effect, and now what is allowed has.
        assert_eq!(pods.are(scene.cluster), pods.uids());
        for (act, name) in [
            (pods.delete("owned-0", 0), "owned-0"),
            (pods.clear("named-held-0"), "named-held-0"),
        ] {
            assert_eq!(thief.tries(&act).status, 200, "{}", act.what);
            let uid = &pods.get(name)["metadata"]["uid"];
            eventually("it is gone", PATIENCE, || {
                let now = scene.cluster.client.get(&pod_path(name));
                (now.is_none_or(|pod| pod["metadata"]["uid"] != *uid)).then_some(())
            });
        }
    });
}

/// The policy without one of its expressions, for an account of that name.
fn without(whole: &[Value; 2], n: usize) -> (String, [Value; 2]) {
    let account = format!("without-{n}");
    let mut copy = whole.clone();
    for object in &mut copy {
        object["metadata"] = json!({"name": account, "labels": {SCENARIO: ""}});
    }
    copy[1]["spec"]["policyName"] = json!(account);
    let spec = &mut copy[0]["spec"];
    let condition = format!("request.userInfo.username == '{account}'");
    spec["matchConditions"][0]["expression"] = json!(condition);
    let checks = spec["validations"].as_array_mut();
    checks.expect("validations").remove(n);
    (account, copy)
}

/// Somebody with a token of Nodefall's, where RBAC is no hindrance: it grants the account everything.
fn thief(scene: &Scene) -> Thief {
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "nodefall-everything", "labels": {SCENARIO: ""}},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "nodefall", "namespace": NAMESPACE}],
    });
    scene.cluster.client.create(bindings, &binding);
    let kubeconfig = scene.cluster.kubeconfig(&scene.scratch, "thief.kubeconfig");
    let client = Client::new(config(&kubeconfig));
    eventually("the thief may do everything", PATIENCE, || {
        client.get("/api/v1/secrets").map(|_| ())
    });
    let headers = Vec::new();
    Thief { client, headers }
}
