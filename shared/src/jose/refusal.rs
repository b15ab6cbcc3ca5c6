//! Why a token is refused: one variant per answer that a caller, an operator and a metric can tell
//! apart.
//!
//! No variant carries a byte of the token, so a refusal can be logged as it is.

use std::fmt;

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The request has no token.
    Missing,
    /// More than one token, or one token in more than one place.
    Repeated,
    /// One token, in a header that carries credentials of another scheme beside it.
    Mixed,
    /// Longer than the limit.
    Oversize,
    /// Not a compact JWS with a strict JSON header and strict JSON claims.
    Malformed,
    /// The header asks for an extension (`crit`, `b64`: RFC 7515 section 4.1.11, RFC 7797).
    ExtensionRefused,
    /// `typ` or `cty` says that this is another kind of token (RFC 8725 section 3.11).
    TypeRefused,
    /// `alg` is `none`, unknown, not allowed, or not the one that the key is for.
    AlgorithmRefused,
    /// No key has the token's `kid`, or none could have made such a signature: a newer key set may
    /// know it.
    KeyUnknown,
    /// The only keys with the token's `kid` are such as cannot be used.
    KeyUnusable,
    /// The signature is not that of the key.
    SignatureRefused,
    /// No configured issuer has the token's `iss`.
    IssuerUnknown,
    /// `aud` names none of ours.
    AudienceRefused,
    /// A claim that must be there is not (`iss`, `aud`, `exp`, …).
    ClaimMissing,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` is still to come.
    NotYetValid,
    /// It lives for longer than allowed (`exp` minus `iat`).
    LifetimeRefused,
    /// A claim rule does not hold.
    ClaimRefused,
    /// A required scope was not granted.
    ScopeInsufficient,
}

impl Refusal {
    /// Every variant, for catalogues and tests.
    pub const ALL: [Self; 19] = [
        Self::Missing,
        Self::Repeated,
        Self::Mixed,
        Self::Oversize,
        Self::Malformed,
        Self::ExtensionRefused,
        Self::TypeRefused,
        Self::AlgorithmRefused,
        Self::KeyUnknown,
        Self::KeyUnusable,
        Self::SignatureRefused,
        Self::IssuerUnknown,
        Self::AudienceRefused,
        Self::ClaimMissing,
        Self::Expired,
        Self::NotYetValid,
        Self::LifetimeRefused,
        Self::ClaimRefused,
        Self::ScopeInsufficient,
    ];

    /// The stable reason code: replies, metrics and access logs carry it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Repeated => "token_repeated",
            Self::Mixed => "credentials_mixed",
            Self::Oversize => "token_oversize",
            Self::Malformed => "token_malformed",
            Self::ExtensionRefused => "extension_refused",
            Self::TypeRefused => "token_type_refused",
            Self::AlgorithmRefused => "algorithm_refused",
            Self::KeyUnknown => "key_unknown",
            Self::KeyUnusable => "key_unusable",
            Self::SignatureRefused => "signature_refused",
            Self::IssuerUnknown => "issuer_unknown",
            Self::AudienceRefused => "audience_refused",
            Self::ClaimMissing => "claim_missing",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::LifetimeRefused => "lifetime_refused",
            Self::ClaimRefused => "claim_refused",
            Self::ScopeInsufficient => "scope_insufficient",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}
