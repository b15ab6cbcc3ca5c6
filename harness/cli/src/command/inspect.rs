//! `modelgate inspect`: what a `.wasm` file is.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::inspect::{Format, Inspected, Module, render};
use anyhow::Result;
use clap::{Args, ValueEnum};

/// Say what .wasm files are: filters, version, ABI, what they need of their host, SHA-256.
///
/// Runs nothing of them. Filters of modelgate say in custom sections which release they are and
/// what they need; of any other proxy-wasm module the exported and imported functions tell what its
/// host must have.
///
/// Exit code 0: all are proxy-wasm modules; 1: some are not, or are cut off; 2: a file could not be
/// read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, or - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Written::Text)]
    format: Written,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    Text,
    Json,
}

/// Looks at the files; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut code = 0;
    let mut inspected = Vec::new();
    for path in &arguments.files {
        let (path, bytes) = read(path);
        let module = match bytes {
            Ok(bytes) => Module::read(&bytes).inspect_err(|_| code = code.max(1)),
            Err(error) => {
                code = 2;
                Err(format!("cannot be read: {error}"))
            }
        };
        inspected.push(Inspected { path, module });
    }
    let format = match arguments.format {
        Written::Text => Format::Text,
        Written::Json => Format::Json,
    };
    // A closed pipe is the reader's wish.
    let _ = std::io::stdout().write_all(render(&inspected, format).as_bytes());
    Ok(ExitCode::from(code))
}

/// A file as it is shown, and its content.
fn read(path: &Path) -> (String, std::io::Result<Vec<u8>>) {
    if path.to_str() == Some("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        return ("(stdin)".to_owned(), read.map(|_| bytes));
    }
    (path.display().to_string(), std::fs::read(path))
}
