//! The size of a table of buckets, and of what it is made of.

/// Most ways of a set.
pub const MAX_WAYS: u8 = 64;
/// Keys that fit in one set where nobody chooses another number. With as many, keys that are spread
/// at random over a table twice as large as their number find room in their sets: one in 100,000
/// does not. A set is one value of shared data, so that a request costs the same whatever it holds.
pub const WAYS: u8 = 32;
/// Most windows of a key.
pub const MAX_WINDOWS: u8 = 8;
/// Most sets of a table: what four characters of 6 bits can name.
pub(super) const MAX_SETS: u32 = 1 << 24;

/// Bytes before the floor of a set.
pub(super) const HEADER: usize = 8;
/// Bytes of the checksum of a set.
pub(super) const CHECKSUM: usize = 8;

/// The size of a table. Memory in the host is about `sets × (100 + 8 × windows + ways × (8 + 8 ×
/// windows))` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of sets, 1 to 16,777,216.
    pub sets: u32,
    /// Keys that fit in a set, 1 to 64.
    pub ways: u8,
    /// TATs that a key has, 1 to 8.
    pub windows: u8,
}

impl Shape {
    /// Bytes of the TATs of one key.
    pub(super) fn tat_bytes(self) -> usize {
        usize::from(self.windows).saturating_mul(8)
    }

    /// Bytes of one way.
    pub(super) fn way_bytes(self) -> usize {
        self.tat_bytes().saturating_add(8)
    }

    /// Bytes of a set without its checksum.
    pub(super) fn set_bytes(self) -> usize {
        self.way_bytes()
            .saturating_mul(usize::from(self.ways))
            .saturating_add(self.tat_bytes())
            .saturating_add(HEADER)
    }

    /// Bytes of the value of a set in shared data.
    pub fn value_bytes(self) -> usize {
        self.set_bytes().saturating_add(CHECKSUM)
    }
}

/// A number of a [`Shape`] lies outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError;

impl core::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "a table has 1 to {MAX_SETS} sets of 1 to {MAX_WAYS} ways with 1 to {MAX_WINDOWS} windows"
        )
    }
}
