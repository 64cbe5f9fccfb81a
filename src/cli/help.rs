//! The words around the lists of options.

pub(super) const CLI_HELP: &str = "\
nodefall - gets the pods of a node that lost power running again elsewhere

Alertmanager calls it for KubeNodeNotReady. It asks the Kubernetes API whether the node is really
gone, force-deletes the pods that you named on it, clears their finalizers when the deletion hangs,
and follows each replacement until it is Ready. A sweep does the same without an alert.

{usage-heading} {usage}

{all-args}{after-help}";

pub(super) const CLI_EXAMPLE: &str = "\
Example:
  nodefall run --namespace monitoring --prometheus-name prometheus-k8s

`nodefall run --help` explains each option.";

pub(super) const RUN_HELP: &str = "\
nodefall run - waits for alerts, sweeps, and remediates

It serves POST /webhook for Alertmanager, GET /metrics for Prometheus, and for people
GET /api/v1/remediations. At least one pod must be named. A NAME selects a pod when it is the pod's
name, the name of the StatefulSet or ReplicaSet that owns it, or a pattern with * and ? that matches
the whole pod name. Durations are written like 90s, 1m30s or 500ms.

{usage-heading} {usage}

{all-args}{after-help}";

pub(super) const RUN_EXAMPLE: &str = "\
Example: both StatefulSets of kube-prometheus, alerts of one cluster only
  nodefall run --namespace monitoring --prometheus-name prometheus-k8s \\
    --alertmanager-name alertmanager-main --match cluster=east

Exit status: 0 after SIGTERM or SIGINT, 1 when it cannot run, 2 for a mistake in the options.";

#[cfg(feature = "demo")]
pub(super) const DEMO_HELP: &str = "\
nodefall demo - shows a node losing power and its pods coming back

Starts a small cluster inside this process, with the receiver beside it, cuts a node's power, posts
the alert, and prints what happens until every replacement is Ready. Needs no Kubernetes.

{usage-heading} {usage}

{all-args}{after-help}";
