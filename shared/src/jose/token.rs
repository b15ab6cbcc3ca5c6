//! A compact JWS (RFC 7515 section 7.1), before and after its signature was checked.
//!
//! [`Token`] has parsed bytes and nothing more; [`Verified`] can only come from [`Token::verify`].
//! The claims of a `Token` may choose which issuer's keys are tried and nothing else.

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
    is_padded: bool,
}

impl<'a> Token<'a> {
    /// Takes the three parts apart and reads the header.
    ///
    /// # Errors
    /// [`Refusal::Oversize`] above `max_bytes`, [`Refusal::Malformed`] when it is not three parts
    /// of canonical base64url or has no signature, and what [`Header::parse`] refuses.
    pub fn parse(bytes: &'a [u8], max_bytes: usize) -> Result<Self, Refusal> {
        Self::read(bytes, max_bytes, base64url)
    }

    /// As [`Token::parse`], for a token whose parts are padded. No JWS is, but those of AWS load
    /// balancers are, and are signed so.
    ///
    /// # Errors
    /// As [`Token::parse`].
    pub fn parse_padded(bytes: &'a [u8], max_bytes: usize) -> Result<Self, Refusal> {
        Self::read(bytes, max_bytes, |part| {
            let padding = part.iter().rev().take_while(|byte| **byte == b'=').count();
            let bare = part.get(..part.len().checked_sub(padding)?)?;
            // RFC 4648 section 4: up to a multiple of four, and no further.
            let is_whole = padding == 0 || (padding < 3 && part.len() % 4 == 0);
            is_whole.then(|| base64url(bare))?
        })
    }

    fn read(
        bytes: &'a [u8],
        max_bytes: usize,
        decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Self, Refusal> {
        if bytes.len() > max_bytes {
            return Err(Refusal::Oversize);
        }
        let mut parts = bytes.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        let is_padded = [header, payload, signature]
            .iter()
            .any(|part| part.last() == Some(&b'='));
        let header = Header::parse(&decode(header).ok_or(Refusal::Malformed)?)?;
        let decoded = decode(payload).ok_or(Refusal::Malformed)?;
        let text = bytes
            .get(
                ..bytes
                    .len()
                    .saturating_sub(signature.len())
                    .saturating_sub(1),
            )
            .ok_or(Refusal::Malformed)?;
        let signature = decode(signature)
            .filter(|signature| !signature.is_empty())
            .ok_or(Refusal::Malformed)?;
        Ok(Self {
            header,
            payload: decoded,
            text,
            signature,
            is_padded,
        })
    }

    /// Whether a part of it is padded.
    pub const fn is_padded(&self) -> bool {
        self.is_padded
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
