//! Finds and runs the programs of others that tests need: on the `PATH`, or in the folder where
//! `.ci/setup test` puts them. A missing one fails the test; nothing is skipped.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is two folders down").join(path)
}

/// Where `name` is, under Debian's name for it (Alertmanager is `prometheus-alertmanager`).
///
/// # Panics
/// When it is nowhere; the message says how to get it.
pub fn tool(name: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .map(|cache| cache.join("nodefall/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(cache)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run `.ci/setup test` once, or `make test`"))
}

/// Runs `name` in the repository and returns what it printed to standard output.
///
/// # Panics
/// When it ends with anything but success; the message carries both its outputs.
pub fn run<S: AsRef<std::ffi::OsStr>>(name: &str, arguments: &[S]) -> String {
    let output = Command::new(tool(name))
        .args(arguments)
        .current_dir(repository(""))
        .output()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name}: {}\n{stdout}{stderr}",
        output.status
    );
    stdout
}
