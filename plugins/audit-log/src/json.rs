//! Writes JSON values at the end of a byte buffer (RFC 8259). Text is escaped by `serde_json`;
//! nothing is parsed here.

/// Appends `text` as a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    // Without a branch in it, so that several bytes are looked at in one step.
    let plain = text.bytes().fold(true, |plain, byte| {
        plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
    });
    if plain {
        // Nearly every text: nothing to escape.
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Cannot fail: a vector takes every byte, and a `str` is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}

/// Appends `name` as a JSON string; it is this crate's own and has nothing to escape.
pub fn name(out: &mut Vec<u8>, name: &'static str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

/// Appends `number` in decimal.
pub fn number(out: &mut Vec<u8>, number: u64) {
    let _ = serde_json::to_writer(out, &number);
}

/// Appends `number` in decimal between quotation marks, as Protobuf's JSON mapping writes 64-bit
/// integers.
pub fn quoted_number(out: &mut Vec<u8>, value: u64) {
    out.push(b'"');
    number(out, value);
    out.push(b'"');
}

/// Appends what `write` writes for each item, with commas between.
pub fn separated<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_is_read_back(text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(text));
        }
    }

    #[test]
    fn items_are_separated_by_commas() {
        let mut out = Vec::new();
        separated(&mut out, [1, 2, 3], number);
        assert_eq!(out, b"1,2,3");
        quoted_number(&mut out, 4);
        assert_eq!(out, b"1,2,3\"4\"");
    }
}
