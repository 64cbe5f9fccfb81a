//! Whatever the label that names the node holds, no request has another path than that of a Node;
//! and whatever `--node-label` is, an alert that carries it is read.

use super::oracle::is_name;
use super::wire;
use nodefall::act::{Api, Clock, Transport};
use nodefall::decide::{AlertRules, NodeName, Reading, read_payload};
use nodefall::metrics::Metrics;
use serde_json::json;

/// The input is the label's value in an alert, and also the option's.
pub fn check(input: &[u8]) {
    let rules = super::settings([super::option("--node-label", input)]).map(|s| s.alerts);
    let Ok(text) = std::str::from_utf8(input) else {
        rules.expect_err("not UTF-8");
        return;
    };
    match rules {
        Ok(rules) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
            assert!(text.bytes().all(plain) && text.len() <= 1024 && rules.node_label == text);
            let read = read(&rules, text, super::NODE);
            assert!(matches!(read, Reading::Firing { node, .. } if node.as_str() == super::NODE));
        }
        Err(line) => {
            super::assert_line(&line, 1000);
            assert!(line.starts_with("--node-label"), "{line}");
        }
    }

    let rules = super::settings([]).expect("good options").alerts;
    match read(&rules, "node", text) {
        Reading::Firing { node, .. } => {
            assert!(is_name(text) && node.as_str() == text, "{text:?}");
            asks_for_that_node_alone(&node);
        }
        Reading::Refused(why) => {
            assert!(!is_name(text), "{text:?}: {why}");
            super::assert_line(&why, 1000);
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

/// What an alert says whose label has this value.
fn read(rules: &AlertRules, label: &str, value: &str) -> Reading {
    let mut labels = json!({"alertname": "KubeNodeNotReady"});
    // `--node-label alertname` is odd, and allowed.
    labels[label] = json!(value);
    let mut rules = rules.clone();
    if label == "alertname" {
        rules.alert_names = vec![value.to_owned()];
    }
    let alert = json!({"status": "firing", "labels": labels});
    let body = json!({"version": "4", "alerts": [alert]}).to_string();
    let payload = read_payload(body.as_bytes()).expect("a notification");
    let alert = payload.alerts().next().expect("an alert");
    rules.read(&alert.expect("a good alert"))
}

fn asks_for_that_node_alone(node: &NodeName) {
    let asked = wire::run(async {
        let (client, record) = wire::client(|_| (404, Vec::new()));
        let api = Api::new(Transport::new(client, Metrics::new(), Clock::system()));
        let node_read = api.node(node).await.expect("an answer").object;
        let lease_read = api.lease(node).await.expect("an answer").object;
        assert!(node_read.is_none() && lease_read.is_none());
        record.take()
    });
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let expected = [format!("/api/v1/nodes/{node}"), format!("{leases}/{node}")];
    let asked: Vec<_> = asked.into_iter().map(|asked| asked.uri).collect();
    assert_eq!(asked, expected);
}
