//! From verified claims to what others see of the caller: the identity fact, and headers for the upstream.
//!
//! A claim becomes a header only if it can be read back as what it was: no control characters, no surrounding space, no comma inside a
//! list's element. A claim that cannot is a refusal, not a guess.

use modelgate_kit::config::Problems;
use modelgate_kit::facts::Identity;
use modelgate_kit::jose::{ClaimPath, Claims, Refusal, scopes};
use serde_json::{Map, Value};

use crate::config::ClaimToHeader;
use crate::place::is_header_name;

/// Longest header value that a claim may become, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// Which claims make up an identity.
#[derive(Debug)]
pub struct Portrait {
    /// Claim that names the caller.
    pub consumer: ClaimPath,
    /// Put before the name.
    pub prefix: String,
    /// Claim with the groups.
    pub groups: ClaimPath,
    /// Claims handed on as they are, under the text of their path.
    pub claims: Vec<(String, ClaimPath)>,
}

impl Portrait {
    /// The identity that the claims describe.
    ///
    /// # Errors
    /// [`Refusal::ClaimMissing`] without a name for the caller, [`Refusal::ClaimRefused`] when name or groups are not text.
    pub fn draw(&self, claims: &Claims) -> Result<Identity, Refusal> {
        let name = match self.consumer.find(claims.members()) {
            None | Some(Value::Null) => return Err(Refusal::ClaimMissing),
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(Refusal::ClaimRefused),
        };
        let groups = match self.groups.find(claims.members()) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(group)) => vec![group.clone()],
            Some(Value::Array(list)) => list
                .iter()
                .map(|group| group.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or(Refusal::ClaimRefused)?,
            Some(_) => return Err(Refusal::ClaimRefused),
        };
        let handed_on: Map<String, Value> = self
            .claims
            .iter()
            .filter_map(|(name, path)| Some((name.clone(), path.find(claims.members())?.clone())))
            .collect();
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Ok(Identity {
            consumer: format!("{}{name}", self.prefix),
            method: "jwt".to_owned(),
            issuer: text(claims.issuer()),
            subject: text(claims.subject()),
            credential: text(claims.id()),
            groups,
            scopes: scopes(claims.members())
                .into_iter()
                .map(str::to_owned)
                .collect(),
            claims: handed_on,
        })
    }
}

/// Headers that carry claims to the upstream.
#[derive(Debug)]
pub struct ClaimHeaders(Vec<(String, ClaimPath)>);

impl ClaimHeaders {
    /// Checks and takes over what was written.
    pub fn compile(written: &[ClaimToHeader], problems: &mut Problems) -> Self {
        let mut headers: Vec<(String, ClaimPath)> = Vec::new();
        for (at, one) in written.iter().enumerate() {
            let name = one.header.to_ascii_lowercase();
            // What frames or routes the message is not ours to overwrite with a claim.
            let reserved = [
                "host",
                "connection",
                "content-length",
                "transfer-encoding",
                "te",
                "trailer",
                "upgrade",
                "cookie",
            ];
            if !is_header_name(&name) || reserved.contains(&name.as_str()) {
                problems.add(
                    format!("[{at}].header"),
                    "is not a header that a claim may be written to",
                    "write a name such as `x-user`",
                );
            } else if headers.iter().any(|(other, _)| *other == name) {
                problems.add(format!("[{at}].header"), "is listed twice", "");
            }
            match ClaimPath::parse(&one.claim) {
                Ok(path) => headers.push((name, path)),
                Err(fault) => problems.add(
                    format!("[{at}].claim"),
                    "is not a claim path",
                    fault.to_string(),
                ),
            }
        }
        Self(headers)
    }

    /// Names of all headers, which a client must not set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// One value per header, in the order of [`ClaimHeaders::names`]; `None` where the claim is absent.
    ///
    /// # Errors
    /// [`Refusal::ClaimRefused`] when a claim has no faithful form as a header.
    pub fn values(&self, claims: &Claims) -> Result<Vec<Option<String>>, Refusal> {
        self.0
            .iter()
            .map(|(_, path)| match path.find(claims.members()) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => header_value(value).map(Some).ok_or(Refusal::ClaimRefused),
            })
            .collect()
    }
}

fn header_value(value: &Value) -> Option<String> {
    let text = match value {
        Value::Array(items) => {
            let parts: Option<Vec<String>> = items
                .iter()
                .map(|item| scalar(item).filter(|part| !part.contains(',') && part.trim() == part))
                .collect();
            parts?.join(",")
        }
        one => scalar(one)?,
    };
    let faithful = text.len() <= MAX_HEADER_BYTES
        && text.trim() == text
        && !text.chars().any(char::is_control);
    faithful.then_some(text)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn portrait(consumer: &str) -> Portrait {
        Portrait {
            consumer: ClaimPath::parse(consumer).unwrap(),
            prefix: "corp/".into(),
            groups: ClaimPath::parse("/realm/roles").unwrap(),
            claims: vec![
                ("tier".into(), ClaimPath::parse("tier").unwrap()),
                ("no".into(), ClaimPath::parse("no").unwrap()),
            ],
        }
    }

    fn draw(consumer: &str, claims: Value) -> Result<Identity, Refusal> {
        portrait(consumer).draw(&Claims::parse(claims.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn claims_become_an_identity() {
        let claims = json!({
            "iss": "https://idp", "sub": "ann", "jti": "t1", "scope": "a b", "realm": {"roles": ["ml"]}, "tier": {"x": 1}, "n": 7,
        });
        let identity = draw("sub", claims.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(&identity).unwrap(),
            json!({
                "consumer": "corp/ann", "method": "jwt", "issuer": "https://idp", "subject": "ann", "credential": "t1",
                "groups": ["ml"], "scopes": ["a", "b"], "claims": {"tier": {"x": 1}},
            })
        );
        assert_eq!(draw("n", claims).unwrap().consumer, "corp/7");
    }

    #[test]
    fn an_identity_that_cannot_be_read_is_refused() {
        for (claims, refusal) in [
            (json!({}), Refusal::ClaimMissing),
            (json!({"name": null}), Refusal::ClaimMissing),
            (json!({"name": ""}), Refusal::ClaimRefused),
            (json!({"name": ["ann"]}), Refusal::ClaimRefused),
            (
                json!({"name": "ann", "realm": {"roles": {"ml": true}}}),
                Refusal::ClaimRefused,
            ),
            (
                json!({"name": "ann", "realm": {"roles": ["ml", 7]}}),
                Refusal::ClaimRefused,
            ),
        ] {
            assert_eq!(draw("name", claims.clone()), Err(refusal), "{claims}");
        }
    }

    #[test]
    fn only_what_reads_back_becomes_a_header() {
        for (value, expected) in [
            (json!("ann"), Some("ann")),
            (json!("a, b"), Some("a, b")),
            (json!("é"), Some("é")),
            (json!(7), Some("7")),
            (json!(false), Some("false")),
            (json!(["a", 1, true]), Some("a,1,true")),
            (json!([]), Some("")),
            (json!(["a,b"]), None),
            (json!([" a"]), None),
            (json!([["a"]]), None),
            (json!({"a": 1}), None),
            (json!("a\r\nx-admin: 1"), None),
            (json!("a\u{0}"), None),
            (json!("a\u{85}b"), None),
            (json!(" a"), None),
            (json!("a".repeat(5000)), None),
        ] {
            assert_eq!(header_value(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn headers_that_claims_must_not_write_are_named() {
        let entry = |claim: &str, header: &str| ClaimToHeader {
            claim: claim.into(),
            header: header.into(),
        };
        let mut problems = Problems::default();
        let written = [
            entry("sub", "x-user"),
            entry("sub", "Host"),
            entry("sub", ":path"),
            entry("sub", "X-User"),
            entry("/a~", "x-a"),
        ];
        ClaimHeaders::compile(&written, &mut problems);
        let paths: Vec<_> = problems
            .into_vec()
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(
            paths,
            ["[1].header", "[2].header", "[3].header", "[4].claim"]
        );
    }

    proptest! {
        #[test]
        fn no_claim_can_end_a_header(text in "\\PC{0,20}|[\\x00-\\x20a]{0,6}") {
            if let Some(value) = header_value(&json!([text])) {
                prop_assert!(!value.bytes().any(|byte| byte < 0x20 || byte == 0x7f));
            }
        }
    }
}
