//! Recall and precision of `pii-mask` for numbers of people, their papers, accounts, vehicles and
//! telephones, over texts of generators that are not the project's: python-stdnum, Faker and
//! phonenumbers. The README's table is the one that is measured here; each figure has a floor.

#![allow(clippy::unwrap_used)] // Helpers of tests stand outside of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use modelgate_tests::measured::{Sample, share};
use pii_mask::detect::{Entity, EntitySet, scan};

#[derive(Default)]
struct Score {
    values: usize,
    covered: usize,
    right: usize,
    wrong: usize,
}

/// Floors of recall and precision, in thousandths.
fn floors(entity: &str) -> (usize, usize) {
    match entity {
        "phone" => (950, 980),
        _ => (990, 990),
    }
}

#[test]
fn the_readme_states_what_is_measured_over_other_peoples_generators() {
    let Some(made) = modelgate_tests::oracles::LABELLED.make() else {
        return;
    };
    let made = fs::read_to_string(made).unwrap();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut missed = Vec::new();
    let mut negatives = 0;
    for line in made.lines() {
        let sample: Sample = serde_json::from_str(line).unwrap();
        let text = sample.text.as_str();
        let span = sample.span();
        negatives += usize::from(span.is_none());
        let mut covered = false;
        for finding in scan(text, 0, &sample.label, EntitySet::all()) {
            let name = finding.entity.name();
            let right = name == sample.entity
                && span.as_ref().is_some_and(|span| {
                    finding.span.start < span.end && span.start < finding.span.end
                });
            covered |= right
                && span.as_ref().is_some_and(|span| {
                    finding.span.start <= span.start && span.end <= finding.span.end
                });
            let score = scores.entry(name.to_owned()).or_default();
            score.right += usize::from(right);
            score.wrong += usize::from(!right);
            if !right {
                missed.push(format!(
                    "{name} in {} {}: {text:?}",
                    sample.entity, sample.kind
                ));
            }
        }
        if span.is_some() {
            let score = scores.entry(sample.entity.clone()).or_default();
            score.values += 1;
            score.covered += usize::from(covered);
            if !covered {
                missed.push(format!("no {} {}: {text:?}", sample.entity, sample.kind));
            }
        }
    }
    assert!(negatives > 4_000, "{negatives}");
    let mut table = String::from("| entity | values | recall | precision |\n|---|---|---|---|\n");
    let mut below = Vec::new();
    for entity in Entity::ALL {
        let Some(score) = scores.get(entity.name()).filter(|score| score.values > 0) else {
            continue;
        };
        let found = score.right + score.wrong;
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            entity.name(),
            score.values,
            share(score.covered, score.values),
            share(score.right, found),
        )
        .unwrap();
        let (recall, precision) = floors(entity.name());
        if score.covered * 1000 < score.values * recall || score.right * 1000 < found * precision {
            below.push(entity.name());
        }
    }
    // What none of the texts holds a value of is found in none, or hardly.
    let others = scores.iter().filter(|(_, score)| score.values == 0);
    let others: usize = others.map(|(_, score)| score.wrong).sum();
    let shown = missed.join("\n");
    assert!(
        below.is_empty(),
        "below the floors: {below:?}\n{table}\n{shown}"
    );
    assert!(others <= 3, "{shown}");
    let readme = include_str!("../../plugins/pii-mask/README.md");
    assert!(
        readme.contains(&table),
        "README.md has another table than\n{table}\n{shown}"
    );
}

/// Crates that cargo has unpacked for this workspace, and how many telephones are found in them at
/// most: code points of Unicode, dates whose years have signs. Before these were told apart there
/// were 1,398, 28 and 4.
const CRATES: [(&str, usize); 3] = [("icu_normalizer-2", 25), ("time-0", 6), ("chrono-0", 3)];

#[test]
fn data_and_code_of_packages_hold_hardly_a_telephone() {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let sources = home.map(|home| home.join("registry/src"));
    let registries = sources.and_then(|sources| fs::read_dir(sources).ok());
    let crates: Vec<PathBuf> = registries
        .into_iter()
        .flatten()
        .flat_map(|registry| fs::read_dir(registry.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    for (name, most) in CRATES {
        let named = |path: &&PathBuf| {
            let file = path.file_name().and_then(|file| file.to_str());
            file.is_some_and(|file| file.starts_with(name))
        };
        let Some(folder) = crates.iter().find(named) else {
            println!("skipped: cargo has not unpacked {name}");
            continue;
        };
        let mut found = Vec::new();
        look_through(folder, &mut found);
        assert!(found.len() <= most, "{name}: {found:#?}");
    }
}

/// The telephones in the texts below a folder.
fn look_through(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let wanted = [Entity::Phone].into_iter().collect();
            let findings = scan(&text, 0, "", wanted).into_iter();
            found.extend(findings.map(|one| {
                let value = text.get(one.span).unwrap_or_default();
                format!("{}: {value}", path.display())
            }));
        }
    }
}
