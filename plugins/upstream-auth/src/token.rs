//! A token as it comes from a token endpoint or a metadata service, judged.
//!
//! What goes into a header came over the network: it must be a bearer token (RFC 6749 section 7.1),
//! of characters that end no header, and it must say how long it is good, or the configuration
//! does. Everything else of an answer, and all of an error but its code, is forgotten.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::call::Answer;
use modelgate_kit::config::SecretBytes;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::fault::{TokenFault, known_code};

/// Longest token that is taken, in bytes.
const MAX_TOKEN_BYTES: usize = 16_384;
/// A token that says it is good for longer is fetched anew after this time all the same, in
/// seconds.
const LONGEST_LIFETIME_S: u64 = 86_400;

/// A token that may be sent.
#[derive(Clone)]
pub struct Token {
    /// The token itself: visible ASCII.
    pub value: Rc<SecretBytes>,
    /// When it is no longer sent, in milliseconds since 1970.
    pub expires_ms: u64,
    /// When it was asked for, in milliseconds since 1970.
    pub asked_ms: u64,
}

/// What is read of an answer. Members that occur twice are an error.
#[derive(Deserialize)]
struct Written {
    #[serde(deserialize_with = "wiped")]
    access_token: Zeroizing<String>,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
    expires_on: Option<Seconds>,
}

/// What an answer has to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// An access token (RFC 6749 section 5.1).
    #[default]
    Access,
    /// An ID token, as the member `id_token`.
    Id,
    /// An ID token that is the whole body.
    IdAlone,
}

impl Wanted {
    /// Reads an answer. `asked_ms` is when it was asked for: the lifetime of an access token counts
    /// from there.
    ///
    /// # Errors
    /// Why it gives no token.
    pub fn read(self, answer: Answer, asked_ms: u64, assumed_s: u64) -> Result<Token, TokenFault> {
        match self {
            Self::Access => read(answer, asked_ms, assumed_s),
            Self::Id => {
                let body = body_of(answer)?;
                let written: WrittenId =
                    serde_json::from_slice(&body).map_err(|_| TokenFault::NoIdToken)?;
                id_token(written.id_token.as_bytes(), asked_ms)
            }
            Self::IdAlone => id_token(body_of(answer)?.trim_ascii(), asked_ms),
        }
    }
}

/// An answer with an ID token.
#[derive(Deserialize)]
struct WrittenId {
    #[serde(deserialize_with = "wiped")]
    id_token: Zeroizing<String>,
}

/// An ID token, which says itself how long it is good (RFC 7519 section 4.1.4): nothing else of the
/// answer does, and a metadata server gives the same one again while it is good.
fn id_token(token: &[u8], asked_ms: u64) -> Result<Token, TokenFault> {
    if !is_sendable(token) {
        return Err(TokenFault::Unfit);
    }
    let is_jwt = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let end_ms = jwt_expires_ms(token).filter(|_| token.iter().all(is_jwt));
    let end_ms = end_ms.ok_or(TokenFault::NoIdToken)?;
    if end_ms <= asked_ms {
        return Err(TokenFault::Lifetime);
    }
    let latest_ms = asked_ms.saturating_add(LONGEST_LIFETIME_S.saturating_mul(1000));
    Ok(Token {
        value: Rc::new(SecretBytes::new(token.to_vec())),
        expires_ms: end_ms.min(latest_ms),
        asked_ms,
    })
}

/// When a JWT says that it expires (RFC 7519 section 4.1.4), in milliseconds since 1970. Its
/// signature is not looked at: that is for whom it is sent to.
pub fn jwt_expires_ms(token: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, payload, _, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    let seconds = claims.exp as u64;
    end.is_none().then(|| seconds.saturating_mul(1000))
}

/// Reads a text that is wiped when dropped.
pub fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// Seconds: a number, or as Azure's metadata service writes it, a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn value(&self) -> Option<u64> {
        let seconds = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.parse().ok()?,
        };
        // Beyond this a double is no whole number any more; and not a number is in no range.
        let is_sane = (0.0..=9_007_199_254_740_992.0).contains(&seconds);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by the test
        is_sane.then_some(seconds as u64)
    }
}

/// The error of RFC 6749 section 5.2; Google's other services write an object.
#[derive(Deserialize)]
struct WrittenError {
    error: String,
}

/// Reads an answer. `asked_ms` is when it was asked for: its lifetime counts from there.
///
/// # Errors
/// Why it gives no token.
fn read(answer: Answer, asked_ms: u64, assumed_s: u64) -> Result<Token, TokenFault> {
    let body = body_of(answer)?;
    let written: Written = serde_json::from_slice(&body).map_err(|_| TokenFault::NoToken)?;
    if !written
        .token_type
        .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(TokenFault::TokenType);
    }
    if !is_sendable(written.access_token.as_bytes()) {
        return Err(TokenFault::Unfit);
    }
    let lifetime_s = match (&written.expires_in, &written.expires_on) {
        (Some(seconds), _) => seconds.value(),
        // App Service says the moment only.
        (None, Some(moment)) => moment
            .value()
            .map(|moment_s| moment_s.saturating_sub(asked_ms / 1000)),
        (None, None) => Some(assumed_s),
    };
    let lifetime_s = lifetime_s
        .filter(|seconds| *seconds > 0)
        .ok_or(TokenFault::Lifetime)?;
    Ok(Token {
        value: Rc::new(SecretBytes::new(written.access_token.as_bytes().to_vec())),
        expires_ms: asked_ms
            .saturating_add(lifetime_s.min(LONGEST_LIFETIME_S).saturating_mul(1000)),
        asked_ms,
    })
}

/// The body of an answer that is none of an error.
fn body_of(answer: Answer) -> Result<Zeroizing<Vec<u8>>, TokenFault> {
    let body = Zeroizing::new(answer.body);
    if answer.status == 200 {
        return Ok(body);
    }
    let error = serde_json::from_slice::<WrittenError>(&body).ok();
    let code = error.and_then(|written| known_code(&written.error));
    Err(TokenFault::Status(answer.status, code))
}

/// Whether a credential can stand in a header behind its scheme: visible ASCII, not too much of it.
pub fn is_sendable(token: &[u8]) -> bool {
    (1..=MAX_TOKEN_BYTES).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use modelgate_kit::headers::HeaderBlock;
    use proptest::prelude::*;

    use super::*;

    const ASKED_MS: u64 = 1_800_000_000_000;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderBlock::default(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// Token and seconds that it is good for.
    fn judged(body: &str) -> Result<(String, u64), TokenFault> {
        let token = read(answer(200, body), ASKED_MS, 300)?;
        let value = token.value.expose_text().unwrap().to_owned();
        Ok((value, (token.expires_ms - ASKED_MS) / 1000))
    }

    #[test]
    fn lifetimes_are_read_as_each_service_writes_them() {
        for (body, seconds) in [
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":3599}"#,
                3599,
            ),
            (
                r#"{"access_token":"t","token_type":"bearer","expires_in":59.9}"#,
                59,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":"86399","expires_on":"1800000060","not_before":"1"}"#,
                86_399,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_on":"1800000060"}"#,
                60,
            ),
            (r#"{"access_token":"t","token_type":"BEARER"}"#, 300),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":1e15}"#,
                86_400,
            ),
        ] {
            assert_eq!(judged(body), Ok(("t".to_owned(), seconds)), "{body}");
        }
    }

    #[test]
    fn what_could_not_be_sent_or_judged_is_no_token() {
        let long = "x".repeat(16_385);
        for (body, fault) in [
            ("", TokenFault::NoToken),
            ("[]", TokenFault::NoToken),
            ("{}", TokenFault::NoToken),
            (
                r#"{"access_token":1,"token_type":"Bearer"}"#,
                TokenFault::NoToken,
            ),
            (
                r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
                TokenFault::NoToken,
            ),
            (r#"{"access_token":"t"}"#, TokenFault::TokenType),
            (
                r#"{"access_token":"t","token_type":"N_A"}"#,
                TokenFault::TokenType,
            ),
            (
                r#"{"access_token":"t","token_type":"DPoP"}"#,
                TokenFault::TokenType,
            ),
            (
                r#"{"access_token":"","token_type":"Bearer"}"#,
                TokenFault::Unfit,
            ),
            (
                r#"{"access_token":"a b","token_type":"Bearer"}"#,
                TokenFault::Unfit,
            ),
            (
                r#"{"access_token":"a\r\nx-admin: 1","token_type":"Bearer"}"#,
                TokenFault::Unfit,
            ),
            (
                r#"{"access_token":"a\u0000","token_type":"Bearer"}"#,
                TokenFault::Unfit,
            ),
            (
                r#"{"access_token":"ü","token_type":"Bearer"}"#,
                TokenFault::Unfit,
            ),
            (
                &format!(r#"{{"access_token":"{long}","token_type":"Bearer"}}"#),
                TokenFault::Unfit,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":0}"#,
                TokenFault::Lifetime,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":-1}"#,
                TokenFault::Lifetime,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":"soon"}"#,
                TokenFault::Lifetime,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_in":"NaN"}"#,
                TokenFault::Lifetime,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","expires_on":"1700000000"}"#,
                TokenFault::Lifetime,
            ),
        ] {
            assert_eq!(judged(body), Err(fault), "{body}");
        }
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn an_id_token_says_itself_how_long_it_is_good() {
        let token = jwt(r#"{"exp":1800000600,"aud":"a"}"#);
        let in_json = format!(r#"{{"id_token":"{token}"}}"#);
        for (wanted, body) in [
            (Wanted::Id, in_json.as_str()),
            (Wanted::IdAlone, token.as_str()),
            (Wanted::IdAlone, &format!("{token}\n")),
        ] {
            let read = wanted.read(answer(200, body), ASKED_MS, 300).unwrap();
            assert_eq!(read.value.expose(), token.as_bytes());
            assert_eq!(read.expires_ms, 1_800_000_600_000);
        }
        let endless = jwt(r#"{"exp":9e15}"#);
        let read = Wanted::IdAlone.read(answer(200, &endless), ASKED_MS, 300);
        let latest_ms = ASKED_MS + LONGEST_LIFETIME_S * 1000;
        assert_eq!(read.unwrap().expires_ms, latest_ms);
        for (wanted, status, body, fault) in [
            (Wanted::Id, 200, "{}", TokenFault::NoIdToken),
            (Wanted::Id, 200, token.as_str(), TokenFault::NoIdToken),
            (
                Wanted::Id,
                200,
                r#"{"id_token":"x"}"#,
                TokenFault::NoIdToken,
            ),
            (
                Wanted::IdAlone,
                200,
                in_json.as_str(),
                TokenFault::NoIdToken,
            ),
            (Wanted::IdAlone, 200, "", TokenFault::Unfit),
            (Wanted::IdAlone, 200, "a\r\nb", TokenFault::Unfit),
            (Wanted::IdAlone, 200, &jwt("{}"), TokenFault::NoIdToken),
            (
                Wanted::IdAlone,
                200,
                &format!("{token}.x"),
                TokenFault::NoIdToken,
            ),
            (
                Wanted::IdAlone,
                200,
                &jwt(r#"{"exp":1800000000}"#),
                TokenFault::Lifetime,
            ),
            (
                Wanted::IdAlone,
                200,
                &jwt(r#"{"exp":-1}"#),
                TokenFault::Lifetime,
            ),
            (
                Wanted::IdAlone,
                404,
                token.as_str(),
                TokenFault::Status(404, None),
            ),
        ] {
            let read = wanted.read(answer(status, body), ASKED_MS, 300);
            assert_eq!(read.err(), Some(fault), "{wanted:?} {body}");
        }
    }

    #[test]
    fn of_an_error_only_a_known_code_is_kept() {
        let fault = |status, body: &str| read(answer(status, body), ASKED_MS, 1).err().unwrap();
        let known = fault(
            400,
            r#"{"error":"invalid_client","error_description":"s3cret"}"#,
        );
        assert_eq!(known.to_string(), "status 400, invalid_client");
        for body in [
            r#"{"error":"client_secret s3cret is wrong"}"#,
            r#"{"error":{"code":401,"message":"s3cret"}}"#,
            "s3cret",
        ] {
            assert_eq!(fault(401, body).to_string(), "status 401", "{body}");
        }
        // A redirect is not followed, and an empty success is none.
        assert_eq!(fault(302, ""), TokenFault::Status(302, None));
        assert_eq!(fault(204, ""), TokenFault::Status(204, None));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_sendable_token_or_a_fault(body in proptest::collection::vec(any::<u8>(), 0..200), status in 100_u16..600) {
            let answer = Answer { status, headers: HeaderBlock::default(), body };
            if let Ok(token) = read(answer, ASKED_MS, 1) {
                prop_assert!(is_sendable(token.value.expose()));
            }
        }
    }
}
