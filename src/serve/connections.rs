//! At most so many connections: for one more, the one that was idle longest is closed. So is one
//! whose peer does not take what is written to it.

use super::exchanges::Exchanges;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// The open connections of all listeners; a clone is the same set.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    most: usize,
    /// For a peer to take more of what is written to it.
    patience: Duration,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// Numbers are given once, so a late goodbye cannot remove another connection.
    next: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    last_active: Instant,
    /// Dropped to close the connection: its stream waits for that.
    _close: oneshot::Sender<()>,
}

impl Connections {
    /// No connection yet, never more than `most`, and none that takes nothing for `patience`.
    pub(super) fn new(most: usize, patience: Duration) -> Self {
        Self {
            most,
            patience,
            table: Arc::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here can panic half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more; for one too many the one that was idle longest goes.
    pub(super) fn add<S>(&self, stream: S, exchanges: Arc<OnceLock<Exchanges>>) -> Bounded<S> {
        let (close, closed) = oneshot::channel();
        let mut table = self.table();
        if table.open.len() >= self.most {
            // A walk over 256 entries, once for each connection too many.
            let idle = table.open.iter().min_by_key(|(_, open)| open.last_active);
            if let Some(id) = idle.map(|(id, _)| *id) {
                table.open.remove(&id);
            }
        }
        let id = table.next;
        table.next += 1;
        table.open.insert(
            id,
            Open {
                last_active: Instant::now(),
                _close: close,
            },
        );
        Bounded {
            stream,
            id,
            closed: Some(closed),
            stalled: None,
            exchanges,
            connections: self.clone(),
        }
    }

    fn active(&self, id: u64) {
        if let Some(open) = self.table().open.get_mut(&id) {
            open.last_active = Instant::now();
        }
    }
}

/// A stream that fails once its place was given to another.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    id: u64,
    /// Gone once it has fired.
    closed: Option<oneshot::Receiver<()>>,
    /// Running while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What it has in hand, once it is known to speak HTTP/2: pings see to it that this is looked at.
    exchanges: Arc<OnceLock<Exchanges>>,
    connections: Connections,
}

impl<S> Bounded<S> {
    /// Fails when the connection was closed, and has the task woken when it will be.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.exchanges.get().is_some_and(Exchanges::are_overdue) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let open = self.closed.as_mut();
        if open.is_some_and(|closed| Pin::new(closed).poll(cx).is_pending()) {
            return Ok(());
        }
        self.closed = None;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Notes that the peer took or gave something.
    fn moved<T>(&self, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(moved, Poll::Ready(Ok(_))) {
            self.connections.active(self.id);
        }
        moved
    }

    /// The same of what is written: a peer that takes nothing may do so for a while.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return self.moved(written);
        }
        let patience = self.connections.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> Drop for Bounded<S> {
    fn drop(&mut self) {
        self.connections.table().open.remove(&self.id);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_open(cx)?;
        let moved = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.moved(moved)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_open(cx)?;
        let moved = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_open(cx)?;
        let moved = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
