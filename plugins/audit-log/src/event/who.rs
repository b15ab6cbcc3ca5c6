//! Decides how much of the caller's identity an audit record shows: the consumer always, the subject as the operator
//! chose: left out, as a pseudonym, or plainly.
//!
//! The pseudonym is HMAC-SHA-256 (RFC 2104) over issuer and subject, its first 16 bytes in hexadecimal. With a key that
//! only the operator has, it cannot be turned back by guessing; without one it is only as secret as the set of possible
//! subjects is large.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::{Few, Text};

/// Who asked, as the filters before the model found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    /// The consumer: the gateway's own name for the caller.
    pub consumer: Option<Text<128>>,
    /// The issuer of the credential.
    pub issuer: Option<Text<256>>,
    /// The subject that the credential names.
    pub subject: Option<Subject>,
    /// The caller's groups.
    pub groups: Few<Text<64>, 16>,
    /// The credential's identity (an API key's id, a token's key id); never the credential.
    pub credential: Option<Text<128>>,
    /// How the caller was authenticated, such as `jwt` or `api_key`.
    pub method: Option<Text<32>>,
}

/// The subject as it stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// As the credential names it.
    Plain(Text<256>),
    /// A pseudonym of 32 hexadecimal digits.
    Hashed(Text<32>),
}

/// How the subject of a credential is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum SubjectMode {
    /// Not at all.
    Omit,
    /// As a pseudonym: the same caller is recognised, and not named.
    #[default]
    Hash,
    /// As the credential names it.
    Plain,
}

/// Turns the subjects of credentials into what may be recorded of them.
pub struct Pseudonymizer {
    mode: SubjectMode,
    keyed: Option<Hmac<Sha256>>,
}

impl Pseudonymizer {
    /// Under `mode`; `key` (may be empty) makes the pseudonyms this deployment's own.
    pub fn new(mode: SubjectMode, key: &[u8]) -> Self {
        // HMAC takes a key of any length; should that ever fail, the subject is left out rather than shown.
        Self {
            mode,
            keyed: Hmac::new_from_slice(key).ok(),
        }
    }

    /// What is recorded of `subject` as `issuer` named it.
    pub fn subject(&self, issuer: &str, subject: &str) -> Option<Subject> {
        if subject.is_empty() {
            return None;
        }
        match self.mode {
            SubjectMode::Omit => None,
            SubjectMode::Plain => Some(Subject::Plain(Text::of(subject))),
            SubjectMode::Hash => {
                let mut mac = self.keyed.clone()?;
                // The length keeps ("ab", "c") and ("a", "bc") apart.
                mac.update(
                    &u64::try_from(issuer.len())
                        .unwrap_or(u64::MAX)
                        .to_be_bytes(),
                );
                mac.update(issuer.as_bytes());
                mac.update(subject.as_bytes());
                let digest = mac.finalize().into_bytes();
                let digits: String = digest
                    .iter()
                    .take(16)
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                Some(Subject::Hashed(Text::of(digits)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(key: &str, issuer: &str, subject: &str) -> String {
        match Pseudonymizer::new(SubjectMode::Hash, key.as_bytes()).subject(issuer, subject) {
            Some(Subject::Hashed(hash)) => hash.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pseudonym_is_stable_and_depends_on_key_issuer_and_subject() {
        let one = hashed("k", "https://idp", "ann");
        assert_eq!(one.len(), 32);
        assert_eq!(one, hashed("k", "https://idp", "ann"));
        assert_ne!(one, hashed("other", "https://idp", "ann"));
        assert_ne!(one, hashed("k", "https://other", "ann"));
        assert_ne!(one, hashed("k", "https://idp", "bob"));
        assert_ne!(hashed("k", "ab", "c"), hashed("k", "a", "bc"));
    }

    #[test]
    fn a_pseudonym_is_the_start_of_the_hmac() {
        // python3: hmac.new(b"k", (11).to_bytes(8,"big") + b"https://idp" + b"ann", "sha256").hexdigest()[:32]
        assert_eq!(
            hashed("k", "https://idp", "ann"),
            "1047e71c74baf255536c206b3996f563"
        );
    }

    #[test]
    fn the_subject_is_shown_only_when_the_operator_says_so() {
        let subject = |mode| Pseudonymizer::new(mode, b"k").subject("i", "ann");
        assert_eq!(subject(SubjectMode::Omit), None);
        assert_eq!(
            subject(SubjectMode::Plain),
            Some(Subject::Plain(Text::of("ann")))
        );
        assert!(!format!("{:?}", subject(SubjectMode::Hash)).contains("ann"));
        assert_eq!(
            Pseudonymizer::new(SubjectMode::Hash, b"k").subject("i", ""),
            None
        );
    }
}
