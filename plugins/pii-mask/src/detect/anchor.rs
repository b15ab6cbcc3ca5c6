//! The bytes without which nothing that is looked for can begin or be recognised.

/// Whether a byte is an anchor: a digit, `:`, `;`, `@`, `I`, `J`, `_` or `-`.
const fn is_anchor(byte: u8) -> bool {
    matches!(byte, b'0'..=b';' | b'@' | b'I' | b'J' | b'_' | b'-')
}

/// What a byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Plain,
    Anchor,
    /// Part of a character beyond ASCII, which may read as an anchor.
    Foreign,
}

const TABLE: [Sort; 256] = {
    let mut table = [Sort::Plain; 256];
    let mut byte = 0_u8;
    loop {
        // The index is a byte: it is always inside.
        #[allow(clippy::indexing_slicing)]
        {
            table[byte as usize] = if is_anchor(byte) {
                Sort::Anchor
            } else if byte.is_ascii() {
                Sort::Plain
            } else {
                Sort::Foreign
            };
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    table
};

fn sort(byte: u8) -> Sort {
    TABLE
        .get(usize::from(byte))
        .copied()
        .unwrap_or(Sort::Anchor)
}

/// Whether a text has no anchor and reads as it is written: nothing can be found in it.
pub fn is_none_in(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let is_plain = |block: &[u8; 16]| {
        block.iter().fold(true, |plain, byte| {
            plain & !is_anchor(*byte) & byte.is_ascii()
        })
    };
    blocks.iter().all(is_plain) && rest.iter().all(|byte| sort(*byte) == Sort::Plain)
}

/// Bytes that are looked at one by one: in numbers the next anchor is near.
const NEAR: usize = 4;

/// The first anchor at or behind `from`.
pub fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let is_one = |byte: &u8| sort(*byte) == Sort::Anchor;
    let rest = bytes.get(from..)?;
    if let Some(found) = rest.iter().take(NEAR).position(is_one) {
        return Some(from.saturating_add(found));
    }
    let from = from.saturating_add(NEAR);
    let rest = bytes.get(from..)?;
    // Blocks without an anchor are passed over whole; the compiler turns the fold into vector
    // compares where it can.
    let (blocks, _) = rest.as_chunks::<16>();
    let free = blocks
        .iter()
        .take_while(|block| !block.iter().fold(false, |hit, byte| hit | is_anchor(*byte)))
        .count();
    let from = from.saturating_add(free.saturating_mul(16));
    let rest = bytes.get(from..)?;
    let found = rest.iter().position(is_one)?;
    Some(from.saturating_add(found))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_has_no_anchor_may_read_otherwise() {
        assert!(super::is_none_in(b"") && super::is_none_in(&[b'x'; 70]));
        for at in 0..70 {
            let mut bytes = [b'x'; 70];
            bytes[at] = 0xc3;
            assert!(!super::is_none_in(&bytes));
        }
    }

    #[test]
    fn every_anchor_is_found_wherever_it_stands() {
        for anchor in *b"0129:;@IJ_-" {
            for at in 0..70 {
                let mut bytes = vec![b'x'; 70];
                bytes[at] = anchor;
                assert_eq!(super::next(&bytes, 0), Some(at));
                assert_eq!(super::next(&bytes, at), Some(at));
                assert_eq!(super::next(&bytes, at + 1), None);
                assert!(!super::is_none_in(&bytes));
            }
        }
    }
}
