//! Files that are made from the code: schemas, option tables, the pages of reason codes and of
//! findings, the tags of metrics, the filters' entries in the Envoy configurations, what Kong reads
//! beside the modules, and what gateway files mean to Kubernetes and in `envoy/compose`.
//!
//! `modelgate generate` rewrites them, `modelgate generate --check` (and the tests) compare. A
//! table inside a written page stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; what
//! is outside is never touched.

mod compose;
mod examples;
mod hosts;
pub mod kong;
mod kubernetes;
mod options;
mod reference;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use modelgate_kit::problem::Reason;
use modelgate_kit::problem::common;

use modelgate_kit::vm::CHAIN;

use crate::SUITE;
use crate::stats_tags::stats_config;
use modelgate_scenario::catalogue::Member;
use modelgate_scenario::file::schema as scenario_schema;

/// A file as it should be.
pub struct Generated {
    /// Path below the repository's root.
    pub path: PathBuf,
    /// Content.
    pub content: String,
}

/// What the schema of scenario files is called.
pub const SCENARIO: &str = "scenario";

/// What the schema of gateway files is called.
pub const GATEWAY: &str = "gateway";

/// What turns the parts of metric names into labels.
const STATS_TAGS: &str = "envoy/stats_tags.yaml";

/// The Envoy configuration whose filters stand in files of their own.
const DISCOVERING: &str = "envoy/ecds/envoy.yaml";

/// The Envoy configurations, by their paths below the root, in the order of their names.
///
/// # Errors
/// If their folder cannot be read.
pub fn bootstraps(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = Path::new("envoy");
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).context("reading envoy/")? {
        let path = folder.join(entry?.file_name());
        if path.extension().is_some_and(|kind| kind == "yaml") && path != Path::new(STATS_TAGS) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Every generated file.
///
/// # Errors
/// If a page that holds a table cannot be read or lacks its marks.
pub fn all(root: &Path) -> Result<Vec<Generated>> {
    let mut files = Vec::new();
    for member in SUITE.filters() {
        let schema = (member.filter.schema)();
        files.push(schema_file(member.filter.name, &schema)?);
        files.push(readme(root, member, &schema)?);
        files.push(kong_meta(member)?);
    }
    files.push(schema_file(CHAIN, &SUITE.chain_schema())?);
    let options = options::table(&SUITE.chain_options());
    files.push(page(
        root,
        &readme_of(SUITE.bundle()),
        &[("options", &options)],
    )?);
    let scenario = scenario_schema(&SUITE);
    files.push(schema_file(SCENARIO, &scenario)?);
    files.push(schema_file(GATEWAY, &crate::gateway::schema())?);
    let reference = reference::pages(&scenario, "Scenario");
    files.push(page(
        root,
        "docs/scenarios.md",
        &[("reference", &reference)],
    )?);
    files.push(Generated {
        path: "docs/nginx.md".into(),
        content: hosts::page(root)?,
    });
    files.push(Generated {
        path: "docs/reasons.md".into(),
        content: reasons_page(),
    });
    files.push(Generated {
        path: "docs/findings.md".into(),
        content: crate::check::findings_page(),
    });
    for path in bootstraps(root)? {
        let text = std::fs::read_to_string(root.join(&path))
            .with_context(|| format!("reading {}", path.display()))?;
        let content = examples::entries(&text).with_context(|| path.display().to_string())?;
        let content = examples::top_level(&content, "stats_config", &stats_config());
        files.push(Generated { path, content });
    }
    let discovering = std::fs::read_to_string(root.join(DISCOVERING)).context(DISCOVERING)?;
    files.push(Generated {
        path: DISCOVERING.into(),
        content: examples::top_level(&discovering, "stats_config", &stats_config()),
    });
    files.extend(kubernetes::files(root)?);
    files.push(compose::file(root)?);
    files.push(Generated {
        path: STATS_TAGS.into(),
        content: stats_tags(),
    });
    Ok(files)
}

/// Rewrites what differs; returns the paths.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write(root: &Path) -> Result<Vec<PathBuf>> {
    let stale = stale(root)?;
    for file in &stale {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, &file.content)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(stale.into_iter().map(|file| file.path).collect())
}

/// The files that differ from what they should be.
///
/// # Errors
/// If a page that holds a table cannot be read or lacks its marks.
pub fn stale(root: &Path) -> Result<Vec<Generated>> {
    let differs = |file: &Generated| {
        std::fs::read_to_string(root.join(&file.path)).ok().as_ref() != Some(&file.content)
    };
    Ok(all(root)?.into_iter().filter(differs).collect())
}

fn schema_file(name: &str, schema: &serde_json::Value) -> Result<Generated> {
    json_file(format!("docs/schemas/{name}.schema.json"), schema)
}

fn json_file(path: String, json: &serde_json::Value) -> Result<Generated> {
    let mut content = serde_json::to_string_pretty(json)?;
    content.push('\n');
    Ok(Generated {
        path: path.into(),
        content,
    })
}

/// What Kong reads beside a filter's module, at its place below the root.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn kong_meta(member: &Member) -> Result<Generated> {
    let name = member.filter.name;
    json_file(
        format!("kong/filters/{name}.meta.json"),
        &kong::meta(member),
    )
}

fn readme(root: &Path, member: &Member, schema: &serde_json::Value) -> Result<Generated> {
    let reasons = reasons_table(common::ALL.iter().chain(member.filter.reasons));
    let options = options::table(schema);
    page(
        root,
        &readme_of(member.krate),
        &[("options", &options), ("reasons", &reasons)],
    )
}

/// The page of a crate under `plugins/`.
fn readme_of(krate: &str) -> String {
    format!("plugins/{krate}/README.md")
}

/// The page at this path below the root, with these tables in it.
fn page(root: &Path, path: &str, tables: &[(&str, &str)]) -> Result<Generated> {
    let path = PathBuf::from(path);
    let mut content = std::fs::read_to_string(root.join(&path))
        .with_context(|| format!("reading {}", path.display()))?;
    for (name, table) in tables {
        content = between(&content, name, table).with_context(|| path.display().to_string())?;
    }
    Ok(Generated { path, content })
}

/// `page` with `content` between its marks.
fn between(page: &str, name: &str, content: &str) -> Result<String> {
    let (begin, end) = (
        format!("<!-- {name}:begin -->\n"),
        format!("<!-- {name}:end -->"),
    );
    let Some((before, rest)) = page.split_once(&begin) else {
        bail!("the mark {} is missing", begin.trim())
    };
    let Some((_, after)) = rest.split_once(&end) else {
        bail!("the mark {end} is missing")
    };
    Ok(format!("{before}{begin}{content}{end}{after}"))
}

fn reasons_table<'a>(reasons: impl IntoIterator<Item = &'a &'a Reason>) -> String {
    let mut table = String::from("| code | status | when, and what to do |\n|---|---|---|\n");
    for reason in reasons {
        table.push_str(&format!(
            "| `{}` | {} | {} |\n",
            reason.code,
            reason.status,
            options::cell(reason.help)
        ));
    }
    table
}

fn reasons_page() -> String {
    let mut page = String::from(
        "# Reason codes\n\n<!-- Made by `cargo modelgate generate`. -->\n\n\
         Every refusal has one of these codes: in the header `x-modelgate-reason`, in the body, in the metric\n\
         `modelgate.FILTER.reason_CODE.denied`, in the response-code details (`modelgate.FILTER.CODE`) and in the audit event. Codes are part of\n\
         the interface and are never renamed.\n",
    );
    let mut section = |title: &str, reasons: &[&Reason]| {
        page.push_str(&format!("\n## {title}\n\n{}", reasons_table(reasons)));
    };
    section("every filter", common::ALL);
    for member in SUITE.filters() {
        if !member.filter.reasons.is_empty() {
            section(&format!("`{}`", member.krate), member.filter.reasons);
        }
    }
    page
}

/// The file to paste into other bootstraps.
fn stats_tags() -> String {
    format!(
        "# Made by `cargo modelgate generate`. Paste under the top level of a bootstrap: proxy-wasm metrics have no labels, so their names\n\
         # carry them (`modelgate.FILTER.TAG_VALUE.METRIC`), and these rules turn them back.\n{}",
        stats_config()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats_tags::tags;
    use modelgate_kit::metrics;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        assert_eq!(
            between(page, "x", "new\n").unwrap(),
            "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n"
        );
        assert!(between("a", "x", "").is_err());
    }

    /// Names of all metrics that the filters define when the suite's scenarios are played.
    pub(super) fn metric_names() -> std::collections::BTreeSet<String> {
        use modelgate_scenario::engine::{Engine, WasmFolder, simulated::Simulated};
        use modelgate_scenario::file::ScenarioFile;
        let root = crate::build::Workspace::locate().unwrap().root;
        let engine = Simulated::native(std::sync::Arc::new(WasmFolder(root.clone())));
        let mut names = std::collections::BTreeSet::new();
        for plugin in std::fs::read_dir(root.join("plugins")).unwrap() {
            let Ok(scenarios) = std::fs::read_dir(plugin.unwrap().path().join("scenarios")) else {
                continue;
            };
            for file in scenarios {
                let path = file.unwrap().path();
                let file = ScenarioFile::read(&SUITE, &path).unwrap();
                let scenario = file.resolve(1_700_000_000).unwrap();
                if engine.refuses(&scenario).is_none()
                    && scenario.excluded(engine.name()).is_none()
                    && let Ok(seen) = engine.run(&scenario)
                {
                    names.extend(seen.metrics.into_keys());
                }
            }
        }
        names
    }

    #[test]
    fn every_part_of_a_metrics_name_has_a_rule_and_every_rule_a_metric() {
        let mut used = std::collections::BTreeSet::new();
        let names = metric_names();
        assert!(names.len() > 100, "{names:?}");
        for name in names {
            let parts: Vec<&str> = name.split('.').collect();
            let ["modelgate", filter, parts @ .., metric] = parts.as_slice() else {
                panic!("{name}: not as the grammar of names says");
            };
            let member = SUITE
                .member(filter)
                .unwrap_or_else(|| panic!("{name}: whose is it?"));
            let declared = || metrics::TAGS.iter().chain(member.filter.tags);
            for part in parts {
                let tag = declared().find(|tag| part.starts_with(&format!("{tag}_")));
                let tag = tag.unwrap_or_else(|| panic!("{name}: no tag of its filter is {part}"));
                used.insert((member.krate, *tag));
            }
            let like_a_tag = tags()
                .iter()
                .any(|tag| metric.starts_with(&format!("{tag}_")));
            assert!(!like_a_tag, "{name}: ends in what a rule takes for a label");
        }
        for member in SUITE.filters() {
            for tag in metrics::TAGS.iter().chain(member.filter.tags) {
                assert!(
                    used.contains(&(member.krate, *tag)),
                    "{}: no metric has its tag {tag}",
                    member.krate
                );
            }
        }
    }

    #[test]
    fn every_reason_is_on_the_page() {
        let page = reasons_page();
        for member in SUITE.filters() {
            for reason in common::ALL.iter().chain(member.filter.reasons) {
                assert!(page.contains(&format!("`{}`", reason.code)));
            }
        }
    }

    #[test]
    fn codes_are_unique_and_well_formed() {
        let of_filters = SUITE.filters().iter().map(|member| member.filter.reasons);
        for reasons in of_filters.chain([common::ALL]) {
            let mut seen = std::collections::BTreeSet::new();
            for reason in reasons {
                let code = reason.code;
                assert!(seen.insert(code), "{}: {code} twice", reason.filter);
                let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                assert!(code.bytes().all(is_plain), "{code}");
                assert!((400..600).contains(&reason.status), "{code}");
                assert!(!reason.title.is_empty() && !reason.help.is_empty());
            }
        }
    }
}
