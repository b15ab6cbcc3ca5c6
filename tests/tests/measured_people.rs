//! Recall and precision of `pii-mask` for names of persons and addresses of the post, over Faker's
//! in eight countries, and texts that only look as if they had some. The README's table is the one
//! that is measured here; each figure has a floor.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use pii_mask::detect::{Entity, EntitySet, scan};
use serde::Deserialize;

#[derive(Deserialize)]
struct Sample {
    /// What the value is; empty if there is none.
    entity: String,
    /// Where it stands.
    kind: String,
    text: String,
    /// Where it begins and ends, in characters.
    span: Option<(usize, usize)>,
    /// What the text is called.
    label: String,
}

/// Values, how many were found as a whole, and how many in part.
#[derive(Default)]
struct Score {
    values: usize,
    covered: usize,
    touched: usize,
}

/// Floors of recall, in thousandths, by where a value stands.
const FLOORS: [(&str, usize); 9] = [
    ("person in a sentence", 800),
    ("person called so", 980),
    ("person in a letter", 970),
    ("person in a member", 990),
    ("person in a table", 990),
    ("address in a sentence", 940),
    ("address in a letter", 940),
    ("address in a member", 990),
    ("address in a table", 990),
];
/// The same of precision, over all texts that hold nothing.
const PRECISION: usize = 990;

fn share(part: usize, whole: usize) -> String {
    let tenths = (part * 2000 + whole) / (whole.max(1) * 2);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[test]
fn the_readme_states_how_far_names_and_addresses_are_found() {
    let Some(made) = modelgate_tests::oracles::PEOPLE.make() else {
        return;
    };
    let made = fs::read_to_string(made).unwrap();
    let wanted: EntitySet = Entity::ASKED.into_iter().collect();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut missed, mut wrong, mut nothing) = (Vec::new(), Vec::new(), 0);
    for line in made.lines() {
        let sample: Sample = serde_json::from_str(line).unwrap();
        let text = sample.text.as_str();
        let place = |characters: usize| {
            let mut places = text.char_indices().map(|(at, _)| at);
            places.nth(characters).unwrap_or(text.len())
        };
        let findings = scan(text, 0, &sample.label, wanted);
        let Some(span) = sample.span.map(|(start, end)| place(start)..place(end)) else {
            nothing += 1;
            for finding in findings {
                found.entry(finding.entity.name()).or_default().1 += 1;
                wrong.push(format!("{} in {text:?}", finding.entity.name()));
            }
            continue;
        };
        let of_value = findings.iter().filter(|finding| {
            finding.entity.name() == sample.entity
                && finding.span.start < span.end
                && span.start < finding.span.end
        });
        let (mut touched, mut covered) = (false, false);
        for finding in of_value {
            touched = true;
            covered |= finding.span.start <= span.start && span.end <= finding.span.end;
            found.entry(finding.entity.name()).or_default().0 += 1;
        }
        let score = scores.entry(sample.kind.clone()).or_default();
        score.values += 1;
        score.covered += usize::from(covered);
        score.touched += usize::from(touched);
        if !covered {
            missed.push(format!("{} {}: {text:?}", sample.kind, sample.label));
        }
    }
    assert!(nothing > 1_500, "{nothing}");
    let mut table = String::from(
        "| what stands where | values | covered | found, at least in part |\n|---|---|---|---|\n",
    );
    let mut below = Vec::new();
    for (kind, floor) in FLOORS {
        let score = &scores[kind];
        writeln!(
            table,
            "| {kind} | {} | {} | {} |",
            score.values,
            share(score.covered, score.values),
            share(score.touched, score.values),
        )
        .unwrap();
        if score.covered * 1000 < score.values * floor {
            below.push(kind);
        }
    }
    for entity in Entity::ASKED {
        let (right, others) = found[entity.name()];
        writeln!(
            table,
            "| precision of {}, with {nothing} texts that hold nothing | {} | {} | – |",
            entity.name(),
            right + others,
            share(right, right + others),
        )
        .unwrap();
        if right * 1000 < (right + others) * PRECISION {
            below.push(entity.name());
        }
    }
    let shown = format!("{}\n{}", missed.join("\n"), wrong.join("\n"));
    assert!(
        below.is_empty(),
        "below the floors: {below:?}\n{table}\n{shown}"
    );
    let readme = include_str!("../../plugins/pii-mask/README.md");
    assert!(
        readme.contains(&table),
        "README.md has another table than\n{table}\n{shown}"
    );
}
