//! `modelgate generate`: rewrites the files that are made from the code, or says which are out of
//! date.

use std::process::ExitCode;

use crate::build::Workspace;
use crate::generate;
use anyhow::Result;
use clap::Args;

/// Rewrite the files that are made from the code: schemas, option tables, reason codes, metric
/// tags.
///
/// Exit code 0: all were, or now are, up to date; 1 with --check: some are not.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only report what is out of date.
    #[arg(long)]
    check: bool,
}

/// Rewrites or compares; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = Workspace::locate()?.root;
    let stale = if arguments.check {
        generate::stale(&root)?
            .into_iter()
            .map(|file| file.path)
            .collect()
    } else {
        generate::write(&root)?
    };
    for path in &stale {
        let done = if arguments.check {
            "out of date"
        } else {
            "rewritten"
        };
        println!("{done}: {}", path.display());
    }
    Ok(ExitCode::from(u8::from(
        arguments.check && !stale.is_empty(),
    )))
}
