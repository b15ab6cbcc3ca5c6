//! Sets of keys: which of them count, and what is said of the others.

use super::*;

#[test]
fn a_bad_key_in_a_set_is_left_out_and_counted() {
    let mut off_curve = es256_jwk(1, None);
    off_curve["y"] = off_curve["x"].clone();
    let mut short = es256_jwk(1, None);
    short["x"] = json!(encode([1; 31]));
    let with = |name: &str, value: Value| {
        let mut jwk = es256_jwk(1, None);
        jwk[name] = value;
        jwk
    };
    let keys = [
        es256_jwk(2, Some("good")),
        off_curve,
        short,
        with("use", json!("enc")),
        with("use", json!(1)),
        with("key_ops", json!(["sign"])),
        with("key_ops", json!("verify")),
        with("alg", json!("ES384")),
        with("alg", json!("ECDH-ES")),
        with("kid", json!(7)),
        with("crv", json!("secp256k1")),
        with("kty", json!("RSA")),
        oct_jwk(),
        json!({"kty": "OKP", "crv": "Ed25519", "x": encode([0; 32])}),
        json!({"kty": "OKP", "crv": "X25519", "x": encode([9; 32])}),
        json!(7),
        json!({}),
    ];
    let read = set(&keys);
    assert_eq!((read.len(), read.skipped()), (1, keys.len() - 1));
    assert_eq!(read.iter().next().unwrap().kid(), Some("good"));
    let fine = [
        with("use", json!("sig")),
        with("key_ops", json!(["verify"])),
        with("alg", json!("ES256")),
    ];
    for jwk in fine {
        assert_eq!(set(std::slice::from_ref(&jwk)).len(), 1, "{jwk}");
    }
}

#[test]
fn what_is_no_key_set_or_an_ambiguous_one_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kty":"EC",}]}"#,
    ] {
        assert_eq!(
            KeySet::parse(text.as_bytes(), Secrets::Refused).err(),
            Some(KeySetFault::NotAKeySet),
            "{text}"
        );
    }
    let mixed = json!({"keys": [es256_jwk(1, None), oct_jwk()]}).to_string();
    assert_eq!(
        KeySet::parse(mixed.as_bytes(), Secrets::Allowed).err(),
        Some(KeySetFault::MixedSecrets)
    );
}

#[test]
fn keys_of_one_name_are_each_tried() {
    let mut malformed = es256_jwk(4, Some("a"));
    malformed["x"] = json!("?");
    let mut ed = eddsa_jwk();
    ed["kid"] = json!("a");
    let keys = set(&[
        es256_jwk(1, Some("a")),
        es256_jwk(2, Some("a")),
        es256_jwk(2, Some("a")),
        malformed,
        ed,
    ]);
    assert_eq!((keys.len(), keys.skipped()), (4, 1));
    let token = |seed| {
        let header = r#"{"alg":"ES256","kid":"a"}"#;
        signed(header, &claims().to_string(), es256(seed))
    };
    for (seed, refusal) in [(1, None), (2, None), (3, Some(Refusal::SignatureRefused))] {
        let found = verify(&token(seed), &keys, Algorithms::ASYMMETRIC).err();
        assert_eq!(found, refusal, "{seed}");
    }
    let by_ed = signed(r#"{"alg":"EdDSA","kid":"a"}"#, &claims().to_string(), eddsa);
    assert!(verify(&by_ed, &keys, Algorithms::ASYMMETRIC).is_ok());
}

#[test]
fn different_secrets_of_one_name_are_left_out() {
    let secret =
        |name: &str, fill: u8| Key::secret(vec![fill; 32], Some(name.into()), None).unwrap();
    let keys = vec![
        secret("a", 1),
        secret("a", 2),
        secret("b", 3),
        secret("b", 3),
    ];
    let set = KeySet::from_keys(keys).unwrap();
    assert_eq!((set.len(), set.skipped()), (2, 2));
    assert!(set.has("b") && !set.has("a"));
}

#[test]
fn large_sets_work_and_have_an_end() {
    let numbered = |count: usize| {
        let keys = (0..count).map(|at| es256_jwk(1, Some(&format!("k{at}"))));
        set(&keys.collect::<Vec<_>>())
    };
    let token = |kid: &str| {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        signed(&header, &claims().to_string(), es256(1))
    };
    let keys = numbered(200);
    assert_eq!((keys.len(), keys.describe_skipped()), (200, None));
    assert!(verify(&token("k199"), &keys, Algorithms::ASYMMETRIC).is_ok());
    let keys = numbered(MAX_KEYS + 3);
    assert_eq!((keys.len(), keys.skipped()), (MAX_KEYS, 3));
    assert!(verify(&token("k1023"), &keys, Algorithms::ASYMMETRIC).is_ok());
    assert_eq!(
        verify(&token("k1024"), &keys, Algorithms::ASYMMETRIC).err(),
        Some(Refusal::KeyUnknown)
    );
    let told = keys.describe_skipped().unwrap();
    assert!(told.contains("all after the first 1024"), "{told}");
}

#[test]
fn keys_that_are_left_out_are_named_with_their_reason() {
    let with = |changes: Value| {
        let mut jwk = es256_jwk(1, Some("a"));
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    for (jwk, name, reason) in [
        (
            json!({"kty": "RSA", "kid": "enc1", "use": "enc", "alg": "RSA-OAEP", "n": "AA", "e": "AQAB"}),
            "enc1",
            "does not allow",
        ),
        (
            json!({"kty": "RSA", "kid": "std", "n": "a+/b", "e": "AQAB"}),
            "std",
            "base64url",
        ),
        (
            json!({"kty": "RSA", "kid": "pad", "n": "qg==", "e": "AQAB"}),
            "pad",
            "base64url",
        ),
        (
            json!({"kty": "RSA", "kid": "x5c-only", "x5c": ["MIIB"]}),
            "x5c-only",
            "certificate",
        ),
        (json!({"kty": "RSA", "kid": "bare"}), "bare", "missing"),
        (
            json!({"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AA"}),
            "pq",
            "not supported",
        ),
        (
            with(json!({"crv": "secp256k1", "alg": "ES256K"})),
            "a",
            "not supported",
        ),
        (
            with(json!({"alg": "ECDH-ES"})),
            "a",
            "no signature algorithm",
        ),
        (with(json!({"d": "x"})), "a", "private part"),
        (
            with(json!({"kid": "a\nb", "use": "enc"})),
            "keys[0]",
            "does not allow",
        ),
        (
            with(json!({"kid": "k".repeat(99), "use": "enc"})),
            "kkkk…",
            "does not allow",
        ),
        (json!(7), "keys[0]", "not a JSON object"),
    ] {
        let keys = set(std::slice::from_ref(&jwk));
        let told = keys.describe_skipped().unwrap();
        assert!(
            keys.is_empty() && told.contains(&format!("{name}`")) && told.contains(reason),
            "{jwk}: {told}"
        );
    }
    let told = set(&vec![json!({}); 20]).describe_skipped().unwrap();
    assert!(told.ends_with("; 20 in all"), "{told}");
}

#[test]
fn a_key_with_a_member_written_twice_is_left_out_alone() {
    let good = es256_jwk(1, Some("good")).to_string();
    let doubled = |member: &str, kid: &str| {
        let jwk = es256_jwk(2, Some(kid)).to_string();
        format!("{{{member},{}", jwk.strip_prefix('{').unwrap())
    };
    for (written, told) in [
        (
            doubled(r#""x":"AA""#, "twice"),
            "`twice` (not a JSON object with unique",
        ),
        (
            doubled(r#""kt\u0079":"RSA""#, "twice"),
            "`twice` (not a JSON object with unique",
        ),
        (doubled(r#""o":{"a":1,"a":1}"#, "within"), "`within` (not"),
        (doubled(r#""n":1e999"#, "far"), "`keys[1]` (not"),
        (doubled(r#""n":"\ud800""#, "half"), "`keys[1]` (not"),
    ] {
        let text = format!(r#"{{"keys":[{good},{written},{good}]}}"#);
        let keys = KeySet::parse(text.as_bytes(), Secrets::Refused).unwrap();
        assert_eq!((keys.len(), keys.skipped()), (2, 1), "{written}");
        let skipped = keys.describe_skipped().unwrap();
        assert!(skipped.starts_with(told), "{skipped}");
        let refusal = if told.starts_with("`keys") {
            Refusal::KeyUnknown
        } else {
            Refusal::KeyUnusable
        };
        let name = told.split('`').nth(1).unwrap();
        let header = format!(r#"{{"alg":"ES256","kid":"{name}"}}"#);
        let token = signed(&header, &claims().to_string(), es256(2));
        assert_eq!(
            verify(&token, &keys, Algorithms::ASYMMETRIC).err(),
            Some(refusal)
        );
    }
    // Of a secret it is not known which was meant, by its name neither.
    let secret = oct_jwk().to_string();
    let twice = secret.replacen('{', r#"{"k":"AA","#, 1);
    let other = secret.replace("hs", "other");
    let text = format!(r#"{{"keys":[{secret},{twice},{other}]}}"#);
    let keys = KeySet::parse(text.as_bytes(), Secrets::Allowed).unwrap();
    assert_eq!((keys.len(), keys.skipped()), (1, 2));
}

#[test]
fn a_certificate_may_carry_the_key() {
    let bare = es256_jwk(1, Some("a"));
    let key = Key::parse_jwk(bare.to_string().as_bytes(), Secrets::Refused).unwrap();
    let info = key.public_key_info().unwrap();
    let certificate = |info: &[u8], version: bool| {
        let sequence = |parts: &[&[u8]]| der::element(der::SEQUENCE, parts);
        let empty = sequence(&[]);
        let number = der::unsigned(&[1]);
        let version = if version {
            der::element(der::CONTEXT_0, &[&der::unsigned(&[2])])
        } else {
            Vec::new()
        };
        let fields = sequence(&[
            &version, &number, &empty, &empty, &empty, &empty, info, &empty,
        ]);
        base64::engine::general_purpose::STANDARD.encode(sequence(&[&fields, &empty]))
    };
    let token = signed(
        r#"{"alg":"ES256","kid":"a"}"#,
        &claims().to_string(),
        es256(1),
    );
    for version in [true, false] {
        for jwk in [
            json!({"kty": "EC", "kid": "a", "x5c": [certificate(info, version)]}),
            json!({"kty": "EC", "crv": "P-256", "kid": "a", "x5c": [certificate(info, version), "?"]}),
        ] {
            let keys = set(std::slice::from_ref(&jwk));
            assert!(
                verify(&token, &keys, Algorithms::ASYMMETRIC).is_ok(),
                "{jwk}"
            );
        }
    }
    for jwk in [
        json!({"kty": "RSA", "kid": "a", "x5c": [certificate(info, true)]}),
        json!({"kty": "EC", "crv": "P-384", "kid": "a", "x5c": [certificate(info, true)]}),
        json!({"kty": "EC", "kid": "a", "x5c": [certificate(&info[1..], true)]}),
        json!({"kty": "EC", "kid": "a", "x5c": []}),
        json!({"kty": "EC", "kid": "a", "x5c": "MIIB"}),
        json!({"kty": "EC", "kid": "a", "crv": "P-256", "x": bare["x"], "x5c": [certificate(info, true)]}),
    ] {
        assert!(set(std::slice::from_ref(&jwk)).is_empty(), "{jwk}");
    }
}
