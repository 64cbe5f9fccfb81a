//! A request's body: bounded in size and in time, and in number when it is large.

use super::Bounds;
use super::places::{Place, Places};
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

/// A body in memory, with the place that it takes when it is large.
pub(super) struct Placed {
    pub(super) bytes: Vec<u8>,
    pub(super) place: Option<Place>,
}

/// Reads the body; what is large, or turns out to be, waits for a place.
///
/// # Errors
/// The status and the line to answer with.
pub(super) async fn read(
    mut body: Body,
    bounds: Bounds,
    places: &Places,
) -> Result<Placed, (StatusCode, String)> {
    let too_large = || {
        let why = format!("the body is longer than {} bytes", bounds.body_bytes);
        (StatusCode::PAYLOAD_TOO_LARGE, why)
    };
    // What says that it is too long is not even read.
    let announced = axum::body::HttpBody::size_hint(&body).lower();
    if announced > bounds.body_bytes as u64 {
        return Err(too_large());
    }
    let mut place = match announced > bounds.small_body as u64 {
        true => Some(places.take().await?),
        false => None,
    };
    let mut bytes = Vec::new();
    let mut deadline = Instant::now() + bounds.patience;
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| {
            let why = format!("the body was not complete within {:?}", bounds.patience);
            (StatusCode::REQUEST_TIMEOUT, why)
        })?;
        let Some(frame) = frame else {
            return Ok(Placed { bytes, place });
        };
        let frame = frame.map_err(|_| {
            let why = "the body ended before it was complete".to_owned();
            (StatusCode::BAD_REQUEST, why)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > bounds.body_bytes {
            return Err(too_large());
        }
        if length > bounds.small_body && place.is_none() {
            place = Some(places.take().await?);
            // The client was not to blame for the wait.
            deadline = Instant::now() + bounds.patience;
        }
        bytes.extend_from_slice(&data);
    }
}
