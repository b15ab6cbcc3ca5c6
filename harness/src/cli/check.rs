//! `modelgate check`: is an Envoy configuration what the filters in it need?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use modelgate_harness::check::{self, Severity};
use modelgate_harness::envoy_release::Envoy;

/// Check Envoy configurations: every filter's settings, the order of the chain, clusters, crash policy.
///
/// Finds every filter of the suite in static Envoy configuration (YAML or JSON), compiles its configuration with the code that runs in the
/// proxy, and says all that is wrong, with line and hint. Exit code 0: nothing is; 1: something is; 2: a file could not be read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Envoy configuration files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,
    /// Also check that an Envoy has a Wasm runtime: a binary, or a release such as 1.40.0.
    #[arg(long, value_name = "PATH|VERSION")]
    envoy: Option<String>,
}

/// `1 filter`, `2 filters`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Checks the files.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut bad = false;
    for path in &arguments.files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let outcome =
            check::check(&text).with_context(|| format!("{} is not YAML", path.display()))?;
        for finding in &outcome.findings {
            println!("{}:{finding}", path.display());
            bad |= arguments.strict || finding.severity == Severity::Error;
        }
        let filters = match outcome.filters {
            0 => "no filter of the suite is in it".to_owned(),
            filters => format!(
                "{} in {}, {}",
                counted(filters, "filter"),
                counted(outcome.chains, "chain"),
                counted(outcome.findings.len(), "finding")
            ),
        };
        println!("{}: {filters}", path.display());
        bad |= outcome.filters == 0;
    }
    if let Some(envoy) = &arguments.envoy {
        let envoy = match Path::new(envoy) {
            path if path.is_file() => Envoy::at(path)?,
            _ => Envoy::find(Some(envoy), &|message| eprintln!("{message}"))?,
        };
        match envoy.require_wasm() {
            Ok(()) => println!(
                "{} (Envoy {}) has a Wasm runtime",
                envoy.path().display(),
                envoy.version()
            ),
            Err(error) => {
                println!("error: {error}");
                bad = true;
            }
        }
    }
    Ok(if bad {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}
