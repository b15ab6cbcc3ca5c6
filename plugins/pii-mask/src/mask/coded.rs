//! Values that are base64 (RFC 4648) of a text.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Shortest value that is taken for base64; a multiple of 4.
const SHORTEST: usize = 12;
/// How much of a value tells whether it may be a text; a multiple of 4.
const FRONT: usize = 64;

/// A text that was in base64.
pub struct Coded {
    /// The text.
    pub text: String,
    alphabet: &'static Alphabet,
    padded: bool,
}

impl Coded {
    /// Reads a value; none if it is not base64 of a text.
    pub fn read(value: &str) -> Option<Self> {
        if value.len() < SHORTEST {
            return None;
        }
        let is_url_safe = value.bytes().any(|byte| matches!(byte, b'-' | b'_'));
        let coded = Self {
            text: String::new(),
            alphabet: if is_url_safe { &URL_SAFE } else { &STANDARD },
            padded: value.ends_with('='),
        };
        let engine = coded.engine();
        // Pictures and sound show at once that they are none.
        let front = engine
            .decode(value.get(..FRONT.min(value.len() & !3))?)
            .ok()?;
        let is_text = match core::str::from_utf8(&front) {
            Ok(text) => !has_controls(text),
            Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
        };
        let text = is_text.then(|| engine.decode(value).ok())??;
        let text = String::from_utf8(text).ok()?;
        (!has_controls(&text)).then_some(Self { text, ..coded })
    }

    /// Another text as this one was written.
    pub fn encode(&self, text: &str) -> String {
        self.engine().encode(text)
    }

    fn engine(&self) -> GeneralPurpose {
        let config = GeneralPurposeConfig::new()
            .with_encode_padding(self.padded)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(self.alphabet, config)
    }
}

fn has_controls(text: &str) -> bool {
    text.bytes()
        .any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_a_text_is_read_and_written_as_it_was() {
        for value in [
            "YW5uQGV4YW1wbGUuY29t",
            "YW5uQGV4YW1wbGUuY29tLg==",
            "YW5uQGV4YW1wbGUuY29tLg",
            "w7_Du8O7w7vDuw",
            "w7/Du8O7w7vDuw==",
        ] {
            let coded = Coded::read(value).unwrap();
            assert_eq!(coded.encode(&coded.text), value);
        }
        assert_eq!(
            Coded::read("YW5uQGV4YW1wbGUuY29t").unwrap().text,
            "ann@example.com"
        );
        let long = "ü".repeat(500);
        let value = Coded::read("YW5uQGV4YW1wbGUuY29t").unwrap().encode(&long);
        assert_eq!(Coded::read(&value).unwrap().text, long);
    }

    #[test]
    fn what_is_no_text_or_no_base64_is_left_out() {
        for value in [
            "",
            "aGVsbG8=",
            "not base64, but a sentence",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
            "data:text/plain;base64,YW5uQGV4YW1wbGUuY29t",
            "AAECAwQFBgcICQoLDA0ODw==",
            "YW5uQGV4YW1wbGUuY29t=",
            "YW5u-V4YW1wbGUu+29t",
        ] {
            assert!(Coded::read(value).is_none(), "{value}");
        }
    }
}
