//! `modelgate pii`: what pii-mask finds in a text.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use modelgate_demo::report::Report as Paper;

use crate::pii::{self, Outcome, Question, Report};

/// Say what pii-mask finds in a text, why, and what becomes of it.
///
/// The text goes through the filter's own code. For each finding the entity, what it rests on, its
/// line, column and bytes, and what takes its place are printed, with the value highlighted in its
/// line. Nothing is sent or kept anywhere.
///
/// The output shows what is found: --redacted leaves the text out. A stream of events is read as an
/// answer; then the places are told by the events, not by bytes.
///
/// Of a folder every file below it is looked at that is text; links are not followed. With
/// `--format lines` each finding is a line of JSON, with its file.
///
/// Exit code 0: nothing is found; 1: something is, or a text would be refused; 2: one cannot be
/// looked at.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The files with the texts, or folders of them; `-` for standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
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
    /// Say only how many findings each file has, and how many there are of each kind.
    #[arg(long, conflicts_with = "format")]
    summary: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// A JSON document for each text.
    Json,
    /// A line of JSON for each finding, with the name of its file.
    Lines,
}

/// Runs it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut texts = Vec::new();
    for file in &arguments.files {
        collect(file, &mut texts)?;
    }
    let several = texts.len() > 1 || arguments.files.iter().any(|file| file.is_dir());
    let mut clean = true;
    let mut reports = Vec::new();
    for file in &texts {
        let body = read(file)?;
        if several && !arguments.files.contains(file) && !is_text(&body) {
            continue;
        }
        let question = Question {
            body,
            content_type: arguments.content_type.clone(),
            config: arguments.config.clone(),
            profile: arguments.profile.clone(),
            redacted: arguments.redacted,
        };
        let name = file.display().to_string();
        let report =
            pii::look(&question, &|name| std::env::var(name).ok()).with_context(|| name.clone())?;
        clean &= report.findings.is_empty() && !matches!(report.outcome, Outcome::Refused(_));
        if arguments.summary {
            reports.push((name, report));
        } else {
            show(arguments, several.then_some(&*name), &question, &report)?;
        }
    }
    if arguments.summary {
        print!("{}", pii::summary(&reports));
    }
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints what is found in one text; `name` is its file's, where there are several.
fn show(
    arguments: &Arguments,
    name: Option<&str>,
    question: &Question,
    report: &Report,
) -> Result<()> {
    match arguments.format {
        Format::Text => {
            let paper = Paper::new();
            if let Some(name) = name {
                println!("{}", paper.strong(name));
            }
            print!(
                "{}",
                pii::text(report, &question.body, arguments.redacted, &paper)
            );
        }
        Format::Json => println!("{}", serde_json::to_string_pretty(report)?),
        Format::Lines => {
            for finding in &report.findings {
                let mut line = serde_json::to_value(finding)?;
                if let (Some(name), Some(members)) = (name, line.as_object_mut()) {
                    members.insert("file".to_owned(), name.into());
                }
                println!("{line}");
            }
        }
    }
    Ok(())
}

/// The file, or those below the folder, in their order.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let shown = || path.display().to_string();
    if path == Path::new("-") || !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(shown)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(shown)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().with_context(shown)?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether bytes are text, and not a program's or a picture's.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
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
