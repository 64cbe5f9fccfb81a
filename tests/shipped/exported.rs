//! What the program exports, and what of it an expression in PromQL asks for.

use nodefall::metrics::Metrics;

/// Labels that come with the scrape, not from the program.
const SCRAPED: [&str; 5] = ["cluster", "namespace", "pod", "instance", "job"];

/// Every series of `/metrics`, without its value.
pub fn exported() -> Vec<String> {
    let text = Metrics::new().encode();
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let series = series.filter_map(|line| line.rsplit_once(' '));
    series.map(|(series, _)| series.to_owned()).collect()
}

/// A metric of the program in an expression, with what is asked of its labels: name and value, the
/// latter a regular expression or not.
#[derive(Debug)]
pub struct Selector {
    pub name: String,
    pub labels: Vec<(String, String)>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// Those of an expression whose metrics are named as ours are.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    for prefix in ["nodefall_", "process_"] {
        for (at, _) in expression.match_indices(prefix) {
            if expression[..at].ends_with(is_word) {
                continue;
            }
            let rest = &expression[at..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let inner = rest
                .strip_prefix('{')
                .map_or("", |inner| inner.split('}').next().unwrap_or_default());
            let matchers = inner.split("\", ").filter(|matcher| !matcher.is_empty());
            let labels = matchers.map(|matcher| {
                let (label, value) = matcher.split_once('"').expect("LABEL=\"VALUE\"");
                let label = label.trim_end_matches(['=', '!', '~']);
                (label.to_owned(), value.trim_end_matches('"').to_owned())
            });
            found.push(Selector {
                name: name.to_owned(),
                labels: labels.collect(),
            });
        }
    }
    found
}

/// Fails unless the program exports such series: each metric, and each value of each label.
pub fn assert_exported(expression: &str, exported: &[String]) {
    for Selector { name, labels } in selectors(expression) {
        let of_it = |series: &&String| {
            let labels = series.strip_prefix(&name);
            labels.is_some_and(|labels| labels.is_empty() || labels.starts_with('{'))
        };
        let series: Vec<_> = exported.iter().filter(of_it).collect();
        assert!(!series.is_empty(), "{name} is not exported: {expression}");
        for (label, values) in labels {
            if SCRAPED.contains(&&*label) {
                continue;
            }
            // `600(\\.0)?` is 600, too.
            for value in values.split('|').filter_map(|v| v.split('(').next()) {
                let pair = format!(r#"{label}="{value}""#);
                let is_there = series.iter().any(|series| series.contains(&pair));
                assert!(is_there, "{name} has no {pair}: {expression}");
            }
        }
    }
}

#[test]
fn selectors_are_found() {
    let found =
        selectors(r#"sum by (le) (rate(nodefall_a_bucket{x!~"b|c", le="1"}[5m])) / process_z"#);
    let names: Vec<_> = found.iter().map(|selector| &*selector.name).collect();
    assert_eq!(names, ["nodefall_a_bucket", "process_z"]);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(found[0].labels, [label("x", "b|c"), label("le", "1")]);
    assert!(selectors("other_nodefall_a").is_empty());
}
