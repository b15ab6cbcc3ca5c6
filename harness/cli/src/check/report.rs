//! Findings as text, JSON, SARIF 2.1.0 and GitHub's workflow commands.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::codes::{self, anchor};
use super::{Finding, Outcome, Severity};

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: `FILE:LINE:COLUMN: error[CODE NAME]: …`.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
}

/// A file that was checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// As it was named.
    pub path: String,
    /// What was found.
    pub outcome: Outcome,
}

/// What was found in all files.
pub fn render(files: &[Checked], format: Format) -> String {
    match format {
        Format::Text => text(files),
        Format::Json => pretty(&json!({
            "files": files.iter().map(file_json).collect::<Vec<_>>(),
        })),
        Format::Sarif => pretty(&sarif(files)),
        Format::Github => github(files),
    }
}

fn pretty(json: &Json) -> String {
    format!("{json:#}\n")
}

/// Where a finding is: the file that was checked, or one that it names.
fn path(checked: &Checked, finding: &Finding) -> String {
    match &finding.file {
        Some(file) => file.display().to_string(),
        None => checked.path.clone(),
    }
}

fn text(files: &[Checked]) -> String {
    let mut text = String::new();
    for checked in files {
        for finding in &checked.outcome.findings {
            text.push_str(&format!("{}:{finding}\n", path(checked, finding)));
        }
        text.push_str(&format!(
            "{}: {}\n",
            checked.path,
            summary(&checked.outcome)
        ));
        for name in &checked.outcome.environment {
            let state = match std::env::var_os(name) {
                Some(value) if value.is_empty() => " (empty here)",
                Some(_) => "",
                None => " (not set here)",
            };
            text.push_str(&format!(
                "{}: needs {name} in the proxy's environment{state}\n",
                checked.path
            ));
        }
        let modules: Vec<&str> = checked.outcome.modules.iter().map(String::as_str).collect();
        if !modules.is_empty() {
            let modules = modules.join(", ");
            text.push_str(&format!(
                "{}: not on this machine: {modules}\n",
                checked.path
            ));
        }
    }
    text
}

/// `1 filter`, `2 filters`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn summary(outcome: &Outcome) -> String {
    if outcome.unreadable() {
        return "not read".to_owned();
    }
    let of = |severity| {
        outcome
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let mut parts = vec![format!(
        "{} in {}",
        counted(outcome.filters, "filter"),
        counted(outcome.chains, "chain")
    )];
    if outcome.unread > 0 {
        parts.push(format!("{} not read", outcome.unread));
    }
    parts.push(counted(outcome.findings.len(), "finding"));
    if !outcome.findings.is_empty() {
        parts.push(counted(of(Severity::Error), "error"));
        parts.push(counted(of(Severity::Warning), "warning"));
    }
    if of(Severity::Note) > 0 {
        parts.push(counted(of(Severity::Note), "note"));
    }
    if outcome.allowed > 0 {
        parts.push(format!("{} allowed by comments", outcome.allowed));
    }
    parts.join(", ")
}

fn file_json(checked: &Checked) -> Json {
    let finding = |finding: &Finding| {
        json!({
            "file": path(checked, finding),
            "line": finding.place.line,
            "column": finding.place.column,
            "severity": finding.severity.as_str(),
            "code": finding.code.id,
            "name": finding.code.name,
            "filter": finding.filter,
            "path": finding.path,
            "problem": finding.problem,
            "hint": finding.hint,
        })
    };
    let outcome = &checked.outcome;
    json!({
        "file": checked.path,
        "chains": outcome.chains,
        "filters": outcome.filters,
        "not_read": outcome.unread,
        "allowed": outcome.allowed,
        "environment": outcome.environment,
        "modules_not_here": outcome.modules,
        "findings": outcome.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn sarif(files: &[Checked]) -> Json {
    let rules: Vec<Json> = codes::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.id,
                "name": code.name,
                "shortDescription": { "text": code.title },
                "fullDescription": { "text": code.help },
                "defaultConfiguration": { "level": code.severity.as_str() },
                "help": {
                    "text": code.help,
                    "markdown": format!("{} (docs/findings.md#{})", code.help, anchor(code)),
                },
            })
        })
        .collect();
    let results: Vec<Json> = files
        .iter()
        .flat_map(|checked| {
            checked.outcome.findings.iter().map(|finding| {
                let mut message = finding.message();
                if !finding.hint.is_empty() {
                    message.push_str(": ");
                    message.push_str(&finding.hint);
                }
                json!({
                    "ruleId": finding.code.id,
                    "ruleIndex": codes::ALL.iter().position(|code| code.id == finding.code.id),
                    "level": finding.severity.as_str(),
                    "message": { "text": message },
                    "locations": [ { "physicalLocation": {
                        "artifactLocation": artifact(&path(checked, finding)),
                        "region": {
                            "startLine": finding.place.line.max(1),
                            "startColumn": finding.place.column.max(1),
                        },
                    } } ],
                })
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [ {
            "tool": { "driver": {
                "name": "modelgate check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        } ],
    })
}

/// A file as SARIF names it (3.4.3 and 3.10): by a URI reference with forward slashes, relative to
/// where the check was started where the file lies below, else absolute. Text that came by standard
/// input has no file.
fn artifact(path: &str) -> Json {
    let here = std::env::current_dir().unwrap_or_default();
    let below = Path::new(path).strip_prefix(&here).ok();
    let path = below.and_then(Path::to_str).unwrap_or(path);
    let slashes = path.replace(std::path::MAIN_SEPARATOR, "/");
    let uri = escaped(slashes.trim_start_matches("./"));
    if path == "-" {
        return json!({ "description": { "text": "standard input" }, "uri": "stdin" });
    }
    match uri.strip_prefix('/') {
        Some(absolute) => json!({ "uri": format!("file:///{absolute}") }),
        None => json!({ "uri": uri, "uriBaseId": "%SRCROOT%" }),
    }
}

/// What may stand in a path of a URI, and the rest as escapes (RFC 3986 section 3.3). A colon would
/// end a scheme.
fn escaped(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// `::error file=…,line=…,col=…,title=…::message`, escaped as GitHub's toolkit does.
fn github(files: &[Checked]) -> String {
    let data = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for checked in files {
        for finding in &checked.outcome.findings {
            let mut message = finding.message();
            if !finding.hint.is_empty() {
                message.push('\n');
                message.push_str(&finding.hint);
            }
            let command = match finding.severity {
                Severity::Note => "notice",
                severity => severity.as_str(),
            };
            text.push_str(&format!(
                "::{command} file={},line={},col={},title={}::{}\n",
                property(&path(checked, finding)),
                finding.place.line,
                finding.place.column,
                property(&format!("{} {}", finding.code.id, finding.code.name)),
                data(&message)
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked() -> Vec<Checked> {
        vec![Checked {
            path: "a,b.yaml".to_owned(),
            outcome: super::super::check("a: 1\n"),
        }]
    }

    #[test]
    fn every_format_names_file_line_and_code() {
        let text = render(&checked(), Format::Text);
        assert!(
            text.starts_with("a,b.yaml:1:1: error[MG008 nothing-here]: file: no filter"),
            "{text}"
        );
        let json: Json = serde_json::from_str(&render(&checked(), Format::Json)).unwrap();
        assert_eq!(json["files"][0]["findings"][0]["code"], "MG008");
        let sarif: Json = serde_json::from_str(&render(&checked(), Format::Sarif)).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "MG008");
        let github = render(&checked(), Format::Github);
        assert!(
            github.starts_with(
                "::error file=a%2Cb.yaml,line=1,col=1,title=MG008 nothing-here::file: no filter"
            ),
            "{github}"
        );
    }

    /// What SARIF 2.1.0 asks of a log, beyond its schema: a code scanner drops what breaks it.
    #[test]
    fn sarif_keeps_to_its_rules() {
        let here = std::env::current_dir().unwrap();
        let found = || super::super::check("é: 1\n");
        let mut other = found();
        for finding in &mut other.findings {
            finding.file = Some(here.join("a b/ö.yaml"));
            finding.place.line = 0;
        }
        let paths = [
            "./x/a.yaml",
            "/elsewhere/a.yaml",
            "../a.yaml",
            "-",
            "c:d.yaml",
        ];
        let mut files: Vec<Checked> = paths
            .map(|path| Checked {
                path: path.to_owned(),
                outcome: found(),
            })
            .into();
        files.push(Checked {
            path: "x".to_owned(),
            outcome: other,
        });
        let sarif: Json = serde_json::from_str(&render(&files, Format::Sarif)).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        // 3.14.17: columns are counted in characters.
        assert_eq!(run["columnKind"], "unicodeCodePoints");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let mut uris = Vec::new();
        for result in run["results"].as_array().unwrap() {
            // 3.27.6: the index is that of the rule.
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let level = result["level"].as_str().unwrap();
            assert!(["error", "warning", "note"].contains(&level));
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            let location = &result["locations"][0]["physicalLocation"];
            // 3.30.5 and 3.30.6: lines and columns begin with 1.
            for number in ["startLine", "startColumn"] {
                assert!(location["region"][number].as_u64().unwrap() >= 1);
            }
            let artifact = &location["artifactLocation"];
            let uri = artifact["uri"].as_str().unwrap().to_owned();
            let is_relative = !uri.starts_with("file:") && uri != "stdin";
            assert_eq!(artifact["uriBaseId"] == "%SRCROOT%", is_relative, "{uri}");
            assert!(!uri.contains(['\\', ' ']) && uri.is_ascii(), "{uri}");
            uris.push(uri);
        }
        uris.dedup();
        let expected = [
            "x/a.yaml",
            "file:///elsewhere/a.yaml",
            "../a.yaml",
            "stdin",
            "c%3Ad.yaml",
            "a%20b/%C3%B6.yaml",
        ];
        assert_eq!(uris, expected);
        for rule in rules {
            for text in ["shortDescription", "fullDescription", "help"] {
                assert!(
                    rule[text]["text"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty())
                );
            }
        }
    }
}
