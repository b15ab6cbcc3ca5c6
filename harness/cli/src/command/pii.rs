//! `modelgate pii`: what pii-mask finds in a text.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use modelgate_demo::report::Report as Paper;

use crate::pii::{self, Outcome, Question};

/// Say what pii-mask finds in a text, why, and what becomes of it.
///
/// The text goes through the filter's own code. For each finding the entity, what it rests on, its
/// line, column and bytes, and what takes its place are printed, with the value highlighted in its
/// line. Nothing is sent or kept anywhere.
///
/// The output shows what is found: --redacted leaves the text out. A stream of events is read as an
/// answer; then the places are told by the events, not by bytes.
///
/// Exit code 0: nothing is found; 1: something is, or the text would be refused; 2: it cannot be
/// looked at.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file with the text; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The filter's configuration as JSON or YAML, or the gateway file (docs/gateway.md) or Envoy
    /// configuration that has it; the defaults, for texts of any length, if not given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile of the configuration that applies.
    #[arg(long, value_name = "NAME", requires = "config")]
    profile: Option<String>,
    /// What the text is, such as application/json; guessed if not given.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Leave out what was found, and the text around it.
    #[arg(long)]
    redacted: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// Runs it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let question = Question {
        body: read(&arguments.file)?,
        content_type: arguments.content_type.clone(),
        config: arguments.config.clone(),
        profile: arguments.profile.clone(),
        redacted: arguments.redacted,
    };
    let report = pii::look(&question, &|name| std::env::var(name).ok())?;
    match arguments.format {
        Format::Text => {
            let paper = Paper::new();
            print!(
                "{}",
                pii::text(&report, &question.body, arguments.redacted, &paper)
            );
        }
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    let clean = report.findings.is_empty() && !matches!(report.outcome, Outcome::Refused(_));
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| file.display().to_string())
}
