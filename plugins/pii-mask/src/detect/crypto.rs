//! Addresses of cryptocurrencies: Base58Check (Bitcoin, Litecoin, Dogecoin, Tron), Bech32 and
//! Bech32m (BIP 173, BIP 350), and of Ethereum and its kin: `0x` and forty hexadecimal digits in
//! both cases, as EIP-55 writes them, or in any beside a word. EIP-55's own check needs Keccak, and
//! is not made.

use super::id::{Id, Ids};
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;
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
        let digits = text.get(2..)?;
        let mixed =
            digits.iter().any(u8::is_ascii_uppercase) && digits.iter().any(u8::is_ascii_lowercase);
        (mixed && digits.iter().all(u8::is_ascii_hexdigit)).then_some(Certainty::Shape)?
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
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        ] {
            assert!(bech32(address.as_bytes()), "{address}");
            assert!(!bech32(address.replace("5", "6").as_bytes()));
        }
    }
}
