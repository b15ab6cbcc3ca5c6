//! Copies of an accepted credential, wherever the client has put them: SDKs send one key in several
//! headers, and only one of them is a place that the filter looks at. The upstream must see none.
//!
//! Looked at are all headers (any scheme, `Basic` decoded), cookies and query parameters. Not
//! looked at are the path, trailers and the body. One search through the headers as they came is
//! all that an ordinary request costs.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr, memmem};

use super::Place;
use crate::exchange::Exchange;
use crate::headers::HeaderBlock;
use crate::problem::Reply;
use crate::problem::common::HEADER_AMBIGUOUS;
use crate::query::{decode_bytes, parameters_raw};
use crate::sorting;

/// Shortest credential that is looked for inside of values; a shorter one is compared with whole
/// values.
const SHORTEST_INSIDE: usize = 16;
/// What is searched for first: the end of a credential is what is random in it.
const TAIL: usize = 32;
/// How often a value may be escaped.
const MOST_LAYERS: usize = 4;
/// Most headers that copies are removed from.
const MOST_COPIES: usize = 32;
/// Headers that frame the message or name its parties. No credential stands there, and without them
/// the request is another one.
const KEPT: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "te",
    "upgrade",
];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Exchange {
    /// Takes an accepted credential out of the request: out of its place, and of every other where
    /// the client has put it.
    ///
    /// # Errors
    /// A refusal if the host does not do it, or there are more copies than an honest request has:
    /// the request must not go on.
    pub fn take_out_credential(
        &self,
        request: &HeaderBlock,
        places: &[Place],
        credential: &[u8],
    ) -> Result<(), Reply> {
        if may_be_elsewhere(request, credential) {
            self.take_out_copies(request, credential)?;
        }
        self.strip_credentials(places)?;
        Ok(())
    }

    /// Takes a credential out of every header, cookie and query parameter.
    ///
    /// # Errors
    /// As [`Exchange::take_out_credential`].
    pub fn take_out_copies(&self, request: &HeaderBlock, credential: &[u8]) -> Result<(), Reply> {
        if credential.is_empty() {
            return Ok(());
        }
        let mut names: Vec<&[u8]> = request
            .iter()
            .filter(|(name, value)| {
                !name.starts_with(b":")
                    && !name.eq_ignore_ascii_case(b"cookie")
                    && !KEPT
                        .iter()
                        .any(|kept| name.eq_ignore_ascii_case(kept.as_bytes()))
                    && carries(value, credential)
            })
            .map(|(name, _)| name)
            .collect();
        sorting::sort(&mut names);
        names.dedup();
        if names.len() > MOST_COPIES {
            return Err(Reply::new(&HEADER_AMBIGUOUS));
        }
        let cookies = without(request.all("cookie"), b';', b"; ", credential);
        let target = request
            .first(":path")
            .and_then(|target| without_parameters(target, credential));
        for name in names {
            let name = std::str::from_utf8(name).map_err(|_| Reply::new(&HEADER_AMBIGUOUS))?;
            self.request().remove_header(name)?;
        }
        match cookies {
            None => {}
            Some(rest) if rest.is_empty() => self.request().remove_header("cookie")?,
            Some(rest) => self.request().set_header("cookie", rest)?,
        }
        if let Some(target) = target {
            self.request().set_header(":path", target)?;
        }
        Ok(())
    }
}

/// Whether there may be a copy outside of the place where the credential was found.
fn may_be_elsewhere(request: &HeaderBlock, credential: &[u8]) -> bool {
    let whole = request.as_bytes();
    let tail = credential
        .get(credential.len().saturating_sub(TAIL)..)
        .unwrap_or_default();
    // A part of the headers: it stands there as it is. Otherwise it was decoded, and may stand
    // nowhere as it is.
    let own = usize::from(whole.as_ptr_range().contains(&credential.as_ptr()));
    memmem::find_iter(whole, tail).nth(own).is_some()
        || memchr(b'%', whole).is_some()
        || request.iter().any(|(name, value)| {
            let basic = |value: &[u8]| after_basic(value).is_some();
            basic(value)
                || (name.eq_ignore_ascii_case(b"cookie")
                    && value
                        .split(|byte| *byte == b';')
                        .any(|pair| basic(value_of(pair))))
        })
}

fn after_basic(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| rest.trim_ascii())
}

/// Whether a value is the credential or has it in it as a word.
fn carries(value: &[u8], credential: &[u8]) -> bool {
    if holds(value, credential) {
        return true;
    }
    // An address in an address is escaped twice, one that leads to that one three times.
    let mut layer = Cow::Borrowed(value);
    for _ in 0..MOST_LAYERS {
        if memchr(b'%', &layer).is_none() {
            break;
        }
        layer = Cow::Owned(decode_bytes(&layer).collect());
        if holds(&layer, credential) {
            return true;
        }
    }
    after_basic(value)
        .and_then(|encoded| BASE64.decode(encoded).ok())
        .is_some_and(|pair| {
            holds(&pair, credential)
                || pair
                    .split(|byte| *byte == b':')
                    .any(|half| half == credential)
        })
}

fn holds(value: &[u8], credential: &[u8]) -> bool {
    let value = value.trim_ascii();
    if credential.len() < SHORTEST_INSIDE {
        let mut words = value.splitn(2, |byte| *byte == b' ');
        let scheme = words.next().unwrap_or_default();
        let bare = |text: &[u8]| {
            text.trim_ascii()
                .strip_prefix(b"\"")
                .and_then(|text| text.strip_suffix(b"\""))
                .unwrap_or(text.trim_ascii())
                == credential
        };
        return bare(value) || (!scheme.is_empty() && words.next().is_some_and(bare));
    }
    let in_word = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    memmem::find_iter(value, credential).any(|at| {
        let before = at.checked_sub(1).and_then(|at| value.get(at));
        let after = value.get(at.saturating_add(credential.len()));
        !in_word(before) && !in_word(after)
    })
}

/// The pairs of all lines but those whose value carries the credential; nothing if none does.
fn without<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    between: u8,
    joined_by: &[u8],
    credential: &[u8],
) -> Option<Vec<u8>> {
    let pairs: Vec<&[u8]> = lines
        .flat_map(|line| line.split(move |byte| *byte == between))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
        .collect();
    let carried = |pair: &&[u8]| carries(value_of(pair), credential);
    if !pairs.iter().any(carried) {
        return None;
    }
    let kept: Vec<&[u8]> = pairs.into_iter().filter(|pair| !carried(pair)).collect();
    Some(kept.join(joined_by))
}

/// What stands behind the `=` of a cookie or parameter; without one, all of it.
fn value_of(pair: &[u8]) -> &[u8] {
    memchr(b'=', pair)
        .and_then(|at| pair.get(at.saturating_add(1)..))
        .unwrap_or(pair)
}

/// A request target without the parameters whose value carries the credential; nothing if none
/// does.
fn without_parameters(target: &[u8], credential: &[u8]) -> Option<Vec<u8>> {
    let (path, query) = parameters_raw(target)?;
    let carried = |pair: &&[u8]| carries(value_of(pair), credential);
    let pairs: Vec<&[u8]> = query.split(|byte| *byte == b'&').collect();
    if !pairs.iter().any(carried) {
        return None;
    }
    let kept: Vec<&[u8]> = pairs.into_iter().filter(|pair| !carried(pair)).collect();
    let mut rest = path.to_vec();
    if !kept.is_empty() {
        rest.push(b'?');
        rest.extend_from_slice(&kept.join(b"&".as_slice()));
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::encode_refs;

    const KEY: &[u8] = b"mg_0123456789abcdef";

    /// With the credential as it stands in `x-api-key`, and as a copy of it.
    fn elsewhere(pairs: &[(&str, &[u8])]) -> (bool, bool) {
        let request = HeaderBlock::new(encode_refs(pairs));
        let found = request.first("x-api-key").unwrap();
        let copy = found.to_vec();
        (
            may_be_elsewhere(&request, found),
            may_be_elsewhere(&request, &copy),
        )
    }

    #[test]
    fn one_search_tells_that_there_is_no_copy() {
        for (other, elsewhere_too) in [
            (("accept", b"*/*".as_slice()), false),
            (("api-key", KEY), true),
            (("authorization", b"BASIC eA=="), true),
            (("x-auth", b"basic eA=="), true),
            (("cookie", b"a=1; b=Basic eA=="), true),
            (("cookie", b"a=1; b=2"), false),
            ((":path", b"/?k=%6d"), true),
        ] {
            let pairs = [(":method", b"GET".as_slice()), ("x-api-key", KEY), other];
            assert_eq!(elsewhere(&pairs), (elsewhere_too, true), "{other:?}");
        }
    }

    #[test]
    fn a_value_carries_the_credential_in_whatever_clothes() {
        for value in [
            "mg_0123456789abcdef",
            " mg_0123456789abcdef ",
            "Bearer mg_0123456789abcdef",
            "ApiKey key=\"mg_0123456789abcdef\", x=y",
            "https://a.test/?key=mg_0123456789abcdef&x",
            "mg%5f0123456789abcdef",
            "https://a.test/?to=%2Fb%3Fkey%3Dmg%255f0123456789abcdef",
            "https://a.test/?to=%2Fb%3Fto%3D%252Fc%253Fkey%253Dmg%25255f0123456789abcdef%2525",
            "Basic dXNlcjptZ18wMTIzNDU2Nzg5YWJjZGVm",
            "basic bWdfMDEyMzQ1Njc4OWFiY2RlZjo",
        ] {
            assert!(carries(value.as_bytes(), KEY), "{value}");
        }
        for value in [
            "",
            "mg_0123456789abcdeg",
            "xmg_0123456789abcdef",
            "mg_0123456789abcdef0",
            "mg_0123456789abcdef-1",
            "Basic dXNlcjpwYXNz",
            "Basic %",
        ] {
            assert!(!carries(value.as_bytes(), KEY), "{value}");
        }
    }

    #[test]
    fn a_short_credential_is_compared_with_whole_values() {
        for (value, there) in [
            ("gzip", true),
            ("Bearer gzip", true),
            ("\"gzip\"", true),
            ("Basic OmdaaXA=", false),
            ("Basic OmdmaXA=", false),
            ("Basic dTpnemlw", true),
            ("gzip, br", false),
            ("curl gzip 1", false),
        ] {
            assert_eq!(carries(value.as_bytes(), b"gzip"), there, "{value}");
        }
    }

    #[test]
    fn what_is_left_is_left_as_it_was() {
        let lines: [&[u8]; 2] = [b"a=1; k=mg_0123456789abcdef;b=2", b"c=\"3\""];
        assert_eq!(
            without(lines.into_iter(), b';', b"; ", KEY).as_deref(),
            Some(b"a=1; b=2; c=\"3\"".as_slice())
        );
        assert_eq!(
            without([b"a=1;b".as_slice()].into_iter(), b';', b"; ", KEY),
            None
        );
        for (target, rest) in [
            ("/a?x=%41&k=mg%5F0123456789abcdef&y", Some("/a?x=%41&y")),
            ("/a?k=mg_0123456789abcdef", Some("/a")),
            ("/a?mg_0123456789abcdef&x", Some("/a?x")),
            ("/a?x=mg_01", None),
            ("/mg_0123456789abcdef", None),
        ] {
            assert_eq!(
                without_parameters(target.as_bytes(), KEY).as_deref(),
                rest.map(str::as_bytes),
                "{target}"
            );
        }
    }
}
