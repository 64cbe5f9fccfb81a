//! The storm guard: when many nodes go at once, the fault is more likely the control plane's or the
//! network's than theirs, and nothing is touched.

use super::labels::Hold;
use std::collections::BTreeSet;
use std::fmt;

/// How many nodes may be not Ready before nothing is touched any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxUnreachable {
    /// So many nodes, but always one.
    Nodes(u32),
    /// So many per cent of all nodes, rounded down, but always one.
    Percent(u32),
}

impl MaxUnreachable {
    /// The number of nodes allowed to be not Ready among `total`.
    pub fn allowed(self, total: usize) -> usize {
        let allowed = match self {
            Self::Nodes(n) => n as usize,
            Self::Percent(percent) => total.saturating_mul(percent as usize) / 100,
        };
        allowed.max(1)
    }
}

impl fmt::Display for MaxUnreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(n) => write!(f, "{n}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// The nodes of the cluster as one Table request shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The nodes that are Ready, cordoned or not.
    pub ready: BTreeSet<String>,
    /// Those that are not: `False` and `Unknown` alike.
    pub not_ready: BTreeSet<String>,
}

impl Fleet {
    /// Asks the guard about `node`.
    ///
    /// # Errors
    /// The hold, and a line with the figures behind it.
    pub fn permits(&self, bound: MaxUnreachable, node: &str) -> Result<(), (Hold, String)> {
        self.is_calm(bound).map_err(|why| (Hold::StormGuard, why))?;
        // The node itself may still read Ready here: it is not another one.
        if self.ready.iter().all(|ready| ready == node) {
            let total = self.total();
            return Err((
                Hold::NoOtherNode,
                format!("no other of the {total} nodes is Ready"),
            ));
        }
        Ok(())
    }

    /// Asks whether few enough nodes are not Ready.
    ///
    /// # Errors
    /// A line with the figures.
    pub fn is_calm(&self, bound: MaxUnreachable) -> Result<(), String> {
        let (total, not_ready) = (self.total(), self.not_ready.len());
        let allowed = bound.allowed(total);
        if not_ready <= allowed {
            return Ok(());
        }
        Err(format!(
            "{not_ready} of {total} nodes are not Ready, more than the {allowed} that \
             --max-unreachable {bound} allows"
        ))
    }

    fn total(&self) -> usize {
        self.ready.len() + self.not_ready.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(ready: &[&str], not_ready: &[&str]) -> Fleet {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Fleet {
            ready: set(ready),
            not_ready: set(not_ready),
        }
    }

    #[test]
    fn the_bound_rounds_down_and_always_allows_one() {
        for (bound, total, allowed) in [
            (MaxUnreachable::Percent(49), 3, 1),
            (MaxUnreachable::Percent(49), 1, 1),
            (MaxUnreachable::Percent(49), 100, 49),
            (MaxUnreachable::Percent(50), 5, 2),
            (MaxUnreachable::Percent(100), 5, 5),
            (MaxUnreachable::Percent(0), 500, 1),
            (MaxUnreachable::Nodes(0), 500, 1),
            (MaxUnreachable::Nodes(7), 3, 7),
        ] {
            assert_eq!(bound.allowed(total), allowed, "{bound} of {total}");
        }
    }

    #[test]
    fn one_node_more_than_allowed_shuts_the_guard() {
        let bound = MaxUnreachable::Nodes(2);
        assert_eq!(fleet(&["x", "y"], &["a", "b"]).permits(bound, "a"), Ok(()));
        let held = fleet(&["x", "y", "z"], &["a", "b", "c"]).permits(bound, "a");
        let (hold, why) = held.expect_err("shut");
        assert_eq!(hold, Hold::StormGuard);
        assert!(
            why.contains("3 of 6") && why.contains("--max-unreachable 2"),
            "{why}"
        );
    }

    #[test]
    fn another_node_must_be_ready() {
        let bound = MaxUnreachable::Percent(100);
        for fleet in [fleet(&[], &["a", "b"]), fleet(&["a"], &[]), fleet(&[], &[])] {
            let held = fleet.permits(bound, "a").expect_err("no other node");
            assert_eq!(held.0, Hold::NoOtherNode);
        }
        assert_eq!(fleet(&["b"], &["a"]).permits(bound, "a"), Ok(()));
        assert_eq!(fleet(&["a", "b"], &[]).permits(bound, "a"), Ok(()));
        assert_eq!(fleet(&["b"], &[]).permits(bound, "a"), Ok(()));
    }
}
