//! The other values that options take, each read strictly: a value that can never fit anything is a
//! mistake that nobody would see before the night it matters.

use crate::decide::MaxUnreachable;

/// The longest name or value of a label that is taken; Prometheus' own are far shorter.
const LONGEST: usize = 1024;

/// Reads `N` or `N%`.
pub(super) fn max_unreachable(text: &str) -> Result<MaxUnreachable, String> {
    let expected = || "a number of nodes like 3, or a percentage from 0% to 100%".to_owned();
    let number = text.strip_suffix('%').unwrap_or(text);
    // A sign would be read, too.
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected());
    }
    let number: u32 = number.parse().map_err(|_| expected())?;
    match text.ends_with('%') {
        false => Ok(MaxUnreachable::Nodes(number)),
        true if number <= 100 => Ok(MaxUnreachable::Percent(number)),
        true => Err(expected()),
    }
}

/// Reads `LABEL=VALUE`.
pub(super) fn label_match(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("LABEL=VALUE, like cluster=east")?;
    let expected = |part: String| format!("LABEL=VALUE with {part}");
    Ok((
        label_name(name).map_err(expected)?,
        label_value(value).map_err(expected)?,
    ))
}

/// Reads the name of a label.
pub(super) fn label_name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // Dots come with OpenTelemetry's names.
    let goes_on = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    if begins && goes_on && text.len() <= LONGEST {
        Ok(text.to_owned())
    } else {
        Err("a label's name: letters, digits, '_' and '.', no digit first".to_owned())
    }
}

/// Reads the value of a label; an alert's name is one.
pub(super) fn label_value(text: &str) -> Result<String, String> {
    if text.is_empty() {
        // An empty label is no label to Prometheus; more likely a variable was not set.
        Err("a label's value that is not empty".to_owned())
    } else if text.len() > LONGEST || text.contains(char::is_control) {
        Err(format!(
            "a label's value without control characters, at most {LONGEST} bytes"
        ))
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guards_bound_is_a_number_or_a_percentage() {
        for (text, bound) in [
            ("0", MaxUnreachable::Nodes(0)),
            ("3", MaxUnreachable::Nodes(3)),
            ("4294967295", MaxUnreachable::Nodes(u32::MAX)),
            ("0%", MaxUnreachable::Percent(0)),
            ("49%", MaxUnreachable::Percent(49)),
            ("100%", MaxUnreachable::Percent(100)),
        ] {
            assert_eq!(max_unreachable(text), Ok(bound), "{text}");
        }
        for text in [
            "",
            "%",
            "101%",
            "4294967296",
            "-1",
            "+1",
            "1.5",
            "49.5%",
            "49 %",
            " 49%",
            "49%%",
            "%49",
            "٤٩%",
            "49％",
            "0x10",
            "1e1",
            "half",
            "3\n",
            "3\0",
            &"9".repeat(100_000),
        ] {
            assert!(max_unreachable(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_match_is_a_label_and_a_value() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(label_match("cluster=east"), pair("cluster", "east"));
        assert_eq!(label_match("a=b=c"), pair("a", "b=c"));
        assert_eq!(label_match("a=b,c"), pair("a", "b,c"));
        assert_eq!(label_match("_a=ä \"x\""), pair("_a", "ä \"x\""));
        assert_eq!(
            label_match("k8s.cluster.name=x"),
            pair("k8s.cluster.name", "x")
        );
        for text in [
            "",
            "=",
            "a",
            "a=",
            "=b",
            "a =b",
            " a=b",
            "1a=b",
            "a-b=c",
            "clustеr=east",
            "a=b\n",
            "a\0=b",
            "a=\u{1b}[31m",
            "cluster＝east",
            &format!("a={}", "b".repeat(1025)),
            &format!("{}=b", "a".repeat(1025)),
        ] {
            assert!(label_match(text).is_err(), "{text:?} was accepted");
        }
    }
}
