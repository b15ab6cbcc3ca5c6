//! The whole way of a token, with keys made here. The independent vectors are in the conformance
//! tests.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Signer as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

mod expectations;
mod sets;

const NOW_S: u64 = 1_800_000_000;
const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(header: &str, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(text.as_bytes());
    format!("{text}.{}", encode(signature))
}

fn hs256(text: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn es256_key(seed: u8) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn es256(seed: u8) -> impl Fn(&[u8]) -> Vec<u8> {
    move |text| {
        let signature: p256::ecdsa::Signature = es256_key(seed).sign(text);
        signature.to_bytes().to_vec()
    }
}

fn eddsa(text: &[u8]) -> Vec<u8> {
    ed25519_dalek::SigningKey::from_bytes(&[9; 32])
        .sign(text)
        .to_bytes()
        .to_vec()
}

fn es256_jwk(seed: u8, kid: Option<&str>) -> Value {
    let point = es256_key(seed).verifying_key().to_sec1_point(false);
    let bytes = point.as_bytes();
    let mut jwk =
        json!({"kty": "EC", "crv": "P-256", "x": encode(&bytes[1..33]), "y": encode(&bytes[33..])});
    if let Some(kid) = kid {
        jwk["kid"] = json!(kid);
    }
    jwk
}

fn eddsa_jwk() -> Value {
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key();
    json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.as_bytes()), "kid": "ed"})
}

fn oct_jwk() -> Value {
    json!({"kty": "oct", "k": encode(SECRET), "kid": "hs", "alg": "HS256"})
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(
        json!({ "keys": keys }).to_string().as_bytes(),
        Secrets::Refused,
    )
    .unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://idp", "aud": "models", "exp": NOW_S + 300, "iat": NOW_S, "sub": "ann", "scope": "infer"})
}

fn expectations() -> Expectations {
    Expectations {
        audiences: vec!["models".into()],
        ..Expectations::of("https://idp")
    }
}

fn verify(token: &str, keys: &KeySet, allowed: Algorithms) -> Result<Verified, Refusal> {
    Token::parse(token.as_bytes(), 8192)?.verify(keys, allowed, None)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn a_token_by_each_kind_of_key_is_accepted() {
    let payload = claims().to_string();
    let keys = set(&[es256_jwk(1, Some("ec")), eddsa_jwk()]);
    for token in [
        signed(r#"{"alg":"ES256","kid":"ec"}"#, &payload, es256(1)),
        signed(r#"{"alg":"ES256"}"#, &payload, es256(1)),
        signed(r#"{"alg":"EdDSA","kid":"ed"}"#, &payload, eddsa),
        signed(r#"{"alg":"Ed25519"}"#, &payload, eddsa),
    ] {
        let verified = verify(&token, &keys, Algorithms::ASYMMETRIC).unwrap();
        assert_eq!(
            expectations().check(&verified, NOW_S).unwrap().subject(),
            Some("ann")
        );
    }
    let secret =
        KeySet::from_keys(vec![Key::secret(SECRET.to_vec(), None, None).unwrap()]).unwrap();
    let token = signed(r#"{"alg":"HS256"}"#, &payload, hs256);
    assert!(verify(&token, &secret, Algorithms::SYMMETRIC).is_ok());
    assert_eq!(
        verify(&token, &secret, Algorithms::ASYMMETRIC).err(),
        Some(Refusal::AlgorithmRefused)
    );
}

#[test]
fn keys_are_chosen_by_name_then_by_what_fits() {
    let payload = claims().to_string();
    let named = set(&[
        es256_jwk(1, Some("a")),
        es256_jwk(2, Some("b")),
        eddsa_jwk(),
    ]);
    let unnamed = set(&[es256_jwk(1, None), es256_jwk(2, Some("b"))]);
    let token = |header: &str, seed| signed(header, &payload, es256(seed));
    for (keys, token, refusal) in [
        (&named, token(r#"{"alg":"ES256","kid":"a"}"#, 1), None),
        (
            &named,
            token(r#"{"alg":"ES256","kid":"a"}"#, 2),
            Some(Refusal::SignatureRefused),
        ),
        (
            &named,
            token(r#"{"alg":"ES256","kid":"c"}"#, 1),
            Some(Refusal::KeyUnknown),
        ),
        (&named, token(r#"{"alg":"ES256"}"#, 2), None),
        (
            &named,
            token(r#"{"alg":"ES256"}"#, 3),
            Some(Refusal::SignatureRefused),
        ),
        (
            &named,
            token(r#"{"alg":"ES384"}"#, 1),
            Some(Refusal::KeyUnknown),
        ),
        (
            &named,
            token(r#"{"alg":"ES384","kid":"a"}"#, 1),
            Some(Refusal::AlgorithmRefused),
        ),
        (
            &named,
            token(r#"{"alg":"RS256","kid":"a"}"#, 1),
            Some(Refusal::AlgorithmRefused),
        ),
        (&unnamed, token(r#"{"alg":"ES256","kid":"z"}"#, 1), None),
        (
            &unnamed,
            token(r#"{"alg":"ES256","kid":"z"}"#, 2),
            Some(Refusal::SignatureRefused),
        ),
        (
            &KeySet::default(),
            token(r#"{"alg":"ES256"}"#, 1),
            Some(Refusal::KeyUnknown),
        ),
    ] {
        assert_eq!(
            verify(&token, keys, Algorithms::ASYMMETRIC).err(),
            refusal,
            "{token}"
        );
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let jwk = es256_jwk(1, Some("a"));
    let keys = set(std::slice::from_ref(&jwk));
    let info = keys
        .iter()
        .next()
        .unwrap()
        .public_key_info()
        .unwrap()
        .to_vec();
    let forged = signed(
        r#"{"alg":"HS256","kid":"a"}"#,
        &claims().to_string(),
        |text| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&info).unwrap();
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        },
    );
    let both = Algorithms::ASYMMETRIC.with(Algorithm::Hs256);
    assert_eq!(
        verify(&forged, &keys, both).err(),
        Some(Refusal::AlgorithmRefused)
    );
}

#[test]
fn only_so_many_keys_are_tried() {
    let keys: Vec<Value> = (1..=u8::try_from(MAX_TRIED).unwrap() + 1)
        .map(|seed| es256_jwk(seed, None))
        .collect();
    let token = |seed| signed(r#"{"alg":"ES256"}"#, &claims().to_string(), es256(seed));
    let last_tried = u8::try_from(MAX_TRIED).unwrap();
    assert!(verify(&token(last_tried), &set(&keys), Algorithms::ASYMMETRIC).is_ok());
    let refusal = verify(&token(last_tried + 1), &set(&keys), Algorithms::ASYMMETRIC).err();
    assert_eq!(refusal, Some(Refusal::SignatureRefused));
}

#[test]
fn secrets_shorter_than_their_hash_are_refused_and_none_is_printed() {
    let secret = |length, algorithm| Key::secret(vec![1; length], None, algorithm).err();
    assert_eq!(secret(31, None), Some(KeyFault::SecretShort));
    assert_eq!(secret(32, None), None);
    assert_eq!(
        secret(47, Some(Algorithm::Hs384)),
        Some(KeyFault::SecretShort)
    );
    assert_eq!(
        secret(63, Some(Algorithm::Hs512)),
        Some(KeyFault::SecretShort)
    );
    assert_eq!(secret(64, Some(Algorithm::Hs512)), None);
    assert_eq!(
        secret(64, Some(Algorithm::Rs256)),
        Some(KeyFault::NotForSignatures)
    );
    let key = Key::parse_jwk(oct_jwk().to_string().as_bytes(), Secrets::Allowed).unwrap();
    assert!(!key.fits(Algorithm::Hs512));
    let shown = format!("{key:?}");
    assert!(
        !shown.contains("48, 49") && !shown.contains("0123"),
        "{shown}"
    );
}

#[test]
fn a_pem_public_key_is_the_same_key_as_its_jwk() {
    use base64::engine::general_purpose::STANDARD;
    for jwk in [es256_jwk(1, None), eddsa_jwk()] {
        let key = Key::parse_jwk(jwk.to_string().as_bytes(), Secrets::Refused).unwrap();
        let info = key.public_key_info().unwrap();
        let armour = |label: &str| {
            format!(
                "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
                STANDARD.encode(info)
            )
        };
        let read = Key::parse_pem(&armour("PUBLIC KEY"), None, None).unwrap();
        assert_eq!(read.public_key_info(), Some(info));
        assert_eq!(
            Key::parse_pem(&armour("CERTIFICATE"), None, None).err(),
            Some(KeyFault::NotPublicKeyPem)
        );
        let twice = armour("PUBLIC KEY").repeat(2);
        assert_eq!(
            Key::parse_pem(&twice, None, None).err(),
            Some(KeyFault::BadEncoding)
        );
        let longer = format!(
            "-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----",
            STANDARD.encode([info, &[0]].concat())
        );
        assert_eq!(
            Key::parse_pem(&longer, None, None).err(),
            Some(KeyFault::BadEncoding)
        );
        assert_eq!(
            Key::parse_pem(&armour("PUBLIC KEY"), None, Some(Algorithm::Rs256)).err(),
            Some(KeyFault::NotForSignatures)
        );
    }
}

#[test]
fn padding_is_taken_only_where_it_is_asked_for() {
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE.encode(text);
    let padded = |payload: &str| {
        let text = format!("{}.{}", encode(r#"{"alg":"ES256"}"#), encode(payload));
        let signature = es256(1)(text.as_bytes());
        format!(
            "{text}.{}",
            base64::engine::general_purpose::URL_SAFE.encode(signature)
        )
    };
    let keys = set(&[es256_jwk(1, None)]);
    for payload in [
        claims().to_string(),
        claims().to_string() + " ",
        claims().to_string() + "  ",
    ] {
        let token = padded(&payload);
        assert_eq!(
            Token::parse(token.as_bytes(), 8192).err(),
            Some(Refusal::Malformed)
        );
        let parsed = Token::parse_padded(token.as_bytes(), 8192).unwrap();
        assert!(parsed.is_padded());
        assert!(parsed.verify(&keys, Algorithms::ASYMMETRIC, None).is_ok());
        for bad in [
            format!("{token}="),
            format!("{token}===="),
            token.replacen("==", "=", 1),
            format!("={token}"),
        ] {
            assert_eq!(
                Token::parse_padded(bad.as_bytes(), 8192).err(),
                Some(Refusal::Malformed),
                "{bad}"
            );
        }
    }
    let plain = signed(r#"{"alg":"ES256"}"#, &claims().to_string(), es256(1));
    let parsed = Token::parse_padded(plain.as_bytes(), 8192).unwrap();
    assert!(!parsed.is_padded() && parsed.verify(&keys, Algorithms::ASYMMETRIC, None).is_ok());
}

#[test]
fn what_is_no_compact_jws_is_malformed() {
    let good = signed(r#"{"alg":"ES256"}"#, &claims().to_string(), es256(1));
    assert!(Token::parse(good.as_bytes(), good.len()).is_ok());
    assert_eq!(
        Token::parse(good.as_bytes(), good.len() - 1).err(),
        Some(Refusal::Oversize)
    );
    let (signing_input, _) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{signing_input}."),
        signing_input.to_owned(),
        format!("{good}."),
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        good.replacen('.', ".\n", 1),
        format!("{}+", &good[..good.len() - 1]),
    ] {
        assert_eq!(
            Token::parse(bad.as_bytes(), 8192).err(),
            Some(Refusal::Malformed),
            "{bad:?}"
        );
    }
}

#[test]
fn reason_codes_are_unique() {
    let codes: std::collections::HashSet<_> =
        Refusal::ALL.into_iter().map(Refusal::reason).collect();
    assert_eq!(codes.len(), Refusal::ALL.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_changed_byte_makes_a_token_refused(at in any::<prop::sample::Index>(), change in 1_u8.., ed in any::<bool>()) {
        let keys = set(&[es256_jwk(1, None), eddsa_jwk()]);
        let payload = claims().to_string();
        let token = if ed { signed(r#"{"alg":"EdDSA"}"#, &payload, eddsa) } else { signed(r#"{"alg":"ES256"}"#, &payload, es256(1)) };
        prop_assert!(verify(&token, &keys, Algorithms::ASYMMETRIC).is_ok());
        let mut bytes = token.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let outcome = Token::parse(&bytes, 8192).and_then(|token| token.verify(&keys, Algorithms::ASYMMETRIC, None));
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), header in ".{0,40}", payload in ".{0,60}") {
        let keys = set(&[es256_jwk(1, None)]);
        let _ = KeySet::parse(&bytes, Secrets::Allowed);
        let _ = Claims::parse(&bytes);
        prop_assert!(Token::parse(&bytes, 8192).and_then(|token| token.verify(&keys, Algorithms::ASYMMETRIC, None)).is_err());
        let shaped = format!("{}.{}.{}", encode(header), encode(payload), encode(&bytes));
        prop_assert!(Token::parse(shaped.as_bytes(), 8192).and_then(|token| token.verify(&keys, Algorithms::ASYMMETRIC, None)).is_err());
    }

    #[test]
    fn arbitrary_key_members_never_panic(
        kty in "(RSA|EC|OKP|oct)", crv in "(P-256|P-384|P-521|Ed25519)",
        n in prop::collection::vec(any::<u8>(), 0..300), e in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let jwk = json!({"kty": kty, "crv": crv, "n": encode(&n), "e": encode(&e), "x": encode(&n), "y": encode(&e), "k": encode(&n)});
        let _ = Key::parse_jwk(jwk.to_string().as_bytes(), Secrets::Allowed);
        let pem = format!("-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----", base64::engine::general_purpose::STANDARD.encode(&n));
        prop_assert!(Key::parse_pem(&pem, None, None).is_err());
    }
}
