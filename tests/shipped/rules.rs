//! The rules, asked of `promtool`, and their copies for the Prometheus Operator.

use super::*;

#[test]
fn are_valid() {
    let mut arguments = vec!["check".to_owned(), "rules".to_owned()];
    arguments.extend(files("rules", ".yml"));
    run("promtool", &arguments);
}

#[test]
fn fire_when_they_should_and_only_then() {
    let mut arguments = vec!["test".to_owned(), "rules".to_owned()];
    arguments.extend(files("rules/tests", ".yml"));
    run("promtool", &arguments);
}

#[test]
fn prometheus_operator_gets_the_same() {
    for (copy, original) in [
        ("prometheusrule.yaml", RULES),
        (
            "prometheusrule-health.yaml",
            "rules/nodefall-health.rules.yml",
        ),
    ] {
        let object = yaml(&format!("manifests/components/prometheus-operator/{copy}"));
        assert_eq!(object["kind"], "PrometheusRule");
        assert_eq!(object["spec"], yaml(original), "{copy}");
    }
}
