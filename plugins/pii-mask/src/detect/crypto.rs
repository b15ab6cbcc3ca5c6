//! Addresses of cryptocurrencies: Base58Check (Bitcoin, Litecoin, Dogecoin, Tron), Bech32 and
//! Bech32m (BIP 173, BIP 350), and of Ethereum and its kin: `0x` and forty hexadecimal digits whose
//! cases are the check of EIP-55, or in any cases beside a word.

use super::id::{Id, Ids};
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;
use keccak::Keccak;
use sha2::{Digest, Sha256};

/// How addresses begin that a check tells: version bytes follow from it.
const BASE58_FRONTS: &[u8] = b"13LMD9AT";
const PREFIXES: [&[u8]; 3] = [b"bc1", b"ltc1", b"tb1"];

fn finding(span: Range<usize>, certainty: Certainty) -> Finding {
    Finding {
        span,
        entity: Entity::CryptoAddress,
        certainty,
        quotes: None,
    }
}

/// The address that these letters and digits are, by its check.
pub fn alone(scene: Scene<'_>, run: &Range<usize>) -> Option<Finding> {
    if run.len() < 26 || !scene.wanted.has(Entity::CryptoAddress) {
        return None;
    }
    let text = scene.bytes.get(run.clone())?;
    let ended = !matches!(scene.bytes.get(run.end), Some(b'_' | b'+' | b'='));
    let certainty = if (26..=35).contains(&text.len())
        && text
            .first()
            .is_some_and(|first| BASE58_FRONTS.contains(first))
    {
        base58(text).then_some(Certainty::Check)?
    } else if text.len() == 42 && text.starts_with(b"0x") {
        eip55(text.get(2..)?).then_some(Certainty::Check)?
    } else if PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        bech32(text).then_some(Certainty::Check)?
    } else {
        return None;
    };
    ended.then(|| finding(run.clone(), certainty))
}

/// The address of Ethereum that words beside it call one.
pub fn called(scene: Scene<'_>, run: &Range<usize>, said: Ids) -> Option<Finding> {
    let text = scene.bytes.get(run.clone())?;
    let fits = said.has(Id::Crypto)
        && text.len() == 42
        && text.starts_with(b"0x")
        && text.iter().skip(2).all(u8::is_ascii_hexdigit);
    fits.then(|| finding(run.clone(), Certainty::Context))
}

/// Whether forty hexadecimal digits have the cases that EIP-55 gives them: a letter is a capital
/// where the digit at its place of the hash (Keccak-256, of the digits in small letters) is 8 or
/// more. In one case they are no address by themselves.
fn eip55(digits: &[u8]) -> bool {
    /// Lanes of 64 bits in a block, whose last byte ends the padding.
    const LANES: usize = 17;
    let mixed =
        digits.iter().any(u8::is_ascii_uppercase) && digits.iter().any(u8::is_ascii_lowercase);
    if !mixed || !digits.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    // Keccak's own padding, which is not that of SHA-3.
    let padded = digits.iter().map(u8::to_ascii_lowercase).chain([1]);
    let mut state = [0_u64; 25];
    for (at, byte) in padded.enumerate() {
        if let Some(lane) = state.get_mut(at / 8) {
            *lane ^= u64::from(byte) << (at % 8 * 8);
        }
    }
    if let Some(lane) = state.get_mut(LANES - 1) {
        *lane ^= 1 << 63;
    }
    Keccak::new().with_f1600(|permute| permute(&mut state));
    let hash = state.iter().flat_map(|lane| lane.to_le_bytes());
    let nibbles = hash.flat_map(|byte| [byte >> 4, byte & 15]);
    digits.iter().zip(nibbles).all(|(digit, nibble)| {
        !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (nibble >= 8)
    })
}

/// Whether a text is 21 bytes and the front of their hash, in Bitcoin's alphabet.
fn base58(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0_u8; 25];
    for letter in text {
        let Some(value) = ALPHABET.iter().position(|known| known == letter) else {
            return false;
        };
        let mut carry = u32::try_from(value).unwrap_or_default();
        for byte in bytes.iter_mut().rev() {
            carry = carry.saturating_add(u32::from(*byte) * 58);
            *byte = carry.to_le_bytes().first().copied().unwrap_or_default();
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let (body, check) = bytes.split_at_checked(21).unwrap_or_default();
    let hash = Sha256::digest(Sha256::digest(body));
    hash.get(..4) == Some(check)
}

/// BIP 173, section "Checksum": 1 for Bech32, 0x2bc830a3 for Bech32m.
fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let Some(divide) = text.iter().rposition(|byte| *byte == b'1') else {
        return false;
    };
    let step = |check: u32, value: u32| {
        let top = check >> 25;
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1)
            .fold((check & 0x01ff_ffff) << 5 ^ value, |check, (_, term)| {
                check ^ term
            })
    };
    let (name, data) = text.split_at_checked(divide).unwrap_or_default();
    let high = name.iter().map(|byte| u32::from(byte >> 5));
    let low = name.iter().map(|byte| u32::from(byte & 31));
    let mut check = high.chain([0]).chain(low).fold(1, step);
    for letter in data.iter().skip(1) {
        let Some(value) = ALPHABET.iter().position(|known| known == letter) else {
            return false;
        };
        check = step(check, u32::try_from(value).unwrap_or_default());
    }
    check == 1 || check == 0x2bc8_30a3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_by_their_checks() {
        for address in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",
        ] {
            assert!(base58(address.as_bytes()), "{address}");
            assert!(!base58(address.replace('e', "f").as_bytes()));
        }
        for address in [
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "dbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "D1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert!(eip55(address.as_bytes()), "{address}");
            for other in [
                address.replacen('a', "A", 1),
                address.replace('9', "8"),
                address.to_lowercase(),
                address.to_uppercase(),
            ] {
                assert!(!eip55(other.as_bytes()), "{other}");
            }
        }
        for address in [
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        ] {
            assert!(bech32(address.as_bytes()), "{address}");
            assert!(!bech32(address.replace("5", "6").as_bytes()));
        }
    }
}
