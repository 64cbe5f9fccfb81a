//! Who is let in by what it brings with a request, and what that may cost.

use super::super::{Bounds, WebConfig};
use super::pki::*;
use super::support::*;
use crate::act::Desk;
use crate::metrics::Metrics;
use crate::serve::web_config::tests::HASH;
use axum::Router;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

fn web(folder: &Folder, text: &str) -> WebConfig {
    WebConfig::read(&folder.config(text)).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn server(folder: &Folder, text: &str) -> Server {
    Server::guarded(web(folder, text), ready_desk())
}

fn basic(user: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

async fn answer(server: &Server, request: &str) -> String {
    let mut client = server.connect().await;
    client.send(request).await;
    client.rest().await
}

async fn status(server: &Server, path: &str, headers: &str) -> u16 {
    let answer = answer(server, &get(path, headers)).await;
    code(&answer).parse().expect("a status")
}

/// The status of a notification.
async fn notify(server: &Server, headers: &str) -> u16 {
    let answer = answer(server, &notification(headers)).await;
    code(&answer).parse().expect("a status")
}

async fn failed(server: &Server, reason: &str, count: usize) {
    let line = format!("nodefall_auth_failures_total{{reason=\"{reason}\"}} {count}");
    server.counted(&line).await;
}

#[tokio::test]
async fn a_user_needs_the_password_and_is_told_how() {
    let config = format!("basic_auth_users: {{alice: {HASH}}}");
    let server = server(&Folder::new(), &config);
    let good = basic("alice", "secret");
    let encoded = STANDARD.encode("alice:secret");
    for headers in [
        good.clone(),
        good.replace("Basic", "basic"),
        good.replace("Basic ", "BASIC   "),
        good.replace("Authorization", "authorization"),
    ] {
        assert_eq!(
            status(&server, "/metrics", &headers).await,
            200,
            "{headers}"
        );
    }
    let wrong = [
        basic("alice", "Secret"),
        basic("alice", ""),
        basic("bob", "secret"),
        basic("Alice", "secret"),
        basic("", "secret"),
        // A token is not what was asked for.
        bearer("secret"),
        bearer(&encoded),
    ];
    let malformed = [
        "Authorization: Basic\r\n".to_owned(),
        "Authorization: \r\n".to_owned(),
        "Authorization: Basic ???\r\n".to_owned(),
        format!("Authorization: Basic {}\r\n", STANDARD.encode("alice")),
        format!("Authorization: {encoded}\r\n"),
        format!("Authorization: Digest {encoded}\r\n"),
        format!("{good}{good}"),
    ];
    let missing = [String::new(), "X-Authorization: Basic x\r\n".to_owned()];
    for headers in wrong.iter().chain(&malformed).chain(&missing) {
        let answer = answer(&server, &get("/metrics", headers)).await;
        assert_eq!(code(&answer), "401", "{headers}{answer}");
        assert!(
            answer.contains("www-authenticate: Basic realm=\"nodefall\"\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("Bearer realm"), "{answer}");
    }
    failed(&server, "wrong_credentials", wrong.len()).await;
    failed(&server, "malformed", malformed.len()).await;
    failed(&server, "missing", missing.len()).await;
}

#[tokio::test]
async fn a_token_lets_in_whoever_bears_it_and_either_way_will_do() {
    let folder = Folder::new();
    folder.0.write("one", "token-1\n");
    folder.0.write("two", " token-2 ");
    let config = format!(
        "basic_auth_users: {{alice: {HASH}}}\nnodefall: {{bearer_token_files: [one, two]}}"
    );
    let server = server(&folder, &config);
    for headers in [
        bearer("token-1"),
        bearer("token-2"),
        basic("alice", "secret"),
    ] {
        assert_eq!(
            status(&server, "/metrics", &headers).await,
            200,
            "{headers}"
        );
    }
    for token in [
        "token-",
        "token-11",
        "TOKEN-1",
        "token-1 token-2",
        "secret",
        "a.b.c",
    ] {
        let answer = answer(&server, &get("/metrics", &bearer(token))).await;
        assert_eq!(code(&answer), "401", "{token}");
        for offered in ["Basic", "Bearer"] {
            let challenge = format!("www-authenticate: {offered} realm=\"nodefall\"\r\n");
            assert!(answer.contains(&challenge), "{answer}");
        }
    }
    failed(&server, "wrong_credentials", 6).await;
}

#[tokio::test]
async fn every_page_but_the_probes_is_guarded() {
    let folder = Folder::new();
    folder.0.write("token", "t");
    let server = server(&folder, "nodefall: {bearer_token_files: [token]}");
    for path in [
        "/metrics",
        "/api/v1/remediations",
        "/",
        "/nowhere",
        "/-/healthy/",
        "/-/ready/x",
        "//-/ready",
        "/%2d/ready",
        "/metrics/",
        "/webhook",
        "/webhook/",
    ] {
        assert_eq!(status(&server, path, "").await, 401, "{path}");
        assert_ne!(status(&server, path, &bearer("t")).await, 401, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "X"] {
        for path in ["/metrics", "/webhook"] {
            let request = get(path, "").replacen("GET", method, 1);
            assert_eq!(code(&answer(&server, &request).await), "401", "{method}");
        }
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(status(&server, path, "").await, 200, "{path}");
        assert_eq!(status(&server, path, &bearer("wrong")).await, 200, "{path}");
    }
}

#[tokio::test]
async fn nothing_of_a_body_is_read_before_its_sender_is_known_and_refusals_are_counted() {
    let folder = Folder::new();
    folder.0.write("token", "t");
    let server = server(&folder, "nodefall: {bearer_token_files: [token]}");
    let mut client = server.connect().await;
    // It waits for an answer before it sends 4 MB.
    client.send(&head(4_000_000)).await;
    assert_eq!(code(&client.some().await), "401");
    assert_eq!(notify(&server, &bearer("wrong")).await, 401);
    server
        .counted("nodefall_webhook_requests_total{code=\"401\"} 2")
        .await;
    server
        .counted("nodefall_alerts_total{result=\"taken\",status=\"firing\"} 0")
        .await;
    assert_eq!(notify(&server, &bearer("t")).await, 202);
}

#[tokio::test]
async fn the_webhook_may_ask_for_something_else_than_the_rest() {
    let folder = Folder::new();
    folder.0.write("all", "all");
    folder.0.write("hook", "hook");
    let rest = "bearer_token_files: [all]";
    let webhook = "webhook: {bearer_token_files: [hook]}";
    for (config, table) in [
        // The pages: with nothing, with the one, with the other; the webhook likewise.
        (
            format!("nodefall: {{{webhook}}}"),
            [[200, 200, 200], [401, 401, 202]],
        ),
        (
            format!("nodefall: {{{rest}}}"),
            [[401, 200, 401], [401, 202, 401]],
        ),
        (
            format!("nodefall: {{{rest}, {webhook}}}"),
            [[401, 200, 401], [401, 401, 202]],
        ),
    ] {
        let server = server(&folder, &config);
        let headers = [String::new(), bearer("all"), bearer("hook")];
        for (index, headers) in headers.iter().enumerate() {
            let pages = status(&server, "/metrics", headers).await;
            let hook = notify(&server, headers).await;
            assert_eq!(
                [pages, hook],
                table.map(|row| row[index]),
                "{config} {headers}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_for_the_webhook_comes_on_top_of_what_all_others_need() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    folder.0.write("token", "t");
    let config = format!(
        "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n\
         nodefall: {{bearer_token_files: [token], webhook: {{require_client_certificate: true}}}}"
    );
    let server = server(&folder, &config);
    let bare = Speaks::to(&ca);
    let own = bare.clone().own(ca.client(&["alertmanager"]));
    for (client, headers, hook) in [
        (&bare, String::new(), 403),
        (&bare, bearer("t"), 403),
        (&own, String::new(), 401),
        (&own, bearer("t"), 202),
    ] {
        let answer = client
            .ask(server.addresses[0], &notification(&headers))
            .await;
        assert_eq!(answer, Ok(hook), "{headers}");
    }
}

#[tokio::test]
async fn the_webhook_alone_may_ask_for_a_client_certificate() {
    let (ca, other) = (Ca::new(), Ca::new());
    let folder = Folder::with(&ca);
    let tls =
        format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n");
    let bare = Speaks::to(&ca);
    let alertmanager = bare.clone().own(ca.client(&["alertmanager"]));
    let prometheus = bare.clone().own(ca.client(&["prometheus"]));
    for (asks, by_prometheus) in [
        ("require_client_certificate: true", 202),
        ("client_allowed_sans: [alertmanager]", 403),
    ] {
        let config = format!("{tls}nodefall: {{webhook: {{{asks}}}}}");
        let server = server(&folder, &config);
        let address = server.addresses[0];
        for (client, hook) in [
            (&bare, 403),
            (&prometheus, by_prometheus),
            (&alertmanager, 202),
        ] {
            assert_eq!(client.ask(address, &get("/metrics", "")).await, Ok(200));
            assert_eq!(
                client.ask(address, &notification("")).await,
                Ok(hook),
                "{asks}"
            );
        }
        let stranger = bare.clone().own(other.client(&["alertmanager"]));
        stranger
            .ask(address, &notification(""))
            .await
            .expect_err("no TLS");
        failed(&server, "missing", 1).await;
        failed(&server, "not_allowed", usize::from(by_prometheus == 403)).await;
        failed(&server, "tls", 1).await;
    }
}

/// At cost 10 a check takes some 75 ms: 200 of them would take 15 s of a core.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_take_no_more_than_a_core_and_keep_nobody_out() {
    let hash = bcrypt::hash("secret", 10).expect("a hash");
    let config = format!("basic_auth_users: {{alice: '{hash}'}}");
    let server = Arc::new(server(&Folder::new(), &config));
    let good = basic("alice", "secret");
    let began = Instant::now();
    assert_eq!(status(&server, "/metrics", &good).await, 200);
    let once = began.elapsed();
    let mut wrong = JoinSet::new();
    for n in 0..200 {
        let server = server.clone();
        wrong.spawn(async move {
            let user = if n % 2 == 0 { "alice" } else { "nobody" };
            status(&server, "/metrics", &basic(user, &n.to_string())).await
        });
    }
    failed_some(&server).await;
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(status(&server, "/-/healthy", "").await, 200);
        assert_eq!(status(&server, "/metrics", &good).await, 200);
    }
    let took = began.elapsed();
    let statuses = wrong.join_all().await;
    let busy = statuses.iter().filter(|status| **status == 503).count();
    let told = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(busy + told, 200, "{statuses:?}");
    // One is checked and 16 wait: the rest is turned away at once.
    assert!(told >= 17 && busy >= 100, "{told} told, {busy} turned away");
    nodefall_testbed::process::say(&format!(
        "bcrypt at cost 10: {once:?} the first time; of 200 wrong passwords at once {told} were \
         checked, and 20 good requests took {took:?}"
    ));
}

/// Waits until somebody was turned away.
async fn failed_some(server: &Server) {
    let none = "nodefall_auth_failures_total{reason=\"busy\"} 0";
    let wait = async {
        while server.metrics.encode().lines().any(|line| line == none) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("somebody");
}

/// What was logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn refusals_are_logged_seldom_and_without_what_was_brought() {
    let config = format!("basic_auth_users: {{alice: {HASH}}}");
    let (log, server) = (Written::default(), server(&Folder::new(), &config));
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _log = tracing::subscriber::set_default(subscriber.finish());
    let began = Instant::now();
    for _ in 0..30 {
        for headers in [
            basic("alice", "hunter2"),
            bearer("hunter3"),
            basic("hunter4", "x"),
        ] {
            assert_eq!(status(&server, "/metrics", &headers).await, 401);
        }
    }
    let most = began.elapsed().as_secs() + 1;
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    let lines = log
        .lines()
        .filter(|line| line.contains("not let in"))
        .count();
    assert!(
        lines >= 1 && lines as u64 <= most,
        "{lines} lines in {most} s: {log}"
    );
    assert!(
        log.contains("wrong_credentials") && log.contains("127.0.0.1"),
        "{log}"
    );
    for secret in ["hunter", &STANDARD.encode("alice:hunter2"), "secret"] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// An API server that knows these tokens of the audience `nodefall`; none: it is away.
fn reviewer(known: Option<&[(&str, &str)]>) -> Desk {
    let known: Option<Vec<(String, String)>> = known.map(|known| {
        let pair = |(token, user): &(&str, &str)| ((*token).to_owned(), (*user).to_owned());
        known.iter().map(pair).collect()
    });
    let service = Router::new().fallback(move |body: String| async move {
        let Some(known) = known else {
            return (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned());
        };
        let user = known.iter().find(|(token, _)| body.contains(token.as_str()));
        let status = match user {
            Some((_, user)) => format!(
                r#"{{"authenticated":true,"user":{{"username":"{user}"}},"audiences":["nodefall"]}}"#
            ),
            None => r#"{"error":"no"}"#.to_owned(),
        };
        (StatusCode::CREATED, format!(r#"{{"status":{status}}}"#))
    });
    Desk::idle_before(service, "")
}

fn token(claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode("{}"), encode(claims), encode(claims))
}

#[tokio::test]
async fn service_accounts_are_let_in_by_the_list_and_only_the_api_server_knows_them() {
    let folder = Folder::new();
    let config = "nodefall: {service_accounts: {allowed: [monitoring/alertmanager-main]}}";
    let [good, other, person, stranger] =
        [r#"{"a":1}"#, r#"{"b":1}"#, r#"{"c":1}"#, "{}"].map(token);
    let desk = reviewer(Some(&[
        (&good, "system:serviceaccount:monitoring:alertmanager-main"),
        (&other, "system:serviceaccount:default:alertmanager-main"),
        (&person, "monitoring:alertmanager-main"),
    ]));
    let server = Server::guarded(web(&folder, config), desk);
    for (token, code) in [
        (&good, 202),
        (&other, 403),
        (&person, 403),
        (&stranger, 401),
    ] {
        assert_eq!(notify(&server, &bearer(token)).await, code);
    }
    failed(&server, "not_allowed", 2).await;
    failed(&server, "wrong_credentials", 1).await;
    let away = Server::guarded(web(&folder, config), reviewer(None));
    let answer = answer(&away, &notification(&bearer(&good))).await;
    assert_eq!(code(&answer), "503", "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    assert!(
        answer.contains("whose token this is cannot be asked"),
        "{answer}"
    );
    assert_eq!(notify(&away, &bearer("no-token")).await, 401);
    failed(&away, "unavailable", 1).await;
}

#[tokio::test]
async fn the_rate_is_limited_and_probes_are_not() {
    let server = server(&Folder::new(), "rate_limit: {interval: 1h, burst: 3}");
    for expected in [200, 200, 200, 429, 429] {
        assert_eq!(status(&server, "/metrics", "").await, expected);
    }
    // Alertmanager would not try again after 429.
    assert_eq!(notify(&server, "").await, 503);
    for _ in 0..5 {
        assert_eq!(status(&server, "/-/ready", "").await, 200);
    }
}

#[tokio::test]
async fn every_answer_bears_the_headers_and_the_file_has_the_last_word() {
    let folder = Folder::new();
    folder.0.write("token", "t");
    let guarded = "nodefall: {bearer_token_files: [token]}\n";
    let default = server(&folder, guarded);
    let answers = |server: Arc<Server>| async move {
        let mut answers = vec![answer(&server, &notification("")).await];
        for path in ["/metrics", "/nowhere", "/-/healthy"] {
            answers.push(answer(&server, &get(path, "")).await);
            answers.push(answer(&server, &get(path, &bearer("t"))).await);
        }
        answers.push(answer(&server, &get("/-/ready", "").replacen("GET", "PUT", 1)).await);
        let mut probe = Client::connect(server.health).await;
        probe.send(&get("/-/healthy", "")).await;
        answers.push(probe.rest().await);
        answers
    };
    for answer in answers(Arc::new(default)).await {
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; ",
            "x-content-type-options: nosniff\r\n",
            "x-frame-options: deny\r\n",
            "referrer-policy: no-referrer\r\n",
            "cache-control: no-store\r\n",
        ] {
            assert!(answer.contains(header), "{header} is missing: {answer}");
        }
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
    let config = format!(
        "{guarded}http_server_config: {{headers: {{X-Frame-Options: sameorigin, \
         Strict-Transport-Security: max-age=60, Content-Security-Policy: ''}}}}"
    );
    for answer in answers(Arc::new(server(&folder, &config))).await {
        assert!(
            answer.contains("x-frame-options: sameorigin\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("strict-transport-security: max-age=60\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("x-content-type-options: nosniff\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("content-security-policy"), "{answer}");
    }
}

#[tokio::test]
async fn the_listener_for_probes_serves_nothing_else_within_the_same_bounds() {
    let metrics = Metrics::new();
    let bounds = Bounds {
        connections: 4,
        ..patient()
    };
    let server = Server::serve(front(ready_desk(), metrics), open(), bounds, 1);
    let health = server.health;
    let ask = |request: String| async move {
        let mut probe = Client::connect(health).await;
        probe.send(&request).await;
        let answer = probe.rest().await;
        code(&answer).to_owned()
    };
    for (path, expected) in [
        ("/-/healthy", "200"),
        ("/-/ready", "200"),
        ("/metrics", "404"),
        ("/webhook", "404"),
        ("/api/v1/remediations", "404"),
    ] {
        assert_eq!(ask(get(path, "")).await, expected, "{path}");
    }
    assert_eq!(ask(notification("")).await, "404");
    // A crowd at the one door keeps nobody from the other.
    let mut crowd = Vec::new();
    for address in [server.addresses[0], server.health] {
        for _ in 0..40 {
            crowd.push(Client::connect(address).await);
        }
        assert_eq!(ask(get("/-/healthy", "")).await, "200");
    }
    assert_eq!(
        crowd[40].rest().await,
        "",
        "of five the one idle longest was closed"
    );
    // Half a request is not waited for.
    let mut slow = Client::connect(server.health).await;
    slow.send("GET /-/healthy HT").await;
    let answer = slow.rest().await;
    assert!(!answer.contains("200"), "{answer}");
}
