//! What moves the cluster in a history.

use crate::act::Act;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use nodefall::demo::Cluster;
use nodefall::demo::objects::{is_node_ready, node_name, node_ready};
use nodefall::demo::world::{World, key};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Does to the cluster what an act says.
pub async fn perform(cluster: &Cluster, act: &Act) {
    match act {
        Act::Power(node, true) => cluster.give_power(node),
        Act::Power(node, false) => cluster.cut_power(node),
        Act::Kubelet(node, true) => cluster.start_kubelet(node),
        Act::Kubelet(node, false) => cluster.stop_kubelet(node),
        Act::Network(node, on) => cluster.partition(node, !on),
        Act::Healthy(node, well) => cluster.kubelet_not_ready(node, !well),
        Act::Skew(node, by) => cluster.skew(node, *by),
        Act::DeleteNode(node) => cluster.delete_node(node),
        Act::Register(plan) => {
            // A machine without power registers nothing, and one that is registered does not again.
            let silent = cluster.read(|world| {
                world.nodes.contains_key(&key("", &plan.name))
                    || !world.machines.get(&plan.name).is_some_and(|it| it.speaks())
            });
            if !silent {
                cluster.add_node(plan);
            }
        }
        Act::Cordon(node, on) => cluster.cordon(node, *on),
        Act::RestartControllerManager => cluster.restart_controller_manager(),
        Act::Roll(namespace, name) => change(cluster, namespace, name, |set| {
            let template = &mut set.spec.get_or_insert_default().template;
            let meta = template.metadata.get_or_insert_default();
            let notes = meta.annotations.get_or_insert_default();
            let turn = notes.get("turn").map_or(0, String::len);
            notes.insert("turn".to_owned(), "x".repeat(turn + 1));
        }),
        Act::Scale(namespace, name, to) => change(cluster, namespace, name, |set| {
            set.spec.get_or_insert_default().replicas = Some(*to);
        }),
        Act::Delete {
            namespace,
            pod,
            force,
        } => {
            let pods: Api<Pod> = Api::namespaced(cluster.client_as("kubectl"), namespace);
            let (pod, mut how) = (pod.clone(), DeleteParams::default());
            how.grace_period_seconds = force.then_some(0);
            // The API's faults meet people as well.
            tokio::spawn(async move {
                let asked = pods.delete(&pod, &how);
                let _ = tokio::time::timeout(Duration::from_secs(30), asked).await;
            });
        }
        Act::Recreate(namespace, pod) => {
            let pods: Api<Pod> = Api::namespaced(cluster.client_as("kubectl"), namespace);
            let pod = pod.clone();
            tokio::spawn(tokio::time::timeout(Duration::from_secs(30), async move {
                recreate(&pods, &pod).await
            }));
        }
        Act::OptOut(namespace, pod) => cluster.edit(|world| {
            world.update::<Pod>(&key(namespace, pod), "kubectl", |pod| {
                let notes: &mut BTreeMap<_, _> = pod.metadata.annotations.get_or_insert_default();
                notes.insert("nodefall.io/remediation".to_owned(), "disabled".to_owned());
            });
        }),
        Act::Fault(fault) => cluster.inject(fault.clone()),
        Act::Crash { .. }
        | Act::Restart(_)
        | Act::Alert { .. }
        | Act::Forged(..)
        | Act::Garbage(..) => {
            unreachable!("{act} is no matter of the cluster")
        }
    }
}

/// Deletes a pod by force, and creates one that differs only in what makes it another. The pod's
/// controller may be quicker.
async fn recreate(pods: &Api<Pod>, name: &str) -> kube::Result<Pod> {
    let old = pods.get(name).await?;
    pods.delete(name, &DeleteParams::default().grace_period(0))
        .await?;
    let mut new = Pod {
        metadata: ObjectMeta {
            name: old.metadata.name,
            labels: old.metadata.labels,
            annotations: old.metadata.annotations,
            finalizers: old.metadata.finalizers,
            owner_references: old.metadata.owner_references,
            ..ObjectMeta::default()
        },
        spec: old.spec,
        status: None,
    };
    new.spec.get_or_insert_default().node_name = None;
    pods.create(&PostParams::default(), &new).await
}

fn change(cluster: &Cluster, namespace: &str, name: &str, how: impl FnOnce(&mut StatefulSet)) {
    cluster.edit(|world| world.update::<StatefulSet>(&key(namespace, name), "kubectl", how));
}

/// The trouble ends: the API answers, what has power speaks, and is registered. Lost power stays
/// lost.
pub fn calm(cluster: &Cluster) {
    cluster.clear_faults();
    let names: Vec<_> = cluster.read(|world| {
        let alive = world.machines.iter().filter(|(_, machine)| machine.power);
        alive.map(|(name, _)| name.clone()).collect()
    });
    for name in names {
        cluster.start_kubelet(&name);
        cluster.partition(&name, false);
        cluster.kubelet_not_ready(&name, false);
    }
}

/// The nodes that do not read Ready, and those that pods are bound to and that do not exist.
pub fn troubled_nodes(world: &World) -> BTreeSet<String> {
    let not_ready = world.nodes.iter().filter(|(_, node)| !is_node_ready(node));
    let not_ready = not_ready.map(|((_, name), _)| name);
    let removed = world.pods.values().filter_map(node_name);
    let removed = removed.filter(|name| !world.nodes.contains_key(&key("", name)));
    let removed: Vec<_> = removed.map(str::to_owned).collect();
    not_ready.cloned().chain(removed).collect()
}

/// The nodes whose Ready condition reads Unknown.
pub fn unknown_nodes(world: &World) -> Vec<String> {
    let is_unknown = |node| node_ready(node).is_some_and(|ready| ready.status == "Unknown");
    let unknown = world.nodes.iter().filter(|(_, node)| is_unknown(*node));
    unknown.map(|((_, name), _)| name.clone()).collect()
}
