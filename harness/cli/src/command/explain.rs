//! `modelgate explain`: why a request is refused, or what becomes of it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use modelgate_demo::report::Report as Paper;
use modelgate_kit::timestamp::parse_rfc3339;
use modelgate_scenario::file::Request;

use crate::explain::{self, Outcome, Question};

/// Explain what becomes of a request, and why it is refused.
///
/// Sends the request through the filters' own code in a simulated proxy, and prints for each filter
/// what it decided and why: the profile, the checks of the credential, each rule with the first
/// condition that failed, limits and what is left, what would be masked and signed, the audit
/// event; then what the upstream and the client get. No Envoy is needed, and nobody is called:
/// no issuer, no collector, no model. Secrets, tokens, keys and personal data are not shown.
///
/// The request is a file with HTTP as it is on the wire (`POST /v1/chat/completions HTTP/1.1`), a
/// curl command, or YAML or JSON with `method`, `path`, `authority`, `headers` and `body` or
/// `json`. Signatures are checked with keys from the configuration and from --jwks. docs/explain.md
/// describes all of it, and the document that --format json prints.
///
/// Exit code 0: the request goes on; 1: it is refused; 2: it cannot be explained.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The gateway file (docs/gateway.md) or Envoy configuration.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file with the request; `-` for standard input.
    #[arg(long, value_name = "REQUEST", required_unless_present = "curl")]
    request: Option<PathBuf>,
    /// The request as a curl command: `--curl 'curl https://… -d …'`.
    #[arg(long, value_name = "COMMAND", conflicts_with = "request")]
    curl: Option<String>,
    /// The key set of an issuer whose keys are fetched, from a file: a JWK Set, or a PEM for
    /// `pem_per_kid`. May be given several times.
    #[arg(long, value_name = "ISSUER=FILE", value_parser = read_keys)]
    jwks: Vec<(String, PathBuf)>,
    /// Explain on where an issuer's keys are not given, as if the token's signature were good. What
    /// rests on that is marked.
    #[arg(long)]
    assume_verified: bool,
    /// When the request comes, such as 2026-11-21T08:00:00Z; now if not given.
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    at: Option<u64>,
    /// Send the request so often at that time, and explain the last one: shows when limits refuse.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeat: u32,
    /// The address that the request comes from.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client_ip: IpAddr,
    /// What the model server answers: HTTP as it is on the wire, or a body of JSON. A plain 200 if
    /// not given.
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
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

fn read_keys(text: &str) -> Result<(String, PathBuf), String> {
    // The name of an issuer is a URL, which may have a query.
    let (issuer, file) = text.rsplit_once('=').ok_or("write ISSUER=FILE")?;
    match issuer.is_empty() || file.is_empty() {
        true => Err("write ISSUER=FILE".to_owned()),
        false => Ok((issuer.to_owned(), PathBuf::from(file))),
    }
}

fn read_time(text: &str) -> Result<u64, String> {
    parse_rfc3339(text).ok_or_else(|| "write a time such as 2026-11-21T08:00:00Z".to_owned())
}

/// Runs it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    run_for(arguments, None)
}

/// The same, with what one filter tells and nothing of the others.
pub fn run_for(arguments: &Arguments, only: Option<&str>) -> Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut keys = BTreeMap::new();
    for (issuer, file) in &arguments.jwks {
        keys.insert(issuer.clone(), read_file(file)?);
    }
    let answer = arguments
        .response
        .as_deref()
        .map(|file| explain::answer(&read_file(file)?).with_context(|| file.display().to_string()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let question = Question {
        file: arguments.file.clone(),
        request: request(arguments, &variable)?,
        from: arguments.client_ip,
        times: usize::try_from(arguments.repeat)?,
        at_ns: arguments.at.map_or_else(|| u64::try_from(now), Ok)?,
        keys,
        assume_verified: arguments.assume_verified,
        answer: answer.transpose()?,
    };
    let mut report = explain::explain(&question, &variable)?;
    if let Some(only) = only {
        report.filters.retain(|filter| filter.filter == only);
    }
    match arguments.format {
        Format::Text => print!("{}", explain::text(&report, &Paper::new())),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    let is_fine = report.verdict.status.is_some_and(|status| status < 400);
    Ok(match report.verdict.outcome {
        Outcome::GoesOn => ExitCode::SUCCESS,
        Outcome::AnsweredByProxy if is_fine => ExitCode::SUCCESS,
        Outcome::Refused | Outcome::AnsweredByProxy => ExitCode::FAILURE,
        Outcome::Undecided => ExitCode::from(2),
    })
}

fn read_file(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| file.display().to_string())
}

fn request(arguments: &Arguments, variable: &dyn Fn(&str) -> Option<String>) -> Result<Request> {
    let here = Path::new(".");
    if let Some(command) = &arguments.curl {
        return explain::curl(command, here, variable).context("--curl");
    }
    let file = arguments
        .request
        .as_deref()
        .context("--request is missing")?;
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return explain::read(&bytes, here, variable).context("standard input");
    }
    let folder = file.parent().unwrap_or(here);
    explain::read(&read_file(file)?, folder, variable).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_sets_are_named_by_their_issuers() {
        let (issuer, file) = read_keys("https://idp.test/?a=b=keys.json").unwrap();
        assert_eq!(issuer, "https://idp.test/?a=b");
        assert_eq!(file, Path::new("keys.json"));
        for wrong in ["keys.json", "=keys.json", "https://idp.test="] {
            assert!(read_keys(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_as_rfc_3339_writes_them() {
        assert_eq!(read_time("1970-01-01T00:00:01Z"), Ok(1_000_000_000));
        assert!(read_time("yesterday").is_err());
    }
}
