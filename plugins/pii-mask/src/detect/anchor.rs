//! The bytes without which nothing that is looked for can begin or be recognised.

/// Whether a byte is an anchor: a digit, `:`, `@`, `I`, `J`, `_` or `-`.
const fn is_anchor(byte: u8) -> bool {
    matches!(byte, b'0'..=b':' | b'@' | b'I' | b'J' | b'_' | b'-')
}

const TABLE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        // The index is a byte: it is always inside.
        #[allow(clippy::indexing_slicing)]
        {
            table[byte as usize] = is_anchor(byte);
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    table
};

/// The first anchor at or behind `from`.
pub fn next(bytes: &[u8], from: usize) -> Option<usize> {
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
    let found = rest
        .iter()
        .position(|byte| TABLE.get(usize::from(*byte)) == Some(&true))?;
    Some(from.saturating_add(found))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_anchor_is_found_wherever_it_stands() {
        for anchor in *b"0129:@IJ_-" {
            for at in 0..70 {
                let mut bytes = vec![b'x'; 70];
                bytes[at] = anchor;
                assert_eq!(super::next(&bytes, 0), Some(at));
                assert_eq!(super::next(&bytes, at), Some(at));
                assert_eq!(super::next(&bytes, at + 1), None);
            }
        }
    }
}
