//! What bytes belong to, in a table: one look for a byte, however many it may be.

use modelgate_kit::lanes::Lanes;

/// Letters and digits, and what base64 in URLs has besides.
const BASE64_URL: u8 = 1;
/// Letters and digits, `+` and `/`.
const BASE64: u8 = 2;
/// What may stand in a value in running text.
const VALUE: u8 = 4;
/// What stands directly in front of a value that is told by what stands there.
const TELLS: u8 = 8;
/// What makes digits behind it a part of something longer: a word, a path, a version, an escape, a
/// parameter.
const JOINS: u8 = 16;
/// What may stand in the name of a column.
const COLUMN: u8 = 32;
/// What stands between the cells of a table.
const DIVIDES: u8 = 64;

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
            b'-' | b'_'
                | b'.'
                | b'+'
                | b'/'
                | b'~'
                | b'%'
                | b'@'
                | b'^'
                | b'*'
                | b'$'
                | b'!'
                | b'#'
        ) {
            class |= VALUE;
        }
        if matches!(
            byte,
            b'=' | b':' | b'>' | b' ' | b'\t' | b'"' | b'\'' | b'`'
        ) {
            class |= TELLS;
        }
        if class & (BASE64 | BASE64_URL) != 0 || matches!(byte, b'.' | b'=' | b'%' | b'\\') {
            class |= JOINS;
        }
        if byte.is_ascii_alphanumeric()
            || byte >= 0x80
            || matches!(
                byte,
                b' ' | b'_' | b'-' | b'/' | b'#' | b'(' | b')' | b'"' | b'\'' | b'\r'
            )
        {
            class |= COLUMN;
        }
        if matches!(byte, b'\t' | b';' | b'|' | b',') {
            class |= DIVIDES;
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

/// How many bytes at the front of a block are base64's.
#[inline]
pub fn base64_front(lanes: Lanes) -> usize {
    let signs = lanes.between(b'/', b'9') | lanes.are(b'+');
    let front = (signs | lanes.letters()).bits().trailing_ones();
    usize::try_from(front).unwrap_or_default()
}

/// Whether it may stand in a value in running text.
#[inline]
pub fn in_value(byte: u8) -> bool {
    is(byte, VALUE)
}

/// Whether a value in front of which it stands may be told by what it ends.
#[inline]
pub fn tells(byte: u8) -> bool {
    is(byte, TELLS)
}

/// Whether digits directly behind it may belong to a word, a path, a version or a parameter.
#[inline]
pub fn joins(byte: u8) -> bool {
    is(byte, JOINS)
}

/// Whether it may stand in the name of a column.
#[inline]
pub fn in_column(byte: u8) -> bool {
    is(byte, COLUMN)
}

/// Whether it may stand between the cells of a table.
#[inline]
pub fn divides(byte: u8) -> bool {
    is(byte, DIVIDES)
}

/// How many bytes at the end of a text are of a kind, of the last `most`.
#[inline]
pub fn ending(text: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    let near = text.get(text.len().saturating_sub(most)..);
    let near = near.unwrap_or_default();
    let mut front = near;
    while let [rest @ .., last] = front {
        if !is(*last) {
            break;
        }
        front = rest;
    }
    near.len().saturating_sub(front.len())
}

/// The same at its front.
#[inline]
pub fn beginning(text: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    let near = text.get(..text.len().min(most)).unwrap_or_default();
    let end = near.iter().position(|byte| !is(*byte));
    end.unwrap_or(near.len())
}
