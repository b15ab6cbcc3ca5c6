//! Request headers that tell the upstream who calls.
//!
//! Something becomes a header only if it can be read back as what it was: no control characters, no
//! surrounding space, no comma inside an element of a list. What cannot is a refusal, not a guess;
//! and so is what may be incomplete, since the upstream would take it for the whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claim::{ClaimPath, Finding};
use crate::config::Problems;
use crate::config::types::HeaderName;
use crate::credential::Place;
use crate::exchange::Exchange;
use crate::facts::Identity;
use crate::headers::HeaderBlock;
use crate::host::Status;
use crate::problem::Reply;

/// Longest header value that a claim may become, in bytes. Names and groups are as long as the
/// operator has them.
const MAX_BYTES: usize = 4096;

/// What frames or routes the message is not ours to overwrite.
const RESERVED: [&str; 8] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "cookie",
];

/// Names of headers, as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenIdentityHeaders {
    /// Header with the consumer.
    pub consumer: Option<HeaderName>,
    /// Header with the public id of the credential (`jti` of a token, `id` of a key).
    pub credential: Option<HeaderName>,
    /// Header with the groups, joined by commas.
    pub groups: Option<HeaderName>,
    /// Headers with claims of a token or labels of a key.
    pub claims: Vec<ClaimToHeader>,
}

/// A claim that goes to the upstream as a header.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimToHeader {
    /// Name of a top-level claim, or a JSON Pointer as in `/realm_access/roles`. Arrays of scalars
    /// are joined by commas.
    pub claim: ClaimPath,
    /// Name of the header.
    pub header: HeaderName,
}

#[derive(Clone, Debug)]
enum Content {
    Consumer,
    Credential,
    Groups,
    Claim(ClaimPath),
}

/// Headers for the upstream.
#[derive(Clone, Debug, Default)]
pub struct IdentityHeaders(Vec<(String, Content)>);

/// A value for each header, in their order; none where there is nothing to say.
pub type Values = Vec<Option<String>>;

/// Something that no header can say faithfully.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritable;

impl IdentityHeaders {
    /// Takes over what was written below `identity_headers`; what is wrong with it is added to
    /// `problems`. A header from which credentials are taken cannot be one of them.
    pub fn compile(
        written: WrittenIdentityHeaders,
        places: &[Place],
        problems: &mut Problems,
    ) -> Self {
        let plain = [
            ("consumer", written.consumer, Content::Consumer),
            ("credential", written.credential, Content::Credential),
            ("groups", written.groups, Content::Groups),
        ];
        let plain = plain
            .into_iter()
            .filter_map(|(member, name, content)| Some((member.to_owned(), name?, content)));
        let claims = written.claims.into_iter().enumerate().map(|(at, one)| {
            (
                format!("claims[{at}].header"),
                one.header,
                Content::Claim(one.claim),
            )
        });
        let mut headers: Vec<(String, Content)> = Vec::new();
        problems.within("identity_headers", |problems| {
            for (member, name, content) in plain.chain(claims) {
                let name = name.into_string();
                let carries = |place: &Place| place.header() == Some(&name);
                if RESERVED.contains(&name.as_str()) {
                    problems.add(
                        &member,
                        "is a header that frames or routes the request",
                        "write a name such as x-consumer",
                    );
                } else if places.iter().any(carries) {
                    problems.add(
                        &member,
                        "is a header that carries credentials",
                        "choose another name",
                    );
                } else if headers.iter().any(|(other, _)| *other == name) {
                    problems.add(&member, "is listed twice", "choose another name");
                }
                headers.push((name, content));
            }
        });
        Self(headers)
    }

    /// Names of all headers, which a client must not set.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// What the headers say of a caller; `look` finds claims.
    ///
    /// # Errors
    /// When something has no faithful form as a header, or may be incomplete.
    pub fn values<'a>(
        &self,
        identity: &Identity,
        look: impl Fn(&ClaimPath) -> Finding<'a>,
    ) -> Result<Values, Unwritable> {
        let text = |text: &str| match text {
            "" => Ok(None),
            text => faithful(text.to_owned()).map(Some),
        };
        let one = |content: &Content| match content {
            Content::Consumer => text(&identity.consumer),
            Content::Credential => text(&identity.credential),
            Content::Groups if identity.groups_unknown => Err(Unwritable),
            Content::Groups => {
                let groups = identity.groups.iter().map(|group| element(group.clone()));
                let groups: Vec<String> = groups.collect::<Result<_, _>>()?;
                faithful(groups.join(",")).map(Some)
            }
            Content::Claim(path) => match look(path) {
                Finding::Absent | Finding::Value(Value::Null) => Ok(None),
                Finding::Value(value) => header_value(value).map(Some),
                Finding::Unknown => Err(Unwritable),
            },
        };
        self.0.iter().map(|(_, content)| one(content)).collect()
    }

    /// Removes what the client has put under these names, or under names that read as theirs: it
    /// must not speak to the upstream in our name.
    ///
    /// # Errors
    /// The reply to a request that cannot be cleaned.
    pub fn clean(&self, exchange: &Exchange, request: &HeaderBlock) -> Result<(), Reply> {
        exchange.remove_lookalikes(request, self.names())
    }

    /// Sets the headers that have a value.
    ///
    /// # Errors
    /// The host's status.
    pub fn set(&self, exchange: &Exchange, values: &[Option<String>]) -> Result<(), Status> {
        for (name, value) in self.names().zip(values) {
            if let Some(value) = value {
                exchange.request().set_header(name, value)?;
            }
        }
        Ok(())
    }
}

fn header_value(value: &Value) -> Result<String, Unwritable> {
    let text = match value {
        Value::Array(items) => {
            let parts = items.iter().map(|item| element(scalar(item)?));
            let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
            parts.join(",")
        }
        one => scalar(one)?,
    };
    if text.len() > MAX_BYTES {
        return Err(Unwritable);
    }
    faithful(text)
}

fn faithful(text: String) -> Result<String, Unwritable> {
    let is_faithful = text.trim() == text && !text.chars().any(char::is_control);
    is_faithful.then_some(text).ok_or(Unwritable)
}

/// An element of a list.
fn element(text: String) -> Result<String, Unwritable> {
    let is_one = !text.contains(',') && text.trim() == text;
    is_one.then_some(text).ok_or(Unwritable)
}

fn scalar(value: &Value) -> Result<String, Unwritable> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Unwritable),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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
            assert_eq!(header_value(&value).ok().as_deref(), expected, "{value}");
        }
    }

    fn compile(written: Value, places: &[Place]) -> (IdentityHeaders, Vec<String>) {
        let mut problems = Problems::default();
        let written = serde_json::from_value(written).unwrap();
        let headers = IdentityHeaders::compile(written, places, &mut problems);
        let paths = problems.into_vec().into_iter();
        (headers, paths.map(|problem| problem.path).collect())
    }

    #[test]
    fn headers_that_must_not_be_written_are_named() {
        let key = Place::Header {
            name: "x-api-key".into(),
            scheme: None,
        };
        let written = json!({
            "consumer": "Host", "credential": "X-Api-Key", "groups": "x-groups",
            "claims": [{"claim": "a", "header": "Content-Length"}, {"claim": "b", "header": "X-Groups"}, {"claim": "c", "header": "x-c"}],
        });
        let (headers, paths) = compile(written, &[key]);
        assert_eq!(
            paths,
            [
                "identity_headers.consumer",
                "identity_headers.credential",
                "identity_headers.claims[0].header",
                "identity_headers.claims[1].header",
            ]
        );
        assert!(headers.names().any(|name| name == "x-c"));
    }

    #[test]
    fn what_may_be_incomplete_is_not_written() {
        let written = json!({
            "consumer": "x-consumer", "credential": "x-key", "groups": "x-groups",
            "claims": [{"claim": "/org/id", "header": "x-org"}],
        });
        let (headers, _) = compile(written, &[]);
        let mut identity = Identity {
            consumer: "ann".into(),
            groups: vec!["a".to_owned(), "b c".to_owned()].into(),
            ..Identity::default()
        };
        let values = |identity: &Identity| headers.values(identity, |path| identity.look(path));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            values(&identity),
            Ok(vec![some("ann"), None, some("a,b c"), None])
        );
        identity.claims.insert("org".into(), json!({"id": 7}));
        assert_eq!(values(&identity).unwrap().last(), Some(&some("7")));
        let mut doubtful = identity.clone();
        doubtful.groups_unknown = true;
        assert_eq!(values(&doubtful), Err(Unwritable));
        let mut doubtful = identity.clone();
        doubtful.claims_unknown = vec!["org".into()];
        assert_eq!(values(&doubtful), Err(Unwritable));
        let mut doubtful = identity.clone();
        doubtful.groups = vec!["a,b".to_owned()].into();
        assert_eq!(values(&doubtful), Err(Unwritable));
        let mut many = identity.clone();
        many.groups = vec!["group".to_owned(); 2000].into();
        assert_eq!(
            values(&many).unwrap()[2].as_ref().map(String::len),
            Some(11_999)
        );
        let mut doubtful = identity;
        doubtful.consumer = "a\nb".into();
        assert_eq!(values(&doubtful), Err(Unwritable));
    }

    proptest! {
        #[test]
        fn a_header_never_ends_early(text in any::<String>()) {
            if let Ok(value) = header_value(&json!([text.clone(), text])) {
                prop_assert!(!value.contains(['\r', '\n', '\0']));
            }
        }
    }
}
