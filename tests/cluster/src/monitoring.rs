//! A real Prometheus and a real Alertmanager, with the shipped rule and configuration.

use crate::http;
use crate::process::{Process, Scratch};
use crate::tools::{repository, run, tool};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;

/// Where the shipped Alertmanager configuration finds the receiver.
const SHIPPED: &str = "http://nodefall.monitoring.svc:9095";

/// What Prometheus scrapes, and how often; the job names are those of kube-prometheus.
pub struct Targets {
    /// kube-state-metrics, or what stands in for it.
    pub state_metrics: SocketAddr,
    /// Nodefall.
    pub receiver: SocketAddr,
    /// Written as Prometheus writes it.
    pub scrape_interval: &'static str,
}

/// How both call Nodefall, in their own words: fields of YAML in braces.
pub struct Access {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Alertmanager's `http_config`.
    pub http_config: String,
    /// Of Prometheus' scrape, what stands beside the scheme: `, basic_auth: {...}`.
    pub scrape: String,
}

impl Access {
    /// Without credentials, in plain HTTP.
    pub fn open() -> Self {
        Self {
            scheme: "http",
            http_config: "{}".to_owned(),
            scrape: String::new(),
        }
    }
}

/// A Prometheus, running.
pub struct Prometheus {
    address: SocketAddr,
    _process: Process,
}

impl Prometheus {
    /// Starts it with this configuration.
    ///
    /// # Panics
    /// When it is missing or does not start.
    pub fn start(scratch: &Scratch, config: &str) -> Self {
        let config = scratch.write("prometheus.yml", config);
        run(
            "promtool",
            &["check".as_ref(), "config".as_ref(), config.as_os_str()],
        );
        let mut process = Process::start(
            scratch,
            "prometheus",
            Command::new(tool("prometheus"))
                .arg("--config.file")
                .arg(config)
                .arg("--storage.tsdb.path")
                .arg(scratch.path("prometheus"))
                .arg("--web.listen-address=127.0.0.1:0"),
        );
        Self {
            address: process.listens("Listening on"),
            _process: process,
        }
    }

    /// The value of the one series that `query` finds.
    ///
    /// # Panics
    /// When it finds several.
    pub fn query(&self, query: &str) -> Option<f64> {
        let path = format!("/api/v1/query?query={}", escaped(query));
        let series = self.read(&path)?["data"]["result"].as_array()?.clone();
        assert!(series.len() <= 1, "{query}: {series:?}");
        series.first()?["value"][1].as_str()?.parse().ok()
    }

    /// The alerts that fire or may soon, each with its labels and its state.
    pub fn alerts(&self) -> Option<Vec<Value>> {
        self.read("/api/v1/alerts")?["data"]["alerts"]
            .as_array()
            .cloned()
    }

    /// A page of its API; none while it starts.
    fn read(&self, path: &str) -> Option<Value> {
        let answer = http::get(self.address, path).ok()?;
        (answer.status == 200).then(|| answer.json())
    }
}

/// Both, running.
pub struct Stack {
    prometheus: Prometheus,
    alertmanager: SocketAddr,
    _process: Process,
}

impl Stack {
    /// Starts both; only addresses differ from what is shipped.
    ///
    /// # Panics
    /// When one is missing or does not start.
    pub fn start(scratch: &Scratch, targets: &Targets) -> Self {
        Self::start_with(scratch, targets, &Access::open())
    }

    /// The same with credentials.
    pub fn start_with(scratch: &Scratch, targets: &Targets, access: &Access) -> Self {
        let shipped = std::fs::read_to_string(repository("alertmanager/alertmanager.yml"));
        let shipped = shipped.expect("the shipped configuration");
        let (scheme, http_config) = (access.scheme, &access.http_config);
        let here = format!(
            "http_config: {http_config}\n        url: {scheme}://{}",
            targets.receiver
        );
        let there = format!("url: {SHIPPED}");
        assert_eq!(shipped.matches(&there).count(), 1);
        let config = scratch.write("alertmanager.yml", &shipped.replace(&there, &here));
        run("amtool", &["check-config".as_ref(), config.as_os_str()]);
        let mut alertmanager = Process::start(
            scratch,
            "alertmanager",
            Command::new(tool("prometheus-alertmanager"))
                .arg("--config.file")
                .arg(config)
                .arg("--storage.path")
                .arg(scratch.path("alertmanager"))
                .args([
                    "--web.listen-address=127.0.0.1:0",
                    "--cluster.listen-address=",
                ]),
        );
        let alertmanager_address = alertmanager.listens("Listening on");
        let config = prometheus_yml(targets, alertmanager_address, access);
        Self {
            prometheus: Prometheus::start(scratch, &config),
            alertmanager: alertmanager_address,
            _process: alertmanager,
        }
    }

    /// The value of the one series that `query` finds in Prometheus.
    pub fn query(&self, query: &str) -> Option<f64> {
        self.prometheus.query(query)
    }

    /// The state of our alert for a node in Prometheus: `pending` or `firing`.
    pub fn alert(&self, node: &str) -> Option<String> {
        let ours = |alert: &&Value| {
            alert["labels"]["alertname"] == "KubeNodeNotReady" && alert["labels"]["node"] == node
        };
        self.prometheus.alerts()?.iter().find(ours)?["state"]
            .as_str()
            .map(str::to_owned)
    }

    /// Fires our alert for a node at Alertmanager, as Prometheus does.
    ///
    /// # Panics
    /// When Alertmanager does not take it.
    pub fn fire(&self, node: &str) {
        let alert = serde_json::json!([{"labels": {
            "alertname": "KubeNodeNotReady", "remediation": "nodefall",
            "severity": "warning", "node": node,
        }}])
        .to_string();
        let request = format!(
            "POST /api/v2/alerts HTTP/1.0\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{alert}",
            alert.len()
        );
        let patience = std::time::Duration::from_secs(15);
        let answer = http::exchange(self.alertmanager, request.as_bytes(), patience);
        let answer = answer.expect("Alertmanager answers");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// How many notifications Alertmanager sent by webhook.
    pub fn notifications(&self) -> Option<f64> {
        let page = http::get(self.alertmanager, "/metrics").ok()?.body;
        let series = r#"alertmanager_notifications_total{integration="webhook"} "#;
        page.lines()
            .find_map(|line| line.strip_prefix(series)?.parse().ok())
    }
}

fn prometheus_yml(targets: &Targets, alertmanager: SocketAddr, access: &Access) -> String {
    let Access { scheme, scrape, .. } = access;
    let rules = repository("rules/nodefall.rules.yml");
    let rules = rules.display();
    let Targets {
        state_metrics,
        receiver,
        scrape_interval,
    } = targets;
    format!(
        "global: {{scrape_interval: {scrape_interval}}}\n\
         rule_files: ['{rules}']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n\
         scrape_configs:\n\
         - {{job_name: kube-state-metrics, static_configs: [{{targets: ['{state_metrics}']}}]}}\n\
         - {{job_name: nodefall, scheme: {scheme}{scrape}, static_configs: [{{targets: ['{receiver}']}}]}}\n"
    )
}

/// For a query string: everything but letters and digits in hex.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
