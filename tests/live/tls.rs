//! The way to the API server as it is in a real cluster: TLS with a CA of its own, and a token.

use crate::api::{Api, LOST, NO_EVICTION, quick};
use crate::secure::{Ca, Secure, TOKEN, certificate_authority};
use nodefall::demo::Layout;
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::receiver::Receiver;

fn secure() -> Secure {
    Secure::new(Api::start(quick(NO_EVICTION), &Layout::kube_prometheus()))
}

fn receiver(secure: &Secure, ca: &Ca, token: &str) -> Receiver {
    let kubeconfig = secure.kubeconfig(ca, token);
    let binary = env!("CARGO_BIN_EXE_nodefall");
    Receiver::start(
        binary,
        &secure.scratch,
        "nodefall",
        &kubeconfig,
        &["--period=0"],
    )
}

/// A receiver of that kubeconfig says why it is not ready, in one line of its log and to whoever
/// asks.
fn not_ready(secure: &Secure, ca: &Ca, token: &str, words: &[&str]) {
    let receiver = receiver(secure, ca, token);
    let line = eventually("it says that it is not ready", PATIENCE, || {
        let log = receiver.process.log();
        log.lines()
            .find(|line| line.contains(r#""message":"not ready""#))
            .map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    let why = line["why"].as_str().expect("a reason");
    for word in words {
        assert!(why.contains(word), "{word:?} in {why:?}");
    }
    assert!(!why.contains(TOKEN));
    let page = receiver.get("/-/ready");
    assert_eq!(
        (page.status, page.body),
        (503, format!("not ready: {why}\n"))
    );
    assert_eq!(receiver.get("/-/healthy").status, 200);
}

#[test]
fn a_kubeconfig_with_a_ca_and_a_token_works() {
    let secure = secure();
    let receiver = receiver(&secure, &secure.ca, TOKEN).ready();
    let old = secure.api.pod("prometheus-k8s-0").expect("a pod");
    secure.api.lose(LOST);
    assert_eq!(receiver.alert(LOST).status, 202);
    secure.api.replaced("prometheus-k8s-0", &old);
}

#[test]
fn a_wrong_ca_is_told_with_its_cause() {
    let secure = secure();
    let other = certificate_authority();
    not_ready(
        &secure,
        &other,
        TOKEN,
        &["Connect", "invalid peer certificate"],
    );
    assert_eq!(secure.api.cluster.audit(), [], "nothing was sent");
}

#[test]
fn a_wrong_token_is_told() {
    let secure = secure();
    not_ready(&secure, &secure.ca, "another", &["401", "Unauthorized"]);
}
