//! One look at a node: a wave of parallel reads, shared by all its pods, and renewed before a
//! destructive call when it has grown too old to act on.

use super::Context;
use super::error::ApiError;
use super::fleet::Reading;
use crate::decide::{self, Answer, Evidence, Hold, Lease, Memory, Node, NodeName, Pod, Verdict};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A destructive call may start so long after the Node and Lease reads were sent: within it a node
/// that came back could not have pulled images and served for long.
pub const NODE_AGE: Duration = Duration::from_secs(3);

/// The same for the fleet, which changes more slowly and is dearer to read: a verdict that lasts
/// [`NODE_AGE`] rests on a reading that is younger by that when it is judged.
const FLEET_AGE: Duration = Duration::from_secs(10);

/// First looks that start within this time share one reading of the fleet.
const FLEET_SHARED: Duration = Duration::from_secs(1);

/// What a look at a node brought.
pub struct Look {
    /// The pods on it that a name selects.
    pub named: Vec<Pod>,
    /// The verdict of the first wave.
    pub verdict: Verdict,
    /// How long the node has been Unknown is measured against this, the API server's clock.
    pub date: Option<Timestamp>,
    /// For the destructive calls that follow.
    pub watch: Watch,
}

/// The judgement of one node, kept fresh.
pub struct Watch {
    context: Arc<Context>,
    node: NodeName,
    state: Mutex<State>,
}

struct State {
    evidence: Evidence,
    memory: Memory,
    verdict: Verdict,
    /// When the Node and Lease reads were sent, in running time.
    sent: Duration,
    /// The same of the list of nodes.
    fleet_sent: Duration,
    /// True when something happened that the verdict does not explain.
    distrusted: bool,
}

/// Looks at `node` afresh.
///
/// # Errors
/// The hold and its reason when a read failed.
pub async fn look(
    context: &Arc<Context>,
    node: &NodeName,
    memory: &Memory,
) -> Result<Look, (Hold, String)> {
    let sent = context.clock.running();
    let (ends, pods, fleet) = tokio::join!(
        node_and_lease(context, node),
        named_pods(context, node),
        context.fleet.read(FLEET_SHARED),
    );
    let ((node_read, lease), named, fleet) = (ends?, pods?, fleet.map_err(held)?);
    let mut memory = memory.clone();
    memory.note(&node_read, &lease, context.clock.running());
    let date = node_read.date;
    let evidence = Evidence {
        ready_in_fleet: fleet.shows_ready(node, sent),
        node_lost: named.iter().any(Pod::is_node_lost),
        orphans: named.iter().any(Pod::is_orphan),
        node: node_read,
        lease,
        fleet: fleet.fleet,
    };
    let verdict = judge(context, node, &evidence, &memory);
    let state = State {
        evidence,
        memory,
        verdict: verdict.clone(),
        sent,
        fleet_sent: fleet.sent,
        distrusted: false,
    };
    let watch = Watch {
        context: context.clone(),
        node: node.clone(),
        state: Mutex::new(state),
    };
    Ok(Look {
        named,
        verdict,
        date,
        watch,
    })
}

impl Watch {
    /// The verdict, at most 3 s (Node and Lease) and 10 s (fleet) old; what is older is read again.
    /// Once the node was seen Ready, that stays the verdict.
    pub async fn verdict(&self) -> Verdict {
        let mut state = self.state.lock().await;
        if state.verdict.held() == Some(Hold::NodeReady) {
            return state.verdict.clone();
        }
        if !self.is_fresh(&state)
            && let Err((hold, why)) = self.renew(&mut state).await
        {
            return Verdict::Hold(hold, why);
        }
        // A sweep, or another node's look, may have seen it come back, or others go.
        if let Some(newer) = self.context.fleet.newer(state.fleet_sent) {
            self.heed(&mut state, newer);
        }
        if !self.is_fresh(&state) && state.verdict.held().is_none() {
            let why = "the API server answers too slowly to act on what it says";
            return Verdict::Hold(Hold::SlowApi, why.to_owned());
        }
        state.verdict.clone()
    }

    /// Makes the next verdict rest on new reads: the pod was not what we thought.
    pub async fn distrust(&self) {
        self.state.lock().await.distrusted = true;
    }

    /// What was learnt for the next look.
    pub async fn memory(&self) -> Memory {
        self.state.lock().await.memory.clone()
    }

    async fn renew(&self, state: &mut State) -> Result<(), (Hold, String)> {
        let context = &self.context;
        let sent = context.clock.running();
        let age = FLEET_AGE.saturating_sub(NODE_AGE);
        let (ends, fleet) =
            tokio::join!(node_and_lease(context, &self.node), context.fleet.read(age));
        let ((node, lease), fleet) = (ends?, fleet.map_err(held)?);
        state.memory.note(&node, &lease, context.clock.running());
        // Pods that this process deleted meanwhile count as well.
        state.evidence.orphans = true;
        (state.evidence.node, state.evidence.lease) = (node, lease);
        state.distrusted = false;
        state.sent = sent;
        self.heed(state, fleet);
        Ok(())
    }

    /// Judges anew with this reading of the fleet.
    fn heed(&self, state: &mut State, reading: Reading) {
        state.evidence.ready_in_fleet = reading.shows_ready(&self.node, state.sent);
        (state.fleet_sent, state.evidence.fleet) = (reading.sent, reading.fleet);
        state.verdict = judge(&self.context, &self.node, &state.evidence, &state.memory);
    }

    /// True while the verdict may be acted on.
    fn is_fresh(&self, state: &State) -> bool {
        let now = self.context.clock.running();
        !state.distrusted && now.saturating_sub(state.sent) <= NODE_AGE
    }
}

fn judge(context: &Context, node: &NodeName, evidence: &Evidence, memory: &Memory) -> Verdict {
    let bound = context.settings.max_unreachable;
    decide::judge(node.as_str(), evidence, memory, bound, context.clock.now())
}

async fn node_and_lease(
    context: &Context,
    node: &NodeName,
) -> Result<(Answer<Node>, Answer<Lease>), (Hold, String)> {
    tokio::try_join!(context.api.node(node), context.api.lease(node)).map_err(held)
}

/// The pods bound to the node that a name selects.
async fn named_pods(context: &Context, node: &NodeName) -> Result<Vec<Pod>, (Hold, String)> {
    let fields = format!("spec.nodeName={node}");
    let named =
        |p: &Pod| p.node() == node.as_str() && decide::is_named(p, &context.settings.selectors);
    let namespaces = context.settings.namespaces().into_iter();
    let lists = try_join_all(namespaces.map(|ns| context.api.pods(ns, &fields, named)));
    Ok(lists.await.map_err(held)?.into_iter().flatten().collect())
}

fn held(error: ApiError) -> (Hold, String) {
    (error.hold(), error.to_string())
}
