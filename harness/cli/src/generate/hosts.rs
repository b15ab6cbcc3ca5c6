//! What holds on nginx and Kong, filter by filter: a page that is made from the scenarios, which
//! are played on the simulated proxy in nginx's place. First by feature, each with a scenario that
//! shows it (tests/on-nginx-features.txt), then scenario by scenario.
//!
//! A scenario that declares nothing for nginx gives the same there as on Envoy; one that declares a
//! difference (`diverges`, `engine: nginx`) differs as it says; what is listed in
//! tests/on-nginx.txt does not hold. Tests hold all three, in both directions, so the table says
//! what was tried and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use modelgate_scenario::file::{EngineName, ScenarioFile};

use super::options::cell;
use crate::SUITE;
use crate::build::scenario_files;

/// The engine whose declarations count.
const ENGINE: &str = "native nginx";

/// What does not hold, one line each: a file, and why.
const LISTED: &str = "tests/on-nginx.txt";

/// What filters do there by feature, one line each: a filter, a feature, what becomes of it, and
/// the name of a scenario of the filter's.
const FEATURES: &str = "tests/on-nginx-features.txt";

/// How a difference begins that is a refusal of the whole configuration.
const REFUSED: &str = "refused there: ";

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
    let features = std::fs::read_to_string(root.join(FEATURES)).context(FEATURES)?;
    let mut features = features_of(&features)?;
    let mut page = String::from(
        "# nginx and Kong, filter by filter\n\n<!-- Made by `cargo modelgate generate`. -->\n\n\
         The features of each filter, then its scenarios, with the result on the simulated proxy that plays nginx with ngx_wasm_module\n\
         ([its behaviour](wasm-host.md#where-nginx-differs)). Tests check it in both directions: what works gives the same result as on Envoy, what\n\
         differs must differ, and nothing that differs lets pass what Envoy stops. Nothing here was tried on a real nginx or Kong. What these\n\
         hosts must be told is in [kong/README.md](../kong/README.md).\n",
    );
    let files = scenario_files(root)?;
    for member in SUITE.filters() {
        let folder = format!("plugins/{}/scenarios", member.krate);
        let mut rows = Vec::new();
        let mut same = 0_usize;
        let mut features = features.remove(member.krate).unwrap_or_default();
        ensure!(
            !features.is_empty(),
            "{FEATURES}: nothing about {}",
            member.krate
        );
        let mut shown = Vec::new();
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
            let name = Path::new(&path).file_stem().unwrap_or_default();
            for feature in features.extract_if(.., |feature| *feature.scenario == *name) {
                feature.check(&verdict)?;
                shown.push(format!(
                    "| {} | {} | [{}](../{path}) |\n",
                    cell(feature.feature),
                    cell(feature.there),
                    feature.scenario
                ));
            }
            same = same.saturating_add(usize::from(matches!(verdict, Verdict::Same)));
            rows.push(row(&path, &scenario.about, &verdict));
        }
        let missing: Vec<&str> = features.iter().map(|feature| feature.scenario).collect();
        ensure!(
            missing.is_empty(),
            "{FEATURES}: no such scenarios: {missing:?}"
        );
        page.push_str(&format!(
            "\n## `{}`\n\n| feature | there | shown by |\n|---|---|---|\n{}\n\
             {same} of {} scenarios as on Envoy:\n\n| what | there |\n|---|---|\n{}",
            member.krate,
            shown.concat(),
            rows.len(),
            rows.concat()
        ));
    }
    let unknown: Vec<&&str> = features.keys().collect();
    ensure!(
        unknown.is_empty(),
        "{FEATURES}: no such filters: {unknown:?}"
    );
    Ok(page)
}

/// A feature of a filter, and what becomes of it there.
#[derive(Debug)]
struct Feature<'a> {
    feature: &'a str,
    there: &'a str,
    scenario: &'a str,
}

impl Feature<'_> {
    /// Whether its scenario shows what is said.
    fn check(&self, verdict: &Verdict) -> Result<()> {
        let word = self.there.split([' ', ':']).next().unwrap_or_default();
        let is_so = match (word, verdict) {
            ("works", Verdict::Same) => true,
            ("works", Verdict::Differs(_)) => self.there != "works",
            ("refuses", Verdict::Differs(_) | Verdict::Not(_)) => true,
            _ => false,
        };
        ensure!(
            is_so,
            "{FEATURES}: {} says of {:?} that it {}, which is not what is seen",
            self.scenario,
            self.feature,
            self.there
        );
        Ok(())
    }
}

/// The features by filter, as they are written.
fn features_of(written: &str) -> Result<BTreeMap<&str, Vec<Feature<'_>>>> {
    let mut features: BTreeMap<&str, Vec<Feature<'_>>> = BTreeMap::new();
    for line in written.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let &[filter, feature, there, scenario] = parts.as_slice() else {
            anyhow::bail!("{FEATURES}: four parts, please: {line}");
        };
        features.entry(filter).or_default().push(Feature {
            feature,
            there,
            scenario,
        });
    }
    Ok(features)
}

fn row(path: &str, about: &str, verdict: &Verdict) -> String {
    let there = match verdict {
        Verdict::Same => "works".to_owned(),
        Verdict::Differs(because) => {
            let mut because = because.clone();
            because.dedup();
            let refused = because.iter().map(|one| one.strip_prefix(REFUSED));
            match refused.collect::<Option<Vec<_>>>() {
                Some(refused) => format!("refuses: {}", refused.join("; ")),
                None => format!("works otherwise: {}", because.join("; ")),
            }
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
    fn a_feature_is_what_its_scenario_shows() {
        let differs = || Verdict::Differs(vec!["b".into()]);
        for (there, verdict, holds) in [
            ("works", Verdict::Same, true),
            ("works", differs(), false),
            ("works", Verdict::Not("a".into()), false),
            ("works with less: a", differs(), true),
            ("works with a", Verdict::Not("a".into()), false),
            ("refuses: a", Verdict::Not("a".into()), true),
            ("refuses", Verdict::Same, false),
            ("hopes", Verdict::Same, false),
        ] {
            let line = format!("a | b | {there} | c");
            let features = features_of(&line).unwrap();
            assert_eq!(features["a"][0].check(&verdict).is_ok(), holds, "{there}");
        }
        assert!(features_of("a | b | c").is_err());
    }

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
        let refused = vec!["refused there: no metadata".to_owned()];
        assert!(row(&Verdict::Differs(refused)).ends_with("| refuses: no metadata |\n"));
        assert!(row(&Verdict::Not("a".into())).ends_with("| **does not hold**: a |\n"));
        assert!(row(&Verdict::Untried("b".into())).ends_with("| not tried: b |\n"));
    }
}
