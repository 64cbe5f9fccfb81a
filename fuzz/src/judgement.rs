//! No Node and Lease, however odd, are judged gone unless the JSON itself says so.

use super::{NODE, oracle, wire};
use nodefall::act::{Api, Clock, Transport};
use nodefall::decide::{
    Answer, Evidence, Fleet, Lease, MaxUnreachable, Memory, Node, NodeName, Now, Verdict, judge,
};
use nodefall::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;

/// The input: a Node and a Lease, with a line `---` between them; without it there is no Lease.
pub fn check(input: &[u8]) {
    is_gone(input);
}

/// The same; returns whether the node is judged gone.
pub fn is_gone(input: &[u8]) -> bool {
    let (node, lease) = match super::parts(input).as_slice() {
        [node] => (*node, None),
        [node, lease, ..] => (*node, Some(*lease)),
        [] => return false,
    };
    let Some((node_read, lease_read)) = read(node, lease) else {
        return false;
    };
    let names = |name: &str| [name.to_owned()].into();
    let fleet = Arc::new(Fleet {
        ready: names("node-2"),
        not_ready: names(NODE),
    });
    // Both looks see the same, a minute apart.
    let mut memory = Memory::default();
    memory.note(&node_read, &lease_read, Duration::ZERO);
    let running = Duration::from_secs(60);
    memory.note(&node_read, &lease_read, running);
    let evidence = Evidence {
        node: node_read,
        lease: lease_read,
        fleet,
        ready_in_fleet: false,
        node_lost: false,
        orphans: false,
    };
    let now = Now {
        wall: wire::now(),
        running,
    };
    match judge(NODE, &evidence, &memory, MaxUnreachable::Percent(49), now) {
        Verdict::Gone { why, .. } => {
            super::assert_line(&why, 1000);
            if let (Some(node), Some(lease)) =
                (oracle::json(node), oracle::json(lease.unwrap_or(b"")))
            {
                let lease = evidence.lease.object.map(|_| lease);
                let doubt = oracle::node_speaks_for_itself(&node, lease.as_ref(), wire::now());
                assert_eq!(doubt, None, "judged gone: {why}");
            }
            true
        }
        Verdict::Hold(_, why) => {
            super::assert_line(&why, 1000);
            false
        }
        Verdict::Removed => panic!("there is a Node"),
    }
}

/// Reads both as the receiver does; none when one of them is not understood.
fn read(node: &[u8], lease: Option<&[u8]>) -> Option<(Answer<Node>, Answer<Lease>)> {
    let bodies = [Some(node.to_vec()), lease.map(<[u8]>::to_vec)];
    wire::run(async {
        let (client, _) = wire::client(move |asked| {
            let body = &bodies[usize::from(asked.uri.contains("/leases/"))];
            body.clone().map_or((404, Vec::new()), |body| (200, body))
        });
        let api = Api::new(Transport::new(client, Metrics::new(), Clock::system()));
        let name = NodeName::parse(NODE).expect("a name");
        match (api.node(&name).await, api.lease(&name).await) {
            (Ok(node), Ok(lease)) => Some((node, lease)),
            (Err(error), _) | (_, Err(error)) => {
                super::assert_line(&error.to_string(), 1000);
                None
            }
        }
    })
}
