//! Places and what was found in them, as they are told to whoever asks why.

use std::fmt;

use super::{Found, Place};
use crate::explain::Note;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, scheme: None } => write!(f, "header `{name}`"),
            Self::Header {
                name,
                scheme: Some(scheme),
            } => write!(f, "header `{name}` ({scheme})"),
            Self::Query(name) => write!(f, "query parameter `{name}`"),
            Self::Cookie(name) => write!(f, "cookie `{name}`"),
        }
    }
}

impl Found<'_> {
    /// What was found in these places, as a note; `what` is looked for, such as `token`.
    pub fn note(&self, what: &str, places: &[Place]) -> Note {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        let places = places.join(", ");
        let (result, text) = match self {
            Self::One(credential) if credential.is_empty() => ("empty", format!("An empty {what}")),
            Self::One(_) => ("one", format!("One {what}")),
            Self::None => ("none", format!("No {what}")),
            Self::Several => ("several", format!("More than one {what}")),
            Self::Mixed => (
                "mixed",
                format!("The {what} beside credentials of another scheme"),
            ),
            Self::Malformed => ("malformed", format!("Something that is no {what}")),
        };
        Note::info("credential", format!("{text} in: {places}.")).with("found", result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_without_the_credential() {
        let header = |scheme: Option<&str>| Place::Header {
            name: "authorization".into(),
            scheme: scheme.map(str::to_owned),
        };
        let places = [header(Some("Bearer")), Place::Cookie("t".into())];
        let note = Found::One(b"secret".into()).note("token", &places);
        let text = "One token in: header `authorization` (Bearer), cookie `t`.";
        assert_eq!(note.text, text);
        let places = [header(None), Place::Query("k".into())];
        let note = Found::None.note("key", &places);
        assert_eq!(
            note.text,
            "No key in: header `authorization`, query parameter `k`."
        );
        assert_eq!(note.data["found"], "none");
    }
}
