//! Lists as Tables, the form that `kubectl get` asks for.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::fields::Selectable;
use crate::demo::defaults::Defaults;

/// A column: its name, 0 for shown always or 1 for `-o wide`, and its type.
pub(super) type Column = (&'static str, i32, &'static str);

/// A kind that can be shown as rows.
pub(super) trait Row: Selectable + Defaults {
    /// The columns.
    const COLUMNS: &'static [Column];
    /// The cells.
    fn cells(&self, now: Timestamp) -> Vec<Value>;
}

/// The columns of a Table.
pub(super) fn columns<K: Row>() -> Value {
    let column = |(name, priority, kind): &Column| {
        json!({
            "name": name,
            "type": kind,
            "format": if *name == "Name" { "name" } else { "" },
            "description": name,
            "priority": priority,
        })
    };
    K::COLUMNS.iter().map(column).collect()
}

/// A row; `include` is the parameter `includeObject`.
pub(super) fn row<K: Row>(object: &K, include: &str, now: Timestamp) -> Value {
    let meta = object.metadata();
    let cells = object.cells(now);
    let object = match include {
        "None" => Value::Null,
        "Object" => serde_json::to_value(object).unwrap_or_default(),
        _ => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
        }),
    };
    json!({ "cells": cells, "object": object })
}

/// A span of time as kubectl shows it.
pub(super) fn age(since: Option<&Time>, now: Timestamp) -> Value {
    let Some(since) = since else {
        return json!("<unknown>");
    };
    let seconds = now.duration_since(since.0).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    json!(match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        let now = Timestamp::constant(10_000_000, 0);
        let ago = |seconds: i64| {
            age(
                Some(&Time(Timestamp::constant(10_000_000 - seconds, 0))),
                now,
            )
        };
        for (seconds, text) in [
            (7, "7s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (3600, "60m"),
            (90_000, "25h"),
        ] {
            assert_eq!(ago(seconds), json!(text));
        }
    }
}
