//! The fields by which the objects of each kind can be selected.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::call::Call;
use super::failure::Failure;
use super::resources::Resource;
use crate::demo::objects::{node_name, phase};
use crate::demo::world::Kind;

/// Which fields of a kind can be selected by.
pub(super) trait Selectable: Kind {
    /// The field's value, or `None` when this kind cannot be selected by it.
    fn field(&self, name: &str) -> Option<String> {
        meta_field(self.metadata(), name)
    }
}

fn meta_field(meta: &ObjectMeta, name: &str) -> Option<String> {
    match name {
        "metadata.name" => Some(meta.name.clone().unwrap_or_default()),
        "metadata.namespace" => Some(meta.namespace.clone().unwrap_or_default()),
        _ => None,
    }
}

impl Selectable for Node {
    fn field(&self, name: &str) -> Option<String> {
        match name {
            "spec.unschedulable" => {
                let set = self
                    .spec
                    .as_ref()
                    .is_some_and(|spec| spec.unschedulable == Some(true));
                Some(set.to_string())
            }
            name => meta_field(&self.metadata, name),
        }
    }
}

impl Selectable for Lease {}
impl Selectable for StatefulSet {}
impl Selectable for ReplicaSet {}
impl Selectable for DaemonSet {}

impl Selectable for Pod {
    fn field(&self, name: &str) -> Option<String> {
        let spec = self.spec.as_ref();
        match name {
            "spec.nodeName" => Some(node_name(self).unwrap_or_default().to_owned()),
            "status.phase" => Some(phase(self).to_owned()),
            "spec.restartPolicy" => Some(spec?.restart_policy.clone().unwrap_or_default()),
            "spec.schedulerName" => Some(spec?.scheduler_name.clone().unwrap_or_default()),
            "spec.serviceAccountName" => {
                Some(spec?.service_account_name.clone().unwrap_or_default())
            }
            "status.podIP" => Some(
                self.status
                    .as_ref()
                    .and_then(|one| one.pod_ip.clone())
                    .unwrap_or_default(),
            ),
            name => meta_field(&self.metadata, name),
        }
    }
}

impl Selectable for Deployment {}
impl Selectable for Namespace {
    fn field(&self, name: &str) -> Option<String> {
        match name {
            "status.phase" => self.status.as_ref()?.phase.clone(),
            name => meta_field(&self.metadata, name),
        }
    }
}

impl Selectable for Event {
    fn field(&self, name: &str) -> Option<String> {
        let of = self.regarding.clone().unwrap_or_default();
        let source = self.deprecated_source.as_ref();
        let source = source.and_then(|source| source.component.clone());
        let value = match name.replacen("involvedObject.", "regarding.", 1).as_str() {
            "regarding.kind" => of.kind,
            "regarding.namespace" => of.namespace,
            "regarding.name" => of.name,
            "regarding.uid" => of.uid,
            "regarding.apiVersion" => of.api_version,
            "regarding.resourceVersion" => of.resource_version,
            "regarding.fieldPath" => of.field_path,
            "reason" => self.reason.clone(),
            "type" => self.type_.clone(),
            "reportingController" | "reportingComponent" => self.reporting_controller.clone(),
            "source" => source.or_else(|| self.reporting_controller.clone()),
            name => return meta_field(&self.metadata, name),
        };
        Some(value.unwrap_or_default())
    }
}

/// Whether a list of that resource can be selected by a field, besides name and namespace.
fn is_known(resource: Resource, field: &str) -> bool {
    let about = |word: &str| {
        const PARTS: [&str; 7] = [
            "kind",
            "namespace",
            "name",
            "uid",
            "apiVersion",
            "resourceVersion",
            "fieldPath",
        ];
        let part = field.strip_prefix(word);
        part.is_some_and(|part| PARTS.contains(&part)) || matches!(field, "reason" | "type")
    };
    match resource {
        Resource::Pods => matches!(
            field,
            "spec.nodeName"
                | "spec.restartPolicy"
                | "spec.schedulerName"
                | "spec.serviceAccountName"
                | "status.phase"
                | "status.podIP"
        ),
        Resource::Nodes => field == "spec.unschedulable",
        Resource::Namespaces => field == "status.phase",
        Resource::Events => about("regarding.") || field == "reportingController",
        Resource::CoreEvents => {
            about("involvedObject.") || matches!(field, "reportingComponent" | "source")
        }
        _ => false,
    }
}

/// Refuses what the resource cannot be selected by, also where nothing would be looked at.
pub(super) fn check_field(call: &Call, field: &str) -> Result<(), Failure> {
    let common = matches!(field, "metadata.name" | "metadata.namespace");
    if common || is_known(call.resource, field) {
        return Ok(());
    }
    let own = matches!(
        call.resource,
        Resource::Pods
            | Resource::Nodes
            | Resource::Namespaces
            | Resource::Events
            | Resource::CoreEvents
    );
    Err(Failure::bad_request(match own {
        true => format!("field label not supported: {field}"),
        false => format!(
            "\"{field}\" is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\""
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_has_fields_of_its_own() {
        assert!(is_known(Resource::Pods, "spec.nodeName"));
        assert!(!is_known(Resource::Nodes, "spec.nodeName"));
        assert!(is_known(Resource::CoreEvents, "involvedObject.name"));
        assert!(!is_known(Resource::Events, "involvedObject.name"));
    }
}
