//! What the API server adds to an object that it is given.

use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, ReplicaSet, RollingUpdateStatefulSetStrategy, StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, PodTemplateSpec};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::constants::Constants;
use super::controllers::template::{admit, default_spec};

/// A kind that leaves things to the server.
pub(super) trait Defaults {
    /// Adds what was left out.
    fn complete(&mut self, _constants: &Constants) {}
}

impl Defaults for Lease {}

impl Defaults for Node {
    fn complete(&mut self, _constants: &Constants) {
        self.spec.get_or_insert_default();
    }
}

impl Defaults for Namespace {
    fn complete(&mut self, _constants: &Constants) {
        self.spec.get_or_insert_default().finalizers = Some(vec!["kubernetes".to_owned()]);
        self.status.get_or_insert_default().phase = Some("Active".to_owned());
        let name = self.metadata.name.clone().unwrap_or_default();
        let labels = self.metadata.labels.get_or_insert_default();
        labels.insert("kubernetes.io/metadata.name".to_owned(), name);
    }
}

impl Defaults for Pod {
    fn complete(&mut self, constants: &Constants) {
        admit(self, constants);
    }
}

impl Defaults for Event {
    fn complete(&mut self, _constants: &Constants) {
        self.deprecated_source.get_or_insert_default();
    }
}

fn default_template(template: &mut PodTemplateSpec) {
    default_spec(template.spec.get_or_insert_default());
}

/// Whether updates roll, as they do where nothing is said.
fn rolls(kind: &mut Option<String>) -> bool {
    kind.get_or_insert_with(|| "RollingUpdate".to_owned()) == "RollingUpdate"
}

impl Defaults for StatefulSet {
    fn complete(&mut self, _constants: &Constants) {
        self.metadata.generation.get_or_insert(1);
        let spec = self.spec.get_or_insert_default();
        default_template(&mut spec.template);
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        spec.pod_management_policy
            .get_or_insert_with(|| "OrderedReady".to_owned());
        let keep = || StatefulSetPersistentVolumeClaimRetentionPolicy {
            when_deleted: Some("Retain".to_owned()),
            when_scaled: Some("Retain".to_owned()),
        };
        spec.persistent_volume_claim_retention_policy
            .get_or_insert_with(keep);
        let strategy = spec.update_strategy.get_or_insert_default();
        if rolls(&mut strategy.type_) {
            let first = || RollingUpdateStatefulSetStrategy {
                partition: Some(0),
                ..RollingUpdateStatefulSetStrategy::default()
            };
            strategy.rolling_update.get_or_insert_with(first);
        }
    }
}

impl Defaults for Deployment {
    fn complete(&mut self, _constants: &Constants) {
        self.metadata.generation.get_or_insert(1);
        let spec = self.spec.get_or_insert_default();
        default_template(&mut spec.template);
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        spec.progress_deadline_seconds.get_or_insert(600);
        let strategy = spec.strategy.get_or_insert_default();
        if rolls(&mut strategy.type_) {
            let rolling = strategy.rolling_update.get_or_insert_default();
            let quarter = || IntOrString::String("25%".to_owned());
            rolling.max_surge.get_or_insert_with(quarter);
            rolling.max_unavailable.get_or_insert_with(quarter);
        }
    }
}

impl Defaults for ReplicaSet {
    fn complete(&mut self, _constants: &Constants) {
        self.metadata.generation.get_or_insert(1);
        let spec = self.spec.get_or_insert_default();
        spec.replicas.get_or_insert(1);
        default_template(spec.template.get_or_insert_default());
    }
}

impl Defaults for DaemonSet {
    fn complete(&mut self, _constants: &Constants) {
        self.metadata.generation.get_or_insert(1);
        let spec = self.spec.get_or_insert_default();
        default_template(&mut spec.template);
        spec.revision_history_limit.get_or_insert(10);
        let strategy = spec.update_strategy.get_or_insert_default();
        if rolls(&mut strategy.type_) {
            let rolling = strategy.rolling_update.get_or_insert_default();
            rolling.max_surge.get_or_insert(IntOrString::Int(0));
            rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        }
    }
}
