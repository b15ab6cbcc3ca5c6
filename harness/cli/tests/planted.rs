//! Files of every kind that `modelgate check` reads, each with one mistake that an operator makes:
//! it is found at its line, with a hint, and every format says the same.
//!
//! The files are in `planted/`, and what is expected of each in `planted/expected.tsv`. A file
//! whose line says `good` has no mistake, and nothing is found in it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // Helpers of tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// A finding, as every format has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    file: String,
    line: u64,
    column: u64,
    severity: String,
    code: String,
    message: String,
}

/// What is expected of a file.
struct Planted {
    file: String,
    exit: i32,
    finding: Option<Expected>,
}

struct Expected {
    severity: String,
    code: String,
    line: u64,
    says: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted")
}

fn planted() -> Vec<Planted> {
    let text = std::fs::read_to_string(folder().join("expected.tsv")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let finding = match cells[2..] {
                ["good"] => None,
                [severity, code, line, says] => Some(Expected {
                    severity: severity.to_owned(),
                    code: code.to_owned(),
                    line: line.parse().unwrap(),
                    says: says.to_owned(),
                }),
                _ => panic!("{line:?}"),
            };
            Planted {
                file: cells[0].to_owned(),
                exit: cells[1].parse().unwrap(),
                finding,
            }
        })
        .collect()
}

/// The exit code, and what is printed in this format.
fn check(file: &str, format: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .args(["check", "--format", format, file])
        .current_dir(folder())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

/// `FILE:LINE:COLUMN: SEVERITY[CODE NAME]: MESSAGE`
fn from_text(text: &str) -> Vec<Found> {
    let finding = |line: &str| {
        let (place, rest) = line.split_once(": ")?;
        let mut place = place.rsplitn(3, ':');
        let column = place.next()?.parse().ok()?;
        let line = place.next()?.parse().ok()?;
        let (severity, rest) = rest.split_once('[')?;
        let (code, message) = rest.split_once("]: ")?;
        Some(Found {
            file: place.next()?.to_owned(),
            line,
            column,
            severity: severity.to_owned(),
            code: code.split(' ').next()?.to_owned(),
            message: message.to_owned(),
        })
    };
    // A message goes on with its hint in a line of its own.
    let mut all: Vec<Found> = Vec::new();
    for line in text.lines() {
        match finding(line) {
            Some(found) => all.push(found),
            None => {
                if let (Some(last), true) = (all.last_mut(), line.starts_with(' ')) {
                    last.message = format!("{} {}", last.message, line.trim());
                }
            }
        }
    }
    all
}

fn text_of(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn from_json(text: &str) -> Vec<Found> {
    let json: Json = serde_json::from_str(text).unwrap();
    let files = json["files"].as_array().unwrap().iter();
    let findings = files.flat_map(|file| file["findings"].as_array().unwrap());
    findings
        .map(|finding| Found {
            file: text_of(&finding["file"]),
            line: finding["line"].as_u64().unwrap(),
            column: finding["column"].as_u64().unwrap(),
            severity: text_of(&finding["severity"]),
            code: text_of(&finding["code"]),
            message: format!(
                "{} {}",
                text_of(&finding["problem"]),
                text_of(&finding["hint"])
            ),
        })
        .collect()
}

fn from_sarif(text: &str) -> Vec<Found> {
    let json: Json = serde_json::from_str(text).unwrap();
    let results = json["runs"][0]["results"].as_array().unwrap();
    let found = |result: &Json| {
        let place = &result["locations"][0]["physicalLocation"];
        Found {
            file: text_of(&place["artifactLocation"]["uri"]),
            line: place["region"]["startLine"].as_u64().unwrap(),
            column: place["region"]["startColumn"].as_u64().unwrap(),
            severity: text_of(&result["level"]),
            code: text_of(&result["ruleId"]),
            message: text_of(&result["message"]["text"]),
        }
    };
    results.iter().map(found).collect()
}

/// `::error file=FILE,line=1,col=2,title=CODE NAME::MESSAGE`
fn from_github(text: &str) -> Vec<Found> {
    let finding = |line: &str| {
        let (severity, rest) = line.strip_prefix("::")?.split_once(' ')?;
        let (properties, message) = rest.split_once("::")?;
        let property = |name: &str| {
            let of = |part: &str| Some(part.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            properties.split(',').find_map(of)
        };
        let message = message
            .replace("%0A", "\n")
            .replace("%0D", "\r")
            .replace("%25", "%");
        Some(Found {
            file: property("file")?,
            line: property("line")?.parse().ok()?,
            column: property("col")?.parse().ok()?,
            severity: severity.replace("notice", "note"),
            code: property("title")?.split(' ').next()?.to_owned(),
            message,
        })
    };
    text.lines().filter_map(finding).collect()
}

#[test]
fn every_mistake_is_found_at_its_line_in_every_format() {
    type Reader = fn(&str) -> Vec<Found>;
    let formats: [(&str, Reader); 4] = [
        ("text", from_text),
        ("json", from_json),
        ("sarif", from_sarif),
        ("github", from_github),
    ];
    let planted = planted();
    let mistakes = planted.iter().filter(|planted| planted.finding.is_some());
    assert!(mistakes.count() >= 30);
    let mut wrong = Vec::new();
    for planted in &planted {
        let mut places = BTreeSet::new();
        for (format, read) in formats {
            let (exit, output) = check(&planted.file, format);
            let found = read(&output);
            let well = match &planted.finding {
                None => found.is_empty(),
                Some(expected) => found.iter().any(|found| {
                    found.file == planted.file
                        && found.line == expected.line
                        && found.column > 0
                        && found.severity == expected.severity
                        && found.code == expected.code
                        && found.message.contains(&expected.says)
                }),
            };
            if !well || exit != Some(planted.exit) {
                wrong.push(format!("{} ({format}): {exit:?}\n{found:#?}", planted.file));
            }
            // A mistake can have consequences; every format has the same.
            let place = |found: &Found| (found.line, found.column, found.code.clone());
            places.insert(found.iter().map(place).collect::<Vec<_>>());
        }
        if places.len() != 1 {
            wrong.push(format!("{}: formats differ: {places:?}", planted.file));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_is_expected() {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind != "tsv") {
                let below = path.strip_prefix(folder()).unwrap();
                files.insert(below.to_str().unwrap().to_owned());
            }
        }
    }
    for planted in planted() {
        assert!(files.remove(&planted.file), "{} is not there", planted.file);
    }
    assert!(files.is_empty(), "{files:?}");
}
