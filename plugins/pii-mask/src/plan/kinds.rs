//! Kinds of values of the operator's own, and patterns of values that are left alone.

use std::collections::BTreeSet;

use modelgate_kit::config::Problems;
use modelgate_kit::flat_map::FlatMap;

use super::{action, answer};
use crate::allowed::Allowed;
use crate::config::{Config, CustomKind, WrittenAction, WrittenCheck};
use crate::custom::{Check, Customs, Fault, Kind, LONGEST, compile_whole};
use crate::detect::{Custom, Entity};
use crate::mask::Action;

const MOST_KINDS: usize = 64;
const MOST_PATTERNS: usize = 64;
const MOST_TERMS: usize = 10_000;
const MOST_WORDS: usize = 64;
const LONGEST_NAME: usize = 40;

/// The values that are left alone.
pub fn allowed(config: &Config, problems: &mut Problems) -> Allowed {
    let values = config.allowed_values.iter().map(|value| value.0.as_str());
    if config.allowed_patterns.len() > MOST_PATTERNS {
        problems.add(
            "allowed_patterns",
            "these are more than 64",
            "join some with `|`",
        );
    }
    let mut patterns = Vec::new();
    for (at, pattern) in config
        .allowed_patterns
        .iter()
        .enumerate()
        .take(MOST_PATTERNS)
    {
        match compile_whole(pattern) {
            Ok(regex) if regex.is_match("") => problems.add(
                format!("allowed_patterns[{at}]"),
                "it matches the empty text, and perhaps every one",
                "name what is allowed",
            ),
            Ok(regex) => patterns.push(regex),
            Err(fault) => {
                let (problem, hint) = told(&fault);
                problems.add(format!("allowed_patterns[{at}]"), problem, hint);
            }
        }
    }
    Allowed::new(values).and_patterns(patterns)
}

/// The operator's own kinds, whose actions in requests and in answers join the others.
pub fn compile(
    config: &Config,
    requests: &mut FlatMap<Entity, Action>,
    answers: &mut FlatMap<Entity, Action>,
    problems: &mut Problems,
) -> Customs {
    if config.custom.len() > MOST_KINDS {
        problems.add("custom", "these are more than 64 kinds", "leave some out");
    }
    let mut names = BTreeSet::new();
    let mut kinds = Vec::new();
    for (at, written) in config.custom.iter().enumerate().take(MOST_KINDS) {
        problems.within(&format!("custom[{at}]"), |problems| {
            if !names.insert(written.name.as_str()) {
                problems.add("name", "another kind has it", "write another");
            }
            let kind = kind(written, problems);
            let chosen = written.action.unwrap_or(config.default_action);
            if written.keep_last.value() > 0 && chosen != WrittenAction::Mask {
                let hint = "write `action: mask`, or leave it out";
                problems.add("keep_last", "only `mask` keeps anything", hint);
            }
            let Some((entity, kind)) = kind else {
                return;
            };
            let keep = written.keep_last.size();
            let own = action(chosen, keep);
            let default = config.default_answer_action;
            let of_answers = answer(default.filter(|_| written.action.is_none()), own, keep);
            for (actions, action) in [(&mut *requests, own), (&mut *answers, of_answers)] {
                if let Some(action) = action {
                    actions.insert(entity, action);
                }
            }
            if own.is_some() || of_answers.is_some() {
                kinds.push(kind);
            }
        });
    }
    Customs::new(kinds)
}

fn kind(written: &CustomKind, problems: &mut Problems) -> Option<(Entity, Kind)> {
    let name = written.name.as_str();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_lowercase());
    if !fits {
        let hint = "write small letters, digits and `_`, a letter first, such as `employee_id`";
        problems.add("name", "this is no name of a kind", hint);
        return None;
    }
    let mut known = Entity::ALL.iter().chain(&Entity::ASKED);
    if known.any(|entity| entity.name() == name) {
        problems.add(
            "name",
            "the filter has an entity of this name",
            "write another",
        );
        return None;
    }
    if written.words.len() > MOST_WORDS || written.words.iter().any(|word| word.trim().is_empty()) {
        let hint = "write at most 64 words, none of them empty";
        problems.add("words", "these are no words to look for", hint);
    }
    let custom = Custom::of(name);
    let kind = match (&written.pattern, written.dictionary.as_slice()) {
        (Some(pattern), []) => match Kind::pattern(custom, pattern) {
            Ok(kind) => kind,
            Err(fault) => {
                let (problem, hint) = told(&fault);
                problems.add("pattern", problem, hint);
                return None;
            }
        },
        (None, terms @ [_, ..]) => {
            let unfit = |term: &String| term.trim() != term || !(1..=LONGEST).contains(&term.len());
            if terms.len() > MOST_TERMS {
                problems.add(
                    "dictionary",
                    "these are more than 10,000 terms",
                    "leave some out",
                );
                return None;
            }
            if let Some(at) = terms.iter().position(unfit) {
                let hint = "write 1 to 256 bytes, without spaces around them";
                problems.add(format!("dictionary[{at}]"), "this is no term", hint);
                return None;
            }
            Kind::terms(custom, terms.iter().map(String::as_str))
        }
        _ => {
            let hint = "write a `pattern`, or a `dictionary` of terms";
            problems.add(
                "pattern",
                "a kind has a pattern or terms, and not both",
                hint,
            );
            return None;
        }
    };
    let kind = kind.confirmed_by(&written.words, written.check.into(), written.whole_words);
    Some((Entity::Custom(custom), kind))
}

fn told(fault: &Fault) -> (String, &'static str) {
    match fault {
        Fault::Syntax(error) => (
            format!("it is no pattern: {error}"),
            "write it as for Perl, without look-around and back-references",
        ),
        Fault::Empty => (
            "it matches the empty text".to_owned(),
            "ask for one character at least",
        ),
        Fault::Length(refused) => (
            refused.to_string(),
            "give each repetition a bound, such as `{1,20}`; a match has at most 256 bytes, and no `^` and `$`",
        ),
    }
}

impl From<WrittenCheck> for Check {
    fn from(written: WrittenCheck) -> Self {
        match written {
            WrittenCheck::None => Check::None,
            WrittenCheck::Luhn => Check::Luhn,
            WrittenCheck::Verhoeff => Check::Verhoeff,
            WrittenCheck::Mod11And10 => Check::Mod11And10,
            WrittenCheck::Mod97And10 => Check::Mod97And10,
        }
    }
}
