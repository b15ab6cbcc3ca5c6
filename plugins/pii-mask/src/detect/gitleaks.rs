//! The rules of gitleaks (`config/gitleaks.toml`, 218 of them in the version of 2025) one by one:
//! what is always found, what only its name tells, and what is not looked for. Values are made by
//! each rule's form.

mod rules;

use super::providers::made;
use super::rates::Random;
use super::*;
use rules::{ALWAYS, MOSTLY, NAMED, NOT, OTHERWISE};

const OF_EACH: usize = 100;

#[test]
fn what_has_a_form_is_always_found() {
    let mut random = Random(107);
    let mut lacks = Vec::new();
    let always = ALWAYS.iter().map(|rule| (rule, 98));
    for ((rule, forms), least) in always.chain(MOSTLY.iter().map(|rule| (rule, 94))) {
        for form in forms.iter().filter(|form| form.contains('{')) {
            let mut whole = 0;
            let mut left = None;
            for at in 0..OF_EACH {
                let (front, rear) = form.split_once('!').unwrap_or((form, ""));
                let (front, rear) = (made(front, &mut random), made(rear, &mut random));
                let value = format!("{front}{rear}");
                let (before, behind) = match at % 4 {
                    0 => ("key ", " and more"),
                    1 => ("x = \"", "\";"),
                    2 => ("{\"a\": \"", "\"}"),
                    _ => ("", ""),
                };
                let text = format!("{before}{value}{behind}");
                let found = scan(&text, 0, "", EntitySet::all());
                let span = before.len()..before.len().saturating_add(value.len());
                // What is public in front, and a mark behind, may stay.
                let secret = match front.len() < rear.len() {
                    true => span.start.saturating_add(front.len())..span.end,
                    false => span.start..span.start.saturating_add(front.len()),
                };
                if found
                    .iter()
                    .any(|one| one.span == span || one.span == secret)
                {
                    whole += 1;
                } else {
                    left = Some((text, found));
                }
            }
            if whole < OF_EACH * least / 100 {
                lacks.push(format!("{rule} {form}: {whole} {left:?}"));
            }
        }
    }
    assert!(lacks.is_empty(), "{}", lacks.join("\n"));
}

#[test]
fn what_has_none_is_found_by_its_name() {
    let mut random = Random(108);
    let mut lacks = Vec::new();
    for (rule, name, form) in NAMED {
        let mut found = 0;
        let mut left = None;
        for at in 0..OF_EACH {
            let value = made(form, &mut random);
            let (before, behind) = match (at % 3, name.contains(':')) {
                (_, true) => (format!("curl -H \"{name} "), "\" https://api.example.com"),
                (0, _) => (format!("{name}="), "\n"),
                (1, _) => (format!("{name}: \""), "\","),
                _ => (format!("{{\"{name}\": \""), "\"}"),
            };
            let text = format!("{before}{value}{behind}");
            let span = before.len()..before.len().saturating_add(value.len());
            let is_whole = |one: &Finding| one.span.start <= span.start && span.end <= one.span.end;
            if scan(&text, 0, "", EntitySet::all()).iter().any(is_whole) {
                found += 1;
            } else {
                left = Some(text);
            }
        }
        if found < OF_EACH * 90 / 100 {
            lacks.push(format!("{rule} {form}: {found} {left:?}"));
        }
    }
    assert!(lacks.is_empty(), "{}", lacks.join("\n"));
}

#[test]
fn what_is_no_secret_stays() {
    let mut random = Random(109);
    for (rule, form, why) in NOT {
        for _ in 0..OF_EACH {
            let text = made(form, &mut random);
            let found = scan(&text, 0, "", EntitySet::all());
            let is_key = |one: &&Finding| one.entity.is_credential();
            assert_eq!(found.iter().find(is_key), None, "{rule}, {why}: {text}");
        }
    }
}

/// Every rule stands in one table, and once.
#[test]
fn every_rule_is_judged_once() {
    let mut rules: Vec<&str> = ALWAYS.iter().map(|(rule, _)| *rule).collect();
    rules.extend(MOSTLY.iter().map(|(rule, _)| *rule));
    rules.extend(NAMED.iter().map(|(rule, ..)| *rule));
    rules.extend(NOT.iter().map(|(rule, ..)| *rule));
    rules.extend(OTHERWISE.iter().map(|(rule, why)| {
        assert!(!why.is_empty());
        *rule
    }));
    let count = rules.len();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!((rules.len(), count), (218, 218));
}

/// The README lists them.
#[test]
fn the_readme_lists_the_rules() {
    let code = |rules: Vec<&str>| {
        rules
            .iter()
            .map(|rule| format!("`{rule}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let always = code(ALWAYS.iter().map(|(rule, _)| *rule).collect());
    let mostly = code(MOSTLY.iter().map(|(rule, _)| *rule).collect());
    let named = code(NAMED.iter().map(|(rule, ..)| *rule).collect());
    let not = NOT.iter().map(|(rule, _, why)| (*rule, *why));
    let not = not.chain(OTHERWISE.iter().copied());
    let not: Vec<_> = not.map(|(rule, why)| format!("`{rule}` ({why})")).collect();
    let table = format!(
        "| rules of gitleaks | which |\n|---|---|\n| {}, found wherever they stand | {always} |\n| {}, but for values without a digit | {mostly} |\n| {}, by their name (`{}={{value}}`) | {named} |\n| {} otherwise, or not | {} |\n",
        ALWAYS.len(),
        MOSTLY.len(),
        NAMED.len(),
        NAMED.first().map_or("", |(_, name, _)| *name),
        not.len(),
        not.join(", "),
    );
    assert!(ALWAYS.len() >= 80);
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&table),
        "README.md has another table than\n{table}"
    );
}
