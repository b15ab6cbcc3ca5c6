//! What stands in for rustdoc while the tests in the documentation are built, so that the
//! documentation itself is looked at too: a link that leads nowhere is a failure.
//!
//! `cargo test --doc` runs rustdoc for every library against what has been compiled for the tests.
//! `cargo doc` would have every dependency checked once more, which takes minutes.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Set where this program is run as rustdoc; the other name that cargo has for that is `RUSTDOC`.
pub const STANDS_IN: &str = "MODELGATE_STANDS_IN_FOR_RUSTDOC";

/// Does what rustdoc is asked for, and before it runs tests, reads the documentation with every
/// warning an error. `None` where this program is not run as rustdoc.
pub fn run() -> Option<Result<ExitCode>> {
    std::env::var_os(STANDS_IN)?;
    Some(stand_in(std::env::args_os().skip(1).collect()))
}

fn stand_in(arguments: Vec<OsString>) -> Result<ExitCode> {
    let rustdoc = |arguments: &[OsString]| {
        let mut command = Command::new("rustdoc");
        command.args(arguments).env_remove(STANDS_IN);
        command
    };
    let run = |mut command: Command| -> Result<bool> {
        let status = command.status().context("rustdoc does not start")?;
        Ok(status.success())
    };
    if let Some(reading) = reading(&arguments) {
        let mut command = rustdoc(&reading);
        // `--check` reads and writes nothing; only this switch gives it to a stable release.
        command.env("RUSTC_BOOTSTRAP", "1");
        if !run(command)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    let well = run(rustdoc(&arguments))?;
    Ok(ExitCode::from(u8::from(!well)))
}

/// The arguments that read the documentation of which these run the tests.
fn reading(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let mut tests = false;
    let mut kept = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--test") => tests = true,
            Some("--test-args" | "--test-run-directory") => drop(arguments.next()),
            _ => kept.push(argument.clone()),
        }
    }
    let added = ["-D", "warnings", "-Z", "unstable-options", "--check"];
    kept.extend(added.map(OsString::from));
    tests.then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_tests_is_read_first_and_nothing_else() {
        let arguments =
            |line: &str| -> Vec<OsString> { line.split_whitespace().map(OsString::from).collect() };
        let asked = "--crate-name kit --test src/lib.rs --test-run-directory /w --extern a=b \
                     --test-args --show-output";
        let kept = "--crate-name kit src/lib.rs --extern a=b \
                    -D warnings -Z unstable-options --check";
        assert_eq!(reading(&arguments(asked)), Some(arguments(kept)));
        assert_eq!(reading(&arguments("-vV")), None);
    }
}
