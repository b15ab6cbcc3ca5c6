//! JWTs that the gateway signs: proofs of who it is, for token endpoints (RFC 7523).
//!
//! Signed in the background, once for each token that is fetched, over claims of the
//! configuration's: no client chooses what is signed, or sees how long it takes. RSA signs with
//! blinding all the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::host::Host;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::RsaPrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::Algorithm;
use crate::fault::TokenFault;

/// How long a JWT is good, in seconds: it is used at once. Entra ID wants 5 to 10 minutes at most,
/// Google an hour.
const LIFETIME_S: u64 = 300;
/// Shortest RSA key (NIST SP 800-131A), in bits.
const LEAST_RSA_BITS: u32 = 2048;
/// Longest RSA key, in bits: signing grows with the third power of it.
const MOST_RSA_BITS: u32 = 4096;

/// A key that signs.
enum SigningKey {
    Pkcs1(Box<rsa::pkcs1v15::SigningKey<Sha256>>),
    Pss(Box<rsa::pss::SigningKey<Sha256>>),
    P256(p256::ecdsa::SigningKey),
    /// One that only the proxy's machine has.
    Elsewhere,
}

/// Why a key cannot be used. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Not PKCS #8 in PEM, or of another kind than the algorithm wants.
    Unreadable,
    /// RSA below 2048 or above 4096 bits.
    Size,
}

/// Signs JWTs of one issuer for one audience.
pub struct Signer {
    key: SigningKey,
    header: String,
    /// Claims that are the same in each.
    claims: serde_json::Map<String, Value>,
    /// SHA-256 of key and claims.
    print: [u8; 32],
}

/// What a JWT says besides its times.
pub struct Claims {
    /// Members of the header besides `alg` and `typ`.
    pub header: Vec<(&'static str, String)>,
    /// Claims besides `iat`, `exp` and `jti`.
    pub claims: Vec<(&'static str, String)>,
}

impl Signer {
    /// Reads the key.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn new(pem: &str, algorithm: Algorithm, says: Claims) -> Result<Self, KeyFault> {
        let name = match algorithm {
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
            Algorithm::Es256 => "ES256",
        };
        let key = match algorithm {
            Algorithm::Rs256 => {
                SigningKey::Pkcs1(Box::new(rsa::pkcs1v15::SigningKey::new(rsa_key(pem)?)))
            }
            Algorithm::Ps256 => SigningKey::Pss(Box::new(rsa::pss::SigningKey::new(rsa_key(pem)?))),
            Algorithm::Es256 => SigningKey::P256(
                p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyFault::Unreadable)?,
            ),
        };
        let mut header = json!({ "alg": name, "typ": "JWT" });
        if let Some(header) = header.as_object_mut() {
            header.extend(members(says.header));
        }
        let header = header.to_string();
        let claims: serde_json::Map<String, Value> = members(says.claims).collect();
        let mut hash = Sha256::new();
        hash.update(pem);
        hash.update(&header);
        hash.update(Value::Object(claims.clone()).to_string());
        Ok(Self {
            key,
            header,
            claims,
            print: hash.finalize().into(),
        })
    }

    /// One whose key is not at hand, where a configuration is only looked at: it does not sign.
    pub fn elsewhere() -> Self {
        Self {
            key: SigningKey::Elsewhere,
            header: String::new(),
            claims: serde_json::Map::new(),
            print: [0; 32],
        }
    }

    /// What tells it from others: a digest of key and claims.
    pub const fn print(&self) -> &[u8; 32] {
        &self.print
    }

    /// A JWT that is good from now on.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, host: &dyn Host) -> Result<String, TokenFault> {
        let mut random = Random::new(host);
        let now_s = host.now_ns() / 1_000_000_000;
        let mut claims = self.claims.clone();
        claims.insert("iat".to_owned(), now_s.into());
        claims.insert("exp".to_owned(), now_s.saturating_add(LIFETIME_S).into());
        claims.insert("jti".to_owned(), random.name().into());
        let mut text = URL_SAFE_NO_PAD.encode(&self.header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(Value::Object(claims).to_string(), &mut text);
        let failed = |_| TokenFault::Signature;
        let signature = match &self.key {
            SigningKey::Pkcs1(key) => key
                .try_sign_with_rng(&mut random, text.as_bytes())
                .map_err(failed)?
                .to_vec(),
            SigningKey::Pss(key) => key
                .try_sign_with_rng(&mut random, text.as_bytes())
                .map_err(failed)?
                .to_vec(),
            SigningKey::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.try_sign(text.as_bytes()).map_err(failed)?;
                signature.to_vec()
            }
            SigningKey::Elsewhere => return Err(TokenFault::Signature),
        };
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

fn members(pairs: Vec<(&'static str, String)>) -> impl Iterator<Item = (String, Value)> {
    let pairs = pairs.into_iter();
    pairs.map(|(name, value)| (name.to_owned(), Value::String(value)))
}

fn rsa_key(pem: &str) -> Result<RsaPrivateKey, KeyFault> {
    let key = RsaPrivateKey::from_pkcs8_pem(pem).map_err(|_| KeyFault::Unreadable)?;
    match key.n().bits() {
        LEAST_RSA_BITS..=MOST_RSA_BITS => Ok(key),
        _ => Err(KeyFault::Size),
    }
}

/// Random bytes for salts, blinding and names: SHA-256 in counter mode over what the proxy draws.
/// No key is made of it. Never the same block twice, so that whoever draws until something fits
/// comes to an end.
struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    fn new(host: &dyn Host) -> Self {
        let mut hash = Sha256::new();
        for _ in 0..4 {
            hash.update(host.random().to_le_bytes());
        }
        hash.update(host.now_ns().to_le_bytes());
        Self {
            seed: hash.finalize().into(),
            counter: 0,
        }
    }

    fn block(&mut self) -> [u8; 32] {
        self.counter = self.counter.wrapping_add(1);
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_le_bytes());
        hash.finalize().into()
    }

    /// A name that nothing else has: 256 bits in base64url.
    fn name(&mut self) -> String {
        URL_SAFE_NO_PAD.encode(self.block())
    }
}

impl TryRng for Random {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(32) {
            let block = self.block();
            for (to, from) in chunk.iter_mut().zip(block) {
                *to = from;
            }
        }
        Ok(())
    }
}

impl TryCryptoRng for Random {}

#[cfg(test)]
mod tests;
