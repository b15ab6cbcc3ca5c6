//! Texts with values that other people's generators have made, and the share of them that is found.

use std::ops::Range;

use serde::Deserialize;

/// A text that holds one value that counts, or none.
#[derive(Deserialize)]
pub struct Sample {
    /// What the value is; empty if there is none.
    pub entity: String,
    /// What it was made of, or where it stands.
    pub kind: String,
    /// The text.
    pub text: String,
    /// What it is called.
    pub label: String,
    /// Where the value begins and ends, in characters.
    span: Option<(usize, usize)>,
}

impl Sample {
    /// Where the value stands, in bytes; nothing if there is none.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        let place = |characters: usize| {
            let mut places = self.text.char_indices().map(|(at, _)| at);
            places.nth(characters).unwrap_or(self.text.len())
        };
        self.span.map(|(start, end)| place(start)..place(end))
    }
}

/// A part of a whole in per cent, with one decimal.
#[must_use]
pub fn share(part: usize, whole: usize) -> String {
    let tenths = (part * 2000 + whole) / (whole.max(1) * 2);
    format!("{}.{} %", tenths / 10, tenths % 10)
}
