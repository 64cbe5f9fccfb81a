//! Faults of the API, injected on purpose.

use std::time::Duration;

use jiff::Timestamp;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The request takes longer: so long before it takes effect, so long until its answer.
    Latency {
        /// Before the effect.
        before: Duration,
        /// After the effect.
        after: Duration,
    },
    /// Never answers, and nothing happens.
    Hang,
    /// Happens, and never answers.
    HangAfter,
    /// The connection dies, and nothing happens.
    Reset,
    /// Happens, and the connection dies.
    ResetAfter,
    /// Happens, and the answer's body ends in the middle.
    Truncate,
    /// Is answered with this code and a Status body, and nothing happens.
    Status {
        /// The HTTP status: 403, 409, 422, 429, 500, 503 or 504.
        code: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// Is answered 200 with this body, and nothing happens.
    Body(String),
}

/// A fault, and which requests it meets. What is `None` matches everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: Option<String>,
    /// The resource's plural name.
    pub resource: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// The `User-Agent` of the client, so that one replica of several can be met.
    pub user_agent: Option<String>,
    /// So many matching requests pass unharmed first.
    pub after: u32,
    /// So many requests are met; `None`: all.
    pub count: Option<u32>,
    /// How long it lasts from its injection; `None`: for ever.
    pub lasts: Option<Duration>,
    /// What happens to them.
    pub effect: Effect,
}

impl Fault {
    /// Meets every request, until it is cleared.
    pub fn new(effect: Effect) -> Self {
        Self {
            verb: None,
            resource: None,
            name: None,
            user_agent: None,
            after: 0,
            count: None,
            lasts: None,
            effect,
        }
    }

    /// Only requests of this verb.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verb = Some(verb.to_owned());
        self
    }

    /// Only requests for this resource.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only requests for this object.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Only requests of this client.
    #[must_use]
    pub fn user_agent(mut self, agent: &str) -> Self {
        self.user_agent = Some(agent.to_owned());
        self
    }

    /// Only after so many matching requests.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// Only so many requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Only for so long.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }
}

/// What a fault is matched against.
pub(super) struct Target<'a> {
    pub(super) verb: &'a str,
    pub(super) resource: &'a str,
    pub(super) name: &'a str,
    pub(super) user_agent: &'a str,
}

/// The faults in force.
#[derive(Default)]
pub(super) struct Faults {
    active: Vec<(Fault, Option<Timestamp>)>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault, now: Timestamp) {
        let ends = fault.lasts.map(|lasts| now + lasts);
        self.active.push((fault, ends));
    }

    /// What happens to a request: the latencies of all faults that match it, and the first other
    /// effect.
    pub(super) fn meet(&mut self, target: &Target<'_>, now: Timestamp) -> Vec<Effect> {
        self.active
            .retain(|(fault, ends)| fault.count != Some(0) && ends.is_none_or(|ends| now < ends));
        let mut effects = Vec::new();
        let mut decided = false;
        for (fault, _) in &mut self.active {
            let is = |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|w| w == it);
            let slow = matches!(fault.effect, Effect::Latency { .. });
            if (decided && !slow)
                || !is(&fault.verb, target.verb)
                || !is(&fault.resource, target.resource)
                || !is(&fault.name, target.name)
                || !is(&fault.user_agent, target.user_agent)
            {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if let Some(count) = &mut fault.count {
                *count -= 1;
            }
            decided |= !slow;
            effects.push(fault.effect.clone());
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELETE: Target<'_> = Target {
        verb: "delete",
        resource: "pods",
        name: "p",
        user_agent: "one",
    };

    #[test]
    fn a_fault_meets_what_it_names_as_often_as_it_says() {
        let now = Timestamp::UNIX_EPOCH;
        let mut faults = Faults::default();
        faults.add(
            Fault::new(Effect::Hang).verb("delete").after(1).times(1),
            now,
        );
        faults.add(Fault::new(Effect::Reset).resource("nodes"), now);
        assert_eq!(faults.meet(&DELETE, now), []);
        assert_eq!(faults.meet(&DELETE, now), [Effect::Hang]);
        assert_eq!(faults.meet(&DELETE, now), []);
    }

    #[test]
    fn a_fault_ends_with_its_time_and_latency_adds_up() {
        let start = Timestamp::UNIX_EPOCH;
        let slow = Effect::Latency {
            before: Duration::from_secs(1),
            after: Duration::ZERO,
        };
        let mut faults = Faults::default();
        faults.add(Fault::new(slow.clone()), start);
        faults.add(
            Fault::new(Effect::Reset).lasting(Duration::from_secs(10)),
            start,
        );
        assert_eq!(faults.meet(&DELETE, start), [slow.clone(), Effect::Reset]);
        assert_eq!(
            faults.meet(&DELETE, start + Duration::from_secs(10)),
            [slow]
        );
    }
}
