//! Where a credential stands in a request, and how it is taken out: headers, query parameters, cookies.
//!
//! A request that carries more than one candidate is ambiguous: which one counts would depend on who reads it. So every place is
//! looked at, and two finds are an outcome of their own. Stripping removes the credential from every place, so that a backend
//! never sees it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::config::Problems;
use crate::exchange::Exchange;
use crate::headers::HeaderBlock;
use crate::host::Status;
use crate::query::take_parameter;

/// A place to look for a credential, as written: exactly one of `header`, `query`, `cookie`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct WrittenPlace {
    /// Name of a request header.
    #[cfg_attr(feature = "schema", serde(skip_serializing_if = "Option::is_none"))]
    pub header: Option<String>,
    /// Authentication scheme before the credential in that header, e.g. `Bearer`; compared without case (RFC 9110 section 11.1).
    #[cfg_attr(feature = "schema", serde(skip_serializing_if = "Option::is_none"))]
    pub scheme: Option<String>,
    /// Name of a query parameter.
    #[cfg_attr(feature = "schema", serde(skip_serializing_if = "Option::is_none"))]
    pub query: Option<String>,
    /// Name of a cookie.
    #[cfg_attr(feature = "schema", serde(skip_serializing_if = "Option::is_none"))]
    pub cookie: Option<String>,
}

/// A place to look for a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, with a scheme before the credential or without.
    Header {
        /// Name in lower case.
        name: String,
        /// Scheme, e.g. `Bearer`.
        scheme: Option<String>,
    },
    /// A query parameter.
    Query(String),
    /// A cookie (RFC 6265 section 4.2).
    Cookie(String),
}

/// What was found.
#[derive(Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    None,
    /// One credential.
    One(Cow<'a, [u8]>),
    /// More than one, or one place filled twice.
    Several,
}

impl WrittenPlace {
    /// A header with a scheme, for defaults.
    pub fn header(name: &str, scheme: Option<&str>) -> Self {
        Self {
            header: Some(name.to_owned()),
            scheme: scheme.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Checks it.
    pub fn compile(&self, path: &str, problems: &mut Problems) -> Option<Place> {
        let named = match (&self.header, &self.query, &self.cookie) {
            (Some(name), None, None) => Place::Header {
                name: name.to_ascii_lowercase(),
                scheme: self.scheme.clone(),
            },
            (None, Some(name), None) => Place::Query(name.clone()),
            (None, None, Some(name)) => Place::Cookie(name.clone()),
            _ => {
                problems.add(
                    path,
                    "must name exactly one of header, query, cookie",
                    "e.g. {\"header\": \"authorization\", \"scheme\": \"Bearer\"}",
                );
                return None;
            }
        };
        if self.scheme.is_some() && self.header.is_none() {
            problems.add(format!("{path}.scheme"), "goes with a header only", "");
        }
        let name = match &named {
            Place::Header { name, .. } | Place::Query(name) | Place::Cookie(name) => name,
        };
        let token = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        if !token(name) || self.scheme.as_deref().is_some_and(|scheme| !token(scheme)) {
            problems.add(path, "is not a name", "use letters, digits and -_.");
            return None;
        }
        Some(named)
    }
}

/// Looks at every place.
pub fn find<'a>(headers: &'a HeaderBlock, places: &[Place]) -> Found<'a> {
    let mut found = Found::None;
    for place in places {
        let here = match place {
            Place::Header { name, scheme } => in_header(headers, name, scheme.as_deref()),
            Place::Query(name) => in_query(headers, name),
            Place::Cookie(name) => in_cookies(headers, name),
        };
        found = match (found, here) {
            (found, Found::None) => found,
            (Found::None, here) => here,
            _ => return Found::Several,
        };
    }
    found
}

/// The value after the scheme; `None` when the header has another scheme.
fn after_scheme<'a>(value: &'a [u8], scheme: Option<&str>) -> Option<&'a [u8]> {
    let value = value.trim_ascii();
    let Some(scheme) = scheme else {
        return Some(value);
    };
    let (head, rest) = value.split_at_checked(scheme.len())?;
    (head.eq_ignore_ascii_case(scheme.as_bytes())
        && rest.first().is_some_and(|b| *b == b' ' || *b == b'\t'))
    .then(|| rest.trim_ascii())
}

fn in_header<'a>(headers: &'a HeaderBlock, name: &str, scheme: Option<&str>) -> Found<'a> {
    let mut values = headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, v)| v);
    let value = match (values.next(), values.next()) {
        (None, _) => return Found::None,
        (Some(value), None) => value,
        // Two headers of the name: even where only one has the scheme, the backend may read the other.
        _ => return Found::Several,
    };
    // Proxies join repeated headers with commas (RFC 9110 section 5.2; Envoy does so with `authorization`), and no credential that we
    // look for has one.
    let mut pieces = value.split(|byte| *byte == b',');
    let joined = pieces.clone().nth(1).is_some();
    match pieces.find_map(|piece| after_scheme(piece, scheme)) {
        None => Found::None,
        Some(_) if joined => Found::Several,
        Some(credential) => Found::One(Cow::Borrowed(credential)),
    }
}

fn parameter(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|b| *b == b'=') {
        Some(at) => {
            let (name, rest) = pair.split_at_checked(at).unwrap_or((pair, &[]));
            (name, rest.get(1..).unwrap_or_default())
        }
        None => (pair, &[]),
    }
}

fn in_query(headers: &HeaderBlock, name: &str) -> Found<'static> {
    let Some(target) = headers.first(":path") else {
        return Found::None;
    };
    // A target that is not text: who knows what the upstream reads in it.
    let Ok(target) = std::str::from_utf8(target) else {
        return Found::Several;
    };
    match take_parameter(target, name).map(|taken| taken.values) {
        None => Found::None,
        Some(mut values) => match (values.pop(), values.is_empty()) {
            (Some(value), true) => Found::One(Cow::Owned(value)),
            _ => Found::Several,
        },
    }
}

fn in_cookies<'a>(headers: &'a HeaderBlock, name: &str) -> Found<'a> {
    let mut found = Found::None;
    let lines = headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(b"cookie"))
        .map(|(_, v)| v);
    for (key, value) in lines
        .flat_map(|line| line.split(|b| *b == b';'))
        .map(parameter)
    {
        if key.trim_ascii() == name.as_bytes() {
            if found != Found::None {
                return Found::Several;
            }
            let value = value.trim_ascii();
            let bare = value
                .strip_prefix(b"\"")
                .and_then(|v| v.strip_suffix(b"\""))
                .unwrap_or(value);
            found = Found::One(Cow::Borrowed(bare));
        }
    }
    found
}

/// `line` without the cookies of this name; `None` when there is none.
fn without_cookie(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let is = |pair: &&[u8]| parameter(pair).0.trim_ascii() == name.as_bytes();
    if !line.split(|b| *b == b';').any(|pair| is(&pair)) {
        return None;
    }
    let kept: Vec<&[u8]> = line
        .split(|b| *b == b';')
        .filter(|pair| !is(pair))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
        .collect();
    Some(kept.join(b"; ".as_slice()))
}

impl Exchange {
    /// Takes the credential out of every place.
    ///
    /// # Errors
    /// The host's status: then the credential may still be there, and the request must not go on.
    pub fn strip_credentials(&self, places: &[Place]) -> Result<(), Status> {
        for place in places {
            let headers = self.request()?;
            match place {
                Place::Header { name, scheme } => {
                    // Credentials of another scheme are not ours to take out.
                    if headers
                        .all(name)
                        .any(|value| after_scheme(value, scheme.as_deref()).is_some())
                    {
                        self.remove_request_header(name)?;
                    }
                }
                Place::Query(name) => {
                    if let Some(taken) = headers
                        .text(":path")
                        .and_then(|target| take_parameter(target, name))
                    {
                        self.set_request_header(":path", taken.rest)?;
                    }
                }
                Place::Cookie(name) => {
                    let lines: Vec<&[u8]> = headers.all("cookie").collect();
                    let whole = lines.join(b"; ".as_slice());
                    match without_cookie(&whole, name) {
                        None => {}
                        Some(rest) if rest.is_empty() => self.remove_request_header("cookie")?,
                        Some(rest) => self.set_request_header("cookie", rest)?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// The credential itself is never shown.
impl std::fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::One(_) => "One(hidden)",
            Self::Several => "Several",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::encode_refs;

    fn places() -> Vec<Place> {
        vec![
            Place::Header {
                name: "authorization".into(),
                scheme: Some("Bearer".into()),
            },
            Place::Query("access_token".into()),
            Place::Cookie("token".into()),
        ]
    }

    fn look(pairs: &[(&str, &[u8])]) -> Option<Result<String, ()>> {
        match find(&HeaderBlock::new(encode_refs(pairs)), &places()) {
            Found::None => None,
            Found::One(value) => Some(Ok(String::from_utf8(value.into_owned()).unwrap())),
            Found::Several => Some(Err(())),
        }
    }

    #[test]
    fn one_credential_is_found_wherever_it_stands() {
        assert_eq!(look(&[]), None);
        assert_eq!(look(&[("authorization", b"Basic eA==")]), None);
        assert_eq!(look(&[("authorization", b"Digest a=\"b\", c=d")]), None);
        assert_eq!(look(&[("authorization", b"Bearerx")]), None);
        assert_eq!(
            look(&[("authorization", b"bEARER  abc ")]),
            Some(Ok("abc".into()))
        );
        assert_eq!(
            look(&[(":path", b"/x?a=1&access%5Ftoken=a%2Bb&c")]),
            Some(Ok("a+b".into()))
        );
        assert_eq!(
            look(&[("cookie", b"a=b; token=\"x=y\"")]),
            Some(Ok("x=y".into()))
        );
    }

    #[test]
    fn two_candidates_are_never_one() {
        for pairs in [
            &[
                ("authorization", b"Bearer a".as_slice()),
                ("Authorization", b"Basic b"),
            ][..],
            &[
                ("authorization", b"Bearer a"),
                (":path", b"/?access_token=a"),
            ],
            &[(":path", b"/?access_token=a&access_token=a")],
            &[(":path", b"/?access_token=a&%61ccess_token=b")],
            &[("cookie", b"token=a; token=b")],
            &[("authorization", b"Bearer a,Bearer b")],
            &[("authorization", b"Basic a, bearer b")],
            &[("cookie", b"token=a"), ("cookie", b"token=b")],
        ] {
            assert_eq!(look(pairs), Some(Err(())), "{pairs:?}");
        }
    }

    #[test]
    fn stripping_leaves_every_other_byte() {
        assert_eq!(
            without_cookie(b"a=1;token=2; b=3", "token").unwrap(),
            b"a=1; b=3"
        );
        assert_eq!(without_cookie(b"a=1", "token"), None);
    }
}
