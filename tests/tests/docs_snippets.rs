//! Every snippet of the documentation is what it says it is. The words after the fence tell what
//! that is:
//!
//! - `yaml`: a piece of an Envoy configuration with filters of the suite in it, or, where it begins
//!   with `about:`, a scenario;
//! - `yaml piece`: YAML without a filter of the suite: a part of a scenario or of Envoy's
//!   configuration;
//! - `json FILTER`: the configuration of that filter;
//! - `json`: JSON;
//! - `rust PATH`, `yaml PATH`: a whole file of a filter that the page makes, which `new_filter.rs`
//!   compiles and runs;
//! - `sh`: commands, of which the command line's own must be ones that it takes;
//! - `rust`, `python`, `text`: an excerpt, a client, a drawing or what a program prints. These are
//!   for reading only.

use modelgate_cli::SUITE;
use std::path::{Path, PathBuf};

use modelgate_cli::build::Workspace;
use modelgate_cli::check::{self, Outcome, Severity};
use modelgate_scenario::file::ScenarioFile;
use serde_json::Value as Json;

struct Snippet {
    place: String,
    kind: String,
    text: String,
}

/// The fenced blocks of a page, also those inside of lists.
fn snippets(root: &Path, page: &Path) -> Vec<Snippet> {
    let text = std::fs::read_to_string(root.join(page)).unwrap();
    let mut found = Vec::new();
    let mut open: Option<(usize, Snippet)> = None;
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(kind)) => {
                let indent = line.len() - line.trim_start().len();
                let place = format!("{}:{}", page.display(), number + 1);
                let kind = kind.trim().to_owned();
                let text = String::new();
                open = Some((indent, Snippet { place, kind, text }));
            }
            (Some(_), Some("")) => found.extend(open.take().map(|(_, snippet)| snippet)),
            (Some((indent, snippet)), _) => {
                snippet
                    .text
                    .push_str(line.get(*indent..).unwrap_or_default());
                snippet.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(
        open.is_none(),
        "{}: a fence without its end",
        page.display()
    );
    found
}

fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "kong/README.md",
        "harness/simulator/README.md",
        "harness/wasmtime/README.md",
    ]
    .map(PathBuf::from)
    .to_vec();
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("plugins")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root.join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// What is wrong; values that are there to be replaced are right in a page.
fn faults(outcome: &Outcome) -> Vec<String> {
    let fault = |finding: &&check::Finding| {
        finding.severity == Severity::Error || finding.code.name == "unknown-type"
    };
    outcome
        .findings
        .iter()
        .filter(fault)
        .map(ToString::to_string)
        .collect()
}

/// An entry of a chain with this configuration.
fn entry(filter: &str, json: &str) -> String {
    let module = filter.replace('-', "_");
    let variables: Vec<&str> = json
        .split("\"env\": \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .chain(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
        .collect();
    let lines: String = json
        .lines()
        .map(|line| format!("          {line}\n"))
        .collect();
    format!(
        "- name: {filter}\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    config:\n      failure_policy: FAIL_RELOAD\n      allow_on_headers_stop_iteration: true\n      vm_config:\n        code: {{ local: {{ filename: {module}.wasm }} }}\n        environment_variables: {{ host_env_keys: [ {} ] }}\n      configuration:\n        \"@type\": type.googleapis.com/google.protobuf.StringValue\n        value: |\n{lines}",
        variables.join(", ")
    )
}

fn judge(snippet: &Snippet) -> Vec<String> {
    let text = &snippet.text;
    let mut words = snippet.kind.split(' ');
    match (words.next(), words.next()) {
        (Some("yaml"), None) if text.starts_with("about:") => {
            match ScenarioFile::parse(&SUITE, Path::new("page.yaml"), text) {
                Ok(_) => Vec::new(),
                Err(error) => vec![format!("{error:#}")],
            }
        }
        (Some("yaml"), None) => faults(&check::check(text)),
        (Some("yaml"), Some("piece")) => {
            let mut faults = faults(&check::check(&whole(text)));
            faults.retain(|fault| !fault.contains("nothing-here"));
            faults
        }
        (Some("json"), Some(filter)) => faults(&check::check(&entry(filter, text))),
        (Some("json"), None) => serde_json::from_str::<Json>(text)
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect(),
        (Some("rust" | "yaml"), Some(path)) if path.starts_with("plugins/") => Vec::new(),
        (Some("yaml"), Some(other)) => vec![format!("what is {other}?")],
        (Some("sh"), None) => commands(text)
            .iter()
            .filter_map(|words| refused(words))
            .collect(),
        (Some("rust" | "python" | "text"), None) => Vec::new(),
        (other, _) => vec![format!("what is {other:?}?")],
    }
}

/// A gateway file of which a page shows the beginning, with what each must have.
fn whole(piece: &str) -> String {
    let digest = "1a".repeat(32);
    match piece.starts_with("backend:") && !piece.contains("\nrules:") {
        true => format!(
            "{piece}keys: [ {{ id: a, digest: \"sha256:{digest}\", consumer: a }} ]\n\
             rules: [ {{ id: all, effect: allow }} ]\n"
        ),
        false => piece.to_owned(),
    }
}

/// The command lines of this project's own in a piece of shell script, as words.
fn commands(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let parts = script
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default())
        .flat_map(|line| line.split(['|', ';', '&', '>', '(', ')']));
    let mut commands = Vec::new();
    for part in parts {
        let words = part
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'']));
        let mut words = words.skip_while(|word| word.contains('=')).peekable();
        if words.peek() == Some(&"cargo") {
            words.next();
        }
        if words.peek() == Some(&"modelgate") {
            commands.push(words.map(ToOwned::to_owned).collect());
        }
    }
    commands
}

/// Why a command line would not be taken.
fn refused(words: &[String]) -> Option<String> {
    let said = modelgate_cli::command::accepts(words).err()?;
    Some(format!("{}: {said}", words.join(" ")))
}

/// Without it a worker answers 503 for a second after a crash.
#[test]
fn every_wasm_entry_says_how_soon_it_is_reloaded() {
    let root = Workspace::locate().unwrap().root;
    let mut seen = 0;
    for page in pages(&root) {
        for snippet in snippets(&root, &page) {
            let count = |what: &str| snippet.text.matches(what).count();
            let entries = count("failure_policy: FAIL_RELOAD");
            seen += entries;
            assert_eq!(count("reload_config:"), entries, "{}", snippet.place);
        }
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn every_snippet_is_what_it_says() {
    let root = Workspace::locate().unwrap().root;
    let mut wrong = Vec::new();
    let (mut seen, mut commands_seen) = (0, 0);
    for page in pages(&root) {
        for snippet in snippets(&root, &page) {
            if snippet.kind == "sh" {
                commands_seen += commands(&snippet.text).len();
            }
            seen +=
                usize::from(snippet.kind.starts_with("yaml") || snippet.kind.starts_with("json"));
            for fault in judge(&snippet) {
                wrong.push(format!("{} ({}): {fault}", snippet.place, snippet.kind));
            }
        }
    }
    assert!(seen > 20, "{seen} snippets");
    assert!(commands_seen > 20, "{commands_seen} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the page of a filter says of options and their values in words: `` `a.b` is `c` `` and
/// `` `b: c` ``.
fn said(page: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = page.split('`').collect();
    let is_word = |text: &str| {
        let mut letters = text.chars();
        !text.is_empty() && letters.all(|c| c.is_ascii_lowercase() || c == '_' || c == '.')
    };
    let sentences = parts.windows(3).filter_map(|window| match window {
        [option, " is ", value] => Some((*option, *value)),
        _ => None,
    });
    let pairs = parts.iter().filter_map(|part| part.split_once(": "));
    sentences
        .chain(pairs)
        .filter(|(option, value)| is_word(option) && is_word(value))
        .collect()
}

/// The options of a page's tables that take one of a few words, with these words.
fn choices(page: &str) -> Vec<(&str, Vec<&str>)> {
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let mut cells = line.split(" | ");
            let option = cells.next()?.trim_start_matches("| ").trim_matches('`');
            let words: Vec<&str> = cells.next()?.split(", ").collect();
            let all = words.iter().map(|word| {
                let inside = word.strip_prefix('`')?.strip_suffix('`')?;
                (!inside.contains('`')).then_some(inside)
            });
            Some((option, all.collect::<Option<Vec<&str>>>()?))
        })
        .collect()
}

/// Values that a page names and the option does not take.
fn unknown_values(page: &str) -> Vec<String> {
    let choices = choices(page);
    let mut wrong = Vec::new();
    for (option, value) in said(page) {
        let meant: Vec<_> = choices
            .iter()
            .filter(|(path, _)| *path == option || path.ends_with(&format!(".{option}")))
            .collect();
        if !meant.is_empty() && !meant.iter().any(|(_, words)| words.contains(&value)) {
            wrong.push(format!("`{option}` is never `{value}`"));
        }
    }
    wrong
}

#[test]
fn values_that_pages_of_filters_name_are_those_of_the_options() {
    let root = Workspace::locate().unwrap().root;
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages(&root) {
        if !page.starts_with("plugins") {
            continue;
        }
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        seen += choices(&text).len();
        let unknown = unknown_values(&text).into_iter();
        wrong.extend(unknown.map(|fault| format!("{}: {fault}", page.display())));
    }
    assert!(seen > 50, "{seen} options");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let table = "| `a.on_it` | `deny`, `allow` | `\"deny\"` | What. |\n";
    let of = |words: &str| unknown_values(&format!("{table}{words}")).len();
    assert_eq!(of("where `a.on_it` is `deny`, or `on_it: allow`"), 0);
    assert_eq!(of("where `a.on_it` is `block`, or `on_it: pass`"), 2);
}

#[test]
fn a_wrong_snippet_is_found() {
    let root = Workspace::locate().unwrap().root;
    let of = |page: &str| snippets(&root, Path::new(page));
    let bent = |page: &str, from: &str, to: &str| {
        of(page)
            .into_iter()
            .map(|snippet| Snippet {
                text: snippet.text.replace(from, to),
                ..snippet
            })
            .flat_map(|snippet| judge(&snippet))
            .count()
    };
    assert!(
        bent(
            "docs/profiles.md",
            "    pii-mask:  ",
            "    modelgate.pii_mask:  "
        ) > 0
    );
    assert!(bent("docs/profiles.md", "\"rank\"", "\"rang\"") > 0);
    assert!(bent("plugins/jwt-auth/README.md", "\"issuers\"", "\"isuers\"") > 0);
    assert!(bent("README.md", "typed_config", "typed_confg") > 0);
    assert!(bent("README.md", "modelgate demo", "modelgate dmeo") > 0);
    assert!(bent("docs/start.md", "--engine native", "--engin native") > 0);
}
