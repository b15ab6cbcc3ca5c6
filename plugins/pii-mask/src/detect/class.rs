//! What bytes belong to, in a table: one look for a byte, however many it may be.

/// Letters and digits, and what base64 in URLs has besides.
const BASE64_URL: u8 = 1;
/// Letters and digits, `+` and `/`.
const BASE64: u8 = 2;
/// What may stand in a value in running text.
const VALUE: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        if byte.is_ascii_alphanumeric() {
            class |= BASE64_URL | BASE64 | VALUE;
        }
        if matches!(byte, b'-' | b'_') {
            class |= BASE64_URL;
        }
        if matches!(byte, b'+' | b'/') {
            class |= BASE64;
        }
        if matches!(
            byte,
            b'-' | b'_' | b'.' | b'+' | b'/' | b'~' | b'%' | b'@' | b'^' | b'*' | b'$' | b'!'
        ) {
            class |= VALUE;
        }
        // The index is a byte: it is always inside.
        #[allow(clippy::indexing_slicing)]
        {
            classes[byte as usize] = class;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default() & class != 0
}

/// Whether base64 in URLs and file names has it (RFC 4648 section 5).
#[inline]
pub fn base64_url(byte: u8) -> bool {
    is(byte, BASE64_URL)
}

/// Whether base64 has it (RFC 4648 section 4).
#[inline]
pub fn base64(byte: u8) -> bool {
    is(byte, BASE64)
}

/// Whether it may stand in a value in running text.
#[inline]
pub fn in_value(byte: u8) -> bool {
    is(byte, VALUE)
}
