//! What the kernel says of a process: its memory and its open files.

use std::fmt;
use std::fs;

const MIB: f64 = 1024.0 * 1024.0;

/// The resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// All of it.
    pub all: u64,
    /// What is no page of the program's own file.
    pub anonymous: u64,
    /// The most that it ever was, or since [`forget_peak`].
    pub peak: u64,
}

/// Reads the memory of a process.
///
/// # Panics
/// When there is no such process; so do the others here.
pub fn resident(process: u32) -> Resident {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a living process");
    let bytes = |field: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    };
    Resident {
        all: bytes("VmRSS:").expect("VmRSS in kB"),
        anonymous: bytes("RssAnon:").expect("RssAnon in kB"),
        peak: bytes("VmHWM:").expect("VmHWM in kB"),
    }
}

/// Lets the peak begin anew.
pub fn forget_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").expect("a process of our own");
}

/// How many files and sockets a process has open.
pub fn open_files(process: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{process}/fd")).expect("a living process");
    files.count()
}

/// Bytes, as people read them.
pub fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / MIB)
}

impl fmt::Display for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.2})", mib(self.all), self.anonymous as f64 / MIB)
    }
}
