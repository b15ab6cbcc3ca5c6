//! The command line `modelgate` with every engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    modelgate_cli::command::main(Some(&modelgate_full::FULL))
}
