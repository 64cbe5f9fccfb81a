use super::*;

fn rules() -> AlertRules {
    AlertRules {
        alert_names: vec!["KubeNodeNotReady".to_owned()],
        matches: Vec::new(),
        node_label: "node".to_owned(),
    }
}

fn one(alert: &str) -> Result<Alert, String> {
    let body = format!(r#"{{"version":"4","alerts":[{alert}]}}"#);
    let payload = read_payload(body.as_bytes()).expect("a payload");
    payload.alerts().next().expect("one alert")
}

fn reading(rules: &AlertRules, alert: &str) -> Reading {
    rules.read(&one(alert).expect("an alert"))
}

fn why_not(reading: Reading) -> String {
    match reading {
        Reading::Ignored(_, why) | Reading::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

fn bad(body: &[u8]) -> String {
    read_payload(body).expect_err("no payload").to_string()
}

#[test]
fn a_whole_notification_is_read_alert_by_alert() {
    let body = r#"{"version":"4","groupKey":"{}/{}:{}","truncatedAlerts":3,"status":"firing",
        "receiver":"node\\-fall","groupLabels":{"a":"b"},"commonLabels":{},"commonAnnotations":{},
        "externalURL":"http://x","notification_reason":"new","routeLabels":{"x":["y"]},"alerts":[
        {"status":"firing","labels":{"alertname":"KubeNodeNotReady","node":"n1"},"annotations":{},
         "startsAt":"2024-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"",
         "fingerprint":"0123456789abcdef"},
        7, null, {"status":"firing"}, {"status":"firing","labels":{"node":1}},
        {"status":"resolved","labels":{"alertname":"KubeNodeNotReady","node":"n2"},"fingerprint":"f2"}]}"#;
    let payload = read_payload(body.as_bytes()).expect("a payload");
    assert_eq!((payload.count(), payload.truncated()), (6, 3));
    let read: Vec<_> = payload
        .alerts()
        .map(|alert| alert.map(|a| rules().read(&a)))
        .collect();
    let name = |name| NodeName::parse(name).expect("a node name");
    assert_eq!(read.len(), 6);
    assert_eq!(
        read[0],
        Ok(Reading::Firing {
            node: name("n1"),
            key: "0123456789abcdef".to_owned()
        })
    );
    for (index, word) in [(1, "7"), (2, "null"), (3, "labels"), (4, "string")] {
        let why = read[index].as_ref().expect_err("a bad alert");
        assert!(why.contains(word), "{why}");
    }
    assert_eq!(
        read[5],
        Ok(Reading::Resolved {
            node: name("n2"),
            key: "f2".to_owned()
        })
    );
}

#[test]
fn what_is_no_payload_is_refused_with_the_place() {
    for (body, words) in [
        ("", "empty"),
        (" \n\t", "empty"),
        ("garbage", "line 1 column 1"),
        ("{\"alerts\":[}", "line 1 column 12"),
        ("{\n \"alerts\": [\n  {\"a\":}]}", "line 3"),
        ("{\"alerts\":[", "EOF"),
        ("[]", "expected an object"),
        ("[\"4\",[],0]", "expected an object"),
        ("null", "line 1"),
        ("\"text\"", "line 1"),
        ("4", "line 1"),
        ("{}", "missing field `alerts`"),
        (r#"{"version":"4"}"#, "missing field `alerts`"),
        (r#"{"alerts":null}"#, "expected an array of alerts"),
        (r#"{"alerts":{}}"#, "expected an array of alerts"),
        (r#"{"alerts":"x"}"#, "expected an array of alerts"),
        (r#"{"alerts":[],"alerts":[]}"#, "duplicate field"),
        (r#"{"alerts":[],"truncatedAlerts":-1}"#, "line 1"),
        (r#"{"alerts":[]} x"#, "trailing characters"),
        (
            r#"{"version":"3","alerts":[]}"#,
            "expected the string \"4\"",
        ),
        (r#"{"version":4,"alerts":[]}"#, "expected the string \"4\""),
        (
            r#"{"version":"４","alerts":[]}"#,
            "expected the string \"4\"",
        ),
        ("{\"alerts\":[\0]}", "line 1"),
        ("{\"alerts\":\"\u{1b}[2J\n\"}", "line 1"),
    ] {
        let why = bad(body.as_bytes());
        assert!(why.contains(words), "{body:?}: {why}");
        assert!(
            why.starts_with("not an Alertmanager notification: "),
            "{why}"
        );
        assert!(!why.contains(char::is_control), "{why:?}");
    }
    assert!(bad(b"{\"alerts\":[],\"receiver\":\"\xff\"}").contains("byte 26 is not UTF-8"));
    let long = format!("{{\"alerts\":\"{}\"}}", "\u{7f}".repeat(1000));
    let why = bad(long.as_bytes());
    assert!(why.len() < 400 && !why.contains(char::is_control), "{why}");
}

#[test]
fn a_payload_without_a_version_or_without_alerts_is_one() {
    for body in [
        r#"{"alerts":[]}"#,
        r#"{"version":"4","alerts":[]}"#,
        " {\"alerts\" : [ ] , \"version\" : \"4\" }\n",
        r#"{"alerts":[],"truncatedAlerts":null}"#,
    ] {
        let payload = read_payload(body.as_bytes()).expect("a payload");
        assert_eq!((payload.alerts().count(), payload.truncated()), (0, 0));
    }
}

#[test]
fn deep_nesting_and_huge_counts_cost_little() {
    let deep = format!(
        r#"{{"x":{}1{},"alerts":[]}}"#,
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    assert!(
        read_payload(deep.as_bytes()).is_ok(),
        "an unknown field is passed over"
    );
    let open = format!(r#"{{"alerts":[{}"#, "[".repeat(1_000_000));
    assert!(bad(open.as_bytes()).contains("EOF"));
    let alert = format!(
        r#"{{"status":"firing","labels":{{"node":{}{}}}}}"#,
        "{\"a\":".repeat(100_000),
        format_args!("1{}", "}".repeat(100_000))
    );
    assert!(one(&alert).expect_err("a label is text").contains("string"));

    let many = format!(r#"{{"alerts":[{}1]}}"#, "1,".repeat(MAX_ALERTS - 1));
    assert_eq!(
        read_payload(many.as_bytes())
            .expect("allowed")
            .alerts()
            .count(),
        MAX_ALERTS
    );
    let more = format!(r#"{{"alerts":[{}1]}}"#, "1,".repeat(MAX_ALERTS));
    assert!(bad(more.as_bytes()).contains("more than 20000 alerts"));
}

#[test]
fn a_bad_alert_says_what_is_wrong_in_one_short_line() {
    for (alert, words) in [
        ("[\"firing\",{}]", "object"),
        ("{}", "status"),
        (r#"{"labels":{}}"#, "status"),
        (r#"{"status":null,"labels":{}}"#, "string"),
        (r#"{"status":"firing","labels":null}"#, "map"),
        (r#"{"status":"firing","labels":[]}"#, "map"),
        (r#"{"status":"firing","labels":{"node":null}}"#, "string"),
        (
            r#"{"status":"firing","labels":{},"fingerprint":7}"#,
            "string",
        ),
        (
            r#"{"status":"firing","labels":{"node":"\ud800"}}"#,
            "hex escape",
        ),
    ] {
        let why = one(alert).expect_err("a bad alert");
        assert!(why.contains(words), "{alert}: {why}");
    }
    let huge = format!(r#""{}\n""#, "x".repeat(100_000));
    let why = one(&huge).expect_err("a bad alert");
    assert!(why.len() < 200 && !why.contains(char::is_control), "{why}");
    let huge = format!(
        r#"{{"status":"firing","labels":"{}\u001b"}}"#,
        "x".repeat(100_000)
    );
    let why = one(&huge).expect_err("a bad alert");
    assert!(why.len() < 400 && !why.contains(char::is_control), "{why}");
    assert!(why.contains("line 1 column"), "{why}");
}

#[test]
fn other_alerts_are_ignored_and_the_reason_names_the_label() {
    let mut rules = rules();
    for (alert, words, reason) in [
        (
            r#"{"status":"firing","labels":{"node":"a"}}"#,
            r#"alertname """#,
            Ignored::AlertName,
        ),
        (
            r#"{"status":"firing","labels":{"alertname":"Watchdog"}}"#,
            "Watchdog",
            Ignored::AlertName,
        ),
        (
            r#"{"status":"firing","labels":{"alertname":"kubenodenotready"}}"#,
            "kubenodenotready",
            Ignored::AlertName,
        ),
        (
            r#"{"status":"suppressed","labels":{"alertname":"KubeNodeNotReady"}}"#,
            "suppressed",
            Ignored::Status,
        ),
        (
            r#"{"status":"Firing","labels":{"alertname":"KubeNodeNotReady"}}"#,
            "Firing",
            Ignored::Status,
        ),
        (r#"{"status":"","labels":{}}"#, r#""""#, Ignored::Status),
    ] {
        let read = reading(&rules, alert);
        assert!(
            matches!(&read, Reading::Ignored(is, why) if *is == reason && why.contains(words)),
            "{read:?}"
        );
    }
    rules.matches = vec![
        ("cluster".to_owned(), "east".to_owned()),
        ("env".to_owned(), "prod".to_owned()),
    ];
    let alert = |labels: &str| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"KubeNodeNotReady","node":"a"{labels}}}}}"#
        )
    };
    for (labels, words, reason) in [
        (
            "",
            r#"label "cluster" is "", and --match wants "east""#,
            Ignored::NoLabel,
        ),
        (
            r#","cluster":"west","env":"prod""#,
            r#"label "cluster" is "west""#,
            Ignored::OtherLabel,
        ),
        (r#","cluster":"east""#, r#"label "env""#, Ignored::NoLabel),
        (
            r#","cluster":"east","env":"prod2""#,
            r#"label "env" is "prod2""#,
            Ignored::OtherLabel,
        ),
    ] {
        let read = reading(&rules, &alert(labels));
        assert!(
            matches!(&read, Reading::Ignored(is, why) if *is == reason && why.contains(words)),
            "{read:?}"
        );
    }
    let read = reading(&rules, &alert(r#","cluster":"east","env":"prod""#));
    assert!(matches!(read, Reading::Firing { .. }), "{read:?}");
}

#[test]
fn a_node_that_could_not_be_one_is_refused() {
    let mut rules = rules();
    for node in [
        "",
        "../pods",
        "a/b",
        "A",
        "a\\u0000",
        "a\\n",
        "nоde",
        "\\u001b[31m",
        "a b",
        ".",
    ] {
        let alert = format!(
            r#"{{"status":"firing","labels":{{"alertname":"KubeNodeNotReady","node":"{node}"}}}}"#
        );
        let read = reading(&rules, &alert);
        assert!(matches!(read, Reading::Refused(_)), "{node}: {read:?}");
        let why = why_not(read);
        assert!(
            why.contains("label \"node\"") && !why.contains(char::is_control),
            "{why:?}"
        );
    }
    let huge = format!(
        r#"{{"status":"resolved","labels":{{"alertname":"KubeNodeNotReady","node":"{}"}}}}"#,
        "a".repeat(1_000_000)
    );
    assert!(why_not(reading(&rules, &huge)).len() < 200);

    rules.node_label = "exported_node".to_owned();
    let read = reading(
        &rules,
        r#"{"status":"firing","labels":{"alertname":"KubeNodeNotReady","node":"a"}}"#,
    );
    assert!(
        matches!(&read, Reading::Refused(why) if why.contains("exported_node")),
        "{read:?}"
    );
}

#[test]
fn the_key_is_the_fingerprint_or_else_what_alertmanager_would_compute() {
    let key = |fingerprint: &str| {
        let alert = format!(
            r#"{{"status":"firing","labels":{{"alertname":"KubeNodeNotReady","node":"a"}}{fingerprint}}}"#
        );
        match reading(&rules(), &alert) {
            Reading::Firing { key, .. } => key,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(key(r#","fingerprint":"abc""#), "abc");
    let computed = key("");
    assert_eq!(computed.len(), 16);
    for odd in ["", "a b", "a\\n", "ä", &"f".repeat(65)] {
        assert_eq!(
            key(&format!(r#","fingerprint":"{odd}""#)),
            computed,
            "{odd:?}"
        );
    }
    assert_eq!(key(r#","fingerprint":null"#), computed);

    // The vectors of prometheus/common, model/signature_test.go.
    let labels = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        fingerprint(&labels(&[])),
        format!("{:016x}", 14_695_981_039_346_656_037_u64)
    );
    assert_eq!(
        fingerprint(&labels(&[
            ("name", "garland, briggs"),
            ("fear", "love is not enough")
        ])),
        format!("{:016x}", 5_799_056_148_416_392_346_u64)
    );
}
