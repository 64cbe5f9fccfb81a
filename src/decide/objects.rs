//! Thin views of the Kubernetes objects that a judgement reads: only the fields that it needs, so
//! that an odd value elsewhere in an object stops nothing. `null` reads as absent.

use super::names::one_line;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// An answer of the API server to a GET: the object, or nothing when it answered 404.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// What was asked for.
    pub object: Option<T>,
    /// The API server's clock (the `Date` header), to the second.
    pub date: Option<Timestamp>,
}

/// `metadata` of any object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The object's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its namespace; empty for a Node.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace: String,
    /// Its identity: names come back, UIDs never.
    #[serde(default, deserialize_with = "nullable")]
    pub uid: String,
    /// Annotations.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// Owners; one at most is the controller.
    #[serde(default, deserialize_with = "nullable")]
    pub owner_references: Vec<Owner>,
    /// What keeps the object although it is deleted.
    #[serde(default, deserialize_with = "nullable")]
    pub finalizers: Vec<String>,
    /// Set from the first DELETE on: the object is Terminating.
    pub deletion_timestamp: Option<Timestamp>,
    /// The grace of that DELETE, in seconds; 0 after a forced one.
    pub deletion_grace_period_seconds: Option<i64>,
    /// Who wrote which fields, and when by the API server's clock.
    #[serde(default, deserialize_with = "nullable")]
    pub managed_fields: Vec<ManagedFields>,
}

/// An owner reference.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    /// API group and version, `apps/v1`.
    pub api_version: String,
    /// Kind, `StatefulSet`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// True for the one that recreates the object.
    pub controller: Option<bool>,
}

impl Owner {
    /// True for a kind of the API group `apps`.
    pub fn is_apps(&self, kind: &str) -> bool {
        self.in_apps() && self.kind == kind
    }

    fn in_apps(&self) -> bool {
        self.api_version.starts_with("apps/")
    }
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Debug, Deserialize)]
pub struct ManagedFields {
    /// When the API server took that write, to the second.
    pub time: Option<Timestamp>,
}

/// A status condition of a Node or a Pod.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `PodScheduled` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A sentence for people.
    #[serde(default, deserialize_with = "sentence")]
    pub message: String,
    /// When `status` changed last.
    pub last_transition_time: Option<Timestamp>,
    /// A Node's: when its kubelet reported last.
    pub last_heartbeat_time: Option<Timestamp>,
}

/// A Node.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// Metadata.
    pub metadata: Meta,
    #[serde(default, deserialize_with = "nullable")]
    spec: NodeSpec,
    #[serde(default, deserialize_with = "nullable")]
    status: Conditions,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NodeSpec {
    #[serde(default, deserialize_with = "nullable")]
    taints: Vec<Taint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Taint {
    key: String,
    effect: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Conditions {
    #[serde(default, deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

impl Node {
    /// The Ready condition; none when there are two, which may contradict each other.
    pub fn ready(&self) -> Option<&Condition> {
        let conditions = self.status.conditions.iter();
        only(conditions.filter(|c| c.kind == "Ready"))
    }

    /// True with the node lifecycle controller's own mark for a node that it lost.
    pub fn is_tainted_unreachable(&self) -> bool {
        let unreachable = |t: &Taint| t.key == "node.kubernetes.io/unreachable";
        self.spec
            .taints
            .iter()
            .any(|t| unreachable(t) && t.effect == "NoExecute")
    }
}

/// A kubelet's Lease in `kube-node-lease`.
#[derive(Clone, Debug, Deserialize)]
pub struct Lease {
    /// Metadata.
    pub metadata: Meta,
    /// What the kubelet wrote.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: LeaseSpec,
}

/// The spec of a Lease.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseSpec {
    /// When it was renewed, by the kubelet's own clock.
    pub renew_time: Option<Timestamp>,
    /// How long one renewal is good for, in seconds.
    pub lease_duration_seconds: Option<i64>,
}

/// A Pod.
#[derive(Clone, Debug, Deserialize)]
pub struct Pod {
    /// Metadata.
    pub metadata: Meta,
    #[serde(default, deserialize_with = "nullable")]
    spec: PodSpec,
    #[serde(default, deserialize_with = "nullable")]
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default, deserialize_with = "nullable")]
    node_name: String,
    #[serde(default, deserialize_with = "nullable")]
    volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    persistent_volume_claim: Option<Claim>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Claim {
    claim_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PodStatus {
    #[serde(default, deserialize_with = "nullable")]
    reason: String,
    #[serde(default, deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

impl Pod {
    /// `namespace/name`, for people.
    pub fn path(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// The node it is bound to; empty while it is not scheduled.
    pub fn node(&self) -> &str {
        &self.spec.node_name
    }

    /// The owner that would make it again; none when two say so.
    pub fn controller(&self) -> Option<&Owner> {
        let owners = self.metadata.owner_references.iter();
        only(owners.filter(|o| o.controller == Some(true)))
    }

    /// The name of its direct controller, when that is of the API group `apps`.
    pub fn owner_in_apps(&self) -> Option<&str> {
        self.controller()
            .filter(|o| o.in_apps())
            .map(|o| o.name.as_str())
    }

    /// True when a StatefulSet makes it, and thus a replacement of the same name.
    pub fn is_stateful(&self) -> bool {
        self.controller().is_some_and(|o| o.is_apps("StatefulSet"))
    }

    /// True once it is deleted and still there.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// True once it is deleted with grace 0 and only finalizers can still keep it.
    pub fn is_force_deleted(&self) -> bool {
        self.is_terminating() && self.metadata.deletion_grace_period_seconds == Some(0)
    }

    /// True when only finalizers keep it.
    pub fn is_orphan(&self) -> bool {
        self.is_force_deleted() && !self.metadata.finalizers.is_empty()
    }

    /// What keeps it, for people: the first few.
    pub fn finalizers(&self) -> String {
        const SHOWN: usize = 8;
        let all = &self.metadata.finalizers;
        let mut names: Vec<_> = all.iter().take(SHOWN).map(|f| one_line(f, 128)).collect();
        if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            names.push(format!("and {more} more"));
        }
        names.join(", ")
    }

    /// One of its conditions.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }

    /// True when a Ready condition is `True`.
    pub fn is_ready(&self) -> bool {
        let is_ready = |c: &Condition| c.kind == "Ready" && c.status == "True";
        self.status.conditions.iter().any(is_ready)
    }

    /// True when the node controller of Kubernetes before 1.13 gave its node up.
    pub fn is_node_lost(&self) -> bool {
        self.status.reason == "NodeLost"
    }

    /// The first claim whose volume it mounts.
    pub fn claim(&self) -> Option<&str> {
        let claim = |v: &'_ Volume| v.persistent_volume_claim.is_some();
        let volume = self.spec.volumes.iter().find(|v| claim(v))?;
        volume
            .persistent_volume_claim
            .as_ref()
            .map(|c| c.claim_name.as_str())
    }
}

/// What following a replacement needs of a StatefulSet.
#[derive(Clone, Debug, Deserialize)]
pub struct StatefulSet {
    /// Metadata.
    pub metadata: Meta,
    /// The wish.
    pub spec: StatefulSetSpec,
}

/// The spec of a StatefulSet.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSetSpec {
    /// How many pods; 1 when absent.
    pub replicas: Option<u32>,
    /// `OrderedReady` when absent.
    pub pod_management_policy: Option<String>,
    /// Where ordinals begin; 0 when absent.
    pub ordinals: Option<Ordinals>,
}

/// `spec.ordinals` of a StatefulSet.
#[derive(Clone, Debug, Deserialize)]
pub struct Ordinals {
    /// The first ordinal.
    #[serde(default)]
    pub start: u32,
}

/// The item, if it is the only one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// Reads what is only for people: one line, and no longer than they would read.
fn sentence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    nullable(deserializer).map(|text: String| one_line(&text, 512))
}

/// Reads `null` as the default, as the API server's own decoder does.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests;
