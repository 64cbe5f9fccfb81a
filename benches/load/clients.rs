//! Crowds of clients on one thread, each a connection that speaks HTTP/1.1 or only pretends to.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// What became of many requests: status codes, or what else happened, and how often.
#[derive(Default)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn join(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self
            .0
            .iter()
            .map(|(what, count)| format!("{count} × {what}"));
        f.write_str(&told.collect::<Vec<_>>().join(", "))
    }
}

/// Lets so many clients do the same at once, each knowing its number.
pub fn crowd<F>(count: usize, each: impl Fn(usize) -> F) -> Tally
where
    F: Future<Output = Tally> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut clients: JoinSet<_> = (0..count).map(each).collect();
        let mut tally = Tally::default();
        while let Some(client) = clients.join_next().await {
            tally.join(client.expect("clients do not panic"));
        }
        tally
    })
}

/// One connection.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(address).await?)))
    }

    /// Sends what the other side may not want to read to its end.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Reads one answer to its end; its status.
    pub async fn answer(&mut self) -> io::Result<u16> {
        let (mut status, mut length) = (0, 0);
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest
                    .split(' ')
                    .next()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(0);
            } else if let Some(rest) = text.strip_prefix("content-length: ") {
                length = rest.parse().unwrap_or(0);
            }
        }
        let mut rest = (&mut self.0).take(length);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Ok(status)
    }

    /// Waits until the other side closes, at most so long.
    pub async fn is_closed_within(&mut self, patience: Duration) -> bool {
        let read = self.0.read_u8();
        tokio::time::timeout(patience, read)
            .await
            .is_ok_and(|read| read.is_err())
    }
}

/// Posts a body again and again until it is answered, as Alertmanager does; each try is counted.
pub async fn post(address: SocketAddr, request: &[u8]) -> Tally {
    let mut tally = Tally::default();
    loop {
        let tried = async {
            let mut client = Client::connect(address).await?;
            client.send(request).await?;
            client.answer().await
        };
        match tried.await {
            Ok(status) => {
                tally.count(status.to_string());
                if status < 500 {
                    return tally;
                }
            }
            Err(_) => tally.count("closed unanswered"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The same for one request, from a thread that waits for it.
pub fn deliver(address: SocketAddr, request: Vec<u8>) -> Tally {
    let request = Arc::new(request);
    crowd(1, |_| {
        let request = request.clone();
        async move { post(address, &request).await }
    })
}

/// Alertmanager's first wait.
const AGAIN: Duration = Duration::from_millis(500);

/// A POST of a notification, as bytes.
pub fn request(body: &str) -> Vec<u8> {
    (head(body.len()) + body).into_bytes()
}

/// The head of a POST that announces so long a body.
pub fn head(length: usize) -> String {
    format!(
        "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
