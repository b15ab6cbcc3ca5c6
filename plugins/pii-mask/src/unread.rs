//! Why a body cannot be masked, and whether it passes nevertheless.

use crate::coding::Broken;
use crate::config::OnCompressed;
use crate::plan::Treatment;
use crate::tensors;
use modelgate_kit::config::DenyOrAllow;

/// Why a body cannot be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It has a content coding that is not decoded.
    Compressed,
    /// It is of another type.
    OtherType,
    /// It is a part of something.
    Partial,
    /// It is longer than may be read.
    TooLarge,
    /// It is not what its type or its coding says.
    Unparsed,
    /// It has no type, and is not JSON.
    Untyped,
    /// A part of it is of another type and no file, or a file that may not pass.
    Part,
    /// Its tensors cannot be read.
    Tensors(tensors::Unread),
}

impl Unread {
    /// Whether it passes or is refused.
    pub fn policy(self, way: &Treatment) -> DenyOrAllow {
        match self {
            Self::Compressed if way.on_compressed == OnCompressed::Allow => DenyOrAllow::Allow,
            Self::Compressed | Self::Part => DenyOrAllow::Deny,
            Self::OtherType | Self::Partial | Self::Untyped => way.on_other_type,
            Self::TooLarge => way.on_oversize,
            Self::Unparsed | Self::Tensors(tensors::Unread::Layout) => way.on_unparsable,
            Self::Tensors(tensors::Unread::NoText) => way.on_other_type,
        }
    }
}

impl From<Broken> for Unread {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Malformed => Self::Unparsed,
            Broken::TooLarge => Self::TooLarge,
        }
    }
}
