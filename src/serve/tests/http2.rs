//! HTTP/2, frame by frame: what one connection may cost.

use super::super::exchanges::Limits;
use super::super::{Bounds, WebConfig};
use super::pki::*;
use super::support::*;
use crate::metrics::Metrics;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames, flags and codes (RFC 9113, sections 6 and 7).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The code of what ends a stream or the connection.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code = self.payload[at..at + 4].try_into().expect("four bytes");
        u32::from_be_bytes(code)
    }

    /// Whether this is the header of an answer 200: the first field, from HPACK's static table.
    fn is_200(&self) -> bool {
        let field = self.payload.iter().find(|byte| **byte & 0xe0 != 0x20);
        self.kind == HEADERS && field == Some(&0x88)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A literal of HPACK, unindexed: its name by the static table, and a short value.
fn literal(name: u8, value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("short");
    assert!(length < 127 && name < 15);
    [&[name, length], value.as_bytes()].concat()
}

/// `GET path` as a block of HPACK.
fn get_block(path: &str) -> Vec<u8> {
    // :method GET, :scheme https, :path, :authority
    [vec![0x82, 0x87], literal(4, path), literal(1, "x")].concat()
}

fn post_block(path: &str) -> Vec<u8> {
    [vec![0x83, 0x87], literal(4, path), literal(1, "x")].concat()
}

struct Http2<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<S> {
    /// Says hello, with these settings.
    async fn new(mut stream: S, settings: &[u8]) -> Self {
        stream.write_all(PREFACE).await.expect("it reads");
        let mut http2 = Self(stream);
        http2.send(&frame(SETTINGS, 0, 0, settings)).await;
        http2
    }

    async fn send(&mut self, bytes: &[u8]) {
        // Whoever has heard enough may not read on.
        let _ = self.0.write_all(bytes).await;
    }

    async fn get(&mut self, stream: u32, path: &str) {
        let flags = END_STREAM | END_HEADERS;
        self.send(&frame(HEADERS, flags, stream, &get_block(path)))
            .await;
    }

    /// The next frame; none once the connection is closed.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(LONG, self.0.read_exact(&mut head)).await;
        read.expect("a frame, or an end").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of these kinds, pings answered meanwhile; none once it is closed.
    async fn find(&mut self, kinds: &[u8]) -> Option<Frame> {
        // Pings alone are no answer, however long they go on.
        let found = timeout(LONG, self.search(kinds)).await;
        found.expect("a frame, or an end")
    }

    async fn search(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let next = self.next().await?;
            if kinds.contains(&next.kind) {
                return Some(next);
            }
            if next.kind == PING && next.flags & ACK == 0 {
                self.send(&frame(PING, ACK, 0, &next.payload)).await;
            }
        }
    }
}

/// A server under TLS, and a client that may speak HTTP/2 to it.
fn served(folder: &Folder, ca: &Ca, more: &str, bounds: Bounds) -> (Server, Speaks) {
    let web = WebConfig::read(&folder.config(&format!("{TLS}{more}"))).expect("good");
    let server = Server::serve(front(ready_desk(), Metrics::new()), web, bounds, 1);
    let speaks = Speaks {
        alpn: &["h2", "http/1.1"],
        ..Speaks::to(ca)
    };
    (server, speaks)
}

async fn connect(
    server: &Server,
    speaks: &Speaks,
    settings: &[u8],
) -> Http2<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let stream = speaks.connect(server.addresses[0]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    Http2::new(stream, settings).await
}

#[tokio::test]
async fn it_is_spoken_where_it_was_agreed_on_and_nowhere_else() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    let (server, speaks) = served(&folder, &ca, "", Bounds::DEFAULT);
    let mut http2 = connect(&server, &speaks, &[]).await;
    http2.get(1, "/metrics").await;
    let answer = http2.find(&[HEADERS]).await.expect("an answer");
    assert!(answer.is_200(), "{answer:?}");
    // Whoever does not ask for it gets HTTP/1.1, and may not speak it all the same.
    let silent = Speaks::to(&ca);
    let stream = silent.connect(server.addresses[0]).await.expect("TLS");
    let mut uninvited = Http2::new(stream, &[]).await;
    uninvited.get(1, "/-/healthy").await;
    let answer = uninvited.find(&[HEADERS]).await;
    assert!(!answer.is_some_and(|answer| answer.is_200()));
    assert!(uninvited.find(&[]).await.is_none(), "closed");
    // Turned off, and without TLS, it is not there.
    let off = "http_server_config: {http2: false}";
    let (without, _) = served(&folder, &ca, off, Bounds::DEFAULT);
    let stream = speaks.connect(without.addresses[0]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let plain = Server::start(Bounds::DEFAULT);
    for address in [plain.addresses[0], plain.health] {
        for path in ["/metrics", "/-/healthy"] {
            let stream = tokio::net::TcpStream::connect(address).await;
            let mut http2 = Http2::new(stream.expect("TCP"), &[]).await;
            http2.get(1, path).await;
            let answer = http2.find(&[HEADERS]).await;
            assert!(!answer.is_some_and(|answer| answer.is_200()), "{path}");
            assert!(http2.find(&[]).await.is_none(), "closed");
        }
    }
}

#[tokio::test]
async fn an_alert_is_taken() {
    let ca = Ca::new();
    let (server, speaks) = served(&Folder::with(&ca), &ca, "", Bounds::DEFAULT);
    let mut http2 = connect(&server, &speaks, &[]).await;
    let body = payload(&[alert("firing", "n1")]);
    http2
        .send(&frame(HEADERS, END_HEADERS, 1, &post_block("/webhook")))
        .await;
    http2
        .send(&frame(DATA, END_STREAM, 1, body.as_bytes()))
        .await;
    server
        .counted("nodefall_webhook_requests_total{code=\"202\"} 1")
        .await;
    let answer = http2.find(&[DATA]).await.expect("an answer");
    assert!(String::from_utf8_lossy(&answer.payload).contains("\"taken\""));
}

/// Rapid reset, CVE-2023-44487.
#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let ca = Ca::new();
    let (server, speaks) = served(&Folder::with(&ca), &ca, "", Bounds::DEFAULT);
    let mut http2 = connect(&server, &speaks, &[]).await;
    let mut flood = Vec::new();
    for n in 0..10_000 {
        let stream = 2 * n + 1;
        flood.extend(frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream,
            &get_block("/metrics"),
        ));
        flood.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    let began = Instant::now();
    http2.send(&flood).await;
    let end = http2.find(&[GOAWAY]).await;
    // Whoever is cut off in the middle of sending may see only that.
    assert!(end.is_none_or(|end| end.code() == ENHANCE_YOUR_CALM));
    assert!(http2.find(&[]).await.is_none(), "closed");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut next = connect(&server, &speaks, &[]).await;
    next.get(1, "/metrics").await;
    assert!(next.find(&[HEADERS]).await.expect("an answer").is_200());
}

#[tokio::test]
async fn a_connection_has_eight_requests_at_a_time_and_short_headers() {
    let ca = Ca::new();
    let (server, speaks) = served(&Folder::with(&ca), &ca, "", Bounds::DEFAULT);
    let mut http2 = connect(&server, &speaks, &[]).await;
    let settings = http2.find(&[SETTINGS]).await.expect("settings").payload;
    let setting = |id: u16| {
        let mut settings = settings.chunks_exact(6);
        let found = settings.find(|setting| setting[..2] == id.to_be_bytes());
        found.map(|setting| u32::from_be_bytes(setting[2..].try_into().expect("four bytes")))
    };
    // MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE
    assert_eq!(
        [3, 4, 6].map(setting),
        [Some(8), Some(32 * 1024), Some(12 * 1024)]
    );
    // Nine that never end.
    for n in 0..9 {
        let head = frame(HEADERS, END_HEADERS, 2 * n + 1, &post_block("/webhook"));
        http2.send(&head).await;
    }
    let refused = http2.find(&[RST_STREAM]).await.expect("an answer");
    assert_eq!((refused.stream, refused.code()), (17, REFUSED_STREAM));
    // A header of 13 fields of 1 KiB.
    let mut long = connect(&server, &speaks, &[]).await;
    let mut block = get_block("/metrics");
    for _ in 0..130 {
        block.extend([0x00, 0x01, b'a', 100]);
        block.extend([b'x'; 100]);
    }
    let head = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    long.send(&head).await;
    let answer = long.find(&[HEADERS, RST_STREAM, GOAWAY]).await;
    assert!(!answer.is_some_and(|answer| answer.is_200()));
}

/// Whoever lets no byte of an answer come, or has nothing to ask, has had its time, whatever pings it
/// answers.
#[tokio::test]
async fn a_client_that_reads_nothing_or_asks_nothing_is_left_in_time() {
    let ca = Ca::new();
    let bounds = |exchange, idle| Bounds {
        http2: Limits { exchange, idle },
        patience: PATIENCE / 4,
        ..Bounds::DEFAULT
    };
    for (bounds, reads) in [
        (bounds(PATIENCE, LONG), false),
        (bounds(LONG, PATIENCE), true),
    ] {
        let (server, speaks) = served(&Folder::with(&ca), &ca, "", bounds);
        let began = Instant::now();
        // SETTINGS_INITIAL_WINDOW_SIZE: 0, or 1 MiB
        let window: &[u8] = if reads {
            &[0, 4, 0, 16, 0, 0]
        } else {
            &[0, 4, 0, 0, 0, 0]
        };
        let mut http2 = connect(&server, &speaks, window).await;
        http2
            .send(&frame(WINDOW_UPDATE, 0, 0, &(1u32 << 20).to_be_bytes()))
            .await;
        http2.get(1, "/metrics").await;
        assert!(http2.find(&[HEADERS]).await.expect("an answer").is_200());
        assert!(http2.find(&[]).await.is_none(), "closed");
        let took = began.elapsed();
        assert!(
            took >= PATIENCE && took < PATIENCE * 10,
            "{reads}: {took:?}"
        );
    }
    // Within its time it is served on and on.
    let (server, speaks) = served(&Folder::with(&ca), &ca, "", bounds(PATIENCE, PATIENCE));
    let mut http2 = connect(&server, &speaks, &[]).await;
    for n in 0..8 {
        http2.get(2 * n + 1, "/-/healthy").await;
        assert!(
            http2.find(&[HEADERS]).await.expect("an answer").is_200(),
            "{n}"
        );
        tokio::time::sleep(PATIENCE / 4).await;
    }
}
