//! The few forms of DER (X.690) that public keys and ECDSA signatures are written in.
//!
//! Writes elements of any length; reads only what is canonical: definite lengths in their shortest
//! form. No recursion, no copy.

/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// NULL.
pub(super) const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub(super) const OID: u8 = 0x06;
/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;

/// `[0]`, constructed: the version of a certificate.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// 1.2.840.113549.1.1.1, rsaEncryption (RFC 3279 section 2.3.1).
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1, id-ecPublicKey (RFC 5480 section 2.1.1).
pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.3.101.112, id-Ed25519 (RFC 8410 section 3).
pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Writes one element whose content is the joined parts.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length.saturating_add(6));
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let significant = without_leading_zeros(&bytes);
            // A length has at most 8 bytes, so the count fits beside the flag.
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            out.extend_from_slice(significant);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Writes a non-negative INTEGER from its big-endian bytes.
pub(super) fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    let digits = without_leading_zeros(magnitude);
    match digits.first() {
        None => element(INTEGER, &[&[0]]),
        Some(first) if *first >= 0x80 => element(INTEGER, &[&[0], digits]),
        Some(_) => element(INTEGER, &[digits]),
    }
}

/// Writes a SubjectPublicKeyInfo (RFC 5280 section 4.1): algorithm with its parameters, and the
/// key's bits.
pub(super) fn public_key_info(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let identifier = element(SEQUENCE, &[&element(OID, &[algorithm]), parameters]);
    element(SEQUENCE, &[&identifier, &element(BIT_STRING, &[&[0], key])])
}

/// The bytes from the first one that is not zero.
pub(super) fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Reads elements one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The content of the next element if it has this tag; nothing is consumed otherwise.
    pub(super) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            // One to four bytes of length: a public key is far below that.
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0_u32, |length, digit| (length << 8) | u32::from(*digit));
                if digits.first() == Some(&0) || length < 0x80 {
                    return None;
                }
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// The next element whole, tag and length included, if it has this tag; nothing is consumed
    /// otherwise.
    pub(super) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.element(tag)?;
        before.get(..before.len().saturating_sub(self.0.len()))
    }

    /// The magnitude of the next element if it is a canonical INTEGER that is not negative.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.element(INTEGER)? {
            [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
            [0, digits @ ..] | digits => Some(digits),
        }
    }

    /// The whole bytes of the next element if it is a BIT STRING without unused bits.
    pub(super) fn bit_string(&mut self) -> Option<&'a [u8]> {
        match self.element(BIT_STRING)? {
            [0, bits @ ..] => Some(bits),
            _ => None,
        }
    }

    /// Whether nothing is left.
    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_lengths_are_written_in_their_shortest_form() {
        assert_eq!(element(SEQUENCE, &[&[7; 127]])[..2], [0x30, 0x7f]);
        assert_eq!(element(SEQUENCE, &[&[7; 128]])[..3], [0x30, 0x81, 0x80]);
        assert_eq!(
            element(SEQUENCE, &[&[7; 256]])[..4],
            [0x30, 0x82, 0x01, 0x00]
        );
    }

    #[test]
    fn what_is_not_canonical_is_not_read() {
        for bytes in [
            &[0x02, 0x81, 0x01, 0x05][..],
            &[0x02, 0x82, 0x00, 0x81],
            &[0x02, 0x80, 0x05, 0x00, 0x00],
            &[0x02, 0x02, 0x00, 0x05],
            &[0x02, 0x01, 0x85],
            &[0x02, 0x00],
            &[0x02, 0x05, 0x01],
            &[0x02],
            &[],
        ] {
            assert_eq!(Reader::new(bytes).unsigned(), None, "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[0x03, 0x02, 0x01, 0x80]).bit_string(), None);
    }

    proptest! {
        #[test]
        fn an_integer_reads_back_as_its_digits(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let written = unsigned(&bytes);
            let mut reader = Reader::new(&written);
            let read = reader.unsigned().unwrap();
            prop_assert_eq!(without_leading_zeros(read), without_leading_zeros(&bytes));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut reader = Reader::new(&bytes);
            while reader.element(SEQUENCE).is_some() || reader.unsigned().is_some() || reader.bit_string().is_some() {}
        }
    }
}
