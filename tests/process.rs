//! The program as a process: what it prints, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn nodefall(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nodefall"))
        .args(args)
        .output()
        .expect("it starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn a_mistake_is_one_line_on_standard_error_and_status_2() {
    for args in [
        &["run"][..],
        &["run", "--pod", "a/b", "--period", "60"],
        &[
            "run",
            "--pod",
            "a/b",
            "--web.listen-address",
            "here\u{1b}[2J",
        ],
        &["run", "--nonsense"],
        &["walk"],
        &["--nonsense"],
    ] {
        let output = nodefall(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let line = text(&output.stderr);
        assert!(
            line.starts_with("nodefall: ") && line.ends_with('\n'),
            "{line:?}"
        );
        assert!(!line.trim_end().contains(char::is_control), "{line:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_and_version_are_printed_on_standard_output() {
    for (args, words) in [
        (&[][..], "Usage: nodefall"),
        (&["--help"], "Usage: nodefall"),
        (&["run", "--help"], "--max-unreachable"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = nodefall(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(text(&output.stdout).contains(words), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn an_address_that_is_taken_is_one_line_and_status_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let kubeconfig = Kubeconfig::new("taken");
    let listen = ["--pod", "a/b", "--web.listen-address", &address];
    let output = nodefall(&[&["run", "--kubeconfig", &kubeconfig.0], &listen[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = text(&output.stderr)
        .lines()
        .last()
        .expect("a line")
        .to_owned();
    assert!(
        line.contains("--web.listen-address") && line.contains(&address),
        "{line}"
    );
}

#[test]
fn a_broken_web_configuration_is_one_line_and_status_1() {
    let kubeconfig = Kubeconfig::new("broken");
    for (path, words) in [
        ("/nowhere/web.yml", "No such file"),
        // JSON, which is YAML too.
        (kubeconfig.0.as_str(), "\"apiVersion\" is not known here"),
    ] {
        let options = ["--pod", "a/b", "--web.config.file", path];
        let output = nodefall(&[&["run", "--kubeconfig", &kubeconfig.0], &options[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.starts_with("nodefall: --web.config.file "), "{said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
}

/// A kubeconfig that leads nowhere, deleted at the end.
struct Kubeconfig(String);

impl Kubeconfig {
    fn new(name: &str) -> Self {
        let file = format!("nodefall-{}-{name}.kubeconfig", std::process::id());
        let path = std::env::temp_dir().join(file);
        let config = r#"{"apiVersion":"v1","kind":"Config","current-context":"x",
            "clusters":[{"name":"x","cluster":{"server":"http://127.0.0.1:1"}}],
            "contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],
            "users":[{"name":"x","user":{}}]}"#;
        std::fs::write(&path, config).expect("a file in the temporary folder");
        Self(path.to_str().expect("a path in UTF-8").to_owned())
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A receiver that runs, killed at the end.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
    _kubeconfig: Kubeconfig,
}

impl Running {
    fn start(name: &str) -> Self {
        let kubeconfig = Kubeconfig::new(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_nodefall"))
            .args([
                "run",
                "--pod=a/b",
                "--web.listen-address=127.0.0.1:0",
                "--log-format=json",
            ])
            .args(["--kubeconfig", &kubeconfig.0])
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let line = wait_for(&mut log, "listening");
        let address = line["address"].as_str().expect("the address it listens on");
        let address = address.parse().expect("an address");
        Self {
            child,
            log,
            address,
            _kubeconfig: kubeconfig,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -$0 $1", name, &pid])
            .status();
        assert!(kill.expect("sh is there").success());
    }

    fn end(&mut self) -> std::process::ExitStatus {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log up to a line with this message.
fn wait_for(log: &mut BufReader<ChildStderr>, message: &str) -> serde_json::Value {
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).expect("a log"), 0, "the log ended");
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON lines");
        if line["message"]
            .as_str()
            .is_some_and(|found| found.starts_with(message))
        {
            return line;
        }
    }
}

#[test]
fn the_first_signal_drains_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(signal);
        let mut client = TcpStream::connect(running.address).expect("it listens");
        client
            .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        running.signal(signal);
        let status = running.end();
        assert_eq!(
            (status.code(), status.signal()),
            (Some(0), None),
            "{signal}"
        );
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let mut running = Running::start(&format!("second-{signal}"));
        // Half a request keeps the first one waiting.
        let mut client = TcpStream::connect(running.address).expect("it listens");
        client
            .write_all(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            .expect("it reads");
        std::thread::sleep(Duration::from_millis(200));
        running.signal("TERM");
        wait_for(&mut running.log, "draining");
        let started = Instant::now();
        running.signal(signal);
        assert_eq!(running.end().code(), Some(status));
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
    }
}
