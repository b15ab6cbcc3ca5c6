//! The command line `modelgate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    modelgate_cli::command::main(None)
}
