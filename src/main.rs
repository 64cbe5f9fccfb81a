//! Parses, starts the log, runs.

use nodefall::cli::{self, Command};
use std::io::Write;
use std::process::ExitCode;

/// glibc's own keeps most of what a flood took between the few things that live on.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A mistake in the options.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        // Whoever closed standard output does not want to read on.
        Ok(Command::Print(text)) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) | Err(_) => ExitCode::SUCCESS,
        },
        Ok(Command::Run(options)) => {
            nodefall::logging::start(options.log);
            end(nodefall::receiver::run(*options))
        }
        #[cfg(feature = "demo")]
        Ok(Command::Demo(options)) => {
            nodefall::logging::start(options.log);
            nodefall::demo::command::run(options).unwrap_or_else(|error| fail(&error, 1))
        }
        Err(mistake) => fail(&mistake, USAGE),
    }
}

fn end(result: Result<(), impl std::fmt::Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn fail(why: &dyn std::fmt::Display, status: u8) -> ExitCode {
    // With nobody to read it, the status still tells.
    let _ = writeln!(std::io::stderr(), "nodefall: {why}");
    ExitCode::from(status)
}
