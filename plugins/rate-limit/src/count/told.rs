//! What is told to whoever asks why: which limits apply, whose bucket is taken from, and how each
//! window stands. Who calls is told as a pseudonym.

use modelgate_kit::bucket::{Judged, Outcome, Rate};
use modelgate_kit::explain::Note;
use modelgate_kit::pseudonym::PseudonymKey;
use modelgate_kit::rule::{Asked, Caller, Doubt};
use serde_json::json;

use super::Charge;
use crate::config::OnMissing;
use crate::key::{Key, Part};
use crate::policy::Policy;

const NS_PER_S: u64 = 1_000_000_000;

/// Digits of a pseudonym that are shown.
const SHOWN: usize = 8;

/// A limit that does not apply.
pub fn not_applying(policy: &Policy, caller: Caller<'_>, asked: &Option<Asked<'_>>) -> Note {
    let failed = policy.who.failed(caller, Doubt::Fits).or_else(|| {
        let asked = asked.as_ref()?;
        policy.what.failed(asked, Doubt::Fits)
    });
    let name = &policy.name;
    let note = match failed {
        Some(failed) => {
            let text = format!("Limit `{name}` does not apply: {}", failed.text());
            failed.on(Note::info("limit", text))
        }
        None => Note::info(
            "limit",
            format!("Limit `{name}`: a tier exempts the caller."),
        ),
    };
    note.with("limit", name.as_str()).with("applies", false)
}

/// A limit of whose key a part is missing.
pub fn incomplete(policy: &Policy, key: &Key) -> Note {
    let (name, key) = (&policy.name, shown(&policy.parts, &key.bytes));
    let follows = match policy.on_missing {
        OnMissing::Deny => "the request is refused",
        OnMissing::Skip => "the limit is left out",
        OnMissing::Shared => "all such requests share a bucket",
    };
    let text = format!("Limit `{name}` counts by {key}: a part is missing, so {follows}.");
    let note = Note::info("limit", text);
    note.with("limit", name.as_str()).with("key", key)
}

/// How each window stands after the request.
pub fn taken(charges: &[Charge<'_>], outcome: &Outcome) -> Vec<Note> {
    let mut notes = Vec::new();
    for ((policy, windows, key), judged) in charges.iter().zip(&outcome.judged) {
        let key = shown(&policy.parts, key);
        let windows = windows.names.iter().zip(&windows.rates).zip(judged);
        notes.extend(windows.map(|((name, rate), judged)| {
            window(name, *rate, *judged, policy.cost, &key)
                .with("limit", policy.name.as_str())
                .with("key", key.as_str())
        }));
    }
    notes
}

fn window(name: &str, rate: Rate, judged: Judged, cost: u64, key: &str) -> Note {
    let seconds = |ns: u64| ns.div_ceil(NS_PER_S);
    let (quota, window_s, burst) = (rate.quota(), seconds(rate.window_ns()), rate.burst());
    let (left, after_s) = (judged.remaining, seconds(judged.retry_after_ns));
    let outcome = match judged.admitted {
        true => format!("takes {cost}, {left} left"),
        false => format!("needs {cost}, {left} left: over the limit for {after_s} s"),
    };
    let text = format!(
        "Limit `{name}`: {quota} in {window_s} s, {burst} at once, counted by {key}; {outcome}."
    );
    Note::info("window", text)
        .marked(judged.admitted)
        .with("window", name)
        .with(
            "rate",
            json!({"quota": quota, "window_s": window_s, "burst": burst}),
        )
        .with("cost", cost)
        .with("remaining", left)
        .with("retry_after_s", (!judged.admitted).then_some(after_s))
}

/// The parts of a key with their values; a caller's as pseudonyms.
fn shown(parts: &[Part], mut key: &[u8]) -> String {
    let mut shown = Vec::new();
    for part in parts {
        let value = key
            .split_at_checked(size_of::<u32>())
            .and_then(|(length, rest)| {
                let length = u32::from_le_bytes(length.try_into().ok()?);
                key = rest;
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                key = rest;
                Some(String::from_utf8_lossy(value).replace('\0', "/"))
            });
        let (name, names_caller) = part.name();
        shown.push(match value {
            None => format!("{name} (missing)"),
            Some(value) if names_caller => {
                let pseudonym = PseudonymKey::new(b"").pseudonym("", &value);
                let digits = pseudonym.unwrap_or_default();
                let digits = digits.get(..SHOWN).unwrap_or_default();
                format!("{name} (pseudonym {digits})")
            }
            Some(value) => format!("{name} `{value}`"),
        });
    }
    match shown.is_empty() {
        true => "nothing: one bucket for all".to_owned(),
        false => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_by_their_parts_and_callers_by_pseudonyms() {
        let parts = [Part::Consumer, Part::Model, Part::Group];
        let key = [
            &3_u32.to_le_bytes()[..],
            b"ann",
            &3_u32.to_le_bytes(),
            b"e\0m",
            &u32::MAX.to_le_bytes(),
        ]
        .concat();
        let shown = shown(&parts, &key);
        assert!(shown.starts_with("consumer (pseudonym "), "{shown}");
        assert!(
            shown.ends_with("), model `e/m`, group (missing)"),
            "{shown}"
        );
        assert!(!shown.contains("ann"));
        assert_eq!(super::shown(&[], b""), "nothing: one bucket for all");
    }
}
