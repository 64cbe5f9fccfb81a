//! A request's body: bounded in size, in time and in number.

use super::Bounds;
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A body in memory, with the place that it takes; the place is free again when this is dropped.
pub(super) struct Placed<'a> {
    pub(super) bytes: Vec<u8>,
    _place: SemaphorePermit<'a>,
}

/// Waits for a place, then reads the body.
///
/// # Errors
/// The status and the line to answer with.
pub(super) async fn read<'a>(
    mut body: Body,
    bounds: Bounds,
    places: &'a Semaphore,
    waiting: &Semaphore,
) -> Result<Placed<'a>, (StatusCode, String)> {
    let too_large = || {
        let why = format!("the body is longer than {} bytes", bounds.body_bytes);
        (StatusCode::PAYLOAD_TOO_LARGE, why)
    };
    // What says that it is too long needs no place.
    let announced = axum::body::HttpBody::size_hint(&body).lower();
    if announced > bounds.body_bytes as u64 {
        return Err(too_large());
    }
    let acquired = match waiting.try_acquire() {
        Ok(_waits) => timeout(bounds.patience, places.acquire()).await.ok(),
        Err(_) => None,
    };
    let Some(Ok(place)) = acquired else {
        let why = format!("{} other bodies are being read; try again", bounds.bodies);
        return Err((StatusCode::SERVICE_UNAVAILABLE, why));
    };
    let read = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                (
                    StatusCode::BAD_REQUEST,
                    "the body ended before it was complete".to_owned(),
                )
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > bounds.body_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    };
    match timeout(bounds.patience, read).await {
        Ok(bytes) => Ok(Placed {
            bytes: bytes?,
            _place: place,
        }),
        Err(_) => {
            let why = format!("the body was not complete within {:?}", bounds.patience);
            Err((StatusCode::REQUEST_TIMEOUT, why))
        }
    }
}
