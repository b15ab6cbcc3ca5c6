//! `key-auth`: who calls, by an API key.
//!
//! Finds the key in the places that the configuration names, looks its digest up, takes the key out
//! of the request, and leaves the identity as a fact for the filters that follow. Known, unknown
//! and expired keys take the same work. It cannot tell a stolen key from its owner's, and counts
//! nothing: that is for `rate-limit`.

pub mod config;
pub mod keyring;
pub mod plan;
pub mod reasons;
mod store;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::long::LongList;
use modelgate_kit::config::{Problems, Setup, StripOrKeep};
use modelgate_kit::credential::{Found, Place, find};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::Reserved;
use modelgate_kit::problem::{Reason, Reply};

use config::{Config, Keys};
use keyring::Unaccepted;
use plan::Plan;
use reasons::{
    KEY_EXPIRED, KEY_MALFORMED, KEY_MISSING, KEY_NOT_YET_VALID, KEY_OVERSIZE, KEY_REPEATED,
    KEY_UNKNOWN,
};

/// The filter.
#[derive(Debug)]
pub struct KeyAuth;

#[cfg(feature = "module")]
modelgate_kit::export!(KeyAuth: request_trailers);

impl Filter for KeyAuth {
    const NAME: &'static str = "key_auth";
    const NEEDS: Needs = Needs {
        reserves: true,
        order: 30,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const FORMER: &'static [(&'static str, &'static str)] = &[
        ("key_from", "credential_from"),
        ("forwarding", "credential_to_upstream"),
        ("on_missing_key", "on_missing"),
    ];
    const LONG_LIST: Option<LongList> = Some(LongList::new("keys", Keys::begin));
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    fn reserved(plan: &Plan) -> Reserved {
        let places = plan.places.iter().filter_map(Place::header);
        Reserved::names(plan.identity_headers.names().chain(places))
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let headers = exchange.request().headers()?;
        // A client must not speak to the upstream in our name, whatever becomes of its key.
        plan.identity_headers.clean(&exchange, &headers)?;
        let found = find(&headers, &plan.places);
        explain::tell(|notes| notes.push(found.note("API key", &plan.places)));
        let key = match found {
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
        explain::hide(&key);
        explain::tell(|notes| notes.push(plan.keyring.told(&key, exchange.now_ns())));
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
        if plan.credential_to_upstream == StripOrKeep::Strip {
            exchange.take_out_credential(&headers, &plan.places, &key)?;
        }
        plan.introduce(&identity, &exchange)
    }
}
