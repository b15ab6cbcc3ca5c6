//! A compact JWS (RFC 7515 section 7.1), before and after its signature was checked.
//!
//! [`Token`] has parsed bytes and nothing more; [`Verified`] can only come from [`Token::verify`]. The claims of a `Token` may choose
//! which issuer's keys are tried and nothing else.

use super::accelerator::Accelerator;
use super::algorithm::Algorithms;
use super::base64url;
use super::claims::Claims;
use super::header::Header;
use super::keyset::KeySet;
use super::refusal::Refusal;

/// A token that nobody has vouched for yet.
pub struct Token<'a> {
    header: Header,
    payload: Vec<u8>,
    text: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes the three parts apart and reads the header.
    ///
    /// # Errors
    /// [`Refusal::Oversize`] above `max_bytes`, [`Refusal::Malformed`] when it is not three parts of canonical base64url or has no
    /// signature, and what [`Header::parse`] refuses.
    pub fn parse(bytes: &'a [u8], max_bytes: usize) -> Result<Self, Refusal> {
        if bytes.len() > max_bytes {
            return Err(Refusal::Oversize);
        }
        let mut parts = bytes.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        let header = Header::parse(&base64url(header).ok_or(Refusal::Malformed)?)?;
        let decoded = base64url(payload).ok_or(Refusal::Malformed)?;
        let text = bytes
            .get(
                ..bytes
                    .len()
                    .saturating_sub(signature.len())
                    .saturating_sub(1),
            )
            .ok_or(Refusal::Malformed)?;
        let signature = base64url(signature)
            .filter(|signature| !signature.is_empty())
            .ok_or(Refusal::Malformed)?;
        Ok(Self {
            header,
            payload: decoded,
            text,
            signature,
        })
    }

    /// The header: what the sender says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The claims, believed in nothing: good for finding the issuer whose keys to try.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the payload is no claims set.
    pub fn unverified_claims(&self) -> Result<Claims, Refusal> {
        Claims::parse(&self.payload)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// What [`KeySet::verify`] refuses.
    pub fn verify(
        self,
        keys: &KeySet,
        allowed: Algorithms,
        accelerator: Option<&dyn Accelerator>,
    ) -> Result<Verified, Refusal> {
        let key = keys.verify(
            &self.header,
            self.text,
            &self.signature,
            allowed,
            accelerator,
        )?;
        Ok(Verified {
            key_issuer: key.issuer().map(str::to_owned),
            header: self.header,
            payload: self.payload,
        })
    }
}

/// A token whose signature is that of a key we trust. Its claims still have to be acceptable.
pub struct Verified {
    header: Header,
    payload: Vec<u8>,
    key_issuer: Option<String>,
}

impl Verified {
    /// Whose key it is, where the key says so: a member `issuer`, which Entra ID writes.
    pub fn key_issuer(&self) -> Option<&str> {
        self.key_issuer.as_deref()
    }

    /// The header, signed.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The payload, signed: of a JWT, its claims set as it was sent.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The claims.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the payload is no claims set.
    pub fn claims(&self) -> Result<Claims, Refusal> {
        Claims::parse(&self.payload)
    }
}
