//! `modelgate check`: is a configuration of Envoy, Kong or nginx, or a gateway file, what the
//! filters in it need?

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::check::{self, Checked, Format, Outcome, Severity};
use anyhow::Result;
use clap::{Args, ValueEnum};
use located_yaml::Place;
use modelgate_envoy::log::last_words;
use modelgate_envoy::process;
use modelgate_envoy::release::Envoy;

/// Check configurations of Envoy, Kong and nginx, and gateway files: every filter's settings, the
/// order of the chain, clusters, crash policy, who may pass on each route.
///
/// The host is recognized from the content of the file. Of Kong it reads declarative
/// configurations, with the kong.conf beside them, and of nginx what concerns ngx_wasm_module. Of
/// Envoy it reads bootstraps, resources of discovery (files too, where a configuration names them)
/// and pieces of them, YAML or JSON; bootstraps in protobuf's text form; what a running Envoy
/// answers on /config_dump; and of Kubernetes WasmPlugin, EnvoyFilter, EnvoyExtensionPolicy,
/// ConfigMaps and Secrets that hold one of these, and Kustomizations. Compiles each filter's
/// configuration with the code that runs in the proxy, and reports all problems with line and
/// hint. docs/findings.md has a section for every finding, and how to allow one.
///
/// Exit code 0: nothing is wrong, or only warnings; 1: something is; 2: a file could not be read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, folders (every .yaml, .yml, .json, .pb_text and .conf in and below them), or - for
    /// standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Treat warnings as errors.
    #[arg(long)]
    strict: bool,
    /// How to write the findings.
    #[arg(long, value_enum, default_value_t = Written::Text)]
    format: Written,
    /// Also have Envoy validate each bootstrap: a binary, or a release such as 1.40.0; without a
    /// value, the newest supported release.
    #[arg(long, value_name = "PATH|VERSION", num_args = 0..=1, default_missing_value = "")]
    envoy: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    Text,
    Json,
    Sarif,
    Github,
}

impl From<Written> for Format {
    fn from(written: Written) -> Self {
        match written {
            Written::Text => Self::Text,
            Written::Json => Self::Json,
            Written::Sarif => Self::Sarif,
            Written::Github => Self::Github,
        }
    }
}

/// Checks the files.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let envoy = arguments.envoy.as_deref().map(find).transpose()?;
    let mut checked = Vec::new();
    for path in &arguments.files {
        for (path, named) in expanded(path) {
            checked.extend(one(&path, named, envoy.as_ref()));
        }
    }
    let text = check::render(&checked, arguments.format.into());
    // A closed pipe is the reader's wish.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let is_wrong = |severity| match severity {
        Severity::Error => true,
        Severity::Warning => arguments.strict,
        Severity::Note => false,
    };
    let mut findings = checked.iter().flat_map(|file| &file.outcome.findings);
    Ok(
        if checked.iter().any(|file| file.outcome.unreadable()) || checked.is_empty() {
            ExitCode::from(2)
        } else if findings.any(|finding| is_wrong(finding.severity)) {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        },
    )
}

/// The files below a folder, sorted; a file itself. Also whether it was named.
fn expanded(path: &Path) -> Vec<(PathBuf, bool)> {
    if !path.is_dir() {
        return vec![(path.to_owned(), true)];
    }
    let mut found = Vec::new();
    let mut pending = vec![path.to_owned()];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            // Said when it is read as a file.
            found.push((folder, true));
            continue;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let kind = path.extension().and_then(|kind| kind.to_str());
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden && !path.is_symlink() {
                pending.push(path);
            } else if matches!(kind, Some("yaml" | "yml" | "json" | "pb_text" | "conf")) {
                found.push((path, false));
            }
        }
    }
    found.sort();
    found
}

/// Checks a file; one that was not named itself is left out when nothing of ours is in it.
fn one(path: &Path, named: bool, envoy: Option<&Envoy>) -> Option<Checked> {
    let (name, text) = match path.to_str() {
        Some("-") => ("(stdin)".to_owned(), stdin()),
        _ => (path.display().to_string(), std::fs::read(path)),
    };
    let start = Place { line: 1, column: 1 };
    let text = text
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
    let outcome = match &text {
        Ok(text) => {
            let folder = path.parent().filter(|_| path != Path::new("-"));
            let folder = folder.map(|folder| match folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => folder,
            });
            let mut outcome = check::check_in(text, folder);
            if !named && outcome.filters == 0 && outcome.unread == 0 {
                return None;
            }
            if let Some(envoy) = envoy {
                validate(text, path, envoy, &mut outcome);
            }
            outcome
        }
        Err(problem) => check::failed(start, problem),
    };
    Some(Checked {
        path: name,
        outcome,
    })
}

fn stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn find(wanted: &str) -> Result<Envoy> {
    let say = |message: &str| eprintln!("{message}");
    let envoy = match (wanted, Path::new(wanted)) {
        ("", _) => Envoy::find(None, &say)?,
        (_, path) if path.is_file() => Envoy::at(path)?,
        (version, _) => Envoy::find(Some(version), &say)?,
    };
    envoy.require_wasm()?;
    Ok(envoy)
}

/// Adds what Envoy says of a bootstrap. Fragments are none, and Envoy cannot read them.
fn validate(text: &str, path: &Path, envoy: &Envoy, outcome: &mut Outcome) {
    let is_bootstrap = |text: &str| {
        check::BOOTSTRAP.iter().any(|name| text.contains(name))
            && !text.contains("envoy.admin.v3.BootstrapConfigDump")
    };
    if !is_bootstrap(text) {
        return;
    }
    match refusal(text, path, envoy) {
        Ok(None) => {}
        Ok(Some(said)) => outcome.findings.push(check::refused_by_envoy(said)),
        Err(error) => outcome.findings.push(check::refused_by_envoy(format!(
            "could not be asked: {error:#}"
        ))),
    }
}

/// The last words of `envoy --mode validate`, if it refuses the file.
fn refusal(text: &str, path: &Path, envoy: &Envoy) -> Result<Option<String>> {
    let kept;
    let file = if path.is_file() {
        path
    } else {
        kept = tempfile::Builder::new()
            .prefix("modelgate-check-")
            .suffix(".yaml")
            .tempfile()?;
        std::fs::write(kept.path(), text)?;
        kept.path()
    };
    let Some(log) = process::validate(envoy, file, &[])? else {
        return Ok(None);
    };
    let last = last_words(&log);
    Ok(Some(format!(
        "Envoy {} refuses it: {last}",
        envoy.version()
    )))
}
