//! `modelgate import`: what another gateway is configured with, as a configuration of Envoy with
//! the suite's filters.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::import::{self, Options, Source};

/// Turn a configuration of Kong, Envoy or Higress into one of Envoy with filters of the suite.
///
/// Writes a complete Envoy configuration to standard output, and a report to standard error: what
/// was taken over, what means something else now, what Envoy's own filters do, and what is not
/// covered. Nothing is left out that the report does not name. What the suite cannot do stays
/// Envoy's own filter, and a route whose protection is not covered is closed: an import never lets
/// in what the source kept out. API keys become digests; other secrets become variables of the
/// environment, which the report lists. docs/migration.md has the tables.
///
/// Exit code 0: everything that protects is there; 1: the file is wrong, or `modelgate check` finds
/// errors in the result; 2: it could not be read; 3: something that protects (authentication,
/// access rules, limits, masking) is not covered.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What the file is for: `kong` (a declarative configuration, from decK or for DB-less mode),
    /// `envoy` (a bootstrap) or `higress` (WasmPlugin resources and what stands beside them).
    #[arg(value_enum, value_name = "SOURCE")]
    source: From,
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the configuration to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the report to this file instead of standard error.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Written::Text)]
    format: Written,
    /// A name of this service in the `aud` of tokens, for sources that do not check it. May be
    /// given several times.
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,
    /// A plugin that protects and cannot be taken over, and without which its routes may be open
    /// nevertheless. May be given several times.
    #[arg(long, value_name = "PLUGIN")]
    without: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    Kong,
    Envoy,
    Higress,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    Text,
    Json,
}

/// Imports the file; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let shown = arguments.file.display().to_string();
    let text = std::fs::read_to_string(&arguments.file).with_context(|| shown.clone())?;
    let source = match arguments.source {
        From::Kong => Source::Kong,
        From::Envoy => Source::Envoy,
        From::Higress => Source::Higress,
    };
    let options = Options {
        audiences: arguments.audience.clone(),
        without: arguments.without.clone(),
    };
    let imported = match import::import(source, &shown, &text, &options) {
        Ok(imported) => imported,
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let report = match arguments.format {
        Written::Text => imported.report.text(),
        Written::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&imported.report.json())?
        ),
    };
    match &arguments.output {
        Some(path) => {
            std::fs::write(path, &imported.config).with_context(|| path.display().to_string())?
        }
        None => std::io::stdout().write_all(imported.config.as_bytes())?,
    }
    match &arguments.report {
        Some(path) => {
            std::fs::write(path, report).with_context(|| path.display().to_string())?;
        }
        None => eprint!("{report}"),
    }
    Ok(if imported.is_wrong {
        ExitCode::FAILURE
    } else if imported.report.lacks_protection() {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}
