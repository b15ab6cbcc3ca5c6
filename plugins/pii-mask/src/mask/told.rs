//! What is told of a finding to whoever asks why: what kind, where, how long, and what takes its
//! place. Never what was found.

use core::ops::Range;

use modelgate_kit::explain::{self, Note};
use serde_json::json;

use super::{Action, Surrogate};
use crate::detect::{Certainty, Entity, why};

/// Tells of one finding, which `with` takes the place of.
pub fn finding(
    entity: Entity,
    certainty: Certainty,
    action: Action,
    value: &str,
    span: Option<&Range<usize>>,
    with: Option<&str>,
) {
    if let Action::Restore(..) = action {
        return restored(entity, value, span, with);
    }
    explain::hide(value.as_bytes());
    explain::tell(|notes| {
        let (name, action) = (entity.name(), verb(action));
        let count = value.chars().count();
        let text = match (action, with) {
            ("block" | "report", _) | (_, None) => {
                format!("Finds {name}, {count} characters: {action}.")
            }
            (_, Some(with)) => format!("Finds {name}, {count} characters: {action}, as `{with}`."),
        };
        let written = |span: Range<usize>| json!({"start": span.start, "end": span.end});
        let note = Note::info("finding", text)
            .with("entity", name)
            .with("action", action);
        let note = note
            .with("characters", count)
            .with("span", span.cloned().map(written));
        let note = note.with("bytes", explain::bytes_of(span).map(written));
        let note = note.with("certainty", certainty.name());
        let note = match why::rule(entity, value) {
            Some(rule) => note.with("rule", rule),
            None => note,
        };
        let with = with.filter(|_| !matches!(action, "block" | "report"));
        notes.push(note.with("with", with));
    });
}

/// Tells of what is put back in place of a surrogate.
fn restored(entity: Entity, surrogate: &str, span: Option<&Range<usize>>, with: Option<&str>) {
    explain::hide(with.unwrap_or_default().as_bytes());
    explain::tell(|notes| {
        let name = entity.name();
        let text = format!("Puts {name} back in place of `{surrogate}`.");
        let span = span.map(|span| json!({"start": span.start, "end": span.end}));
        let note = Note::info("restored", text).with("entity", name);
        notes.push(note.with("surrogate", surrogate).with("span", span));
    });
}

const fn verb(action: Action) -> &'static str {
    match action {
        Action::Mask { .. } => "mask",
        Action::Redact => "redact",
        Action::Hash => "hash",
        Action::Surrogate(Surrogate::Placeholder, _) => "placeholder",
        Action::Surrogate(Surrogate::Pseudonym, _) => "pseudonym",
        Action::Surrogate(Surrogate::Fake, _) => "fake",
        Action::Restore(..) => "restore",
        Action::Block => "block",
        Action::Report => "report",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelgate_kit::explain::Recorder;

    #[test]
    fn a_finding_is_told_without_what_was_found() {
        let recorder = Recorder::start();
        explain::at(|| "$.input".to_owned());
        let email = "ann@example.com";
        finding(
            Entity::Email,
            Certainty::Shape,
            Action::Redact,
            email,
            Some(&(3..18)),
            Some("[EMAIL]"),
        );
        let told = recorder.take();
        let [told] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(told.place, "$.input");
        assert_eq!(
            told.note.text,
            "Finds email, 15 characters: redact, as `[EMAIL]`."
        );
        assert_eq!(told.note.data["span"], json!({"start": 3, "end": 18}));
        assert!(!format!("{told:?}").contains(email));
        assert_eq!(recorder.hidden(), [email.as_bytes().to_vec()]);
    }
}
