//! The alert's rule, asked of `promtool`, and its copy for the Prometheus Operator.

use super::*;

#[test]
fn are_valid() {
    run("promtool", &["check", "rules", RULES]);
}

#[test]
fn fire_when_they_should_and_only_then() {
    let mut arguments = vec!["test".to_owned(), "rules".to_owned()];
    arguments.extend(files("rules/tests", ".yml"));
    run("promtool", &arguments);
}

#[test]
fn prometheus_operator_gets_the_same() {
    let object = yaml("manifests/components/prometheus-operator/prometheusrule.yaml");
    assert_eq!(object["kind"], "PrometheusRule");
    assert_eq!(object["spec"], yaml(RULES));
}
