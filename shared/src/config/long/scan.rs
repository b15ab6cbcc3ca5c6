//! Finds where a JSON value ends, without reading it.

use memchr::memchr2;

/// White space of JSON (RFC 8259 section 2).
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Finds the end of a value.
#[derive(Default)]
pub(super) struct Scan {
    begun: bool,
    depth: usize,
    in_text: bool,
    escaped: bool,
    scalar: bool,
}

impl Scan {
    /// Where it ends, if it does in this piece: behind its last byte.
    pub(super) fn end(&mut self, piece: &[u8]) -> Option<usize> {
        if !self.begun {
            self.begun = true;
            let first = piece.first()?;
            self.scalar = !matches!(first, b'{' | b'[' | b'"');
        }
        if self.scalar {
            return piece
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']') || is_space(*byte));
        }
        let mut at = 0_usize;
        loop {
            if self.in_text {
                if self.escaped {
                    // It may be the first byte of the next piece.
                    piece.get(at)?;
                    self.escaped = false;
                    at = at.saturating_add(1);
                }
                at = at.saturating_add(memchr2(b'"', b'\\', piece.get(at..)?)?);
                if piece.get(at) == Some(&b'\\') {
                    self.escaped = true;
                } else {
                    self.in_text = false;
                }
            } else {
                match piece.get(at)? {
                    b'"' => self.in_text = true,
                    b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            at = at.saturating_add(1);
            if self.depth == 0 && !self.in_text {
                return Some(at);
            }
        }
    }
}
