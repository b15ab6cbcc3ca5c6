//! Minting with jwt-simple, an implementation that shares no code with the suite's own
//! verification.
//!
//! Private keys are made when first named and live as long as the process: a key name stands for
//! the same key in every file.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jwt_simple::common::HeaderOptions;
use jwt_simple::prelude::*;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use serde_json::{Map, Value as Json, json};

use super::{KeySpec, Part, TokenSpec};

const RSA_BITS: usize = 2048;

/// A key pair of jwt-simple, whatever its type.
macro_rules! with_key_pair {
    ($spec:expr, |$pair:ident| $asymmetric:expr, |$mac:ident| $symmetric:expr) => {
        match $spec.algorithm.as_str() {
            "RS256" => {
                let $pair = asymmetric!(RS256KeyPair, $spec);
                $asymmetric
            }
            "RS384" => {
                let $pair = asymmetric!(RS384KeyPair, $spec);
                $asymmetric
            }
            "RS512" => {
                let $pair = asymmetric!(RS512KeyPair, $spec);
                $asymmetric
            }
            "PS256" => {
                let $pair = asymmetric!(PS256KeyPair, $spec);
                $asymmetric
            }
            "PS384" => {
                let $pair = asymmetric!(PS384KeyPair, $spec);
                $asymmetric
            }
            "PS512" => {
                let $pair = asymmetric!(PS512KeyPair, $spec);
                $asymmetric
            }
            "ES256" => {
                let $pair = asymmetric!(ES256KeyPair, $spec);
                $asymmetric
            }
            "ES384" => {
                let $pair = asymmetric!(ES384KeyPair, $spec);
                $asymmetric
            }
            "EdDSA" => {
                let $pair = asymmetric!(Ed25519KeyPair, $spec);
                $asymmetric
            }
            "HS256" => {
                let $mac = symmetric!(HS256Key, $spec);
                $symmetric
            }
            "HS384" => {
                let $mac = symmetric!(HS384Key, $spec);
                $symmetric
            }
            "HS512" => {
                let $mac = symmetric!(HS512Key, $spec);
                $symmetric
            }
            other => Err(format!("{other} cannot be minted")),
        }
    };
}

macro_rules! asymmetric {
    ($type:ty, $spec:expr) => {{
        let pair = <$type>::from_der(&material($spec)?).map_err(explain)?;
        match &$spec.kid {
            Some(kid) => pair.with_key_id(kid),
            None => pair,
        }
    }};
}

macro_rules! symmetric {
    ($type:ty, $spec:expr) => {{
        let key = <$type>::from_bytes($spec.secret.as_deref().unwrap_or_default().as_bytes());
        match &$spec.kid {
            Some(kid) => key.with_key_id(kid),
            None => key,
        }
    }};
}

/// The public key as a JWK and, for asymmetric ones, as PEM.
pub(super) fn public_key(spec: &KeySpec) -> Result<(Json, Option<String>), String> {
    with_key_pair!(
        spec,
        |pair| {
            let key = pair.public_key();
            let jwk = serde_json::from_str(&key.to_jwk()).map_err(|error| error.to_string())?;
            Ok((jwk, Some(pem(key.to_pem())?)))
        },
        |_key| {
            let secret = URL_SAFE_NO_PAD.encode(spec.secret.as_deref().unwrap_or_default());
            let mut jwk = json!({"kty": "oct", "use": "sig", "alg": spec.algorithm, "k": secret});
            if let (Some(kid), Some(members)) = (&spec.kid, jwk.as_object_mut()) {
                members.insert("kid".into(), kid.as_str().into());
            }
            Ok((jwk, None))
        }
    )
}

/// The private key in PEM (PKCS #8); none of a shared secret.
pub(super) fn private_key(spec: &KeySpec) -> Result<Option<String>, String> {
    if spec.secret.is_some() {
        return Ok(None);
    }
    let text = STANDARD.encode(material(spec)?);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(Some(pem))
}

/// A compact JWS.
pub(super) fn token(spec: &TokenSpec) -> Result<String, String> {
    let options = HeaderOptions {
        content_type: spec.cty.clone(),
        signature_type: spec.typ.clone(),
    };
    let token = match (&spec.key, &spec.claims_text) {
        (Some(key), None) => sign(key, spec.claims.clone(), &options)?,
        (Some(key), Some(text)) => sign_text(key, spec, text)?,
        (None, text) => {
            let header = json!({"alg": "none", "typ": spec.typ.as_deref().unwrap_or("JWT")});
            let claims = || Json::Object(spec.claims.clone()).to_string();
            format!(
                "{}.{}.",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(text.clone().unwrap_or_else(claims))
            )
        }
    };
    match spec.tamper {
        None => Ok(token),
        Some(part) => tampered(&token, part).ok_or_else(|| "nothing to tamper with".into()),
    }
}

fn sign(
    key: &KeySpec,
    claims: Map<String, Json>,
    options: &HeaderOptions,
) -> Result<String, String> {
    // Times stand among the claims already, so that files can also state wrong ones.
    let mut all = Claims::with_custom_claims(Json::Object(claims), Duration::from_secs(1));
    all.issued_at = None;
    all.expires_at = None;
    all.invalid_before = None;
    with_key_pair!(
        key,
        |pair| pair.sign_with_options(all, options).map_err(explain),
        |mac| mac.authenticate_with_options(all, options).map_err(explain)
    )
}

/// A token with this text in place of the claims: jwt-simple signs only claims that it has written
/// itself.
fn sign_text(key: &KeySpec, spec: &TokenSpec, text: &str) -> Result<String, String> {
    let mut header = json!({"alg": key.algorithm, "typ": spec.typ.as_deref().unwrap_or("JWT")});
    if let Some(members) = header.as_object_mut() {
        let more = [("cty", &spec.cty), ("kid", &key.kid)];
        let more = more.into_iter();
        members.extend(
            more.filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.as_deref()?)))),
        );
    }
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(text)
    );
    let der = || material(key);
    let signature = match key.algorithm.as_str() {
        "ES256" => {
            let pair = p256::ecdsa::SigningKey::from_pkcs8_der(&der()?);
            let pair = pair.map_err(|error| error.to_string())?;
            let signature: p256::ecdsa::Signature = pair.sign(signed.as_bytes());
            signature.to_vec()
        }
        "RS256" => {
            let pair = rsa::RsaPrivateKey::from_pkcs8_der(&der()?);
            let pair = pair.map_err(|error| error.to_string())?;
            let pair = rsa::pkcs1v15::SigningKey::<sha2::Sha256>::new(pair);
            pair.sign(signed.as_bytes()).to_vec()
        }
        other => {
            return Err(format!(
                "`claims_text` with ES256 and RS256 only, not {other}"
            ));
        }
    };
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The token with another, equally well-formed header, claims or signature.
fn tampered(token: &str, part: Part) -> Option<String> {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let [header, claims, signature] = parts.as_mut_slice() else {
        return None;
    };
    let bytes = |text: &String| URL_SAFE_NO_PAD.decode(text).ok();
    let extended = |text: &String| {
        let mut json: Map<String, Json> = serde_json::from_slice(&bytes(text)?).ok()?;
        json.insert("tampered".into(), true.into());
        Some(URL_SAFE_NO_PAD.encode(Json::Object(json).to_string()))
    };
    match part {
        Part::Header => *header = extended(header)?,
        Part::Claims => *claims = extended(claims)?,
        Part::Signature => {
            let mut raw = bytes(signature)?;
            let middle = raw.len() / 2;
            *raw.get_mut(middle)? ^= 1;
            *signature = URL_SAFE_NO_PAD.encode(raw);
        }
    }
    Some(parts.join("."))
}

/// Private keys in DER, by family and name.
type KeysByName = HashMap<(String, String), Vec<u8>>;

/// The private key of a name, as DER (PKCS#8 or PKCS#1).
fn material(spec: &KeySpec) -> Result<Vec<u8>, String> {
    static KEYS: Mutex<Option<KeysByName>> = Mutex::new(None);
    let family = match spec.algorithm.as_str() {
        rsa if rsa.starts_with("RS") || rsa.starts_with("PS") => "RSA",
        other => other,
    };
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let keys = keys.get_or_insert_default();
    let id = (family.to_owned(), spec.name.clone());
    if let Some(der) = keys.get(&id) {
        return Ok(der.clone());
    }
    let der = match family {
        "RSA" => RS256KeyPair::generate(RSA_BITS)
            .and_then(|pair| pair.to_der())
            .map_err(explain)?,
        "ES256" => ES256KeyPair::generate().to_der().map_err(explain)?,
        "ES384" => ES384KeyPair::generate().to_der().map_err(explain)?,
        "EdDSA" => Ed25519KeyPair::generate().to_der(),
        other => return Err(format!("{other} has no key pair")),
    };
    keys.insert(id, der.clone());
    Ok(der)
}

fn explain(error: jwt_simple::Error) -> String {
    error.to_string()
}

/// Some key types give PEM as it is, others a result.
fn pem(pem: impl IntoPem) -> Result<String, String> {
    pem.into_pem()
}

trait IntoPem {
    fn into_pem(self) -> Result<String, String>;
}

impl IntoPem for String {
    fn into_pem(self) -> Result<String, String> {
        Ok(self)
    }
}

impl IntoPem for Result<String, jwt_simple::Error> {
    fn into_pem(self) -> Result<String, String> {
        self.map_err(explain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::token::ALGORITHMS;

    fn spec(algorithm: &str) -> TokenSpec {
        let secret = algorithm.starts_with("HS").then(|| "s".repeat(64));
        let key = KeySpec {
            name: "test".into(),
            algorithm: algorithm.into(),
            kid: Some("k1".into()),
            secret,
            jwk: Map::new(),
        };
        let claims = json!({"sub": "ann", "exp": "not a number"})
            .as_object()
            .cloned()
            .unwrap();
        TokenSpec {
            key: Some(key),
            claims,
            claims_text: None,
            typ: Some("at+jwt".into()),
            cty: None,
            tamper: None,
        }
    }

    fn part(token: &str, index: usize) -> Json {
        serde_json::from_slice(
            &URL_SAFE_NO_PAD
                .decode(token.split('.').nth(index).unwrap())
                .unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn every_algorithm_is_minted_with_its_key_and_the_claims_as_they_are() {
        for algorithm in ALGORITHMS {
            let spec = spec(algorithm);
            let token = token(&spec).unwrap();
            assert_eq!(
                part(&token, 0),
                json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"})
            );
            assert_eq!(
                part(&token, 1),
                json!({"sub": "ann", "exp": "not a number"})
            );
            let (jwk, pem) = public_key(spec.key.as_ref().unwrap()).unwrap();
            assert_eq!(jwk["kid"], "k1");
            assert_eq!(
                jwk.get("d"),
                None,
                "{algorithm}: a private key in a public JWK"
            );
            assert_eq!(pem.is_some(), !algorithm.starts_with("HS"));
        }
    }

    #[test]
    fn a_text_in_place_of_the_claims_is_signed_as_it_is() {
        for algorithm in ["ES256", "RS256"] {
            let text = r#"{ "exp": 1e10, "sub":"a", "sub":"b" }"#;
            let spec = TokenSpec {
                claims_text: Some(text.into()),
                ..spec(algorithm)
            };
            let token = token(&spec).unwrap();
            let payload = token.split('.').nth(1).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(payload).unwrap(), text.as_bytes());
            assert_eq!(
                part(&token, 0),
                json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"})
            );
        }
        let refused = TokenSpec {
            claims_text: Some("{}".into()),
            ..spec("PS256")
        };
        assert!(token(&refused).is_err());
    }

    #[test]
    fn tampering_changes_one_part_only() {
        // Signatures of the other algorithms differ from one to the next.
        let mut spec = spec("HS256");
        let whole = token(&spec).unwrap();
        for (index, which) in [Part::Header, Part::Claims, Part::Signature]
            .into_iter()
            .enumerate()
        {
            spec.tamper = Some(which);
            let changed = token(&spec).unwrap();
            let differs: Vec<bool> = whole
                .split('.')
                .zip(changed.split('.'))
                .map(|(a, b)| a != b)
                .collect();
            assert_eq!(differs, [index == 0, index == 1, index == 2]);
        }
    }

    #[test]
    fn a_key_name_is_the_same_key_wherever_it_stands() {
        let key = |algorithm: &str| public_key(spec(algorithm).key.as_ref().unwrap()).unwrap().0;
        assert_eq!(key("RS256")["n"], key("PS512")["n"]);
        assert_eq!(key("ES256"), key("ES256"));
    }
}
