//! The dashboard asks for what there is, in PromQL that parses, of the data source and the cluster that
//! are chosen.

use super::exported::{assert_exported, exported, selectors};
use super::*;
use nodefall_testbed::process::Scratch;

const DASHBOARD: &str = "dashboards/nodefall.json";

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).expect("JSON")
}

/// Every panel but the headings of rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = array(&dashboard["panels"]).iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// Every expression, with the title of its panel.
fn expressions(dashboard: &Value) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        let title = text(&panel["title"]);
        for target in array(&panel["targets"]) {
            found.push((title, text(&target["expr"])));
        }
    }
    assert!(found.len() > 20, "{}", found.len());
    found
}

/// As Grafana sends it.
fn filled_in(expression: &str) -> String {
    let filled = expression
        .replace("$__rate_interval", "5m")
        .replace("$__range", "24h")
        .replace("$cluster", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

#[test]
fn every_query_parses() {
    let dashboard = dashboard();
    let rule = |(at, (_, expression)): (usize, (&str, &str))| json!({"record": format!("panel:{at}"), "expr": filled_in(expression)});
    let rules: Vec<_> = expressions(&dashboard)
        .into_iter()
        .enumerate()
        .map(rule)
        .collect();
    // JSON is YAML.
    let file = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    let scratch = Scratch::new();
    let path = scratch.write("dashboard.yml", &file);
    run(
        "promtool",
        &["check".as_ref(), "rules".as_ref(), path.as_os_str()],
    );
}

#[test]
fn every_metric_in_it_is_exported_and_no_other_is_left_out() {
    let exported = exported();
    let dashboard = dashboard();
    let mut asked = BTreeSet::new();
    for (title, expression) in expressions(&dashboard) {
        assert_exported(expression, &exported);
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{title}: {expression}");
        for selector in selectors {
            // Else the panel shows every cluster of a shared Prometheus.
            let cluster = ("cluster".to_owned(), "$cluster".to_owned());
            assert!(selector.labels.contains(&cluster), "{title}: {expression}");
            asked.insert(selector.name);
        }
    }
    for series in exported
        .iter()
        .filter(|series| series.starts_with("nodefall_"))
    {
        let name = series.split('{').next().unwrap_or_default();
        let parts = ["_bucket", "_sum", "_count"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part));
        let family = family.unwrap_or(name);
        let shown = asked.iter().any(|asked| asked.starts_with(family));
        assert!(shown, "{family} is in no panel");
    }
}

#[test]
fn data_source_and_cluster_are_chosen() {
    let dashboard = dashboard();
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    for panel in panels(&dashboard) {
        assert_eq!(panel["datasource"], source, "{panel}");
        for target in array(&panel["targets"]) {
            assert_eq!(target["datasource"], source, "{panel}");
        }
    }
    let variables = array(&dashboard["templating"]["list"]);
    let names: Vec<_> = variables
        .iter()
        .map(|variable| text(&variable["name"]))
        .collect();
    assert_eq!(names, ["datasource", "cluster"]);
    assert_eq!(variables[0]["type"], "datasource");
    assert_eq!(variables[1]["datasource"], source);
    let query = "label_values(nodefall_build_info, cluster)";
    assert_eq!(variables[1]["query"]["query"], query);
    // Where no series has such a label, all of them are shown.
    assert_eq!(variables[1]["allValue"], ".*");
}

#[test]
fn panels_are_told_apart_and_do_not_overlap() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in array(&dashboard["panels"]) {
        assert!(
            ids.insert(panel["id"].as_u64().expect("a number")),
            "{panel}"
        );
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
    for panel in panels(&dashboard) {
        assert!(!text(&panel["description"]).is_empty(), "{panel}");
    }
}
