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
