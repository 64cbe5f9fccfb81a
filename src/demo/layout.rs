//! What a cluster consists of at the start: nodes, workloads, pods.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, Deployment, DeploymentSpec, StatefulSet, StatefulSetSpec,
};
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

/// One node.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Its zone label, if any.
    pub zone: Option<String>,
    /// Whether its kubelet keeps a Lease; virtual kubelets do not.
    pub lease: bool,
    /// Whether that Lease is owned by the Node, and so goes with it.
    pub lease_owned: bool,
    /// How far its kubelet's clock is ahead; negative: behind.
    pub skew: SignedDuration,
}

impl NodePlan {
    /// An ordinary node: no zone, a Lease that it owns, a right clock.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            zone: None,
            lease: true,
            lease_owned: true,
            skew: SignedDuration::ZERO,
        }
    }

    /// In a zone.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.to_owned());
        self
    }

    /// Without a Lease.
    #[must_use]
    pub fn without_lease(mut self) -> Self {
        self.lease = false;
        self
    }

    /// With a clock that is ahead by so much.
    #[must_use]
    pub fn skew(mut self, skew: SignedDuration) -> Self {
        self.skew = skew;
        self
    }
}

/// One StatefulSet, Deployment, DaemonSet or bare pod; which one, the [`Layout`] method says.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Namespace.
    pub namespace: String,
    /// Name of the workload, or of the bare pod.
    pub name: String,
    /// Number of pods (not for DaemonSets and bare pods).
    pub replicas: i32,
    /// `podManagementPolicy: Parallel` (StatefulSets only).
    pub parallel: bool,
    /// `terminationGracePeriodSeconds`.
    pub grace: i64,
    /// Each pod has a volume claim of its own (StatefulSets only).
    pub claim: bool,
    /// Finalizers of the pods.
    pub finalizers: Vec<String>,
    /// Annotations of the pods.
    pub annotations: BTreeMap<String, String>,
}

impl Plan {
    /// One pod with 30 s of grace, no claim and no finalizer.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            replicas: 1,
            parallel: false,
            grace: 30,
            claim: false,
            finalizers: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// With so many pods.
    #[must_use]
    pub fn replicas(mut self, replicas: i32) -> Self {
        self.replicas = replicas;
        self
    }

    /// All ordinals at once instead of in order.
    #[must_use]
    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    /// With so many seconds to terminate.
    #[must_use]
    pub fn grace(mut self, seconds: i64) -> Self {
        self.grace = seconds;
        self
    }

    /// With a volume claim for each pod.
    #[must_use]
    pub fn claim(mut self) -> Self {
        self.claim = true;
        self
    }

    /// With a finalizer on each pod.
    #[must_use]
    pub fn finalizer(mut self, finalizer: &str) -> Self {
        self.finalizers.push(finalizer.to_owned());
        self
    }

    /// With an annotation on each pod.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("app.kubernetes.io/name".to_owned(), self.name.clone())])
    }

    fn meta(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            generation: Some(1),
            ..ObjectMeta::default()
        }
    }

    fn selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.labels()),
            ..LabelSelector::default()
        }
    }

    fn template(&self) -> PodTemplateSpec {
        let spec = PodSpec {
            containers: vec![Container {
                name: self.name.clone(),
                image: Some(format!("example.com/{}:1.0", self.name)),
                ..Container::default()
            }],
            termination_grace_period_seconds: Some(self.grace),
            ..PodSpec::default()
        };
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(self.labels()),
                annotations: (!self.annotations.is_empty()).then(|| self.annotations.clone()),
                finalizers: (!self.finalizers.is_empty()).then(|| self.finalizers.clone()),
                ..ObjectMeta::default()
            }),
            spec: Some(spec),
        }
    }

    pub(super) fn statefulset(&self) -> StatefulSet {
        let claim = self.claim.then(|| PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some("data".to_owned()),
                ..ObjectMeta::default()
            },
            ..PersistentVolumeClaim::default()
        });
        let policy = if self.parallel {
            "Parallel"
        } else {
            "OrderedReady"
        };
        StatefulSet {
            metadata: self.meta(),
            spec: Some(StatefulSetSpec {
                replicas: Some(self.replicas),
                selector: self.selector(),
                template: self.template(),
                pod_management_policy: Some(policy.to_owned()),
                service_name: Some(self.name.clone()),
                volume_claim_templates: claim.map(|claim| vec![claim]),
                ..StatefulSetSpec::default()
            }),
            status: None,
        }
    }

    pub(super) fn deployment(&self) -> Deployment {
        Deployment {
            metadata: self.meta(),
            spec: Some(DeploymentSpec {
                replicas: Some(self.replicas),
                selector: self.selector(),
                template: self.template(),
                ..DeploymentSpec::default()
            }),
            status: None,
        }
    }

    pub(super) fn daemonset(&self) -> DaemonSet {
        DaemonSet {
            metadata: self.meta(),
            spec: Some(DaemonSetSpec {
                selector: self.selector(),
                template: self.template(),
                ..DaemonSetSpec::default()
            }),
            status: None,
        }
    }

    pub(super) fn pod(&self) -> Pod {
        let template = self.template();
        Pod {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..template.metadata.unwrap_or_default()
            },
            spec: template.spec,
            status: None,
        }
    }
}

/// Nodes and what runs on them. Pods are placed in turn, each StatefulSet's from the first node on,
/// and all run from the start.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// StatefulSets.
    pub statefulsets: Vec<Plan>,
    /// Deployments, each with its ReplicaSet.
    pub replicasets: Vec<Plan>,
    /// DaemonSets.
    pub daemonsets: Vec<Plan>,
    /// Pods without a controller.
    pub pods: Vec<Plan>,
}

impl Layout {
    /// Ordinary nodes `node-1` to `node-N`, and nothing on them.
    pub fn nodes(count: usize) -> Self {
        let nodes = (1..=count)
            .map(|number| NodePlan::new(&format!("node-{number}")))
            .collect();
        Self {
            nodes,
            ..Self::default()
        }
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, node: NodePlan) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds a StatefulSet.
    #[must_use]
    pub fn statefulset(mut self, plan: Plan) -> Self {
        self.statefulsets.push(plan);
        self
    }

    /// Adds a Deployment, and so a ReplicaSet.
    #[must_use]
    pub fn replicaset(mut self, plan: Plan) -> Self {
        self.replicasets.push(plan);
        self
    }

    /// Adds a DaemonSet.
    #[must_use]
    pub fn daemonset(mut self, plan: Plan) -> Self {
        self.daemonsets.push(plan);
        self
    }

    /// Adds a pod without a controller.
    #[must_use]
    pub fn pod(mut self, plan: Plan) -> Self {
        self.pods.push(plan);
        self
    }

    /// Three nodes with what kube-prometheus puts into `monitoring`, and a little beside it.
    /// `node-1` carries `prometheus-k8s-0` and `alertmanager-main-0`.
    pub fn kube_prometheus() -> Self {
        Self::nodes(3)
            .statefulset(
                Plan::new("monitoring", "prometheus-k8s")
                    .replicas(2)
                    .parallel()
                    .grace(600),
            )
            .statefulset(
                Plan::new("monitoring", "alertmanager-main")
                    .replicas(3)
                    .parallel()
                    .grace(120),
            )
            .replicaset(Plan::new("monitoring", "grafana"))
            .replicaset(Plan::new("monitoring", "kube-state-metrics"))
            .daemonset(Plan::new("monitoring", "node-exporter"))
            .pod(Plan::new("monitoring", "debug"))
            .replicaset(Plan::new("kube-system", "coredns").replicas(2))
            .daemonset(Plan::new("kube-system", "kube-proxy"))
    }
}
