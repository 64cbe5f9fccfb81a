//! `kubectl get`, `describe` and `delete`, against `nodefall demo` and against the real cluster: they end
//! alike, complain alike, and what they print has the same shape.

use super::objects::{pod, stateful_set};
use super::transcript::Entry;
use nodefall_testbed::cluster::Cluster;
use nodefall_testbed::process::{Process, Scratch};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

/// What of the output must be the same.
enum Shape {
    /// The words of its first line.
    Columns,
    /// What stands before a colon at the beginning of a line.
    Titles,
    /// All of it.
    Text,
    /// The names of a JSON object's fields, and its kind.
    Json,
    /// Nothing: what is there is another's.
    Nothing,
}

use Shape::{Columns, Json, Nothing, Text, Titles};

/// In the namespace `monitoring`, unless they say otherwise. `FOLDER` is where the objects are.
const COMMANDS: &[(&str, Shape)] = &[
    ("get nodes", Columns),
    ("get nodes -o wide", Columns),
    ("get node node-1 -o name", Text),
    ("get node node-1 -o json", Json),
    ("get nodes -l kubernetes.io/hostname=node-2 -o name", Text),
    ("get nodes -l nobody=has-it", Text),
    ("get node none", Text),
    ("get namespaces", Columns),
    ("get namespace monitoring -o name", Text),
    ("get pods", Columns),
    ("get pods -o wide", Columns),
    ("get pods --all-namespaces", Columns),
    ("get pods --field-selector=spec.nodeName=none", Text),
    ("get pods --show-labels", Columns),
    ("get pods --sort-by=.metadata.name", Columns),
    ("get pods --chunk-size=2", Columns),
    ("get pod prometheus-k8s-0 -o name", Text),
    ("get pod prometheus-k8s-0 -o json", Json),
    ("get pod prometheus-k8s-0 -o jsonpath={.status.phase}", Text),
    ("get pod prometheus-k8s-0 -o yaml", Nothing),
    ("get pod none", Text),
    ("get pods prometheus-k8s-0 prometheus-k8s-1 -o name", Text),
    ("get statefulsets", Columns),
    ("get statefulsets -o wide", Columns),
    ("get sts,ds,deploy", Columns),
    ("get statefulset.apps/prometheus-k8s -o json", Json),
    ("get daemonsets", Columns),
    ("get daemonsets -o wide", Columns),
    ("get deployments", Columns),
    ("get deployments -o wide", Columns),
    ("get replicasets -o wide", Columns),
    ("get leases -n kube-node-lease", Columns),
    ("get lease node-1 -n kube-node-lease -o json", Json),
    ("get unicorns", Text),
    ("get all", Columns),
    (
        "create --raw /apis/events.k8s.io/v1/namespaces/monitoring/events -f FOLDER/event",
        Nothing,
    ),
    ("get events", Columns),
    ("get events -o wide", Columns),
    ("get events --field-selector=reason=Told -o name", Text),
    ("describe node node-1", Titles),
    ("describe pod prometheus-k8s-0", Titles),
    ("describe pod none", Text),
    ("describe statefulset prometheus-k8s", Titles),
    ("describe daemonset node-exporter", Titles),
    ("describe deployment kube-state-metrics", Titles),
    ("describe lease node-1 -n kube-node-lease", Titles),
    ("describe namespace kube-public", Titles),
    ("create -f FOLDER/pod --validate=false", Text),
    ("wait pod/talk --for=condition=Ready --timeout=30s", Text),
    ("delete pod talk --dry-run=server", Text),
    ("delete pod talk", Text),
    ("delete pod talk", Text),
    ("delete pod talk --ignore-not-found", Text),
    ("create -f FOLDER/pod --validate=false", Text),
    ("delete pod talk --force --grace-period=0", Text),
    ("create -f FOLDER/pod --validate=false", Text),
    ("delete pod talk --wait=false", Text),
    ("wait pod/talk --for=delete --timeout=30s", Nothing),
    ("create -f FOLDER/set --validate=false", Text),
    ("wait pod/talk-0 --for=create --timeout=30s", Nothing),
    ("wait pod/talk-0 --for=condition=Ready --timeout=30s", Text),
    // Its replacement has the same name, and is there before kubectl looks again.
    ("delete pod talk-0", Text),
    ("wait pod/talk-0 --for=create --timeout=30s", Nothing),
    ("wait pod/talk-0 --for=condition=Ready --timeout=30s", Text),
    ("delete pods -l app=talk --now", Text),
    ("delete statefulset talk", Text),
    ("delete event talk.1", Text),
];

/// What it is called beside the conversations.
pub const NAME: &str = "kubectl";

/// Runs every command against both.
///
/// # Panics
/// With a diff, when they do not end alike.
pub fn talk(cluster: &mut Cluster) {
    let scratch = Scratch::new();
    let folder = scratch.path("").display().to_string();
    for (name, object) in [
        ("pod", pod("talk", "")),
        ("set", stateful_set("talk", 1)),
        ("event", event()),
    ] {
        scratch.write(name, &object.to_string());
    }
    let mut demo = Command::new(env!("CARGO_BIN_EXE_nodefall"));
    demo.args(["demo", "--manual", "--web.listen-address=127.0.0.1:0"]);
    let mut demo = Process::start(&scratch, "demo", &mut demo);
    let server = format!("--server=http://{}", demo.listens("API server"));
    let program = cluster.program("kubectl");
    let embedded = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(&server).args(arguments).env("HOME", &folder);
        command.env_remove("KUBECONFIG");
        command.output().expect("kubectl starts")
    };
    let real = |arguments: &[&str]| cluster.try_kubectl(&cluster.plane.access.admin, arguments);
    let (real, embedded) = thread::scope(|scope| {
        let other = scope.spawn(|| play(Path::new(&folder), embedded));
        (
            play(Path::new(&folder), real),
            other.join().expect("a transcript"),
        )
    });
    super::compare(NAME, &real, &embedded);
}

fn event() -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": "talk.1", "namespace": "monitoring"},
        "eventTime": "2026-01-01T00:00:01.000000Z", "action": "Tell", "reason": "Told", "type": "Normal",
        "note": "words", "reportingController": "nodefall.io/talk", "reportingInstance": "one",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "talk", "namespace": "monitoring"},
    })
}

fn play(folder: &Path, run: impl Fn(&[&str]) -> Output) -> Vec<Entry> {
    let play = |(command, shape): &(&str, Shape)| {
        let filled = command.replace("FOLDER", &folder.display().to_string());
        let mut arguments: Vec<&str> = filled.split(' ').collect();
        if !command.contains(" -n ") {
            arguments.extend(["-n", "monitoring"]);
        }
        let output = run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines = BTreeMap::from([
            ("exit".to_owned(), format!("{:?}", output.status.code())),
            ("complaint".to_owned(), complaint.trim().to_owned()),
            ("output".to_owned(), shape.of(&text)),
        ]);
        ((*command).to_owned(), lines)
    };
    COMMANDS.iter().map(play).collect()
}

impl Shape {
    fn of(&self, text: &str) -> String {
        match self {
            Self::Columns => {
                let first = text.lines().next().unwrap_or_default();
                first.split_whitespace().collect::<Vec<_>>().join(" ")
            }
            Self::Titles => {
                let titles = text.lines().filter(|line| !line.starts_with(' '));
                let titles = titles.filter_map(|line| Some(line.split_once(':')?.0));
                titles.collect::<Vec<_>>().join(", ")
            }
            Self::Text => text.to_owned(),
            Self::Json => match serde_json::from_str(text) {
                Ok(Value::Object(fields)) => {
                    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                    format!("{}: {}", fields["kind"], names.join(", "))
                }
                other => format!("{other:?}"),
            },
            Self::Nothing => String::new(),
        }
    }
}
