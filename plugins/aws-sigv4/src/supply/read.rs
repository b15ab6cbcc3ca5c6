//! What endpoints answer: credentials as JSON (containers, instance metadata, secrets) or as XML
//! (STS), and error codes.
//!
//! Only what is needed is read, and only where it is there once: of anything else there are no
//! credentials. Secrets are wiped when dropped.

use std::rc::Rc;

use modelgate_kit::timestamp::parse_rfc3339;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::fault::{Fault, Step};
use crate::credentials::{Credentials, Malformed};

/// Credentials with their end.
pub struct Temporary {
    /// The access key.
    pub credentials: Rc<Credentials>,
    /// When it expires, in milliseconds since 1970 by the service's clock; never, where it does
    /// not say.
    pub expires_ms: Option<u64>,
}

/// The parts of an access key as they came.
#[derive(Default, Deserialize)]
struct Parts {
    #[serde(default, alias = "Code")]
    code: Option<String>,
    #[serde(alias = "AccessKeyId", alias = "aws_access_key_id")]
    access_key_id: String,
    #[serde(alias = "SecretAccessKey", alias = "aws_secret_access_key")]
    secret_access_key: String,
    #[serde(
        default,
        alias = "Token",
        alias = "SessionToken",
        alias = "aws_session_token"
    )]
    session_token: Option<String>,
    #[serde(default, alias = "Expiration")]
    expiration: Option<String>,
}

impl Parts {
    fn check(self, step: Step) -> Result<Temporary, Fault> {
        let secret = Zeroizing::new(self.secret_access_key);
        let token = self.session_token.map(Zeroizing::new);
        if self.code.is_some_and(|code| code != "Success") {
            return Err(Fault::Unreadable(step, "credentials"));
        }
        // An empty token is none.
        let token = token.filter(|token| !token.is_empty());
        let expires_ms = match self.expiration {
            Some(text) => match parse_rfc3339(&text) {
                Some(ns) => Some(ns / 1_000_000),
                None => return Err(Fault::Unreadable(step, "Expiration")),
            },
            None => None,
        };
        match Credentials::new(self.access_key_id, secret, token) {
            Ok(credentials) => Ok(Temporary {
                credentials: Rc::new(credentials),
                expires_ms,
            }),
            Err(Malformed::SecretAccessKey) => Err(Fault::Unreadable(step, "SecretAccessKey")),
            Err(Malformed::SessionToken) => Err(Fault::Unreadable(step, "SessionToken")),
            Err(_) => Err(Fault::Unreadable(step, "AccessKeyId")),
        }
    }
}

/// Reads a JSON document with an access key: that of container endpoints and of instance metadata,
/// or of a secret.
///
/// # Errors
/// What it lacks.
pub fn json(step: Step, text: &[u8]) -> Result<Temporary, Fault> {
    let parts = serde_json::from_slice::<Parts>(text);
    parts
        .map_err(|_| Fault::Unreadable(step, "credentials"))?
        .check(step)
}

/// Reads the answer of Secrets Manager's `GetSecretValue`: the secret is such a document, as text.
///
/// # Errors
/// What it lacks.
pub fn secret(step: Step, text: &[u8]) -> Result<Temporary, Fault> {
    #[derive(Deserialize)]
    struct Value {
        #[serde(rename = "SecretString")]
        secret: String,
    }
    let value = serde_json::from_slice::<Value>(text);
    let value = value.map_err(|_| Fault::Unreadable(step, "SecretString"))?;
    json(step, Zeroizing::new(value.secret).as_bytes())
}

/// Reads the answer of STS's `AssumeRole` and `AssumeRoleWithWebIdentity`.
///
/// # Errors
/// What it lacks.
pub fn sts(step: Step, text: &[u8]) -> Result<Temporary, Fault> {
    let lacks = |what| Fault::Unreadable(step, what);
    let text = std::str::from_utf8(text).map_err(|_| lacks("Credentials"))?;
    let credentials = element(text, "Credentials").ok_or(lacks("Credentials"))?;
    let member = |name| {
        element(credentials, name)
            .and_then(unescaped)
            .ok_or(lacks(name))
    };
    let parts = Parts {
        code: None,
        access_key_id: member("AccessKeyId")?,
        secret_access_key: member("SecretAccessKey")?,
        session_token: Some(member("SessionToken")?),
        expiration: Some(member("Expiration")?),
    };
    parts.check(step)
}

/// The error code of a refusal, in JSON (`__type`, `code`) or XML (`Code`): letters and digits,
/// which log lines can show.
pub fn error_code(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type", alias = "code", alias = "Code")]
        code: String,
    }
    let text = std::str::from_utf8(text).ok()?;
    let code = match serde_json::from_str::<Refusal>(text) {
        Ok(refusal) => refusal.code,
        Err(_) => element(text, "Code")?.to_owned(),
    };
    plain_code(&code)
}

/// The name in an error code: without what stands before a `#` and after a `:`.
pub fn plain_code(code: &str) -> Option<String> {
    let name = code.rsplit('#').next()?.split(':').next()?;
    let is_plain =
        (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| name.to_owned())
}

/// What stands between the tags of an element that is there once and has no attributes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, after) = rest.split_once(&format!("</{name}>"))?;
    (!after.contains(&format!("<{name}>"))).then_some(inside)
}

/// Text with XML's own entities resolved; none where there is other markup.
fn unescaped(text: &str) -> Option<String> {
    if text.contains('<') {
        return None;
    }
    let mut pieces = text.split('&');
    let mut out = String::with_capacity(text.len());
    out.push_str(pieces.next()?);
    for piece in pieces {
        let (entity, rest) = piece.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STS: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>\
        <Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s/e+c</SecretAccessKey>\
        <SessionToken>t&amp;k=</SessionToken><Expiration>2026-11-29T12:00:00Z</Expiration></Credentials>\
        </AssumeRoleResult></AssumeRoleResponse>";

    fn shown(
        read: Result<Temporary, Fault>,
    ) -> Result<(String, Option<String>, Option<u64>), Fault> {
        read.map(|found| {
            let credentials = found.credentials;
            let token = credentials.session_token().map(str::to_owned);
            (
                credentials.access_key_id().to_owned(),
                token,
                found.expires_ms,
            )
        })
    }

    #[test]
    fn credentials_are_read_in_each_form() {
        let end = Some(1_795_953_600_000);
        let temporary = ("ASIAX".to_owned(), Some("t&k=".to_owned()), end);
        assert_eq!(shown(sts("STS", STS.as_bytes())), Ok(temporary.clone()));
        let metadata = r#"{"Code":"Success","LastUpdated":"x","Type":"AWS-HMAC","AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t&k=","Expiration":"2026-11-29T12:00:00Z"}"#;
        assert_eq!(shown(json("m", metadata.as_bytes())), Ok(temporary));
        let stored = r#"{"ARN":"a","SecretString":"{\"aws_access_key_id\":\"AKIAX\",\"aws_secret_access_key\":\"s\"}"}"#;
        let lasting = ("AKIAX".to_owned(), None, None);
        assert_eq!(shown(secret("s", stored.as_bytes())), Ok(lasting));
    }

    #[test]
    fn what_is_not_whole_is_no_credential() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"AccessKeyId":"A","SecretAccessKey":""}"#,
            r#"{"AccessKeyId":"A b","SecretAccessKey":"s"}"#,
            r#"{"AccessKeyId":"A","AccessKeyId":"B","SecretAccessKey":"s"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}"#,
            r#"{"Code":"Failed","AccessKeyId":"A","SecretAccessKey":"s"}"#,
        ] {
            assert!(json("m", text.as_bytes()).is_err(), "{text}");
        }
        for (from, to) in [
            ("<SessionToken>t&amp;k=</SessionToken>", ""),
            ("t&amp;k=", "t&k="),
            ("t&amp;k=", "<b/>"),
            ("2026-11-29T12:00:00Z", "soon"),
            (
                "<AccessKeyId>ASIAX",
                "<AccessKeyId>B</AccessKeyId><AccessKeyId>ASIAX",
            ),
            (
                "</AssumeRoleResult>",
                "<Credentials></Credentials></AssumeRoleResult>",
            ),
            ("</Credentials>", ""),
        ] {
            let text = STS.replace(from, to);
            assert!(sts("STS", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_code_is_a_word_and_nothing_else_is_shown() {
        for (text, code) in [
            (
                r#"{"__type":"com.amazon#AccessDeniedException","message":"arn"}"#,
                Some("AccessDeniedException"),
            ),
            (r#"{"code":"InvalidToken: x"}"#, Some("InvalidToken")),
            (
                "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>",
                Some("ExpiredToken"),
            ),
            ("<Code>a b</Code>", None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(error_code(text.as_bytes()).as_deref(), code, "{text}");
        }
    }
}
