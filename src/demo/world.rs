//! The state of the simulated cluster: what its API stores, and what is true of its machines.
//!
//! Nothing here waits or reads a clock: whoever holds the world sets [`World::now`] first.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::events::v1::Event;

use super::audit::Entry;
use super::constants::Constants;
pub use super::kinds::{Key, Kind, Store, controller, key, key_of};
pub use super::machine::{Attachment, Machine};
use super::stamps::stamp;
pub use super::stamps::{micro_time, time};

/// The namespace of the kubelets' Leases.
pub const LEASES: &str = "kube-node-lease";

/// What the controllers are told of, as informers would tell them.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A Node object was created, changed or removed.
    Node(String),
    /// A Pod was created, changed or removed.
    Pod {
        /// Its key.
        key: Key,
        /// The node it is, or was, bound to.
        node: Option<String>,
        /// Kind and name of its controller.
        owner: Option<(String, String)>,
    },
    /// A StatefulSet, Deployment, ReplicaSet or DaemonSet was created, changed or removed.
    Workload(&'static str, Key),
    /// Power, kubelet or network of a machine changed: what only the kubelet there notices.
    Machine(String),
}

/// The whole simulated cluster.
pub struct World {
    /// The time of the API server's clock.
    pub now: Timestamp,
    /// The delays of this cluster.
    pub constants: Constants,
    /// Stored Namespaces.
    pub namespaces: Store<Namespace>,
    /// Stored Nodes.
    pub nodes: Store<Node>,
    /// Stored Leases.
    pub leases: Store<Lease>,
    /// Stored Pods.
    pub pods: Store<Pod>,
    /// Stored StatefulSets.
    pub statefulsets: Store<StatefulSet>,
    /// Stored Deployments.
    pub deployments: Store<Deployment>,
    /// Stored ReplicaSets.
    pub replicasets: Store<ReplicaSet>,
    /// Stored DaemonSets.
    pub daemonsets: Store<DaemonSet>,
    /// Stored Events.
    pub events: Store<Event>,
    /// The machines, by node name. They outlive their Node object.
    pub machines: BTreeMap<String, Machine>,
    /// Volume claims and where they are attached.
    pub volumes: BTreeMap<Key, Attachment>,
    /// Every request, and what was true then.
    pub audit: Vec<Entry>,
    pods_by_node: BTreeMap<String, BTreeSet<Key>>,
    pods_by_owner: BTreeMap<String, BTreeSet<Key>>,
    changes: Vec<Change>,
    /// What was removed last, and at which revision: a watch begins at a list of a moment ago.
    removed: VecDeque<(u64, Box<dyn Any + Send>)>,
    revision: u64,
    identities: u64,
}

impl World {
    /// An empty cluster.
    pub fn new(constants: Constants) -> Self {
        Self {
            now: constants.start,
            constants,
            namespaces: Store::new(),
            nodes: Store::new(),
            leases: Store::new(),
            pods: Store::new(),
            statefulsets: Store::new(),
            deployments: Store::new(),
            replicasets: Store::new(),
            daemonsets: Store::new(),
            events: Store::new(),
            machines: BTreeMap::new(),
            volumes: BTreeMap::new(),
            audit: Vec::new(),
            pods_by_node: BTreeMap::new(),
            pods_by_owner: BTreeMap::new(),
            changes: Vec::new(),
            removed: VecDeque::new(),
            revision: 1000,
            identities: 0,
        }
    }

    /// The newest `resourceVersion`.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// One object.
    pub fn get<K: Kind>(&self, namespace: &str, name: &str) -> Option<&K> {
        K::store(self).get(&key(namespace, name))
    }

    /// The objects after `after` (all when `None`), of one namespace or of all, in key order.
    pub fn list<'w, K: Kind>(
        &'w self,
        namespace: Option<&str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'w Key, &'w K)> + use<'w, K> {
        let start = match (after, namespace) {
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(namespace)) => Bound::Included(key(namespace, "")),
            (None, None) => Bound::Unbounded,
        };
        let namespace = namespace.map(str::to_owned);
        K::store(self)
            .range((start, Bound::Unbounded))
            .take_while(move |(key, _)| namespace.as_ref().is_none_or(|wanted| &key.0 == wanted))
    }

    /// Stores a new object as the API server does: UID, creation time, resourceVersion. The name
    /// must be free.
    pub fn create<K: Kind>(&mut self, manager: &str, object: K) -> K {
        let mut object = self.identify(manager, object);
        object.metadata_mut().resource_version = Some(self.next_revision());
        let key = key_of(&object);
        K::index(self, &object, true);
        self.changes.extend(object.change());
        K::store_mut(self).insert(key, object.clone());
        object
    }

    /// What makes an object one of its own, stored or not: UID and creation time.
    pub fn identify<K: Kind>(&mut self, manager: &str, mut object: K) -> K {
        let uid = self.next_uid();
        let now = self.now;
        let meta = object.metadata_mut();
        meta.uid = Some(uid);
        meta.creation_timestamp = Some(time(now));
        meta.resource_version = None;
        stamp::<K>(&mut object, manager, now);
        object
    }

    /// Changes an object. Only a real change gets a new resourceVersion and is told to the
    /// controllers; answers whether it was one. An absent object is left absent.
    pub fn update<K: Kind>(
        &mut self,
        key: &Key,
        manager: &str,
        change: impl FnOnce(&mut K),
    ) -> bool {
        let (now, revision) = (self.now, self.revision + 1);
        let Some(object) = K::store_mut(self).get_mut(key) else {
            return false;
        };
        let old = object.clone();
        change(object);
        if *object == old {
            return false;
        }
        object.metadata_mut().resource_version = Some(revision.to_string());
        stamp::<K>(object, manager, now);
        let told = object.change();
        self.revision = revision;
        self.changes.extend(told);
        K::reindex(self, key, &old);
        true
    }

    /// Removes an object from the store, whatever holds it.
    pub fn remove<K: Kind>(&mut self, key: &Key) -> Option<K> {
        const ENOUGH: usize = 256;
        let object = K::store_mut(self).remove(key)?;
        self.next_revision();
        if self.removed.len() == ENOUGH {
            self.removed.pop_front();
        }
        self.removed
            .push_back((self.revision, Box::new(object.clone())));
        K::index(self, &object, false);
        self.changes.extend(object.change());
        Some(object)
    }

    /// The objects of a kind that were removed after `revision`, as far as that is remembered.
    pub fn removed_since<K: Kind>(&self, revision: u64) -> impl Iterator<Item = &K> {
        let later = move |(at, _): &&(u64, Box<dyn Any + Send>)| *at > revision;
        let removed = self.removed.iter().filter(later);
        removed.filter_map(|(_, object)| object.downcast_ref())
    }

    /// Keys of the pods bound to a node; of those bound to none for the empty name.
    pub fn pods_on(&self, node: &str) -> Vec<Key> {
        self.pods_by_node
            .get(node)
            .map(|keys| keys.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// How many pods are bound to a node.
    pub fn pod_count(&self, node: &str) -> usize {
        self.pods_by_node.get(node).map_or(0, BTreeSet::len)
    }

    /// The pods whose controller has this UID.
    pub fn pods_of(&self, owner_uid: &str) -> impl Iterator<Item = &Pod> {
        self.pods_by_owner
            .get(owner_uid)
            .into_iter()
            .flatten()
            .filter_map(|key| self.pods.get(key))
    }

    /// The nodes that pods are bound to, whether they exist or not.
    pub fn occupied(&self) -> impl Iterator<Item = &String> {
        self.pods_by_node.keys().filter(|node| !node.is_empty())
    }

    /// The pods that are bound to no node yet.
    pub fn unbound(&self) -> impl Iterator<Item = &Key> {
        self.pods_by_node.get("").into_iter().flatten()
    }

    /// UIDs of all controllers of stored pods.
    pub fn owners(&self) -> impl Iterator<Item = &String> {
        self.pods_by_owner.keys()
    }

    /// Writes into the audit log. Of a cluster that is asked for days only the later part is kept.
    pub fn record(&mut self, entry: Entry) {
        const ENOUGH: usize = 400_000;
        if self.audit.len() >= ENOUGH {
            self.audit.drain(..ENOUGH / 2);
        }
        self.audit.push(entry);
    }

    /// Tells the controllers of something that is no object of the API.
    pub fn notice(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Takes what the controllers have not been told yet.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Everything there is as a list of changes: what a controller hears that starts now.
    pub fn everything(&self) -> Vec<Change> {
        fn of<K: Kind>(store: &Store<K>) -> impl Iterator<Item = Change> {
            store.values().filter_map(K::change)
        }
        of(&self.nodes)
            .chain(of(&self.statefulsets))
            .chain(of(&self.deployments))
            .chain(of(&self.replicasets))
            .chain(of(&self.daemonsets))
            .chain(of(&self.pods))
            .collect()
    }

    /// A letter-and-digit suffix as generated names carry; the same in every run.
    pub fn suffix(&mut self, length: usize) -> String {
        // The alphabet of apimachinery's rand.SafeEncodeString.
        const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.identities += 1;
        let mut bits = mix(self.identities);
        (0..length)
            .map(|_| {
                let letter = SAFE[(bits % SAFE.len() as u64) as usize];
                bits /= SAFE.len() as u64;
                char::from(letter)
            })
            .collect()
    }

    /// A UID that looks like any other (version 4), the same in every run.
    pub fn next_uid(&mut self) -> String {
        self.identities += 1;
        let (high, low) = (mix(self.identities), mix(!self.identities));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    fn next_revision(&mut self) -> String {
        self.revision += 1;
        self.revision.to_string()
    }

    pub(super) fn index_pod(&mut self, pod: &Pod, insert: bool) {
        let key = key_of(pod);
        let mut set = |index: fn(&mut World) -> &mut BTreeMap<String, BTreeSet<Key>>, at: &str| {
            let map = index(self);
            let keys = map.entry(at.to_owned()).or_default();
            if insert {
                keys.insert(key.clone());
            } else {
                keys.remove(&key);
            }
            if keys.is_empty() {
                map.remove(at);
            }
        };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        set(|world| &mut world.pods_by_node, node.unwrap_or_default());
        if let Some(owner) = controller(&pod.metadata) {
            set(|world| &mut world.pods_by_owner, &owner.uid);
        }
    }
}

/// SplitMix64: spreads a counter over all bits.
fn mix(counter: u64) -> u64 {
    let mut bits = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn node(name: &str) -> Node {
        Node {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..Node::default()
        }
    }

    #[test]
    fn only_a_real_change_gets_a_new_resource_version() {
        let mut world = World::new(Constants::default());
        let first = world.create("test", node("a")).metadata.resource_version;
        assert!(!world.update::<Node>(&key("", "a"), "test", |_| ()));
        assert_eq!(world.nodes[&key("", "a")].metadata.resource_version, first);
        assert!(world.update::<Node>(&key("", "a"), "test", |node| {
            node.spec.get_or_insert_default().unschedulable = Some(true);
        }));
        assert_ne!(world.nodes[&key("", "a")].metadata.resource_version, first);
    }

    #[test]
    fn a_write_is_stamped_by_the_servers_clock() {
        let mut world = World::new(Constants::default());
        world.create("kubelet", node("a"));
        world.now += std::time::Duration::from_millis(7900);
        world.update::<Node>(&key("", "a"), "kubelet", |node| {
            node.metadata
                .labels
                .get_or_insert_default()
                .insert("a".into(), "b".into());
        });
        let fields = world.nodes[&key("", "a")]
            .metadata
            .managed_fields
            .clone()
            .unwrap();
        assert_eq!(fields.len(), 1);
        let start = world.constants.start;
        assert_eq!(
            fields[0].time,
            Some(time(start + std::time::Duration::from_secs(7)))
        );
    }

    #[test]
    fn identities_look_real_and_repeat() {
        let mut one = World::new(Constants::default());
        let mut two = World::new(Constants::default());
        let uid = one.next_uid();
        assert_eq!(uid, two.next_uid());
        assert_ne!(uid, one.next_uid());
        assert_eq!(uid.len(), 36);
        assert_eq!(&uid[14..15], "4");
        assert_eq!(one.suffix(5).len(), 5);
    }

    #[test]
    fn pods_are_found_by_node_as_they_move() {
        let mut world = World::new(Constants::default());
        let pod = Pod {
            metadata: ObjectMeta {
                name: Some("p".into()),
                namespace: Some("n".into()),
                ..ObjectMeta::default()
            },
            ..Pod::default()
        };
        world.create("test", pod);
        assert!(world.pods_on("a").is_empty());
        world.update::<Pod>(&key("n", "p"), "test", |pod| {
            pod.spec.get_or_insert_default().node_name = Some("a".into());
        });
        assert_eq!(world.pods_on("a"), [key("n", "p")]);
        world.remove::<Pod>(&key("n", "p"));
        assert_eq!(world.pod_count("a"), 0);
    }
}
