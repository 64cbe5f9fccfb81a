//! The route to Nodefall, asked of `amtool` and read from the file.

use super::*;
use nodefall_testbed::process::Scratch;

#[test]
fn configuration_is_valid() {
    run("amtool", &["check-config", CONFIGURATION]);
}

#[test]
fn only_nodefall_gets_our_alert() {
    assert_eq!(receivers(&our_alert()), "nodefall");
    let mut of_a_cluster = our_alert();
    of_a_cluster.insert("cluster".to_owned(), "prod".to_owned());
    assert_eq!(receivers(&of_a_cluster), "nodefall");
}

#[test]
fn people_get_everything_else() {
    let stock = [
        ("alertname", "KubeNodeNotReady"),
        ("node", "n"),
        ("severity", "warning"),
    ];
    let others: [&[(&str, &str)]; 5] = [
        &stock,
        &[
            ("alertname", "KubeNodeUnreachable"),
            ("node", "n"),
            ("severity", "warning"),
        ],
        &[("alertname", "KubeNodeReadinessFlapping"), ("node", "n")],
        &[("alertname", "Watchdog"), ("remediation", "nodefall")],
        &[
            ("alertname", "KubeNodeNotReady"),
            ("node", "n"),
            ("remediation", "other"),
        ],
    ];
    for alert in others {
        assert_eq!(receivers(&labels(alert)), "people", "{alert:?}");
    }
}

#[test]
fn route_is_first_and_quick() {
    let configuration = yaml(CONFIGURATION);
    let route = &configuration["route"]["routes"][0];
    assert_eq!(route["receiver"], "nodefall");
    assert_eq!(texts(&route["group_by"]), ["alertname", "cluster", "node"]);
    assert_eq!(route["group_wait"], "0s");
    assert_eq!(route["group_interval"], "30s");
    assert_eq!(route["repeat_interval"], "5m");
    assert_eq!(route["continue"], false);
}

#[test]
fn webhook_reaches_the_service_and_hears_of_the_end() {
    let configuration = yaml(CONFIGURATION);
    let receiver = array(&configuration["receivers"])
        .iter()
        .find(|receiver| receiver["name"] == "nodefall")
        .expect("a receiver named nodefall");
    assert_eq!(
        receiver["webhook_configs"],
        json!([{
            "url": format!("http://nodefall.monitoring.svc:{PORT}/webhook"),
            "send_resolved": true,
        }])
    );
}

/// An inhibited alert vanishes without a word, and the recovery with it.
#[test]
fn nothing_inhibits_our_alert() {
    for rule in array(&yaml(CONFIGURATION)["inhibit_rules"]) {
        let targets = texts(&rule["target_matchers"]);
        assert!(targets.contains(&r#"remediation != "nodefall""#), "{rule}");
    }
    // kube-prometheus' own rules inhibit `info`, and let `critical` inhibit the stock alert.
    assert_eq!(our_alert()["severity"], "warning");
}

/// The route and the receiver that the README gives to copy are those of the configuration.
#[test]
fn readme_says_the_same() {
    let readme = read("alertmanager/README.md");
    let snippets: Vec<Value> = readme
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .map(|snippet| serde_saphyr::from_str(snippet).expect("a YAML snippet"))
        .collect();
    let mut configuration = yaml(CONFIGURATION);
    let route = configuration["route"]["routes"][0]
        .as_object_mut()
        .expect("a route");
    assert_eq!(
        route.remove("continue"),
        Some(json!(false)),
        "the default, left out there"
    );
    let expected = [
        json!([configuration["route"]["routes"][0]]),
        json!([configuration["receivers"][1]]),
    ];
    assert_eq!(snippets[..2], expected);
    // Those with credentials are receivers that take the other one's place, and amtool knows them.
    assert_eq!(snippets.len(), 5);
    for (index, snippet) in snippets[2..].iter().enumerate() {
        let webhook = &snippet[0]["webhook_configs"][0];
        assert_eq!(snippet[0]["name"], "nodefall");
        assert_eq!(webhook["send_resolved"], true);
        let url = format!("https://nodefall.monitoring.svc:{PORT}/webhook");
        assert_eq!(webhook["url"], url);
        let mut configuration = yaml(CONFIGURATION);
        configuration["receivers"][1] = snippet[0].clone();
        let scratch = Scratch::new();
        let text = configuration.to_string();
        let path = scratch.write(&format!("with-credentials-{index}.yml"), &text);
        run("amtool", &["check-config".as_ref(), path.as_os_str()]);
    }
}
