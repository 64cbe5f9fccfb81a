//! `make cluster`, as a person uses it.

use crate::bed::{LOST, NODEFALL};
use nodefall_testbed::http::{self, post};
use nodefall_testbed::process::{PATIENCE, Process, Scratch, eventually};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const NAME: &str =
    "make cluster: ready in 20 s, a node loses power, Ctrl-C leaves nothing behind";

pub fn by_hand() {
    let scratch = Scratch::new();
    // `make e2e` builds it beside the program.
    let program = Path::new(NODEFALL).with_file_name("cluster");
    let started = Instant::now();
    let mut command = Command::new(&program);
    command.args([NODEFALL, "--quick"]);
    let mut process = Process::start(&scratch, "cluster", &mut command).parent();
    let guide = eventually("the cluster is ready", PATIENCE, || {
        let log = process.log();
        log.contains("Ctrl-C ends it").then_some(log)
    });
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "ready after {took:?}");
    // Of its folders; its own kubeconfig is in the first, Nodefall's in the second.
    let ours = format!("nodefall-{}-", process.id());
    assert!(word(&guide, "KUBECONFIG=").contains(&ours));
    assert!(!left(&ours).is_empty());
    let address = |path: &str| -> SocketAddr {
        let line = guide.lines().find(|line| line.contains(path));
        let line = line.unwrap_or_else(|| panic!("{path} is not in {guide}"));
        word(line, "http://")
            .split('/')
            .next()
            .unwrap_or_default()
            .parse()
            .expect("an address")
    };
    let levers = address("/power?on=false");
    let nodefall = address("/webhook");
    let cut = format!("POST /nodes/{LOST}/power?on=false HTTP/1.0\r\n\r\n");
    let answer = http::exchange(levers, cut.as_bytes(), PATIENCE).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    // As its line for curl says, though the form is not JSON's.
    let alert = fs::read_to_string(word(&guide, "-d @")).expect("the alert");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(post(nodefall, form, &alert).expect("an answer").status, 202);
    eventually("its pods are freed", PATIENCE, || {
        let told = http::get(nodefall, "/api/v1/remediations").ok()?.json();
        (told["remediations"][0]["result"] == "freed").then_some(())
    });
    process.signal("INT");
    process.end(PATIENCE);
    eventually("nothing is left", PATIENCE, || {
        left(&ours).is_empty().then_some(())
    });
}

/// Which folders and processes there are of that prefix.
fn left(ours: &str) -> Vec<String> {
    let folders = fs::read_dir(std::env::temp_dir()).expect("the temporary folder");
    let folders = folders
        .flatten()
        .map(|entry| entry.path().display().to_string());
    let processes = fs::read_dir("/proc").expect("/proc");
    let processes = processes.flatten().map(|entry| {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).into_owned()
    });
    folders
        .chain(processes)
        .filter(|name| name.contains(ours))
        .collect()
}

/// What follows `before`, up to the next space.
fn word<'a>(text: &'a str, before: &str) -> &'a str {
    let found = text.split(before).nth(1);
    let found = found.unwrap_or_else(|| panic!("{before} is not in {text}"));
    found.split_whitespace().next().unwrap_or_default()
}
