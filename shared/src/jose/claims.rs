//! The claims set of a token (RFC 7519 section 4), with the registered claims checked for their
//! type.
//!
//! A registered claim of the wrong type makes the token malformed: an `exp` that is text must not
//! be taken for none. The values are whole seconds since 1970: `exp` and `iat` rounded down, `nbf`
//! rounded up, so that a fraction never makes a token live longer. RFC 7519 sets no bounds: a time
//! before 1970 counts as 1970, one that no clock reaches as the last there is. A claim whose value
//! is elsewhere ([`Elsewhere`]) is unknown, not absent.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::strict::parse_object;
use crate::claim::{ClaimPath, Elsewhere, Finding, Scopes};

/// A claims set.
#[derive(Clone, PartialEq)]
pub struct Claims {
    members: Map<String, Value>,
    expires_s: Option<u64>,
    not_before_s: Option<u64>,
    issued_s: Option<u64>,
    elsewhere: Elsewhere,
}

impl std::fmt::Debug for Claims {
    /// Claims are personal data: only how many there are.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Claims")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

impl Claims {
    /// Reads a claims set.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is no JSON object with unique names, or a registered claim
    /// has the wrong type.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        Self::read(parse_object(text).ok_or(Refusal::Malformed)?).ok_or(Refusal::Malformed)
    }

    fn read(members: Map<String, Value>) -> Option<Self> {
        // Text, and where it identifies somebody, not empty text.
        for name in ["iss", "sub", "jti", "azp", "client_id"] {
            match members.get(name) {
                None => {}
                Some(Value::String(text)) if !text.is_empty() => {}
                Some(_) => return None,
            }
        }
        match members.get("aud") {
            None | Some(Value::String(_)) => {}
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {}
            Some(_) => return None,
        }
        let expires_s = numeric_date(members.get("exp"), f64::floor)?;
        let not_before_s = numeric_date(members.get("nbf"), f64::ceil)?;
        let issued_s = numeric_date(members.get("iat"), f64::floor)?;
        Some(Self {
            elsewhere: Elsewhere::of(&members),
            members,
            expires_s,
            not_before_s,
            issued_s,
        })
    }

    /// All members.
    pub const fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The claims that the token names without giving their values.
    pub const fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
    }

    /// What is known of the claim at a path.
    pub fn look(&self, path: &ClaimPath) -> Finding<'_> {
        if self.elsewhere.has(path) {
            return Finding::Unknown;
        }
        path.look(&self.members)
    }

    /// The scopes that the token grants.
    pub fn scopes(&self) -> Scopes<'_> {
        Scopes::of(&self.members, &self.elsewhere)
    }

    /// A top-level claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// `iss`: who made the token.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub`: whom it is about.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `jti`: its name.
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `azp` (OpenID Connect Core section 2) or else `client_id` (RFC 9068 section 2.2): the client
    /// it was made for.
    pub fn client(&self) -> Option<&str> {
        self.text("azp").or_else(|| self.text("client_id"))
    }

    /// `aud`: whom it is meant for, one or several.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let list = match self.members.get("aud") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        list.iter().filter_map(Value::as_str)
    }

    /// `exp` in seconds since 1970: from then on it counts no more.
    pub const fn expires_s(&self) -> Option<u64> {
        self.expires_s
    }

    /// `nbf` in seconds since 1970: before that it does not count yet.
    pub const fn not_before_s(&self) -> Option<u64> {
        self.not_before_s
    }

    /// `iat` in seconds since 1970.
    pub const fn issued_s(&self) -> Option<u64> {
        self.issued_s
    }
}

/// RFC 7519 section 2, NumericDate: a number, whole or not. The outer `None` is a value that is no
/// date.
fn numeric_date(value: Option<&Value>, round: fn(f64) -> f64) -> Option<Option<u64>> {
    let Some(value) = value else {
        return Some(None);
    };
    let Value::Number(number) = value else {
        return None;
    };
    Some(Some(match number.as_u64() {
        Some(whole) => whole,
        // A cast from float to integer ends at the integer's own bounds.
        None => round(number.as_f64()?) as u64,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_seconds_and_fractions_shorten_a_life() {
        let claims = Claims::parse(br#"{"exp":10.9,"nbf":5.1,"iat":1e0}"#).unwrap();
        assert_eq!(
            (claims.expires_s(), claims.not_before_s(), claims.issued_s()),
            (Some(10), Some(6), Some(1))
        );
        let claims = Claims::parse(br#"{"exp":253402300799,"iat":0}"#).unwrap();
        assert_eq!(
            (claims.expires_s(), claims.not_before_s(), claims.issued_s()),
            (Some(253_402_300_799), None, Some(0))
        );
    }

    #[test]
    fn dates_of_any_size_are_dates() {
        for (text, seconds) in [
            ("-1", 0),
            ("-0.5", 0),
            ("-1e300", 0),
            ("253402300800", 253_402_300_800),
            ("1800000000000", 1_800_000_000_000),
            ("18446744073709551616", u64::MAX),
            ("1e300", u64::MAX),
        ] {
            let claims =
                Claims::parse(format!(r#"{{"exp":{text},"nbf":{text},"iat":{text}}}"#).as_bytes());
            let claims = claims.unwrap();
            assert_eq!(
                (claims.expires_s(), claims.not_before_s(), claims.issued_s()),
                (Some(seconds), Some(seconds), Some(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn registered_claims_of_the_wrong_type_make_a_token_malformed() {
        for text in [
            r#"{"exp":"10"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":true}"#,
            r#"{"nbf":[1]}"#,
            r#"{"iat":{}}"#,
            r#"{"iss":1}"#,
            r#"{"iss":""}"#,
            r#"{"sub":["a"]}"#,
            r#"{"sub":""}"#,
            r#"{"aud":1}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"aud":{"a":1}}"#,
            r#"{"jti":1}"#,
            r#"{"azp":null}"#,
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"realm":{"roles":1,"roles":2}}"#,
            "[]",
            "\"a\"",
        ] {
            assert_eq!(
                Claims::parse(text.as_bytes()).err(),
                Some(Refusal::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn audiences_are_one_or_several() {
        let several = Claims::parse(br#"{"aud":["a","b"]}"#).unwrap();
        assert_eq!(several.audiences().collect::<Vec<_>>(), ["a", "b"]);
        let one = Claims::parse(br#"{"aud":"a"}"#).unwrap();
        assert_eq!(one.audiences().collect::<Vec<_>>(), ["a"]);
        assert_eq!(Claims::parse(b"{}").unwrap().audiences().count(), 0);
    }

    #[test]
    fn debug_output_shows_no_claim() {
        let claims = Claims::parse(br#"{"sub":"ann@example.com"}"#).unwrap();
        assert!(!format!("{claims:?}").contains("ann"));
    }
}
