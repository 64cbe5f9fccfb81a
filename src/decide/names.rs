//! Names that reach a URL or select a pod, checked once, when they enter.

use std::fmt;
use std::sync::Arc;
use wildmatch::WildMatch;

/// A Node's name: a DNS-1123 subdomain, the form that the API server accepts, so that a label out of
/// an alert can never change the path of a request. Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Checks `name`.
    ///
    /// # Errors
    /// One line that says what a node name looks like.
    pub fn parse(name: &str) -> Result<Self, String> {
        check_subdomain(name).map(|()| Self(name.into()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for NodeName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a DNS-1123 subdomain: labels of lower-case letters, digits and `-`, joined by dots, each
/// beginning and ending with a letter or digit, 253 characters in all.
///
/// # Errors
/// One line that says which rule is broken; the name is not repeated, it may be huge.
pub fn check_subdomain(name: &str) -> Result<(), String> {
    let label_ok = |label: &str| {
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
            && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
    };
    if name.is_empty() {
        Err("is empty".to_owned())
    } else if name.len() > 253 {
        Err("is longer than 253 characters".to_owned())
    } else if !name.split('.').all(label_ok) {
        Err("is not a DNS-1123 subdomain (lower-case letters, digits, '-' and '.')".to_owned())
    } else {
        Ok(())
    }
}

/// Which pods the operator named: a namespace, taken literally, and a name or pattern.
#[derive(Clone, Debug)]
pub struct Selector {
    namespace: String,
    name: WildMatch,
    text: String,
}

impl Selector {
    /// Checks a namespace and a NAME (`prometheus-k8s`, `prometheus-*`).
    ///
    /// # Errors
    /// One line that says what is wrong and what is expected.
    pub fn parse(namespace: &str, name: &str) -> Result<Self, String> {
        if namespace.len() > 63 || namespace.contains('.') {
            return Err(format!(
                "the namespace {} is not a DNS-1123 label",
                quoted(namespace)
            ));
        }
        check_subdomain(namespace)
            .map_err(|why| format!("the namespace {} {why}", quoted(namespace)))?;
        // A wildcard stands for a part of a name, so the rest must be able to be one.
        check_subdomain(&name.replace(['*', '?'], "a"))
            .map_err(|why| format!("the pod name {} {why}", quoted(name)))?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: WildMatch::new(name),
            text: name.to_owned(),
        })
    }

    /// The namespace it looks in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The NAME as the operator wrote it.
    pub fn name(&self) -> &str {
        &self.text
    }

    /// True when it selects a pod of that namespace and name, or one that the controller named
    /// `owner` (in API group `apps`) owns directly.
    pub fn selects(&self, namespace: &str, pod: &str, owner: Option<&str>) -> bool {
        self.namespace == namespace
            && (self.name.matches(pod) || owner.is_some_and(|owner| owner == self.text))
    }
}

/// A value for an error message: quoted, control characters escaped, cut at 64 characters.
pub fn quoted(value: &str) -> String {
    let mut short: String = value.chars().take(64).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_that_could_change_a_path_are_refused() {
        for bad in [
            "", ".", "..", "a/b", "../a", "a?b", "a#b", "a%2fb", "A", "a_b", "-a", "a-", "a..b",
            "a b", "a\n", "ä", "node\0", ".a", "a.",
        ] {
            assert!(NodeName::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(NodeName::parse(&"a".repeat(254)).is_err());
        for good in [
            "a",
            "node-1",
            "ip-10-0-0-1.ec2.internal",
            "1",
            &"a".repeat(253),
        ] {
            assert_eq!(
                NodeName::parse(good).map(|n| n.as_str().to_owned()),
                Ok(good.to_owned())
            );
        }
    }

    #[test]
    fn a_name_selects_by_pod_by_owner_and_by_pattern() {
        let by = |name: &str| Selector::parse("monitoring", name).expect("a good selector");
        assert!(by("prometheus-k8s-0").selects("monitoring", "prometheus-k8s-0", None));
        assert!(by("prometheus-k8s").selects(
            "monitoring",
            "prometheus-k8s-0",
            Some("prometheus-k8s")
        ));
        assert!(by("prometheus-*").selects("monitoring", "prometheus-k8s-0", None));
        assert!(by("prometheus-k8s-?").selects("monitoring", "prometheus-k8s-0", None));

        assert!(!by("prometheus-k8s").selects("monitoring", "prometheus-k8s-0", None));
        assert!(!by("prometheus-k8s").selects("other", "prometheus-k8s", None));
        assert!(!by("prometheus-*").selects("monitoring", "x", Some("prometheus-k8s")));
        assert!(!by("k8s").selects("monitoring", "prometheus-k8s-0", Some("prometheus-k8s")));
        assert!(!by("prometheus-k8s-?").selects("monitoring", "prometheus-k8s-10", None));
    }

    #[test]
    fn bad_selectors_say_why() {
        for (namespace, name) in [
            ("", "a"),
            ("A", "a"),
            ("a.b", "a"),
            ("a", ""),
            ("a", "A"),
            ("a", "x/y"),
        ] {
            assert!(
                Selector::parse(namespace, name).is_err(),
                "{namespace:?}/{name:?} was accepted"
            );
        }
        assert!(Selector::parse(&"n".repeat(64), "a").is_err());
    }
}
