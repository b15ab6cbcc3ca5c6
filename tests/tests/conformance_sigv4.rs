//! Signature Version 4 against other people's signatures: AWS's own signing suite and what
//! botocore's SageMaker and Bedrock clients sign. No case is left out.

use aws_sigv4::canonical::{Request, SignedHeaders};
use aws_sigv4::credentials::{Credentials, Scope};
use aws_sigv4::date::AmzDate;
use aws_sigv4::sign::{Algorithm, Options, Payload, PayloadHeader, Signer, TokenSigning};
use aws_sigv4::uri::{PathEncoding, PathRules};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::route::{Path, Route};
use modelgate_tests::oracles;
use official_aws_sigv4::sign::v4a;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// The moment that a stamp such as `20150830T123600Z` or `2015-08-30T12:36:00Z` names.
fn moment(stamp: &str) -> AmzDate {
    let compact: String = stamp.chars().filter(|c| !"-:".contains(*c)).collect();
    let number = |range: Range<usize>| compact[range].parse::<u64>().unwrap();
    let (year, month, day) = (number(0..4), number(4..6), number(6..8));
    let leap = |y: u64| (y.is_multiple_of(4) && !y.is_multiple_of(100)) || y.is_multiple_of(400);
    let month_days = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let days = (1970..year).map(|y| 365 + u64::from(leap(y))).sum::<u64>()
        + month_days.iter().take(month as usize - 1).sum::<u64>()
        + day
        - 1;
    let seconds = days * 86_400 + number(9..11) * 3600 + number(11..13) * 60 + number(13..15);
    let date = AmzDate::from_unix_nanos(seconds * 1_000_000_000);
    assert_eq!(date.to_string(), compact);
    date
}

fn signer(
    key: &str,
    secret: &str,
    token: Option<&str>,
    scope: [&str; 2],
    options: Options,
) -> Signer {
    let token = token.map(|token| token.to_owned().into());
    let credentials = Credentials::new(key.to_owned(), secret.to_owned().into(), token).unwrap();
    let [region, service] = scope.map(str::to_owned);
    Signer::new(credentials, Scope::new(region, service).unwrap(), options)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn pairs(headers: &[(String, String)]) -> Vec<(&[u8], &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect()
}

/// One folder of AWS's suite.
struct Case {
    folder: PathBuf,
    context: Value,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    payload: Payload,
}

impl Case {
    /// The request is HTTP/1.1 as text, with folded header lines, raw spaces and raw UTF-8.
    fn read(folder: PathBuf) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let context: Value = serde_json::from_str(&read("context.json")).unwrap();
        let file = read("request.txt");
        let (head, body) = file.split_once("\n\n").unwrap_or((&file, ""));
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                let folded = &mut headers.last_mut().unwrap().1;
                folded.push('\n');
                folded.push_str(line);
            } else {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let payload = Payload::of(body.as_bytes());
        let [method, path, query] = [method, path, query].map(str::to_owned);
        Self {
            folder,
            context,
            method,
            path,
            query,
            headers,
            payload,
        }
    }

    fn expected(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn text(&self, pointer: &str) -> &str {
        self.context
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
    }

    fn flag(&self, name: &str) -> bool {
        self.context
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    fn token(&self) -> Option<&str> {
        self.context
            .pointer("/credentials/token")
            .and_then(Value::as_str)
    }

    fn rules(&self) -> PathRules {
        PathRules {
            normalize: self.flag("normalize"),
            encoding: PathEncoding::Twice,
        }
    }

    fn signer(&self, token: Option<&str>) -> Signer {
        self.signer_by(token, Algorithm::V4)
    }

    fn signer_by(&self, token: Option<&str>, algorithm: Algorithm) -> Signer {
        let after = self.flag("omit_session_token");
        let send = self.flag("sign_body");
        let options = Options {
            algorithm,
            path: self.rules(),
            headers: SignedHeaders::All,
            token: if after {
                TokenSigning::AddedAfter
            } else {
                TokenSigning::Signed
            },
            payload_header: if send {
                PayloadHeader::Send
            } else {
                PayloadHeader::Omit
            },
        };
        let (key, secret) = (
            "/credentials/access_key_id",
            "/credentials/secret_access_key",
        );
        let scope = [self.text("/region"), self.text("/service")];
        signer(self.text(key), self.text(secret), token, scope, options)
    }
}

/// AWS's suite as its C library has it, and as its SDK for Rust does. Of the latter two cases are
/// left out that are not complete (they have no credentials), and one that writes the space in its
/// path encoded, though what it expects is signed for a raw one.
fn suite() -> Vec<Case> {
    let sdk = oracles::in_crate("aws-sigv4", "aws-signing-test-suite/v4");
    let is_whole = |folder: &PathBuf| {
        let own = sdk.as_ref().is_some_and(|sdk| folder.starts_with(sdk));
        folder.join("context.json").is_file() && !(own && folder.ends_with("get-space-normalized"))
    };
    let read = |(folder, count): (Option<PathBuf>, usize)| {
        let cases: Vec<Case> = fs::read_dir(folder?)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(&is_whole)
            .map(Case::read)
            .collect();
        assert_eq!(cases.len(), count);
        Some(cases)
    };
    [
        (oracles::recorded("sigv4/aws-c-auth/v4"), 38),
        (sdk.clone(), 37),
    ]
    .into_iter()
    .filter_map(read)
    .flatten()
    .collect()
}

#[test]
fn every_case_of_the_aws_suite_is_signed_in_its_headers() {
    for case in suite() {
        let name = case.folder.display();
        let date = moment(case.text("/timestamp"));
        let headers = pairs(&case.headers);
        let request = Request {
            method: case.method.as_bytes(),
            path: case.path.as_bytes(),
            query: case.query.as_bytes(),
            headers: &headers,
        };
        let signer = case.signer(case.token());
        let prepared = signer.prepare(&request, &case.payload, date);
        assert_eq!(
            text(&prepared.canonical.text),
            case.expected("header-canonical-request.txt"),
            "{name}"
        );
        assert_eq!(
            text(&prepared.string_to_sign),
            case.expected("header-string-to-sign.txt"),
            "{name}"
        );
        let signature = signer.signature(&prepared.string_to_sign, date);
        assert_eq!(
            text(&signature),
            case.expected("header-signature.txt"),
            "{name}"
        );

        let signed = signer.finish(prepared);
        let expected = case.expected("header-signed-request.txt");
        let line = |name: &str| {
            expected
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        assert_eq!(
            Some(text(&signed.authorization).to_owned()),
            line("Authorization:"),
            "{name}"
        );
        assert_eq!(Some(signed.date.to_string()), line("X-Amz-Date:"), "{name}");
        assert_eq!(
            signer.session_token().map(str::to_owned),
            line("X-Amz-Security-Token:"),
            "{name}"
        );
        let hash = signed
            .content_sha256
            .map(|payload| text(payload.text()).to_owned());
        assert_eq!(hash, line("x-amz-content-sha256:"), "{name}");
    }
}

#[test]
fn every_case_of_the_aws_suite_is_signed_in_its_query() {
    for case in suite() {
        let name = case.folder.display();
        let date = moment(case.text("/timestamp"));
        let headers = pairs(&case.headers);
        let request = Request {
            method: case.method.as_bytes(),
            path: case.path.as_bytes(),
            query: case.query.as_bytes(),
            headers: &headers,
        };
        let expires_s = case.context.get("expiration_in_seconds").unwrap();
        let signer = case.signer(case.token());
        let query = signer.presign(&request, &case.payload, date, expires_s.as_u64().unwrap());
        let signature = case.expected("query-signature.txt");
        assert!(
            text(&query).contains(&format!("&X-Amz-Signature={signature}")),
            "{name}: {}",
            text(&query)
        );
        // What a presigned request has besides its own parameters, which are sent as they are
        // signed.
        let sent = case.expected("query-signed-request.txt");
        let (_, rest) = sent.split_once('?').unwrap();
        let rest = rest.split(" HTTP/").next().unwrap();
        let added = |query: &str| -> BTreeSet<String> {
            let pieces = query.split('&').filter(|piece| piece.starts_with("X-Amz-"));
            pieces.map(str::to_owned).collect()
        };
        assert_eq!(added(text(&query)), added(rest), "{name}");
    }
}

/// Version 4A: AWS's suite for the text that is signed, and AWS's own crate for key and signature.
#[test]
fn every_case_of_the_aws_suite_is_signed_by_version_4a() {
    let Some(folder) = oracles::in_crate("aws-sigv4", "aws-signing-test-suite/v4a") else {
        return;
    };
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("context.json").is_file() || folder.ends_with("get-space-normalized") {
            continue;
        }
        count += 1;
        let case = Case::read(folder);
        let name = case.folder.display();
        let date = moment(case.text("/timestamp"));
        let headers = pairs(&case.headers);
        let request = Request {
            method: case.method.as_bytes(),
            path: case.path.as_bytes(),
            query: case.query.as_bytes(),
            headers: &headers,
        };
        let regions = case.text("/region").to_owned();
        let signer = case.signer_by(case.token(), Algorithm::V4a { regions });
        let prepared = signer.prepare(&request, &case.payload, date);
        assert_eq!(
            text(&prepared.canonical.text),
            case.expected("header-canonical-request.txt"),
            "{name}"
        );
        assert_eq!(
            text(&prepared.string_to_sign),
            case.expected("header-string-to-sign.txt"),
            "{name}"
        );
        let (key, secret) = (
            case.text("/credentials/access_key_id"),
            case.text("/credentials/secret_access_key"),
        );
        let official = v4a::generate_signing_key(key, secret);
        let expected = v4a::calculate_signature(official, &prepared.string_to_sign);
        let signed = signer.finish(prepared);
        let authorization = text(&signed.authorization);
        assert!(
            authorization.ends_with(&format!(", Signature={expected}")),
            "{name}: {authorization}"
        );
    }
    assert!(count >= 36, "{count}");
}

/// Keys and texts of all kinds, against AWS's own crate: what is derived and signed is the same,
/// byte by byte.
#[test]
fn version_4a_signs_whatever_it_is_given_as_awss_own_crate_does() {
    for number in 0..200_u32 {
        let id = format!(
            "AKIA{:016X}",
            u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        );
        let secret = format!("{id}/{number}+secret").repeat(1 + number as usize % 4);
        let options = Options {
            algorithm: Algorithm::V4a {
                regions: "*".to_owned(),
            },
            ..Options::default()
        };
        let signer = signer(&id, &secret, None, ["eu-west-1", "s3"], options);
        let path = format!("/{number}");
        let request = Request {
            method: b"POST",
            path: path.as_bytes(),
            query: b"",
            headers: &[(b"host", b"s3.test")],
        };
        let date = AmzDate::from_unix_nanos(u64::from(number) * 1_000_000_000_000_000);
        let prepared = signer.prepare(&request, &Payload::of(secret.as_bytes()), date);
        let official = v4a::generate_signing_key(&id, &secret);
        let expected = v4a::calculate_signature(official, &prepared.string_to_sign);
        let signed = signer.finish(prepared);
        assert!(text(&signed.authorization).ends_with(&expected), "{number}");
    }
}

fn botocore(file: Option<PathBuf>, cases: usize) {
    let Some(file) = file else {
        return;
    };
    let lines = fs::read_to_string(file).unwrap();
    assert_eq!(lines.lines().count(), cases);
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let need = |name: &str| case.get(name).and_then(Value::as_str).unwrap();
        let id = case.get("id").unwrap();
        let (host, target) = need("url")
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let target = format!("/{target}");
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        // ARNs among them: what the SDK sends has one reading.
        let one_reading = Path::parse(path.as_bytes()).unwrap();
        let route = Route::parse(need("method").as_bytes(), &one_reading).unwrap();
        assert!(route.model.name().is_some(), "case {id}");
        // All that the SDK sent: what it did not sign (user-agent, content-length, amz-sdk-*) must
        // be left out by our selection, and its own authorization, x-amz-date and
        // x-amz-security-token must not count.
        let mut headers: Vec<(String, String)> =
            serde_json::from_value(case.get("headers").unwrap().clone()).unwrap();
        headers.push(("host".to_owned(), host.to_owned()));
        let headers = pairs(&headers);
        let request = Request {
            method: need("method").as_bytes(),
            path: path.as_bytes(),
            query: query.as_bytes(),
            headers: &headers,
        };
        let token = case.get("session_token").and_then(Value::as_str);
        let scope = [need("region"), need("service")];
        let signer = signer(
            need("access_key"),
            need("secret_key"),
            token,
            scope,
            Options::default(),
        );
        let body = STANDARD.decode(need("body_b64")).unwrap();
        let prepared = signer.prepare(&request, &Payload::of(&body), moment(need("time")));
        assert_eq!(
            text(&prepared.canonical.text),
            need("canonical_request"),
            "case {id}"
        );
        assert_eq!(
            text(&prepared.string_to_sign),
            need("string_to_sign"),
            "case {id}"
        );
        let signed = signer.finish(prepared);
        assert_eq!(
            text(&signed.authorization),
            need("expected_authorization"),
            "case {id}"
        );
    }
}

fn recorded(file: &str) -> Option<PathBuf> {
    Some(oracles::recorded("sigv4/botocore")?.join(file))
}

fn made(file: &str) -> Option<PathBuf> {
    Some(oracles::BOTOCORE.make()?.join(file))
}

#[test]
fn every_sagemaker_request_is_signed_as_botocore_signs_it() {
    botocore(recorded("sagemaker-200.jsonl"), 200);
    botocore(made("sagemaker.jsonl"), 200);
}

#[test]
fn every_bedrock_request_is_signed_as_botocore_signs_it() {
    botocore(recorded("bedrock-60.jsonl"), 60);
    botocore(made("bedrock.jsonl"), 60);
}
