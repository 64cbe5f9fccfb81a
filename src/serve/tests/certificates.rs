//! TLS: who is let in by what certificate, and what a handshake may cost.

use super::super::{Bounds, WebConfig};
use super::pki::*;
use super::support::*;
use crate::metrics::Metrics;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

const OLD: &[&SupportedProtocolVersion] = &[&TLS12];
const NEW: &[&SupportedProtocolVersion] = &[&TLS13];

const PAGE: &str = "/metrics";

/// A server of a folder with that `tls_server_config`.
fn server(folder: &Folder, more: &str) -> Server {
    let path = folder.config(&format!("{TLS}{more}"));
    let web = WebConfig::read(&path).unwrap_or_else(|why| panic!("{more}: {why}"));
    Server::guarded(web, ready_desk())
}

#[tokio::test]
async fn each_client_auth_type_asks_for_what_it_says() {
    let (ca, other) = (Ca::new(), Ca::new());
    let folder = Folder::with(&ca);
    let (no, yes) = (false, true);
    // A certificate of: nobody, our CA, another one, ours but of yesteryear.
    for (kind, lets_in) in [
        ("NoClientCert", [yes, yes, yes, yes]),
        ("RequestClientCert", [yes, yes, yes, yes]),
        ("RequireAnyClientCert", [no, yes, yes, yes]),
        ("RequireClientCert", [no, yes, yes, yes]),
        (
            "VerifyClientCertIfGiven\n  client_ca_file: ca.pem",
            [yes, yes, no, no],
        ),
        (
            "RequireAndVerifyClientCert\n  client_ca_file: ca.pem",
            [no, yes, no, no],
        ),
    ] {
        let server = server(&folder, &format!("  client_auth_type: {kind}\n"));
        let bare = Speaks::to(&ca);
        let clients = [
            bare.clone(),
            bare.clone().own(ca.client(&["a"])),
            bare.clone().own(other.client(&["a"])),
            bare.own(ca.expired(&["a"])),
        ];
        for (index, (client, lets_in)) in clients.iter().zip(lets_in).enumerate() {
            for versions in [OLD, NEW] {
                let client = Speaks {
                    versions,
                    ..client.clone()
                };
                let answer = client.ask(server.addresses[0], &get(PAGE, "")).await;
                let expected = lets_in.then_some(200);
                assert_eq!(answer.clone().ok(), expected, "{kind}, {index}: {answer:?}");
            }
        }
        let refused = 2 * lets_in.iter().filter(|lets_in| !**lets_in).count();
        server
            .counted(&format!(
                "nodefall_auth_failures_total{{reason=\"tls\"}} {refused}"
            ))
            .await;
        // Probes have no certificate.
        let mut probe = Client::connect(server.health).await;
        probe.send(&get("/-/healthy", "")).await;
        assert_eq!(code(&probe.rest().await), "200", "{kind}");
    }
}

#[tokio::test]
async fn a_certificate_must_bear_one_of_the_names() {
    let (ca, other) = (Ca::new(), Ca::new());
    let folder = Folder::with(&ca);
    for (kind, strangers) in [
        ("RequireAndVerifyClientCert\n  client_ca_file: ca.pem", None),
        ("RequireAnyClientCert", Some(200)),
    ] {
        let config = format!(
            "  client_auth_type: {kind}\n  client_allowed_sans: [alertmanager, 192.0.2.1]\n"
        );
        let server = server(&folder, &config);
        for (names, expected) in [
            (&["alertmanager"][..], Some(200)),
            (&["prometheus", "alertmanager"], Some(200)),
            (&["192.0.2.1"], Some(200)),
            (&["prometheus"], None),
            (&["alertmanager.example"], None),
            (&["*.alertmanager"], None),
            (&[], None),
        ] {
            let client = Speaks::to(&ca).own(ca.client(names));
            let answer = client.ask(server.addresses[0], &get(PAGE, "")).await;
            assert_eq!(answer.clone().ok(), expected, "{names:?}: {answer:?}");
        }
        let client = Speaks::to(&ca).own(other.client(&["alertmanager"]));
        let answer = client.ask(server.addresses[0], &get(PAGE, "")).await;
        assert_eq!(answer.ok(), strangers, "{kind}");
    }
}

#[tokio::test]
async fn versions_and_suites_are_those_of_the_file() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    for (config, with_old, with_new) in [
        ("", true, true),
        ("  min_version: TLS13\n", false, true),
        ("  max_version: TLS12\n", true, false),
        (
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
            false,
            true,
        ),
        (
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n",
            true,
            true,
        ),
    ] {
        let server = server(&folder, config);
        for (versions, expected) in [(OLD, with_old), (NEW, with_new)] {
            let client = Speaks {
                versions,
                ..Speaks::to(&ca)
            };
            let answer = client.ask(server.addresses[0], &get(PAGE, "")).await;
            assert_eq!(answer.is_ok(), expected, "{config}: {answer:?}");
        }
    }
    let server = server(
        &folder,
        "  curve_preferences: [CurveP384]\n  max_version: TLS12\n",
    );
    let stream = Speaks::to(&ca)
        .connect(server.addresses[0])
        .await
        .expect("TLS");
    let group = stream.get_ref().1.negotiated_key_exchange_group();
    assert_eq!(format!("{:?}", group.expect("a group").name()), "secp384r1");
}

/// What is taken up again would bring a certificate that nobody looked at again.
#[tokio::test]
async fn no_session_is_taken_up_again() {
    let ca = Ca::new();
    let server = server(&Folder::with(&ca), "");
    for versions in [OLD, NEW] {
        let speaks = Speaks {
            versions,
            ..Speaks::to(&ca)
        };
        // One configuration remembers sessions.
        let connector = tokio_rustls::TlsConnector::from(speaks.config());
        for _ in 0..3 {
            let tcp = tokio::net::TcpStream::connect(server.addresses[0])
                .await
                .expect("TCP");
            let name = tokio_rustls::rustls::pki_types::ServerName::try_from("127.0.0.1");
            let mut tls = connector
                .connect(name.expect("a name"), tcp)
                .await
                .expect("TLS");
            tokio::io::AsyncWriteExt::write_all(&mut tls, get("/-/healthy", "").as_bytes())
                .await
                .expect("it reads");
            let mut answer = Vec::new();
            tls.read_to_end(&mut answer).await.expect("an answer");
            let kind = tls.get_ref().1.handshake_kind().expect("a handshake");
            assert_eq!(kind, tokio_rustls::rustls::HandshakeKind::Full);
        }
    }
}

#[tokio::test]
async fn the_wrong_language_is_told_and_counted() {
    let ca = Ca::new();
    let server = server(&Folder::with(&ca), "");
    let mut client = server.connect().await;
    client.send(&get(PAGE, "")).await;
    assert!(!client.rest().await.contains("HTTP"));
    server
        .counted("nodefall_auth_failures_total{reason=\"tls\"} 1")
        .await;
}

#[tokio::test]
async fn slow_handshakes_end_and_take_places_like_any_connection() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    let bounds = Bounds {
        connections: 16,
        ..patient()
    };
    let web = WebConfig::read(&folder.config(TLS)).expect("good");
    let server = Server::serve(front(ready_desk(), Metrics::new()), web, bounds, 1);
    // One is slow and stays within its time: others go on, and it ends in time.
    let began = std::time::Instant::now();
    let mut slow = server.connect().await;
    slow.send("\u{16}\u{3}\u{1}").await;
    let client = Speaks::to(&ca);
    let answer = client.ask(server.addresses[0], &get(PAGE, "")).await;
    assert_eq!(answer, Ok(200));
    slow.rest().await;
    let took = began.elapsed();
    assert!(took >= PATIENCE && took < PATIENCE * 5, "{took:?}");
    // Many are closed for whoever comes later.
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(server.connect().await);
    }
    let answer = client.ask(server.addresses[0], &get(PAGE, "")).await;
    assert_eq!(answer, Ok(200));
    tokio::time::timeout(Duration::from_secs(10), idle[0].rest())
        .await
        .expect("closed");
}
