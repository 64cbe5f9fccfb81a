//! What was said, in plain lines that two clusters can have in common: what differs by nature (times,
//! UIDs, versions) is replaced by what it is.

use serde_json::Value;
use std::collections::BTreeMap;

/// What was captured, by name.
pub type Captured = BTreeMap<&'static str, String>;

/// A step's title, and what was kept: pointers and values.
pub type Entry = (String, BTreeMap<String, String>);

/// The value at a pointer; none where there is nothing. A segment `key=value` is the item of a list
/// that has that field.
pub fn find<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    let mut segments = pointer.split('/');
    segments.next();
    segments.try_fold(value, |value, segment| {
        let segment = segment.replace("~1", "/");
        match (value, segment.split_once('=')) {
            (Value::Array(items), Some((field, wanted))) => {
                items.iter().find(|item| item[field] == wanted)
            }
            (Value::Array(items), None) => items.get(segment.parse::<usize>().ok()?),
            (value, _) => value.get(segment.as_str()),
        }
    })
}

/// The same; after a segment `*`, of every item of a list.
pub fn pick(value: &Value, pointer: &str) -> Option<Value> {
    let Some((list, rest)) = pointer.split_once("/*") else {
        return find(value, pointer).cloned();
    };
    let items = find(value, list)?.as_array()?.iter();
    Some(
        items
            .map(|item| pick(item, rest).unwrap_or_default())
            .collect(),
    )
}

/// Puts what was captured where its `$name` stands.
pub fn fill(text: &str, captured: &Captured) -> String {
    let mut text = text.to_owned();
    // The longest names first: one may be the beginning of another.
    let mut names: Vec<_> = captured.iter().collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in names {
        text = text.replace(&format!("${name}"), value);
    }
    text
}

/// Writes down the leaves of `value`, each under its pointer.
pub fn note(
    lines: &mut BTreeMap<String, String>,
    pointer: &str,
    value: &Value,
    captured: &Captured,
) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                // Which manager owns which field is not compared, kwok is no kubelet, nor a hash of
                // how things are stored. What is null is not there, as every reader takes it.
                if ["managedFields", "storageVersionHash"].contains(&name.as_str())
                    || field.is_null()
                {
                    continue;
                }
                let below = format!("{pointer}/{name}");
                match (name.as_str(), fields.get("generateName")) {
                    ("name", Some(Value::String(prefix))) => {
                        let name = field.as_str().unwrap_or_default();
                        let random = name.strip_prefix(prefix.as_str()).map(str::len);
                        lines.insert(below, format!("{prefix} and {random:?} letters"));
                    }
                    _ => note(lines, &below, field, captured),
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            // Some checks run twice in the API server, and say the same twice.
            let said_before = |number: &usize| {
                pointer.ends_with("/causes") && items[..*number].contains(&items[*number])
            };
            let fresh = (0..items.len()).filter(|number| !said_before(number));
            for (number, item) in fresh.map(|at| &items[at]).enumerate() {
                note(lines, &format!("{pointer}/{number}"), item, captured);
            }
        }
        leaf => {
            lines.insert(pointer.to_owned(), plain(pointer, leaf, captured));
        }
    }
}

fn plain(pointer: &str, leaf: &Value, captured: &Captured) -> String {
    let Value::String(text) = leaf else {
        return leaf.to_string();
    };
    if let Some((name, _)) = captured.iter().find(|(_, value)| *value == text) {
        return format!("${name}");
    }
    if text.len() > 10 && text.parse::<jiff::Timestamp>().is_ok() {
        return match text.contains('.') {
            true => "<time with microseconds>".to_owned(),
            false => "<time>".to_owned(),
        };
    }
    match pointer.rsplit('/').next() {
        Some("resourceVersion") => "<version>".to_owned(),
        Some("continue") => "<token>".to_owned(),
        Some("message") => mask(&captured.iter().fold(text.clone(), |text, (name, value)| {
            text.replace(value, &format!("${name}"))
        })),
        _ => mask(text),
    }
}

/// Replaces the UIDs in a text.
fn mask(text: &str) -> String {
    let is_uid = |word: &str| {
        word.len() == 36
            && [8, 13, 18, 23]
                .iter()
                .all(|at| word.as_bytes()[*at] == b'-')
    };
    let mut masked = String::new();
    for piece in text.split_inclusive(|c: char| !(c.is_ascii_hexdigit() || c == '-')) {
        let word = piece.trim_end_matches(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
        match is_uid(word) {
            true => {
                masked.push_str("<uid>");
                masked.push_str(&piece[word.len()..]);
            }
            false => masked.push_str(piece),
        }
    }
    masked
}
