//! A pseudonym of a caller: the same one is recognised, and not named.
//!
//! HMAC-SHA-256 (RFC 2104) over issuer and subject, its first 16 bytes in hexadecimal. With a key that only the operator has, it cannot
//! be turned back by guessing; with an empty one it is only as secret as the set of possible subjects is large.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the digest that are kept.
const KEPT: usize = 16;

/// The pseudonym of a subject under a key, which may be empty; empty for an empty subject.
pub fn pseudonym(key: &[u8], issuer: &str, subject: &str) -> String {
    if subject.is_empty() {
        return String::new();
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
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
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_one_pseudonym_and_no_other_has_it() {
        let one = pseudonym(b"", "https://idp", "ann");
        assert_eq!(
            (one.len(), one == pseudonym(b"", "https://idp", "ann")),
            (32, true)
        );
        for other in [
            pseudonym(b"k", "https://idp", "ann"),
            pseudonym(b"", "https://id", "pann"),
            pseudonym(b"", "https://idp", "bob"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(pseudonym(b"", "https://idp", ""), "");
    }
}
