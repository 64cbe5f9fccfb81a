//! Pods of each sort, and what the program does to them, and what it must not.

use super::act::Act;
use super::{DARK, FINALIZER};
use http::Method;
use nodefall_testbed::client::MERGE;
use nodefall_testbed::cluster::{Cluster, pod_path};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::workload::{NAMESPACE, SCENARIO, Workload, condition};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// One pod of each sort, as `namespace/name` and as the API server shows it.
pub struct Pods(Vec<(String, Value)>);

impl Pods {
    pub fn create(cluster: &Cluster) -> Self {
        let client = &cluster.client;
        let room = json!({"cpu": "8", "memory": "32Gi", "pods": "300"});
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": DARK, "labels": {"kubernetes.io/hostname": DARK, SCENARIO: ""}},
            // For what tolerates everything, and what names it.
            "spec": {"taints": [{"key": "example.com/dark", "effect": "NoSchedule"}]},
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
        let is_ready = |pod: &Value| condition(pod, "Ready") == "True";
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
    pub fn get(&self, name: &str) -> &Value {
        let exact = self.0.iter().find(|(other, _)| other == name);
        let prefix = || self.0.iter().find(|(other, _)| other.starts_with(name));
        let (_, pod) = exact.or_else(prefix).unwrap_or_else(|| panic!("no {name}"));
        pod
    }

    pub fn uids(&self) -> BTreeSet<&str> {
        let uids = self
            .0
            .iter()
            .map(|(_, pod)| pod["metadata"]["uid"].as_str());
        uids.map(|uid| uid.expect("a UID")).collect()
    }

    /// Which of them are still there, unchanged.
    pub fn are(&self, cluster: &Cluster) -> BTreeSet<&str> {
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

    pub fn path(pod: &Value) -> String {
        let text = |key: &str| pod["metadata"][key].as_str().expect("a text");
        let (namespace, name) = (text("namespace"), text("name"));
        format!("/api/v1/namespaces/{namespace}/pods/{name}")
    }

    /// As the program deletes, but for the grace.
    pub fn delete(&self, name: &str, grace: u32) -> Act {
        let pod = self.get(name);
        let options = json!({
            "gracePeriodSeconds": grace, "preconditions": {"uid": pod["metadata"]["uid"]},
        });
        Act::new("a deletion", Method::DELETE, &Self::path(pod), options)
    }

    /// As the program clears finalizers.
    pub fn clear(&self, name: &str) -> Act {
        let pod = self.get(name);
        let patch = json!({"metadata": {"uid": pod["metadata"]["uid"], "finalizers": null}});
        Act::patch("a finalizer patch", &Self::path(pod), MERGE, patch)
    }

    /// A patch of a pod on which the finalizer patch is allowed.
    pub fn patch(&self, what: &'static str, content: &'static str, patch: Value) -> Act {
        let path = Self::path(self.get("named-held-0"));
        Act::patch(what, &path, content, patch)
    }

    /// What the program does.
    pub fn allowed(&self) -> Vec<Act> {
        vec![
            self.delete("owned-0", 0).called("by its owner's name"),
            self.delete("exact-0", 0).called("by its name"),
            self.delete("one-0", 0).called("by a pattern with ?"),
            self.delete("named-in-0", 0)
                .called("by a pattern with *, with an annotation"),
            self.delete("named-web-", 0).called("a ReplicaSet's"),
            self.delete("named-slow-0", 0)
                .called("that is being deleted already"),
            self.delete("named-held-0", 0)
                .called("that was deleted with grace 0"),
            self.clear("named-held-0").called("finalizers"),
        ]
    }

    /// What nobody may do to a pod that is being deleted.
    pub fn refused_anyway(&self) -> Vec<Act> {
        let mine = json!([FINALIZER, "example.com/mine"]);
        let finalizers = json!({"metadata": {"finalizers": mine}});
        let other = json!({"metadata": {"uid": "another", "finalizers": null}});
        vec![
            self.patch("a new finalizer", MERGE, finalizers),
            self.patch("another UID", MERGE, other),
        ]
    }

    /// What a thief could try: the words of its refusal, and whether nothing else would refuse it.
    pub fn forbidden(&self) -> Vec<(&'static str, bool, Act)> {
        let one = "/api/v1/namespaces/monitoring/pods/owned-0";
        let all = "/api/v1/namespaces/monitoring/pods";
        let delete = |what, name: &str| self.delete(name, 0).called(what);
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
                self.delete("owned-0", 30).called("a grace of 30 s"),
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
                    binding.clone(),
                ),
            ),
            (
                nothing,
                false,
                Act::new(
                    "a binding by the other way",
                    Method::POST,
                    &all.replace("/pods", "/bindings"),
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
