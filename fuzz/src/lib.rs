//! What must hold for every input, whoever sent it: each module is one fuzz target and has one
//! function, `check`, which panics where its property does not hold. `cargo test` calls the same
//! functions with the committed corpora, on a stable toolchain.

pub mod answers;
pub mod durations;
pub mod judgement;
pub mod name_patterns;
pub mod node_label;
pub mod webhook;

mod oracle;
mod wire;

/// Panics where its property does not hold.
pub type Check = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Check); 6] = [
    ("answers", answers::check),
    ("durations", durations::check),
    ("judgement", judgement::check),
    ("name_patterns", name_patterns::check),
    ("node_label", node_label::check),
    ("webhook", webhook::check),
];

/// The node that everything is about.
const NODE: &str = "node-1";

/// Asserts that a text for people is one line without control characters, of at most so many.
fn assert_line(text: &str, longest: usize) {
    assert!(!text.contains(char::is_control), "no line: {text:?}");
    assert!(text.chars().count() <= longest, "too long: {text}");
}

/// The settings of these options besides the names of pods, or the line that refuses them.
fn settings<I>(options: I) -> Result<nodefall::settings::Settings, String>
where
    I: IntoIterator<Item = std::ffi::OsString>,
{
    let words = ["nodefall", "run", "--pod=monitoring/prometheus-*"];
    let words = words.into_iter().map(Into::into).chain(options);
    match nodefall::cli::parse(words) {
        Ok(nodefall::cli::Command::Run(options)) => Ok(options.settings),
        Ok(other) => panic!("no run: {other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

/// An option with a value of any bytes.
fn option(name: &str, value: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec([name.as_bytes(), b"=", value].concat())
}

/// The parts of an input that has several, split by lines `---`.
fn parts(input: &[u8]) -> Vec<&[u8]> {
    const LINE: &[u8] = b"\n---\n";
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(LINE.len()).position(|window| window == LINE) {
        parts.push(&rest[..at]);
        rest = &rest[at + LINE.len()..];
    }
    parts.push(rest);
    parts
}
