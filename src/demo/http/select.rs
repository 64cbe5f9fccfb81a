//! Label and field selectors, and the pages of a list.

use std::collections::BTreeMap;

use super::call::Call;
use super::failure::Failure;
use super::fields::{Selectable, check_field};
use crate::demo::world::Key;

/// What a list asks for.
pub(super) struct Selection {
    fields: Vec<(String, bool, String)>,
    labels: Vec<Requirement>,
    pub(super) limit: Option<usize>,
    pub(super) after: Option<Key>,
}

enum Requirement {
    Exists(String, bool),
    In(String, bool, Vec<String>),
}

impl Selection {
    pub(super) fn read(call: &Call) -> Result<Self, Failure> {
        let fields = call
            .param("fieldSelector")
            .map_or(Ok(Vec::new()), read_fields)?;
        for (field, ..) in &fields {
            check_field(call, field)?;
        }
        let labels = call
            .param("labelSelector")
            .map_or(Ok(Vec::new()), read_labels)?;
        let limit = match call.param("limit").map(str::parse::<i64>) {
            None => None,
            Some(Ok(limit)) => usize::try_from(limit).ok().filter(|limit| *limit > 0),
            Some(Err(_)) => {
                let text = call.param("limit").unwrap_or_default();
                let words = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
                return Err(Failure::bad_request(words));
            }
        };
        let after = match call.param("continue") {
            None => None,
            Some(_) if call.param("resourceVersion").is_some() => {
                let words = "specifying resource version is not allowed when using continue";
                return Err(Failure::bad_request(words.to_owned()));
            }
            Some(token) => Some(read_token(token).ok_or_else(|| {
                let words = "invalid continue token: continue key is not valid: no such token";
                Failure::bad_request(words.to_owned())
            })?),
        };
        Ok(Self {
            fields,
            labels,
            limit,
            after,
        })
    }

    /// Whether anything is selected by.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.labels.is_empty()
    }

    /// The value that a field must have.
    pub(super) fn wants(&self, field: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, equal, _)| name == field && *equal)
            .map(|(_, _, value)| value.as_str())
    }

    /// Whether an object is selected. A field that its kind cannot be selected by is an error.
    pub(super) fn matches<K: Selectable>(&self, object: &K) -> Result<bool, Failure> {
        for (name, equal, value) in &self.fields {
            let is = object.field(name).ok_or_else(|| {
                Failure::bad_request(format!("field label not supported: {name}"))
            })?;
            if (&is == value) != *equal {
                return Ok(false);
            }
        }
        let none = BTreeMap::new();
        let labels = object.metadata().labels.as_ref().unwrap_or(&none);
        Ok(self.labels.iter().all(|requirement| match requirement {
            Requirement::Exists(name, wanted) => labels.contains_key(name) == *wanted,
            Requirement::In(name, wanted, values) => {
                labels.get(name).is_some_and(|value| values.contains(value)) == *wanted
            }
        }))
    }
}

/// The token by which a list goes on after this key.
pub(super) fn token(after: &Key) -> String {
    format!("{}/{}", after.0, after.1)
}

fn read_token(token: &str) -> Option<Key> {
    let (namespace, name) = token.split_once('/')?;
    Some((namespace.to_owned(), name.to_owned()))
}

fn read_fields(text: &str) -> Result<Vec<(String, bool, String)>, Failure> {
    text.split(',')
        .map(|term| {
            let (name, equal, value) = if let Some((name, value)) = term.split_once("!=") {
                (name, false, value)
            } else if let Some((name, value)) = term.split_once("==") {
                (name, true, value)
            } else if let Some((name, value)) = term.split_once('=') {
                (name, true, value)
            } else {
                return Err(Failure::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            Ok((name.to_owned(), equal, value.to_owned()))
        })
        .collect()
}

fn read_labels(text: &str) -> Result<Vec<Requirement>, Failure> {
    let mut terms = Vec::new();
    let mut depth = 0;
    let mut term = String::new();
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(std::mem::take(&mut term));
                continue;
            }
            _ => {}
        }
        term.push(letter);
    }
    terms.push(term);
    terms.iter().map(|term| read_label(term.trim())).collect()
}

fn read_label(term: &str) -> Result<Requirement, Failure> {
    let one = |name: &str, wanted, value: &str| {
        Requirement::In(
            name.trim().to_owned(),
            wanted,
            vec![value.trim().to_owned()],
        )
    };
    let many = |name: &str, wanted, values: &str| {
        let values = values.trim().trim_start_matches('(').trim_end_matches(')');
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        Requirement::In(name.trim().to_owned(), wanted, values)
    };
    Ok(if let Some((name, values)) = term.split_once(" notin ") {
        many(name, false, values)
    } else if let Some((name, values)) = term.split_once(" in ") {
        many(name, true, values)
    } else if let Some((name, value)) = term.split_once("!=") {
        one(name, false, value)
    } else if let Some((name, value)) = term.split_once("==") {
        one(name, true, value)
    } else if let Some((name, value)) = term.split_once('=') {
        one(name, true, value)
    } else if term.is_empty() || term.contains(char::is_whitespace) {
        return Err(Failure::bad_request(format!(
            "unable to parse requirement: '{term}'"
        )));
    } else if let Some(name) = term.strip_prefix('!') {
        Requirement::Exists(name.to_owned(), false)
    } else {
        Requirement::Exists(term.to_owned(), true)
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn pod(labels: &[(&str, &str)]) -> Pod {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Pod {
            metadata: ObjectMeta {
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            ..Pod::default()
        }
    }

    fn selects(labels: &str, fields: &str) -> Result<bool, Failure> {
        let selection = Selection {
            fields: if fields.is_empty() {
                vec![]
            } else {
                read_fields(fields)?
            },
            labels: if labels.is_empty() {
                vec![]
            } else {
                read_labels(labels)?
            },
            limit: None,
            after: None,
        };
        selection.matches(&pod(&[("app", "a"), ("tier", "back")]))
    }

    #[test]
    fn labels_select_by_equality_and_sets() {
        for yes in [
            "app=a",
            "app==a,tier!=front",
            "app in (a, b),tier",
            "!gone",
            "x notin (a)",
        ] {
            assert_eq!(selects(yes, ""), Ok(true), "{yes}");
        }
        for no in [
            "app=b",
            "app!=a",
            "app in (b,c)",
            "!app",
            "gone",
            "app=a,tier=front",
        ] {
            assert_eq!(selects(no, ""), Ok(false), "{no}");
        }
        assert!(selects("app=a,,", "").is_err());
    }

    #[test]
    fn fields_select_and_unknown_ones_are_refused() {
        assert_eq!(selects("", "spec.nodeName=,status.phase!=Failed"), Ok(true));
        assert_eq!(selects("", "status.phase=Failed"), Ok(false));
        let refusal = selects("", "spec.color=red").unwrap_err();
        assert_eq!((refusal.code, refusal.reason), (400, "BadRequest"));
    }
}
