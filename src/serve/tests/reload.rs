//! What the files say is followed: a good change, a broken one, and certificates that are replaced
//! while requests run.

use super::super::{Bounds, WebConfig};
use super::pki::*;
use super::support::*;
use crate::metrics::Metrics;
use crate::serve::web_config::tests::HASH;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TICK: Duration = Duration::from_millis(20);
const GOOD: &str = "nodefall_config_last_reload_successful 1";
const BROKEN: &str = "nodefall_config_last_reload_successful 0";

fn follow(path: &Path) -> Server {
    let web = WebConfig::read(path).expect("good").every(TICK);
    Server::serve(front(ready_desk(), Metrics::new()), web, Bounds::DEFAULT, 1)
}

/// Replaces a file as a whole.
fn replace(folder: &Folder, name: &str, text: &str) {
    let new = folder.0.write("new", text);
    fs::rename(new, folder.0.path(name)).expect("a file");
}

async fn status(server: &Server, headers: &str) -> u16 {
    let mut client = server.connect().await;
    client.send(&get("/metrics", headers)).await;
    // What is no HTTP has none.
    code(&client.rest().await).parse().unwrap_or_default()
}

/// Waits until that is the status.
async fn becomes(server: &Server, headers: &str, wanted: u16) {
    let wait = async {
        while status(server, headers).await != wanted {
            tokio::time::sleep(TICK).await;
        }
    };
    timeout(LONG, wait).await.expect("the change is followed");
}

#[tokio::test]
async fn a_good_change_is_in_force_and_a_broken_one_leaves_what_was() {
    let folder = Folder::new();
    let path = folder.config(&format!("basic_auth_users: {{alice: {HASH}}}"));
    let server = follow(&path);
    let never = "nodefall_config_last_reload_success_timestamp_seconds 0";
    let told = async {
        while server.metrics.encode().lines().any(|line| line == never) {
            tokio::time::sleep(TICK).await;
        }
    };
    timeout(LONG, told).await.expect("the time is told");
    server.counted(GOOD).await;
    // alice:secret and bob:secret
    let (alice, bob) = (
        "Authorization: Basic YWxpY2U6c2VjcmV0\r\n",
        "Authorization: Basic Ym9iOnNlY3JldA==\r\n",
    );
    assert_eq!(
        [status(&server, alice).await, status(&server, bob).await],
        [200, 401]
    );
    replace(&folder, "web.yml", "basic_auth_users: {bob: oops}");
    server.counted(BROKEN).await;
    assert_eq!(
        [status(&server, alice).await, status(&server, bob).await],
        [200, 401]
    );
    replace(
        &folder,
        "web.yml",
        &format!("basic_auth_users: {{bob: {HASH}}}"),
    );
    becomes(&server, bob, 200).await;
    server.counted(GOOD).await;
    // What was known of alice is forgotten, too.
    assert_eq!(status(&server, alice).await, 401);
    fs::remove_file(&path).expect("a file");
    server.counted(BROKEN).await;
    assert_eq!(status(&server, bob).await, 200);
    // An emptied file is a valid one; it would open the door.
    folder.config(&format!("basic_auth_users: {{bob: {HASH}}}"));
    server.counted(GOOD).await;
    folder.config("");
    server.counted(BROKEN).await;
    assert_eq!(
        [status(&server, "").await, status(&server, bob).await],
        [401, 200]
    );
}

#[tokio::test]
async fn what_only_posts_are_asked_is_not_left_out_either() {
    let folder = Folder::new();
    folder.0.write("token", "t");
    let path = folder.config("nodefall: {webhook: {bearer_token_files: [token]}}");
    let server = follow(&path);
    replace(&folder, "web.yml", "http_server_config: {http2: true}");
    server.counted(BROKEN).await;
    for (headers, expected) in [("", "401"), ("Authorization: Bearer t\r\n", "202")] {
        let mut client = server.connect().await;
        client.send(&notification(headers)).await;
        assert_eq!(code(&client.rest().await), expected);
    }
}

/// A connection is worth what was asked of it when it began.
#[tokio::test]
async fn a_connection_ends_when_another_certificate_is_asked_for() {
    const VERIFY: &str = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n";
    let (ca, other) = (Ca::new(), Ca::new());
    let folder = Folder::with(&ca);
    let server = follow(&folder.config(&format!("{TLS}{VERIFY}")));
    let address = server.addresses[0];
    let client = Speaks::to(&ca).own(ca.client(&["alertmanager"]));
    let mut open = client.connect(address).await.expect("TLS");
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    open.write_all(request.as_bytes()).await.expect("it reads");
    let mut status = [0; 12];
    open.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 200");
    // The client's old CA is another one now.
    replace(&folder, "ca.pem", &other.pem());
    let wait = async {
        while client.ask(address, request).await.is_ok() {
            tokio::time::sleep(TICK).await;
        }
    };
    timeout(LONG, wait).await.expect("it is followed");
    let mut rest = String::new();
    open.write_all(request.as_bytes()).await.expect("it reads");
    open.read_to_string(&mut rest).await.expect("it ends");
    assert!(
        rest.contains("HTTP/1.1 503") && rest.contains("connect again"),
        "{rest}"
    );
}

#[tokio::test]
async fn a_token_is_followed_through_the_links_of_a_mounted_secret() {
    let folder = Folder::new();
    let (old, new) = (folder.0.path("..1"), folder.0.path("..2"));
    for (place, token) in [(&old, "first"), (&new, "second")] {
        fs::create_dir(place).expect("a folder");
        fs::write(place.join("token"), token).expect("a file");
    }
    symlink("..1", folder.0.path("..data")).expect("a link");
    symlink("..data/token", folder.0.path("token")).expect("a link");
    let path = folder.config("nodefall: {bearer_token_files: [token]}");
    let server = follow(&path);
    let (first, second) = (
        "Authorization: Bearer first\r\n",
        "Authorization: Bearer second\r\n",
    );
    assert_eq!(
        [status(&server, first).await, status(&server, second).await],
        [200, 401]
    );
    symlink("..2", folder.0.path("..data_tmp")).expect("a link");
    fs::rename(folder.0.path("..data_tmp"), folder.0.path("..data")).expect("a link");
    becomes(&server, second, 200).await;
    assert_eq!(status(&server, first).await, 401);
}

#[tokio::test]
async fn a_certificate_without_its_key_is_waited_for_and_tls_may_begin_but_not_end() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    let path = folder.config("# no TLS yet\n");
    let server = follow(&path);
    assert_eq!(status(&server, "").await, 200);
    let mut plain = server.connect().await;
    plain.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(code(&plain.some().await), "200");
    replace(&folder, "web.yml", TLS);
    let client = Speaks::to(&ca);
    let ask = || {
        client.ask(
            server.addresses[0],
            "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        )
    };
    let wait = async {
        while ask().await != Ok(200) {
            tokio::time::sleep(TICK).await;
        }
    };
    timeout(LONG, wait).await.expect("TLS");
    // What began without goes no further.
    plain.send(&get("/metrics", "")).await;
    assert!(plain.rest().await.contains("connect again"));
    let pair = ca.server();
    replace(&folder, "cert.pem", &pair.cert);
    server.counted(BROKEN).await;
    assert_eq!(ask().await, Ok(200));
    replace(&folder, "key.pem", &pair.key);
    server.counted(GOOD).await;
    assert_eq!(ask().await, Ok(200));
    // An open connection goes on, and TLS does not end.
    let mut open = client.connect(server.addresses[0]).await.expect("TLS");
    replace(&folder, "web.yml", "# no TLS any more\n");
    server.counted(BROKEN).await;
    assert_eq!(ask().await, Ok(200));
    open.write_all(get("/metrics", "").as_bytes())
        .await
        .expect("it reads");
    let mut answer = Vec::new();
    open.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// 1,000 requests, half of them on connections of their own, while the certificate is replaced 20
/// times: none is lost, and what is served in the end is the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_while_a_thousand_requests_run_and_none_is_lost() {
    const REQUESTS: usize = 1000;
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    let server = follow(&folder.config(TLS));
    let address = server.addresses[0];
    let (config, done) = (Speaks::to(&ca).config(), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (config, done) = (config.clone(), done.clone());
        clients.spawn(async move {
            let connect = || async {
                let tcp = TcpStream::connect(address).await.expect("TCP");
                let name = "127.0.0.1".try_into().expect("a name");
                let connector = tokio_rustls::TlsConnector::from(config.clone());
                connector.connect(name, tcp).await.expect("TLS")
            };
            let mut kept = connect().await;
            for _ in 0..REQUESTS / 4 {
                if client % 2 == 0 {
                    kept = connect().await;
                }
                kept.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                    .await
                    .expect("it reads");
                let mut answer = Vec::new();
                while !answer.ends_with(b"healthy\n") {
                    let read = kept.read_buf(&mut answer).await.expect("an answer");
                    assert!(read > 0, "lost after {answer:?}");
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"));
                done.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    let mut last = ca.server();
    for round in 1..=20 {
        while done.load(Ordering::Relaxed) < round * REQUESTS / 21 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        last = ca.server();
        replace(&folder, "key.pem", &last.key);
        replace(&folder, "cert.pem", &last.cert);
    }
    clients.join_all().await;
    assert_eq!(done.load(Ordering::Relaxed), REQUESTS);
    let served = || async {
        let stream = Speaks::to(&ca).connect(address).await.expect("TLS");
        let chain = stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a certificate");
        pem(&chain[0])
    };
    let wait = async {
        while served().await != last.cert.replace(['\r', '\n'], "") {
            tokio::time::sleep(TICK).await;
        }
    };
    timeout(LONG, wait).await.expect("the last one is served");
    let failed = "nodefall_auth_failures_total{reason=\"tls\"} 0";
    server.counted(failed).await;
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----")
}
