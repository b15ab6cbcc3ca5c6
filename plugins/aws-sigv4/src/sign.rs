//! The signature: string to sign, signing key, HMAC-SHA256 (or ECDSA, [`asymmetric`]),
//! `Authorization` or the parameters of a presigned query.
//!
//! `key = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), service), "aws4_request")`. The key
//! changes once a day, so it is kept as an HMAC that has already absorbed it: a signature then
//! costs one HMAC, not five. Stamps that go back and forth over midnight derive it again each time
//! and stay right. In the same way, hashes that have absorbed how the last request began are kept:
//! the next one, which mostly begins alike, is hashed from there.
//!
//! It does not check the time it is given: a clock that is wrong by more than five minutes makes
//! AWS refuse.

pub mod asymmetric;

use crate::canonical::{self, Canonical, Request, SignedHeaders};
use crate::credentials::{Credentials, Scope};
use crate::date::AmzDate;
use crate::uri::{self, PathRules};
use hmac::digest::{FixedOutput, Update};
use hmac::{Hmac, KeyInit, Mac};
use modelgate_kit::explain::{self, Note};
use modelgate_kit::headers::same_bytes;
use sha2::{Digest, Sha256};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use zeroize::{Zeroize, Zeroizing};

/// The name of version 4, as `Authorization` and the string to sign begin.
const HMAC: &[u8] = b"AWS4-HMAC-SHA256";
/// What each credential scope ends with.
const TERMINATOR: &[u8] = b"aws4_request";

/// What the signature says of the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    /// The SHA-256 of the body, in lower-case hexadecimal.
    Sha256([u8; 64]),
    /// `UNSIGNED-PAYLOAD`: the body is not covered. S3 takes it over TLS; SageMaker and Bedrock
    /// refuse it.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: its pieces are signed one by one as they are sent
    /// ([`crate::chunked`]).
    Chunked,
}

impl Payload {
    /// The hash of a whole body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self::Sha256(hex(Sha256::digest(body).into()))
    }

    /// Whether a service can learn of it only from `x-amz-content-sha256`.
    const fn must_be_told(&self) -> bool {
        matches!(self, Self::Unsigned | Self::Chunked)
    }

    /// The line it makes in the canonical request and the value of `x-amz-content-sha256`.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Sha256(hex) => hex,
            Self::Unsigned => b"UNSIGNED-PAYLOAD",
            Self::Chunked => b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        }
    }
}

/// When the session token is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TokenSigning {
    /// Before signing: it is one of the signed headers. Nearly every service wants this.
    #[default]
    Signed,
    /// After signing: sent, but not covered.
    AddedAfter,
}

/// Whether the payload's hash is also sent as `x-amz-content-sha256`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PayloadHeader {
    /// No such header, unless the payload is unsigned (then a service can learn of it in no other
    /// way).
    #[default]
    Omit,
    /// Sent and signed: S3 asks for it.
    Send,
}

/// The version of the signature.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Algorithm {
    /// 4: with a secret that both sides have, for one region.
    #[default]
    V4,
    /// 4A: with a key of which the service has the public half, for a set of regions.
    V4a {
        /// The regions, as `x-amz-region-set` names them: `eu-west-1,eu-west-2`, or `*`.
        regions: String,
    },
}

/// How to sign.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The version.
    pub algorithm: Algorithm,
    /// The path's canonical form.
    pub path: PathRules,
    /// Which headers are covered.
    pub headers: SignedHeaders,
    /// Whether the session token is covered.
    pub token: TokenSigning,
    /// Whether the payload's hash is sent.
    pub payload_header: PayloadHeader,
}

/// All that comes before the key: what the service will rebuild from the request that it gets.
pub struct Prepared {
    /// The canonical request.
    pub canonical: Canonical,
    /// The string to sign.
    pub string_to_sign: Vec<u8>,
    date: AmzDate,
    payload: Option<Payload>,
}

/// The headers that make a request a signed one. Each must replace whatever the request carries
/// under its name.
pub struct Signed {
    /// `authorization`
    pub authorization: Vec<u8>,
    /// `x-amz-date`
    pub date: AmzDate,
    /// `x-amz-content-sha256`, where it is sent.
    pub content_sha256: Option<Payload>,
    /// `x-amz-region-set`, where the signature is of version 4A.
    pub region_set: Option<String>,
}

/// Signs requests with one set of credentials for one region and service.
pub struct Signer {
    credentials: Rc<Credentials>,
    scope: Scope,
    options: Options,
    key: RefCell<Option<DayKey>>,
    asymmetric: OnceCell<Option<asymmetric::Key>>,
    canonical: RefCell<Option<Begun<Sha256>>>,
}

/// The signing key of one day, as an HMAC that has absorbed it. Wiped when dropped (by the
/// `zeroize` feature of `hmac`).
struct DayKey {
    day: [u8; 8],
    keyed: Hmac<Sha256>,
    /// Algorithm, stamp and the beginning of the scope: the same for every request of a second.
    begun: Option<Begun<Hmac<Sha256>>>,
}

/// Bytes that SHA-256 absorbs in one step.
const BLOCK: usize = 64;
/// Blocks at the beginning of a canonical request that are remembered: method, path and the first
/// headers, the same for one request after another. The stamp, which is not, seldom comes earlier.
const REMEMBERED: usize = 2;

/// A hash that has absorbed how the last text began: a text that begins alike is hashed from there.
struct Begun<H> {
    beginning: Vec<u8>,
    state: H,
}

impl<H: Clone + Update> Begun<H> {
    /// The hash after `text`, whose first `blocks` blocks are remembered; `fresh` is the hash
    /// before it.
    fn hash(kept: &mut Option<Self>, text: &[u8], blocks: usize, fresh: impl FnOnce() -> H) -> H {
        let whole = (text.len() / BLOCK).min(blocks) * BLOCK;
        let (beginning, rest) = text.split_at_checked(whole).unwrap_or((b"", text));
        let begun = match kept.take() {
            Some(begun) if same_bytes(&begun.beginning, beginning) => begun,
            _ => Self {
                beginning: beginning.to_vec(),
                state: fresh().chain(beginning),
            },
        };
        let hash = begun.state.clone().chain(rest);
        *kept = Some(begun);
        hash
    }
}

impl Signer {
    /// A signer; it derives its key with the first signature.
    #[must_use]
    pub fn new(credentials: impl Into<Rc<Credentials>>, scope: Scope, options: Options) -> Self {
        Self {
            credentials: credentials.into(),
            scope,
            options,
            key: RefCell::new(None),
            asymmetric: OnceCell::new(),
            canonical: RefCell::new(None),
        }
    }

    /// Whether it signs with just these credentials.
    #[must_use]
    pub fn is_of(&self, credentials: &Rc<Credentials>) -> bool {
        Rc::ptr_eq(&self.credentials, credentials)
    }

    /// The session token that must go out as `x-amz-security-token`, if the credentials have one.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.credentials.session_token()
    }

    /// Signs `request` as of `date`.
    #[must_use]
    pub fn sign(&self, request: &Request<'_>, payload: &Payload, date: AmzDate) -> Signed {
        explain::tell(|notes| notes.push(self.told(request, payload, date)));
        self.finish(self.prepare(request, payload, date))
    }

    /// The canonical request and the string to sign.
    #[must_use]
    pub fn prepare(&self, request: &Request<'_>, payload: &Payload, date: AmzDate) -> Prepared {
        let send_hash =
            self.options.payload_header == PayloadHeader::Send || payload.must_be_told();
        let token = self
            .session_token()
            .filter(|_| self.options.token == TokenSigning::Signed);
        let stamp = date.bytes();
        let mut added: Vec<(&[u8], &[u8])> = vec![(b"x-amz-date", &stamp)];
        if send_hash {
            added.push((b"x-amz-content-sha256", payload.text()));
        }
        if let Some(token) = token {
            added.push((b"x-amz-security-token", token.as_bytes()));
        }
        if let Some(regions) = self.regions() {
            added.push((b"x-amz-region-set", regions.as_bytes()));
        }
        let canonical = Canonical::new(
            request,
            &added,
            payload.text(),
            &self.options.headers,
            self.options.path,
        );
        let string_to_sign = self.string_to_sign(&canonical.text, date);
        Prepared {
            canonical,
            string_to_sign,
            date,
            payload: send_hash.then_some(*payload),
        }
    }

    /// Signs what was prepared.
    #[must_use]
    pub fn finish(&self, prepared: Prepared) -> Signed {
        let signature = self.sign_text(&prepared.string_to_sign, prepared.date);
        let mut authorization = Vec::with_capacity(256);
        authorization.extend_from_slice(self.algorithm());
        authorization.extend_from_slice(b" Credential=");
        authorization.extend_from_slice(self.credentials.access_key_id().as_bytes());
        authorization.push(b'/');
        self.write_scope(&mut authorization, prepared.date);
        authorization.extend_from_slice(b", SignedHeaders=");
        authorization.extend_from_slice(&prepared.canonical.signed_headers);
        authorization.extend_from_slice(b", Signature=");
        authorization.extend_from_slice(&signature);
        Signed {
            authorization,
            date: prepared.date,
            content_sha256: prepared.payload,
            region_set: self.regions().map(str::to_owned),
        }
    }

    /// The query of a presigned request, good for `expires_s` seconds: what the request has, and
    /// the signature. Nothing is added to its headers.
    #[must_use]
    pub fn presign(
        &self,
        request: &Request<'_>,
        payload: &Payload,
        date: AmzDate,
        expires_s: u64,
    ) -> Vec<u8> {
        let mut scope = self.credentials.access_key_id().as_bytes().to_vec();
        scope.push(b'/');
        self.write_scope(&mut scope, date);
        let names = canonical::signed_names(request, &self.options.headers);
        let expires = expires_s.to_string();
        let mut query = request.query.to_vec();
        let mut add = |name: &str, value: &[u8]| {
            if !query.is_empty() {
                query.push(b'&');
            }
            query.extend_from_slice(name.as_bytes());
            query.push(b'=');
            query.extend_from_slice(&uri::encoded(value.iter().copied()));
        };
        add("X-Amz-Algorithm", self.algorithm());
        add("X-Amz-Credential", &scope);
        add("X-Amz-Date", &date.bytes());
        add("X-Amz-Expires", expires.as_bytes());
        add("X-Amz-SignedHeaders", &names);
        if let Some(regions) = self.regions() {
            add("X-Amz-Region-Set", regions.as_bytes());
        }
        let token = self.session_token().map(str::as_bytes);
        let is_signed = self.options.token == TokenSigning::Signed;
        if let Some(token) = token.filter(|_| is_signed) {
            add("X-Amz-Security-Token", token);
        }
        let signed = Request {
            query: &query,
            ..*request
        };
        let canonical = Canonical::new(
            &signed,
            &[],
            payload.text(),
            &self.options.headers,
            self.options.path,
        );
        let signature = self.sign_text(&self.string_to_sign(&canonical.text, date), date);
        let mut sent = Vec::with_capacity(query.len().saturating_add(512));
        uri::write_query(&mut sent, &query);
        sent.extend_from_slice(b"&X-Amz-Signature=");
        sent.extend_from_slice(&signature);
        if let Some(token) = token.filter(|_| !is_signed) {
            sent.extend_from_slice(b"&X-Amz-Security-Token=");
            sent.extend_from_slice(&uri::encoded(token.iter().copied()));
        }
        sent
    }

    /// The text that the key signs: algorithm, stamp, scope, hash of the canonical request.
    #[must_use]
    pub fn string_to_sign(&self, canonical_request: &[u8], date: AmzDate) -> Vec<u8> {
        let mut text = Vec::with_capacity(160);
        text.extend_from_slice(self.algorithm());
        text.push(b'\n');
        text.extend_from_slice(&date.bytes());
        text.push(b'\n');
        self.write_scope(&mut text, date);
        text.push(b'\n');
        let mut kept = self.canonical.borrow_mut();
        let hash = Begun::hash(&mut kept, canonical_request, REMEMBERED, Sha256::new);
        text.extend_from_slice(&hex(hash.finalize_fixed().into()));
        text
    }

    /// Whether it can sign: of an access key, in theory, no key of version 4A may come.
    #[must_use]
    pub fn is_able(&self) -> bool {
        self.options.algorithm == Algorithm::V4 || self.asymmetric().is_some()
    }

    fn asymmetric(&self) -> Option<&asymmetric::Key> {
        let key = self
            .asymmetric
            .get_or_init(|| asymmetric::Key::derive(&self.credentials));
        key.as_ref()
    }

    fn algorithm(&self) -> &'static [u8] {
        match &self.options.algorithm {
            Algorithm::V4 => HMAC,
            Algorithm::V4a { .. } => asymmetric::ALGORITHM,
        }
    }

    fn regions(&self) -> Option<&str> {
        match &self.options.algorithm {
            Algorithm::V4 => None,
            Algorithm::V4a { regions } => Some(regions),
        }
    }

    /// The signature of `string_to_sign`, in lower-case hexadecimal. Empty, and so never taken,
    /// where the signer is not able.
    fn sign_text(&self, string_to_sign: &[u8], date: AmzDate) -> Vec<u8> {
        match &self.options.algorithm {
            Algorithm::V4 => self.signature(string_to_sign, date).to_vec(),
            Algorithm::V4a { .. } => {
                let key = self.asymmetric();
                key.map_or_else(Vec::new, |key| key.sign(string_to_sign))
            }
        }
    }

    /// The signature of `string_to_sign` under the key of `date`'s day, in lower-case hexadecimal.
    #[must_use]
    pub fn signature(&self, string_to_sign: &[u8], date: AmzDate) -> [u8; 64] {
        let mut cached = self.key.borrow_mut();
        if cached.as_ref().is_none_or(|key| key.day != *date.day()) {
            *cached = None;
        }
        let key = cached.get_or_insert_with(|| self.derive(*date.day()));
        let keyed = || key.keyed.clone();
        let mac = Begun::hash(&mut key.begun, string_to_sign, 1, keyed);
        hex(mac.finalize_fixed().into())
    }

    /// The signature of a piece of a body that streams, after the signature `before`.
    #[must_use]
    pub fn signature_of_piece(&self, piece: &[u8], before: &[u8; 64], date: AmzDate) -> [u8; 64] {
        let mut text = Vec::with_capacity(320);
        text.extend_from_slice(b"AWS4-HMAC-SHA256-PAYLOAD\n");
        text.extend_from_slice(&date.bytes());
        text.push(b'\n');
        self.write_scope(&mut text, date);
        text.push(b'\n');
        text.extend_from_slice(before);
        text.push(b'\n');
        text.extend_from_slice(&hex(Sha256::digest(b"").into()));
        text.push(b'\n');
        text.extend_from_slice(&hex(Sha256::digest(piece).into()));
        self.signature(&text, date)
    }

    /// What is signed, for whoever asks why: never a secret, and no signature.
    fn told(&self, request: &Request<'_>, payload: &Payload, date: AmzDate) -> Note {
        explain::hide(self.credentials.secret_access_key().as_bytes());
        let prepared = self.prepare(request, payload, date);
        explain::hide(&self.sign_text(&prepared.string_to_sign, date));
        let signed = String::from_utf8_lossy(&prepared.canonical.signed_headers).into_owned();
        let mut canonical = String::from_utf8_lossy(&prepared.canonical.text).into_owned();
        if let Some(token) = self.session_token() {
            explain::hide(token.as_bytes());
            canonical = canonical.replace(token, "(not shown)");
        }
        let form = match payload {
            Payload::Sha256(_) => "SHA-256 of the body",
            Payload::Unsigned => "UNSIGNED-PAYLOAD",
            Payload::Chunked => "signed in pieces",
        };
        let (region, service) = (self.scope.region(), self.scope.service());
        let key_id = self.credentials.access_key_id();
        let last = key_id
            .get(key_id.len().saturating_sub(4)..)
            .unwrap_or_default();
        let text = format!(
            "Signs for {service} in {region} with the key that ends in `{last}`; headers {signed}; payload: {form}."
        );
        Note::info("signature", text)
            .with("service", service)
            .with("region", region)
            .with("access_key_id_ends", last)
            .with("signed_headers", signed)
            .with("payload", form)
            .with("date", date.to_string())
            .with("canonical_request", canonical)
    }

    fn write_scope(&self, out: &mut Vec<u8>, date: AmzDate) {
        let region = match &self.options.algorithm {
            Algorithm::V4 => Some(self.scope.region().as_bytes()),
            // The regions stand in the request.
            Algorithm::V4a { .. } => None,
        };
        let day: &[u8] = date.day();
        let parts = [Some(day), region, Some(self.scope.service().as_bytes())];
        for part in parts.into_iter().flatten() {
            out.extend_from_slice(part);
            out.push(b'/');
        }
        out.extend_from_slice(TERMINATOR);
    }

    fn derive(&self, day: [u8; 8]) -> DayKey {
        let secret = self.credentials.secret_access_key().as_bytes();
        let mut seed = Zeroizing::new(Vec::with_capacity(secret.len() + 4));
        seed.extend_from_slice(b"AWS4");
        seed.extend_from_slice(secret);
        let mut keyed = keyed(&seed);
        for part in [
            &day,
            self.scope.region().as_bytes(),
            self.scope.service().as_bytes(),
            TERMINATOR,
        ] {
            Mac::update(&mut keyed, part);
            let next: Zeroizing<[u8; 32]> = Zeroizing::new(keyed.finalize_fixed().into());
            keyed = self::keyed(next.as_slice());
        }
        DayKey {
            day,
            keyed,
            begun: None,
        }
    }
}

/// An HMAC-SHA256 that has absorbed `key` (RFC 2104: a key longer than the block is hashed first).
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    let hashed: [u8; 32];
    let key = if key.len() > block.len() {
        hashed = Sha256::digest(key).into();
        hashed.as_slice()
    } else {
        key
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let keyed = Hmac::new(&block);
    block.as_mut_slice().zeroize();
    keyed
}

/// A digit of lower-case hexadecimal.
const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' - 10 + nibble
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: [u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = hex_digit(byte >> 4);
            *low = hex_digit(byte & 15);
        }
    }
    text
}

#[cfg(test)]
#[path = "sign/tests.rs"]
mod tests;
