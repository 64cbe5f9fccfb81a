//! What happens in a cluster, as lines that a person understands at a glance.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;

use super::audit::Entry;
use super::objects::{
    has_unreachable_taint, is_pod_ready, node_name, node_ready, terminating, uid,
};
use super::world::{Key, World, controller};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, by the cluster's clock.
    pub at: Timestamp,
    /// What, in words.
    pub text: String,
}

#[derive(Clone, PartialEq)]
struct NodeView {
    power: bool,
    kubelet: bool,
    reachable: bool,
    ready: String,
    tainted: bool,
}

#[derive(Clone, PartialEq)]
struct PodView {
    uid: String,
    node: String,
    ready: bool,
    terminating: bool,
}

/// Follows the nodes and the StatefulSets' pods of a cluster, and what is asked of its API.
pub struct Timeline {
    nodes: BTreeMap<String, NodeView>,
    pods: BTreeMap<Key, PodView>,
    /// Warnings that have been told.
    warnings: BTreeSet<Key>,
    /// How much of the audit log has been told.
    told: usize,
}

impl Timeline {
    /// Begins with the cluster as it is: nothing has happened yet.
    pub fn new(world: &World) -> Self {
        Self {
            nodes: nodes(world),
            pods: pods(world),
            warnings: warnings(world),
            told: world.audit.len(),
        }
    }

    /// What has happened since the last look.
    pub fn look(&mut self, world: &World) -> Vec<Line> {
        let (now, at) = (Self::new(world), world.now);
        let mut lines = Vec::new();
        // The audit log forgets its older half when it grows too long.
        for entry in world.audit.iter().skip(self.told.min(world.audit.len())) {
            lines.extend(asked(entry).map(|text| Line { at: entry.at, text }));
        }
        let mut say = |text: String| lines.push(Line { at, text });
        for (name, new) in &now.nodes {
            if let Some(old) = self.nodes.get(name).filter(|old| *old != new) {
                let pods: Vec<&str> = (self.pods.iter())
                    .filter(|(_, pod)| pod.node == *name)
                    .map(|(key, _)| key.1.as_str())
                    .collect();
                node_lines(name, old, new, &pods)
                    .into_iter()
                    .for_each(&mut say);
            }
        }
        for (key, new) in &now.pods {
            let old = self.pods.get(key);
            if old != Some(new) {
                pod_lines(&key.1, old, new).into_iter().for_each(&mut say);
            }
        }
        for key in now.warnings.difference(&self.warnings) {
            lines.extend(world.events.get(key).map(|event| Line {
                at,
                text: warning(event),
            }));
        }
        *self = now;
        lines
    }

    /// Whether a node reads Unknown and carries the NoExecute taint.
    pub fn is_given_up(&self, node: &str) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.ready == "Unknown" && node.tainted)
    }

    /// The StatefulSets' pods on a node, with their UIDs.
    pub fn pods_on(&self, node: &str) -> Vec<(Key, String)> {
        let on = self.pods.iter().filter(|(_, pod)| pod.node == node);
        on.map(|(key, pod)| (key.clone(), pod.uid.clone()))
            .collect()
    }

    /// Where the Ready replacement of a pod runs, once there is one.
    pub fn replacement(&self, pod: &Key, old_uid: &str) -> Option<&str> {
        let new = self
            .pods
            .get(pod)
            .filter(|pod| pod.uid != old_uid && pod.ready)?;
        Some(&new.node)
    }
}

fn nodes(world: &World) -> BTreeMap<String, NodeView> {
    let view = |((_, name), node): (&Key, &_)| {
        let machine = world.machines.get(name)?;
        let view = NodeView {
            power: machine.power,
            kubelet: machine.kubelet,
            reachable: machine.reachable,
            ready: node_ready(node)
                .map(|ready| ready.status.clone())
                .unwrap_or_default(),
            tainted: has_unreachable_taint(node),
        };
        Some((name.clone(), view))
    };
    world.nodes.iter().filter_map(view).collect()
}

fn pods(world: &World) -> BTreeMap<Key, PodView> {
    let ours = world.pods.iter().filter(|(_, pod)| {
        controller(&pod.metadata).is_some_and(|owner| owner.kind == "StatefulSet")
    });
    ours.map(|(key, pod)| {
        let view = PodView {
            uid: uid(pod).to_owned(),
            node: node_name(pod).unwrap_or_default().to_owned(),
            ready: is_pod_ready(pod),
            terminating: terminating(pod),
        };
        (key.clone(), view)
    })
    .collect()
}

fn warnings(world: &World) -> BTreeSet<Key> {
    let events = world.events.iter();
    let bad = events.filter(|(_, event)| event.type_.as_deref() == Some("Warning"));
    bad.map(|(key, _)| key.clone()).collect()
}

/// An Event's note, and who says it.
fn warning(event: &Event) -> String {
    let who = event.reporting_controller.as_deref().unwrap_or("somebody");
    let who = who.rsplit('/').next().unwrap_or(who);
    let about = event
        .regarding
        .as_ref()
        .and_then(|it| it.name.as_deref())
        .unwrap_or_default();
    format!(
        "{who}, about {about}: {}",
        event.note.as_deref().unwrap_or_default()
    )
}

fn node_lines(name: &str, old: &NodeView, new: &NodeView, pods: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    if old.power != new.power {
        lines.push(match (new.power, pods) {
            (true, _) => format!("{name} has power again"),
            (false, []) => format!("{name} loses power"),
            (false, pods) => format!("{name} loses power, and with it {}", pods.join(" and ")),
        });
    } else if old.kubelet != new.kubelet {
        lines.push(match new.kubelet {
            true => format!("{name}'s kubelet runs again"),
            false => format!("{name}'s kubelet stops; its containers go on"),
        });
    }
    if old.reachable != new.reachable {
        lines.push(match new.reachable {
            true => format!("{name} reaches the API server again"),
            false => format!("{name} is cut off from the API server; its containers go on"),
        });
    }
    if old.ready != new.ready {
        lines.push(match new.ready.as_str() {
            "True" => format!("{name} reads Ready again"),
            "False" => format!("{name} reads NotReady: its kubelet reports trouble"),
            _ => format!("{name} reads Unknown: Kubernetes does not hear of it any more"),
        });
    }
    if old.tainted != new.tainted {
        lines.push(match new.tainted {
            true => format!("{name} is tainted unreachable:NoExecute"),
            false => format!("{name} loses the taint unreachable:NoExecute"),
        });
    }
    lines
}

fn pod_lines(name: &str, old: Option<&PodView>, new: &PodView) -> Vec<String> {
    let mut lines = Vec::new();
    let same = old.filter(|old| old.uid == new.uid);
    if same.is_none() {
        lines.push(match new.node.as_str() {
            "" => format!("{name} is made again and waits for a node"),
            node => format!("{name} is made again, on {node}"),
        });
    } else if same.is_some_and(|old| old.node.is_empty()) && !new.node.is_empty() {
        lines.push(format!("{name} is scheduled to {}", new.node));
    }
    if same.is_some_and(|old| !old.terminating) && new.terminating {
        lines.push(format!("{name} on {} is Terminating", new.node));
    }
    let was_ready = same.is_some_and(|old| old.ready);
    if new.ready && !was_ready {
        lines.push(format!("{name} is Ready on {}", new.node));
    } else if was_ready && !new.ready && !new.terminating {
        lines.push(format!("{name} on {} reads not Ready", new.node));
    }
    lines
}

/// What somebody asked of a pod from outside.
fn asked(entry: &Entry) -> Option<String> {
    if entry.own || !entry.is_write() || entry.resource != "pods" {
        return None;
    }
    let who = entry
        .user_agent
        .split('/')
        .next()
        .filter(|who| !who.is_empty());
    let uid = entry
        .truth
        .as_ref()
        .and_then(|truth| truth.wanted_uid.as_deref());
    let bound = uid.and_then(|uid| uid.split('-').next());
    let bound = bound
        .map(|uid| format!(", only UID {uid}…"))
        .unwrap_or_default();
    let verb = entry.verb.to_uppercase();
    let status = entry.status;
    let who = who.unwrap_or("somebody");
    Some(format!("{who}: {verb} {}{bound} -> {status}", entry.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{Cluster, Constants, Layout};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_lost_node_is_told_in_order() {
        let cluster = Cluster::new(Constants::default(), &Layout::kube_prometheus());
        let runner = cluster.clone();
        tokio::spawn(async move { runner.run().await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut timeline = cluster.edit(|world| Timeline::new(world));
        let lost = timeline.pods_on("node-1");
        assert_eq!(lost.len(), 2);
        let texts = |timeline: &mut Timeline| -> Vec<String> {
            let lines = cluster.edit(|world| timeline.look(world));
            lines.into_iter().map(|line| line.text).collect()
        };
        assert_eq!(texts(&mut timeline), Vec::<String>::new());
        cluster.cut_power("node-1");
        assert_eq!(
            texts(&mut timeline),
            ["node-1 loses power, and with it alertmanager-main-0 and prometheus-k8s-0"]
        );
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            texts(&mut timeline),
            [
                "node-1 reads Unknown: Kubernetes does not hear of it any more",
                "node-1 is tainted unreachable:NoExecute",
                "alertmanager-main-0 on node-1 reads not Ready",
                "prometheus-k8s-0 on node-1 reads not Ready",
            ]
        );
        assert!(timeline.is_given_up("node-1"));
        let (key, uid) = &lost[1];
        let api: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(cluster.client(), "monitoring");
        let now = kube::api::DeleteParams {
            preconditions: Some(kube::api::Preconditions {
                uid: Some(uid.clone()),
                resource_version: None,
            }),
            ..kube::api::DeleteParams::default().grace_period(0)
        };
        api.delete(&key.1, &now).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let short = uid.split('-').next().unwrap();
        assert_eq!(
            texts(&mut timeline),
            [
                format!("nodefall: DELETE prometheus-k8s-0, only UID {short}… -> 200"),
                "prometheus-k8s-0 is made again, on node-3".to_owned(),
                "prometheus-k8s-0 is Ready on node-3".to_owned(),
            ]
        );
        cluster.edit(|world| {
            world.create(
                "nodefall",
                Event {
                    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                        name: Some("held".to_owned()),
                        ..Default::default()
                    },
                    type_: Some("Warning".to_owned()),
                    note: Some("Held".to_owned()),
                    reporting_controller: Some("nodefall.io/nodefall".to_owned()),
                    regarding: Some(k8s_openapi::api::core::v1::ObjectReference {
                        name: Some("node-1".to_owned()),
                        ..Default::default()
                    }),
                    ..Event::default()
                },
            )
        });
        assert_eq!(texts(&mut timeline), ["nodefall, about node-1: Held"]);
        assert_eq!(texts(&mut timeline), Vec::<String>::new(), "told once");
        assert_eq!(timeline.replacement(key, uid), Some("node-3"));
        assert_eq!(timeline.replacement(&lost[0].0, &lost[0].1), None);
    }
}
