//! What a filter of Envoy's becomes.

use serde_json::{Map, Value as Json, json};

use super::super::digest;
use super::super::ledger::{At, Obstacle, Try};
use super::beside::Beside;

/// A filter of the suite that takes the place of one of Envoy's.
#[derive(Clone, Debug)]
pub struct Translation {
    /// Its crate: its name in the chain.
    pub krate: &'static str,
    /// Its configuration, without profiles.
    pub base: Map<String, Json>,
    /// Named variants of it.
    pub profiles: Map<String, Json>,
    /// Which variant is for which requests, in order.
    pub profile_rules: Vec<Json>,
    /// What is said on routes.
    pub overrides: Vec<(Scope, Override)>,
    /// Under which keys each provider left the claims of its tokens in dynamic metadata.
    pub left_keys: Vec<Option<String>>,
    /// Under which keys claims of tokens are looked for.
    pub token_keys: Vec<String>,
    /// Claims that other filters read, to be handed on.
    pub wants: Vec<String>,
    /// Whether the groups are read.
    pub wants_groups: bool,
    /// Whether the filter is off unless a route enables it.
    pub disabled: bool,
    /// What it needs besides in the file.
    pub beside: Beside,
}

/// On what something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The whole table.
    Table,
    /// A virtual host.
    Host(usize),
    /// A route of a virtual host.
    Route(usize, usize),
}

/// What a route says of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// It does not run there.
    Off,
    /// It runs there as it is configured.
    On,
    /// A variant runs there.
    Profile(String),
}

impl Translation {
    /// With this configuration.
    pub fn new(krate: &'static str, base: Map<String, Json>) -> Self {
        Self {
            krate,
            base,
            profiles: Map::new(),
            profile_rules: Vec::new(),
            overrides: Vec::new(),
            left_keys: Vec::new(),
            token_keys: Vec::new(),
            wants: Vec::new(),
            wants_groups: false,
            disabled: false,
            beside: Beside::default(),
        }
    }

    /// The whole configuration.
    pub fn config(&self) -> Json {
        let mut config = self.base.clone();
        if !self.profiles.is_empty() {
            config.insert("profiles".into(), self.profiles.clone().into());
        }
        if !self.profile_rules.is_empty() {
            config.insert("profile_rules".into(), self.profile_rules.clone().into());
        }
        config.into()
    }

    /// The name of a variant with this configuration, as it should be called.
    pub fn profile(&mut self, wanted: &str, config: Json) -> String {
        let base = digest::plain(wanted, 40);
        let mut name = base.clone();
        let mut number = 1_usize;
        while let Some(known) = self.profiles.get(&name) {
            if *known == config {
                return name;
            }
            number = number.saturating_add(1);
            name = format!("{base}_{number}");
        }
        self.profiles.insert(name.clone(), config);
        name
    }
}

/// A duration of protobuf's JSON in milliseconds.
pub fn milliseconds(at: &At<'_>) -> Try<u64> {
    let refuse = || at.obstacle("its duration cannot be read: write seconds, such as 1.5s");
    // A Duration may also be written as a message.
    if at.is_map() {
        let whole = at.number_of("seconds").unwrap_or_default();
        let nanos = at.number_of("nanos").unwrap_or_default();
        return Ok(whole.saturating_mul(1000).saturating_add(nanos / 1_000_000));
    }
    let text = at.text().ok_or_else(refuse)?;
    let seconds: f64 = text
        .strip_suffix('s')
        .and_then(|text| text.parse().ok())
        .ok_or_else(refuse)?;
    match seconds.is_finite() && (0.0..9e9).contains(&seconds) {
        true => Ok((seconds * 1000.0).round() as u64),
        false => Err(refuse()),
    }
}

/// The first member of these that is there is in the way.
pub fn none_of(at: &At<'_>, names: &[(&str, &str)]) -> Result<(), Obstacle> {
    for (name, reason) in names {
        if let Some(found) = at.get(name) {
            return Err(found.obstacle(format!("{name}: {reason}")));
        }
    }
    Ok(())
}

/// A place of a credential.
pub fn header_place(name: &str, scheme: Option<&str>) -> Json {
    match scheme {
        Some(scheme) => json!({ "header": name.to_ascii_lowercase(), "scheme": scheme }),
        None => json!({ "header": name.to_ascii_lowercase() }),
    }
}
