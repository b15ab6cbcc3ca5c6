//! What tells sources apart.

use sha2::{Digest, Sha256};

/// A digest of all that decides what a source gives: secrets are in it and cannot be read from it.
/// Two sources with the same mark are one.
#[derive(Default)]
pub struct Mark(Sha256);

impl Mark {
    /// Adds a part. Where parts end counts.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        // 64 bits hold every length.
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.0.update(length.to_le_bytes());
        self.0.update(part);
        self
    }

    /// The digest, in hexadecimal.
    pub fn text(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_parts_end_counts() {
        let mark = |parts: &[&str]| {
            let parts = parts.iter();
            parts.fold(Mark::default(), Mark::with).text()
        };
        assert_eq!(mark(&["a", "bc"]), mark(&["a", "bc"]));
        assert_ne!(mark(&["a", "bc"]), mark(&["ab", "c"]));
        assert_ne!(mark(&["a"]), mark(&["a", ""]));
        assert_eq!(mark(&[]).len(), 64);
    }
}
