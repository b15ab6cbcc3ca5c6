//! What stands for a value by a key: the same value has the same code, whoever computes it.

use super::reads;
use crate::detect::Entity;
use hmac::{Hmac, KeyInit, Mac};
use modelgate_kit::config::SecretBytes;
use sha2::Sha256;

/// Whom a keyed code is the same for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everybody.
    #[default]
    Everybody,
    /// Those with this name: a tenant, a consumer.
    Of(Vec<u8>),
    /// It is not known whose it is: there is no code.
    Unknown,
}

/// A value in one spelling: case, and for numbers everything but digits, is left out.
pub fn canonical(entity: Entity, value: &str) -> String {
    let value = reads(entity, value);
    match entity {
        Entity::Phone | Entity::Card | Entity::Ssn => {
            value.chars().filter(char::is_ascii_digit).collect()
        }
        Entity::Iban
        | Entity::NationalId
        | Entity::TaxId
        | Entity::Passport
        | Entity::DriverLicense
        | Entity::Mac
        | Entity::Bic
        | Entity::BankAccount
        | Entity::Vin
        | Entity::LicensePlate
        | Entity::MedicalId => value
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_uppercase(),
        Entity::Email | Entity::Ip => value.to_lowercase(),
        Entity::Person | Entity::StreetAddress => value
            .chars()
            .filter(|one| one.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect(),
        _ => value.into_owned(),
    }
}

/// HMAC-SHA-256 of the entity's name, NUL and the value in one spelling; where it is not the same
/// for everybody, behind NUL, the length of the scope in eight bytes, big-endian, and the scope.
pub fn code(
    entity: Entity,
    key: Option<&SecretBytes>,
    scope: &Scope,
    canonical: &str,
) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key?.expose()).ok()?;
    match scope {
        Scope::Everybody => {}
        Scope::Of(name) => {
            mac.update(&[0]);
            mac.update(&u64::try_from(name.len()).ok()?.to_be_bytes());
            mac.update(name);
        }
        Scope::Unknown => return None,
    }
    mac.update(entity.name().as_bytes());
    mac.update(&[0]);
    mac.update(canonical.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// `[EMAIL:9f86d081884c7d65]`: 64 bits of a code in hexadecimal.
pub fn hash(entity: Entity, code: &[u8], out: &mut String) {
    out.push_str(entity.placeholder().trim_end_matches(']'));
    out.push(':');
    for byte in code.iter().take(8) {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    out.push(']');
}

/// `kqnbtfmw`: 32 bits of a code, four by a letter. Digits could be taken for those of a number,
/// vowels would make words.
pub fn letters(code: &[u8]) -> String {
    const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrstv";
    let halves = code.iter().take(4).flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| LETTERS.get(usize::from(half)))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scope: &Scope) -> Option<String> {
        let key = SecretBytes::new(b"key".to_vec());
        code(Entity::Email, Some(&key), scope, "ann@example.com").map(|code| letters(&code))
    }

    #[test]
    fn a_code_is_of_its_scope() {
        // b26d6377a13486e3…, as of `[EMAIL:b26d6377a13486e3]`.
        assert_eq!(of(&Scope::Everybody).as_deref(), Some("qdjsjfkk"));
        let acme = of(&Scope::Of(b"acme".to_vec()));
        assert_ne!(acme, of(&Scope::Everybody));
        assert_ne!(acme, of(&Scope::Of(b"other".to_vec())));
        assert_eq!(acme, of(&Scope::Of(b"acme".to_vec())));
        assert_eq!(of(&Scope::Unknown), None);
    }
}
