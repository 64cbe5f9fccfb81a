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

/// What a stranger wrote, for people: one line, cut at so many characters. Whatever else a terminal
/// would obey or hide is replaced.
pub fn one_line(text: &str, longest: usize) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let mut chars = text.chars();
    let mut line: String = chars.by_ref().take(longest).map(shown).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// Why something cannot be read as JSON. serde repeats what it met, and that may be anything, at any
/// length; what it expected, and where, stands at the end.
pub fn why_unreadable(error: &serde_json::Error) -> String {
    const START: usize = 200;
    const END: usize = 100;
    let message = error.to_string();
    let length = message.chars().count();
    if length <= START + END {
        return one_line(&message, length);
    }
    let end: String = message.chars().skip(length - END).collect();
    one_line(&message, START) + &one_line(&end, END)
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
            let name = NodeName::parse(good).expect(good);
            assert_eq!((name.as_str(), name.to_string().as_str()), (good, good));
        }
    }

    #[test]
    fn what_strangers_write_becomes_one_line() {
        for (text, line) in [
            ("", ""),
            ("nötig „so“ 💥", "nötig „so“ 💥"),
            ("a\r\nb\tc\u{2028}d", "a  b c d"),
            ("\u{1b}[2J\0\u{9b}", "\u{fffd}[2J\u{fffd}\u{fffd}"),
            (
                "a\u{202e}b\u{200d}c\u{2066}\u{feff}",
                "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}",
            ),
            ("1234567890ab", "1234567890ab"),
            ("1234567890abc", "1234567890ab…"),
        ] {
            assert_eq!(one_line(text, 12), line);
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

    #[test]
    fn a_value_in_a_message_is_short_and_escaped() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        let (whole, long) = ("ä".repeat(64), "ä".repeat(65));
        assert_eq!(quoted(&whole), format!("\"{whole}\""));
        assert_eq!(quoted(&long), format!("\"{whole}…\""));
    }

    #[test]
    fn what_a_parser_says_is_cut_in_the_middle_where_it_is_long() {
        let why = |length: usize| {
            let json = format!("\"{}\"", "x".repeat(length));
            let error = serde_json::from_str::<u8>(&json).expect_err("a text");
            (error.to_string(), why_unreadable(&error))
        };
        let (whole, told) = why(200);
        assert_eq!(told, whole);
        let (whole, told) = why(100_000);
        assert!(told.chars().count() <= 301 && told.contains('…'), "{told}");
        assert!(whole.starts_with(&told[..200]), "{told}");
        assert!(whole.ends_with(&told[told.len() - 100..]), "{told}");
    }

    #[test]
    fn a_selector_tells_what_it_was_made_of() {
        let longest = "n".repeat(63);
        let selector = Selector::parse(&longest, "prometheus-*").expect("a good selector");
        assert_eq!(selector.namespace(), longest);
        assert_eq!(selector.name(), "prometheus-*");
    }
}
