//! A client that writes requests byte for byte, as Alertmanager and curl do.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer of a healthy process takes longer, 408 after 10 s included.
const PATIENCE: Duration = Duration::from_secs(15);

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Reads a page. In HTTP/1.0, where no answer comes in chunks.
pub fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    exchange(address, request.as_bytes(), PATIENCE)
}

/// Posts a notification with that `Content-Type`.
pub fn post(address: SocketAddr, content_type: &str, body: &str) -> io::Result<Answer> {
    let request = format!(
        "POST /webhook HTTP/1.1\r\nHost: {address}\r\nUser-Agent: a test\r\nAccept: */*\r\n\
         Connection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(address, request.as_bytes(), PATIENCE)
}

/// Sends these bytes and reads what comes until the connection is closed.
pub fn exchange(address: SocketAddr, request: &[u8], patience: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // Who answers before the end of a long body may not read the rest: the answer counts.
    let sent = stream.write_all(request);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(sent.err().unwrap_or(error));
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {head:?}")))?;
    let body = body.to_owned();
    Ok(Answer { status, body })
}

/// An alert that `nodefall run` takes, or the end of it, as a whole notification.
pub fn notification(status: &str, node: &str) -> String {
    serde_json::json!({
        "version": "4",
        "status": status,
        "alerts": [{
            "status": status,
            "labels": {"alertname": "KubeNodeNotReady", "node": node},
            "fingerprint": format!("f-{node}"),
        }],
    })
    .to_string()
}
