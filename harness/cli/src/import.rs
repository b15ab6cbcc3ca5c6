//! Configurations of other gateways as configurations of Envoy with the suite's filters, and an
//! account of what became of everything in them.
//!
//! Two rules hold. Nothing gets lost in silence: a source is read through an account
//! (`ledger.rs`) that finds what nobody has read. And an import never lets in what the source kept
//! out: what the suite cannot do stays Envoy's own filter, or the route that it protects is closed.

mod digest;
mod envoy;
mod higress;
mod jwks;
mod kong;
mod ledger;
mod model;
mod native;
mod provider_key;
mod providers;
mod report;
mod token;

use located_yaml::{Node, write};

use crate::check;
use ledger::{At, Ledger, Spelling};
pub use report::{Entry, Report, Variable, Verdict};

/// Plugins of Kong's and Higress's that are known and not taken over.
pub fn known_plugins() -> Vec<&'static str> {
    let of_kong = kong::known::HARMLESS.iter().chain(&kong::known::HINTS);
    let names = of_kong.map(|(name, _)| *name);
    names.chain(higress::plugins::HARMLESS).collect()
}

/// Where a configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Kong: a declarative configuration.
    Kong,
    /// Envoy: a bootstrap with filters of its own.
    Envoy,
    /// Higress: WasmPlugin resources.
    Higress,
}

/// What is said besides the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What tokens are for, where the source does not say.
    pub audiences: Vec<String>,
    /// Plugins that may be left out although they protect.
    pub without: Vec<String>,
}

/// A new configuration.
#[derive(Clone, Debug)]
pub struct Imported {
    /// A bootstrap of Envoy's.
    pub config: String,
    /// What became of the source.
    pub report: Report,
    /// Whether `modelgate check` finds errors in the new configuration.
    pub is_wrong: bool,
}

/// Imports the text of a file.
///
/// # Errors
/// What is wrong with the file, each on a line with its place.
pub fn import(
    source: Source,
    file: &str,
    text: &str,
    options: &Options,
) -> Result<Imported, Vec<String>> {
    let documents = Node::documents(text).map_err(|error| {
        let hint = match text.contains("{{") {
            true => "; a template has to be rendered first",
            false => "",
        };
        vec![format!("{file}:{error}{hint}")]
    })?;
    let documents: Vec<Node> = documents.into_iter().filter(|one| !one.is_null()).collect();
    let spelling = match source {
        Source::Envoy => Spelling::Protobuf,
        Source::Kong | Source::Higress => Spelling::Exact,
    };
    let ledger = Ledger::new(spelling);
    let one = |what: &str| match documents.as_slice() {
        [root] if !root.members().is_empty() => Ok(ledger.root(root, "")),
        [_] => Err(vec![format!("{file}:1:1: {what} is a mapping")]),
        [] => Err(vec![format!("{file}:1:1: it is empty")]),
        [_, second, ..] => Err(vec![format!(
            "{file}:{}: {what} is one document, and this is a second one",
            second.place
        )]),
    };
    let (config, roots): (_, Vec<At<'_>>) = match source {
        Source::Envoy => {
            let root = one("a bootstrap of Envoy's")?;
            (envoy::import(&root, options), vec![root])
        }
        Source::Kong => {
            let root = one("a declarative configuration of Kong's")?;
            if !kong::is_declarative(&root) {
                let said = match root.node.member("kind") {
                    Some(_) => {
                        "a resource of Kubernetes; import what `deck gateway dump` writes of the Kong that its ingress controller configures"
                    }
                    None => {
                        "it is no declarative configuration of Kong's: `_format_version` and `services` are missing"
                    }
                };
                return Err(vec![format!("{file}:1:1: {said}")]);
            }
            (kong::import(&root, options), vec![root])
        }
        Source::Higress => {
            let roots: Vec<At<'_>> = documents
                .iter()
                .enumerate()
                .map(|(index, root)| match documents.len() {
                    1 => ledger.root(root, ""),
                    _ => ledger.root(root, &format!("[{index}]")),
                })
                .collect();
            if !roots.iter().any(higress::is_plugin) {
                return Err(vec![format!(
                    "{file}:1:1: no WasmPlugin of Higress is in it"
                )]);
            }
            (higress::import(&roots, options), roots)
        }
    };
    let problems = ledger.problems();
    if !problems.is_empty() {
        return Err(problems.iter().map(|one| format!("{file}:{one}")).collect());
    }
    let (entries, variables) = ledger.close(&roots);
    let config = write::document(&config);
    let outcome = check::check(&config);
    let findings = outcome.findings.iter().map(|finding| {
        let (kind, code) = (finding.severity.as_str(), finding.code.id);
        format!("{kind} {code}: {}", finding.message())
    });
    let report = Report {
        file: file.to_owned(),
        entries,
        variables,
        findings: findings.collect(),
    };
    let is_wrong = |finding: &check::Finding| finding.severity == check::Severity::Error;
    Ok(Imported {
        is_wrong: outcome.findings.iter().any(is_wrong),
        config,
        report,
    })
}
