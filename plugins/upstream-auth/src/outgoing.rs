//! What of a request goes to the backend: the gateway's credential in its place, and nothing that a
//! client could use as one.
//!
//! A gateway that shows its own credential lends it to whoever comes through. So whatever a backend
//! could take for another credential is removed, under every name that reads like it
//! ([`modelgate_kit::headers::reads_as`]); and headers that choose who pays, or which deployment
//! answers, come from the configuration or are ones that it lists.

use modelgate_kit::config::types::is_token_byte;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::headers::{HeaderBlock, Reserved, reads_as};
use modelgate_kit::problem::Reply;
use modelgate_kit::query;
use modelgate_kit::sorting;

use crate::config::{DenyOrStrip, KeepOrStrip};
use crate::form;
use crate::reasons::{HEADER_REFUSED, HEADER_REPEATED, PARAMETER_AMBIGUOUS};

/// Headers that some backend takes for a credential. All of them go, whatever the backend is:
/// nothing of a client's is a credential behind the gateway.
pub const CREDENTIALS: [&str; 17] = [
    "authorization",
    "proxy-authorization",
    "api-key",
    "apikey",
    "x-api-key",
    "x-auth-token",
    "x-access-token",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-serverless-authorization",
    "x-forwarded-authorization",
    "x-forwarded-access-token",
    "ocp-apim-subscription-key",
    "x-ms-authorization-auxiliary",
    "x-amz-security-token",
    "xi-api-key",
    "private-token",
];

/// Where the credential is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, with this before the credential (`Bearer `), or nothing.
    Header {
        /// Name in lower case.
        name: String,
        /// Scheme and space.
        before: String,
    },
    /// A query parameter.
    Query(String),
    /// Nowhere: the client's own `authorization` stays.
    Client,
}

/// The rules, compiled.
pub struct Rules {
    /// Where the credential is put.
    pub place: Place,
    /// Names of headers that a client must not send, and of those that are set.
    pub(crate) removed: Vec<String>,
    /// Headers that are set, with their values.
    pub(crate) set: Vec<(String, String)>,
    /// Headers that choose, with whether a client may.
    pub(crate) choosing: Vec<(String, bool)>,
    /// What becomes of those that it may not send.
    pub(crate) other: DenyOrStrip,
    /// Headers that are set where the client sends none.
    pub(crate) defaults: &'static [(&'static str, &'static str)],
    /// Query parameters that go, in lower case.
    pub(crate) parameters: Vec<String>,
    /// Beginnings of WebSocket subprotocols that are refused, in lower case.
    pub(crate) protocols: &'static [&'static str],
    /// Whether cookies go on.
    pub(crate) cookies: KeepOrStrip,
    /// The names above by length and ending: most names of a request are like none of ours.
    pub(crate) endings: Endings,
}

/// For each length of some names the letters that such names end in, one bit each.
pub struct Endings([u32; 64]);

impl Endings {
    /// Those of these names.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut all = [0; 64];
        for name in names {
            if let Some(bits) = all.get_mut(Self::place(name.as_bytes())) {
                *bits |= Self::bit(name.as_bytes());
            }
        }
        Self(all)
    }

    /// Whether a name may read as one of them ([`reads_as`]).
    pub fn may_have(&self, name: &[u8]) -> bool {
        let bits = self.0.get(Self::place(name)).copied();
        bits.unwrap_or_default() & Self::bit(name) != 0
    }

    /// The place of a name's length; the last one is that of every longer name.
    fn place(name: &[u8]) -> usize {
        name.len().min(63)
    }

    /// The bit of the letter that a name ends in, in either case; one for all that is no letter.
    fn bit(name: &[u8]) -> u32 {
        match name.last().map(u8::to_ascii_lowercase) {
            Some(letter @ b'a'..=b'z') => 1 << (letter - b'a'),
            _ => 1 << 26,
        }
    }
}

impl Rules {
    /// Names that a client must not write in trailers either.
    pub fn reserved(&self) -> Reserved {
        let own = match &self.place {
            Place::Header { name, .. } => Some(name.as_str()),
            Place::Query(_) => None,
            Place::Client => Some("authorization"),
        };
        let removed = self.removed.iter().map(String::as_str);
        let choosing = self.choosing.iter().map(|(name, _)| name.as_str());
        Reserved::names(removed.chain(choosing).chain(own))
    }

    /// Refuses what may not be sent.
    ///
    /// # Errors
    /// The reply.
    pub fn judge(&self, request: &HeaderBlock) -> Result<(), Reply> {
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in request.iter().filter(|(name, _)| self.may_be_ours(name)) {
            for (choosing, may) in &self.choosing {
                if !reads_as(name, choosing.as_bytes()) {
                    continue;
                }
                // What only reads like it is no name that a client has reason to send.
                if *may && name.eq_ignore_ascii_case(choosing.as_bytes()) {
                    if seen.contains(&choosing.as_str()) {
                        return Err(Reply::new(&HEADER_REPEATED));
                    }
                    seen.push(choosing);
                } else if self.other == DenyOrStrip::Deny {
                    return Err(Reply::new(&HEADER_REFUSED));
                }
            }
        }
        if self.place == Place::Client
            && request.all("authorization").map(schemes).sum::<usize>() > 1
        {
            return Err(Reply::new(&HEADER_REPEATED));
        }
        let protocols = |value: &[u8]| {
            value
                .split(|byte| *byte == b',')
                .any(|protocol| self.is_key_protocol(protocol.trim_ascii()))
        };
        if !self.protocols.is_empty() && request.all("sec-websocket-protocol").any(protocols) {
            return Err(Reply::new(&HEADER_REFUSED));
        }
        if !self.parameters.is_empty()
            && let Some(target) = request.first(":path")
            && query::behind_semicolons(target).any(|(name, _)| self.takes_parameter(&name))
        {
            return Err(Reply::new(&PARAMETER_AMBIGUOUS));
        }
        Ok(())
    }

    /// Takes out what must not go on, and puts in what must; `credential` is what stands behind the
    /// scheme.
    ///
    /// # Errors
    /// A refusal if the host does not do it: the request must not go on.
    pub fn apply(
        &self,
        exchange: &Exchange,
        request: &HeaderBlock,
        credential: &[u8],
    ) -> Result<(), Reply> {
        exchange.remove_headers(&self.names_to_remove(request))?;
        if self.cookies == KeepOrStrip::Strip && request.first("cookie").is_some() {
            exchange.request().remove_header("cookie")?;
        }
        for (name, value) in &self.set {
            exchange.request().set_header(name, value)?;
        }
        for (name, value) in self.defaults {
            if request.first(name).is_none() {
                exchange.request().set_header(name, value)?;
            }
        }
        let target = self.target(request, credential);
        if let Some(target) = target {
            exchange.request().set_header(":path", target)?;
        }
        if let Place::Header { name, before } = &self.place {
            let mut value = Vec::with_capacity(before.len().saturating_add(credential.len()));
            value.extend_from_slice(before.as_bytes());
            value.extend_from_slice(credential);
            exchange.request().set_header(name, value)?;
        }
        Ok(())
    }

    /// Names, as they were sent, of what must not go on. What is written anyway is not among them:
    /// writing replaces it.
    fn names_to_remove<'a>(&self, request: &'a HeaderBlock) -> Vec<&'a [u8]> {
        let own = match &self.place {
            Place::Header { name, .. } => name.as_str(),
            Place::Query(_) | Place::Client => "",
        };
        let goes = |name: &[u8]| {
            let is = |ours: &str| name.eq_ignore_ascii_case(ours.as_bytes());
            let is_written = || is(own) || self.set.iter().any(|(ours, _)| is(ours));
            let reads_as_ours = |ours: &str| reads_as(name, ours.as_bytes());
            let is_removed = self.removed.iter().any(|ours| reads_as_ours(ours));
            let chooses = self
                .choosing
                .iter()
                .any(|(ours, may)| reads_as_ours(ours) && !(*may && is(ours)));
            (is_removed || chooses) && !is_written()
        };
        let mut names: Vec<&[u8]> = request
            .iter()
            .map(|(name, _)| name)
            .filter(|name| self.may_be_ours(name) && goes(name))
            .collect();
        sorting::sort(&mut names);
        names.dedup();
        names
    }

    /// The new target, where it changes.
    fn target(&self, request: &HeaderBlock, credential: &[u8]) -> Option<Vec<u8>> {
        let target = request.first(":path")?;
        let kept = query::without(target, |name| self.takes_parameter(name));
        let Place::Query(name) = &self.place else {
            return kept;
        };
        let mut target = kept.unwrap_or_else(|| target.to_vec());
        target.push(if target.contains(&b'?') { b'&' } else { b'?' });
        target.extend_from_slice(form::encoded(name).as_bytes());
        target.push(b'=');
        let credential = String::from_utf8_lossy(credential);
        target.extend_from_slice(form::encoded(&credential).as_bytes());
        Some(target)
    }

    fn may_be_ours(&self, name: &[u8]) -> bool {
        self.endings.may_have(name)
    }

    fn takes_parameter(&self, name: &[u8]) -> bool {
        let is = |taken: &String| name.eq_ignore_ascii_case(taken.as_bytes());
        self.parameters.iter().any(is)
    }

    fn is_key_protocol(&self, protocol: &[u8]) -> bool {
        self.protocols.iter().any(|known| {
            let beginning = protocol.get(..known.len()).unwrap_or_default();
            // One that ends in a dot has the key behind it; any other is the whole name.
            beginning.eq_ignore_ascii_case(known.as_bytes())
                && (known.ends_with('.') || protocol.len() == known.len())
        })
    }
}

/// How many credentials a value of `authorization` holds: proxies join repeated headers with commas
/// (RFC 9110 section 5.2), and each begins with its scheme and a space (section 11.4). Parameters
/// of one credential, as in `Digest a=b, c=d`, do not.
fn schemes(value: &[u8]) -> usize {
    let pieces = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let begins = |piece: &[u8]| {
        let mut words = piece.split(|byte| *byte == b' ');
        let scheme = words.next().unwrap_or_default();
        words.next().is_some() && !scheme.is_empty() && scheme.iter().all(|b| is_token_byte(*b))
    };
    pieces.filter(|piece| begins(piece)).count()
}
