//! Decides how much of the caller's identity an audit record shows: the consumer always, the
//! subject as the operator chose: left out, as a pseudonym, or plainly.
//!
//! Pseudonyms are those of [`modelgate_kit::pseudonym`].

use std::cell::RefCell;

use modelgate_kit::pseudonym::PseudonymKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Whom a refused token is for. Issuer and subject are the token's then: its signature is good,
    /// and nobody was authenticated.
    pub audience: Few<Text<96>, 3>,
    /// The key that a refused token is signed with.
    pub kid: Option<Text<64>>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
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

/// Pseudonyms that are remembered.
const REMEMBERED: usize = 256;

/// Turns the subjects of credentials into what may be recorded of them.
pub struct Pseudonymizer {
    mode: SubjectMode,
    key: PseudonymKey,
    has_key: bool,
    /// The last pseudonyms, each at a place that its subject chooses: the same callers come again
    /// and again.
    known: RefCell<Vec<Option<Known>>>,
}

/// A pseudonym and whose it is.
struct Known {
    issuer: String,
    subject: String,
    pseudonym: Text<32>,
}

impl Pseudonymizer {
    /// Under `mode`; `key` (may be empty) makes the pseudonyms this deployment's own.
    pub fn new(mode: SubjectMode, key: &[u8]) -> Self {
        Self {
            mode,
            key: PseudonymKey::new(key),
            has_key: !key.is_empty(),
            known: RefCell::default(),
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
            SubjectMode::Hash => self.pseudonym(issuer, subject).map(Subject::Hashed),
        }
    }

    /// What is recorded of a subject that is known by an unkeyed pseudonym only. Under a key it
    /// becomes another one, so that it cannot be turned back either.
    pub fn known_as(&self, issuer: &str, pseudonym: &str) -> Option<Subject> {
        match self.mode {
            _ if pseudonym.is_empty() => None,
            SubjectMode::Omit => None,
            _ if self.has_key => self.pseudonym(issuer, pseudonym).map(Subject::Hashed),
            SubjectMode::Hash | SubjectMode::Plain => Some(Subject::Hashed(Text::of(pseudonym))),
        }
    }

    fn pseudonym(&self, issuer: &str, subject: &str) -> Option<Text<32>> {
        let place = place(issuer, subject);
        let mut known = self.known.borrow_mut();
        if let Some(Some(known)) = known.get(place)
            && known.subject == subject
            && known.issuer == issuer
        {
            return Some(known.pseudonym.clone());
        }
        let pseudonym = Text::of(self.key.pseudonym(issuer, subject)?);
        // What is long would take much memory and comes seldom.
        if issuer.len() + subject.len() <= 512 {
            if known.is_empty() {
                known.resize_with(REMEMBERED, || None);
            }
            if let Some(entry) = known.get_mut(place) {
                *entry = Some(Known {
                    issuer: issuer.to_owned(),
                    subject: subject.to_owned(),
                    pseudonym: pseudonym.clone(),
                });
            }
        }
        Some(pseudonym)
    }
}

/// Where the pseudonym of a subject is remembered (FNV-1a). Subjects that share a place only take
/// it from each other.
fn place(issuer: &str, subject: &str) -> usize {
    let bytes = issuer.bytes().chain(subject.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or_default() % REMEMBERED
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
    fn a_remembered_pseudonym_is_that_of_its_own_subject() {
        let pseudonymizer = Pseudonymizer::new(SubjectMode::Hash, b"k");
        // More subjects than places: each place is taken from one by another, again and again.
        for _ in 0..2 {
            for number in 0..REMEMBERED * 4 {
                let subject = format!("user-{number}");
                let Some(Subject::Hashed(hash)) = pseudonymizer.subject("https://idp", &subject)
                else {
                    panic!("no pseudonym");
                };
                assert_eq!(hash.as_str(), hashed("k", "https://idp", &subject));
            }
        }
    }

    #[test]
    fn a_pseudonym_that_is_known_stays_as_it_is_unless_there_is_a_key() {
        let known = hashed("", "https://idp", "ann");
        let recorded =
            |mode, key: &[u8]| Pseudonymizer::new(mode, key).known_as("https://idp", &known);
        let as_it_is = Some(Subject::Hashed(Text::of(&known)));
        assert_eq!(recorded(SubjectMode::Hash, b""), as_it_is);
        assert_eq!(recorded(SubjectMode::Plain, b""), as_it_is);
        assert_eq!(recorded(SubjectMode::Omit, b""), None);
        let keyed = recorded(SubjectMode::Hash, b"k");
        assert!(keyed.is_some() && keyed != as_it_is);
        assert_eq!(
            Pseudonymizer::new(SubjectMode::Hash, b"k").known_as("i", ""),
            None
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
