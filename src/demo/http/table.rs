//! Lists as Tables, the form that `kubectl get` asks for.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::select::Selectable;
use crate::demo::objects::{finished, node_name, node_ready, phase, terminating};

/// A kind that can be shown as rows.
pub(super) trait Row: Selectable {
    /// The columns after Name: their name, and 0 for shown always or 1 for `-o wide`.
    const COLUMNS: &'static [(&'static str, i32)];
    /// The cells after Name.
    fn cells(&self, now: Timestamp) -> Vec<Value>;
}

/// The columns of a Table.
pub(super) fn columns<K: Row>() -> Value {
    let column = |name: &str, priority: i32| {
        let format = if name == "Name" { "name" } else { "" };
        let kind = if name == "Restarts" {
            "integer"
        } else {
            "string"
        };
        json!({
            "name": name,
            "type": kind,
            "format": format,
            "description": name,
            "priority": priority,
        })
    };
    let first = std::iter::once(column("Name", 0));
    first
        .chain(
            K::COLUMNS
                .iter()
                .map(|(name, priority)| column(name, *priority)),
        )
        .collect()
}

/// A row; `include` is the parameter `includeObject`.
pub(super) fn row<K: Row>(object: &K, include: &str, now: Timestamp) -> Value {
    let meta = object.metadata();
    let mut cells = vec![json!(meta.name)];
    cells.extend(object.cells(now));
    let object = match include {
        "None" => Value::Null,
        "Object" => serde_json::to_value(object).unwrap_or_default(),
        _ => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
        }),
    };
    json!({ "cells": cells, "object": object })
}

/// A span of time as kubectl shows it.
fn age(since: Option<&Time>, now: Timestamp) -> Value {
    let Some(since) = since else {
        return json!("<unknown>");
    };
    let seconds = now.duration_since(since.0).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    json!(match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    })
}

impl Row for Node {
    const COLUMNS: &'static [(&'static str, i32)] = &[
        ("Status", 0),
        ("Roles", 0),
        ("Age", 0),
        ("Version", 0),
        ("Internal-IP", 1),
        ("External-IP", 1),
        ("OS-Image", 1),
        ("Kernel-Version", 1),
        ("Container-Runtime", 1),
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
            json!(status),
            json!("<none>"),
            age(self.metadata.creation_timestamp.as_ref(), now),
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
    const COLUMNS: &'static [(&'static str, i32)] = &[
        ("Ready", 0),
        ("Status", 0),
        ("Restarts", 0),
        ("Age", 0),
        ("IP", 1),
        ("Node", 1),
        ("Nominated Node", 1),
        ("Readiness Gates", 1),
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
            json!(format!("{ready}/{containers}")),
            json!(word),
            json!(restarts),
            age(self.metadata.creation_timestamp.as_ref(), now),
            json!(address.unwrap_or_else(|| "<none>".to_owned())),
            json!(node_name(self).unwrap_or("<none>")),
            json!("<none>"),
            json!("<none>"),
        ]
    }
}

impl Row for StatefulSet {
    const COLUMNS: &'static [(&'static str, i32)] = &[("Ready", 0), ("Age", 0)];

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
        vec![
            json!(format!("{ready}/{wanted}")),
            age(self.metadata.creation_timestamp.as_ref(), now),
        ]
    }
}

impl Row for ReplicaSet {
    const COLUMNS: &'static [(&'static str, i32)] =
        &[("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let status = self.status.clone().unwrap_or_default();
        vec![
            json!(
                self.spec
                    .as_ref()
                    .and_then(|spec| spec.replicas)
                    .unwrap_or(1)
                    .to_string()
            ),
            json!(status.replicas.to_string()),
            json!(status.ready_replicas.unwrap_or(0).to_string()),
            age(self.metadata.creation_timestamp.as_ref(), now),
        ]
    }
}

impl Row for DaemonSet {
    const COLUMNS: &'static [(&'static str, i32)] =
        &[("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let status = self.status.clone().unwrap_or_default();
        vec![
            json!(status.desired_number_scheduled.to_string()),
            json!(status.current_number_scheduled.to_string()),
            json!(status.number_ready.to_string()),
            age(self.metadata.creation_timestamp.as_ref(), now),
        ]
    }
}

impl Row for Lease {
    const COLUMNS: &'static [(&'static str, i32)] = &[("Holder", 0), ("Age", 0)];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let holder = self
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone());
        vec![
            json!(holder),
            age(self.metadata.creation_timestamp.as_ref(), now),
        ]
    }
}

impl Row for Event {
    const COLUMNS: &'static [(&'static str, i32)] = &[
        ("Last Seen", 0),
        ("Type", 0),
        ("Reason", 0),
        ("Object", 0),
        ("Message", 0),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Value> {
        let of = self.regarding.clone().unwrap_or_default();
        let kind = of.kind.unwrap_or_default().to_lowercase();
        let seen = self.event_time.as_ref().map(|time| Time(time.0));
        vec![
            age(seen.as_ref(), now),
            json!(self.type_),
            json!(self.reason),
            json!(format!("{kind}/{}", of.name.unwrap_or_default())),
            json!(self.note),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        let now = Timestamp::constant(10_000_000, 0);
        let ago = |seconds: i64| {
            age(
                Some(&Time(Timestamp::constant(10_000_000 - seconds, 0))),
                now,
            )
        };
        for (seconds, text) in [
            (7, "7s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (3600, "60m"),
            (90_000, "25h"),
        ] {
            assert_eq!(ago(seconds), json!(text));
        }
    }
}
