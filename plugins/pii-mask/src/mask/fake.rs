//! Values that look like others and are nobody's: of the same form and length where there is a
//! range for such, told by a keyed code.
//!
//! - e-mail: `example.com` (RFC 2606);
//! - telephone: 555-0100 to 555-0199 of North America's areas, `7700 900…` (Ofcom), `06 39 98 …`
//!   (ARCEP); other numbers become one of the first;
//! - card: numbers that card companies use for tests, with a check digit that is right;
//! - SSN: an area that is never given out (9…), with a group that no other taxpayer number has;
//! - IBAN: its country and length, with check digits that are right;
//! - IP: RFC 5737, RFC 3849;
//! - date of birth: another year and day;
//! - MAC: a local one (IEEE 802, the second lowest bit of the first octet);
//! - name of a person, address of the post: names and digits for names and digits, between the
//!   same particles and kinds of streets;
//! - everything else: letters for letters and digits for digits, behind its prefix, and with check
//!   digits that are wrong where nobody's number is known to be free.

mod date;
mod people;

pub use people::is_made_up;

use crate::detect::{Certainty, Entity, EntitySet, mrz, scan};
use sha2::{Digest, Sha256};

/// Longest value that a fake stands for, in bytes.
pub const LONGEST: usize = 100;

/// Numbers as chance gives them, the same for the same seed.
struct Chance {
    block: [u8; 32],
    at: usize,
}

impl Chance {
    fn of(code: &[u8; 32], attempt: u8) -> Self {
        let mut chance = Self {
            block: *code,
            at: 0,
        };
        chance.refill(attempt);
        chance
    }

    /// One place for it keeps the module small.
    #[inline(never)]
    fn refill(&mut self, salt: u8) {
        let mut hash = Sha256::new();
        hash.update(self.block);
        hash.update([salt]);
        self.block = hash.finalize().into();
        self.at = 0;
    }

    /// A number below `end`, which is at most 256.
    #[inline(never)]
    fn below(&mut self, end: u32) -> u32 {
        if self.at >= self.block.len() {
            self.refill(0);
        }
        let byte = self.block.get(self.at).copied().unwrap_or_default();
        self.at = self.at.saturating_add(1);
        u32::from(byte).checked_rem(end).unwrap_or_default()
    }

    fn digit(&mut self) -> char {
        char::from_digit(self.below(10), 10).unwrap_or('0')
    }

    fn letter(&mut self) -> char {
        // No vowels: they would make words.
        const LETTERS: &[u8; 20] = b"bcdfghjkmnpqrstvwxyz";
        let at = usize::try_from(self.below(20)).unwrap_or_default();
        LETTERS.get(at).map_or('x', |letter| char::from(*letter))
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| self.digit()).collect()
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| self.letter()).collect()
    }
}

/// The fake for a value as it is written; another one for each attempt. None for what is too long.
pub fn fake(entity: Entity, written: &str, code: &[u8; 32], attempt: u8) -> Option<String> {
    if written.len() > LONGEST {
        return None;
    }
    let plain = mrz::plain(written);
    let written = plain.as_deref().unwrap_or(written);
    let mut chance = Chance::of(code, attempt);
    Some(match entity {
        Entity::Email => format!("{}@example.com", chance.letters(8)),
        Entity::Phone => phone(written, &mut chance),
        Entity::Card => card(written, &mut chance),
        Entity::Ssn => {
            let (area, serial) = (chance.digits(2), chance.digits(4));
            let group = chance.below(4);
            in_form(
                written,
                &format!("9{area}{group}{}{serial}", chance.digit()),
            )
        }
        Entity::Iban => iban(written, &mut chance),
        Entity::Ip if written.contains(':') => {
            let group = |chance: &mut Chance| chance.below(256) << 8 | chance.below(256);
            format!(
                "2001:db8::{:x}:{:x}",
                group(&mut chance),
                group(&mut chance)
            )
        }
        Entity::Ip => {
            const NETS: [&str; 3] = ["192.0.2", "198.51.100", "203.0.113"];
            let net = usize::try_from(chance.below(3)).unwrap_or_default();
            let net = NETS.get(net).copied().unwrap_or("192.0.2");
            format!("{net}.{}", chance.below(254).saturating_add(1))
        }
        Entity::DateOfBirth => date::date(written, &mut chance),
        Entity::Mac => mac(written, &mut chance),
        Entity::Person | Entity::StreetAddress => people::people(written, &mut chance),
        Entity::NationalId | Entity::TaxId | Entity::BankAccount | Entity::MedicalId => {
            // What has a right check digit may be somebody's.
            let mut fakes = (0..TRIES).map(|_| by_class(written, &mut chance));
            fakes.find(|fake| !is_checked(fake))?
        }
        _ => by_class(written, &mut chance),
    })
}

/// How many numbers are tried for one whose check digit is wrong.
const TRIES: usize = 32;

/// Whether a number is right by its check digits.
fn is_checked(number: &str) -> bool {
    ["", "id", "tax id", "routing number", "npi"]
        .iter()
        .any(|label| {
            let found = scan(number, 0, label, EntitySet::all());
            let mut found = found.iter();
            found.any(|finding| finding.certainty == Certainty::Check)
        })
}

/// Hexadecimal digits for such, and a first octet that no maker has.
fn mac(written: &str, chance: &mut Chance) -> String {
    let mut at = 0_usize;
    written
        .chars()
        .map(|one| {
            if !one.is_ascii_hexdigit() {
                return one;
            }
            at = at.saturating_add(1);
            let digit = match at {
                1 => 0,
                2 => 2,
                _ => chance.below(16),
            };
            let digit = char::from_digit(digit, 16).unwrap_or('0');
            if written.bytes().any(|byte| byte.is_ascii_lowercase()) {
                digit
            } else {
                digit.to_ascii_uppercase()
            }
        })
        .collect()
}

/// Digits in the place of those of a value, if there are as many; else by themselves.
fn in_form(written: &str, digits: &str) -> String {
    let own = written.chars().filter(char::is_ascii_digit).count();
    if own != digits.len() {
        return digits.to_owned();
    }
    let mut next = digits.chars();
    written
        .chars()
        .map(|character| {
            if character.is_ascii_digit() {
                next.next().unwrap_or('0')
            } else {
                character
            }
        })
        .collect()
}

#[inline(never)]
fn phone(written: &str, chance: &mut Chance) -> String {
    let own: String = written.chars().filter(char::is_ascii_digit).collect();
    // An area has a second digit below 9, and is no service such as 911.
    let area = |chance: &mut Chance| {
        let digit =
            |from: u32, count: u32, chance: &mut Chance| from.saturating_add(chance.below(count));
        let (one, two) = (digit(2, 8, chance), digit(0, 9, chance));
        format!("{one}{two}{}", digit(2, 8, chance))
    };
    let digits = if own.starts_with("447") && own.len() == 12 {
        format!("447700900{}", chance.digits(3))
    } else if own.starts_with("07") && own.len() == 11 {
        format!("07700900{}", chance.digits(3))
    } else if own.starts_with("33") && own.len() == 11 {
        format!("3363998{}", chance.digits(4))
    } else if own.starts_with("06") && own.len() == 10 {
        format!("063998{}", chance.digits(4))
    } else if own.len() == 10 && !own.starts_with('0') && !written.starts_with('+') {
        format!("{}55501{}", area(chance), chance.digits(2))
    } else if own.len() == 11 && own.starts_with('1') {
        format!("1{}55501{}", area(chance), chance.digits(2))
    } else {
        return format!("+1 {} 555 01{}", area(chance), chance.digits(2));
    };
    in_form(written, &digits)
}

#[inline(never)]
fn card(written: &str, chance: &mut Chance) -> String {
    let own: Vec<char> = written.chars().filter(char::is_ascii_digit).collect();
    let prefix = match (own.first(), own.len()) {
        (Some('5' | '2'), 16) => "555555",
        (Some('3'), 15) => "378282",
        (Some('3'), 14) => "305693",
        (Some('6'), 16..) => "601111",
        _ => "424242",
    };
    let missing = own.len().saturating_sub(prefix.len()).saturating_sub(1);
    let mut digits = format!("{prefix}{}", chance.digits(missing));
    let values = digits.chars().rev().filter_map(|digit| digit.to_digit(10));
    let sum = values.enumerate().fold(0_u32, |sum, (at, digit)| {
        // From the right, every second digit counts twice; the check digit is to come.
        let twice = if at % 2 == 0 {
            digit.saturating_mul(2)
        } else {
            digit
        };
        let one = if twice > 9 {
            twice.saturating_sub(9)
        } else {
            twice
        };
        sum.saturating_add(one)
    });
    let check = 10_u32.saturating_sub(sum % 10) % 10;
    digits.extend(char::from_digit(check, 10));
    in_form(written, &digits)
}

#[inline(never)]
fn iban(written: &str, chance: &mut Chance) -> String {
    let is_own = |character: &char| character.is_ascii_alphanumeric();
    let own = written
        .chars()
        .filter(is_own)
        .map(|one| one.to_ascii_uppercase());
    let country: String = own.clone().take(2).collect();
    // Letters stay: where they are allowed differs by country.
    let account: String = own
        .skip(4)
        .map(|one| {
            if one.is_ascii_digit() {
                chance.digit()
            } else {
                one
            }
        })
        .collect();
    let rest = format!("{account}{country}00")
        .chars()
        .fold(0_u32, |rest, one| {
            let value = one.to_digit(36).unwrap_or_default();
            let shift = if value > 9 { 100 } else { 10 };
            rest.saturating_mul(shift).saturating_add(value) % 97
        });
    let check = 98_u32.saturating_sub(rest);
    let faked = format!("{country}{check:02}{account}");
    let mut next = faked.chars();
    written
        .chars()
        .map(|one| {
            if is_own(&one) {
                next.next().unwrap_or('0')
            } else {
                one
            }
        })
        .collect()
}

/// Letters for letters and digits for digits, behind the prefix that tells what it is.
#[inline(never)]
fn by_class(written: &str, chance: &mut Chance) -> String {
    let front = written
        .get(..written.floor_char_boundary(12))
        .unwrap_or_default();
    let prefix = front.rfind(['_', '-']).map_or(0, |at| at.saturating_add(1));
    written
        .char_indices()
        .map(|(at, one)| match one {
            kept if at < prefix => kept,
            'a'..='z' => chance.letter(),
            'A'..='Z' => chance.letter().to_ascii_uppercase(),
            '0'..='9' => chance.digit(),
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{EntitySet, scan};

    fn of(entity: Entity, written: &str, attempt: u8) -> String {
        let mut code = [7; 32];
        for (place, byte) in code.iter_mut().zip(written.bytes()) {
            *place ^= byte;
        }
        fake(entity, written, &code, attempt).unwrap()
    }

    fn shape(text: &str) -> String {
        let class = |one: char| match one {
            '0'..='9' => '0',
            'a'..='z' | 'A'..='Z' => 'a',
            other => other,
        };
        text.chars().map(class).collect()
    }

    #[test]
    fn fakes_have_the_form_of_what_they_stand_for_and_are_nobodys() {
        for (entity, written, ranges) in [
            (Entity::Card, "4111-1111-1111-1111", &["4242-42"][..]),
            (Entity::Card, "378282246310005", &["378282"]),
            (Entity::Card, "5105 1051 0510 5100", &["5555 55"]),
            (Entity::Ssn, "536-90-4399", &["9"]),
            (Entity::Iban, "DE89 3704 0044 0532 0130 00", &["DE"]),
            (Entity::Iban, "GB82WEST12345698765432", &["GB"]),
            (Entity::Phone, "(415) 555-2671", &["("]),
            (Entity::Phone, "+1 415 555 2671", &["+1 "]),
            (Entity::Phone, "+44 7911 123456", &["+44 7700 900"]),
            (Entity::Phone, "06 12 34 56 78", &["06 39 98"]),
            (
                Entity::GithubToken,
                "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
                &["ghp_"],
            ),
            (Entity::Secret, "hunter2horse", &[""]),
            (Entity::NationalId, "111.444.777-35", &[""]),
            (Entity::NationalId, "RSSMRA85T10A562S", &[""]),
            (Entity::Vin, "1HGCM82633A004352", &[""]),
            (
                Entity::Passport,
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
                &[""],
            ),
        ] {
            for attempt in 0..20 {
                let faked = of(entity, written, attempt);
                assert_eq!(shape(&faked), shape(written));
                assert_ne!(faked, written);
                assert!(
                    ranges.iter().any(|range| faked.starts_with(range)),
                    "{faked}"
                );
                let found = scan(&faked, 0, "", EntitySet::all());
                match entity {
                    // They must pass for one.
                    Entity::Card | Entity::Iban => {
                        assert_eq!(found[0].entity, entity, "{faked}");
                        assert_eq!(found[0].span, 0..faked.len());
                    }
                    Entity::Ssn | Entity::NationalId => assert!(found.is_empty(), "{faked}"),
                    _ => {}
                }
            }
        }
        for (entity, written, is_right) in [
            (
                Entity::Email,
                "ann@private.test",
                (|one| one.ends_with("@example.com")) as fn(&str) -> bool,
            ),
            (Entity::Ip, "10.1.2.3", |one| {
                ["192.0.2.", "198.51.100.", "203.0.113."]
                    .iter()
                    .any(|net| one.starts_with(net))
            }),
            (Entity::Mac, "00:1B:44:11:3A:B7", |one| {
                one.starts_with("02:") && one.len() == 17
            }),
            (Entity::Mac, "00-1b-44-11-3a-b7", |one| {
                one.starts_with("02-") && one == one.to_lowercase()
            }),
            (Entity::Ip, "fe80::1", |one| one.starts_with("2001:db8::")),
            (Entity::Phone, "+49 171 1234567", |one| {
                one.starts_with("+1 ") && one.contains(" 555 01")
            }),
        ] {
            let faked = of(entity, written, 0);
            assert!(is_right(&faked), "{faked}");
            let found = scan(&faked, 0, "", EntitySet::all());
            assert_eq!(
                (found[0].entity, found[0].span.clone()),
                (entity, 0..faked.len())
            );
        }
        assert_eq!(fake(Entity::Jwt, &"e".repeat(101), &[0; 32], 0), None);
    }
}
