//! The alerts about Nodefall itself: they ask for what there is, reach people and never Nodefall, and
//! each has its page. That each fires when it should, `rules/tests` and `tests/live/health.rs` show.

use super::exported::{assert_exported, exported};
use super::*;

const HEALTH: &str = "rules/nodefall-health.rules.yml";
const RUNBOOKS: &str = "docs/runbooks";

/// The rules.
fn rules() -> Vec<Value> {
    let file = yaml(HEALTH);
    let [group] = array(&file["groups"]) else {
        panic!("one group");
    };
    array(&group["rules"]).to_vec()
}

/// The names of the alerts.
fn names() -> BTreeSet<String> {
    rules()
        .iter()
        .map(|rule| text(&rule["alert"]).to_owned())
        .collect()
}

#[test]
fn what_they_ask_for_is_exported() {
    let exported = exported();
    for rule in rules() {
        assert_exported(text(&rule["expr"]), &exported);
    }
}

/// Who cannot act need not be told of it.
#[test]
fn people_get_them_and_nodefall_never() {
    for rule in rules() {
        let name = text(&rule["alert"]);
        let severity = text(&rule["labels"]["severity"]);
        // Nothing else is set: no `remediation`, by which Nodefall's route goes.
        assert_eq!(rule["labels"], json!({"severity": severity}), "{name}");
        assert!(matches!(severity, "warning" | "critical"), "{name}");
        assert!(name.starts_with("Nodefall"), "{name}");
        for others in [
            &[][..],
            &[
                ("namespace", "monitoring"),
                ("reason", "storm_guard"),
                ("cluster", "prod"),
            ],
            &[
                ("pod", "nodefall-a"),
                ("instance", "10.0.0.1:9095"),
                ("job", "nodefall"),
            ],
        ] {
            let all = [&[("alertname", name), ("severity", severity)], others].concat();
            assert_eq!(receivers(&labels(&all)), "people", "{all:?}");
        }
    }
}

#[test]
fn each_has_a_page_that_says_what_to_do_and_no_page_is_left_over() {
    for rule in rules() {
        let name = text(&rule["alert"]);
        let annotations = &rule["annotations"];
        for annotation in ["summary", "description"] {
            assert!(
                !text(&annotations[annotation]).is_empty(),
                "{name}: {annotation}"
            );
        }
        let page = format!("{RUNBOOKS}/{name}.md");
        assert_eq!(annotations["runbook_url"], page, "{name}");
        let page = read(&page);
        let headings: Vec<_> = page.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {name}");
        let expected = [
            &*title,
            "## Meaning",
            "## Impact",
            "## What to look at",
            "## What to do",
        ];
        assert_eq!(headings, expected, "{name}");
    }
    let mut pages: BTreeSet<_> = names()
        .iter()
        .map(|name| format!("{RUNBOOKS}/{name}.md"))
        .collect();
    pages.insert(format!("{RUNBOOKS}/README.md"));
    assert_eq!(pages, files(RUNBOOKS, ".md").into_iter().collect());
}

/// What is to be typed at 3 a.m. is at least a command.
#[test]
fn commands_are_such() {
    for page in files(RUNBOOKS, ".md") {
        let page = read(&page);
        let snippets = page.split("```sh\n").skip(1);
        for snippet in snippets.filter_map(|rest| rest.split("```").next()) {
            run("bash", &["-n", "-c", snippet]);
        }
    }
}

/// A row for each, with how long it waits.
#[test]
fn the_table_says_the_same() {
    let page = read("docs/runbooks/README.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| [Nodefall"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), names().len());
    for name in names() {
        let link = format!("[{name}]({name}.md)");
        let row = rows.iter().find(|row| row[0] == link);
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        let rules: Vec<_> = rules()
            .into_iter()
            .filter(|rule| rule["alert"] == *name)
            .collect();
        let severities: Vec<_> = rules
            .iter()
            .map(|r| text(&r["labels"]["severity"]))
            .collect();
        assert_eq!(row[1], severities.join(", "), "{name}");
        let waits = rules.iter().map(|rule| match rule["for"].as_str() {
            None => "at once".to_owned(),
            Some(wait) => wait.replace('m', " min").replace('h', " h"),
        });
        assert_eq!(row[3], waits.collect::<Vec<_>>().join(", "), "{name}");
    }
}

/// Links between the pages, and to others here, lead somewhere.
#[test]
fn links_lead_somewhere() {
    for page in files(RUNBOOKS, ".md") {
        let text = read(&page);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file.strip_prefix("../") {
                Some(file) => format!("docs/{file}"),
                None => format!("{RUNBOOKS}/{file}"),
            };
            let there = read(&target);
            let slug = |line: &str| {
                let line = line.trim_start_matches('#').trim().to_lowercase();
                line.replace(' ', "-").replace(',', "")
            };
            let mut headings = there.lines().filter(|line| line.starts_with('#'));
            let found = heading.is_empty() || headings.any(|line| slug(line) == heading);
            assert!(found, "{page}: {link}");
        }
    }
}
