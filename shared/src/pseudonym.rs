//! A pseudonym of a caller: the same one is recognised, and not named.
//!
//! HMAC-SHA-256 (RFC 2104) over issuer and subject, its first 16 bytes in hexadecimal. With a key
//! that only the operator has, it cannot be turned back by guessing; with an empty one it is only
//! as secret as the set of possible subjects is large.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the digest that are kept.
const KEPT: usize = 16;

/// What pseudonyms are made under.
#[derive(Clone)]
pub struct PseudonymKey(Option<Hmac<Sha256>>);

impl PseudonymKey {
    /// A key of any length; an empty one makes pseudonyms that everybody can make.
    pub fn new(key: &[u8]) -> Self {
        // HMAC takes a key of any length; should that ever fail, there are no pseudonyms.
        Self(Hmac::new_from_slice(key).ok())
    }

    /// The pseudonym of a subject, 32 hexadecimal digits; none for an empty subject.
    pub fn pseudonym(&self, issuer: &str, subject: &str) -> Option<String> {
        if subject.is_empty() {
            return None;
        }
        let mut mac = self.0.clone()?;
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        mac.update(
            &u64::try_from(issuer.len())
                .unwrap_or(u64::MAX)
                .to_be_bytes(),
        );
        mac.update(issuer.as_bytes());
        mac.update(subject.as_bytes());
        let digest = mac.finalize().into_bytes();
        let digits = digest
            .iter()
            .take(KEPT)
            .flat_map(|byte| [byte >> 4, byte & 15]);
        Some(
            digits
                .filter_map(|digit| char::from_digit(u32::from(digit), 16))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_one_pseudonym_and_no_other_has_it() {
        let of = |key: &[u8], issuer, subject| PseudonymKey::new(key).pseudonym(issuer, subject);
        let one = of(b"", "https://idp", "ann").unwrap();
        assert_eq!(one.len(), 32);
        assert_eq!(Some(&one), of(b"", "https://idp", "ann").as_ref());
        for (key, issuer, subject) in [
            (b"k".as_slice(), "https://idp", "ann"),
            (b"", "https://id", "pann"),
            (b"", "https://idp", "bob"),
        ] {
            assert_ne!(Some(&one), of(key, issuer, subject).as_ref());
        }
        assert_eq!(of(b"", "https://idp", ""), None);
    }

    #[test]
    fn it_is_the_start_of_the_hmac() {
        // python3: hmac.new(b"k", (11).to_bytes(8,"big") + b"https://idp" + b"ann", "sha256").hexdigest()[:32]
        let pseudonym = PseudonymKey::new(b"k").pseudonym("https://idp", "ann");
        assert_eq!(
            pseudonym.as_deref(),
            Some("1047e71c74baf255536c206b3996f563")
        );
    }
}
