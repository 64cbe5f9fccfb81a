//! What can go wrong with a call to the API server.

use crate::decide::Hold;
use crate::metrics::ApiErrorReason;
use std::time::Duration;

/// A call to the API server that did not bring what was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// No connection, or it was lost.
    #[error("cannot reach the API server: {0}")]
    Connect(String),
    /// An answer of 400 or above.
    #[error("the API server answered {code}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// The server's own words.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// An answer that is not what we asked for.
    #[error("the API server's answer cannot be understood: {0}")]
    Decode(String),
}

impl ApiError {
    /// The HTTP status, if there was an answer.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            Self::Timeout(_) | Self::Connect(_) | Self::Decode(_) => None,
        }
    }

    /// The label of `nodefall_api_errors_total`.
    pub fn reason(&self) -> ApiErrorReason {
        match self {
            Self::Timeout(_) => ApiErrorReason::Timeout,
            Self::Connect(_) => ApiErrorReason::Connect,
            Self::Decode(_) => ApiErrorReason::Decode,
            Self::Status { code, .. } => match code {
                401 | 403 => ApiErrorReason::Forbidden,
                409 => ApiErrorReason::Conflict,
                400 | 422 => ApiErrorReason::Invalid,
                429 => ApiErrorReason::Throttled,
                500.. => ApiErrorReason::Server,
                _ => ApiErrorReason::Other,
            },
        }
    }

    /// The hold for a node that could not be looked at because of this.
    pub fn hold(&self) -> Hold {
        match self {
            Self::Timeout(_) => Hold::SlowApi,
            Self::Decode(_) => Hold::NotUnderstood,
            Self::Connect(_) | Self::Status { .. } => Hold::ApiError,
        }
    }
}
