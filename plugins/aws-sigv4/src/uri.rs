//! The canonical form of a path and of a query string.
//!
//! AWS's `UriEncode`: every byte but `A-Z a-z 0-9 - . _ ~` becomes `%XX` (upper case). The path
//! keeps its slashes and is encoded on top of how it was sent ([`PathEncoding::Twice`], every
//! service but S3) or is brought to one encoding ([`PathEncoding::Once`]); the query is decoded,
//! encoded again and sorted by encoded name, then encoded value. It does not decide whether a path
//! is fit to be forwarded: that is the route's business.
//!
//! A `+` in a query is a plus sign here (RFC 3986), never a space. Some servers read it as a space;
//! to leave no room for two readings, send upstream the canonical query that was signed.

use std::borrow::Cow;

use modelgate_kit::sorting;

/// How often the path that was sent is percent-encoded in the canonical request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PathEncoding {
    /// The path as sent is encoded once more: all services but S3.
    #[default]
    Twice,
    /// The path is decoded and encoded: S3.
    Once,
}

/// How the path is brought to its canonical form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathRules {
    /// Resolve `.` and `..` and join repeated slashes first: all services but S3.
    pub normalize: bool,
    /// How often the path is encoded.
    pub encoding: PathEncoding,
}

impl Default for PathRules {
    fn default() -> Self {
        Self {
            normalize: true,
            encoding: PathEncoding::Twice,
        }
    }
}

/// Appends the canonical form of `path` (as on the wire, without a query) to `out`.
pub fn write_path(out: &mut Vec<u8>, path: &[u8], rules: PathRules) {
    let path = if rules.normalize {
        normalized(path)
    } else {
        Cow::Borrowed(path)
    };
    if path.first() != Some(&b'/') {
        out.push(b'/');
    }
    match rules.encoding {
        PathEncoding::Twice => write_encoded(out, path.iter().copied(), Slash::Keep),
        PathEncoding::Once => write_encoded(out, Decoded { rest: &path }, Slash::Keep),
    }
}

/// Appends the canonical form of `query` (as on the wire, without the `?`) to `out`.
///
/// Empty pieces (`a=1&&b=2`) are left out; a name without `=` gets one.
pub fn write_query(out: &mut Vec<u8>, query: &[u8]) {
    write_query_without(out, query, |_| false);
}

/// [`write_query`] without the pairs whose decoded name `unwanted` picks.
pub fn write_query_without(out: &mut Vec<u8>, query: &[u8], unwanted: impl Fn(&[u8]) -> bool) {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split(|&byte| byte == b'&')
        .filter(|piece| !piece.is_empty())
        .filter_map(|piece| {
            let mut halves = piece.splitn(2, |&byte| byte == b'=');
            let name: Vec<u8> = Decoded {
                rest: halves.next().unwrap_or_default(),
            }
            .collect();
            let value = Decoded {
                rest: halves.next().unwrap_or_default(),
            };
            (!unwanted(&name)).then(|| (encoded(name.into_iter()), encoded(value)))
        })
        .collect();
    sorting::sort(&mut pairs);
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// `bytes` with each byte but the unreserved ones as `%XX`.
pub fn encoded(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut out = Vec::new();
    write_encoded(&mut out, bytes, Slash::Encode);
    out
}

/// What becomes of a `/`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Keep,
    Encode,
}

fn write_encoded(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>, slash: Slash) {
    out.reserve(bytes.size_hint().0);
    for byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if unreserved || (byte == b'/' && slash == Slash::Keep) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'A' - 10 + nibble
    }
}

/// Reads bytes with `%XX` decoded once; a `%` that begins no escape stands for itself.
struct Decoded<'a> {
    rest: &'a [u8],
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, rest @ ..] = self.rest
            && let (Some(high), Some(low)) = (
                char::from(*high).to_digit(16),
                char::from(*low).to_digit(16),
            )
        {
            self.rest = rest;
            return Some((high << 4 | low) as u8);
        }
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

/// `path` without `.` and `..` segments and without repeated slashes; a slash at its end stays.
fn normalized(path: &[u8]) -> Cow<'_, [u8]> {
    let segments = || path.split(|&byte| byte == b'/');
    // The first piece (before the leading slash) and the last (after a trailing one) may be empty.
    let inner_empty = path.windows(2).any(|pair| pair == b"//");
    if !inner_empty && !segments().any(|segment| matches!(segment, b"." | b"..")) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in segments() {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() || path.last() == Some(&b'/') {
        out.push(b'/');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(path: &str, normalize: bool, encoding: PathEncoding) -> String {
        let mut out = Vec::new();
        write_path(
            &mut out,
            path.as_bytes(),
            PathRules {
                normalize,
                encoding,
            },
        );
        String::from_utf8(out).unwrap()
    }

    fn query(query: &str) -> String {
        let mut out = Vec::new();
        write_query(&mut out, query.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_path_is_encoded_on_top_of_how_it_was_sent() {
        use PathEncoding::{Once, Twice};
        for (sent, once, twice) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            (
                "/model/a%3A0/invoke",
                "/model/a%3A0/invoke",
                "/model/a%253A0/invoke",
            ),
            (
                "/model/a%3a0/invoke",
                "/model/a%3A0/invoke",
                "/model/a%253a0/invoke",
            ),
            (
                "/model/a:0/invoke",
                "/model/a%3A0/invoke",
                "/model/a%3A0/invoke",
            ),
            ("/a%7Eb", "/a~b", "/a%257Eb"),
            ("/a b", "/a%20b", "/a%20b"),
            ("/100%", "/100%25", "/100%25"),
            ("/%zz%4", "/%25zz%254", "/%25zz%254"),
            ("/ሴ", "/%E1%88%B4", "/%E1%88%B4"),
            ("relative", "/relative", "/relative"),
        ] {
            assert_eq!(path(sent, true, Once), once, "{sent} once");
            assert_eq!(path(sent, true, Twice), twice, "{sent} twice");
        }
    }

    #[test]
    fn dots_and_double_slashes_go_only_where_asked() {
        for (sent, normal) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a"),
            ("/a/b/../", "/a/"),
            ("/../..", "/"),
            ("//a//b//", "/a/b/"),
            ("/a/.", "/a"),
            ("/.../..a/a..", "/.../..a/a.."),
        ] {
            assert_eq!(path(sent, true, PathEncoding::Twice), normal);
            assert_eq!(path(sent, false, PathEncoding::Twice), sent);
        }
    }

    #[test]
    fn a_query_is_decoded_encoded_and_sorted() {
        for (sent, canonical) in [
            ("", ""),
            ("&&", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            ("a=b=c", "a=b%3Dc"),
            (
                "Param-3=3&Param=2&%E1%88%B4=1",
                "%E1%88%B4=1&Param=2&Param-3=3",
            ),
            ("k=a+b%20c%2b", "k=a%2Bb%20c%2B"),
            ("k=%", "k=%25"),
            ("a%26b=/", "a%26b=%2F"),
            ("B=1&a=1", "B=1&a=1"),
        ] {
            assert_eq!(query(sent), canonical, "{sent}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_query_is_its_own_canonical_form(sent in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut once = Vec::new();
            write_query(&mut once, &sent);
            let mut again = Vec::new();
            write_query(&mut again, &once);
            // A pair of an empty name and an empty value is written "=" and stays.
            prop_assert_eq!(once, again);
        }

        #[test]
        fn a_path_encoded_once_is_its_own_canonical_form(sent in "/[ -~]{0,40}", normalize: bool) {
            let rules = PathRules { normalize, encoding: PathEncoding::Once };
            let mut once = Vec::new();
            write_path(&mut once, sent.as_bytes(), rules);
            let mut again = Vec::new();
            write_path(&mut again, &once, PathRules { normalize: false, ..rules });
            prop_assert_eq!(once, again);
        }
    }
}
