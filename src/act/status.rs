//! What is told over HTTP of the work in hand.

use super::desk::Desk;
use super::entry::Held;
use super::history::Remediation;
use crate::decide::NodeName;
use serde::Serialize;

/// How many suspects one answer lists; of one node, all of it.
const LISTED: usize = 256;

/// The body of `GET /api/v1/remediations`.
#[derive(Serialize)]
pub struct Status {
    /// How many nodes an alert suspects.
    suspected_nodes: usize,
    /// Suspects, held nodes and nodes in hand, at most 256 of them.
    nodes: Vec<NodeStatus>,
    /// The last remediations, newest first.
    remediations: Vec<Remediation>,
}

#[derive(Serialize)]
struct NodeStatus {
    node: NodeName,
    /// Alerts that name it.
    alerts: usize,
    /// True while it is being worked on.
    in_hand: bool,
    /// Why it is held.
    held: Option<Held>,
}

impl Desk {
    /// What is in hand and what was done; of one node, when given.
    pub fn status(&self, node: Option<&NodeName>) -> Status {
        let state = self.state();
        let wanted = |name: &NodeName| node.is_none_or(|node| node == name);
        let nodes = state
            .nodes
            .iter()
            .filter(|(name, _)| wanted(name))
            .take(LISTED);
        let nodes = nodes.map(|(name, entry)| NodeStatus {
            node: name.clone(),
            alerts: entry.alerts.len(),
            in_hand: entry.busy,
            held: entry.held.clone(),
        });
        Status {
            suspected_nodes: state.suspected,
            nodes: nodes.collect(),
            remediations: self.context().history.list(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_many_suspects_256_are_listed_and_any_one_by_its_name() {
        let desk = Desk::idle("");
        let name = |n: usize| NodeName::parse(&format!("node-{n}")).expect("a name");
        for n in 0..300 {
            desk.suspect(name(n), "key".to_owned());
        }
        let all = desk.status(None);
        assert_eq!((all.suspected_nodes, all.nodes.len()), (300, 256));
        for n in 0..300 {
            assert_eq!(desk.status(Some(&name(n))).nodes.len(), 1);
        }
    }
}
