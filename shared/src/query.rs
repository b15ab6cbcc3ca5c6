//! Finding and removing one parameter in the query of a request target, leaving every other byte as
//! it was.
//!
//! Names are compared after percent-decoding (and `+` as space), so that `api%5Fkey=…` cannot slip
//! past a filter that looks for `api_key` and reach an upstream which decodes. Pairs are separated
//! by `&` only; a name without `=` has an empty value. A `#` cannot occur in a request target (RFC
//! 9112, section 3.2), so it is an ordinary byte here.

/// The values of a parameter, and the target without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Decoded values, one for each time the parameter occurs; bytes that need not be text.
    pub values: Vec<Vec<u8>>,
    /// The target without the parameter; without `?` if nothing is left of the query.
    pub rest: String,
}

/// Takes a parameter out of a request target such as `/v1/models?key=a&x=1`. `None` where it does
/// not occur.
pub fn take_parameter(target: &str, name: &str) -> Option<Taken> {
    let (path, query) = target.split_once('?')?;
    let mut values = Vec::new();
    let mut rest = String::with_capacity(target.len());
    rest.push_str(path);
    let mut separator = '?';
    for pair in query.split('&') {
        let (pair_name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decodes_to(pair_name, name.as_bytes()) {
            values.push(decode(value).collect());
        } else {
            rest.push(separator);
            rest.push_str(pair);
            separator = '&';
        }
    }
    (!values.is_empty()).then_some(Taken { values, rest })
}

/// A request target without the parameters whose decoded names are to go; without `?` if nothing is
/// left of the query. `None` where there is none of them.
pub fn without(target: &[u8], goes: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let (path, query) = parameters_raw(target)?;
    let mut rest = Vec::with_capacity(target.len());
    rest.extend_from_slice(path);
    let (mut separator, mut went) = (b'?', false);
    for pair in query.split(|byte| *byte == b'&') {
        let (name, _) = halves(pair);
        if goes(&name) {
            went = true;
        } else {
            rest.push(separator);
            rest.extend_from_slice(pair);
            separator = b'&';
        }
    }
    went.then_some(rest)
}

/// The path and the query of a request target, as they were sent; nothing without a query.
pub fn parameters_raw(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'?', target)?;
    Some((target.get(..at)?, target.get(at.checked_add(1)?..)?))
}

/// Every parameter of a request target, name and value decoded.
pub fn parameters(target: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    pairs(target).map(halves)
}

/// Those that only a reader sees who takes `;` for a separator as well, as HTML 4.01 (appendix
/// B.2.2) asked for.
pub fn behind_semicolons(target: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    pairs(target)
        .filter(|pair| pair.contains(&b';'))
        .flat_map(|pair| pair.split(|byte| *byte == b';'))
        .filter(|pair| !pair.is_empty())
        .map(halves)
}

fn pairs(target: &[u8]) -> impl Iterator<Item = &[u8]> {
    let query = parameters_raw(target).map_or(&b""[..], |(_, query)| query);
    query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
}

/// Name and value of a pair, decoded.
fn halves(pair: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    let mut half = || decode_bytes(halves.next().unwrap_or_default()).collect();
    (half(), half())
}

/// Whether a parameter occurs in a request target.
pub fn has_parameter(target: &[u8], name: &str) -> bool {
    let query = parameters_raw(target).map_or(&b""[..], |(_, query)| query);
    query.split(|byte| *byte == b'&').any(|pair| {
        let pair_name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        decode_bytes(pair_name).eq(name.bytes())
    })
}

fn decodes_to(encoded: &str, plain: &[u8]) -> bool {
    decode(encoded).eq(plain.iter().copied())
}

/// The bytes that `application/x-www-form-urlencoded` text stands for; an escape that is none
/// stands for itself.
pub fn decode(encoded: &str) -> impl Iterator<Item = u8> + '_ {
    decode_bytes(encoded.as_bytes())
}

/// [`decode`] for bytes that need not be text.
pub fn decode_bytes(encoded: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = encoded;
    core::iter::from_fn(move || {
        if let [b'%', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = after;
            return Some((high << 4) | low);
        }
        let (first, after) = rest.split_first()?;
        rest = after;
        Some(if *first == b'+' { b' ' } else { *first })
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_parameter_is_taken_and_the_rest_is_left_as_it_was() {
        for (target, values, rest) in [
            ("/a?key=s3cret", &["s3cret"][..], "/a"),
            ("/a?x=%41&key=a%2Bb+c&y", &["a+b c"], "/a?x=%41&y"),
            ("/a?key=1&&KEY=2&key=3", &["1", "3"], "/a?&KEY=2"),
            ("/a?key", &[""], "/a"),
            ("/a?%6bey=1&x=key", &["1"], "/a?x=key"),
            ("/a?x=1?key=2&key=3=4", &["3=4"], "/a?x=1?key=2"),
            ("/a?key=%zz%4", &["%zz%4"], "/a"),
        ] {
            let taken = take_parameter(target, "key").unwrap();
            let expected: Vec<Vec<u8>> = values
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect();
            assert_eq!(
                (taken.values, taken.rest.as_str()),
                (expected, rest),
                "{target}"
            );
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let read = |target: &str| {
            parameters(target.as_bytes())
                .map(|(name, value)| {
                    (
                        String::from_utf8_lossy(&name).into_owned(),
                        String::from_utf8_lossy(&value).into_owned(),
                    )
                })
                .collect::<Vec<_>>()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("/a?x=%41&&b%3Dc=d+e=f&y"),
            [pair("x", "A"), pair("b=c", "d e=f"), pair("y", "")]
        );
        assert!(read("/a").is_empty());
        for (target, there) in [
            ("/?_method=PUT", true),
            ("/?a&%5Fmethod", true),
            ("/_method?a=_method", false),
            ("/_method", false),
            ("/?_Method=PUT", false),
        ] {
            assert_eq!(
                has_parameter(target.as_bytes(), "_method"),
                there,
                "{target}"
            );
        }
    }

    #[test]
    fn parameters_go_by_their_decoded_names_and_the_rest_is_left_as_it_was() {
        let goes = |name: &[u8]| name.eq_ignore_ascii_case(b"key");
        for (target, rest) in [
            ("/a?key=1", Some("/a")),
            ("/a?x=%41&KEY=1&&%6bey", Some("/a?x=%41&")),
            ("/a?x=key&keys=1", None),
            ("/a?", None),
            ("/key=1", None),
        ] {
            let left = without(target.as_bytes(), goes);
            assert_eq!(left.as_deref(), rest.map(str::as_bytes), "{target}");
        }
    }

    #[test]
    fn a_target_without_the_parameter_is_left_alone() {
        for target in ["/key", "/a?", "/a?keys=1", "/a?x=key", "/a?ke%79s=1", ""] {
            assert_eq!(take_parameter(target, "key"), None, "{target}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_no_longer_has_the_parameter(target in "/[a-z]{0,3}\\?([key%56b=&+]|%6b|%65|%79|key=){0,20}") {
            if let Some(taken) = take_parameter(&target, "key") {
                prop_assert_eq!(take_parameter(&taken.rest, "key"), None);
                prop_assert!(taken.rest.len() < target.len());
            }
        }

        #[test]
        fn arbitrary_targets_never_panic(target in "\\PC{0,60}", name in "\\PC{0,10}") {
            take_parameter(&target, &name);
        }
    }
}
