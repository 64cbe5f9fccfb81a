//! What is large is in memory only a few times at once: bodies that are read, answers that are written.

use super::pages;
use super::turns::{Turn, Turns};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use std::time::Duration;

/// Places for what is large, and for those who wait for one.
#[derive(Clone, Debug)]
pub(super) struct Places {
    most: usize,
    turns: Turns,
}

/// A place; free again when this is dropped.
pub(super) type Place = Turn;

impl Places {
    /// So many at a time, and so many that wait no longer than `patience`.
    pub(super) fn new(most: usize, waiting: usize, patience: Duration) -> Self {
        let turns = Turns::new(most, waiting, patience);
        Self { most, turns }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// The status and the line to answer with.
    pub(super) async fn take(&self) -> Result<Place, (StatusCode, String)> {
        self.turns.take().await.ok_or_else(|| {
            let why = format!("{} other large requests are in hand; try again", self.most);
            (StatusCode::SERVICE_UNAVAILABLE, why)
        })
    }
}

/// Text that is being written to a client, and the place that it takes meanwhile.
struct Written {
    text: String,
    _place: Option<Place>,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// An answer in JSON that keeps its place until it was written.
pub(super) fn json(status: StatusCode, text: String, place: Option<Place>) -> Response {
    let written = Written {
        text,
        _place: place,
    };
    pages::json_text(status, Body::from(Bytes::from_owner(written)))
}
