//! What runs: the keys, where they are looked for, and what becomes of callers with and without
//! one.

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::credential::Place;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Challenges, Identity, Serialized};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::{Reason, Reply};

use crate::config::{
    Config, Forwarding, IdentityHeaders, OnMissing, OnOtherIdentity, compile_keys,
};
use crate::keyring::Keyring;
use crate::reasons::IDENTITY_CONFLICTING;

/// Headers in which clients usually send keys, to whichever gateway.
const USUAL: [&str; 6] = [
    "authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
];

/// The compiled configuration.
#[derive(Debug)]
pub struct Plan {
    pub(crate) keyring: Rc<Keyring>,
    pub(crate) places: Vec<Place>,
    on_missing_key: OnMissing,
    on_other_identity: OnOtherIdentity,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity_headers: IdentityHeaders,
    challenge: String,
    pub(crate) max_key_bytes: usize,
}

impl Plan {
    /// Compiles the keys and the places; what is wrong with them is added to `problems`.
    pub(crate) fn compile(
        config: Config,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let keyring = setup
            .list()
            .unwrap_or_else(|| Rc::new(compile_keys(config.keys, problems)));
        if config.key_from.is_empty() {
            problems.add(
                "key_from",
                "names no place for a key",
                "leave it out for the header x-api-key",
            );
        }
        let places: Vec<Place> = config
            .key_from
            .iter()
            .enumerate()
            .filter_map(|(at, place)| place.compile(&format!("key_from[{at}]"), problems))
            .collect();
        config.identity_headers.check(&places, problems);
        if !config
            .realm
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
        {
            problems.add(
                "realm",
                "has characters that a realm cannot have",
                "write printable ASCII without quotes and backslashes",
            );
        }
        Some(Plan {
            keyring,
            challenge: challenge(&places, &config.realm),
            places,
            on_missing_key: config.on_missing_key,
            on_other_identity: config.on_other_identity,
            forwarding: config.forwarding,
            identity_headers: config.identity_headers,
            max_key_bytes: config.max_key_bytes.size(),
        })
    }

    /// Whether a request without a key goes on.
    pub(crate) fn passes_without_key(&self, exchange: &Exchange) -> bool {
        match self.on_missing_key {
            OnMissing::Deny => false,
            OnMissing::DenyUnidentified => exchange.fact::<Identity>().is_some(),
            OnMissing::Allow => true,
        }
    }

    /// Takes out keys of ours that stand where they count for nothing: the upstream must not learn
    /// them.
    pub(crate) fn take_out_strays(
        &self,
        headers: &HeaderBlock,
        exchange: &Exchange,
    ) -> Result<(), Reply> {
        if self.forwarding == Forwarding::Forward {
            return Ok(());
        }
        for name in USUAL {
            for value in headers.all(name) {
                let value = value.trim_ascii();
                let behind_scheme = value
                    .iter()
                    .position(|byte| *byte == b' ')
                    .and_then(|at| value.get(at..))
                    .map(<[u8]>::trim_ascii);
                for candidate in [Some(value), behind_scheme].into_iter().flatten() {
                    if candidate.len() <= self.max_key_bytes && self.keyring.knows(candidate) {
                        exchange.take_out_copies(headers, candidate)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the filters that follow how the caller could have authenticated, unless he has.
    pub(crate) fn offer(&self, exchange: &Exchange) {
        if self.on_missing_key != OnMissing::Allow || exchange.fact::<Identity>().is_some() {
            return;
        }
        let mut offered = exchange
            .fact::<Challenges>()
            .map_or_else(Vec::new, |earlier| earlier.offered.clone());
        offered.push(self.challenge.clone());
        // A host without facts loses a hint, nothing else.
        let _ = exchange.publish(Challenges { offered });
    }

    /// A 401 with the challenge.
    pub(crate) fn unauthorized(&self, reason: &'static Reason) -> Reply {
        Reply::new(reason).with_header("www-authenticate", self.challenge.as_str())
    }

    /// Leaves the identity for the filters that follow and, where wanted, for the upstream.
    pub(crate) fn introduce(
        &self,
        identity: &Serialized<Identity>,
        exchange: &Exchange,
    ) -> Result<(), Reply> {
        let other = match self.on_other_identity {
            OnOtherIdentity::Replace => None,
            OnOtherIdentity::Deny | OnOtherIdentity::Keep => exchange.fact::<Identity>(),
        };
        match (other, self.on_other_identity) {
            (Some(_), OnOtherIdentity::Keep) => return Ok(()),
            (Some(_), _) => return Err(Reply::new(&IDENTITY_CONFLICTING)),
            (None, _) => exchange.publish_serialized(identity)?,
        }
        for (member, name) in self.identity_headers.named() {
            match member {
                "consumer" => exchange.set_request_header(name, &identity.consumer)?,
                "credential" => exchange.set_request_header(name, &identity.credential)?,
                _ => exchange.set_request_header(name, identity.groups.join(","))?,
            }
        }
        Ok(())
    }
}

/// The challenge of a 401 (RFC 9110, section 11.6.1): the scheme of the first place that has one.
/// Keys in headers of their own have no registered scheme; `ApiKey` is what clients of other
/// gateways know.
fn challenge(places: &[Place], realm: &str) -> String {
    let scheme = places.iter().find_map(|place| match place {
        Place::Header { scheme, .. } => scheme.as_deref(),
        Place::Query(_) | Place::Cookie(_) => None,
    });
    format!("{} realm=\"{realm}\"", scheme.unwrap_or("ApiKey"))
}
