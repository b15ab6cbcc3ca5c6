//! `key-auth`: who calls, by an API key.
//!
//! Finds the key in the places that the configuration names, looks its digest up, takes the key out of the request, and leaves the
//! identity as a fact for the filters that follow. Known, unknown and expired keys take the same work. It cannot tell a stolen key from
//! its owner's, and counts nothing: that is for `rate-limit`.

pub mod config;
pub mod keyring;
pub mod reasons;
mod store;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::long::LongList;
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::credential::{Found, Place, find};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Challenges, Identity, Serialized};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::{HeaderBlock, Reserved};
use modelgate_kit::problem::{Reason, Reply};

use config::{Config, Forwarding, IdentityHeaders, Keys, OnMissing, OnOtherIdentity, compile_keys};
use keyring::{Keyring, Unaccepted};
use reasons::{
    IDENTITY_CONFLICTING, KEY_EXPIRED, KEY_MALFORMED, KEY_MISSING, KEY_NOT_YET_VALID, KEY_OVERSIZE,
    KEY_REPEATED, KEY_UNKNOWN,
};

/// Headers in which clients usually send keys, to whichever gateway.
const USUAL: [&str; 6] = [
    "authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
];

/// The filter.
#[derive(Debug)]
pub struct KeyAuth;

/// The compiled configuration.
#[derive(Debug)]
pub struct Plan {
    keyring: Rc<Keyring>,
    places: Vec<Place>,
    on_missing_key: OnMissing,
    on_other_identity: OnOtherIdentity,
    forwarding: Forwarding,
    identity_headers: IdentityHeaders,
    challenge: String,
    max_key_bytes: usize,
}

#[cfg(feature = "module")]
modelgate_kit::export!(KeyAuth: request_trailers);

impl Filter for KeyAuth {
    const NAME: &'static str = "key_auth";
    const NEEDS: Needs = Needs {
        buffers_request: false,
        response_headers: false,
        request_body: false,
        response_body: false,
        holds: false,
        callouts: false,
        reserves: true,
        end: false,
        tick_ms: 0,
        order: 30,
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const LONG_LIST: Option<LongList> = Some(LongList::new("keys", Keys::begin));
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
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

    fn reserved(plan: &Plan) -> Reserved {
        let identity = plan.identity_headers.named().map(|(_, name)| name);
        Reserved::names(identity.chain(plan.places.iter().filter_map(Place::header)))
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let headers = exchange.request()?;
        // A client must not speak to the upstream in our name, whatever becomes of its key.
        let ours = plan.identity_headers.named().map(|(_, name)| name);
        exchange.remove_lookalikes(&headers, ours)?;
        let key = match find(&headers, &plan.places) {
            Found::One(key) if !key.is_empty() => key,
            Found::Several | Found::Mixed => return Err(Reply::new(&KEY_REPEATED)),
            Found::Malformed | Found::One(_) => {
                return Err(plan.unauthorized(&KEY_MALFORMED));
            }
            Found::None if plan.passes_without_key(&exchange) => {
                plan.offer(&exchange);
                return plan.take_out_strays(&headers, &exchange);
            }
            Found::None => return Err(plan.unauthorized(&KEY_MISSING)),
        };
        if key.len() > plan.max_key_bytes {
            return Err(plan.unauthorized(&KEY_OVERSIZE));
        }
        let identity = plan
            .keyring
            .identify(&key, exchange.now_ns())
            .map_err(|unaccepted| {
                plan.unauthorized(match unaccepted {
                    Unaccepted::Unknown => &KEY_UNKNOWN,
                    Unaccepted::NotYetValid => &KEY_NOT_YET_VALID,
                    Unaccepted::Expired => &KEY_EXPIRED,
                })
            })?;
        if plan.forwarding == Forwarding::Strip {
            exchange.take_out_credential(&headers, &plan.places, &key)?;
        }
        plan.introduce(&identity, &exchange)
    }
}

impl Plan {
    fn passes_without_key(&self, exchange: &Exchange) -> bool {
        match self.on_missing_key {
            OnMissing::Deny => false,
            OnMissing::DenyUnidentified => exchange.fact::<Identity>().is_some(),
            OnMissing::Allow => true,
        }
    }

    /// Takes out keys of ours that stand where they count for nothing: the upstream must not learn them.
    fn take_out_strays(&self, headers: &HeaderBlock, exchange: &Exchange) -> Result<(), Reply> {
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
    fn offer(&self, exchange: &Exchange) {
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

    fn unauthorized(&self, reason: &'static Reason) -> Reply {
        Reply::new(reason).with_header("www-authenticate", self.challenge.as_str())
    }

    /// Leaves the identity for the filters that follow and, where wanted, for the upstream.
    fn introduce(&self, identity: &Serialized<Identity>, exchange: &Exchange) -> Result<(), Reply> {
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

/// The challenge of a 401 (RFC 9110, section 11.6.1): the scheme of the first place that has one. Keys in headers of their own have no
/// registered scheme; `ApiKey` is what clients of other gateways know.
fn challenge(places: &[Place], realm: &str) -> String {
    let scheme = places.iter().find_map(|place| match place {
        Place::Header { scheme, .. } => scheme.as_deref(),
        Place::Query(_) | Place::Cookie(_) => None,
    });
    format!("{} realm=\"{realm}\"", scheme.unwrap_or("ApiKey"))
}
