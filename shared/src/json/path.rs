//! Where in a document a token stands: the members and indices that lead to it, borrowed from the
//! walker.

use super::string::Text;
use core::fmt;

/// One step of a [`Path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Into an object, by a member's name.
    Member(Text<'a>),
    /// Into an array, by position from 0.
    Index(usize),
}

impl Segment<'_> {
    /// Whether this step goes by this member name (decoded).
    #[must_use]
    pub fn is_member(&self, name: &str) -> bool {
        matches!(self, Segment::Member(text) if text.equals(name))
    }
}

/// An open container and where the walker stands in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frame<'a> {
    /// In an object; the member whose value is being read, none before the first.
    Object { member: Option<Text<'a>> },
    /// In an array; position of the element being read.
    Array { index: usize },
}

/// The steps from the document's root to the current token.
///
/// For an object's member name the path ends with that member, as it does for its value.
#[derive(Debug, Clone, Copy)]
pub struct Path<'w, 'a> {
    pub(super) frames: &'w [Frame<'a>],
}

impl<'w, 'a> Path<'w, 'a> {
    /// Number of steps; 0 at the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The steps, outermost first.
    pub fn segments(
        &self,
    ) -> impl DoubleEndedIterator<Item = Segment<'a>> + ExactSizeIterator + use<'w, 'a> {
        self.frames.iter().map(|frame| match frame {
            Frame::Object { member } => Segment::Member(member.unwrap_or_default()),
            Frame::Array { index } => Segment::Index(*index),
        })
    }

    /// The innermost member name on the way, past any indices: `b` for `$.a.b[0][1]`.
    #[must_use]
    pub fn last_member(&self) -> Option<Text<'a>> {
        self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Object { member } => *member,
            Frame::Array { .. } => None,
        })
    }

    /// Whether the path matches a pattern of one entry per step: a member's name, or `*` for any
    /// step.
    #[must_use]
    pub fn matches(&self, pattern: &[&str]) -> bool {
        self.frames.len() == pattern.len()
            && self
                .segments()
                .zip(pattern)
                .all(|(segment, want)| *want == "*" || segment.is_member(want))
    }
}

/// Written as `$.choices[0].delta`. Member names are the client's text: not for logs.
impl fmt::Display for Path<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for segment in self.segments() {
            match segment {
                Segment::Member(name) => write!(f, ".{}", name.decode())?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
