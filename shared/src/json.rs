//! JSON as bytes to be judged and edited, not as a tree (RFC 8259).
//!
//! Decides whether a document is JSON, names every string with its path and its byte span, and lets
//! a caller replace parts of strings while every other byte of the document stays as it was:
//! numbers keep their digits, members their order, white space its place.
//!
//! Algorithm: the document's UTF-8 is checked once, then [`Walker`] pulls one token at a time with
//! an explicit stack (no recursion, depth bounded by [`Limits`]); strings are skipped eight bytes
//! at a time and decoded only when asked ([`Text::decode`]); long arrays of numbers can be passed
//! over ([`Walker::pass_numbers`]); [`Edits`] collects replacements and applies them in one copy.
//!
//! What it cannot do: convert numbers, accept comments, trailing commas, a byte order mark or any
//! other extension (but for `NaN` and the infinities on request), or repair what is broken. A
//! surrogate escape without its partner is grammatical JSON; it is accepted and decodes to U+FFFD.

mod edit;
mod numbers;
mod path;
mod string;
mod walker;

pub use edit::{Edits, escape_into};
pub use path::{Path, Segment};
pub use string::{Offsets, Text};
pub use walker::{Literal, Number, Token, Walker};

use core::fmt;

/// Bounds and dialect of a document; [`Limits::default`] is what a gateway should accept from
/// strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest document, in bytes.
    pub max_bytes: usize,
    /// Deepest nesting of objects and arrays; a lone scalar has depth 0.
    pub max_depth: usize,
    /// What to do with an object that names a member twice.
    pub duplicate_members: DuplicateMembers,
    /// Whether `NaN`, `Infinity` and `-Infinity` are numbers.
    pub non_finite: NonFinite,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
            max_depth: 128,
            duplicate_members: DuplicateMembers::Accept,
            non_finite: NonFinite::Refuse,
        }
    }
}

/// An object that names a member twice: RFC 8259 section 4 leaves its meaning open, so two readers
/// may see two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateMembers {
    /// Every member is visited.
    Accept,
    /// The document is refused. Names are compared decoded: `"a"` and `"\u0061"` are the same name.
    Refuse,
}

/// Numbers that RFC 8259 does not have, but Python's `json` and TensorFlow Serving write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// `NaN`, `Infinity` and `-Infinity` are refused, as the RFC says.
    Refuse,
    /// `NaN`, `Infinity` and `-Infinity` are number tokens.
    Accept,
}

/// Why a document was refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset at which the problem was noticed.
    pub at: usize,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What can be wrong with a document. Never carries the document's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonProblem {
    /// Longer than [`Limits::max_bytes`].
    TooLong,
    /// Nested deeper than [`Limits::max_depth`].
    TooDeep,
    /// Not UTF-8 (RFC 8259 section 8.1).
    NotUtf8,
    /// The document ends in the middle.
    Incomplete,
    /// A byte that the grammar does not allow there.
    UnexpectedByte,
    /// A control character, bare, inside a string.
    ControlCharacter,
    /// A backslash that begins no escape.
    BadEscape,
    /// A number that the grammar does not allow, such as `01` or `1.`.
    BadNumber,
    /// More text after the value.
    TrailingText,
    /// A member named twice, with [`DuplicateMembers::Refuse`].
    DuplicateMember,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            JsonProblem::TooLong => "the document is too long",
            JsonProblem::TooDeep => "the document is nested too deeply",
            JsonProblem::NotUtf8 => "the document is not UTF-8",
            JsonProblem::Incomplete => "the document ends too early",
            JsonProblem::UnexpectedByte => "a byte that JSON does not allow",
            JsonProblem::ControlCharacter => "a control character in a string",
            JsonProblem::BadEscape => "an unknown escape in a string",
            JsonProblem::BadNumber => "a malformed number",
            JsonProblem::TrailingText => "text after the value",
            JsonProblem::DuplicateMember => "a member is named twice",
        };
        write!(f, "{problem} (byte {})", self.at)
    }
}

impl std::error::Error for JsonError {}

/// Judges a whole document without keeping anything of it.
///
/// # Errors
/// The first [`JsonProblem`], with its place.
pub fn check(document: &[u8], limits: Limits) -> Result<(), JsonError> {
    let mut walker = Walker::new(document, limits)?;
    while walker.next_token()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests;
