//! Finding the one token of a request, and taking it out again.
//!
//! Every configured place is looked at, and a second token anywhere refuses the request (RFC 6750 section 2: a client must not use
//! more than one method). A header with another scheme, such as `Basic`, is no token; a repeated header is refused when
//! one of its values is, because upstreams differ in which value counts.

use memchr::memchr_iter;
use modelgate_kit::config::Problems;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::host::Status;
use modelgate_kit::jose::Refusal;
use modelgate_kit::query::take_parameter;

use crate::config::TokenFrom;

/// Where tokens may stand.
#[derive(Debug)]
pub struct Places {
    headers: Vec<(String, Option<String>)>,
    cookies: Vec<String>,
    query: Vec<String>,
}

/// A token and how to remove it.
pub struct Found {
    /// The token's bytes; nothing is known about them.
    pub token: Vec<u8>,
    removal: Removal,
}

#[derive(Debug, PartialEq, Eq)]
enum Removal {
    Header(String),
    Cookie(Vec<u8>),
    Path(String),
}

impl Places {
    /// Checks and takes over what was written.
    pub fn compile(written: TokenFrom, problems: &mut Problems) -> Self {
        let places = Self {
            headers: written
                .headers
                .into_iter()
                .map(|place| (place.name.to_ascii_lowercase(), place.scheme))
                .collect(),
            cookies: written.cookies,
            query: written.query,
        };
        for (at, (name, scheme)) in places.headers.iter().enumerate() {
            if !is_header_name(name) || name == "cookie" {
                problems.add(
                    format!("headers[{at}].name"),
                    "is not a header name that can carry a token",
                    "",
                );
            }
            if scheme.as_ref().is_some_and(|scheme| !is_token(scheme)) {
                problems.add(
                    format!("headers[{at}].scheme"),
                    "is not an authentication scheme",
                    "write `Bearer`, or leave it out",
                );
            }
            let twice = places
                .headers
                .iter()
                .take(at)
                .any(|(other, _)| other == name);
            if twice {
                problems.add(format!("headers[{at}].name"), "is listed twice", "");
            }
        }
        for (at, name) in places.cookies.iter().enumerate() {
            if !is_token(name) {
                problems.add(format!("cookies[{at}]"), "is not a cookie name", "");
            }
        }
        for (at, name) in places.query.iter().enumerate() {
            if name.is_empty() {
                problems.add(format!("query[{at}]"), "is empty", "");
            }
        }
        if places.headers.is_empty() && places.cookies.is_empty() && places.query.is_empty() {
            problems.add(
                "",
                "names no place",
                "leave it out for the header `authorization: Bearer …`",
            );
        }
        places
    }

    /// The one token of a request, if there is one.
    ///
    /// # Errors
    /// [`Refusal::Repeated`] when there is more than one.
    pub fn find(&self, request: &HeaderBlock) -> Result<Option<Found>, Refusal> {
        let mut found = None;
        let mut keep = |candidate: Found| match found.replace(candidate) {
            None => Ok(()),
            Some(_) => Err(Refusal::Repeated),
        };
        for (name, scheme) in &self.headers {
            let mut count = 0_usize;
            let mut token = None;
            // A proxy may have joined repeated headers with commas (RFC 9110 section 5.2), which no token contains.
            for value in request.all(name) {
                let mut from = 0;
                for to in memchr_iter(b',', value).chain([value.len()]) {
                    count = count.saturating_add(1);
                    let part = value.get(from..to).unwrap_or_default();
                    token = after_scheme(part, scheme.as_deref()).or(token);
                    from = to.saturating_add(1);
                }
            }
            if let Some(bytes) = token {
                if count > 1 {
                    return Err(Refusal::Repeated);
                }
                keep(Found {
                    token: bytes.to_vec(),
                    removal: Removal::Header(name.clone()),
                })?;
            }
        }
        for name in &self.cookies {
            let (values, rest) = split_cookies(request, name.as_bytes());
            for value in values {
                keep(Found {
                    token: value,
                    removal: Removal::Cookie(rest.clone()),
                })?;
            }
        }
        if !self.query.is_empty()
            && let Some(path) = request.text(":path")
        {
            for name in &self.query {
                let Some(taken) = take_parameter(path, name) else {
                    continue;
                };
                for value in taken.values {
                    keep(Found {
                        token: value,
                        removal: Removal::Path(taken.rest.clone()),
                    })?;
                }
            }
        }
        Ok(found)
    }
}

impl Found {
    /// Removes the token from the request.
    ///
    /// # Errors
    /// The host's status; the request must not go on then.
    pub fn strip(&self, exchange: &Exchange) -> Result<(), Status> {
        match &self.removal {
            Removal::Header(name) => exchange.remove_request_header(name),
            Removal::Cookie(rest) if rest.is_empty() => exchange.remove_request_header("cookie"),
            Removal::Cookie(rest) => exchange.set_request_header("cookie", rest),
            Removal::Path(rest) => exchange.set_request_header(":path", rest),
        }
    }
}

/// The token after the scheme (RFC 9110 section 11.4: scheme in any case, one or more spaces); `None` for another scheme or no value.
fn after_scheme<'a>(value: &'a [u8], scheme: Option<&str>) -> Option<&'a [u8]> {
    let value = value.trim_ascii();
    let token = match scheme {
        None => value,
        Some(scheme) => {
            let (head, rest) = value.split_at_checked(scheme.len())?;
            if !head.eq_ignore_ascii_case(scheme.as_bytes()) {
                return None;
            }
            match rest.first() {
                // The scheme alone: an empty token, which is none.
                None => return None,
                Some(b' ') => rest.trim_ascii(),
                Some(_) => return None,
            }
        }
    };
    (!token.is_empty()).then_some(token)
}

/// The values of a cookie (RFC 6265 section 5.4), and all other cookies as they were.
fn split_cookies(request: &HeaderBlock, name: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut values = Vec::new();
    let mut rest = Vec::new();
    for header in request.all("cookie") {
        for pair in header.split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (pair_name, value) = (halves.next().unwrap_or_default(), halves.next());
            match value {
                Some(value) if pair_name.trim_ascii() == name => {
                    let value = value.trim_ascii();
                    let bare = value
                        .strip_prefix(b"\"")
                        .and_then(|value| value.strip_suffix(b"\""));
                    values.push(bare.unwrap_or(value).to_vec());
                }
                _ if pair.is_empty() => {}
                _ => {
                    if !rest.is_empty() {
                        rest.extend_from_slice(b"; ");
                    }
                    rest.extend_from_slice(pair);
                }
            }
        }
    }
    (values, rest)
}

/// A field name that is no pseudo-header (RFC 9110 section 5.1).
pub fn is_header_name(name: &str) -> bool {
    is_token(name)
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use modelgate_kit::headers::encode_refs;
    use proptest::prelude::*;

    use super::*;
    use crate::config::HeaderPlace;

    fn places() -> Places {
        let written = TokenFrom {
            headers: vec![
                HeaderPlace {
                    name: "Authorization".into(),
                    scheme: Some("Bearer".into()),
                },
                HeaderPlace {
                    name: "x-token".into(),
                    scheme: None,
                },
            ],
            cookies: vec!["session".into()],
            query: vec!["access_token".into()],
        };
        let mut problems = Problems::default();
        let places = Places::compile(written, &mut problems);
        assert!(problems.is_empty());
        places
    }

    fn find(pairs: &[(&str, &str)]) -> Result<Option<(String, Removal)>, Refusal> {
        let pairs: Vec<(&str, &[u8])> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let found = places().find(&HeaderBlock::new(encode_refs(&pairs)))?;
        Ok(found.map(|found| (String::from_utf8(found.token).unwrap(), found.removal)))
    }

    fn header(token: &str, name: &str) -> Result<Option<(String, Removal)>, Refusal> {
        Ok(Some((token.into(), Removal::Header(name.into()))))
    }

    #[test]
    fn a_token_is_found_in_each_place() {
        assert_eq!(
            find(&[("authorization", "bearer  t0 ")]),
            header("t0", "authorization")
        );
        assert_eq!(find(&[("X-Token", "t0")]), header("t0", "x-token"));
        assert_eq!(
            find(&[("cookie", "a=1; session=\"t0\";b=2"), ("cookie", "c=3")]),
            Ok(Some((
                "t0".into(),
                Removal::Cookie(b"a=1; b=2; c=3".to_vec())
            )))
        );
        assert_eq!(
            find(&[(":path", "/m?x=1&access_token=t0")]),
            Ok(Some(("t0".into(), Removal::Path("/m?x=1".into()))))
        );
    }

    #[test]
    fn what_is_no_token_is_none() {
        for pairs in [
            &[("authorization", "Basic YTpi")][..],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearert0")],
            &[("authorization", "")],
            &[("x-token", " ")],
            &[("cookie", "sessions=t0; xsession=1; session")],
            &[(":path", "/m?token=t0#access_token=t0")],
            &[("authorization", "Basic a"), ("authorization", "Basic b")],
            &[],
        ] {
            assert_eq!(find(pairs), Ok(None), "{pairs:?}");
        }
    }

    #[test]
    fn a_second_token_refuses_wherever_it_stands() {
        for pairs in [
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")][..],
            &[("authorization", "Basic a"), ("authorization", "Bearer b")],
            &[("authorization", "Bearer a"), ("Authorization", "Bearer a")],
            &[("authorization", "Bearer a,Bearer b")],
            &[("authorization", "Basic a, Bearer b")],
            &[("x-token", "a,")],
            &[("authorization", "Bearer a"), ("x-token", "a")],
            &[("authorization", "Bearer a"), ("cookie", "session=b")],
            &[("authorization", "Bearer a"), (":path", "/?access_token=b")],
            &[("cookie", "session=a; session=b")],
            &[("cookie", "session=a"), ("cookie", "session=a")],
            &[(":path", "/?access_token=b&access%5Ftoken=c")],
        ] {
            assert_eq!(find(pairs), Err(Refusal::Repeated), "{pairs:?}");
        }
    }

    #[test]
    fn places_that_cannot_be_are_named() {
        let written = TokenFrom {
            headers: vec![
                HeaderPlace {
                    name: "a b".into(),
                    scheme: None,
                },
                HeaderPlace {
                    name: "cookie".into(),
                    scheme: None,
                },
                HeaderPlace {
                    name: "x".into(),
                    scheme: Some("Be arer".into()),
                },
                HeaderPlace {
                    name: "X".into(),
                    scheme: None,
                },
            ],
            cookies: vec!["a;b".into()],
            query: vec![String::new()],
        };
        let mut problems = Problems::default();
        Places::compile(written, &mut problems);
        let paths: Vec<_> = problems
            .into_vec()
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(
            paths,
            [
                "headers[0].name",
                "headers[1].name",
                "headers[2].scheme",
                "headers[3].name",
                "cookies[0]",
                "query[0]"
            ]
        );
    }

    proptest! {
        #[test]
        fn other_cookies_survive_in_their_order(
            cookies in proptest::collection::vec("(session|sess|a|b)=[a-z0-9]{0,4}", 0..8),
        ) {
            let value = cookies.join("; ");
            let block = HeaderBlock::new(encode_refs(&[("cookie", value.as_bytes())]));
            let (values, rest) = split_cookies(&block, b"session");
            let others: Vec<_> = cookies.iter().filter(|cookie| !cookie.starts_with("session=")).cloned().collect();
            prop_assert_eq!(values.len(), cookies.len() - others.len());
            prop_assert_eq!(String::from_utf8(rest).unwrap(), others.join("; "));
        }

        #[test]
        fn arbitrary_values_never_panic(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4)) {
            let names = ["authorization", "x-token", "cookie", ":path"];
            let pairs: Vec<(&str, &[u8])> = names.into_iter().zip(values.iter().map(Vec::as_slice)).collect();
            let _ = places().find(&HeaderBlock::new(encode_refs(&pairs)));
        }
    }
}
