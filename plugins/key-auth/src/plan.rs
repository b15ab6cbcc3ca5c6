//! What runs: the keys, where they are looked for, and what becomes of callers with and without
//! one.

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup, StripOrKeep};
use modelgate_kit::credential::{Place, compile_places};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Challenges, Identity, Serialized};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::identity_headers::{IdentityHeaders, Unwritable};
use modelgate_kit::problem::{Reason, Reply};

use crate::config::{Config, OnMissing, OnOtherIdentity, compile_keys};
use crate::keyring::Keyring;
use crate::reasons::{IDENTITY_CONFLICTING, IDENTITY_UNWRITABLE};

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
    on_missing: OnMissing,
    on_other_identity: OnOtherIdentity,
    pub(crate) credential_to_upstream: StripOrKeep,
    pub(crate) identity_headers: IdentityHeaders,
    challenge: String,
    /// The same, for filters that follow.
    offer: Serialized<Challenges>,
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
        let places = compile_places(config.credential_from, problems);
        let identity_headers = IdentityHeaders::compile(config.identity_headers, &places, problems);
        let challenge = challenge(&places, &config.realm);
        let offered = vec![challenge.clone()];
        Some(Plan {
            keyring,
            offer: Challenges { offered }.into(),
            challenge,
            places,
            on_missing: config.on_missing,
            on_other_identity: config.on_other_identity,
            credential_to_upstream: config.credential_to_upstream,
            identity_headers,
            max_key_bytes: config.max_key_bytes.size(),
        })
    }

    /// Whether a request without a key goes on.
    pub(crate) fn passes_without_key(&self, exchange: &Exchange) -> bool {
        match self.on_missing {
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
        if self.credential_to_upstream == StripOrKeep::Keep {
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
        if self.on_missing == OnMissing::Allow && exchange.fact::<Identity>().is_none() {
            exchange.offer(&self.offer);
        }
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
        match other {
            Some(other) if self.on_other_identity == OnOtherIdentity::Keep => {
                self.tell_upstream(&other, exchange)
            }
            Some(_) => Err(Reply::new(&IDENTITY_CONFLICTING)),
            None => {
                exchange.publish_serialized(identity)?;
                self.tell_upstream(identity, exchange)
            }
        }
    }

    fn tell_upstream(&self, identity: &Identity, exchange: &Exchange) -> Result<(), Reply> {
        let values = self
            .identity_headers
            .values(identity, |path| identity.look(path))
            .map_err(|Unwritable| Reply::new(&IDENTITY_UNWRITABLE))?;
        Ok(self.identity_headers.set(exchange, &values)?)
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
