//! The command line `modelgate`.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
