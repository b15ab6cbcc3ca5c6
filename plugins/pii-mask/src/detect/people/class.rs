//! What a word is: a given name, a title, a kind of street.

/// What a word may be: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(pub u32);

impl Class {
    /// Nothing that is known.
    pub const NONE: Self = Self(0);
    /// A given name.
    pub const GIVEN: Self = Self(1);
    /// A given name, or another word.
    pub const UNSURE: Self = Self(1 << 1);
    /// A surname.
    pub const SURNAME: Self = Self(1 << 2);
    /// What stands before a surname.
    pub const TITLE: Self = Self(1 << 3);
    /// Stands between the parts of a name.
    pub const PARTICLE: Self = Self(1 << 4);
    /// Never part of a name.
    pub const STOP: Self = Self(1 << 5);
    /// Part of the name of something else.
    pub const ORG: Self = Self(1 << 6);
    /// A kind of street, before its name.
    pub const FRONT: Self = Self(1 << 7);
    /// The same behind it.
    pub const BACK: Self = Self(1 << 8);
    /// The same, if more tells that it is one.
    pub const FAR: Self = Self(1 << 9);
    /// The same where the number stands behind it.
    pub const LATE: Self = Self(1 << 10);
    /// Part of a building.
    pub const UNIT: Self = Self(1 << 11);
    /// Greets by name.
    pub const DEAR: Self = Self(1 << 12);
    /// Greets.
    pub const HELLO: Self = Self(1 << 13);
    /// Ends a letter.
    pub const CLOSE: Self = Self(1 << 14);
    /// What somebody is.
    pub const ROLE: Self = Self(1 << 15);

    /// A surname that is another word as well.
    pub const WORD: Self = Self(1 << 16);

    /// Without these.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it is, or may be, one of these.
    pub const fn is(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Both.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
