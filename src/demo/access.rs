//! Rights that were taken away, by verb and resource.

use std::collections::BTreeSet;

/// What is denied; everything else is allowed.
#[derive(Default)]
pub(super) struct Access {
    denied: BTreeSet<(String, String)>,
    hidden: BTreeSet<(String, String)>,
}

impl Access {
    /// Denies requests as well as reviews.
    pub(super) fn deny(&mut self, verb: &str, resource: &str) {
        self.denied.insert((verb.to_owned(), resource.to_owned()));
    }

    /// Denies reviews only.
    pub(super) fn hide(&mut self, verb: &str, resource: &str) {
        self.hidden.insert((verb.to_owned(), resource.to_owned()));
    }

    /// Whether a request may pass.
    pub(super) fn allows(&self, verb: &str, resource: &str) -> bool {
        !self
            .denied
            .contains(&(verb.to_owned(), resource.to_owned()))
    }

    /// Whether an access review says yes.
    pub(super) fn shows(&self, verb: &str, resource: &str) -> bool {
        self.allows(verb, resource)
            && !self
                .hidden
                .contains(&(verb.to_owned(), resource.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_still_allowed() {
        let mut access = Access::default();
        access.deny("delete", "pods");
        access.hide("list", "pods");
        let both = |verb| (access.allows(verb, "pods"), access.shows(verb, "pods"));
        assert_eq!(both("get"), (true, true));
        assert_eq!(both("list"), (true, false));
        assert_eq!(both("delete"), (false, false));
        assert!(access.allows("delete", "nodes"));
    }
}
