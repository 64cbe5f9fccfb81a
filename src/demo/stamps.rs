//! Times as the API server writes them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    FieldsV1, ManagedFieldsEntry, MicroTime, Time,
};

use super::kinds::Kind;

/// A `Time` as the API stores it: whole seconds.
pub fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// A `MicroTime` as the API stores it: whole microseconds.
pub fn micro_time(at: Timestamp) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at))
}

/// The API server's own mark of a write: who, and when by its clock.
pub(super) fn stamp<K: Kind>(object: &mut K, manager: &str, now: Timestamp) {
    let fields = object.metadata_mut().managed_fields.get_or_insert_default();
    match fields
        .iter_mut()
        .find(|entry| entry.manager.as_deref() == Some(manager))
    {
        Some(entry) => entry.time = Some(time(now)),
        None => fields.push(ManagedFieldsEntry {
            api_version: Some(K::API_VERSION.to_owned()),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(serde_json::json!({}))),
            manager: Some(manager.to_owned()),
            operation: Some("Update".to_owned()),
            subresource: None,
            time: Some(time(now)),
        }),
    }
    fields.sort_by(|one, other| {
        let order = |entry: &ManagedFieldsEntry| entry.time.as_ref().map(|time| time.0);
        (order(one), &one.manager).cmp(&(order(other), &other.manager))
    });
}
