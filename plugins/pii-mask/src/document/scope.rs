//! What of a document is looked at, and how it is read.

use modelgate_kit::json::{DuplicateMembers, Limits, NonFinite, Path, Segment};

/// What of a JSON document is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Member names too.
    pub names: bool,
    /// Numbers too.
    pub numbers: bool,
    /// `logprobs` become null.
    pub drop_logprobs: bool,
    /// Paths whose values are left alone, with everything beneath: member names and indices, `*`
    /// for any step.
    pub skip: Vec<Vec<String>>,
}

/// The limits of a document besides its length, which the filter bounds before.
pub const LIMITS: Limits = Limits {
    max_bytes: usize::MAX,
    max_depth: 128,
    duplicate_members: DuplicateMembers::Accept,
    non_finite: NonFinite::Accept,
};

impl Scope {
    /// Whether the value at this path is left alone.
    pub fn skips(&self, path: &Path<'_, '_>) -> bool {
        self.skip.iter().any(|pattern| {
            pattern.len() <= path.depth()
                && path.segments().zip(pattern).all(|(segment, want)| {
                    want == "*"
                        || match segment {
                            Segment::Member(name) => name.equals(want),
                            Segment::Index(index) => *want == index.to_string(),
                        }
                })
        })
    }
}
