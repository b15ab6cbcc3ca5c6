//! Which of an entity's rules a value is found by, for whoever asks why.

use super::fold::plain;
use super::{Entity, forms, ids, mrz};

/// The rule, by what the value is: the number's name, the key's prefix, the telephone's form; none
/// where the entity has one rule alone.
pub fn rule(entity: Entity, value: &str) -> Option<String> {
    let value = &*plain(value);
    match entity {
        Entity::Phone => Some(telephone(value).to_owned()),
        Entity::Iban => {
            let letters = value.chars().filter(char::is_ascii_alphabetic).take(2);
            Some(format!("{}…", letters.collect::<String>().to_uppercase()))
        }
        Entity::Ip => Some(if value.contains(':') { "IPv6" } else { "IPv4" }.to_owned()),
        Entity::ApiKey | Entity::GithubToken | Entity::SlackToken | Entity::AwsAccessKey => {
            forms::prefix_of(value.as_bytes()).map(|prefix| format!("{prefix}…"))
        }
        Entity::Passport | Entity::NationalId if mrz::is_zone(value) => {
            Some("machine-readable zone (ICAO 9303)".to_owned())
        }
        _ => {
            let numbers = ids::told::numbers(entity, value.as_bytes());
            (!numbers.is_empty()).then(|| numbers.join(", "))
        }
    }
}

fn telephone(value: &str) -> &'static str {
    let digits = || value.bytes().filter(u8::is_ascii_digit);
    if value.contains('+') {
        "international"
    } else if value.starts_with("00") {
        "international, behind an exit code"
    } else if value.starts_with('0') || value.starts_with("(0") {
        "national, with its trunk 0"
    } else if matches!(digits().count(), 10 | 11)
        && value.bytes().any(|byte| b"-.( ".contains(&byte))
    {
        "national, in groups"
    } else {
        "digits"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_by_what_a_value_is() {
        for (entity, value, told) in [
            (Entity::NationalId, "44051401359", Some("PESEL (Poland)")),
            (
                Entity::NationalId,
                "AB 12 34 56 C",
                Some("national insurance (United Kingdom)"),
            ),
            (
                Entity::Passport,
                "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
                Some("machine-readable zone (ICAO 9303)"),
            ),
            (Entity::TaxId, "DE136695976", Some("VAT (European Union)")),
            (
                Entity::BankAccount,
                "021000021",
                Some("ABA routing (United States)"),
            ),
            (Entity::Phone, "+49 171 2345678", Some("international")),
            (Entity::Phone, "(415) 555-0132", Some("national, in groups")),
            (
                Entity::Phone,
                "0171 2345678",
                Some("national, with its trunk 0"),
            ),
            (Entity::Iban, "de89370400440532013000", Some("DE…")),
            (
                Entity::ApiKey,
                "sk-proj-a8Fk29LmQz7Xc1Vb5Nn3",
                Some("sk-proj-…"),
            ),
            (Entity::AwsAccessKey, "AKIAIOSFODNN7EXAMPLE", Some("AKIA…")),
            (Entity::Email, "ann@example.com", None),
        ] {
            assert_eq!(rule(entity, value).as_deref(), told, "{value}");
        }
    }
}
