//! From the bytes that Alertmanager posts to the nodes that they name.

use super::labels::{AlertStatus, Ignored};
use super::names::{NodeName, quoted, why_unreadable};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The most alerts that one payload may hold. Alertmanager writes at least 230 bytes for each, so
/// 4 MiB of them, the most that is read at all, stay below it.
const MAX_ALERTS: usize = 20_000;

/// The longest fingerprint that is kept; Alertmanager's have 16 characters.
const MAX_FINGERPRINT: usize = 64;

/// Which alerts concern us, and which of their labels names the node.
#[derive(Clone, Debug)]
pub struct AlertRules {
    /// The values of `alertname` that are acted on.
    pub alert_names: Vec<String>,
    /// Labels, with their values, that an alert must carry too: all of them.
    pub matches: Vec<(String, String)>,
    /// The label that names the node.
    pub node_label: String,
}

/// What one alert means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It says that the node may be gone.
    Firing {
        /// The node.
        node: NodeName,
        /// Tells this alert from others about the same node; at most 64 bytes.
        key: String,
    },
    /// It no longer says so.
    Resolved {
        /// The node.
        node: NodeName,
        /// The key that the alert had while it fired.
        key: String,
    },
    /// It does not concern us, for this reason, told in one line.
    Ignored(Ignored, String),
    /// It concerns us and cannot be understood, for this reason.
    Refused(String),
}

impl AlertRules {
    /// Reads one alert by its own status; that of its group says nothing about it.
    pub fn read(&self, alert: &Alert) -> Reading {
        let status = alert.status();
        if status == AlertStatus::Other {
            let status = quoted(&alert.status);
            let why = format!("its status {status} is neither firing nor resolved");
            return Reading::Ignored(Ignored::Status, why);
        }
        let label = |name: &str| alert.labels.get(name).map_or("", String::as_str);
        let alert_name = label("alertname");
        if !self.alert_names.iter().any(|name| name == alert_name) {
            let name = quoted(alert_name);
            let why = format!("alertname {name} is none that --alert-name names");
            return Reading::Ignored(Ignored::AlertName, why);
        }
        for (name, expected) in &self.matches {
            let value = label(name);
            if value != expected {
                let reason = match value.is_empty() {
                    true => Ignored::NoLabel,
                    false => Ignored::OtherLabel,
                };
                let (name, value, expected) = (quoted(name), quoted(value), quoted(expected));
                let why = format!("label {name} is {value}, and --match wants {expected}");
                return Reading::Ignored(reason, why);
            }
        }
        let node = match alert.labels.get(&self.node_label) {
            None => {
                return Reading::Refused(format!("it has no label {}", quoted(&self.node_label)));
            }
            Some(node) => match NodeName::parse(node) {
                Ok(node) => node,
                Err(why) => {
                    let label = quoted(&self.node_label);
                    return Reading::Refused(format!("label {label}: {} {why}", quoted(node)));
                }
            },
        };
        let key = alert.key();
        match status {
            AlertStatus::Firing => Reading::Firing { node, key },
            _ => Reading::Resolved { node, key },
        }
    }
}

/// What is read of one alert; whatever else it carries is ignored.
#[derive(Clone, Debug)]
pub struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    fingerprint: Option<String>,
}

impl Alert {
    /// Its own status.
    pub fn status(&self) -> AlertStatus {
        let known = [AlertStatus::Firing, AlertStatus::Resolved];
        known
            .into_iter()
            .find(|s| s.as_str() == self.status)
            .unwrap_or(AlertStatus::Other)
    }

    /// The fingerprint that it came with, when that is 1 to 64 visible ASCII characters.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref().filter(|text| {
            (1..=MAX_FINGERPRINT).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        })
    }

    /// The fingerprint, or else the one that Alertmanager would have given to its labels.
    fn key(&self) -> String {
        self.fingerprint()
            .map_or_else(|| fingerprint(&self.labels), str::to_owned)
    }
}

/// The fingerprint of a label set as Prometheus and Alertmanager compute it: FNV-1a, 64 bits, over
/// the sorted names and values, each ended by a byte that UTF-8 never has
/// (prometheus/common, `model/signature.go`).
fn fingerprint(labels: &BTreeMap<String, String>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in labels
        .iter()
        .flat_map(|(name, value)| [name, value])
        .flat_map(|text| text.bytes().chain([0xff]))
    {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// What Alertmanager posted, its alerts not yet read.
#[derive(Debug)]
pub struct Payload<'a> {
    alerts: Vec<&'a RawValue>,
    truncated: u64,
}

impl Payload<'_> {
    /// The alerts, read one by one, so that a bad one (the error says in one line what is wrong with
    /// it) never loses a good one, and so that only one is in memory at a time.
    pub fn alerts(&self) -> impl Iterator<Item = Result<Alert, String>> {
        self.alerts.iter().map(|raw| read_alert(raw.get()))
    }

    /// How many alerts it holds.
    pub fn count(&self) -> usize {
        self.alerts.len()
    }

    /// How many alerts Alertmanager left out, because `max_alerts` is set.
    pub fn truncated(&self) -> u64 {
        self.truncated
    }
}

fn read_alert(json: &str) -> Result<Alert, String> {
    // serde would read an array as a struct, field by field.
    if !json.starts_with('{') {
        return Err(format!(
            "an alert is an object, and this is {}",
            quoted(json)
        ));
    }
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        status: &'a RawValue,
        #[serde(borrow)]
        labels: &'a RawValue,
        #[serde(borrow)]
        fingerprint: Option<&'a RawValue>,
    }
    let Fields {
        status,
        labels,
        fingerprint,
    } = serde_json::from_str(json)
        .map_err(|error| format!("the alert cannot be read: {}", why_unreadable(&error)))?;
    let fingerprint = fingerprint.map(|raw| field("fingerprint", raw));
    Ok(Alert {
        status: field("status", status)?,
        labels: field("labels", labels)?,
        fingerprint: fingerprint.transpose()?,
    })
}

/// Reads one field: serde says what is wrong with it, and not with which.
fn field<'a, T: Deserialize<'a>>(name: &str, raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get())
        .map_err(|error| format!("{name} cannot be read: {}", why_unreadable(&error)))
}

/// Why something is no payload of Alertmanager's webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{0}")]
#[serde(transparent)]
pub struct PayloadError(String);

/// Reads a payload of Alertmanager's webhook, version 4; fields that are not known are ignored.
///
/// # Errors
/// One line that says what is wrong, and where.
pub fn read_payload(body: &[u8]) -> Result<Payload<'_>, PayloadError> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        version: Option<&'a RawValue>,
        #[serde(borrow, deserialize_with = "at_most_max_alerts")]
        alerts: Vec<&'a RawValue>,
        #[serde(borrow, rename = "truncatedAlerts")]
        truncated: Option<&'a RawValue>,
    }

    let refuse = |why: String| PayloadError(format!("not an Alertmanager notification: {why}"));
    let text = std::str::from_utf8(body)
        .map_err(|error| refuse(format!("byte {} is not UTF-8", error.valid_up_to() + 1)))?;
    let start = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if start.is_empty() {
        return Err(refuse("the body is empty".to_owned()));
    }
    if start.starts_with('[') {
        return Err(refuse(
            "it begins with an array, expected an object at line 1".to_owned(),
        ));
    }
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| refuse(why_unreadable(&error)))?;
    if let Some(version) = envelope.version
        && version.get() != r#""4""#
    {
        return Err(refuse(format!(
            "\"version\" is {}, expected the string \"4\"",
            quoted(version.get())
        )));
    }
    let truncated = envelope.truncated.map(|raw| field("truncatedAlerts", raw));
    Ok(Payload {
        alerts: envelope.alerts,
        truncated: truncated.transpose().map_err(refuse)?.unwrap_or(0),
    })
}

/// Keeps the alerts as they stand in the text, and no more of them than a real payload has.
fn at_most_max_alerts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<&'de RawValue>, D::Error> {
    struct Alerts;
    impl<'de> Visitor<'de> for Alerts {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of alerts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut alerts = Vec::new();
            while let Some(alert) = seq.next_element()? {
                if alerts.len() == MAX_ALERTS {
                    let why = format!("more than {MAX_ALERTS} alerts: set max_alerts, or group");
                    return Err(serde::de::Error::custom(why));
                }
                alerts.push(alert);
            }
            Ok(alerts)
        }
    }
    from.deserialize_seq(Alerts)
}

#[cfg(test)]
mod tests;
