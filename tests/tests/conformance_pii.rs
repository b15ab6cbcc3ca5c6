//! The detectors of `pii-mask` against Microsoft's data: each recognizer case of Presidio for an
//! entity that we have, and recall, precision and leak over the generated sentences of
//! presidio-research, held to floors.
//!
//! `conformance_pii_waived.tsv` lists the cases that we decide otherwise, each with its reason; one
//! that passes is a failure.

use pii_mask::detect::{Entity, scan};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

#[derive(Deserialize)]
struct Case {
    file: String,
    text: String,
    expected_len: Option<usize>,
    spans: Option<Vec<(usize, usize)>>,
}

const RECOGNIZERS: [(&str, Entity); 6] = [
    ("test_credit_card_recognizer.py", Entity::Card),
    ("test_email_recognizer.py", Entity::Email),
    ("test_iban_recognizer.py", Entity::Iban),
    ("test_ip_recognizer.py", Entity::Ip),
    ("test_phone_recognizer.py", Entity::Phone),
    ("test_us_ssn_recognizer.py", Entity::Ssn),
];

/// Spans in characters, as Python counts.
fn find(text: &str, entity: Entity) -> Vec<(usize, usize)> {
    let characters = |bytes: usize| text[..bytes].chars().count();
    let findings = scan(text, 0, "", [entity].into_iter().collect());
    findings
        .into_iter()
        .map(|finding| (characters(finding.span.start), characters(finding.span.end)))
        .collect()
}

#[test]
fn each_recognizer_case_is_decided_as_presidio_does_or_waived_with_a_reason() {
    let Some(folder) = modelgate_tests::oracles::folder("pii/presidio") else {
        return;
    };
    let waived: BTreeMap<&str, &str> = include_str!("conformance_pii_waived.tsv")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('\t').expect("a case, a tab, a reason"))
        .collect();
    let cases = fs::read_to_string(folder.join("recognizer-cases.jsonl")).unwrap();
    let (mut judged, mut wrong) = (BTreeMap::<&str, usize>::new(), Vec::new());
    let mut unused: BTreeSet<&str> = waived.keys().copied().collect();
    for case in cases
        .lines()
        .map(|line| serde_json::from_str::<Case>(line).unwrap())
    {
        let Some((file, entity)) = RECOGNIZERS.iter().find(|(file, _)| *file == case.file) else {
            continue;
        };
        let number = judged.entry(file).or_default();
        *number += 1;
        let name = format!("{}#{number}", entity.name());
        let found = find(&case.text, *entity);
        let agrees = case.expected_len.is_none_or(|length| found.len() == length)
            && case
                .spans
                .as_ref()
                .is_none_or(|spans| spans.is_empty() || found == *spans);
        unused.remove(name.as_str());
        match (agrees, waived.contains_key(name.as_str())) {
            (false, false) => wrong.push(format!(
                "{name}: found {found:?}, Presidio {:?} in {:?}",
                case.spans, case.text
            )),
            (true, true) => wrong.push(format!("{name} is waived, but passes")),
            _ => {}
        }
    }
    println!("judged {judged:?}, waived {}", waived.len());
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "waived, but not there: {unused:?}");
    assert_eq!(judged.values().sum::<usize>(), 507);
}

#[derive(Deserialize)]
struct Verdict {
    entity: String,
    text: String,
    spans: Vec<(usize, usize)>,
}

/// Values of ordinary form, in sentences, tables and markup.
#[test]
fn generated_texts_are_decided_as_presidios_recognizers_decide() {
    let Some(file) = modelgate_tests::oracles::PRESIDIO.make() else {
        return;
    };
    let (mut judged, mut wrong) = (0, Vec::new());
    for line in fs::read_to_string(file).unwrap().lines() {
        let verdict: Verdict = serde_json::from_str(line).unwrap();
        let entity = RECOGNIZERS
            .iter()
            .find(|(_, entity)| entity.name() == verdict.entity)
            .map(|(_, entity)| *entity)
            .unwrap();
        judged += 1;
        let found = find(&verdict.text, entity);
        // RFC 5321 lets a local part hold `=`, and Presidio takes the name before it along.
        let named = entity == Entity::Email && verdict.text.starts_with("value=");
        let theirs: Vec<_> = verdict
            .spans
            .iter()
            .map(|(start, end)| (if named { 6 } else { *start }, *end))
            .collect();
        if found != theirs {
            wrong.push(format!(
                "{}: found {found:?}, Presidio {:?} in {:?}",
                verdict.entity, verdict.spans, verdict.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(judged, 1_500);
}

#[derive(Deserialize)]
struct Sentence {
    full_text: String,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    entity_type: String,
    start_position: usize,
    end_position: usize,
}

/// Our entity, its name there, and the floors in percent: recall (of their spans, wholly covered),
/// precision (of our findings, touching one of theirs) and the ceiling of leak (of the letters and
/// digits of their spans, left uncovered).
const FLOORS: [(Entity, &str, f64, f64, f64); 6] = [
    (Entity::Email, "EMAIL_ADDRESS", 100.0, 100.0, 0.0),
    (Entity::Phone, "PHONE_NUMBER", 100.0, 100.0, 0.0),
    (Entity::Card, "CREDIT_CARD", 100.0, 100.0, 0.0),
    (Entity::Ssn, "US_SSN", 100.0, 97.7, 0.0),
    (Entity::Iban, "IBAN_CODE", 100.0, 100.0, 0.0),
    (Entity::Ip, "IP_ADDRESS", 100.0, 100.0, 0.0),
];

#[test]
fn recall_precision_and_leak_hold_their_floors() {
    let Some(folder) = modelgate_tests::oracles::folder("pii/presidio-research") else {
        return;
    };
    let sentences: Vec<Sentence> =
        serde_json::from_slice(&fs::read(folder.join("generated_large.json")).unwrap()).unwrap();
    assert_eq!(sentences.len(), 2109);
    let mut below = Vec::new();
    println!("entity      theirs  ours  recall  precision  leak");
    for (entity, theirs, least_recall, least_precision, most_leak) in FLOORS {
        let (mut gold, mut covered, mut ours, mut right, mut characters, mut leaked) =
            (0, 0, 0, 0, 0, 0);
        for sentence in &sentences {
            let found: Vec<Range<usize>> = find(&sentence.full_text, entity)
                .into_iter()
                .map(|(a, b)| a..b)
                .collect();
            let text: Vec<char> = sentence.full_text.chars().collect();
            let spans: Vec<_> = sentence
                .spans
                .iter()
                .filter(|span| span.entity_type == theirs)
                .collect();
            for span in &spans {
                gold += 1;
                let uncovered = (span.start_position..span.end_position)
                    .filter(|at| text[*at].is_alphanumeric())
                    .inspect(|_| characters += 1)
                    .filter(|at| !found.iter().any(|range| range.contains(at)))
                    .count();
                leaked += uncovered;
                covered += usize::from(uncovered == 0);
                if uncovered > 0 && std::env::var_os("PII_SHOW").is_some() {
                    println!(
                        "  missed {:?}",
                        text[span.start_position.saturating_sub(20)
                            ..(span.end_position + 8).min(text.len())]
                            .iter()
                            .collect::<String>()
                    );
                }
            }
            for range in &found {
                ours += 1;
                let hit = spans
                    .iter()
                    .any(|span| span.start_position < range.end && range.start < span.end_position);
                right += usize::from(hit);
                if !hit && std::env::var_os("PII_SHOW").is_some() {
                    println!(
                        "  extra {:?}",
                        text[range.start.saturating_sub(20)..(range.end + 8).min(text.len())]
                            .iter()
                            .collect::<String>()
                    );
                }
            }
        }
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        let (recall, precision, leak) = (
            percent(covered, gold),
            percent(right, ours),
            percent(leaked, characters),
        );
        println!(
            "{:10} {gold:7} {ours:5} {recall:6.1}% {precision:9.1}% {leak:4.1}%",
            entity.name()
        );
        if recall < least_recall || precision < least_precision || leak > most_leak || gold == 0 {
            below.push(entity.name());
        }
    }
    assert!(below.is_empty(), "below the floors: {below:?}");
}
