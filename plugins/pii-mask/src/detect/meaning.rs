//! What the name of a text says of its value, read when it is first asked for: texts and numbers of
//! one name, as those of an array are, share what was read.

use super::id::Ids;
use core::cell::OnceCell;

/// What a name that is called so says of the value behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// It is a password.
    Password,
    /// It is a password if it looks like nothing else.
    Likely,
    /// It is a key or a token.
    Key,
}

/// What a name says of a number in JSON.
#[derive(Clone, Copy, Debug)]
pub struct OfNumbers {
    /// It can only be a card's.
    pub card: bool,
    /// A social security number's.
    pub ssn: bool,
    /// A telephone's.
    pub phone: bool,
}

/// Of one name, or of a text without one.
#[derive(Debug, Default)]
pub struct Meaning {
    /// Whether a number under it is told to be a telephone's.
    pub is_phone: OnceCell<bool>,
    /// Whose number it is.
    pub ids: OnceCell<Ids>,
    /// Whether it is that of a secret.
    pub secret: OnceCell<Option<Named>>,
    /// What it says of numbers in JSON.
    pub of_numbers: OnceCell<OfNumbers>,
}
