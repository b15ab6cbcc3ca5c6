//! `modelgate site`: the documentation as a site.
//!
//! mdBook is compiled when this is first asked for, as the engines of `modelgate-full` are.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::build::{self, Workspace};

/// Build the documentation as a site with search.
///
/// The pages are those of docs/SUMMARY.md. The site is a folder of static files, which any web
/// server can serve; a link that leads nowhere is an error.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder for the site, empty or with an earlier one in it [default: target/site].
    #[arg(long)]
    output: Option<PathBuf>,
    /// Serve it on this machine until interrupted.
    #[arg(long)]
    serve: bool,
    /// Port for --serve.
    #[arg(long, default_value_t = 3000, requires = "serve")]
    port: u16,
}

/// Builds the site and, if asked, serves it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = Workspace::locate()?.root;
    let output = match &arguments.output {
        Some(output) => std::path::absolute(output)?,
        None => root.join("target/site"),
    };
    let mut command = build::cargo();
    command
        .args(["run", "--quiet", "--package", "modelgate-site"])
        .args(["--bin", "modelgate-site", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .arg("--")
        .arg(&root)
        .arg(&output);
    if arguments.serve {
        command.arg(arguments.port.to_string());
    }
    let status = command.status().context("cargo does not start")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(2)))
}
