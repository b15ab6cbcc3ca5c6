//! The name of what lies in a registry: SHA-256 of its bytes.

use std::fmt;

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};

/// `sha256:` and 64 hexadecimal digits. Other algorithms are not taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

const ALGORITHM: &str = "sha256:";

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut text = ALGORITHM.to_owned();
        for byte in Sha256::digest(bytes) {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text)
    }

    /// Reads one.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.strip_prefix(ALGORITHM);
        let lower = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        ensure!(
            digits.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(lower)),
            "`{}` is not a digest: expected sha256: and 64 lower-case hexadecimal digits",
            text.escape_debug()
        );
        Ok(Self(text.to_owned()))
    }

    /// Whether `bytes` are what it names.
    ///
    /// # Errors
    /// If not.
    pub fn verify(&self, what: &str, bytes: &[u8]) -> Result<()> {
        let found = Self::of(bytes);
        ensure!(
            found == *self,
            "{what} is not what it is named: its digest is {found}, and {self} was asked for"
        );
        Ok(())
    }

    /// With the algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the algorithm, as in Istio's `sha256` field.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix(ALGORITHM).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_its_bytes_only() {
        let digest = Digest::of(b"");
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.hex(), empty);
        assert!(digest.verify("it", b"").is_ok());
        let error = digest.verify("the blob", b"x").unwrap_err().to_string();
        assert!(error.starts_with("the blob is not what it is named"));
    }

    #[test]
    fn only_sha256_in_lower_case_is_one() {
        let good = Digest::of(b"x").to_string();
        assert_eq!(Digest::parse(&good).unwrap().as_str(), good);
        for bad in [
            "",
            "sha256:",
            "sha512:00",
            &good.to_uppercase(),
            &good[..70],
            &format!("{good}0"),
            &format!("sha256:../{}", "a".repeat(61)),
        ] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }
}
