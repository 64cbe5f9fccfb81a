//! The admission policy: it lets through whatever the program does, and refuses what a stolen token could
//! do. It is in force for the whole run.

use crate::bed::{NODEFALL, Scenario, Scene};
use crate::record::proven;
use http::Method;
use nodefall_testbed::access::config;
use nodefall_testbed::client::{Answer, Client, MERGE};
use nodefall_testbed::cluster::{Cluster, pod_path};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::receiver::Receiver;
use nodefall_testbed::tools::repository;
use nodefall_testbed::workload::{NAMESPACE, SCENARIO, Workload};
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
const STRATEGIC: &str = "application/strategic-merge-patch+json";
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

/// One call that somebody makes.
#[derive(Clone)]
struct Act {
    what: &'static str,
    method: Method,
    path: String,
    content: &'static str,
    body: Value,
}

impl Act {
    fn new(what: &'static str, method: Method, path: &str, body: Value) -> Self {
        Self {
            what,
            method,
            path: path.trim_end_matches('/').to_owned(),
            content: "application/json",
            body,
        }
    }

    fn patch(what: &'static str, path: &str, content: &'static str, body: Value) -> Self {
        Self {
            content,
            ..Self::new(what, Method::PATCH, path, body)
        }
    }

    /// The same without effect. Where a DELETE has a body, the API server does not read its query.
    fn dry(&self) -> Self {
        let mut dry = self.clone();
        if dry.method == Method::DELETE {
            dry.body["dryRun"] = json!(["All"]);
        // A connection knows of none.
        } else if dry.method != Method::GET {
            dry.path
                .push_str(if dry.path.contains('?') { "&" } else { "?" });
            dry.path.push_str("dryRun=All");
        }
        dry
    }
}

/// Somebody who has a token of an account, or was given its name, and may do whatever RBAC can grant.
struct Thief {
    client: Client,
    headers: Vec<(&'static str, String)>,
}

impl Thief {
    fn named(admin: &Client, account: &str) -> Self {
        let headers = vec![
            ("impersonate-user", account.to_owned()),
            ("impersonate-group", "system:masters".to_owned()),
        ];
        let client = admin.clone();
        Self { client, headers }
    }

    fn tries(&self, act: &Act) -> Answer {
        let mut headers = vec![("content-type", act.content)];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, &**value)));
        let answer = self
            .client
            .send(&act.method, &act.path, &headers, &act.body);
        answer.unwrap_or_else(|why| panic!("{}: {why}", act.what))
    }
}

/// What a policy said, if one refused.
fn refusal(answer: &Answer) -> Option<String> {
    let message = answer.body["message"].as_str()?;
    let (policy, why) = message.split_once(" denied request: ")?;
    assert!(policy.contains("ValidatingAdmissionPolicy"), "{message}");
    assert_eq!(answer.status, 403, "{answer:?}");
    Some(why.to_owned())
}

/// Plays a story in which the rights are others than usual.
fn with_rights(scene: &mut Scene, story: Scenario) {
    let played = catch_unwind(AssertUnwindSafe(|| story(scene)));
    let manifests = repository("manifests").display().to_string();
    scene.cluster.kubectl(&["apply", "-k", &manifests]);
    enforce(scene.cluster);
    scene.cluster.remove_node(DARK);
    if let Err(panic) = played {
        resume_unwind(panic);
    }
}

fn as_shipped(scene: &mut Scene) {
    with_rights(scene, |scene| {
        let overlay = overlay(scene, &["admission-policy", "exact-names"]);
        scene.cluster.kubectl(&["apply", "-k", &overlay]);
        let policy = format!("{GROUP}/validatingadmissionpolicies/nodefall");
        let policy = scene.cluster.client.get(&policy).expect("the policy");
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

/// One pod of each sort, as `namespace/name` and as the API server shows it.
struct Pods(Vec<(String, Value)>);

impl Pods {
    fn create(cluster: &Cluster) -> Self {
        let client = &cluster.client;
        let room = json!({"cpu": "8", "memory": "32Gi", "pods": "300"});
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": DARK, "labels": {"kubernetes.io/hostname": DARK}},
            "status": {"allocatable": room, "capacity": room},
        });
        client.create("/api/v1/nodes", &node);
        let namespace = json!({"metadata": {"name": "elsewhere", "labels": {SCENARIO: ""}}});
        client.create("/api/v1/namespaces", &namespace);
        let dark = |workload: Workload| workload.pod("nodeName", json!(DARK));
        // Only such a pod can be resized.
        let sized = json!([{
            "name": "main", "image": "example.com/main:1", "resources": {"requests": {"cpu": "2m"}},
        }]);
        let set = |name: &str| dark(Workload::stateful_set(name));
        for set in [
            set("owned"),
            set("exact"),
            set("one"),
            set("one-1"),
            set("axb"),
            set("other"),
            set("owned").namespace("elsewhere"),
            set("named-out").annotation("nodefall.io/remediation", "disabled"),
            set("named-in").annotation("nodefall.io/remediation", "enabled"),
            set("named-mirror").annotation("kubernetes.io/config.mirror", "hash"),
            set("named-held")
                .finalizer(FINALIZER)
                .pod("containers", sized),
            set("named-slow").finalizer(FINALIZER),
            set("named-kept").finalizer(FINALIZER),
            set("named-job").finalizer("batch.kubernetes.io/job-tracking"),
            dark(Workload::deployment("named-web")),
            Workload::stateful_set("named-ready").on("node-2"),
            Workload::daemon_set("named-daemon")
                .pod("tolerations", json!([{"operator": "Exists"}])),
        ] {
            set.create(client);
        }
        let labels = json!({"app": "named-batch", SCENARIO: ""});
        let containers = json!([{"name": "main", "image": "example.com/main:1"}]);
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "named-batch", "labels": {SCENARIO: ""}},
            "spec": {"template": {
                "metadata": {"labels": labels},
                "spec": {"restartPolicy": "Never", "nodeName": DARK, "containers": containers},
            }},
        });
        let jobs = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs");
        client.create(&jobs, &job);
        let bare = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "named-bare", "labels": {SCENARIO: ""}},
            "spec": {"nodeName": DARK, "containers": containers},
        });
        client.create(&format!("/api/v1/namespaces/{NAMESPACE}/pods"), &bare);
        let is_ready = |pod: &Value| nodefall_testbed::workload::condition(pod, "Ready") == "True";
        let pods = eventually("all pods are there", PATIENCE, || {
            let path = format!("/api/v1/pods?labelSelector={SCENARIO}");
            let mut pods = client.list(&path);
            // A DaemonSet has one on each node.
            pods.retain(|pod| {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                pod["spec"]["nodeName"] == DARK || name == "named-ready-0" && is_ready(pod)
            });
            (pods.len() == 19).then_some(pods)
        });
        for (name, grace) in [
            ("named-held-0", 0),
            ("named-job-0", 0),
            ("named-slow-0", 30),
        ] {
            client.delete(&pod_path(name), &json!({"gracePeriodSeconds": grace}));
        }
        let read = |pod: Value| {
            let meta = &pod["metadata"];
            let [namespace, name] = ["namespace", "name"].map(|key| meta[key].as_str());
            let name = name.expect("a name");
            let path = format!("/api/v1/namespaces/{}/pods/{name}", namespace.expect("one"));
            (
                name.to_owned(),
                client.get(&path).expect("a pod"),
                namespace == Some(NAMESPACE),
            )
        };
        let pods = pods.into_iter().map(read);
        let pods = pods.map(|(name, pod, here)| match here {
            true => (name, pod),
            false => (format!("elsewhere/{name}"), pod),
        });
        Self(pods.collect())
    }

    /// The pod of that name, or whose name begins so and ends at random.
    fn get(&self, name: &str) -> &Value {
        let exact = self.0.iter().find(|(other, _)| other == name);
        let prefix = || self.0.iter().find(|(other, _)| other.starts_with(name));
        let (_, pod) = exact.or_else(prefix).unwrap_or_else(|| panic!("no {name}"));
        pod
    }

    fn uids(&self) -> BTreeSet<&str> {
        let uids = self
            .0
            .iter()
            .map(|(_, pod)| pod["metadata"]["uid"].as_str());
        uids.map(|uid| uid.expect("a UID")).collect()
    }

    /// Which of them are still there, unchanged.
    fn are(&self, cluster: &Cluster) -> BTreeSet<&str> {
        let still = self.0.iter().filter(|(_, pod)| {
            let now = cluster.client.get(&Self::path(pod)).unwrap_or_default();
            [
                "labels",
                "annotations",
                "finalizers",
                "uid",
                "ownerReferences",
            ]
            .iter()
            .all(|field| now["metadata"][field] == pod["metadata"][field])
        });
        let uids = still.map(|(_, pod)| pod["metadata"]["uid"].as_str());
        uids.map(|uid| uid.expect("a UID")).collect()
    }

    fn path(pod: &Value) -> String {
        let text = |key: &str| pod["metadata"][key].as_str().expect("a text");
        let (namespace, name) = (text("namespace"), text("name"));
        format!("/api/v1/namespaces/{namespace}/pods/{name}")
    }

    /// As the program deletes, but for the grace.
    fn delete(&self, name: &str, grace: u32) -> Act {
        let pod = self.get(name);
        let options = json!({
            "gracePeriodSeconds": grace, "preconditions": {"uid": pod["metadata"]["uid"]},
        });
        Act::new("a deletion", Method::DELETE, &Self::path(pod), options)
    }

    /// As the program clears finalizers.
    fn clear(&self, name: &str) -> Act {
        let pod = self.get(name);
        let patch = json!({"metadata": {"uid": pod["metadata"]["uid"], "finalizers": null}});
        Act::patch("a finalizer patch", &Self::path(pod), MERGE, patch)
    }

    /// A patch of a pod on which the finalizer patch is allowed.
    fn patch(&self, what: &'static str, content: &'static str, patch: Value) -> Act {
        let path = Self::path(self.get("named-held-0"));
        Act::patch(what, &path, content, patch)
    }

    /// What the program does.
    fn allowed(&self) -> Vec<Act> {
        let named = |what, mut act: Act| {
            act.what = what;
            act
        };
        vec![
            named("by its owner's name", self.delete("owned-0", 0)),
            named("by its name", self.delete("exact-0", 0)),
            named("by a pattern with ?", self.delete("one-0", 0)),
            named(
                "by a pattern with *, with an annotation",
                self.delete("named-in-0", 0),
            ),
            named("a ReplicaSet's", self.delete("named-web-", 0)),
            named(
                "that is being deleted already",
                self.delete("named-slow-0", 0),
            ),
            named(
                "that was deleted with grace 0",
                self.delete("named-held-0", 0),
            ),
            named("finalizers", self.clear("named-held-0")),
        ]
    }

    /// What a thief could try: the words of its refusal, and whether nothing else would refuse it.
    fn forbidden(&self) -> Vec<(&'static str, bool, Act)> {
        let one = "/api/v1/namespaces/monitoring/pods/owned-0";
        let all = "/api/v1/namespaces/monitoring/pods";
        let delete = |what, name: &str| Act {
            what,
            ..self.delete(name, 0)
        };
        let with = |what, options: Value| Act::new(what, Method::DELETE, one, options);
        let uid = &self.get("owned-0")["metadata"]["uid"];
        let bound = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
        let (selected, version) = (
            format!("{all}?fieldSelector=metadata.name=owned-0"),
            "policy/v1",
        );
        let mut moved = self.get("named-held-0").clone();
        moved["metadata"]["labels"]["moved"] = json!("");
        let held = Self::path(self.get("named-held-0"));
        let sub = |sub: &str| format!("{held}/{sub}");
        let eviction =
            json!({"apiVersion": version, "kind": "Eviction", "metadata": {"name": "owned-0"}});
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"},
            "spec": {"containers": [{"name": "main", "image": "example.com/mine:1"}]},
        });
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "owned-0"},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "node-2"},
        });
        let image =
            json!({"spec": {"containers": [{"name": "main", "image": "example.com/mine:1"}]}});
        let debugger = json!({"spec": {"ephemeralContainers": [
            {"name": "debugger", "image": "example.com/mine:1"},
        ]}});
        let larger = json!({"spec": {"containers": [
            {"name": "main", "resources": {"requests": {"cpu": "1m"}}},
        ]}});
        let kept = Self::path(self.get("named-kept-0"));
        let annotation = json!({"metadata": {"annotations": {"mine": ""}}});
        let nothing = "nothing else";
        vec![
            (
                "by its UID",
                true,
                with("no UID", json!({"gracePeriodSeconds": 0})),
            ),
            (
                "with grace 0",
                true,
                Act {
                    what: "a grace of 30 s",
                    ..self.delete("owned-0", 30)
                },
            ),
            (
                "with grace 0",
                true,
                with("no grace", json!({"preconditions": {"uid": uid}})),
            ),
            (
                "a collection",
                true,
                Act::new("a collection, by UID", Method::DELETE, &selected, bound),
            ),
            (
                "a collection",
                false,
                Act::new("all pods", Method::DELETE, all, json!({})),
            ),
            ("told the names", true, delete("another name", "other-0")),
            (
                "told the names",
                true,
                delete("another namespace", "elsewhere/owned-0"),
            ),
            (
                "told the names",
                true,
                delete("? is one character", "one-1-0"),
            ),
            ("told the names", true, delete("a dot is a dot", "axb-0")),
            (
                "makes again",
                true,
                delete("a DaemonSet's", "named-daemon-"),
            ),
            ("makes again", true, delete("a Job's", "named-batch-")),
            ("makes again", true, delete("nobody's", "named-bare")),
            ("the mirror", true, delete("a mirror", "named-mirror-0")),
            ("opted out", true, delete("opted out", "named-out-0")),
            ("reads Ready", true, delete("Ready", "named-ready-0")),
            ("deleted with grace 0", true, self.clear("named-kept-0")),
            ("deleted with grace 0", true, self.clear("named-slow-0")),
            (
                "deleted with grace 0",
                true,
                Act::patch(
                    "any change",
                    &kept,
                    MERGE,
                    json!({
                        "metadata": {"finalizers": [FINALIZER, "example.com/mine"]},
                    }),
                ),
            ),
            (
                "deleted with grace 0",
                false,
                Act::patch("an annotation", &kept, MERGE, annotation),
            ),
            ("the spec", true, self.patch("an image", STRATEGIC, image)),
            (
                "the spec",
                true,
                self.patch(
                    "a deadline",
                    MERGE,
                    json!({
                        "spec": {"activeDeadlineSeconds": 1},
                    }),
                ),
            ),
            (
                "the labels",
                true,
                self.patch(
                    "a label",
                    MERGE,
                    json!({
                        "metadata": {"labels": {"mine": ""}},
                    }),
                ),
            ),
            (
                "the labels",
                true,
                self.patch("no labels", MERGE, json!({"metadata": {"labels": null}})),
            ),
            (
                "the labels",
                true,
                Act::new("a label, by PUT", Method::PUT, &held, moved),
            ),
            (
                "the annotations",
                true,
                self.patch(
                    "an opt-out",
                    MERGE,
                    json!({
                        "metadata": {"annotations": {"nodefall.io/remediation": "disabled"}},
                    }),
                ),
            ),
            (
                "the owners",
                true,
                self.patch(
                    "no owner",
                    MERGE,
                    json!({
                        "metadata": {"ownerReferences": null},
                    }),
                ),
            ),
            ("Job's bookkeeping", true, self.clear("named-job-0")),
            (
                nothing,
                true,
                Act::new(
                    "an eviction",
                    Method::POST,
                    &format!("{one}/eviction"),
                    eviction,
                ),
            ),
            (
                nothing,
                true,
                Act::new("a pod of one's own", Method::POST, all, pod),
            ),
            (
                nothing,
                false,
                Act::new(
                    "a binding",
                    Method::POST,
                    &format!("{one}/binding"),
                    binding,
                ),
            ),
            (
                nothing,
                false,
                Act::new(
                    "a command",
                    Method::GET,
                    &format!("{one}/exec?command=id"),
                    Value::Null,
                ),
            ),
            (
                nothing,
                false,
                Act::new(
                    "a way in",
                    Method::GET,
                    &format!("{one}/portforward"),
                    Value::Null,
                ),
            ),
            (
                nothing,
                true,
                Act::patch(
                    "a status",
                    &sub("status"),
                    MERGE,
                    json!({
                        "status": {"message": "mine"},
                    }),
                ),
            ),
            (
                nothing,
                false,
                Act::patch(
                    "a container",
                    &sub("ephemeralcontainers"),
                    STRATEGIC,
                    debugger,
                ),
            ),
            (
                nothing,
                false,
                Act::patch("resources", &sub("resize"), STRATEGIC, larger),
            ),
        ]
    }
}
