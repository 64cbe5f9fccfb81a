//! The zone rule of the node lifecycle controller: how fast the nodes of a zone may be tainted.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;

use crate::demo::constants::Constants;

const REGION_LABEL: &str = "topology.kubernetes.io/region";
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Nodes of one zone that are Ready, and that are not.
#[derive(Clone, Copy, Default)]
pub(super) struct Census {
    pub(super) ready: usize,
    pub(super) not_ready: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Normal,
    /// 55 % and more than two nodes NotReady, with others Ready.
    Partial,
    /// Nobody is Ready.
    Full,
}

struct Zone {
    state: State,
    size: usize,
    /// When the next NoExecute taint may be put; `None`: never.
    allowed: Option<Timestamp>,
}

/// What a look at all zones means for the nodes.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    /// Nothing beyond the zones' own pace.
    None,
    /// Every zone is dead now: all NoExecute taints come off.
    AllDead,
    /// Every zone was dead and one is not any more: every node is given a new grace period.
    Revived,
}

/// All zones; a restart forgets their states.
#[derive(Default)]
pub(super) struct Zones(BTreeMap<String, Zone>);

impl Zones {
    /// A zone that is seen for the first time begins with an empty bucket.
    pub(super) fn meet(&mut self, zone: &str, now: Timestamp, constants: &Constants) {
        if !self.0.contains_key(zone) {
            let allowed = Some(now + constants.taint_interval);
            let fresh = Zone {
                state: State::Normal,
                size: 0,
                allowed,
            };
            self.0.insert(zone.to_owned(), fresh);
        }
    }

    /// `handleDisruption`: takes in how every zone does now.
    pub(super) fn turn(
        &mut self,
        census: &BTreeMap<String, Census>,
        now: Timestamp,
        constants: &Constants,
    ) -> Turn {
        self.0.retain(|zone, _| census.contains_key(zone));
        let state = |count: &Census| state_of(*count, constants);
        let all_dead = census.values().all(|count| state(count) == State::Full);
        let all_were_dead = self.0.values().all(|zone| zone.state == State::Full);
        if all_dead && all_were_dead {
            return Turn::None;
        }
        for (name, zone) in &mut self.0 {
            let Some(count) = census.get(name) else {
                continue;
            };
            zone.size = count.ready + count.not_ready;
            let state = state(count);
            if all_dead {
                zone.allowed = None;
            } else if zone.state != state || all_were_dead {
                // A swapped limiter keeps how full it was; one that never let anyone pass is empty.
                zone.allowed = interval(state, zone.size, constants)
                    .map(|wait| zone.allowed.unwrap_or(now + wait).max(now));
            }
            zone.state = state;
        }
        match (all_dead, all_were_dead) {
            (true, _) => Turn::AllDead,
            (_, true) => Turn::Revived,
            _ => Turn::None,
        }
    }

    /// Asks for a zone's next taint.
    ///
    /// # Errors
    ///
    /// When it is not yet time: the time, or `None` when it never comes as things are.
    pub(super) fn take(
        &mut self,
        zone: &str,
        now: Timestamp,
        constants: &Constants,
    ) -> Result<(), Option<Timestamp>> {
        let zone = self.0.get_mut(zone).ok_or(None)?;
        match zone.allowed {
            Some(allowed) if allowed <= now => {
                zone.allowed = interval(zone.state, zone.size, constants).map(|wait| now + wait);
                Ok(())
            }
            later => Err(later),
        }
    }
}

/// The zone a node belongs to, by its labels.
pub(super) fn zone_of(node: &Node) -> String {
    let labels = node.metadata.labels.as_ref();
    let label = |name: &str| {
        labels
            .and_then(|labels| labels.get(name))
            .map_or("", |it| it)
    };
    format!("{}:{}", label(REGION_LABEL), label(ZONE_LABEL))
}

fn state_of(count: Census, constants: &Constants) -> State {
    let share = count.not_ready as f64 / (count.ready + count.not_ready).max(1) as f64;
    match count {
        Census {
            ready: 0,
            not_ready: 1..,
        } => State::Full,
        Census { not_ready: 3.., .. } if share >= constants.unhealthy_share => State::Partial,
        _ => State::Normal,
    }
}

/// The time between two taints; `None`: none at all.
fn interval(state: State, nodes: usize, constants: &Constants) -> Option<Duration> {
    match state {
        State::Normal | State::Full => Some(constants.taint_interval),
        State::Partial if nodes > constants.large_zone => Some(constants.slow_taint_interval),
        State::Partial => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(zones: &[(usize, usize)]) -> BTreeMap<String, Census> {
        let count = |(ready, not_ready): &(usize, usize)| Census {
            ready: *ready,
            not_ready: *not_ready,
        };
        zones
            .iter()
            .enumerate()
            .map(|(number, one)| (number.to_string(), count(one)))
            .collect()
    }

    #[test]
    fn the_pace_follows_the_state() {
        let constants = Constants::default();
        let mut now = constants.start;
        let mut zones = Zones::default();
        zones.meet("0", now, &constants);
        zones.meet("1", now, &constants);
        assert_eq!(
            zones.take("0", now, &constants),
            Err(Some(now + Duration::from_secs(10)))
        );
        now += Duration::from_secs(10);
        // Three of five: none at all. A dead zone beside it: one per ten seconds.
        assert_eq!(
            zones.turn(&census(&[(2, 3), (0, 3)]), now, &constants),
            Turn::None
        );
        assert_eq!(zones.take("0", now, &constants), Err(None));
        assert_eq!(zones.take("1", now, &constants), Ok(()));
        assert_eq!(
            zones.take("1", now, &constants),
            Err(Some(now + Duration::from_secs(10)))
        );
        // All dead, and back.
        assert_eq!(
            zones.turn(&census(&[(0, 5), (0, 3)]), now, &constants),
            Turn::AllDead
        );
        assert_eq!(
            zones.turn(&census(&[(0, 5), (0, 3)]), now, &constants),
            Turn::None
        );
        assert_eq!(zones.take("1", now, &constants), Err(None));
        assert_eq!(
            zones.turn(&census(&[(4, 1), (0, 3)]), now, &constants),
            Turn::Revived
        );
        assert_eq!(
            zones.take("0", now, &constants),
            Err(Some(now + Duration::from_secs(10)))
        );
    }

    #[test]
    fn small_numbers_are_no_disruption() {
        let constants = Constants::default();
        let state = |ready, not_ready| state_of(Census { ready, not_ready }, &constants);
        assert_eq!(state(1, 2), State::Normal, "not more than two");
        assert_eq!(state(3, 3), State::Normal, "50 %");
        assert_eq!(state(2, 3), State::Partial);
        assert_eq!(state(0, 1), State::Full);
        assert_eq!(state(0, 0), State::Normal);
    }
}
