//! STAND-IN for the real room: enough of the desk for `serve/` to be compiled and tested.

use crate::decide::NodeName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What became of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspected {
    /// The node is a suspect now.
    New,
    /// It was one already.
    Joined,
    /// There are too many suspects.
    NoRoom,
}

/// Where alerts hand in the nodes that they name.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    room: usize,
    not_ready: Option<String>,
    suspects: BTreeMap<NodeName, BTreeSet<String>>,
}

impl Desk {
    /// A desk that is ready, with room for so many suspects.
    pub fn stand_in(room: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            room,
            not_ready: None,
            suspects: BTreeMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Withdraws the readiness, or gives it back.
    pub fn set_not_ready(&self, why: Option<&str>) {
        self.state().not_ready = why.map(str::to_owned);
    }

    /// Makes the node a suspect.
    pub fn suspect(&self, node: NodeName, key: String) -> Suspected {
        let mut state = self.state();
        let (room, count) = (state.room, state.suspects.len());
        if let Some(keys) = state.suspects.get_mut(&node) {
            keys.insert(key);
            Suspected::Joined
        } else if count == room {
            Suspected::NoRoom
        } else {
            state.suspects.insert(node, BTreeSet::from([key]));
            Suspected::New
        }
    }

    /// Lifts the suspicion that this key raised; false when there is none.
    pub fn resolve(&self, node: &NodeName, key: &str) -> bool {
        let mut state = self.state();
        let Some(keys) = state.suspects.get_mut(node) else {
            return false;
        };
        let lifted = keys.remove(key);
        if keys.is_empty() {
            state.suspects.remove(node);
        }
        lifted
    }

    /// Whether alerts are taken.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self) -> Result<(), String> {
        self.state().not_ready.clone().map_or(Ok(()), Err)
    }

    /// The body of `GET /api/v1/remediations`.
    pub fn status(&self, node: Option<&NodeName>) -> impl serde::Serialize + use<> {
        let state = self.state();
        let suspects = state
            .suspects
            .iter()
            .filter(|(name, _)| node.is_none_or(|node| *name == node));
        let suspects: BTreeMap<_, _> = suspects.map(|(n, k)| (n.clone(), k.clone())).collect();
        BTreeMap::from([("suspects", suspects)])
    }
}
