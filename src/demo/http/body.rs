//! Bodies that do not end well, or not soon: connections that die, and watches.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Marks an answer that stands for a connection that died; a client in memory makes an error of
/// it, and over TCP the body ends in an error before it has begun.
#[derive(Clone, Copy)]
pub(super) struct Reset;

/// What a client sees of a connection that died.
pub(super) fn reset_error() -> Error {
    Error::new(ErrorKind::ConnectionReset, "connection reset by peer")
}

/// A body that is sent piece by piece, until the sender is dropped.
pub(super) struct Pieces(Receiver<Result<Bytes, Error>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A body and the end into which its pieces are put.
pub(super) fn pieces() -> (Sender<Result<Bytes, Error>>, Body) {
    let (sender, receiver) = channel(16);
    (sender, Body::new(Pieces(receiver)))
}

/// The connection dies before anything of the answer is there.
pub(super) fn reset() -> Response {
    let (sender, body) = pieces();
    // The channel holds sixteen: the first always fits.
    let _ = sender.try_send(Err(reset_error()));
    let mut response = Response::new(body);
    response.extensions_mut().insert(Reset);
    response
}

/// The connection dies in the middle of the answer's body.
pub(super) async fn truncate(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let whole = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let (sender, body) = pieces();
    let _ = sender.try_send(Ok(whole.slice(..whole.len() / 2)));
    let _ = sender.try_send(Err(reset_error()));
    Response::from_parts(parts, body)
}
