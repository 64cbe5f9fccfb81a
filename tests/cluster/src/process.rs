//! Processes of a test: started on free ports, logging into files, killed by their number at the
//! end, also when the test panics.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A machine that is busy with other things may take so long for what takes a second.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How many lines of a log a failed test shows.
const TAIL: usize = 60;

/// What is to be undone when this process is told to end.
static OURS: Mutex<Ours> = Mutex::new(Ours {
    processes: Vec::new(),
    folders: Vec::new(),
});

struct Ours {
    /// Their ids, and which of them have children of their own.
    processes: Vec<(u32, bool)>,
    folders: Vec<PathBuf>,
}

fn ours() -> MutexGuard<'static, Ours> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT and SIGTERM end this process, its children and its folders, whatever it is doing.
///
/// # Panics
/// When there are no signals or threads to be had.
pub fn end_on_signal() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupted = signal(SignalKind::interrupt()).expect("signals");
            let mut terminated = signal(SignalKind::terminate()).expect("signals");
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        });
        // Held until the end: nobody starts anything any more.
        let ours = ours();
        let parents = ours.processes.iter().filter(|(_, is_parent)| *is_parent);
        for (process, _) in parents {
            kill("TERM", *process);
            has_ended(*process, LAST_WORDS);
        }
        for (process, _) in &ours.processes {
            kill("KILL", *process);
        }
        for (process, _) in &ours.processes {
            has_ended(*process, LAST_WORDS);
        }
        for folder in &ours.folders {
            // What runs for a moment (kubectl) may be writing there.
            while fs::remove_dir_all(folder).is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        std::process::exit(130);
    });
}

/// How long a process with children gets to end them.
const LAST_WORDS: Duration = Duration::from_secs(10);

fn kill(signal: &str, process: u32) -> bool {
    let status = Command::new("sh")
        .args(["-c", "kill -$0 $1 2>&-", signal, &process.to_string()])
        .status();
    status.is_ok_and(|status| status.success())
}

/// Waits for the end of a process that somebody else has to reap.
fn has_ended(process: u32, patience: Duration) {
    let started = Instant::now();
    let command = format!("/proc/{process}/cmdline");
    while started.elapsed() < patience && fs::read(&command).is_ok_and(|line| !line.is_empty()) {
        thread::sleep(Duration::from_millis(25));
    }
}

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

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// A new one, in the system's folder for temporary files.
    ///
    /// # Panics
    /// When it cannot be made; so do the others here that touch files or processes.
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("nodefall-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut ours = ours();
        fs::create_dir(&folder).expect("a new folder in the temporary one");
        ours.folders.push(folder.clone());
        Self(folder)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file in a folder of our own");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        ours().folders.retain(|folder| *folder != self.0);
    }
}

/// A process that writes its log into a file.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    /// It has children of its own.
    is_parent: bool,
}

impl Process {
    /// Starts `command`; what it prints goes into the file `name`.log.
    pub fn start(scratch: &Scratch, name: &str, command: &mut Command) -> Self {
        let log = scratch.path(&format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        let mut ours = ours();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        ours.processes.push((child.id(), false));
        let name = name.to_owned();
        Self {
            child,
            name,
            log,
            is_parent: false,
        }
    }

    /// It has children of its own: at its end it is told to end them, before it is killed.
    pub fn parent(mut self) -> Self {
        self.is_parent = true;
        let id = self.id();
        let mut ours = ours();
        for (process, is_parent) in &mut ours.processes {
            *is_parent |= *process == id;
        }
        drop(ours);
        self
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
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
        assert!(kill(name, self.id()), "{} is not there", self.name);
    }

    /// True while it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    pub fn end(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(&what, patience, || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_parent && self.is_running() && kill("TERM", self.id()) {
            has_ended(self.id(), LAST_WORDS);
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        ours()
            .processes
            .retain(|(process, _)| *process != self.id());
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
