//! `modelgate-site ROOT OUTPUT [PORT]`: what `modelgate site` runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut path = |name: &str| arguments.next().map(PathBuf::from).context(name.to_owned());
    let (root, output) = (path("no ROOT")?, path("no OUTPUT")?);
    modelgate_site::build(&root, &output)?;
    println!("{}", output.join("index.html").display());
    let Some(port) = arguments.next() else {
        return Ok(());
    };
    let port = port
        .to_string_lossy()
        .parse()
        .context("PORT is no number")?;
    tokio::runtime::Runtime::new()?.block_on(modelgate_site::serve::run(&output, port))
}
