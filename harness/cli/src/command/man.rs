//! `modelgate man`: the manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

/// Write the manual pages into a folder: modelgate(1), and one page per subcommand.
///
/// `modelgate man ~/.local/share/man/man1` installs them; `man modelgate-check` shows one.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder for the pages; it is made where it is missing.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes them; see [`Arguments`].
pub fn run(arguments: &Arguments, command: clap::Command) -> Result<ExitCode> {
    let folder = arguments.folder.display();
    std::fs::create_dir_all(&arguments.folder).with_context(|| folder.to_string())?;
    clap_mangen::generate_to(command, &arguments.folder).with_context(|| folder.to_string())?;
    Ok(ExitCode::SUCCESS)
}
