//! `make cluster`, as a person uses it.

use crate::bed::{LOST, NODEFALL, Scenario, Scene};
use nodefall_testbed::http::{self, post};
use nodefall_testbed::process::{PATIENCE, Process, eventually};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const SCENARIOS: &[(&str, Scenario)] = &[(
    "make cluster: ready in 20 s, a node loses power, Ctrl-C leaves nothing behind",
    by_hand,
)];

fn by_hand(scene: &mut Scene) {
    // `make e2e` builds it beside the program.
    let program = Path::new(NODEFALL).with_file_name("cluster");
    let started = Instant::now();
    let mut command = Command::new(&program);
    let mut process = Process::start(
        &scene.scratch,
        "cluster",
        command.args([NODEFALL, "--quick"]),
    );
    let guide = eventually("the cluster is ready", PATIENCE, || {
        let log = process.log();
        log.contains("Ctrl-C ends it").then_some(log)
    });
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "ready after {took:?}");
    let folder = word(&guide, "KUBECONFIG=").trim_end_matches("/kubeconfig");
    assert!(Path::new(folder).is_dir());
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
    assert!(!Path::new(folder).exists(), "{folder} is left");
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        assert!(!command.contains(folder), "{command} is left");
    }
}

/// What follows `before`, up to the next space.
fn word<'a>(text: &'a str, before: &str) -> &'a str {
    let found = text.split(before).nth(1);
    let found = found.unwrap_or_else(|| panic!("{before} is not in {text}"));
    found.split_whitespace().next().unwrap_or_default()
}
