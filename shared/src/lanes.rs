//! Sixty-four bytes of a text at a time: which of them are of a kind, as the bits of a number, the
//! first byte's the lowest.
//!
//! With the SIMD of WebAssembly or of x86-64 a question costs two instructions or three for sixteen
//! bytes; elsewhere there are numbers of eight bytes, with a few instructions each.

/// Bytes that are looked at together.
pub const WIDTH: usize = 64;

/// Sixty-four bytes.
#[derive(Debug, Clone, Copy)]
pub struct Lanes([Vector; 4]);

/// Which of them are of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Kind([Vector; 4]);

impl Lanes {
    /// These bytes.
    #[must_use]
    #[inline(always)]
    pub fn new(bytes: &[u8; WIDTH]) -> Self {
        let (vectors, _) = bytes.as_chunks::<16>();
        Self(match vectors {
            [a, b, c, d] => [load(a), load(b), load(c), load(d)],
            _ => [load(&[0; 16]); 4],
        })
    }

    /// The first bytes of a text, and zeros where it is shorter.
    #[must_use]
    #[inline]
    pub fn front(text: &[u8]) -> Self {
        match text.first_chunk() {
            Some(bytes) => Self::new(bytes),
            None => {
                let mut bytes = [0; WIDTH];
                if let Some(front) = bytes.get_mut(..text.len()) {
                    front.copy_from_slice(text);
                }
                Self::new(&bytes)
            }
        }
    }

    /// Those that are this byte.
    #[must_use]
    #[inline(always)]
    pub fn are(self, byte: u8) -> Kind {
        Kind(each(self.0, |lanes| equal(lanes, byte)))
    }

    /// Those between these two, both included.
    #[must_use]
    #[inline(always)]
    pub fn between(self, low: u8, high: u8) -> Kind {
        let width = high.wrapping_sub(low);
        Kind(each(self.0, |lanes| below(minus(lanes, low), width)))
    }

    /// Whether all of them are ASCII.
    #[must_use]
    #[inline(always)]
    pub fn are_ascii(self) -> bool {
        let [a, b, c, d] = self.0;
        mask(either(either(a, b), either(c, d))) == 0
    }

    /// ASCII letters.
    #[must_use]
    #[inline(always)]
    pub fn letters(self) -> Kind {
        Self(each(self.0, lower)).between(b'a', b'z')
    }
}

impl Kind {
    /// The same as bits.
    #[must_use]
    #[inline(always)]
    pub fn bits(self) -> u64 {
        let [a, b, c, d] = self.0;
        let bits = |lanes| u64::from(mask(lanes));
        bits(a) | bits(b) << 16 | bits(c) << 32 | bits(d) << 48
    }
}

/// Without a loop, which would be a call.
#[inline(always)]
fn each([a, b, c, d]: [Vector; 4], to: impl Fn(Vector) -> Vector) -> [Vector; 4] {
    [to(a), to(b), to(c), to(d)]
}

impl core::ops::BitOr for Kind {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([either(a, e), either(b, f), either(c, g), either(d, h)])
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm::*;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use core::arch::wasm32 as arch;

    pub type Vector = arch::v128;

    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        let whole = u128::from_le_bytes(*bytes);
        #[allow(clippy::cast_possible_truncation)] // its two halves
        arch::u64x2(whole as u64, (whole >> 64) as u64)
    }

    #[inline(always)]
    pub fn equal(lanes: Vector, byte: u8) -> Vector {
        arch::u8x16_eq(lanes, arch::u8x16_splat(byte))
    }

    #[inline(always)]
    pub fn minus(lanes: Vector, byte: u8) -> Vector {
        arch::u8x16_sub(lanes, arch::u8x16_splat(byte))
    }

    #[inline(always)]
    pub fn below(lanes: Vector, most: u8) -> Vector {
        arch::u8x16_le(lanes, arch::u8x16_splat(most))
    }

    #[inline(always)]
    pub fn lower(lanes: Vector) -> Vector {
        arch::v128_or(lanes, arch::u8x16_splat(0x20))
    }

    #[inline(always)]
    pub fn either(a: Vector, b: Vector) -> Vector {
        arch::v128_or(a, b)
    }

    #[inline(always)]
    pub fn mask(lanes: Vector) -> u16 {
        arch::u8x16_bitmask(lanes)
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use x86::*;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86 {
    use safe_arch as arch;

    pub type Vector = arch::m128i;

    #[inline(always)]
    fn all(byte: u8) -> Vector {
        arch::set_splat_i8_m128i(byte.cast_signed())
    }

    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        Vector::from(*bytes)
    }

    #[inline(always)]
    pub fn equal(lanes: Vector, byte: u8) -> Vector {
        arch::cmp_eq_mask_i8_m128i(lanes, all(byte))
    }

    #[inline(always)]
    pub fn minus(lanes: Vector, byte: u8) -> Vector {
        arch::sub_i8_m128i(lanes, all(byte))
    }

    #[inline(always)]
    pub fn below(lanes: Vector, most: u8) -> Vector {
        arch::cmp_eq_mask_i8_m128i(arch::min_u8_m128i(lanes, all(most)), lanes)
    }

    #[inline(always)]
    pub fn lower(lanes: Vector) -> Vector {
        arch::bitor_m128i(lanes, all(0x20))
    }

    #[inline(always)]
    pub fn either(a: Vector, b: Vector) -> Vector {
        arch::bitor_m128i(a, b)
    }

    #[inline(always)]
    pub fn mask(lanes: Vector) -> u16 {
        let [low, high, ..] = arch::move_mask_i8_m128i(lanes).to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

#[cfg(not(any(
    all(target_arch = "wasm32", target_feature = "simd128"),
    all(target_arch = "x86_64", target_feature = "sse2")
)))]
use plain::*;
/// Eight bytes in a number. Of a kind only the highest bit of each byte counts.
#[cfg(not(any(
    all(target_arch = "wasm32", target_feature = "simd128"),
    all(target_arch = "x86_64", target_feature = "sse2")
)))]
mod plain {
    pub type Vector = [u64; 2];

    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    const LOW: u64 = !HIGH;

    fn all(byte: u8) -> u64 {
        ONES.wrapping_mul(u64::from(byte))
    }

    #[inline(always)]
    fn each([a, b]: Vector, to: impl Fn(u64) -> u64) -> Vector {
        [to(a), to(b)]
    }

    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        match bytes.as_chunks::<8>().0 {
            [a, b] => [u64::from_le_bytes(*a), u64::from_le_bytes(*b)],
            _ => [0; 2],
        }
    }

    #[inline(always)]
    pub fn equal(lanes: Vector, byte: u8) -> Vector {
        each(lanes, |lanes| {
            let other = lanes ^ all(byte);
            !((other & LOW).wrapping_add(LOW) | other) & HIGH
        })
    }

    #[inline(always)]
    pub fn minus(lanes: Vector, byte: u8) -> Vector {
        each(lanes, |lanes| {
            let byte = all(byte);
            (lanes | HIGH).wrapping_sub(byte & LOW) ^ ((lanes ^ !byte) & HIGH)
        })
    }

    #[inline(always)]
    pub fn below(lanes: Vector, most: u8) -> Vector {
        // Those that are more carry over.
        let room = all(!most);
        each(lanes, |lanes| {
            let sum = (lanes & LOW).wrapping_add(room & LOW);
            !(lanes & room | (lanes | room) & sum) & HIGH
        })
    }

    #[inline(always)]
    pub fn lower(lanes: Vector) -> Vector {
        each(lanes, |lanes| lanes | all(0x20))
    }

    #[inline(always)]
    pub fn either([a, b]: Vector, [c, d]: Vector) -> Vector {
        [a | c, b | d]
    }

    #[inline(always)]
    pub fn mask([a, b]: Vector) -> u16 {
        // The highest bits of eight bytes side by side in the highest byte.
        const GATHER: u64 = 0x0002_0408_1020_4081;
        let gathered = |lanes: u64| {
            let [.., bits] = (lanes & HIGH).wrapping_mul(GATHER).to_le_bytes();
            bits
        };
        u16::from_le_bytes([gathered(a), gathered(b)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(bytes: &[u8; WIDTH], is: impl Fn(u8) -> bool) -> u64 {
        let bytes = bytes.iter().rev();
        bytes.fold(0, |bits, byte| bits << 1 | u64::from(is(*byte)))
    }

    fn text(from: u8) -> [u8; WIDTH] {
        let mut next = from;
        [0; WIDTH].map(|_| {
            next = next.wrapping_mul(5).wrapping_add(89);
            next
        })
    }

    #[test]
    fn every_byte_is_told_at_every_place() {
        for from in 0..=u8::MAX {
            let bytes = text(from);
            let lanes = Lanes::new(&bytes);
            assert_eq!(lanes.are(from).bits(), bits(&bytes, |byte| byte == from));
            assert_eq!(
                lanes.between(b'0', b'9').bits(),
                bits(&bytes, |byte| byte.is_ascii_digit())
            );
            assert_eq!(
                lanes.between(from, u8::MAX).bits(),
                bits(&bytes, |byte| byte >= from)
            );
            assert_eq!(
                lanes.letters().bits(),
                bits(&bytes, |byte| byte.is_ascii_alphabetic())
            );
            assert_eq!(lanes.are_ascii(), bytes.is_ascii());
            let ascii = Lanes::new(&bytes.map(|byte| byte & 0x7f));
            assert!(ascii.are_ascii());
            let both = lanes.are(b'-') | lanes.are(from);
            assert_eq!(
                both.bits(),
                bits(&bytes, |byte| byte == b'-' || byte == from)
            );
        }
    }

    #[test]
    fn what_a_text_lacks_is_zero() {
        for length in 0..=WIDTH + 3 {
            let text = vec![b'x'; length];
            let expected = (0..length.min(WIDTH)).fold(0_u64, |bits, at| bits | 1 << at);
            assert_eq!(Lanes::front(&text).are(b'x').bits(), expected);
        }
    }
}
