//! Modular exponentiation with a public exponent, the one operation that RSA verification needs.
//!
//! Montgomery multiplication (FIOS: Koç, Acar, Kaliski, "Analyzing and Comparing Montgomery
//! Multiplication Algorithms", 1996) on 32-bit limbs, whose products a wasm module multiplies in
//! one instruction. Everything here is public (key, signature), so it takes no care to be constant
//! in time and must never be given a private exponent.

use std::cell::Cell;
use std::cmp::Ordering;

/// An odd modulus, ready for multiplication. Numbers are little-endian limbs, as many as the
/// modulus has.
#[derive(Clone)]
pub(super) struct Modulus {
    limbs: Vec<u32>,
    /// Minus the inverse of the lowest limb, modulo 2^32.
    factor: u32,
    /// R² modulo the modulus, where R is 2 to the number of bits in all limbs.
    square: Vec<u32>,
    bits: usize,
}

impl Modulus {
    /// Takes big-endian bytes; `None` for an even number and for one.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut limbs = limbs_of(bytes);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        let (lowest, highest) = (*limbs.first()?, *limbs.last()?);
        if lowest & 1 == 0 || limbs == [1] {
            return None;
        }
        // Newton's iteration doubles the number of right bits each time; an odd number is its own
        // inverse modulo 8.
        let inverse = (0..4).fold(lowest, |x, _| {
            x.wrapping_mul(2_u32.wrapping_sub(lowest.wrapping_mul(x)))
        });
        let whole = limbs.len().saturating_mul(32);
        let bits = whole.saturating_sub(highest.leading_zeros() as usize);
        let mut modulus = Self {
            limbs,
            factor: inverse.wrapping_neg(),
            square: Vec::new(),
            bits,
        };
        modulus.square = modulus.radix_squared(whole);
        Some(modulus)
    }

    /// Length in bits.
    pub(super) const fn bits(&self) -> usize {
        self.bits
    }

    /// `base` to the power of `exponent`, as long as the modulus in bytes; `None` unless `base` is
    /// below the modulus.
    pub(super) fn power(&self, base: &[u8], exponent: u64) -> Option<Vec<u8>> {
        let mut number = limbs_of(base);
        while number.len() > self.limbs.len() && number.last() == Some(&0) {
            number.pop();
        }
        if number.len() > self.limbs.len() {
            return None;
        }
        number.resize(self.limbs.len(), 0);
        if compare(&number, &self.limbs) != Ordering::Less {
            return None;
        }
        let base = self.multiply(&number, &self.square);
        let top = 63_u32.checked_sub(exponent.leading_zeros())?;
        let power = (0..top).rev().fold(base.clone(), |power, bit| {
            let squared = self.multiply(&power, &power);
            if (exponent >> bit) & 1 == 1 {
                self.multiply(&squared, &base)
            } else {
                squared
            }
        });
        let mut one = vec![0; self.limbs.len()];
        *one.first_mut()? = 1;
        Some(bytes_of(
            &self.multiply(&power, &one),
            self.bits.div_ceil(8),
        ))
    }

    /// R² by way of R: doubled from the highest power of two below the modulus, then raised in
    /// Montgomery form.
    fn radix_squared(&self, whole: usize) -> Vec<u32> {
        let mut number = vec![0; self.limbs.len()];
        let top = self.bits.saturating_sub(1);
        if let Some(limb) = number.get_mut(top / 32) {
            *limb = 1 << (top % 32);
        }
        for _ in top..whole {
            self.double(&mut number);
        }
        // Now the Montgomery form of 1. That of 2 to the power of `whole`, bit by bit of `whole`,
        // is what we want.
        let one = number.clone();
        (0..usize::BITS.saturating_sub(whole.leading_zeros()))
            .rev()
            .fold(one, |power, bit| {
                let mut squared = self.multiply(&power, &power);
                if (whole >> bit) & 1 == 1 {
                    self.double(&mut squared);
                }
                squared
            })
    }

    fn double(&self, number: &mut [u32]) {
        let mut carry = 0;
        for limb in number.iter_mut() {
            let high = *limb >> 31;
            *limb = (*limb << 1) | carry;
            carry = high;
        }
        if carry == 1 || compare(number, &self.limbs) != Ordering::Less {
            subtract(number, &self.limbs);
        }
    }

    /// `a * b / R` modulo the modulus; both below it.
    fn multiply(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let mut total = vec![0_u32; self.limbs.len()];
        let mut over = 0_u32;
        let (Some((b_first, b_rest)), Some((n_first, n_rest))) =
            (b.split_first(), self.limbs.split_first())
        else {
            return total;
        };
        for digit in a {
            let digit = u64::from(*digit);
            let cells = Cell::from_mut(total.as_mut_slice()).as_slice_of_cells();
            let Some(lowest) = cells.first() else { break };
            let product = digit * u64::from(*b_first) + u64::from(lowest.get());
            let quotient = u64::from((product as u32).wrapping_mul(self.factor));
            let reduced = quotient * u64::from(*n_first) + (product & LOW);
            let (mut carry, mut borrow) = (product >> 32, reduced >> 32);
            // No sum overflows: (2^32 - 1)² + 2 (2^32 - 1) is 2^64 - 1.
            for (((out, next), b), n) in cells
                .iter()
                .zip(cells.iter().skip(1))
                .zip(b_rest)
                .zip(n_rest)
            {
                let product = digit * u64::from(*b) + u64::from(next.get()) + carry;
                let reduced = quotient * u64::from(*n) + (product & LOW) + borrow;
                out.set(reduced as u32);
                carry = product >> 32;
                borrow = reduced >> 32;
            }
            let highest = u64::from(over) + carry + borrow;
            if let Some(out) = cells.last() {
                out.set(highest as u32);
            }
            over = (highest >> 32) as u32;
        }
        if over == 1 || compare(&total, &self.limbs) != Ordering::Less {
            subtract(&mut total, &self.limbs);
        }
        total
    }
}

const LOW: u64 = 0xffff_ffff;

fn compare(a: &[u32], b: &[u32]) -> Ordering {
    a.iter().rev().cmp(b.iter().rev())
}

/// Takes `b` from `a`, modulo R.
fn subtract(a: &mut [u32], b: &[u32]) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (difference, first) = a.overflowing_sub(*b);
        let (difference, second) = difference.overflowing_sub(u32::from(borrow));
        *a = difference;
        borrow = first || second;
    }
}

fn limbs_of(bytes: &[u8]) -> Vec<u32> {
    bytes
        .rchunks(4)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |limb, byte| (limb << 8) | u32::from(*byte))
        })
        .collect()
}

fn bytes_of(limbs: &[u32], length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = limbs
        .iter()
        .flat_map(|limb| limb.to_le_bytes())
        .take(length)
        .collect();
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use ::rsa::BoxedUint;
    use ::rsa::RsaPublicKey;
    use ::rsa::hazmat::rsa_encrypt;
    use proptest::prelude::*;

    use super::*;

    /// The same by schoolbook arithmetic on 64-bit numbers.
    fn small_power(base: u64, exponent: u64, modulus: u64) -> u64 {
        let (mut power, mut square, mut left) = (1_u128, u128::from(base), exponent);
        while left > 0 {
            if left & 1 == 1 {
                power = power * square % u128::from(modulus);
            }
            square = square * square % u128::from(modulus);
            left >>= 1;
        }
        u64::try_from(power % u128::from(modulus)).unwrap()
    }

    #[test]
    fn even_numbers_and_one_are_no_modulus() {
        for bytes in [&[][..], &[0], &[1], &[0, 0, 0, 0, 1], &[2], &[1, 0]] {
            assert!(Modulus::new(bytes).is_none(), "{bytes:?}");
        }
        assert_eq!(Modulus::new(&[0, 3]).unwrap().bits(), 2);
    }

    #[test]
    fn a_base_that_is_not_below_the_modulus_is_refused() {
        let modulus = Modulus::new(&[1, 0, 1]).unwrap();
        assert_eq!(modulus.power(&[1, 0, 1], 3), None);
        assert_eq!(modulus.power(&[1, 0, 0, 0, 0], 3), None);
        assert_eq!(modulus.power(&[0, 0, 0, 0, 0, 2], 3), Some(vec![0, 0, 8]));
        assert_eq!(modulus.power(&[2], 0), None, "no exponent of RSA is 0");
    }

    proptest! {
        #[test]
        fn small_numbers_agree_with_schoolbook_arithmetic(base: u64, exponent in 1_u64.., modulus: u64, shift in 0_u32..60) {
            let modulus = (modulus >> shift) | 3;
            let base = base % modulus;
            let power = Modulus::new(&modulus.to_be_bytes()).unwrap().power(&base.to_be_bytes(), exponent).unwrap();
            let power = power.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
            prop_assert_eq!(power, small_power(base, exponent, modulus));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn large_numbers_agree_with_another_implementation(
            mut modulus in proptest::collection::vec(any::<u8>(), 128..520),
            base in proptest::collection::vec(any::<u8>(), 1..520),
            exponent in 1_u32..,
            edge in 0..4_u8,
        ) {
            // Limbs of all ones and all zeros are where carries go wrong.
            match edge {
                0 => modulus.fill(0xff),
                1 => { modulus.fill(0); modulus[0] = 0x80; }
                _ => {}
            }
            modulus[0] |= 1;
            let last = modulus.len() - 1;
            modulus[last] |= 1;
            let exponent = u64::from(exponent) | 1;
            prop_assume!(exponent > 2);
            let base = &base[..base.len().min(modulus.len() - 1)];
            let number = BoxedUint::from_be_slice_vartime;
            let key = RsaPublicKey::new_with_size_limits(number(&modulus), number(&exponent.to_be_bytes()), 2..=8192).unwrap();
            let expected = rsa_encrypt(&key, &number(base)).unwrap().to_be_bytes();
            let power = Modulus::new(&modulus).unwrap().power(base, exponent).unwrap();
            let trim = |bytes: &[u8]| { let zeros = bytes.iter().take_while(|byte| **byte == 0).count(); bytes[zeros..].to_vec() };
            prop_assert_eq!(trim(&power), trim(&expected));
        }
    }
}
