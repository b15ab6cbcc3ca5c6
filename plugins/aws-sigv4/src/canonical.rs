//! The canonical request: the text that both sides must build alike for a signature to verify.
//!
//! Method, canonical path, canonical query, one line per signed header (name in lower case, values
//! trimmed, inner white space collapsed, repeated headers joined by a comma in their order), the
//! list of signed names, the payload hash.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! It signs what it is given. It cannot know what a later hop will change: prefer
//! [`SignedHeaders::AsSdk`], which leaves out the headers that proxies rewrite.

use crate::uri::{self, PathRules};
use std::cmp::Ordering;

/// A request as it will be sent upstream.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, in the case it is sent.
    pub method: &'a [u8],
    /// The path as sent, without the query.
    pub path: &'a [u8],
    /// What follows the `?`, or nothing.
    pub query: &'a [u8],
    /// Every header, `host` among them, in any order and case. Names that the signature sets itself
    /// (`authorization`, `x-amz-date`, `x-amz-content-sha256`, `x-amz-security-token`) are passed
    /// over here.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// Which of the request's headers are signed. What the signature adds itself is always signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignedHeaders {
    /// `host`, `content-type`, `content-md5`, `accept`, `x-amz-*` and `x-amzn-*` (but not
    /// `x-amzn-trace-id`, which every hop rewrites), and these others, in lower case: what AWS SDKs
    /// sign of a call to a model.
    AsSdk {
        /// Further header names, in lower case.
        also: Vec<String>,
    },
    /// All but `user-agent`, `expect`, `transfer-encoding`, `connection` and `x-amzn-trace-id`.
    All,
}

impl Default for SignedHeaders {
    fn default() -> Self {
        Self::AsSdk { also: Vec::new() }
    }
}

/// Names that the signature itself sets: whatever a request carries under them is never signed.
pub const SET_BY_SIGNATURE: [&str; 5] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-region-set",
    "x-amz-security-token",
];

impl SignedHeaders {
    fn selects(&self, name: &[u8]) -> bool {
        let is = |other: &&str| name.eq_ignore_ascii_case(other.as_bytes());
        if SET_BY_SIGNATURE.iter().any(is) || is(&"x-amzn-trace-id") {
            return false;
        }
        match self {
            Self::AsSdk { also } => {
                ["host", "content-type", "content-md5", "accept"]
                    .iter()
                    .any(is)
                    || starts_with_ignore_case(name, b"x-amz-")
                    || starts_with_ignore_case(name, b"x-amzn-")
                    || also.iter().any(|more| is(&more.as_str()))
            }
            Self::All => !["user-agent", "expect", "transfer-encoding", "connection"]
                .iter()
                .any(is),
        }
    }
}

/// The canonical request and the list of headers that it signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The text.
    pub text: Vec<u8>,
    /// The names of the signed headers, sorted, joined by `;`.
    pub signed_headers: Vec<u8>,
}

impl Canonical {
    /// Builds the canonical request; `added` are the headers that the signature sets, `payload` is
    /// the last line.
    #[must_use]
    pub fn new(
        request: &Request<'_>,
        added: &[(&[u8], &[u8])],
        payload: &[u8],
        select: &SignedHeaders,
        rules: PathRules,
    ) -> Self {
        let headers = selected(request, added, select);

        let mut text = Vec::with_capacity(768);
        text.extend_from_slice(request.method);
        text.push(b'\n');
        uri::write_path(&mut text, request.path, rules);
        text.push(b'\n');
        uri::write_query(&mut text, request.query);

        let mut signed_headers = Vec::with_capacity(128);
        let mut before: Option<&[u8]> = None;
        for &(name, value) in &headers {
            if before.is_some_and(|before| before.eq_ignore_ascii_case(name)) {
                text.push(b',');
            } else {
                text.push(b'\n');
                text.extend(name.iter().map(u8::to_ascii_lowercase));
                text.push(b':');
                if before.is_some() {
                    signed_headers.push(b';');
                }
                signed_headers.extend(name.iter().map(u8::to_ascii_lowercase));
            }
            write_value(&mut text, value);
            before = Some(name);
        }
        text.extend_from_slice(b"\n\n");
        text.extend_from_slice(&signed_headers);
        text.push(b'\n');
        text.extend_from_slice(payload);
        Self {
            text,
            signed_headers,
        }
    }
}

/// The headers that are signed, in the order of their names.
fn selected<'a>(
    request: &Request<'a>,
    added: &[(&'a [u8], &'a [u8])],
    select: &SignedHeaders,
) -> Vec<(&'a [u8], &'a [u8])> {
    let own = request.headers.iter();
    let own = own.filter(|(name, _)| select.selects(name));
    let mut headers: Vec<(&[u8], &[u8])> = own.chain(added).copied().collect();
    // Stable: repeated headers keep their order.
    headers.sort_by(|(a, _), (b, _)| compare_ignore_case(a, b));
    headers
}

/// The names of the headers of a request that are signed, where the signature adds none: sorted, in
/// lower case, joined by `;`.
#[must_use]
pub fn signed_names(request: &Request<'_>, select: &SignedHeaders) -> Vec<u8> {
    let mut names: Vec<Vec<u8>> = selected(request, &[], select)
        .into_iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    names.dedup();
    names.join(&b';')
}

/// Appends `value` without white space at its ends, each inner run of white space (line breaks too)
/// as one space.
fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    for (at, word) in words.filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

fn starts_with_ignore_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn compare_ignore_case(a: &[u8], b: &[u8]) -> Ordering {
    a.iter()
        .map(u8::to_ascii_lowercase)
        .cmp(b.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &[(&[u8], &[u8])], select: &SignedHeaders) -> Vec<String> {
        let request = Request {
            method: b"GET",
            path: b"/",
            query: b"",
            headers,
        };
        let canonical = Canonical::new(&request, &[], b"hash", select, PathRules::default());
        String::from_utf8(canonical.text)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn values_are_trimmed_collapsed_and_joined_in_their_order() {
        let headers: &[(&[u8], &[u8])] = &[
            (b"X-B", b" 2  \t 3\r\n  4 "),
            (b"x-a", b""),
            (b"x-b", b"1"),
            (b"X-b", b"  "),
        ];
        let lines = lines(headers, &SignedHeaders::All);
        assert_eq!(
            lines,
            [
                "GET",
                "/",
                "",
                "x-a:",
                "x-b:2 3 4,1,",
                "",
                "x-a;x-b",
                "hash"
            ]
        );
    }

    #[test]
    fn sdk_selection_leaves_out_what_proxies_rewrite() {
        let headers: &[(&[u8], &[u8])] = &[
            (b"host", b"h"),
            (b"Authorization", b"Bearer t"),
            (b"x-amz-date", b"19700101T000000Z"),
            (b"X-Amz-Security-Token", b"theirs"),
            (b"x-amz-content-sha256", b"theirs"),
            (b"x-forwarded-for", b"10.0.0.1"),
            (b"user-agent", b"curl"),
            (b"content-length", b"3"),
            (b"X-Amzn-Trace-Id", b"Root=1"),
            (b"X-Amzn-SageMaker-Target-Variant", b"blue"),
            (b"content-type", b"text/csv"),
            (b"x-more", b"m"),
        ];
        let also = SignedHeaders::AsSdk {
            also: vec!["x-more".to_owned()],
        };
        for (select, signed) in [
            (
                SignedHeaders::default(),
                "content-type;host;x-amzn-sagemaker-target-variant",
            ),
            (
                also,
                "content-type;host;x-amzn-sagemaker-target-variant;x-more",
            ),
            (
                SignedHeaders::All,
                "content-length;content-type;host;x-amzn-sagemaker-target-variant;x-forwarded-for;x-more",
            ),
        ] {
            let lines = lines(headers, &select);
            assert_eq!(lines.get(lines.len() - 2).unwrap(), signed);
        }
    }
}
