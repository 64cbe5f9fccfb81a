//! The kinds of objects that the world stores, and how they are found.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::world::{Change, World};

/// Namespace (empty for what has none) and name.
pub type Key = (String, String);

/// The objects of one kind.
pub type Store<K> = BTreeMap<Key, K>;

/// A kind of object that the world stores.
pub trait Kind:
    k8s_openapi::Resource
    + k8s_openapi::Metadata<Ty = ObjectMeta>
    + Clone
    + PartialEq
    + Serialize
    + DeserializeOwned
    + Send
    + 'static
{
    /// Where the objects of this kind are.
    fn store(world: &World) -> &Store<Self>;
    /// Where the objects of this kind are.
    fn store_mut(world: &mut World) -> &mut Store<Self>;
    /// What the controllers are told when this object changes.
    fn change(&self) -> Option<Change>;
    /// Puts an object into the indexes, or takes it out.
    fn index(_world: &mut World, _object: &Self, _insert: bool) {}
    /// Keeps the indexes after an object was changed from `old`.
    fn reindex(_world: &mut World, _key: &Key, _old: &Self) {}
}

macro_rules! kinds {
    ($($kind:ident, $field:ident, $object:ident => $change:expr;)*) => {$(
        impl Kind for $kind {
            fn store(world: &World) -> &Store<Self> {
                &world.$field
            }
            fn store_mut(world: &mut World) -> &mut Store<Self> {
                &mut world.$field
            }
            fn change(&self) -> Option<Change> {
                let $object = self;
                $change
            }
        }
    )*};
}

kinds! {
    Node, nodes, node => node.metadata.name.clone().map(Change::Node);
    Namespace, namespaces, _namespace => None;
    Lease, leases, _lease => None;
    Deployment, deployments, one => Some(Change::Workload("Deployment", key_of(one)));
    StatefulSet, statefulsets, set => Some(Change::Workload("StatefulSet", key_of(set)));
    ReplicaSet, replicasets, set => Some(Change::Workload("ReplicaSet", key_of(set)));
    DaemonSet, daemonsets, set => Some(Change::Workload("DaemonSet", key_of(set)));
    Event, events, _event => None;
}

impl Kind for Pod {
    fn store(world: &World) -> &Store<Self> {
        &world.pods
    }

    fn store_mut(world: &mut World) -> &mut Store<Self> {
        &mut world.pods
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Pod {
            key: key_of(self),
            node: self.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            owner: controller(&self.metadata).map(|owner| (owner.kind.clone(), owner.name.clone())),
        })
    }

    fn index(world: &mut World, pod: &Self, insert: bool) {
        world.index_pod(pod, insert);
    }

    fn reindex(world: &mut World, key: &Key, old: &Self) {
        let place = |pod: &Pod| {
            (
                pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
                controller(&pod.metadata).map(|owner| owner.uid.clone()),
            )
        };
        let Some(new) = world.pods.get(key) else {
            return;
        };
        if place(old) == place(new) {
            return;
        }
        let new = new.clone();
        world.index_pod(old, false);
        world.index_pod(&new, true);
    }
}

/// A key from its parts; the namespace is empty for what has none.
pub fn key(namespace: &str, name: &str) -> Key {
    (namespace.to_owned(), name.to_owned())
}

/// An object's key.
pub fn key_of<K: Kind>(object: &K) -> Key {
    let meta = object.metadata();
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// The owner reference that is marked as controller.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references
        .as_ref()?
        .iter()
        .find(|owner| owner.controller == Some(true))
}
