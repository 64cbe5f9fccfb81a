//! Builds a world from a layout: everything runs and is Ready from the first moment.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    Namespace, Node, NodeAddress, NodeSpec, NodeStatus, NodeSystemInfo, Pod,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::constants::Constants;
use super::controllers::deployment::replicaset_of;
use super::controllers::heartbeat::report;
use super::controllers::replicated::{daemon, replica};
use super::controllers::statefulset::member;
use super::controllers::template::admit;
use super::defaults::Defaults;
use super::layout::{Layout, NodePlan};
use super::objects::{claims, node_name, set_pod_condition, set_running};
use super::world::{Attachment, Kind, LEASES, Machine, World, key, micro_time};

const KUBELET: &str = "kubelet";

/// A world in good order.
pub(super) fn build(constants: Constants, layout: &Layout) -> World {
    let mut world = World::new(constants);
    add_namespaces(&mut world, layout);
    for plan in &layout.nodes {
        add_node(&mut world, plan);
    }
    let nodes: Vec<String> = layout.nodes.iter().map(|node| node.name.clone()).collect();
    let node = |number: usize| nodes.get(number % nodes.len().max(1)).cloned();
    for plan in &layout.statefulsets {
        let set = applied(&mut world, plan.statefulset());
        for ordinal in 0..plan.replicas {
            let pod = member(&set, ordinal, &world.constants);
            place(&mut world, pod, node(ordinal.unsigned_abs() as usize));
        }
    }
    let mut turn = 0;
    for plan in &layout.replicasets {
        let deployment = applied(&mut world, plan.deployment());
        let set = world.create("deployment-controller", replicaset_of(&deployment));
        for _ in 0..plan.replicas {
            let suffix = world.suffix(5);
            let pod = replica(&set, &suffix, &world.constants);
            place(&mut world, pod, node(turn));
            turn += 1;
        }
    }
    for plan in &layout.daemonsets {
        let set = applied(&mut world, plan.daemonset());
        for node in &nodes {
            let suffix = world.suffix(5);
            let pod = daemon(&set, node, &suffix, &world.constants);
            place(&mut world, pod, Some(node.clone()));
        }
    }
    for (number, plan) in layout.pods.iter().enumerate() {
        let mut pod = plan.pod();
        admit(&mut pod, &world.constants);
        place(&mut world, pod, node(number));
    }
    world
}

/// Stores an object as if a user had applied it.
fn applied<K: Kind + Defaults>(world: &mut World, mut object: K) -> K {
    object.complete(&world.constants);
    world.create("kubectl", object)
}

/// Those that every cluster has, and those of the workloads.
fn add_namespaces(world: &mut World, layout: &Layout) {
    let plans = layout.statefulsets.iter().chain(&layout.replicasets);
    let plans = plans.chain(&layout.daemonsets).chain(&layout.pods);
    let mut names = BTreeSet::from(["default", "kube-system", "kube-public", LEASES]);
    names.extend(plans.map(|plan| plan.namespace.as_str()));
    for name in names {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        applied(world, namespace);
    }
}

/// Adds a machine, and the Node and Lease that its kubelet registers.
pub(super) fn add_node(world: &mut World, plan: &NodePlan) {
    let now = world.now;
    let by_its_clock = now + plan.skew;
    // A machine whose Node was deleted is still there, with whatever runs on it.
    let fresh = Machine::new(plan.lease, plan.skew);
    let machine = world.machines.entry(plan.name.clone()).or_insert(fresh);
    (machine.lease, machine.skew) = (plan.lease, plan.skew);
    let mut labels = BTreeMap::from([
        ("kubernetes.io/hostname".to_owned(), plan.name.clone()),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
        ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
    ]);
    if let Some(zone) = &plan.zone {
        labels.insert("topology.kubernetes.io/zone".to_owned(), zone.clone());
    }
    let quantities = || {
        let amounts = [("cpu", "4"), ("memory", "16Gi"), ("pods", "110")];
        Some(
            amounts
                .iter()
                .map(|(name, it)| ((*name).to_owned(), Quantity((*it).into())))
                .collect(),
        )
    };
    let number = world.machines.len();
    let mut node = Node {
        metadata: ObjectMeta {
            name: Some(plan.name.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec::default()),
        status: Some(NodeStatus {
            addresses: Some(vec![
                NodeAddress {
                    type_: "InternalIP".to_owned(),
                    address: format!("10.0.{}.{}", number / 250, number % 250 + 1),
                },
                NodeAddress {
                    type_: "Hostname".to_owned(),
                    address: plan.name.clone(),
                },
            ]),
            allocatable: quantities(),
            capacity: quantities(),
            node_info: Some(NodeSystemInfo {
                architecture: "amd64".to_owned(),
                container_runtime_version: "containerd://2.1.4".to_owned(),
                kernel_version: "6.12.0".to_owned(),
                kubelet_version: "v1.36.3".to_owned(),
                operating_system: "linux".to_owned(),
                os_image: "Simulated Linux".to_owned(),
                ..NodeSystemInfo::default()
            }),
            ..NodeStatus::default()
        }),
    };
    report(&mut node, true, by_its_clock);
    let node = world.create(KUBELET, node);
    if plan.lease {
        add_lease(world, plan, node.metadata.uid.unwrap_or_default());
    }
}

fn add_lease(world: &mut World, plan: &NodePlan, node_uid: String) {
    let owner = plan.lease_owned.then(|| {
        vec![OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: plan.name.clone(),
            uid: node_uid,
            ..OwnerReference::default()
        }]
    });
    let seconds = i32::try_from(world.constants.lease_duration.as_secs()).unwrap_or(i32::MAX);
    let stamp = micro_time(world.now + plan.skew);
    // A Lease left behind by an earlier node of that name is taken over.
    world.leases.remove(&key(LEASES, &plan.name));
    world.create(
        KUBELET,
        Lease {
            metadata: ObjectMeta {
                name: Some(plan.name.clone()),
                namespace: Some(LEASES.to_owned()),
                owner_references: owner,
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(plan.name.clone()),
                lease_duration_seconds: Some(seconds),
                renew_time: Some(stamp),
                ..LeaseSpec::default()
            }),
        },
    );
}

/// Stores a pod that runs on a node already; without a node it waits for the scheduler.
fn place(world: &mut World, mut pod: Pod, node: Option<String>) {
    let now = world.now;
    if let Some(node) = &node {
        pod.spec.get_or_insert_default().node_name = Some(node.clone());
        set_pod_condition(&mut pod, "PodScheduled", "True", None, None, now);
        let number = world.pods.len();
        set_running(
            &mut pod,
            &format!("10.244.{}.{}", number / 250 % 250, number % 250 + 1),
            now,
        );
    }
    let pod = world.create("kube-controller-manager", pod);
    let (Some(node), Some(uid)) = (node_name(&pod), &pod.metadata.uid) else {
        return;
    };
    if let Some(machine) = world.machines.get_mut(node) {
        machine.running.insert(uid.clone());
    }
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    for claim in claims(&pod) {
        let attachment = Attachment {
            node: node.to_owned(),
            free_at: None,
        };
        world.volumes.insert(key(&namespace, claim), attachment);
    }
}
