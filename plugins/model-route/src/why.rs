//! Why a target was chosen.

/// Why a target was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The model is pinned to it.
    Pin,
    /// The override at this place fits.
    Override(usize),
    /// The weights say so.
    Split,
    /// The target at this place is taken out.
    Rollback(usize),
    /// All that have a weight are taken out.
    Fallback(usize),
    /// All are taken out, and nothing takes over: the weights say so.
    NoneLeft,
}

impl Why {
    /// The word for facts and notes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Override(_) => "override",
            Self::Split => "split",
            Self::Rollback(_) => "rollback",
            Self::Fallback(_) => "fallback",
            Self::NoneLeft => "none_left",
        }
    }

    /// Whether what comes of the request counts for the target's circuit: not where a human has
    /// chosen, who may know that it fails.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Pin | Self::Override(_))
    }
}
