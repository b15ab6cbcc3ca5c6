//! Tokens of a minter that shares no line with our verifier's front: jwt-simple signs, we verify,
//! and the other way round: what we take for a key is what it says its public key is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::*;
use modelgate_kit::jose::{Algorithm, Algorithms, Expectations, Key, KeySet, Refusal, Token};

fn claims() -> JWTClaims<NoCustomClaims> {
    Claims::create(Duration::from_mins(5))
        .with_issuer("https://idp.example")
        .with_audience("models")
        .with_subject("ann")
}

fn judge(token: &str, keys: &KeySet) -> Result<String, Refusal> {
    let every: Algorithms = Algorithm::ALL.into_iter().collect();
    let now_s = Clock::now_since_epoch().as_secs();
    let expectations = Expectations {
        audiences: vec!["models".into()],
        ..Expectations::of("https://idp.example")
    };
    let verified = Token::parse(token.as_bytes(), 8192)?.verify(keys, every, None)?;
    let claims = expectations.check(&verified, now_s)?;
    Ok(claims.subject().unwrap_or_default().to_owned())
}

fn one(key: Key) -> KeySet {
    KeySet::from_keys(vec![key]).unwrap()
}

/// Accepted with its key; refused by another key, with another payload, and with another algorithm
/// in the header.
fn holds(algorithm: Algorithm, token: &str, right: &KeySet, wrong: &KeySet) {
    assert_eq!(judge(token, right).as_deref(), Ok("ann"), "{algorithm}");
    assert_eq!(
        judge(token, wrong),
        Err(Refusal::SignatureRefused),
        "{algorithm}"
    );
    let parts: Vec<&str> = token.split('.').collect();
    let payload = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
    let payload = String::from_utf8(payload).unwrap().replace("ann", "bob");
    let forged = format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(payload),
        parts[2]
    );
    assert_eq!(
        judge(&forged, right),
        Err(Refusal::SignatureRefused),
        "{algorithm}"
    );
    for other in Algorithm::ALL
        .into_iter()
        .filter(|other| *other != algorithm)
    {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{other}"}}"#));
        let forged = format!("{header}.{}.{}", parts[1], parts[2]);
        assert!(judge(&forged, right).is_err(), "{algorithm} called {other}");
    }
}

#[test]
fn rsa_tokens_are_accepted_in_all_six_algorithms() {
    let (mine, other) = (
        RS256KeyPair::generate(2048).unwrap(),
        RS256KeyPair::generate(2048).unwrap(),
    );
    let public = |pair: &RS256KeyPair| {
        let pem = pair.public_key().to_pem().unwrap();
        one(Key::parse_pem(&pem, None, None).unwrap())
    };
    let (right, wrong) = (public(&mine), public(&other));
    let der = mine.to_der().unwrap();
    macro_rules! signed_by {
        ($pair:ident) => {
            $pair::from_der(&der).unwrap().sign(claims()).unwrap()
        };
    }
    holds(Algorithm::Rs256, &signed_by!(RS256KeyPair), &right, &wrong);
    holds(Algorithm::Rs384, &signed_by!(RS384KeyPair), &right, &wrong);
    holds(Algorithm::Rs512, &signed_by!(RS512KeyPair), &right, &wrong);
    holds(Algorithm::Ps256, &signed_by!(PS256KeyPair), &right, &wrong);
    holds(Algorithm::Ps384, &signed_by!(PS384KeyPair), &right, &wrong);
    holds(Algorithm::Ps512, &signed_by!(PS512KeyPair), &right, &wrong);
    let bound = Key::parse_pem(
        &mine.public_key().to_pem().unwrap(),
        None,
        Some(Algorithm::Ps256),
    );
    assert_eq!(
        judge(&signed_by!(RS256KeyPair), &one(bound.unwrap())),
        Err(Refusal::KeyUnknown)
    );
}

#[test]
fn elliptic_curve_tokens_are_accepted() {
    let (mine, other) = (ES256KeyPair::generate(), ES256KeyPair::generate());
    let public = |pair: &ES256KeyPair| {
        one(Key::parse_pem(&pair.public_key().to_pem().unwrap(), None, None).unwrap())
    };
    holds(
        Algorithm::Es256,
        &mine.sign(claims()).unwrap(),
        &public(&mine),
        &public(&other),
    );

    let (mine, other) = (ES384KeyPair::generate(), ES384KeyPair::generate());
    let public = |pair: &ES384KeyPair| {
        one(Key::parse_pem(&pair.public_key().to_pem().unwrap(), None, None).unwrap())
    };
    holds(
        Algorithm::Es384,
        &mine.sign(claims()).unwrap(),
        &public(&mine),
        &public(&other),
    );

    let (mine, other) = (Ed25519KeyPair::generate(), Ed25519KeyPair::generate());
    let public = |pair: &Ed25519KeyPair| {
        one(Key::parse_pem(&pair.public_key().to_pem(), None, None).unwrap())
    };
    holds(
        Algorithm::EdDsa,
        &mine.sign(claims()).unwrap(),
        &public(&mine),
        &public(&other),
    );
}

#[test]
fn tokens_under_a_shared_secret_are_accepted() {
    let secret = |key: &[u8]| one(Key::secret(key.to_vec(), None, None).unwrap());
    let (mine, other) = ([7_u8; 64], [8_u8; 64]);
    let (right, wrong) = (secret(&mine), secret(&other));
    holds(
        Algorithm::Hs256,
        &HS256Key::from_bytes(&mine).authenticate(claims()).unwrap(),
        &right,
        &wrong,
    );
    holds(
        Algorithm::Hs384,
        &HS384Key::from_bytes(&mine).authenticate(claims()).unwrap(),
        &right,
        &wrong,
    );
    holds(
        Algorithm::Hs512,
        &HS512Key::from_bytes(&mine).authenticate(claims()).unwrap(),
        &right,
        &wrong,
    );
}
