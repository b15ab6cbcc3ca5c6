//! Whose bucket a request takes from.
//!
//! A key is made of parts (consumer, address, model, …). Each part is written with its kind and
//! length, so that no two keys of different parts are the same bytes. The bytes are hashed under a
//! secret before they name anything, and are stored nowhere. A request that names several models
//! has a key for each: what it may turn to is taken from as well, and a name beside it opens no
//! fresh bucket.

use std::iter;

use modelgate_kit::claim::ClaimPath;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::Identity;
use modelgate_kit::headers::{HeaderBlock, Occurrence};
use modelgate_kit::names::Names;
use modelgate_kit::rule::Asked;

use crate::client_ip::{Prefix, forwarded, parse};

/// Longest value of a header or claim that can be a key, in bytes: a longer one counts as missing.
const LONGEST_VALUE: usize = 1_024;

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The verified consumer.
    Consumer,
    /// The id of the credential.
    Credential,
    /// The first of the caller's groups.
    Group,
    /// The first of these groups that the caller is in.
    GroupOf(Vec<String>),
    /// A verified claim.
    Claim(ClaimPath),
    /// A header, which the client writes as it likes.
    Header(String),
    /// The client's address.
    Ip,
    /// The name of the proxy's route.
    Route,
    /// The method.
    Method,
    /// What is asked of the model.
    Operation,
    /// The model, and the one inside it.
    Model,
}

/// Where the client's address is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp {
    /// Proxies before us whose `x-forwarded-for` is believed; 0 for the connection's own address.
    pub trusted_hops: usize,
    /// What of an address tells clients apart.
    pub prefix: Prefix,
}

/// What keys are made from.
pub struct Material<'a> {
    /// The exchange, for properties.
    pub exchange: &'a Exchange,
    /// The request's headers.
    pub headers: &'a HeaderBlock,
    /// The verified caller.
    pub identity: Option<&'a Identity>,
    /// What is asked, where a policy looks at it.
    pub asked: Option<&'a Asked<'a>>,
    /// How to find the client's address.
    pub client_ip: ClientIp,
}

impl Part {
    /// Whether the part is taken from the verified identity.
    pub const fn looks_at_identity(&self) -> bool {
        matches!(
            self,
            Self::Consumer | Self::Credential | Self::Group | Self::GroupOf(_) | Self::Claim(_)
        )
    }

    /// Whether the part is taken from the route of the request.
    pub const fn looks_at_request(&self) -> bool {
        matches!(self, Self::Method | Self::Operation | Self::Model)
    }

    /// What the part is called, and whether its value tells who calls.
    pub(crate) fn name(&self) -> (String, bool) {
        let (name, names_caller) = match self {
            Self::Claim(path) => return (format!("claim `{}`", path.text()), true),
            Self::Header(name) => return (format!("header `{name}`"), true),
            Self::Consumer => ("consumer", true),
            Self::Credential => ("credential", true),
            Self::Ip => ("ip", true),
            Self::Group | Self::GroupOf(_) => ("group", false),
            Self::Route => ("route", false),
            Self::Method => ("method", false),
            Self::Operation => ("operation", false),
            Self::Model => ("model", false),
        };
        (name.to_owned(), names_caller)
    }

    /// The value of the part, or `None` where the request has none that can be believed.
    fn value(&self, material: &Material<'_>) -> Option<Vec<u8>> {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let value = match self {
            Self::Consumer => text(&material.identity?.consumer),
            Self::Credential => text(&material.identity?.credential),
            Self::Group => text(whole_groups(material.identity?)?.first()?),
            Self::GroupOf(groups) => {
                let known = whole_groups(material.identity?)?;
                text(groups.iter().find(|group| known.has(group))?)
            }
            Self::Claim(path) => material.identity?.one_word(path),
            Self::Header(name) => match material.headers.once(name) {
                Occurrence::Once(value) => Some(value.to_vec()),
                Occurrence::Absent | Occurrence::Repeated => None,
            },
            Self::Ip => Some(
                material
                    .client_ip
                    .prefix
                    .cut(address(material)?)
                    .to_string()
                    .into_bytes(),
            ),
            Self::Route => text(&material.exchange.property_text(&["xds", "route_name"])?),
            Self::Method => text(material.asked?.method()),
            Self::Operation => text(material.asked?.route()?.operation.as_str()),
            // One bucket for every spelling of a name; of several names see `values`.
            Self::Model => material.asked?.model_keys().into_iter().next(),
        };
        value.filter(|value| is_whole(value))
    }

    /// The values of the part, one for each key that the request has; at least one.
    fn values(&self, material: &Material<'_>) -> Vec<Option<Vec<u8>>> {
        let of_models = match (self, material.asked) {
            (Self::Model, Some(asked)) => asked.model_keys(),
            _ => Vec::new(),
        };
        if of_models.len() < 2 {
            return vec![self.value(material)];
        }
        let values = of_models.into_iter();
        values
            .map(|value| Some(value).filter(|value| is_whole(value)))
            .collect()
    }
}

/// Whether a value can be a key.
fn is_whole(value: &[u8]) -> bool {
    (1..=LONGEST_VALUE).contains(&value.len())
}

/// The caller's groups, unless there may be further ones: which comes first is not known then.
fn whole_groups(identity: &Identity) -> Option<&Names> {
    (!identity.groups_unknown).then_some(&identity.groups)
}

fn address(material: &Material<'_>) -> Option<std::net::IpAddr> {
    match material.client_ip.trusted_hops {
        0 => parse(&material.exchange.property_text(&["source", "address"])?),
        hops => forwarded(material.headers, hops),
    }
}

/// A key and whether a part of it was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key; missing parts are told apart from every value.
    pub bytes: Vec<u8>,
    /// A part was missing.
    pub incomplete: bool,
}

/// Makes the keys of these parts: one, but where several models are named.
pub fn make(parts: &[Part], material: &Material<'_>) -> Vec<Key> {
    let mut keys = vec![Key {
        bytes: Vec::with_capacity(64),
        incomplete: false,
    }];
    for part in parts {
        let values = part.values(material);
        let before = keys.len();
        for _ in 1..values.len() {
            keys.extend_from_within(..before);
        }
        for (key, value) in keys.iter_mut().zip(
            values
                .iter()
                .flat_map(|value| iter::repeat_n(value, before)),
        ) {
            key.put(value.as_deref());
        }
    }
    keys
}

impl Key {
    /// The order of parts is the same for every key of a policy: position, length and value
    /// suffice.
    fn put(&mut self, value: Option<&[u8]>) {
        let length = value.map(|value| u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.bytes
            .extend_from_slice(&length.unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.incomplete |= value.is_none();
    }
}
