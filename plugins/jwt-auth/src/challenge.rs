//! What a refused client is told: RFC 6750 section 3, with RFC 9728's pointer to the resource's
//! metadata.
//!
//! Without credentials there is no `error`; a broken request is 400 `invalid_request`, a bad token
//! 401 `invalid_token`, a good token that may too little 403 `insufficient_scope`. Missing keys are
//! our trouble, not the client's: 503.

use crate::reasons;
use modelgate_kit::facts::Challenges;
use modelgate_kit::jose::Refusal;
use modelgate_kit::problem::{Reason, Reply};

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The token is refused.
    Token(Refusal),
    /// There are no keys, or none fresh enough, to judge it by; after so many seconds there may be.
    KeysUnavailable(u64),
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Token(refusal)
    }
}

/// The challenge of one configuration.
#[derive(Debug)]
pub struct Challenge {
    opening: String,
    metadata: String,
}

impl Challenge {
    /// The challenge of a realm, with the URL of the resource's metadata.
    pub fn new(realm: &str, resource_metadata: Option<&str>) -> Self {
        let metadata = resource_metadata.map(|url| format!(", resource_metadata=\"{url}\""));
        Self {
            opening: format!("Bearer realm=\"{realm}\""),
            metadata: metadata.unwrap_or_default(),
        }
    }

    /// How a caller can authenticate, for a 401 of a later filter.
    pub fn offer(&self) -> Challenges {
        Challenges {
            offered: vec![format!("{}{}", self.opening, self.metadata)],
        }
    }

    /// The reply to a refused request; `scopes` are those that its issuer asks for.
    pub fn reply(&self, denial: Denial, scopes: &[String]) -> Reply {
        let refusal = match denial {
            Denial::Token(refusal) => refusal,
            Denial::KeysUnavailable(after_s) => {
                return Reply::new(&reasons::KEYS_UNAVAILABLE)
                    .with_header("retry-after", after_s.to_string());
            }
        };
        let reason = reason_of(refusal);
        let mut value = self.opening.clone();
        let error = match (refusal, reason.status) {
            (Refusal::Missing, _) => None,
            (_, 400) => Some("invalid_request"),
            (_, 403) => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        };
        if let Some(error) = error {
            value.push_str(&format!(
                ", error=\"{error}\", error_description=\"{}\"",
                reason.title
            ));
        }
        if refusal == Refusal::ScopeInsufficient {
            value.push_str(&format!(", scope=\"{}\"", scopes.join(" ")));
        }
        value.push_str(&self.metadata);
        Reply::new(reason).with_header("www-authenticate", value)
    }
}

/// The catalogue's entry for a refusal.
const fn reason_of(refusal: Refusal) -> &'static Reason {
    match refusal {
        Refusal::Missing => &reasons::TOKEN_MISSING,
        Refusal::Repeated => &reasons::TOKEN_REPEATED,
        Refusal::Mixed => &reasons::CREDENTIALS_MIXED,
        Refusal::Oversize => &reasons::TOKEN_OVERSIZE,
        Refusal::Malformed => &reasons::TOKEN_MALFORMED,
        Refusal::ExtensionRefused => &reasons::EXTENSION_REFUSED,
        Refusal::TypeRefused => &reasons::TOKEN_TYPE_REFUSED,
        Refusal::AlgorithmRefused => &reasons::ALGORITHM_REFUSED,
        Refusal::KeyUnknown => &reasons::KEY_UNKNOWN,
        Refusal::KeyUnusable => &reasons::KEY_UNUSABLE,
        Refusal::SignatureRefused => &reasons::SIGNATURE_REFUSED,
        Refusal::IssuerUnknown => &reasons::ISSUER_UNKNOWN,
        Refusal::AudienceRefused => &reasons::AUDIENCE_REFUSED,
        Refusal::ClaimMissing => &reasons::CLAIM_MISSING,
        Refusal::Expired => &reasons::TOKEN_EXPIRED,
        Refusal::NotYetValid => &reasons::TOKEN_NOT_YET_VALID,
        Refusal::LifetimeRefused => &reasons::LIFETIME_REFUSED,
        Refusal::ClaimRefused => &reasons::CLAIM_REFUSED,
        Refusal::ScopeInsufficient => &reasons::SCOPE_INSUFFICIENT,
    }
}

#[cfg(test)]
mod tests {
    use modelgate_kit::config::types::{HttpsUrl, Realm, is_quotable};

    use super::*;

    fn challenge() -> Challenge {
        let metadata = "https://a.test/.well-known/oauth-protected-resource";
        Challenge::new("models", Some(metadata))
    }

    #[test]
    fn every_refusal_has_its_entry_in_the_catalogue() {
        for refusal in Refusal::ALL {
            assert_eq!(reason_of(refusal).code, refusal.reason());
        }
        assert_eq!(
            reasons::ALL.len(),
            Refusal::ALL.len() + 1,
            "keys_unavailable is the only other"
        );
    }

    #[test]
    fn every_title_can_stand_in_a_challenge() {
        for reason in reasons::ALL {
            assert!(is_quotable(reason.title), "{}", reason.code);
        }
    }

    #[test]
    fn challenges_are_those_of_rfc_6750() {
        let tail = ", resource_metadata=\"https://a.test/.well-known/oauth-protected-resource\"";
        for (refusal, status, middle) in [
            (Refusal::Missing, 401, String::new()),
            (
                Refusal::Repeated,
                400,
                format!(
                    ", error=\"invalid_request\", error_description=\"{}\"",
                    reasons::TOKEN_REPEATED.title
                ),
            ),
            (
                Refusal::Expired,
                401,
                format!(
                    ", error=\"invalid_token\", error_description=\"{}\"",
                    reasons::TOKEN_EXPIRED.title
                ),
            ),
            (
                Refusal::ScopeInsufficient,
                403,
                format!(
                    ", error=\"insufficient_scope\", error_description=\"{}\", scope=\"infer train\"",
                    reasons::SCOPE_INSUFFICIENT.title
                ),
            ),
        ] {
            let reply = challenge().reply(refusal.into(), &["infer".into(), "train".into()]);
            assert_eq!(reply.status(), status, "{refusal}");
            assert_eq!(
                reply.header("www-authenticate"),
                Some(format!("Bearer realm=\"models\"{middle}{tail}").as_str()),
                "{refusal}"
            );
        }
    }

    #[test]
    fn missing_keys_are_no_fault_of_the_client() {
        let reply = challenge().reply(Denial::KeysUnavailable(7), &[]);
        assert_eq!(
            (reply.status(), reply.header("retry-after")),
            (503, Some("7"))
        );
        assert_eq!(reply.header("www-authenticate"), None);
    }

    #[test]
    fn what_would_break_out_of_the_challenge_is_refused() {
        for realm in ["a\"b", "a\\b", "é", "a\r\nb"] {
            assert_eq!(Realm::new(realm), None, "{realm}");
        }
        for url in ["http://a.test/", "https://a\"", "https://a b", ""] {
            assert_eq!(HttpsUrl::new(url), None, "{url}");
        }
    }
}
