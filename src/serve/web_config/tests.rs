//! Good files, and for each bad one the line that is said about it.

use super::super::tests::pki::{Ca, Folder};
use super::*;

/// bcrypt of `secret` at the least cost, as another program made it (libcrypt).
pub const HASH: &str = "$2y$04$sgVy0e8HYODOFFlSpnwRs.ho1z/zVWV07LUUpO0q3BJMGpPEBXaf6";

fn read(folder: &Folder, text: &str) -> Result<WebConfig, String> {
    WebConfig::read(&folder.config(text))
}

#[test]
fn files_as_prometheus_and_node_exporter_take_them_are_taken() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    let inline = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    let pair = ca.server();
    let with_inline = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n  client_ca: |\n    {}\n  \
         client_auth_type: RequireAndVerifyClientCert\n",
        inline(&pair.cert),
        inline(&pair.key),
        inline(&ca.pem())
    );
    let tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem";
    for (text, encrypted, asks) in [
        (String::new(), false, false),
        ("# nothing yet\n".to_owned(), false, false),
        ("---\n".to_owned(), false, false),
        ("{}".to_owned(), false, false),
        (
            "tls_server_config:\nbasic_auth_users:\n".to_owned(),
            false,
            false,
        ),
        // As in the toolkit this alone is no TLS.
        (
            "tls_server_config: {min_version: TLS13}".to_owned(),
            false,
            false,
        ),
        (
            "http_server_config: {http2: false, headers: {X-Frame-Options: sameorigin}}".to_owned(),
            false,
            false,
        ),
        (
            "rate_limit: {interval: 1s, burst: 5}".to_owned(),
            false,
            false,
        ),
        (
            "rate_limit: {interval: 0, burst: 0}".to_owned(),
            false,
            false,
        ),
        (
            format!("basic_auth_users:\n  alice: {HASH}\n  bob: {HASH}\n"),
            false,
            true,
        ),
        (format!("{tls}}}"), true, false),
        (
            format!("{tls}, client_auth_type: NoClientCert, client_ca: '', client_ca_file: ''}}"),
            true,
            false,
        ),
        (
            format!("{tls}, client_auth_type: RequestClientCert}}"),
            true,
            false,
        ),
        (
            format!("{tls}, client_auth_type: RequireAnyClientCert}}"),
            true,
            false,
        ),
        (
            format!("{tls}, client_auth_type: RequireClientCert, client_allowed_sans: [a]}}"),
            true,
            false,
        ),
        (
            format!("{tls}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem}}"),
            true,
            false,
        ),
        (
            format!(
                "{tls}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}}"
            ),
            true,
            true,
        ),
        (
            format!(
                "{tls}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, \
             client_allowed_sans: [alertmanager, 'spiffe://x/y']}}\nbasic_auth_users: {{a: {HASH}}}"
            ),
            true,
            true,
        ),
        (
            format!(
                "{tls}, min_version: TLS12, max_version: TLS12, prefer_server_cipher_suites: false, \
             cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256], \
             curve_preferences: [X25519, CurveP256, CurveP384]}}"
            ),
            true,
            false,
        ),
        (
            format!("{tls}, cipher_suites: [TLS_AES_128_GCM_SHA256]}}"),
            true,
            false,
        ),
        (with_inline, true, true),
    ] {
        let read = read(&folder, &text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let in_force = read.live().now();
        assert_eq!(
            (in_force.tls.is_some(), in_force.asks()),
            (encrypted, asks),
            "{text}"
        );
    }
}

#[test]
fn what_is_being_written_is_waited_for() {
    let folder = Folder::new();
    let path = folder.config("basic_auth_users:");
    let last = Snapshot::take(&path).digest();
    let is_taken = |settle: &dyn Fn()| look(&path, Some(&last), settle).is_some();
    assert!(!is_taken(&|| ()), "nothing is new");
    let users = format!("basic_auth_users: {{bob: {HASH}}}\n");
    folder.config(&users);
    let goes_on =
        || drop(folder.config(&format!("{users}rate_limit: {{interval: 1s, burst: 9}}\n")));
    assert!(!is_taken(&goes_on), "it was half-way");
    assert!(is_taken(&|| ()), "it holds still");
}

#[test]
fn what_is_ours_stands_under_one_key() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    folder.0.write("token", "  s3cret\n");
    let verifying = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, \
                     client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven}\n";
    for (text, rest, webhook) in [
        ("nodefall:\n", false, false),
        ("nodefall: {}", false, false),
        ("nodefall: {bearer_token_files: [token]}", true, false),
        (
            "nodefall: {service_accounts: {allowed: [monitoring/alertmanager-main]}}",
            true,
            false,
        ),
        (
            "nodefall: {service_accounts: {audience: x, allowed: [a/b, c/d.e]}}",
            true,
            false,
        ),
        (
            "nodefall: {webhook: {bearer_token_files: [token]}}",
            false,
            true,
        ),
        (
            &format!("nodefall: {{webhook: {{basic_auth_users: {{a: {HASH}}}}}}}"),
            false,
            true,
        ),
        (
            &format!("{verifying}nodefall: {{webhook: {{require_client_certificate: true}}}}"),
            false,
            true,
        ),
        (
            &format!("{verifying}nodefall: {{webhook: {{client_allowed_sans: [a]}}}}"),
            false,
            true,
        ),
    ] {
        let read = read(&folder, text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let in_force = read.live().now();
        let asks = in_force
            .webhook
            .as_ref()
            .is_some_and(Methods::want_anything);
        assert_eq!(
            (in_force.rest.want_anything(), asks),
            (rest, webhook),
            "{text}"
        );
    }
}

#[test]
fn a_bad_file_is_told_in_one_line_that_names_the_field_and_shows_no_secret() {
    let ca = Ca::new();
    let folder = Folder::with(&ca);
    folder.0.write("empty", " \n");
    folder.0.write("words", "two hunter2\n");
    folder.0.write("other.pem", &ca.server().key);
    folder.0.write("long", &"x".repeat(1024 * 1024 + 1));
    let tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem";
    let rows = [
        ("tls_server_config: {cert_file: cert.pem, key_fil: x}".to_owned(), "line 1", "the field \"key_fil\" is not known here; there are cert, key,"),
        ("tls_config: {}".to_owned(), "line 1", "\"tls_config\" is not known here; there are tls_server_config"),
        ("a\n b:\n- c".to_owned(), "web.yml", "line"),
        ("basic_auth_users: hunter2".to_owned(), "line 1", "expected"),
        ("basic_auth_users: [hunter2]".to_owned(), "line 1", "expected"),
        ("basic_auth_users: {alice: {x: hunter2}}".to_owned(), "line 1", "expected"),
        (format!("basic_auth_users:\n  alice: {HASH}\n  alice: {HASH}\n"), "line 3", "\"alice\" is given twice"),
        ("basic_auth_users: {alice: hunter2}".to_owned(), "basic_auth_users: \"alice\"", "no bcrypt hash"),
        (format!("basic_auth_users: {{alice: '{}'}}", HASH.replace("$04$", "$03$")), "\"alice\"", "below 4"),
        (format!("{tls}, client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven}}\nnodefall: {{webhook: {{client_allowed_sans: []}}}}"), "nodefall.webhook", "no name in it"),
        (format!("basic_auth_users: {{alice: '{}'}}", HASH.replace("$04$", "$16$")), "\"alice\"", "above 15"),
        (format!("basic_auth_users: {{'a:b': '{HASH}'}}"), "\"a:b\"", "no user can be called so"),
        ("tls_server_config: {cert_file: cert.pem}".to_owned(), "tls_server_config", "one of key and key_file is missing"),
        ("tls_server_config: {key_file: key.pem}".to_owned(), "tls_server_config", "one of cert and cert_file is missing"),
        ("tls_server_config: {client_auth_type: NoClientCert}".to_owned(), "tls_server_config", "one of cert and cert_file"),
        (format!("{tls}, cert: x}}"), "tls_server_config", "cert and cert_file exclude each other"),
        ("tls_server_config: {cert_file: nowhere, key_file: key.pem}".to_owned(), "cert_file", "nowhere\": No such file"),
        ("tls_server_config: {cert_file: ., key_file: key.pem}".to_owned(), "cert_file", "it is no file"),
        ("tls_server_config: {cert_file: /dev/zero, key_file: key.pem}".to_owned(), "cert_file", "it is no file"),
        ("tls_server_config: {cert_file: long, key_file: key.pem}".to_owned(), "cert_file", "longer than 1048576 bytes"),
        ("tls_server_config: {cert_file: key.pem, key_file: key.pem}".to_owned(), "cert_file", "no certificate in PEM"),
        ("tls_server_config: {cert_file: cert.pem, key_file: cert.pem}".to_owned(), "key_file", "no private key in PEM"),
        ("tls_server_config: {cert: hunter2, key: hunter2}".to_owned(), "cert", "no certificate in PEM"),
        ("tls_server_config: {cert_file: cert.pem, key: hunter2}".to_owned(), "key", "no private key in PEM"),
        ("tls_server_config: {cert_file: cert.pem, key_file: other.pem}".to_owned(), "tls_server_config", "the key does not fit"),
        (format!("{tls}, client_auth_type: Sometimes}}"), "client_auth_type", "\"Sometimes\" is not valid, expected NoClientCert"),
        (format!("{tls}, client_auth_type: RequireAndVerifyClientCert}}"), "client_auth_type", "needs client_ca_file"),
        (format!("{tls}, client_ca_file: ca.pem}}"), "client_ca_file", "needs a client_auth_type"),
        (format!("{tls}, client_ca_file: key.pem, client_auth_type: VerifyClientCertIfGiven}}"), "client_ca_file", "no certificate in PEM"),
        (format!("{tls}, client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}}"), "client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert"),
        (format!("{tls}, client_allowed_sans: []}}"), "client_allowed_sans", "needs client_auth_type"),
        (format!("{tls}, min_version: TLS10}}"), "min_version", "TLS10 cannot be had"),
        (format!("{tls}, min_version: TLS11}}"), "min_version", "TLS11 cannot be had"),
        (format!("{tls}, max_version: TLS11}}"), "max_version", "TLS11 cannot be had"),
        (format!("{tls}, min_version: SSL3}}"), "min_version", "\"SSL3\" is not valid, expected TLS12 or TLS13"),
        (format!("{tls}, min_version: TLS13, max_version: TLS12}}"), "min_version", "above max_version"),
        (format!("{tls}, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}}"), "cipher_suites", "none of them is for TLS 1.2"),
        (format!("{tls}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]}}"), "cipher_suites", "\"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\" cannot be had"),
        (format!("{tls}, curve_preferences: [CurveP521]}}"), "curve_preferences", "\"CurveP521\" cannot be had"),
        ("http_server_config: {headers: {Server: x}}".to_owned(), "http_server_config", "\"Server\" cannot be configured"),
        ("http_server_config: {headers: {X-Frame-Options: maybe}}".to_owned(), "X-Frame-Options", "expected deny or sameorigin"),
        ("http_server_config: {headers: {Content-Security-Policy: \"a\\nb\"}}".to_owned(), "Content-Security-Policy", "expected visible ASCII"),
        ("http_server_config: {http2: perhaps}".to_owned(), "line 1", "expected"),
        ("rate_limit: {interval: 1s}".to_owned(), "rate_limit", "burst: at least 1"),
        ("rate_limit: {interval: soon, burst: 1}".to_owned(), "rate_limit", "interval: expected"),
        ("nodefall: {tokens: [x]}".to_owned(), "line 1", "\"tokens\" is not known here; there are bearer_token_files"),
        ("nodefall: {bearer_token_files: [nowhere]}".to_owned(), "bearer_token_files", "No such file"),
        ("nodefall: {bearer_token_files: [empty]}".to_owned(), "bearer_token_files", "no token in it"),
        ("nodefall: {bearer_token_files: [words]}".to_owned(), "bearer_token_files", "more than one word"),
        ("nodefall: {service_accounts: {}}".to_owned(), "service_accounts", "no ServiceAccount is named"),
        ("nodefall: {service_accounts: {allowed: [alertmanager]}}".to_owned(), "service_accounts", "expected NAMESPACE/NAME"),
        ("nodefall: {service_accounts: {allowed: [a/b/c]}}".to_owned(), "service_accounts", "expected NAMESPACE/NAME"),
        ("nodefall: {service_accounts: {allowed: ['*/a']}}".to_owned(), "service_accounts", "expected NAMESPACE/NAME"),
        ("nodefall: {service_accounts: {audience: '', allowed: [a/b]}}".to_owned(), "audience", "is not valid"),
        ("nodefall: {service_accounts: {audience: 'https://kubernetes.default.svc', allowed: [a/b]}}".to_owned(), "audience", "the API server's own"),
        ("nodefall: {webhook: {}}".to_owned(), "nodefall.webhook", "would let everybody in"),
        ("nodefall: {webhook: {require_client_certificate: false}}".to_owned(), "nodefall.webhook", "would let everybody in"),
        ("nodefall: {webhook: {require_client_certificate: true}}".to_owned(), "nodefall.webhook", "needs tls_server_config"),
        (format!("{tls}, client_auth_type: RequireAnyClientCert}}\nnodefall: {{webhook: {{client_allowed_sans: [a]}}}}"), "nodefall.webhook", "VerifyClientCertIfGiven"),
    ];
    for (text, place, words) in rows {
        let Err(line) = read(&folder, &text) else {
            panic!("{text} was taken");
        };
        assert!(line.starts_with("--web.config.file \""), "{line}");
        assert!(
            line.contains(place) && line.contains(words),
            "{text}\n{line}"
        );
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains("hunter2") && !line.contains(HASH), "{line}");
        assert!(line.len() < 800, "{line}");
    }
    folder.0.write("web.yml", "");
    std::fs::write(folder.0.path("web.yml"), b"\xff\xfe").expect("a file");
    let line = WebConfig::read(&folder.0.path("web.yml"))
        .err()
        .expect("no UTF-8");
    assert!(line.contains("not UTF-8"), "{line}");
    let line = WebConfig::read(&folder.0.path("nowhere"))
        .err()
        .expect("no file");
    assert!(line.contains("No such file"), "{line}");
}

/// What is said of how the door stands.
fn told(folder: &Folder, text: &str) -> String {
    let written = Arc::new(std::sync::Mutex::new(Vec::new()));
    let writer = written.clone();
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || Writer(writer.clone()));
    tracing::subscriber::with_default(log.finish(), || {
        read(folder, text)
            .unwrap_or_else(|why| panic!("{why}"))
            .tell();
    });
    let written = written.lock().expect("no panic").clone();
    String::from_utf8(written).expect("text")
}

struct Writer(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_open_door_is_told_loudly() {
    let folder = Folder::with(&Ca::new());
    folder.0.write("token", "t");
    let tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem";
    let verified = "client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert";
    let (all, hook) = (
        "nodefall: {bearer_token_files: [token]}",
        "nodefall: {webhook: {bearer_token_files: [token]}}",
    );
    for (text, level, words, lines) in [
        (String::new(), "WARN", "NO AUTHENTICATION and no TLS", 1),
        (format!("{tls}}}"), "WARN", "TLS without authentication", 1),
        // What nobody checks is no authentication.
        (
            format!("{tls}, client_auth_type: RequireAnyClientCert}}"),
            "WARN",
            "TLS without authentication",
            1,
        ),
        (
            format!("{tls}, {verified}}}"),
            "INFO",
            "TLS and authentication are on",
            1,
        ),
        (all.to_owned(), "WARN", "authentication without TLS", 1),
        (
            format!("{tls}}}\n{all}"),
            "INFO",
            "TLS and authentication are on",
            1,
        ),
        (
            format!("{tls}}}\n{hook}"),
            "INFO",
            "only /webhook asks who calls",
            2,
        ),
        (hook.to_owned(), "WARN", "authentication without TLS", 2),
    ] {
        let told = told(&folder, &text);
        assert!(
            told.contains(level) && told.contains(words),
            "{text}: {told}"
        );
        assert_eq!(told.lines().count(), lines, "{text}: {told}");
    }
}

#[test]
fn the_example_of_the_readme_is_taken_as_it_is_written() {
    let readme = include_str!("../../../README.md");
    let example = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example = example
        .expect("an example")
        .replace("$2y$10$...", &format!("'{HASH}'"));
    assert!(example.contains(HASH) && example.contains("nodefall:"));
    let (ca, folder) = (Ca::new(), Folder::new());
    let pair = ca.server();
    for (name, text) in [
        ("tls.crt", &pair.cert),
        ("tls.key", &pair.key),
        ("ca.crt", &ca.pem()),
        ("token", &"t".to_owned()),
    ] {
        folder.0.write(name, text);
    }
    let read = read(&folder, &example).unwrap_or_else(|why| panic!("{why}"));
    assert!(read.live().now().asks());
}
