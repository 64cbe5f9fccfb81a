//! Real clients at the door: Alertmanager and Prometheus as Debian has them, curl, and openssl.

use crate::api::LOST;
use crate::door::{Guarded, PASSWORD, TLS, users};
use crate::secure::certificate;
use nodefall_testbed::monitoring::{Access, Stack, Targets};
use nodefall_testbed::process::{PATIENCE, eventually};
use nodefall_testbed::tools::tool;
use std::process::{Command, Stdio};

const TAKEN: &str = r#"nodefall_alerts_total{status="firing",result="taken"}"#;

/// Alertmanager and Prometheus, both with these fields in their client's configuration.
fn stack(guarded: &Guarded, alertmanager: &str, prometheus: &str) -> Stack {
    let ca = guarded.path("ca.pem");
    let tls = |more: &str| format!("tls_config: {{ca_file: '{ca}'{more}}}");
    let client = |fields: &str| match fields.strip_prefix("certificate") {
        Some(_) => tls(&format!(
            ", cert_file: '{}', key_file: '{}'",
            guarded.path("client.pem"),
            guarded.path("client.key")
        )),
        None => format!("{}{fields}", tls("")),
    };
    let access = Access {
        scheme: "https",
        http_config: format!("{{{}}}", client(alertmanager)),
        scrape: format!(", {}", client(prometheus)),
    };
    let targets = Targets {
        state_metrics: guarded.api.address,
        receiver: guarded.receiver.address,
        scrape_interval: "1s",
    };
    Stack::start_with(&guarded.scratch, &targets, &access)
}

/// Waits until Prometheus has read that value.
fn reads(stack: &Stack, query: &str, value: f64) {
    eventually(
        &format!("Prometheus reads {query} = {value}"),
        PATIENCE,
        || (stack.query(query)? == value).then_some(()),
    );
}

/// A node is lost, Alertmanager tells of it, its pod runs elsewhere, and Prometheus has read that.
fn remediated(guarded: &Guarded, stack: &Stack) {
    reads(stack, r#"up{job="nodefall"}"#, 1.0);
    let old = guarded.api.pod("prometheus-k8s-0").expect("a pod");
    guarded.api.lose(LOST);
    stack.fire(LOST);
    guarded.api.replaced("prometheus-k8s-0", &old);
    reads(stack, TAKEN, 1.0);
}

#[test]
fn alertmanager_and_prometheus_come_with_users_and_passwords() {
    let guarded = Guarded::start(&format!("{TLS}{}", users()));
    let file = guarded.path("password");
    let basic = |user| format!(", basic_auth: {{username: {user}, password_file: '{file}'}}");
    let stack = stack(&guarded, &basic("alertmanager"), &basic("prometheus"));
    remediated(&guarded, &stack);
    reads(&stack, r#"sum(nodefall_auth_failures_total)"#, 0.0);
}

#[test]
fn alertmanager_and_prometheus_come_with_tokens_that_are_renewed() {
    let guarded = Guarded::start(&format!("{TLS}nodefall:\n  bearer_token_files: [token]\n"));
    let file = guarded.path("token");
    let bearer = format!(", authorization: {{credentials_file: '{file}'}}");
    let stack = stack(&guarded, &bearer, &bearer);
    reads(&stack, r#"up{job="nodefall"}"#, 1.0);
    // Nobody is restarted.
    let new = guarded.scratch.write("new", "the-second-token\n");
    std::fs::rename(new, &file).expect("a file");
    guarded.says("what --web.config.file says now is in force");
    remediated(&guarded, &stack);
    let answer = curl(
        &guarded,
        &["-H", "Authorization: Bearer the-first-token"],
        "/metrics",
    );
    assert_eq!(answer, "401 1.1");
}

#[test]
fn alertmanager_and_prometheus_come_with_certificates() {
    let guarded = Guarded::start(&format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
         client_allowed_sans: [alertmanager]\nhttp_server_config: {{http2: false}}\n"
    ));
    let stack = stack(&guarded, "certificate", "certificate");
    remediated(&guarded, &stack);
    reads(&stack, r#"sum(nodefall_auth_failures_total)"#, 0.0);
}

/// Alertmanager has a certificate and Prometheus none: `/webhook` alone asks for it.
#[test]
fn prometheus_reads_without_what_alertmanager_needs() {
    let guarded = Guarded::start(&format!(
        "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n\
         nodefall: {{webhook: {{client_allowed_sans: [alertmanager]}}}}\n"
    ));
    let stack = stack(&guarded, "certificate", "");
    remediated(&guarded, &stack);
    assert_eq!(curl(&guarded, &["-d", "{}"], "/webhook"), "403 1.1");
}

/// The status and the version that curl sees; its own error where there is none.
fn curl(guarded: &Guarded, options: &[&str], page: &str) -> String {
    let output = Command::new(tool("curl"))
        .args(["-sS", "--http1.1", "--max-time", "20", "-o", "/dev/null"])
        .args([
            "-w",
            "%{http_code} %{http_version}",
            "--cacert",
            &guarded.path("ca.pem"),
        ])
        .args(options)
        .arg(guarded.url(page))
        .output()
        .expect("curl");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => text(&output.stdout),
        false => text(&output.stderr),
    }
}

#[test]
fn curl_is_let_in_by_what_it_brings() {
    let guarded = Guarded::start(&format!(
        "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n{}\
         nodefall:\n  bearer_token_files: [token]\n  webhook: {{require_client_certificate: true}}\n",
        users()
    ));
    let (good, wrong) = (format!("prometheus:{PASSWORD}"), "prometheus:wrong");
    let (first, other) = (
        "Authorization: Bearer the-first-token",
        "Authorization: Bearer x",
    );
    let own = |name: &str| {
        [
            guarded.path(&format!("{name}.pem")),
            guarded.path(&format!("{name}.key")),
        ]
    };
    let ([cert, key], [strange, strange_key]) = (own("client"), own("stranger"));
    let alert = nodefall_testbed::http::notification("firing", "any-node");
    for (options, page, expected) in [
        (&[][..], "/metrics", "401 1.1"),
        (&["-u", &good], "/metrics", "200 1.1"),
        (&["-u", &good, "--http2"], "/metrics", "200 2"),
        (&["-u", &good, "--tlsv1.3"], "/metrics", "200 1.1"),
        (&["-u", &good, "--tls-max", "1.2"], "/metrics", "200 1.1"),
        (&["-u", wrong], "/metrics", "401 1.1"),
        (&["-H", first], "/api/v1/remediations", "200 1.1"),
        (&["-H", other], "/api/v1/remediations", "401 1.1"),
        (&[], "/-/healthy", "200 1.1"),
        (&["-u", &good, "-d", &alert], "/webhook", "403 1.1"),
        (
            &["--cert", &cert, "--key", &key, "-d", &alert],
            "/webhook",
            "401 1.1",
        ),
        (
            &["-H", first, "--cert", &cert, "--key", &key, "-d", &alert],
            "/webhook",
            "202 1.1",
        ),
        (
            &[
                "-u", &good, "--cert", &cert, "--key", &key, "-d", &alert, "--http2",
            ],
            "/webhook",
            "202 2",
        ),
        (&["--cert", &cert, "--key", &key], "/metrics", "401 1.1"),
    ] {
        assert_eq!(
            curl(&guarded, options, page),
            expected,
            "{options:?} {page}"
        );
    }
    let refused = curl(
        &guarded,
        &["--cert", &strange, "--key", &strange_key],
        "/-/healthy",
    );
    assert!(refused.contains("alert"), "{refused}");
    // Whoever does not know our CA does not speak to us.
    let distrust = ["--cacert", &guarded.path("stranger.pem")];
    let refused = curl(&guarded, &distrust, "/-/healthy");
    assert!(refused.contains("certificate"), "{refused}");
}

/// What `openssl s_client` says; true when the handshake came about and the server did not take it
/// back.
fn openssl(guarded: &Guarded, options: &[&str]) -> bool {
    // In TLS 1.3 only the answer shows whether the certificate was taken.
    let mut client = Command::new(tool("openssl"))
        .args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error"])
        .args(["-CAfile", &guarded.path("ca.pem")])
        .args(["-connect", &guarded.receiver.address.to_string()])
        // Debian's own would not even offer the old ones.
        .args(["-cipher", "ALL:@SECLEVEL=0"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stdin = client.stdin.take().expect("a pipe");
    // It may have ended already.
    let _ = std::io::Write::write_all(&mut stdin, request);
    let mut answer = String::new();
    let stdout = client.stdout.as_mut().expect("a pipe");
    let _ = std::io::Read::read_to_string(stdout, &mut answer);
    drop(stdin);
    let _ = client.kill();
    let _ = client.wait();
    answer.starts_with("HTTP/1.1 200")
}

#[test]
fn openssl_is_refused_with_old_protocols_weak_suites_and_wrong_certificates() {
    let guarded = Guarded::start(&format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
         client_allowed_sans: [alertmanager]\n"
    ));
    let (cert, key) = certificate(&guarded.ca, &["somebody-else"]);
    guarded.scratch.write("other.pem", &cert);
    guarded.scratch.write("other.key", &key);
    let with = |name: &str, more: &[&str]| {
        let (cert, key) = (
            guarded.path(&format!("{name}.pem")),
            guarded.path(&format!("{name}.key")),
        );
        openssl(&guarded, &[&["-cert", &cert, "-key", &key], more].concat())
    };
    for (options, good) in [
        (&["-tls1_3"][..], true),
        (&["-tls1_2"], true),
        (&["-tls1_1"], false),
        (&["-tls1"], false),
        (
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
            true,
        ),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], false),
        (&["-tls1_2", "-cipher", "AES128-GCM-SHA256"], false),
        (&["-tls1_3", "-curves", "P-256"], true),
        (&["-tls1_3", "-curves", "P-521"], false),
    ] {
        assert_eq!(with("client", options), good, "{options:?}");
    }
    for versions in ["-tls1_2", "-tls1_3"] {
        assert!(!openssl(&guarded, &[versions]), "without a certificate");
        assert!(!with("stranger", &[versions]), "of another CA");
        assert!(!with("other", &[versions]), "of another name");
    }
    guarded.says("a TLS handshake failed");
    // The kubelet's probe has none of that.
    let probe = nodefall_testbed::http::get(guarded.health, "/-/ready").expect("an answer");
    assert_eq!(probe.status, 200);
}
