//! The rows that each kind is shown as.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, PodTemplateSpec};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use serde_json::{Value, json};

use super::table::{Column, Row, age};
use crate::demo::objects::{finished, node_name, node_ready, phase, terminating};

const NAME: Column = ("Name", 0, "string");
const AGE: Column = ("Age", 0, "string");
const CONTAINERS: Column = ("Containers", 1, "string");
const IMAGES: Column = ("Images", 1, "string");
const SELECTOR: Column = ("Selector", 1, "string");

/// How old an object is.
fn since(meta: &ObjectMeta, now: Timestamp) -> Value {
    age(meta.creation_timestamp.as_ref(), now)
}

/// The names and the images of a template's containers.
fn containers(template: Option<&PodTemplateSpec>) -> [Value; 2] {
    let spec = template.and_then(|template| template.spec.as_ref());
    let all = || spec.iter().flat_map(|spec| &spec.containers);
    let names: Vec<&str> = all().map(|one| one.name.as_str()).collect();
    let images: Vec<&str> = all().filter_map(|one| one.image.as_deref()).collect();
    [json!(names.join(",")), json!(images.join(","))]
}

fn selector(selector: &LabelSelector) -> Value {
    let labels = selector.match_labels.iter().flatten();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    json!(labels.join(","))
}

impl Row for Namespace {
    const COLUMNS: &'static [Column] = &[NAME, ("Status", 0, "string"), AGE];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let phase = self
            .status
            .as_ref()
            .and_then(|status| status.phase.as_ref());
        vec![
            json!(self.metadata.name),
            json!(phase),
            since(&self.metadata, now),
        ]
    }
}

impl Row for Node {
    const COLUMNS: &'static [Column] = &[
        NAME,
        ("Status", 0, "string"),
        ("Roles", 0, "string"),
        AGE,
        ("Version", 0, "string"),
        ("Internal-IP", 1, "string"),
        ("External-IP", 1, "string"),
        ("OS-Image", 1, "string"),
        ("Kernel-Version", 1, "string"),
        ("Container-Runtime", 1, "string"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let mut status = match node_ready(self).map(|ready| ready.status.as_str()) {
            Some("True") => "Ready",
            Some(_) => "NotReady",
            None => "Unknown",
        }
        .to_owned();
        if self
            .spec
            .as_ref()
            .is_some_and(|spec| spec.unschedulable == Some(true))
        {
            status.push_str(",SchedulingDisabled");
        }
        let node = self.status.clone().unwrap_or_default();
        let info = node.node_info.unwrap_or_default();
        let address = node
            .addresses
            .into_iter()
            .flatten()
            .find(|address| address.type_ == "InternalIP")
            .map_or_else(|| "<none>".to_owned(), |address| address.address);
        vec![
            json!(self.metadata.name),
            json!(status),
            json!("<none>"),
            since(&self.metadata, now),
            json!(info.kubelet_version),
            json!(address),
            json!("<none>"),
            json!(info.os_image),
            json!(info.kernel_version),
            json!(info.container_runtime_version),
        ]
    }
}

impl Row for Pod {
    const COLUMNS: &'static [Column] = &[
        NAME,
        ("Ready", 0, "string"),
        ("Status", 0, "string"),
        ("Restarts", 0, "string"),
        AGE,
        ("IP", 1, "string"),
        ("Node", 1, "string"),
        ("Nominated Node", 1, "string"),
        ("Readiness Gates", 1, "string"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let containers = self.spec.as_ref().map_or(0, |spec| spec.containers.len());
        let states = self
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten());
        let mut ready = 0;
        let mut restarts = 0;
        let mut word = phase(self).to_owned();
        for state in states {
            ready += usize::from(state.ready && !finished(self));
            restarts += state.restart_count;
            if let Some(reason) = state
                .state
                .as_ref()
                .and_then(|state| state.waiting.as_ref()?.reason.clone())
            {
                word = reason;
            }
        }
        if phase(self) == "Succeeded" {
            "Completed".clone_into(&mut word);
        }
        if terminating(self) {
            "Terminating".clone_into(&mut word);
        }
        let address = self
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.clone());
        vec![
            json!(self.metadata.name),
            json!(format!("{ready}/{containers}")),
            json!(word),
            json!(restarts.to_string()),
            since(&self.metadata, now),
            json!(address.unwrap_or_else(|| "<none>".to_owned())),
            json!(node_name(self).unwrap_or("<none>")),
            json!("<none>"),
            json!("<none>"),
        ]
    }
}

impl Row for StatefulSet {
    const COLUMNS: &'static [Column] = &[NAME, ("Ready", 0, "string"), AGE, CONTAINERS, IMAGES];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let ready = self
            .status
            .as_ref()
            .and_then(|status| status.ready_replicas)
            .unwrap_or(0);
        let wanted = self
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1);
        let template = self.spec.as_ref().map(|spec| &spec.template);
        let [names, images] = containers(template);
        vec![
            json!(self.metadata.name),
            json!(format!("{ready}/{wanted}")),
            since(&self.metadata, now),
            names,
            images,
        ]
    }
}

impl Row for ReplicaSet {
    const COLUMNS: &'static [Column] = &[
        NAME,
        ("Desired", 0, "integer"),
        ("Current", 0, "integer"),
        ("Ready", 0, "integer"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let spec = self.spec.clone().unwrap_or_default();
        let status = self.status.clone().unwrap_or_default();
        let [names, images] = containers(spec.template.as_ref());
        vec![
            json!(self.metadata.name),
            json!(spec.replicas.unwrap_or(1)),
            json!(status.replicas),
            json!(status.ready_replicas.unwrap_or(0)),
            since(&self.metadata, now),
            names,
            images,
            selector(&spec.selector),
        ]
    }
}

impl Row for Deployment {
    const COLUMNS: &'static [Column] = &[
        NAME,
        ("Ready", 0, "string"),
        ("Up-to-date", 0, "string"),
        ("Available", 0, "string"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let spec = self.spec.clone().unwrap_or_default();
        let status = self.status.clone().unwrap_or_default();
        let [names, images] = containers(Some(&spec.template));
        let ready = status.ready_replicas.unwrap_or(0);
        vec![
            json!(self.metadata.name),
            json!(format!("{ready}/{}", spec.replicas.unwrap_or(1))),
            json!(status.updated_replicas.unwrap_or(0)),
            json!(status.available_replicas.unwrap_or(0)),
            since(&self.metadata, now),
            names,
            images,
            selector(&spec.selector),
        ]
    }
}

impl Row for DaemonSet {
    const COLUMNS: &'static [Column] = &[
        NAME,
        ("Desired", 0, "integer"),
        ("Current", 0, "integer"),
        ("Ready", 0, "integer"),
        ("Up-to-date", 0, "integer"),
        ("Available", 0, "integer"),
        ("Node Selector", 0, "string"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let spec = self.spec.clone().unwrap_or_default();
        let status = self.status.clone().unwrap_or_default();
        let [names, images] = containers(Some(&spec.template));
        vec![
            json!(self.metadata.name),
            json!(status.desired_number_scheduled),
            json!(status.current_number_scheduled),
            json!(status.number_ready),
            json!(status.updated_number_scheduled.unwrap_or(0)),
            json!(status.number_available.unwrap_or(0)),
            json!("<none>"),
            since(&self.metadata, now),
            names,
            images,
            selector(&spec.selector),
        ]
    }
}

impl Row for Lease {
    const COLUMNS: &'static [Column] = &[NAME, ("Holder", 0, "string"), AGE];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let holder = self
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone());
        vec![
            json!(self.metadata.name),
            json!(holder),
            since(&self.metadata, now),
        ]
    }
}

impl Row for Event {
    const COLUMNS: &'static [Column] = &[
        ("Last Seen", 0, "string"),
        ("Type", 0, "string"),
        ("Reason", 0, "string"),
        ("Object", 0, "string"),
        ("Subobject", 1, "string"),
        ("Source", 1, "string"),
        ("Message", 0, "string"),
        ("First Seen", 1, "string"),
        ("Count", 1, "string"),
        ("Name", 1, "string"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let of = self.regarding.clone().unwrap_or_default();
        let kind = of.kind.unwrap_or_default().to_lowercase();
        let seen = self.event_time.as_ref().map(|time| Time(time.0));
        let count = self.series.as_ref().map(|series| series.count);
        let count = count.or(self.deprecated_count).unwrap_or(1);
        let first = seen.as_ref().or(self.deprecated_first_timestamp.as_ref());
        let last = self
            .series
            .as_ref()
            .map(|series| Time(series.last_observed_time.0));
        let last = last.as_ref().or(seen.as_ref());
        vec![
            age(last.or(self.deprecated_last_timestamp.as_ref()), now),
            json!(self.type_),
            json!(self.reason),
            json!(format!("{kind}/{}", of.name.unwrap_or_default())),
            json!(of.field_path.unwrap_or_default()),
            json!(self.reporting_controller),
            json!(self.note),
            age(first, now),
            json!(count.to_string()),
            json!(self.metadata.name),
        ]
    }
}
