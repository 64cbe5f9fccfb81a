//! Every option with values that nobody should give it: each is taken for what it says, or refused in
//! one line that names the option.

use super::args::Cli;
use super::*;
use clap::CommandFactory;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The values, by what they are called in [`ROWS`].
fn odd_values() -> Vec<(&'static str, OsString)> {
    let text = |name, value: &str| (name, OsString::from(value));
    let bytes = |name, value: &[u8]| (name, OsString::from_vec(value.to_vec()));
    vec![
        text("empty", ""),
        text("blank", " "),
        text("letters", &"x".repeat(100_000)),
        text("megabyte", &"x".repeat(1_000_000)),
        text("digits", &"9".repeat(100_000)),
        text("emoji", &"\u{1f4a5}".repeat(25_000)),
        bytes("not UTF-8", b"x\xff"),
        bytes("half a character", b"\xd0"),
        bytes("surrogate", b"\xed\xa0\x80"),
        text("nul", "x\0"),
        text("line feed", "x\ny"),
        text("carriage return", "x\ry"),
        text("escape", "x\u{1b}[2J"),
        text("C1", "x\u{9b}2J"),
        text("parent folders", "../../etc/passwd"),
        text("absolute path", "/etc/passwd"),
        text("a/b", "a/b"),
        text("dots", ".."),
        text("escaped dots", "%2e%2e"),
        text("escaped slash", "a%2fb"),
        text("query", "a?b=c"),
        text("fragment", "a#b"),
        text("Cyrillic", "nоde"),
        text("full-width", "１"),
        text("Arabic digit", "٤"),
        text("joiner", "no\u{200d}de"),
        text("right to left", "no\u{202e}de"),
        text("dash", "a‑b"),
        text("combining", "node\u{301}"),
        text("byte order mark", "\u{feff}node"),
        text("option", "--dry-run"),
    ]
}

/// An option with something before and after the value, the values that it takes, and whether they
/// came to mean what they say.
type Row = (
    &'static str,
    [&'static str; 2],
    &'static [&'static str],
    fn(&RunOptions, &OsStr) -> bool,
);

/// A label's value may be any short text.
const LABELS: &[&str] = &[
    "blank",
    "parent folders",
    "absolute path",
    "a/b",
    "dots",
    "escaped dots",
    "escaped slash",
    "query",
    "fragment",
    "Cyrillic",
    "full-width",
    "Arabic digit",
    "joiner",
    "right to left",
    "dash",
    "combining",
    "byte order mark",
    "option",
];
const ANY_PATH: &[&str] = &[
    "blank",
    "letters",
    "megabyte",
    "digits",
    "emoji",
    "not UTF-8",
    "half a character",
    "surrogate",
    "nul",
    "line feed",
    "carriage return",
    "escape",
    "C1",
    "parent folders",
    "absolute path",
    "a/b",
    "dots",
    "escaped dots",
    "escaped slash",
    "query",
    "fragment",
    "Cyrillic",
    "full-width",
    "Arabic digit",
    "joiner",
    "right to left",
    "dash",
    "combining",
    "byte order mark",
    "option",
];

fn refused(_: &RunOptions, _: &OsStr) -> bool {
    false
}

const ROWS: &[Row] = &[
    ("--kubeconfig", ["", ""], ANY_PATH, |o, v| {
        o.kubeconfig.as_deref() == Some(v.as_ref())
    }),
    ("--namespace", ["", ""], &[], refused),
    ("--prometheus-name", ["", ""], &[], refused),
    ("--alertmanager-name", ["", ""], &[], refused),
    ("--pod", ["", ""], &["a/b"], |o, _| {
        is_last_selector(o, "a", "b")
    }),
    ("--pod", ["", "/x"], &[], refused),
    ("--pod", ["monitoring/", ""], &[], refused),
    ("--alert-name", ["", ""], LABELS, |o, v| {
        o.settings.alerts.alert_names == [v.to_str().unwrap()]
    }),
    ("--match", ["", ""], &[], refused),
    ("--match", ["", "=east"], &[], refused),
    ("--match", ["cluster=", ""], LABELS, |o, v| {
        let (label, value) = &o.settings.alerts.matches[0];
        label == "cluster" && OsStr::new(value) == v
    }),
    ("--node-label", ["", ""], &[], refused),
    ("--period", ["", ""], &[], refused),
    ("--period", ["", "s"], &[], refused),
    ("--unreachable-for", ["", ""], &[], refused),
    ("--unreachable-for", ["", "s"], &[], refused),
    ("--max-unreachable", ["", ""], &[], refused),
    ("--max-unreachable", ["", "%"], &[], refused),
    ("--delete-timeout", ["", ""], &[], refused),
    ("--delete-timeout", ["1", ""], &[], refused),
    ("--patch-interval", ["", ""], &[], refused),
    ("--patch-interval", ["", "ms"], &[], refused),
    ("--patch-timeout", ["", ""], &[], refused),
    ("--patch-timeout", ["", "m"], &[], refused),
    ("--dry-run", ["", ""], &[], refused),
    ("--web.listen-address", ["", ""], &[], refused),
    ("--web.listen-address", [":", ""], &[], refused),
    ("--web.listen-address", ["", ":9095"], &["empty"], |o, _| {
        o.listen == [ListenAddress::Every(9095)]
    }),
    ("--web.config.file", ["", ""], ANY_PATH, |o, v| {
        o.web_config.as_deref() == Some(v.as_ref())
    }),
    ("--web.health-listen-address", ["", ""], &[], refused),
    (
        "--web.health-listen-address",
        ["127.0.0.1:", ""],
        &[],
        refused,
    ),
    ("--log-format", ["", ""], &[], refused),
    ("--log-level", ["", ""], &[], refused),
    ("--help", ["", ""], &[], refused),
];

fn is_last_selector(options: &RunOptions, namespace: &str, name: &str) -> bool {
    let last = options.settings.selectors.last();
    last.is_some_and(|s| s.namespace() == namespace && s.name() == name)
}

#[test]
fn every_option_takes_an_odd_value_for_what_it_says_or_refuses_it_by_name() {
    for (option, [before, after], takes, means) in ROWS {
        for (name, value) in odd_values() {
            let whole = [before.as_bytes(), value.as_bytes(), after.as_bytes()].concat();
            let joined = [option.as_bytes(), b"=", &whole].concat();
            let args = ["nodefall", "run", "--pod=monitoring/x"].map(OsString::from);
            let args = args.into_iter().chain([OsString::from_vec(joined)]);
            let said = format!("{option}={before}({name}){after}");
            match parse(args) {
                Ok(Command::Run(options)) => {
                    assert!(takes.contains(&name), "{said} was taken");
                    assert!(means(&options, &value), "{said} means something else");
                }
                Ok(other) => panic!("{said}: {other:?}"),
                Err(error) => {
                    let line = error.to_string();
                    assert!(!takes.contains(&name), "{said}: {line}");
                    assert!(line.starts_with(option), "{said}: {line}");
                    assert!(!line.contains(is_hidden), "{said}: {line:?}");
                    assert!(line.len() < 1000, "{said}: {line}");
                }
            }
        }
    }
}

/// What a terminal would obey, or not show.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200d}' | '\u{202e}' | '\u{feff}')
}

#[test]
fn no_option_is_without_a_row() {
    let command = Cli::command();
    let run = command.find_subcommand("run").expect("the command run");
    let options = run.get_arguments().filter_map(clap::Arg::get_long);
    let options: BTreeSet<_> = options.map(|long| format!("--{long}")).collect();
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|(option, ..)| (*option).to_owned())
        .collect();
    assert_eq!(rows, options);
}
