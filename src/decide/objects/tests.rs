use super::*;
use serde_json::json;

#[test]
fn a_pod_tells_where_it_is_whose_it_is_and_what_it_mounts() {
    let pod = |kind: &str, reason: &str| -> Pod {
        let pod = json!({
            "metadata": {"namespace": "m", "name": "p-0", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": kind, "name": "p", "controller": true}]},
            "spec": {"nodeName": "n1", "volumes": [
                {"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "data"}}]},
            "status": {"reason": reason},
        });
        serde_json::from_value(pod).expect("a pod")
    };
    let set = pod("StatefulSet", "NodeLost");
    assert_eq!((set.path().as_str(), set.node()), ("m/p-0", "n1"));
    assert_eq!(set.claim(), Some("data"));
    assert!(set.is_stateful() && set.is_node_lost());
    let other = pod("ReplicaSet", "Evicted");
    assert!(!other.is_stateful() && !other.is_node_lost());
}

#[test]
fn a_conditions_message_is_one_line_of_512_characters() {
    let condition = |message: &str| -> Condition {
        let condition = json!({"type": "Ready", "status": "False", "message": message});
        serde_json::from_value(condition).expect("a condition")
    };
    assert_eq!(condition("two\nlines").message, "two lines");
    let long = condition(&"x".repeat(100_000)).message;
    assert_eq!(long, format!("{}…", "x".repeat(512)));
}
