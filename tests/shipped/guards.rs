//! The table of guards leaves none out, and names only what exists; so does the table of threats.

use super::*;
use nodefall::decide::{Hold, Skip};

const GUARDS: &str = "docs/guards.md";

/// The threats, with what stops each.
const THREATS: &str = "SECURITY.md";

/// The rows of all tables of a page, each as its cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = |row: &str| {
        let row = row.strip_suffix(" |").expect("a row ends with a bar");
        row.split(" | ").map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = rows
        .map(cells)
        .filter(|row| !matches!(&*row[0], "guard" | "threat"));
    rows.collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Places of the Rust sources under a folder, and what they hold but for tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository(folder)).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let place = format!("{folder}/{}", name.to_str().expect("UTF-8"));
        if place.ends_with("/tests") || place.ends_with("/tests.rs") {
            continue;
        }
        if repository(&place).is_dir() {
            found.extend(sources(&place));
        } else {
            let text = read(&place);
            let product = text.split("#[cfg(test)]\nmod tests").next();
            found.push((place, product.unwrap_or_default().to_owned()));
        }
    }
    found
}

/// The constants of a source that bound something: a number or a time.
fn bounds(source: &str) -> Vec<&str> {
    let words = source.lines().map(str::trim_start);
    let words = words.map(|line| line.strip_prefix("pub ").unwrap_or(line));
    let constants = words.filter_map(|line| line.strip_prefix("const ")?.split_once(": "));
    let kinds = ["Duration", "(Duration", "usize", "u32", "u64", "i32"];
    let bounds = constants.filter(|(_, kind)| kinds.iter().any(|k| kind.starts_with(k)));
    bounds.map(|(name, _)| name).collect()
}

#[test]
fn every_row_names_places_and_tests_that_exist() {
    for row in rows(GUARDS) {
        assert_eq!(row.len(), 5, "{row:?}");
        assert!(
            quoted(&row[1]).count() > 0 && quoted(&row[4]).count() > 0,
            "{row:?}"
        );
        for place in quoted(&row[1]) {
            assert!(repository(place).is_file(), "{place} does not exist");
        }
        tests_exist(&row[4]);
    }
}

/// Each test that a cell names, as FILE::TEST.
fn tests_exist(cell: &str) {
    for test in quoted(cell) {
        let (file, name) = test.split_once("::").expect("FILE::TEST");
        let is_there = read(file).contains(&format!("fn {name}("));
        assert!(is_there, "{file} has no test {name}");
    }
}

#[test]
fn every_threat_names_tests_that_exist() {
    let rows = rows(THREATS);
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(quoted(&row[3]).count() > 0, "{row:?}");
        tests_exist(&row[3]);
    }
}

#[test]
fn every_hold_and_every_skip_has_a_row() {
    let rows = rows(GUARDS);
    let named: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let holds = Hold::ALL.iter().map(|hold| hold.as_str());
    for word in holds.chain(Skip::ALL.iter().map(|skip| skip.as_str())) {
        assert!(named.contains(word), "{word} is missing");
    }
}

#[test]
fn every_bound_and_timeout_has_a_row() {
    let rows = rows(GUARDS);
    let mut count = 0;
    for (place, source) in ["src/decide", "src/act", "src/serve", "src/cli"]
        .into_iter()
        .flat_map(sources)
    {
        for bound in bounds(&source) {
            let names = |row: &[String]| {
                quoted(&row[0]).any(|name| name == bound) && quoted(&row[1]).any(|p| p == place)
            };
            assert!(
                rows.iter().any(|row| names(row)),
                "{bound} of {place} is missing"
            );
            count += 1;
        }
    }
    assert!(count > 30, "{count} found");
}
