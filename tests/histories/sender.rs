//! Prometheus and Alertmanager, as far as Nodefall hears of them.

use crate::config::Config;
use crate::stage::unknown_nodes;
use fastrand::Rng;
use jiff::Timestamp;
use nodefall::demo::world::World;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How well they work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alerting {
    /// What fires is delivered, and repeated.
    Reliable,
    /// Half of the notifications are lost; some come late, or twice.
    Lossy,
    /// They died with the node.
    Silent,
}

/// How often they look.
pub const EVERY: Duration = Duration::from_secs(15);

/// A notification is repeated after so long.
const REPEAT: Duration = Duration::from_secs(300);

/// What is known of the nodes.
pub struct Sender {
    alerting: Alerting,
    /// Nodes that read Unknown: since when, and when that was last sent.
    nodes: BTreeMap<String, (Timestamp, Option<Timestamp>)>,
}

/// One notification that is to be delivered.
pub struct Notification {
    pub node: String,
    pub firing: bool,
    /// So much later.
    pub delay: Duration,
}

impl Sender {
    pub fn new(alerting: Alerting) -> Self {
        Self {
            alerting,
            nodes: BTreeMap::new(),
        }
    }

    /// The notifications that are due now. As the shipped rule has it, a node must have been Unknown
    /// for 15 s.
    pub fn look(&mut self, world: &World, rng: &mut Rng) -> Vec<Notification> {
        if self.alerting == Alerting::Silent {
            return Vec::new();
        }
        let now = world.now;
        let unknown = unknown_nodes(world);
        let mut due = Vec::new();
        self.nodes.retain(|node, (_, sent)| {
            let stays = unknown.contains(node);
            if !stays && sent.is_some() {
                due.push((node.clone(), false));
            }
            stays
        });
        for node in unknown {
            let (since, sent) = self.nodes.entry(node.clone()).or_insert((now, None));
            let waited = sent.map_or(now.duration_since(*since), |sent| now.duration_since(sent));
            let wait = if sent.is_some() { REPEAT } else { EVERY };
            if waited.unsigned_abs() >= wait {
                *sent = Some(now);
                due.push((node, true));
            }
        }
        let mut sent = Vec::new();
        for (node, firing) in due {
            sent.extend(self.on_its_way(node, firing, rng));
        }
        sent
    }

    fn on_its_way(&self, node: String, firing: bool, rng: &mut Rng) -> Vec<Notification> {
        let copies = match (self.alerting, rng.u8(..8)) {
            (Alerting::Lossy, 0..4) => 0,
            (_, 7) => 2,
            _ => 1,
        };
        let late = self.alerting == Alerting::Lossy && rng.bool();
        let copy = |_| Notification {
            node: node.clone(),
            firing,
            delay: Duration::from_secs(if late { rng.u64(1..120) } else { 0 }),
        };
        (0..copies).map(copy).collect()
    }
}

/// The alert of a node, as the shipped rule and the drawn options have it.
pub fn labels(config: &Config, node: &str) -> Vec<(&'static str, String)> {
    let mut labels = vec![
        ("alertname", config.alert_name.to_owned()),
        (config.node_label, node.to_owned()),
    ];
    if let Some(cluster) = config.cluster {
        labels.push(("cluster", cluster.to_owned()));
        labels.push(("severity", "warning".to_owned()));
    }
    labels
}

/// A notification with one alert of these labels.
pub fn payload(labels: &[(&'static str, String)], firing: bool) -> String {
    notification(&[labels], firing)
}

/// A notification with an alert for each of these labels.
pub fn notification(alerts: &[impl AsRef<[(&'static str, String)]>], firing: bool) -> String {
    let status = if firing { "firing" } else { "resolved" };
    let alerts: Vec<_> = alerts
        .iter()
        .map(|labels| {
            let labels: BTreeMap<_, _> = labels.as_ref().iter().cloned().collect();
            let fingerprint = format!("{:x}", fingerprint(&labels));
            json!({"status": status, "labels": labels, "fingerprint": fingerprint})
        })
        .collect();
    json!({"version": "4", "status": status, "alerts": alerts}).to_string()
}

/// The same labels, the same number.
fn fingerprint(labels: &BTreeMap<&str, String>) -> u64 {
    let text = format!("{labels:?}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
