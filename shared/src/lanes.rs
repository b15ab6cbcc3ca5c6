//! Sixty-four bytes of a text at a time: which of them are of a kind, as the bits of a number, the
//! first byte's the lowest.
//!
//! With SIMD (WebAssembly's, SSE2) a question costs two instructions for sixteen bytes; elsewhere
//! the compiler does what it can.

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

#[cfg(target_arch = "x86_64")]
use sse2::*;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // these instructions need SSE2, which every x86-64 has
mod sse2 {
    use core::arch::x86_64 as arch;

    pub type Vector = arch::__m128i;

    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        let whole = i128::from_le_bytes(*bytes);
        #[allow(clippy::cast_possible_truncation)] // its two halves
        // SAFETY: x86-64 has SSE2.
        unsafe {
            arch::_mm_set_epi64x((whole >> 64) as i64, whole as i64)
        }
    }

    #[inline(always)]
    fn all(byte: u8) -> Vector {
        // SAFETY: x86-64 has SSE2.
        unsafe { arch::_mm_set1_epi8(byte.cast_signed()) }
    }

    #[inline(always)]
    pub fn equal(lanes: Vector, byte: u8) -> Vector {
        // SAFETY: x86-64 has SSE2.
        unsafe { arch::_mm_cmpeq_epi8(lanes, all(byte)) }
    }

    #[inline(always)]
    pub fn minus(lanes: Vector, byte: u8) -> Vector {
        // SAFETY: x86-64 has SSE2.
        unsafe { arch::_mm_sub_epi8(lanes, all(byte)) }
    }

    #[inline(always)]
    pub fn below(lanes: Vector, most: u8) -> Vector {
        // SAFETY: x86-64 has SSE2.
        unsafe { arch::_mm_cmpeq_epi8(arch::_mm_min_epu8(lanes, all(most)), lanes) }
    }

    #[inline(always)]
    pub fn lower(lanes: Vector) -> Vector {
        // SAFETY: x86-64 has SSE2.
        unsafe { arch::_mm_or_si128(lanes, all(0x20)) }
    }

    #[inline(always)]
    pub fn either(a: Vector, b: Vector) -> Vector {
        // SAFETY: x86-64 has SSE2.
        unsafe { arch::_mm_or_si128(a, b) }
    }

    #[inline(always)]
    pub fn mask(lanes: Vector) -> u16 {
        // SAFETY: x86-64 has SSE2.
        let bits = unsafe { arch::_mm_movemask_epi8(lanes) };
        let [low, high, ..] = bits.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
use plain::*;
#[cfg(any(
    test,
    not(any(
        target_arch = "x86_64",
        all(target_arch = "wasm32", target_feature = "simd128")
    ))
))]
mod plain {
    pub type Vector = [u8; 16];

    const YES: u8 = u8::MAX;

    fn yes(is: bool) -> u8 {
        if is { YES } else { 0 }
    }

    pub fn load(bytes: &[u8; 16]) -> Vector {
        *bytes
    }

    pub fn equal(lanes: Vector, byte: u8) -> Vector {
        lanes.map(|lane| yes(lane == byte))
    }

    pub fn minus(lanes: Vector, byte: u8) -> Vector {
        lanes.map(|lane| lane.wrapping_sub(byte))
    }

    pub fn below(lanes: Vector, most: u8) -> Vector {
        lanes.map(|lane| yes(lane <= most))
    }

    pub fn lower(lanes: Vector) -> Vector {
        lanes.map(|lane| lane | 0x20)
    }

    pub fn either(a: Vector, b: Vector) -> Vector {
        (u128::from_le_bytes(a) | u128::from_le_bytes(b)).to_le_bytes()
    }

    pub fn mask(lanes: Vector) -> u16 {
        let bits = lanes.iter().rev();
        bits.fold(0, |bits, lane| bits << 1 | u16::from(lane >> 7))
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

    /// The form for processors without SIMD here, beside the one that this processor has.
    #[test]
    fn without_simd_it_is_the_same() {
        for from in 0..=u8::MAX {
            let bytes = text(from);
            let bytes: &[u8; 16] = bytes.first_chunk().unwrap();
            let (here, there) = (load(bytes), plain::load(bytes));
            assert_eq!(
                mask(equal(here, from)),
                plain::mask(plain::equal(there, from))
            );
            let (here, there) = (
                minus(lower(here), from),
                plain::minus(plain::lower(there), from),
            );
            assert_eq!(mask(below(here, 70)), plain::mask(plain::below(there, 70)));
            assert_eq!(
                mask(either(below(here, 9), equal(here, 80))),
                plain::mask(plain::either(
                    plain::below(there, 9),
                    plain::equal(there, 80)
                ))
            );
        }
    }
}
