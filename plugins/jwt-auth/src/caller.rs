//! From verified claims to what others see of the caller: the identity fact, and headers for the
//! upstream.
//!
//! A claim becomes a header only if it can be read back as what it was: no control characters, no
//! surrounding space, no comma inside a list's element. A claim that cannot is a refusal, not a
//! guess.

use modelgate_kit::config::Problems;
use modelgate_kit::credential::is_token;
use modelgate_kit::facts::Identity;
use modelgate_kit::jose::{ClaimPath, Claims, Finding, Refusal};
use serde_json::{Map, Value};

use crate::config::ClaimToHeader;

/// Longest header value that a claim may become, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// Which claims make up an identity.
#[derive(Debug, Default)]
pub struct CallerHeaders {
    /// Claims that name the caller: the first that a token has.
    pub consumer: Vec<ClaimPath>,
    /// Put before that name.
    pub prefix: String,
    /// Name of callers whose tokens have none of these.
    pub unnamed: Option<String>,
    /// Claims with the groups, joined.
    pub groups: Vec<ClaimPath>,
    /// The names of an object's members are groups.
    pub object_names: bool,
    /// Groups of callers whose tokens have none of these.
    pub ungrouped: Vec<String>,
    /// Claims handed on as they are, under the text of their path.
    pub claims: Vec<ClaimPath>,
}

impl CallerHeaders {
    /// The identity that the claims describe.
    ///
    /// # Errors
    /// [`Refusal::ClaimMissing`] without a name for the caller, [`Refusal::ClaimRefused`] when name
    /// or groups are not text.
    pub fn draw(&self, claims: &Claims) -> Result<Identity, Refusal> {
        let groups = self.groups(claims)?;
        let mut handed_on = Map::new();
        let mut unknown = claims.elsewhere().to_names();
        for path in &self.claims {
            match claims.look(path) {
                Finding::Absent => {}
                Finding::Unknown => unknown.push(path.text().to_owned()),
                Finding::Value(value) => {
                    handed_on.insert(path.text().to_owned(), value.clone());
                }
            }
        }
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let scopes = claims.scopes();
        Ok(Identity {
            consumer: self.name(claims)?,
            method: "jwt".to_owned(),
            issuer: text(claims.issuer()),
            subject: text(claims.subject()),
            credential: text(claims.id()),
            groups: groups.known.into(),
            groups_unknown: groups.unknown,
            scopes: scopes.granted.into_iter().map(str::to_owned).collect(),
            scopes_unknown: scopes.unknown,
            claims: handed_on,
            claims_unknown: unknown,
        })
    }

    fn name(&self, claims: &Claims) -> Result<String, Refusal> {
        for path in &self.consumer {
            let name = match claims.look(path) {
                Finding::Absent | Finding::Value(Value::Null) => continue,
                Finding::Value(Value::String(text)) if !text.is_empty() => text.clone(),
                Finding::Value(Value::Number(number)) => number.to_string(),
                Finding::Value(_) | Finding::Unknown => return Err(Refusal::ClaimRefused),
            };
            return Ok(format!("{}{name}", self.prefix));
        }
        self.unnamed.clone().ok_or(Refusal::ClaimMissing)
    }

    fn groups(&self, claims: &Claims) -> Result<Groups, Refusal> {
        let mut groups = Groups::default();
        let mut has_none = true;
        for path in &self.groups {
            if claims.elsewhere().has(path) {
                groups.unknown = true;
            }
            match path.look(claims.members()) {
                Finding::Absent => continue,
                Finding::Unknown | Finding::Value(Value::Null) => groups.unknown = true,
                Finding::Value(Value::String(group)) => groups.known.push(group.clone()),
                Finding::Value(Value::Array(list)) => {
                    for group in list {
                        let group = group.as_str().ok_or(Refusal::ClaimRefused)?;
                        groups.known.push(group.to_owned());
                    }
                }
                Finding::Value(Value::Object(members)) if self.object_names => {
                    groups.known.extend(members.keys().cloned());
                }
                Finding::Value(_) => return Err(Refusal::ClaimRefused),
            }
            has_none = false;
        }
        if has_none && !groups.unknown {
            groups.known.clone_from(&self.ungrouped);
        }
        Ok(groups)
    }
}

/// The caller's groups.
#[derive(Default)]
struct Groups {
    known: Vec<String>,
    /// There may be more.
    unknown: bool,
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
            if !is_token(&name) || reserved.contains(&name.as_str()) {
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
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// One value per header, in the order of [`ClaimHeaders::names`]; `None` where the claim is
    /// absent.
    ///
    /// # Errors
    /// [`Refusal::ClaimRefused`] when a claim has no faithful form as a header.
    pub fn values(&self, claims: &Claims) -> Result<Vec<Option<String>>, Refusal> {
        self.0
            .iter()
            .map(|(_, path)| match claims.look(path) {
                Finding::Absent | Finding::Value(Value::Null) => Ok(None),
                Finding::Value(value) => header_value(value).map(Some).ok_or(Refusal::ClaimRefused),
                // The upstream would take it for absent.
                Finding::Unknown => Err(Refusal::ClaimRefused),
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

    fn paths(texts: &[&str]) -> Vec<ClaimPath> {
        texts
            .iter()
            .map(|text| ClaimPath::parse(text).unwrap())
            .collect()
    }

    fn caller_headers(consumer: &str) -> CallerHeaders {
        CallerHeaders {
            consumer: paths(&[consumer]),
            prefix: "corp/".into(),
            groups: paths(&["/realm/roles"]),
            claims: paths(&["tier", "no"]),
            ..CallerHeaders::default()
        }
    }

    fn read(claims: Value) -> Claims {
        Claims::parse(claims.to_string().as_bytes()).unwrap()
    }

    fn draw(consumer: &str, claims: Value) -> Result<Identity, Refusal> {
        caller_headers(consumer).draw(&Claims::parse(claims.to_string().as_bytes()).unwrap())
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
    fn groups_that_are_not_in_the_token_are_unknown() {
        for (claims, groups, unknown) in [
            (json!({"sub": "a"}), &[][..], false),
            (json!({"sub": "a", "realm": {"roles": []}}), &[], false),
            (json!({"sub": "a", "realm": {}}), &[], false),
            (json!({"sub": "a", "realm": {"roles": null}}), &[], true),
            (json!({"sub": "a", "realm": "ml"}), &[], true),
            (json!({"sub": "a", "realm": null}), &[], true),
            (
                json!({"sub": "a", "_claim_names": {"realm": "src1"}}),
                &[],
                true,
            ),
            (
                json!({"sub": "a", "realm": {"roles": ["ml"]}, "_claim_names": {"realm": "src1"}}),
                &["ml"],
                true,
            ),
            (
                json!({"sub": "a", "_claim_names": {"other": "src1"}}),
                &[],
                false,
            ),
        ] {
            let mut caller_headers = caller_headers("sub");
            let identity = caller_headers.draw(&read(claims.clone())).unwrap();
            assert_eq!(
                (identity.groups, identity.groups_unknown),
                (
                    groups.iter().map(|group| (*group).to_owned()).collect(),
                    unknown
                ),
                "{claims}"
            );
            caller_headers.ungrouped = vec!["all".into()];
            let identity = caller_headers.draw(&read(claims.clone())).unwrap();
            let has_none = claims.get("realm").is_none_or(|realm| realm == &json!({}));
            assert_eq!(
                *identity.groups == ["all"],
                has_none && !unknown,
                "{claims}"
            );
        }
        let claims = read(json!({"sub": "a", "_claim_names": {"dept": "src1"}, "tier": {"x": 1}}));
        let mut caller_headers = caller_headers("sub");
        caller_headers.claims = paths(&["tier", "/tier/x/y"]);
        let identity = caller_headers.draw(&claims).unwrap();
        assert_eq!(identity.claims_unknown, ["dept", "/tier/x/y"]);
        assert_eq!(Value::Object(identity.claims), json!({"tier": {"x": 1}}));
    }

    #[test]
    fn names_and_groups_have_several_sources() {
        let caller_headers = CallerHeaders {
            consumer: paths(&["preferred_username", "client_id"]),
            prefix: "corp/".into(),
            unnamed: Some("partner".into()),
            groups: paths(&["/realm_access/roles", "urn:roles"]),
            object_names: true,
            ..CallerHeaders::default()
        };
        let draw = |claims: Value| caller_headers.draw(&read(claims));
        let identity = draw(json!({
            "preferred_username": "ann", "client_id": "app", "realm_access": {"roles": ["a"]},
            "urn:roles": {"admin": {"1": "x.test"}, "viewer": {}},
        }));
        let identity = identity.unwrap();
        assert_eq!(identity.consumer, "corp/ann");
        assert_eq!(*identity.groups, ["a", "admin", "viewer"]);
        assert_eq!(
            draw(json!({"client_id": "app"})).unwrap().consumer,
            "corp/app"
        );
        assert_eq!(
            draw(json!({"preferred_username": null, "client_id": "app"}))
                .unwrap()
                .consumer,
            "corp/app"
        );
        assert_eq!(
            draw(json!({"preferred_username": ""})),
            Err(Refusal::ClaimRefused)
        );
        assert_eq!(
            draw(json!({"_claim_names": {"client_id": "s"}})),
            Err(Refusal::ClaimRefused)
        );
        assert_eq!(
            draw(json!({})).unwrap().consumer,
            "partner",
            "as the operator wrote it"
        );
    }

    #[test]
    fn a_header_for_a_claim_that_is_elsewhere_is_refused_and_not_left_out() {
        let mut problems = Problems::default();
        let written = [ClaimToHeader {
            claim: "groups".into(),
            header: "x-groups".into(),
        }];
        let headers = ClaimHeaders::compile(&written, &mut problems);
        assert_eq!(headers.values(&read(json!({}))), Ok(vec![None]));
        assert_eq!(
            headers.values(&read(json!({"hasgroups": true}))),
            Err(Refusal::ClaimRefused)
        );
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
