//! Why credentials could not be had.

use std::fmt;

/// Whoever was asked.
pub type Step = &'static str;

/// Why a fetch failed; shown to operators. It holds nothing of what came but AWS's error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No answer: cluster unknown, connection refused, or the answer too long.
    NoAnswer(Step),
    /// An answer with this status.
    Status(Step, u16),
    /// A refusal with this status and AWS's error code, such as `AccessDenied`.
    Refused(Step, u16, String),
    /// An answer that lacks what it should bring; what.
    Unreadable(Step, &'static str),
    /// Credentials that have expired already.
    Expired(Step),
    /// No source has any.
    NothingThere,
    /// The credentials that a role is assumed with are not there.
    NoBase,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(step) => write!(
                out,
                "{step}: no answer (cluster unknown or unreachable, or an answer too long)"
            ),
            Self::Status(step, status) => write!(out, "{step}: status {status}"),
            Self::Refused(step, status, code) => write!(out, "{step}: status {status}, {code}"),
            Self::Unreadable(step, what) => write!(out, "{step}: the answer has no usable {what}"),
            Self::Expired(step) => write!(out, "{step}: gave credentials that have expired"),
            Self::NothingThere => out.write_str("no source of `credentials` has any"),
            Self::NoBase => out.write_str("the credentials to assume the role with are not there"),
        }
    }
}
