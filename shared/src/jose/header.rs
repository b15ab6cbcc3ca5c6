//! The JOSE header of a compact JWS.
//!
//! Decides what the header may say at all: an object without repeated members, an `alg` that we
//! know, no critical extension, no unencoded payload. Everything it names a key by, except `kid`,
//! is ignored.

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::refusal::Refusal;
use super::strict::parse_object;

/// The longest `kid` that is looked up, in bytes.
const MAX_KID_BYTES: usize = 512;

/// What we take from a JOSE header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg` (RFC 7515 section 4.1.1).
    pub algorithm: Algorithm,
    /// `kid` (section 4.1.4): a hint from the sender, not proof of anything.
    pub kid: Option<String>,
    /// `typ` in lower case without a leading `application/` (section 4.1.9).
    pub typ: Option<String>,
    /// `cty` in lower case without a leading `application/` (section 4.1.10).
    pub cty: Option<String>,
    /// `signer`, which AWS load balancers write: the one that has signed.
    pub signer: Option<String>,
}

impl Header {
    /// Reads the decoded header.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not such an object, [`Refusal::ExtensionRefused`] for
    /// `crit` and for `b64` other than true, [`Refusal::AlgorithmRefused`] when `alg` is text but
    /// none of ours.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let members = parse_object(text).ok_or(Refusal::Malformed)?;
        // RFC 7515 section 4.1.11: what we do not understand and what is critical must not be
        // ignored. We understand none.
        if members.contains_key("crit") {
            return Err(Refusal::ExtensionRefused);
        }
        match members.get("b64") {
            None | Some(Value::Bool(true)) => {}
            Some(_) => return Err(Refusal::ExtensionRefused),
        }
        // No parameter of a JOSE header has null among its values, and readers differ on whether it
        // is there.
        if members.values().any(Value::is_null) {
            return Err(Refusal::Malformed);
        }
        let name = text_member(&members, "alg")?.ok_or(Refusal::Malformed)?;
        let algorithm = Algorithm::parse(name).ok_or(Refusal::AlgorithmRefused)?;
        let kid = text_member(&members, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(Refusal::Malformed);
        }
        Ok(Self {
            algorithm,
            kid: kid.map(str::to_owned),
            typ: text_member(&members, "typ")?.map(media_type),
            cty: text_member(&members, "cty")?.map(media_type),
            signer: members
                .get("signer")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

fn text_member<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Refusal> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::Malformed),
    }
}

/// The form in which media types compare (RFC 7515 section 4.1.9): without case, and without
/// `application/` when no other slash follows.
pub fn media_type(text: &str) -> String {
    let mut lower = text.to_ascii_lowercase();
    if let Some(short) = lower.strip_prefix("application/")
        && !short.contains('/')
    {
        lower = short.to_owned();
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_header_is_read() {
        let header = Header::parse(
            br#"{"typ":"application/AT+JWT","alg":"ES256","kid":"a","jku":"https://evil"}"#,
        )
        .unwrap();
        assert_eq!(header.algorithm, Algorithm::Es256);
        assert_eq!(header.kid.as_deref(), Some("a"));
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(header.cty, None);
    }

    #[test]
    fn each_fault_has_its_refusal() {
        for (text, refusal) in [
            (r#"[]"#, Refusal::Malformed),
            (r#"{}"#, Refusal::Malformed),
            (r#"{"alg":256}"#, Refusal::Malformed),
            (r#"{"alg":null}"#, Refusal::Malformed),
            (r#"{"alg":["RS256"]}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","alg":"none"}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","kid":1}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","typ":{}}"#, Refusal::Malformed),
            (r#"{"alg":"none"}"#, Refusal::AlgorithmRefused),
            (r#"{"alg":"NONE"}"#, Refusal::AlgorithmRefused),
            (
                r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
                Refusal::AlgorithmRefused,
            ),
            (r#"{"alg":"RS256","crit":[]}"#, Refusal::ExtensionRefused),
            (r#"{"alg":"RS256","crit":null}"#, Refusal::ExtensionRefused),
            (r#"{"alg":"RS256","crit":"exp"}"#, Refusal::ExtensionRefused),
            (r#"{"alg":"RS256","b64":null}"#, Refusal::ExtensionRefused),
            (r#"{"alg":"RS256","kid":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","typ":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","cty":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","jwk":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","jku":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","x5c":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","zip":null}"#, Refusal::Malformed),
            (r#"{"alg":"RS256","enc":null}"#, Refusal::Malformed),
            (
                r#"{"alg":"RS256","crit":["exp"]}"#,
                Refusal::ExtensionRefused,
            ),
            (r#"{"alg":"RS256","b64":false}"#, Refusal::ExtensionRefused),
            (r#"{"alg":"RS256","b64":"true"}"#, Refusal::ExtensionRefused),
            (
                r#"{"alg":"RS256","b64":false,"crit":["b64"]}"#,
                Refusal::ExtensionRefused,
            ),
        ] {
            assert_eq!(Header::parse(text.as_bytes()), Err(refusal), "{text}");
        }
        assert!(Header::parse(br#"{"alg":"RS256","b64":true}"#).is_ok());
    }

    #[test]
    fn a_very_long_kid_is_refused() {
        let text = format!(
            r#"{{"alg":"RS256","kid":"{}"}}"#,
            "k".repeat(MAX_KID_BYTES + 1)
        );
        assert_eq!(Header::parse(text.as_bytes()), Err(Refusal::Malformed));
    }
}
