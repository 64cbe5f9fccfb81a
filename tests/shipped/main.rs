//! What is shipped around the program is right by itself and fits together: Alertmanager's
//! configuration, the rules, their pages, the dashboard, sample payloads, manifests, image, the tables of
//! guards and threats, the rights, the dependencies.

mod alertmanager;
mod dashboard;
mod exported;
mod guards;
mod health;
mod manifests;
mod payloads;
mod rights;
mod rules;
mod supply_chain;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use nodefall_testbed::tools::{repository, run};
use serde_json::{Value, json};

const CONFIGURATION: &str = "alertmanager/alertmanager.yml";
const RULES: &str = "rules/nodefall.rules.yml";
/// The port everywhere: the program's default, the Deployment's, the webhook's address.
const PORT: u64 = 9095;

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The one document in a YAML file.
fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document in a YAML file.
fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn array(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list is expected, not {value}"))
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a string is expected, not {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    array(value).iter().map(text).collect()
}

/// Files under a folder whose name ends so.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(repository(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| {
            entry
                .expect("a folder entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no {ending}");
    found
}

/// The receivers that the shipped configuration gives an alert with these labels to.
fn receivers(labels: &BTreeMap<String, String>) -> String {
    let mut arguments: Vec<String> = ["config", "routes", "test", "--config.file", CONFIGURATION]
        .map(String::from)
        .to_vec();
    arguments.extend(labels.iter().map(|(name, value)| format!("{name}={value}")));
    run("amtool", &arguments).trim().to_owned()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The alert of our rule, with the labels that it has when it arrives.
fn our_alert() -> BTreeMap<String, String> {
    let rule = &yaml(RULES)["groups"][0]["rules"][0];
    let mut labels = labels(&[("alertname", text(&rule["alert"])), ("node", "worker-2")]);
    for (name, value) in rule["labels"].as_object().expect("the rule's labels") {
        labels.insert(name.clone(), text(value).to_owned());
    }
    labels
}
