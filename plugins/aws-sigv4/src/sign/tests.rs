//! Tests of signatures, against AWS's own examples.

use super::*;
use crate::uri::PathEncoding;
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOON: u64 = 1_440_938_160_000_000_000;

fn signer(token: Option<&str>, options: Options) -> Signer {
    let credentials = Credentials::new(
        "AKIDEXAMPLE".to_owned(),
        Zeroizing::new(SECRET.to_owned()),
        token.map(|token| Zeroizing::new(token.to_owned())),
    );
    let scope = Scope::new("us-east-1".to_owned(), "service".to_owned());
    Signer::new(credentials.unwrap(), scope.unwrap(), options)
}

fn request<'a>(headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        method: b"GET",
        path: b"/",
        query: b"",
        headers,
    }
}

fn authorization(signer: &Signer, request: &Request<'_>, payload: &Payload, nanos: u64) -> String {
    let signed = signer.sign(request, payload, AmzDate::from_unix_nanos(nanos));
    String::from_utf8(signed.authorization).unwrap()
}

#[test]
fn a_plain_request_has_the_signature_that_aws_publishes() {
    let signer = signer(None, Options::default());
    assert_eq!(
        authorization(
            &signer,
            &request(&[(b"host", b"example.amazonaws.com")]),
            &Payload::of(b""),
            NOON
        ),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn an_hmac_is_that_of_rfc_4231() {
    let mac = |key: &[u8], data: &[u8]| {
        let mut mac = keyed(key);
        Update::update(&mut mac, data);
        String::from_utf8(hex(mac.finalize_fixed().into()).to_vec()).unwrap()
    };
    assert_eq!(
        mac(b"Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        mac(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First"
        ),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn a_kept_key_signs_as_a_fresh_one_does_over_midnight_and_back() {
    let kept = signer(None, Options::default());
    let day = 86_400_000_000_000;
    for nanos in [NOON, NOON + 1, NOON + day, NOON, NOON + 2 * day, NOON + day] {
        let fresh = signer(None, Options::default());
        let headers: &[(&[u8], &[u8])] = &[(b"host", b"h")];
        let (a, b) = (
            authorization(&kept, &request(headers), &Payload::of(b"x"), nanos),
            authorization(&fresh, &request(headers), &Payload::of(b"x"), nanos),
        );
        assert_eq!(a, b);
    }
}

#[test]
fn a_token_added_after_signing_is_not_covered_and_one_signed_is() {
    let headers: &[(&[u8], &[u8])] = &[
        (b"host", b"h"),
        (b"X-Amz-Security-Token", b"the-clients-own"),
    ];
    let of = |token, signing| {
        let signer = signer(
            token,
            Options {
                token: signing,
                ..Options::default()
            },
        );
        authorization(&signer, &request(headers), &Payload::of(b""), NOON)
    };
    assert_eq!(
        of(None, TokenSigning::Signed),
        of(Some("a"), TokenSigning::AddedAfter)
    );
    assert!(
        of(Some("a"), TokenSigning::Signed)
            .contains("SignedHeaders=host;x-amz-date;x-amz-security-token,")
    );
    assert_ne!(
        of(Some("a"), TokenSigning::Signed),
        of(Some("b"), TokenSigning::Signed)
    );
}

#[test]
fn an_unsigned_payload_says_so_in_a_signed_header() {
    let signer = signer(None, Options::default());
    let prepared = signer.prepare(
        &request(&[(b"host", b"h")]),
        &Payload::Unsigned,
        AmzDate::from_unix_nanos(NOON),
    );
    let text = String::from_utf8(prepared.canonical.text.clone()).unwrap();
    assert!(text.contains("\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"));
    assert!(text.ends_with("\nUNSIGNED-PAYLOAD"));
    assert_eq!(
        signer.finish(prepared).content_sha256,
        Some(Payload::Unsigned)
    );
}

fn any_options() -> impl Strategy<Value = Options> {
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(normalize, twice, all, signed, send)| Options {
            algorithm: Algorithm::V4,
            path: PathRules {
                normalize,
                encoding: if twice {
                    PathEncoding::Twice
                } else {
                    PathEncoding::Once
                },
            },
            headers: if all {
                SignedHeaders::All
            } else {
                SignedHeaders::default()
            },
            token: if signed {
                TokenSigning::Signed
            } else {
                TokenSigning::AddedAfter
            },
            payload_header: if send {
                PayloadHeader::Send
            } else {
                PayloadHeader::Omit
            },
        })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..most)
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_signed_into_a_clean_header(
        method in bytes(8), path in bytes(64), query in bytes(64), body in bytes(64), nanos: u64,
        names in proptest::collection::vec("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", 0..6), value in bytes(32),
        options in any_options(),
    ) {
        let headers: Vec<(&[u8], &[u8])> =
            names.iter().map(|name| (name.as_bytes(), value.as_slice())).collect();
        let request = Request { method: &method, path: &path, query: &query, headers: &headers };
        let authorization = authorization(&signer(Some("token"), options), &request, &Payload::of(&body), nanos);
        prop_assert!(authorization.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        prop_assert!(!authorization.contains(SECRET));
    }

    #[test]
    fn any_changed_byte_changes_the_signature(
        path in "/[a-z]{1,20}", query in "[a-z]{1,9}=[a-z]{1,9}", value in "[a-z]{1,20}", body in bytes(40),
        part in 0_usize..5, at: prop::sample::Index, to in b'A'..=b'Z', options in any_options(),
    ) {
        let signer = signer(Some("token"), options);
        let mut parts = [path.into_bytes(), query.into_bytes(), value.into_bytes(), b"post".to_vec(), body];
        let sign = |[path, query, value, method, body]: &[Vec<u8>; 5]| {
            let headers: &[(&[u8], &[u8])] = &[(b"host", b"h"), (b"x-amzn-sagemaker-target-model", value)];
            let request = Request { method, path, query, headers };
            authorization(&signer, &request, &Payload::of(body), NOON)
        };
        let before = sign(&parts);
        prop_assert_eq!(&before, &sign(&parts));
        let changed = &mut parts[part];
        // The first byte of a path is its slash; an empty body grows.
        let from = usize::from(part == 0);
        if changed.len() == from {
            changed.push(to);
        } else {
            let index = from + at.index(changed.len() - from);
            prop_assume!(changed[index] != to && changed[index] != b'=');
            changed[index] = to;
        }
        prop_assert_ne!(before, sign(&parts));
    }

    /// Requests that begin alike for some bytes, seconds that come back: what is remembered of the
    /// last one never shows.
    #[test]
    fn a_signer_that_has_signed_others_signs_as_a_fresh_one(
        requests in proptest::collection::vec((0_usize..200, "[a-z]{0,3}", 0_u64..3), 1..12), options in any_options(),
    ) {
        let kept = signer(Some("token"), options.clone());
        for (length, end, second) in requests {
            let path = format!("/{}{end}", "a".repeat(length)).into_bytes();
            let request = Request { method: b"POST", path: &path, query: b"", headers: &[(b"host", b"h")] };
            let nanos = NOON + second * 1_000_000_000;
            let payload = Payload::of(end.as_bytes());
            let fresh = signer(Some("token"), options.clone());
            prop_assert_eq!(authorization(&kept, &request, &payload, nanos), authorization(&fresh, &request, &payload, nanos));
        }
    }
}
