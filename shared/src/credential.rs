//! Where a credential stands in a request, and how it is taken out: headers, query parameters,
//! cookies.
//!
//! A request that carries more than one candidate is ambiguous: which one counts would depend on
//! who reads it. So every place is looked at, and two finds are an outcome of their own, as is a
//! header that begins as one of ours and goes on as none. Stripping removes the credential from
//! every place, so that a backend never sees it.

mod copies;
mod told;

use std::borrow::Cow;

use memchr::memchr_iter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Problems;
use crate::config::types::{HeaderName, NonEmpty, Token, is_token_byte};
use crate::exchange::Exchange;
use crate::headers::HeaderBlock;
use crate::host::Status;
use crate::query::take_parameter;

/// A place to look for a credential, as written: exactly one of `header`, `query`, `cookie`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenPlace {
    /// Name of a request header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderName>,
    /// Authentication scheme before the credential in that header, e.g. `Bearer`; compared without
    /// case (RFC 9110 section 11.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Token>,
    /// Name of a query parameter. None with brackets, which servers read as a structure (`key[a]`):
    /// it would stand under several names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Token>,
    /// Name of a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Token>,
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

impl Place {
    /// Name of the header that it stands in; none for what is part of the path.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header { name, .. } => Some(name),
            Self::Cookie(_) => Some("cookie"),
            Self::Query(_) => None,
        }
    }

    /// Whether a credential in the other place can stand in this one as well: then every request
    /// that carries one would carry two.
    fn has_those_of(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Header { name, scheme },
                Self::Header {
                    name: other_name,
                    scheme: other_scheme,
                },
            ) => {
                let same = match (scheme, other_scheme) {
                    (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                    // Without a scheme the whole value is a credential.
                    _ => true,
                };
                name == other_name && same
            }
            _ => self == other,
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    None,
    /// One credential. Of cookies it may be empty: applications leave such behind.
    One(Cow<'a, [u8]>),
    /// More than one, or one place filled twice.
    Several,
    /// One, in a header that carries credentials of another scheme beside it.
    Mixed,
    /// A header or parameter with nothing in it, or the scheme, but after it not spaces and a
    /// credential (RFC 9110 section 11.4): whoever sends it meant to authenticate, and what others
    /// would read there is anybody's guess.
    Malformed,
}

impl WrittenPlace {
    /// A header, for defaults.
    pub fn header(name: &str, scheme: Option<&str>) -> Self {
        Self {
            header: HeaderName::new(name),
            scheme: scheme.and_then(Token::new),
            ..Self::default()
        }
    }

    fn compile(self, problems: &mut Problems) -> Option<Place> {
        let place = match (self.header, self.query, self.cookie, &self.scheme) {
            (Some(name), None, None, _) if &*name == "cookie" => {
                problems.add("header", "cannot carry a credential", "name the `cookie`");
                return None;
            }
            (Some(name), None, None, _) => Place::Header {
                name: name.into_string(),
                scheme: self.scheme.map(Token::into_string),
            },
            (None, Some(name), None, None) => Place::Query(name.into_string()),
            (None, None, Some(name), None) => Place::Cookie(name.into_string()),
            _ => {
                problems.add(
                    "",
                    "must name exactly one of header, query, cookie, and a scheme with a header only",
                    "e.g. {\"header\": \"authorization\", \"scheme\": \"Bearer\"}",
                );
                return None;
            }
        };
        Some(place)
    }
}

/// The places that `credential_from` lists, in its order; what is wrong with them is added to
/// `problems`.
pub fn compile_places(written: NonEmpty<WrittenPlace>, problems: &mut Problems) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(written.len());
    for (at, place) in written.into_vec().into_iter().enumerate() {
        problems.within(&format!("credential_from[{at}]"), |problems| {
            let Some(place) = place.compile(problems) else {
                return;
            };
            if places.iter().any(|other| other.has_those_of(&place)) {
                problems.add(
                    "",
                    "is listed twice",
                    "name each place once; one header may be listed with several schemes",
                );
            }
            places.push(place);
        });
    }
    places
}

/// Looks at every place.
pub fn find<'a>(headers: &'a HeaderBlock, places: &'a [Place]) -> Found<'a> {
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
            // Two of ours, whatever their form.
            _ => return Found::Several,
        };
    }
    found
}

/// One member of a header's value, as a place with this scheme reads it.
enum Piece<'a> {
    /// Something else.
    Other,
    /// Nothing.
    Empty,
    /// The scheme alone, or with something that is not spaces and a credential.
    Malformed,
    /// A credential.
    Ours(&'a [u8]),
}

fn read<'a>(piece: &'a [u8], scheme: Option<&str>) -> Piece<'a> {
    let piece = piece.trim_ascii();
    if piece.is_empty() {
        return Piece::Empty;
    }
    let Some(scheme) = scheme else {
        return Piece::Ours(piece);
    };
    let Some((head, rest)) = piece.split_at_checked(scheme.len()) else {
        return Piece::Other;
    };
    if !head.eq_ignore_ascii_case(scheme.as_bytes()) {
        return Piece::Other;
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    match rest.get(spaces..) {
        None | Some([]) => Piece::Malformed,
        Some([first, ..]) if spaces == 0 && is_token_byte(*first) => Piece::Other,
        Some([first, ..]) if spaces == 0 || first.is_ascii_whitespace() => Piece::Malformed,
        Some(credential) => Piece::Ours(credential),
    }
}

fn in_header<'a>(headers: &'a HeaderBlock, name: &'a str, scheme: Option<&str>) -> Found<'a> {
    let (mut pieces, mut empty, mut malformed) = (0_usize, 0_usize, false);
    let mut ours = None;
    let mut several = false;
    // Proxies join repeated headers with commas (RFC 9110 section 5.2; Envoy does so with
    // `authorization`), and no credential that we look for has one.
    for value in headers.all(name) {
        let mut from = 0;
        for to in memchr_iter(b',', value).chain([value.len()]) {
            pieces = pieces.saturating_add(1);
            match read(value.get(from..to).unwrap_or_default(), scheme) {
                Piece::Other => {}
                Piece::Empty => empty = empty.saturating_add(1),
                Piece::Malformed => malformed = true,
                Piece::Ours(credential) => several |= ours.replace(credential).is_some(),
            }
            from = to.saturating_add(1);
        }
    }
    match ours {
        _ if several => Found::Several,
        Some(credential) if pieces == 1 => Found::One(Cow::Borrowed(credential)),
        // Even where only one has the scheme, the backend may read the other.
        Some(_) if scheme.is_some() => Found::Mixed,
        Some(_) => Found::Several,
        None if malformed || (pieces > 0 && empty == pieces) => Found::Malformed,
        None => Found::None,
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
            (Some(value), true) if value.is_empty() => Found::Malformed,
            (Some(value), true) => Found::One(Cow::Owned(value)),
            _ => Found::Several,
        },
    }
}

fn in_cookies<'a>(headers: &'a HeaderBlock, name: &str) -> Found<'a> {
    let mut found = None;
    let lines = headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(b"cookie"))
        .map(|(_, v)| v);
    for (key, value) in lines
        .flat_map(|line| line.split(|b| *b == b';'))
        .map(parameter)
    {
        if key.trim_ascii() == name.as_bytes() {
            if found.is_some() {
                return Found::Several;
            }
            let value = value.trim_ascii();
            let bare = value
                .strip_prefix(b"\"")
                .and_then(|v| v.strip_suffix(b"\""))
                .unwrap_or(value);
            found = Some(bare);
        }
    }
    found.map_or(Found::None, |value| Found::One(Cow::Borrowed(value)))
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
            let headers = self.request().headers()?;
            match place {
                Place::Header { name, scheme } => {
                    // Credentials of another scheme are not ours to take out.
                    let is_ours = |value| matches!(read(value, scheme.as_deref()), Piece::Ours(_));
                    if headers.all(name).any(is_ours) {
                        self.request().remove_header(name)?;
                    }
                }
                Place::Query(name) => {
                    if let Some(taken) = headers
                        .text(":path")
                        .and_then(|target| take_parameter(target, name))
                    {
                        self.request().set_header(":path", taken.rest)?;
                    }
                }
                Place::Cookie(name) => {
                    let lines: Vec<&[u8]> = headers.all("cookie").collect();
                    let whole = lines.join(b"; ".as_slice());
                    match without_cookie(&whole, name) {
                        None => {}
                        Some(rest) if rest.is_empty() => self.request().remove_header("cookie")?,
                        Some(rest) => self.request().set_header("cookie", rest)?,
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
            Self::Mixed => "Mixed",
            Self::Malformed => "Malformed",
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

    fn look(pairs: &[(&str, &[u8])]) -> Option<Result<String, String>> {
        match find(&HeaderBlock::new(encode_refs(pairs)), &places()) {
            Found::None => None,
            Found::One(value) => Some(Ok(String::from_utf8(value.into_owned()).unwrap())),
            other => Some(Err(format!("{other:?}"))),
        }
    }

    #[test]
    fn one_credential_is_found_wherever_it_stands() {
        assert_eq!(look(&[]), None);
        assert_eq!(look(&[("authorization", b"Basic eA==")]), None);
        assert_eq!(look(&[("authorization", b"Digest a=\"b\", c=d")]), None);
        assert_eq!(look(&[("authorization", b"Bearerx")]), None);
        assert_eq!(
            look(&[("authorization", b"Basic a"), ("authorization", b"Basic b")]),
            None
        );
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
    fn places_that_share_their_credentials_are_refused() {
        let problems = |written: serde_json::Value| {
            let mut problems = Problems::default();
            compile_places(serde_json::from_value(written).unwrap(), &mut problems);
            let found = problems.into_vec().into_iter();
            found.map(|problem| problem.path).collect::<Vec<_>>()
        };
        use serde_json::json;
        let bearer = json!({"header": "Authorization", "scheme": "Bearer"});
        for other in [
            json!({"header": "authorization", "scheme": "bearer"}),
            json!({"header": "authorization"}),
        ] {
            assert_eq!(
                problems(json!([bearer, other])),
                ["credential_from[1]"],
                "{other}"
            );
            assert_eq!(
                problems(json!([other, bearer])),
                ["credential_from[1]"],
                "{other}"
            );
        }
        let twice = json!([{"query": "key"}, {"cookie": "key"}, {"query": "key"}]);
        assert_eq!(problems(twice), ["credential_from[2]"]);
        for impossible in [
            json!({}),
            json!({"header": "cookie"}),
            json!({"query": "q", "scheme": "Bearer"}),
            json!({"header": "h", "query": "q"}),
        ] {
            assert!(!problems(json!([impossible])).is_empty(), "{impossible}");
        }
        let api_key = json!({"header": "authorization", "scheme": "ApiKey"});
        assert!(problems(json!([bearer, api_key, {"cookie": "Bearer"}])).is_empty());
    }

    #[test]
    fn a_place_with_nothing_in_it_is_not_nothing() {
        for pairs in [
            &[("authorization", b"".as_slice())][..],
            &[("authorization", b"Bearer")],
            &[("authorization", b"bearer  ")],
            &[("authorization", b" , ")],
            &[("authorization", b""), ("authorization", b"")],
            &[(":path", b"/?access_token=")],
            &[(":path", b"/?a&access%5Ftoken")],
        ] {
            assert_eq!(look(pairs), Some(Err("Malformed".to_owned())), "{pairs:?}");
        }
        // It is one place more that is filled.
        for pairs in [
            &[
                ("authorization", b"Bearer".as_slice()),
                (":path", b"/?access_token=a"),
            ][..],
            &[
                ("authorization", b"Bearer a"),
                (":path", b"/?access_token="),
            ],
        ] {
            assert_eq!(look(pairs), Some(Err("Several".to_owned())), "{pairs:?}");
        }
        assert_eq!(look(&[("authorization", b"Digest a=\"b\",, c=d")]), None);
    }

    #[test]
    fn two_candidates_are_never_one() {
        for pairs in [
            &[
                ("authorization", b"Bearer a".as_slice()),
                ("Authorization", b"Bearer a"),
            ][..],
            &[
                ("authorization", b"Bearer a"),
                (":path", b"/?access_token=a"),
            ],
            &[
                ("authorization", b"Bearer\ta"),
                (":path", b"/?access_token=a"),
            ],
            &[(":path", b"/?access_token=a&access_token=a")],
            &[(":path", b"/?access_token=a&%61ccess_token=b")],
            &[(":path", b"/?access_token=&access_token=b")],
            &[("cookie", b"token=a; token=b")],
            &[("authorization", b"Bearer a,Bearer b")],
            &[("cookie", b"token=a"), ("cookie", b"token=b")],
            &[("cookie", b"token="), ("cookie", b"token=b")],
        ] {
            assert_eq!(look(pairs), Some(Err("Several".to_owned())), "{pairs:?}");
        }
    }

    #[test]
    fn one_beside_another_scheme_is_told_from_two_of_ours() {
        for pairs in [
            &[
                ("authorization", b"Bearer a".as_slice()),
                ("Authorization", b"Basic b"),
            ][..],
            &[("authorization", b"Basic a, bearer b")],
            &[("authorization", b"Bearer a,")],
            &[("authorization", b"Bearer a, b")],
        ] {
            assert_eq!(look(pairs), Some(Err("Mixed".to_owned())), "{pairs:?}");
        }
    }

    #[test]
    fn what_begins_as_ours_and_goes_on_as_none_is_malformed() {
        for value in [
            b"Bearer\ta".as_slice(),
            b"bearer,a",
            b"Bearer , a",
            b"Bearer  \ta",
            b"Bearer=a",
            b"Bearer:a",
            b"Bearer\"a\"",
            b"Basic a, Bearer\tb",
            b"Basic a, Bearer, b",
        ] {
            let found = look(&[("authorization", value)]);
            let shown = String::from_utf8_lossy(value);
            assert_eq!(found, Some(Err("Malformed".to_owned())), "{shown}");
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
