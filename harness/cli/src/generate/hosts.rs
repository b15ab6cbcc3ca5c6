//! What holds on nginx and Kong, filter by filter: a page that is made from the scenarios, which
//! are played on the simulated proxy in nginx's place.
//!
//! A scenario that declares nothing for nginx gives the same there as on Envoy; one that declares a
//! difference (`diverges`, `engine: nginx`) differs as it says; what is listed in
//! tests/on-nginx.txt does not hold. Tests hold all three, in both directions, so the table says
//! what was tried and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use modelgate_scenario::file::{EngineName, ScenarioFile};

use super::options::cell;
use crate::SUITE;
use crate::build::scenario_files;

/// The engine whose declarations count.
const ENGINE: &str = "native nginx";

/// What does not hold, one line each: a file, and why.
const LISTED: &str = "tests/on-nginx.txt";

/// What becomes of a scenario there.
enum Verdict {
    Same,
    Differs(Vec<String>),
    Not(String),
    Untried(String),
}

/// The page.
///
/// # Errors
/// If a scenario cannot be read.
pub fn page(root: &Path) -> Result<String> {
    let engine = EngineName::parse(ENGINE).context(ENGINE)?;
    let listed = std::fs::read_to_string(root.join(LISTED)).context(LISTED)?;
    let listed: BTreeMap<&str, &str> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .collect();
    let mut page = String::from(
        "# nginx and Kong, filter by filter\n\n<!-- Made by `cargo modelgate generate`. -->\n\n\
         Every scenario of every filter, on the simulated proxy that plays nginx with ngx_wasm_module ([what it does](wasm-host.md#where-nginx-differs)).\n\
         Tests hold it in both directions: what works gives the same as on Envoy, what differs must differ, and what does not hold must not. Nothing\n\
         here was tried on a real nginx or Kong. What these hosts need is in [kong/README.md](../kong/README.md).\n",
    );
    let files = scenario_files(root)?;
    for member in SUITE.filters() {
        let folder = format!("plugins/{}/scenarios", member.krate);
        let mut rows = Vec::new();
        let mut same = 0_usize;
        for path in files.iter().filter(|path| path.starts_with(&folder)) {
            let path = path.display().to_string();
            let file = ScenarioFile::read(&SUITE, &root.join(&path)).context(path.clone())?;
            let scenario = file.resolve_without_keys().context(path.clone())?;
            let differing = scenario
                .diverges
                .iter()
                .filter(|divergence| divergence.engine.covers(&engine));
            let because: Vec<String> = differing
                .map(|divergence| divergence.because.clone())
                .collect();
            let verdict = match (listed.get(path.as_str()), scenario.excluded(&engine)) {
                (Some(because), _) => Verdict::Not((*because).to_owned()),
                (None, Some(because)) => Verdict::Untried(because.to_owned()),
                (None, None) if because.is_empty() => Verdict::Same,
                (None, None) => Verdict::Differs(because),
            };
            same = same.saturating_add(usize::from(matches!(verdict, Verdict::Same)));
            rows.push(row(&path, &scenario.about, &verdict));
        }
        page.push_str(&format!(
            "\n## `{}`: {same} of {} as on Envoy\n\n| what | there |\n|---|---|\n{}",
            member.krate,
            rows.len(),
            rows.concat()
        ));
    }
    Ok(page)
}

fn row(path: &str, about: &str, verdict: &Verdict) -> String {
    let there = match verdict {
        Verdict::Same => "works".to_owned(),
        Verdict::Differs(because) => {
            let mut because = because.clone();
            because.dedup();
            format!("works otherwise: {}", because.join("; "))
        }
        Verdict::Not(because) => format!("**does not hold**: {because}"),
        Verdict::Untried(because) => format!("not tried: {because}"),
    };
    format!("| [{}](../{path}) | {} |\n", cell(about), cell(&there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_tried_and_links_to_it() {
        let row = |verdict: &Verdict| row("plugins/a/scenarios/b.yaml", "x | y", verdict);
        let works = row(&Verdict::Same);
        assert!(
            works.starts_with("| [")
                && works.ends_with("](../plugins/a/scenarios/b.yaml) | works |\n")
        );
        assert!(works.contains("x \\| y"), "{works}");
        let twice = vec!["no trailers".to_owned(), "no trailers".to_owned()];
        assert!(row(&Verdict::Differs(twice)).ends_with("| works otherwise: no trailers |\n"));
        assert!(row(&Verdict::Not("a".into())).ends_with("| **does not hold**: a |\n"));
        assert!(row(&Verdict::Untried("b".into())).ends_with("| not tried: b |\n"));
    }
}
