//! Recall and precision of `pii-mask` for names of persons and addresses of the post, over Faker's
//! in eight countries, and texts that only look as if they had some. The README's table is the one
//! that is measured here; each figure has a floor.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use modelgate_tests::measured::{Sample, share};
use pii_mask::detect::{Entity, EntitySet, scan};

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
        let findings = scan(text, 0, &sample.label, wanted);
        let Some(span) = sample.span() else {
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
        // Letters and tables hold others than the one that counts; what else is found in the other
        // texts is wrong.
        let holds_others = ["a letter", "a table"].map(|place| sample.kind.ends_with(place));
        let beside = findings.iter().filter(|finding| {
            !holds_others.contains(&true)
                && finding.entity.name() == sample.entity
                && (finding.span.start >= span.end || span.start >= finding.span.end)
        });
        for finding in beside {
            found.entry(finding.entity.name()).or_default().1 += 1;
            wrong.push(format!(
                "{} beside a value in {text:?}",
                finding.entity.name()
            ));
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
