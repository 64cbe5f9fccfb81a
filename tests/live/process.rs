//! Processes of a test: started on free ports, logging into files, killed by their number at the
//! end, also when the test panics.

use crate::http::{self, Answer};
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A machine that is busy with other things may take so long for what takes a second.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How many lines of a log a failed test shows.
const TAIL: usize = 60;

/// Prints a line past the test harness, which shows nothing of tests that pass.
pub fn say(line: &str) {
    // With nobody to read it, nothing is lost.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none in time.
pub fn eventually<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            started.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        thread::sleep(Duration::from_millis(25));
    }
}

/// A folder of the test's own, deleted at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("nodefall-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a new folder in the temporary one");
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file in a folder of our own");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that writes its log into a file.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    pub fn start(scratch: &Scratch, name: &str, command: &mut Command) -> Self {
        let log = scratch.path(&format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let name = name.to_owned();
        Self { child, name, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it listens, from the line of its log with these words.
    pub fn listens(&mut self, words: &str) -> SocketAddr {
        let what = format!("{} listens", self.name);
        eventually(&what, PATIENCE, || {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{} ended: {ended:?}", self.name);
            let log = self.log();
            let line = log.lines().find(|line| line.contains(words))?;
            let port = line.split("127.0.0.1:").nth(1)?;
            let port = port.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
        })
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -$0 $1", name, &self.id().to_string()])
            .status();
        assert!(status.expect("there is a shell").success());
    }

    /// Waits for its end.
    pub fn end(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(&what, patience, || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            say(&format!(
                "--- the log of {}:\n{}",
                self.name,
                tail.join("\n")
            ));
        }
    }
}

/// `nodefall run`, for the pods of kube-prometheus.
pub struct Receiver {
    pub process: Process,
    pub address: SocketAddr,
}

impl Receiver {
    /// Starts `binary` on a free port; it listens when this returns.
    pub fn start(
        binary: &str,
        scratch: &Scratch,
        name: &str,
        kubeconfig: &Path,
        options: &[&str],
    ) -> Self {
        let mut command = Command::new(binary);
        command
            .args(["run", "--namespace=monitoring", "--log-format=json"])
            .args([
                "--prometheus-name=prometheus-k8s",
                "--alertmanager-name=alertmanager-main",
            ])
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(options);
        let mut process = Process::start(scratch, name, &mut command);
        let address = process.listens(r#""message":"listening""#);
        Self { process, address }
    }

    /// Waits until it is ready.
    pub fn ready(self) -> Self {
        eventually("the receiver is ready", PATIENCE, || {
            (self.get("/-/ready").status == 200).then_some(())
        });
        self
    }

    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address, path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Posts the alert for a node, as Alertmanager does.
    pub fn alert(&self, node: &str) -> Answer {
        let body = http::notification("firing", node);
        http::post(self.address, "application/json", &body).expect("an answer")
    }

    /// The value of a series, written as `/metrics` writes it.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        value.parse().expect("a number")
    }
}
