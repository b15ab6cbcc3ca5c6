//! What is signed here is verified by the kit, whose RSA is another implementation.

use modelgate_kit::jose::{Algorithms, Claims as Read, Key, KeySet, Refusal, Token, Verified};
use modelgate_kit::testing::FakeProxy;

use super::*;

const NOW_S: u64 = 1_800_000_000;

fn host() -> std::rc::Rc<FakeProxy> {
    FakeProxy::new(NOW_S * 1_000_000_000)
}

/// Private and public key, made by OpenSSL for these tests.
const RSA: (&str, &str) = (
    include_str!("keys/rsa.pem"),
    include_str!("keys/rsa.pub.pem"),
);
const P256: (&str, &str) = (
    include_str!("keys/p256.pem"),
    include_str!("keys/p256.pub.pem"),
);
const WEAK: &str = include_str!("keys/rsa-1024.pem");

fn says() -> Claims {
    Claims {
        header: vec![("kid", "k1".to_owned())],
        claims: vec![
            ("iss", "gateway".to_owned()),
            ("aud", "https://idp.test/token".to_owned()),
        ],
    }
}

fn verify(token: &str, public: &str) -> Result<Verified, Refusal> {
    let key = Key::parse_pem(public, Some("k1".to_owned()), None).unwrap();
    let keys = KeySet::from_keys(vec![key]).unwrap();
    Token::parse(token.as_bytes(), 8192)?.verify(&keys, Algorithms::ASYMMETRIC, None)
}

#[test]
fn each_algorithm_signs_what_the_public_key_verifies() {
    let host = host();
    for (algorithm, (private, public), name) in [
        (Algorithm::Rs256, RSA, "RS256"),
        (Algorithm::Ps256, RSA, "PS256"),
        (Algorithm::Es256, P256, "ES256"),
    ] {
        let signer = Signer::new(private, algorithm, says()).unwrap();
        let token = signer.sign(&*host).unwrap();
        let verified = verify(&token, public).unwrap();
        let header = URL_SAFE_NO_PAD
            .decode(token.split('.').next().unwrap())
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": name, "typ": "JWT", "kid": "k1"}));
        let claims: Value = serde_json::from_slice(verified.payload()).unwrap();
        assert_eq!(claims["iss"], "gateway");
        assert_eq!(claims["aud"], "https://idp.test/token");
        assert_eq!(claims["iat"], NOW_S);
        assert_eq!(claims["exp"], NOW_S + 300);
        let id = |claims: Read| claims.id().unwrap().to_owned();
        let first = id(verified.claims().unwrap());
        let second = verify(&signer.sign(&*host).unwrap(), public).unwrap();
        assert_ne!(first, id(second.claims().unwrap()), "no name twice");
        // The signature is over these claims and no others.
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(r#"{"iss":"gateway"}"#);
        parts[1] = &other;
        assert!(verify(&parts.join("."), public).is_err(), "{name}");
    }
}

#[test]
fn keys_that_cannot_sign_are_refused_without_a_word_of_them() {
    let (ec, public) = P256;
    let cut: String = RSA.0.chars().take(600).collect();
    for (pem, algorithm, fault) in [
        (WEAK, Algorithm::Rs256, KeyFault::Size),
        (ec, Algorithm::Rs256, KeyFault::Unreadable),
        (ec, Algorithm::Ps256, KeyFault::Unreadable),
        (RSA.0, Algorithm::Es256, KeyFault::Unreadable),
        (public, Algorithm::Es256, KeyFault::Unreadable),
        (&cut, Algorithm::Rs256, KeyFault::Unreadable),
        ("", Algorithm::Rs256, KeyFault::Unreadable),
    ] {
        assert_eq!(Signer::new(pem, algorithm, says()).err(), Some(fault));
    }
}

#[test]
fn random_bytes_do_not_repeat_even_where_the_proxy_always_draws_the_same() {
    let host = host();
    host.always_draw(0);
    let mut random = Random::new(&*host);
    let names: std::collections::BTreeSet<String> = (0..100).map(|_| random.name()).collect();
    assert_eq!(names.len(), 100);
    let mut bytes = [0; 70];
    random.try_fill_bytes(&mut bytes).unwrap();
    assert!(
        bytes
            .chunks(8)
            .all(|chunk| chunk.iter().any(|byte| *byte != 0))
    );
}
