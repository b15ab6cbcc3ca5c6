//! Why there is no token.

use std::fmt;

/// Why a fetch failed; shown to operators. Of what came it says only a status, and an error code
/// that is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// No answer: cluster unknown, connection refused, or too late.
    NoAnswer,
    /// An answer with this status, and the error code of RFC 6749 section 5.2, if it is a known
    /// one.
    Status(u16, Option<&'static str>),
    /// The federated token came with this status, or is none.
    Assertion(u16),
    /// The answer is no JSON object with an access token in it, or too long.
    NoToken,
    /// The answer has no ID token in it that says when it ends.
    NoIdToken,
    /// The token is no bearer token.
    TokenType,
    /// The token is too long, or has characters that no header may have.
    Unfit,
    /// It has no lifetime that can be used.
    Lifetime,
    /// The private key does not sign.
    Signature,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => out.write_str(
                "no answer (cluster unknown or unreachable, or nothing within timeout_ms)",
            ),
            Self::Status(status, None) => write!(out, "status {status}"),
            Self::Status(status, Some(code)) => write!(out, "status {status}, {code}"),
            Self::Assertion(status) => {
                write!(
                    out,
                    "the federated token came with status {status}, or is none"
                )
            }
            Self::NoToken => {
                out.write_str("the answer is no JSON object with an access_token, or longer than max_bytes")
            }
            Self::NoIdToken => out.write_str(
                "the answer has no ID token (a JWT that says when it ends: `exp`), or is longer than max_bytes",
            ),
            Self::TokenType => out.write_str("the token is of another type than bearer"),
            Self::Unfit => out.write_str(
                "the token is longer than 16,384 bytes or has characters that no header may have",
            ),
            Self::Lifetime => out.write_str("the token has no lifetime that can be used"),
            Self::Signature => out.write_str("the private key does not sign"),
        }
    }
}

/// Error codes that are shown: RFC 6749 section 5.2, RFC 8693 section 2.2.2, RFC 6749 section
/// 4.1.2.1, and Entra ID's own.
const CODES: [&str; 12] = [
    "access_denied",
    "interaction_required",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_resource",
    "invalid_scope",
    "invalid_target",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// The code, if it is a known one. Anything else is not shown: it could hold a secret.
pub fn known_code(code: &str) -> Option<&'static str> {
    CODES.into_iter().find(|known| *known == code)
}

impl TokenFault {
    /// Whether the endpoint has judged the caller's token, and not us or the moment.
    pub fn is_about_the_subject(self) -> bool {
        matches!(
            self,
            Self::Status(
                400..=403,
                Some(
                    "access_denied"
                        | "interaction_required"
                        | "invalid_grant"
                        | "invalid_request"
                        | "invalid_resource"
                        | "invalid_scope"
                        | "invalid_target"
                )
            )
        )
    }
}
