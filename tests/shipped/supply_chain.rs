//! What the program is made of is asked for, and told. What the dependencies are, `.ci/deny` checks; that
//! the binary lists them, `.ci/sbom`.

use super::*;

/// The lines that name a dependency in a manifest, each with the line before it.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let text = read(manifest);
    let mut found = Vec::new();
    let (mut within, mut before) = (false, "");
    for line in text.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]");
        } else if within && line.contains(" = ") && !line.starts_with('#') {
            found.push((before.to_owned(), line.to_owned()));
        }
        before = line;
    }
    assert!(!found.is_empty(), "{manifest}");
    found
}

#[test]
fn every_dependency_says_why_it_is_there() {
    for manifest in ["Cargo.toml", "tests/cluster/Cargo.toml"] {
        for (before, dependency) in dependencies(manifest) {
            assert!(before.starts_with("# "), "{manifest}: {dependency}");
        }
    }
}

/// One crypto provider, no second versions but with a reason, nothing from elsewhere.
#[test]
fn the_build_asks_for_its_dependencies_and_lists_them() {
    let rules = read("deny.toml");
    for rule in [
        "multiple-versions = \"deny\"",
        "wildcards = \"deny\"",
        "{ crate = \"aws-lc-rs\", ",
        "{ crate = \"openssl\", ",
        "unknown-registry = \"deny\"",
        "unknown-git = \"deny\"",
    ] {
        assert!(rules.contains(rule), "{rule}");
    }
    let exceptions = rules.lines().filter(|line| line.contains("{ crate = "));
    for exception in exceptions {
        let has_reason = exception.contains("reason = \"") || exception.contains("allow = [");
        assert!(has_reason, "{exception}");
    }
    let locked = read("Cargo.lock");
    for banned in [
        "aws-lc-rs",
        "aws-lc-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
    ] {
        assert!(
            !locked.contains(&format!("name = \"{banned}\"\n")),
            "{banned}"
        );
    }
    assert!(read(".ci/run").contains(".ci/deny"));
    let makefile = read("Makefile");
    assert!(makefile.contains("cargo auditable build --release --locked"));
    assert!(makefile.contains(".ci/sbom target/$(TARGET)/release/nodefall"));
    assert!(read("Dockerfile").contains("nodefall.io/sbom=\"/nodefall: section .dep-v0"));
}
