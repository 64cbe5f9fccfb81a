use super::*;
use crate::decide::MaxUnreachable;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// A command line that is good by itself.
const GOOD: [&str; 4] = ["nodefall", "run", "--pod", "monitoring/x"];

fn parse_text(args: &[&str]) -> Result<Command, UsageError> {
    parse(args.iter().map(OsString::from))
}

fn run(more: &[&str]) -> RunOptions {
    match parse_text(&[&GOOD, more].concat()) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{more:?}: {other:?}"),
    }
}

/// The line that refuses these arguments.
fn refused(args: &[&str]) -> String {
    let line = match parse_text(args) {
        Err(error) => error.to_string(),
        Ok(accepted) => panic!("{args:?} was accepted: {accepted:?}"),
    };
    assert!(
        !line.contains(char::is_control),
        "more than a line: {line:?}"
    );
    assert!(line.len() < 400, "too long: {line}");
    line
}

fn text(args: &[&str]) -> String {
    match parse_text(args) {
        Ok(Command::Print(text)) => text,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let options = run(&[]);
    let settings = &options.settings;
    assert_eq!(options.kubeconfig, None);
    assert_eq!(settings.alerts.alert_names, ["KubeNodeNotReady"]);
    assert!(settings.alerts.matches.is_empty());
    assert_eq!(settings.alerts.node_label, "node");
    assert_eq!(settings.max_unreachable, MaxUnreachable::Percent(49));
    assert_eq!(settings.period, Some(Duration::from_secs(60)));
    assert_eq!(settings.unreachable_for, None);
    assert_eq!(settings.limits.delete_timeout, Duration::from_secs(10));
    assert_eq!(settings.limits.patch_interval, Duration::from_millis(500));
    assert_eq!(settings.limits.patch_timeout, Duration::from_secs(10));
    assert!(!settings.dry_run);
    assert_eq!(options.listen, [ListenAddress::Every(9095)]);
    assert_eq!(options.web_config, None);
    assert!(options.health_listen.is_empty());
    assert_eq!(
        options.log,
        LogOptions {
            format: LogFormat::Text,
            level: LogLevel::Info
        }
    );
    let options = match parse_text(&["nodefall", "run", "--prometheus-name", "p"]) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{other:?}"),
    };
    assert_eq!(options.settings.namespaces(), ["kube-system"]);
}

#[test]
fn every_option_is_read() {
    let options = run(&[
        "--kubeconfig=/tmp/k",
        "--namespace=mon",
        "--prometheus-name=p1,p2",
        "--prometheus-name",
        "p3",
        "--alertmanager-name=a-*",
        "--pod=x/y?,z/w",
        "--alert-name=A,B",
        "--alert-name=C",
        "--match=cluster=east",
        "--match=env=a,b",
        "--node-label=exported_node",
        "--period=5s",
        "--unreachable-for=0s",
        "--max-unreachable=3",
        "--dry-run",
        "--delete-timeout=1s",
        "--patch-interval=100ms",
        "--patch-timeout=0",
        "--web.listen-address=127.0.0.1:1",
        "--web.listen-address=:2",
        "--web.config.file=/etc/nodefall/web.yml",
        "--web.health-listen-address=:3",
        "--web.health-listen-address=[::1]:4",
        "--log-format=json",
        "--log-level=debug",
    ]);
    let settings = &options.settings;
    let names: Vec<_> = settings
        .selectors
        .iter()
        .map(|s| (s.namespace(), s.name()))
        .collect();
    assert_eq!(
        names,
        [
            ("mon", "p1"),
            ("mon", "p2"),
            ("mon", "p3"),
            ("mon", "a-*"),
            ("monitoring", "x"),
            ("x", "y?"),
            ("z", "w"),
        ]
    );
    assert_eq!(options.kubeconfig, Some(PathBuf::from("/tmp/k")));
    assert_eq!(
        settings.alerts.alert_names,
        ["A,B", "C"],
        "an alert's name may have commas"
    );
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        settings.alerts.matches,
        [pair("cluster", "east"), pair("env", "a,b")]
    );
    assert_eq!(settings.alerts.node_label, "exported_node");
    assert_eq!(settings.period, Some(Duration::from_secs(5)));
    assert_eq!(settings.unreachable_for, Some(Duration::ZERO));
    assert_eq!(settings.max_unreachable, MaxUnreachable::Nodes(3));
    assert!(settings.dry_run);
    assert_eq!(settings.limits.delete_timeout, Duration::from_secs(1));
    assert_eq!(settings.limits.patch_interval, Duration::from_millis(100));
    assert_eq!(settings.limits.patch_timeout, Duration::ZERO);
    let listen: Vec<_> = options.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:1", ":2"]);
    assert_eq!(
        options.web_config,
        Some(PathBuf::from("/etc/nodefall/web.yml"))
    );
    let health: Vec<_> = options
        .health_listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(health, [":3", "[::1]:4"]);
    assert_eq!(
        options.log,
        LogOptions {
            format: LogFormat::Json,
            level: LogLevel::Debug
        }
    );
    assert_eq!(run(&["--period=0"]).settings.period, None);
}

#[test]
fn a_bad_value_names_the_option_the_value_and_what_is_expected() {
    let huge = "x".repeat(100_000);
    for (option, bad, expected) in [
        (
            "--namespace",
            &["", "A", "a.b", "a/b", "mоnitoring", "a\n"][..],
            "a namespace's name",
        ),
        (
            "--prometheus-name",
            &["", "A", "a,", ",a", "a,,b", "a b", "a\0", "рrometheus"],
            "pattern",
        ),
        (
            "--alertmanager-name",
            &["", "a/b", "[a]", "a\u{1b}[31m", "а"],
            "pattern",
        ),
        (
            "--pod",
            &[
                "", "a", "/", "a/", "/a", "*/a", "a/b/c", "a/B", "a/b,", "a／b",
            ],
            "NAMESPACE/NAME",
        ),
        (
            "--alert-name",
            &["", "a\n", "\u{1b}[2J", "\0"],
            "a label's value",
        ),
        (
            "--match",
            &["", "a", "a=", "=b", "1a=b", "a=b\n", "clustеr=east"],
            "LABEL=VALUE",
        ),
        (
            "--node-label",
            &["", "1a", "a-b", "nоde", "a\n", "a=b"],
            "a label's name",
        ),
        (
            "--period",
            &["", "60", "1d", "-1s", "999ms", "1M", "１m"],
            "a duration",
        ),
        (
            "--unreachable-for",
            &["", "60", "never", "-1s", "1ѕ", "1h\n"],
            "a duration like 90s",
        ),
        (
            "--max-unreachable",
            &["", "101%", "-1", "half", "49.5%", "49％"],
            "percentage",
        ),
        (
            "--delete-timeout",
            &["", "10", "999ms", "0", "1s1s"],
            "a duration",
        ),
        ("--patch-interval", &["", "500", "99ms", "0"], "a duration"),
        ("--patch-timeout", &["", "10", "1 s"], "a duration like 90s"),
        (
            "--web.listen-address",
            &["", "9095", "localhost:1", ":70000", "::1:80"],
            ":9095",
        ),
        (
            "--web.health-listen-address",
            &["", "9096", "localhost:1"],
            ":9095",
        ),
        (
            "--log-format",
            &["", "JSON", "logfmt", "text\n", "tехt"],
            "text, json",
        ),
        (
            "--log-level",
            &["", "verbose", "INFO", "5"],
            "error, warn, info, debug, trace",
        ),
    ] {
        for bad in bad.iter().copied().chain([huge.as_str()]) {
            if bad == huge && matches!(option, "--prometheus-name" | "--alertmanager-name") {
                continue; // a pod's name of x only; its length is the next test's
            }
            let line = refused(&[&GOOD[..], &[&format!("{option}={bad}")]].concat());
            assert!(line.starts_with(option), "{option}={bad:?}: {line}");
            assert!(line.contains(expected), "{option}={bad:?}: {line}");
        }
    }
    for option in ["--prometheus-name", "--alertmanager-name"] {
        let line = refused(&[&GOOD[..], &[option, &huge]].concat());
        assert!(line.starts_with(option) && line.contains('…'), "{line}");
    }
    let line = refused(&[&GOOD[..], &["--period", "1\u{1b}[31m"]].concat());
    assert!(line.contains(r#""1\u{1b}[31m""#), "{line}");
}

#[test]
fn without_a_name_it_does_not_run() {
    let line = refused(&["nodefall", "run"]);
    assert!(
        line.contains("--prometheus-name") && line.contains("--pod"),
        "{line}"
    );
    refused(&["nodefall", "run", "--namespace", "monitoring", "--dry-run"]);
}

#[test]
fn one_label_cannot_have_two_values() {
    let line = refused(&[&GOOD[..], &["--match=a=b", "--match=a=c"]].concat());
    assert!(line.contains("--match: label a is given twice"), "{line}");
}

#[test]
fn other_mistakes_are_one_line_too() {
    for (args, words) in [
        (
            &["nodefall", "run", "--nonsense"][..],
            "\"--nonsense\" is no option",
        ),
        (&["nodefall", "--nonsense"], "\"--nonsense\" is no option"),
        (&["nodefall", "run", "-x"], "\"-x\" is no option"),
        (&["nodefall", "run", "word"], "\"word\" is no option"),
        (
            &["nodefall", "run", "--perio", "1m"],
            "\"--perio\" is no option",
        ),
        (&["nodefall", "run", "–-period", "1m"], "is no option"),
        (&["nodefall", "run", "--\u{1b}[2J\n"], "is no option"),
        (
            &["nodefall", "run", "--period"],
            "--period: a value is missing",
        ),
        (
            &["nodefall", "run", "--pod", "--period", "1m"],
            "--pod: a value is missing",
        ),
        (
            &["nodefall", "run", "--log-level"],
            "--log-level: \"\" is not valid",
        ),
        (
            &["nodefall", "run", "--period", "1m", "--period", "2m"],
            "--period is given twice",
        ),
        (
            &["nodefall", "run", "--dry-run", "--dry-run"],
            "--dry-run is given twice",
        ),
        (
            &["nodefall", "run", "--dry-run=true"],
            "--dry-run takes no value, and \"true\"",
        ),
        (
            &["nodefall", "walk"],
            "\"walk\" is no command, expected run or demo",
        ),
        (&["nodefall", "Run"], "\"Run\" is no command"),
        (&["nodefall", ""], "\"\" is no command"),
        (&["nodefall", "help"], "\"help\" is no command"),
        (&["nodefall", "\u{1b}[2J"], r#""\u{1b}[2J" is no command"#),
    ] {
        let line = refused(args);
        assert!(line.contains(words), "{args:?}: {line}");
    }
    refused(&["nodefall", &"x".repeat(1_000_000)]);
    refused(&["nodefall", "run", &format!("--{}", "x".repeat(1_000_000))]);
}

#[test]
fn what_is_not_utf8_is_refused() {
    let broken = |prefix: &str| OsString::from_vec([prefix.as_bytes(), b"\xff"].concat());
    for args in [
        vec![broken("")],
        vec!["run".into(), broken("")],
        vec!["run".into(), broken("--")],
        vec!["run".into(), broken("--period=")],
        vec!["run".into(), broken("--pod=a/")],
        vec![
            "run".into(),
            "--pod=a/b".into(),
            "--log-level".into(),
            broken(""),
        ],
    ] {
        let error = parse([OsString::from("nodefall")].into_iter().chain(args.clone()));
        let line = error.expect_err("not UTF-8").to_string();
        assert!(
            !line.contains(char::is_control) && line.len() < 400,
            "{args:?}: {line:?}"
        );
    }
    // A path need not be UTF-8.
    let path = ["nodefall", "run", "--pod=a/b"].map(OsString::from);
    assert!(parse(path.into_iter().chain([broken("--kubeconfig=/k")])).is_ok());
}

#[test]
fn no_command_prints_the_help() {
    assert_eq!(text(&["nodefall"]), text(&["nodefall", "-h"]));
    let help = text(&["nodefall", "--help"]);
    assert!(help.contains("run") && help.contains("Example:"), "{help}");
}

#[test]
fn the_help_names_every_option_with_its_default() {
    let help = text(&["nodefall", "run", "--help"]);
    for (option, default) in [
        ("--kubeconfig <PATH>", ""),
        ("--namespace <NS>", "kube-system"),
        ("--prometheus-name <NAME>", ""),
        ("--alertmanager-name <NAME>", ""),
        ("--pod <NAMESPACE/NAME>", ""),
        ("--period <DURATION>", "1m"),
        ("--unreachable-for <DURATION>", ""),
        ("--alert-name <NAME>", "KubeNodeNotReady"),
        ("--match <LABEL=VALUE>", ""),
        ("--node-label <LABEL>", "node"),
        ("--max-unreachable <N|N%>", "49%"),
        ("--delete-timeout <DURATION>", "10s"),
        ("--patch-interval <DURATION>", "500ms"),
        ("--patch-timeout <DURATION>", "10s"),
        ("--dry-run", ""),
        ("--web.listen-address <ADDR>", ":9095"),
        ("--log-format <FORMAT>", "text"),
        ("--log-level <LEVEL>", "info"),
    ] {
        let (_, after) = help
            .split_once(option)
            .unwrap_or_else(|| panic!("{option}\n{help}"));
        let own = after.split("\n      --").next().expect("its own text");
        assert!(
            own.contains(&format!("[default: {default}]")) || default.is_empty(),
            "{option}"
        );
    }
    assert!(help.contains("Example:"), "{help}");
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
}

#[test]
fn the_version_names_the_revision() {
    for flag in ["--version", "-V"] {
        let expected = format!(
            "nodefall {} (revision {})\n",
            crate::VERSION,
            crate::REVISION
        );
        assert_eq!(text(&["nodefall", flag]), expected);
    }
}

#[cfg(not(feature = "demo"))]
#[test]
fn demo_says_that_this_binary_lacks_it() {
    for args in [&["nodefall", "demo"][..], &["nodefall", "demo", "--once"]] {
        assert!(refused(args).contains("demo: this binary was built without it"));
    }
}

#[cfg(feature = "demo")]
#[test]
fn demo_has_its_own_options() {
    let demo = |more: &[&str]| match parse_text(&[&["nodefall", "demo"], more].concat()) {
        Ok(Command::Demo(options)) => options,
        other => panic!("{more:?}: {other:?}"),
    };
    let options = demo(&[]);
    assert!(!options.once && !options.manual);
    assert_eq!(options.listen.to_string(), "127.0.0.1:9095");
    assert!(demo(&["--once"]).once);
    assert!(demo(&["--manual", "--web.listen-address=:1"]).manual);
    let line = refused(&["nodefall", "demo", "--once", "--manual"]);
    assert!(
        line.contains("--once") && line.contains("--manual"),
        "{line}"
    );
    refused(&["nodefall", "demo", "--web.listen-address", "here"]);
}
