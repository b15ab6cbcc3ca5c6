//! The engines by their names, and where one is known to see something else.

use std::fmt;

use located_yaml::shape::Many;
use proxy_wasm_simulator::{Profile, profile};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// An engine that is known to see something else, which then must be so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// Which engine.
    pub engine: EngineName,
    /// The field that differs, or the beginning of its path (`client.headers`); or several, each of
    /// which differs.
    #[serde(rename = "field", deserialize_with = "some")]
    #[schemars(with = "Many<String>")]
    pub fields: Vec<String>,
    /// Why.
    #[serde(deserialize_with = "reason")]
    pub because: String,
    /// Only where the whole chain stands in one entry of the proxy's.
    #[serde(default)]
    pub one_entry: bool,
}

/// Why a scenario does not run on every engine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// The engines it runs on.
    #[serde(rename = "only", deserialize_with = "some")]
    #[schemars(with = "Many<EngineName>")]
    pub engines: Vec<EngineName>,
    /// Why not on the others.
    #[serde(deserialize_with = "reason")]
    pub because: String,
}

/// An engine, as files and the command line name it: `native`, `wasmtime`, `envoy`, `envoy 1.36.4`,
/// `envoy-container`; `envoy-native` with the filters as a dynamic module. The simulated proxy may
/// play another host than Envoy: `native nginx`; `nginx` alone is every engine that plays it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = PATTERN))]
pub struct EngineName {
    /// What runs the filters.
    pub kind: EngineKind,
    /// Which release, or which host the simulated proxy plays; `None` = any, or the default one.
    pub version: Option<String>,
}

/// The names of engines, as a regular expression.
const PATTERN: &str = "^((native|wasmtime)([ @:-] *(envoy_stop_iteration|nginx|kong))?|envoy_stop_iteration|nginx|kong|envoy(-container|-native)?([ @:-] *[0-9].*)?)$";

/// What runs the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The filters' own code, natively, in the simulated proxy.
    Native,
    /// Their wasm in the simulated proxy.
    Wasmtime,
    /// A real Envoy process.
    Envoy,
    /// A real Envoy process with the filters as a dynamic module.
    EnvoyNative,
    /// A real Envoy in a container.
    Container,
    /// Any engine whose proxy plays a host.
    Playing,
}

impl EngineKind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasmtime => "wasmtime",
            Self::Envoy => "envoy",
            Self::EnvoyNative => "envoy-native",
            Self::Container => "envoy-container",
            Self::Playing => "playing",
        }
    }

    /// Whether its proxy is a real Envoy.
    pub const fn is_envoy(self) -> bool {
        matches!(self, Self::Envoy | Self::EnvoyNative | Self::Container)
    }

    /// Whether its proxy is the simulated one.
    pub const fn is_simulated(self) -> bool {
        matches!(self, Self::Native | Self::Wasmtime)
    }
}

impl EngineName {
    /// Reads a name such as `envoy 1.36.4` or `native nginx`; the second part may also follow `-`,
    /// `@` or `:`.
    pub fn parse(text: &str) -> Option<Self> {
        if Profile::names().any(|name| name == text.trim()) {
            return Some(Self {
                kind: EngineKind::Playing,
                version: Some(text.trim().to_owned()),
            });
        }
        // The longer names first.
        let (kind, rest) = [
            EngineKind::Container,
            EngineKind::EnvoyNative,
            EngineKind::Envoy,
            EngineKind::Native,
            EngineKind::Wasmtime,
        ]
        .into_iter()
        .find_map(|kind| Some((kind, text.trim().strip_prefix(kind.as_str())?)))?;
        let version = match rest.strip_prefix([' ', '@', '-', ':']).map(str::trim) {
            Some(host) if kind.is_simulated() && Profile::names().any(|name| name == host) => {
                Some(host.to_owned())
            }
            Some(version)
                if !kind.is_simulated() && version.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                Some(version.to_owned())
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { kind, version })
    }

    /// What the simulated proxy can play besides Envoy with its defaults.
    pub fn hosts() -> impl Iterator<Item = &'static str> {
        Profile::names()
    }

    /// The rules of the simulated proxy.
    pub fn profile(&self) -> Profile {
        let named = self.version.as_deref().and_then(Profile::named);
        named.unwrap_or(profile::ENVOY)
    }

    /// Whether what is said of `self` is said of `engine`: `envoy` means all releases, also those
    /// in containers and those with a dynamic module; `native` whatever its proxy plays; `nginx`
    /// every engine that plays it, also as Kong configures it.
    pub fn covers(&self, engine: &EngineName) -> bool {
        let kind = self.kind == engine.kind
            || (self.kind == EngineKind::Envoy && engine.kind.is_envoy())
            || (self.kind == EngineKind::Playing && engine.kind.is_simulated());
        let versions = (self.version.as_deref(), engine.version.as_deref());
        let like_it =
            versions.0 == Some("nginx") && matches!(versions.1, Some("kong" | "nginx_bare"));
        let like_it = self.kind == EngineKind::Playing && like_it;
        kind && (self.version.is_none() || self.version == engine.version || like_it)
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.version, self.kind) {
            (Some(host), EngineKind::Playing) => f.write_str(host),
            (Some(version), kind) => write!(f, "{} {version}", kind.as_str()),
            (None, kind) => f.write_str(kind.as_str()),
        }
    }
}

impl TryFrom<String> for EngineName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("expected native or wasmtime, also with what they play: `native nginx`; envoy, envoy-native or envoy-container, also with a release: `envoy 1.36.4`; or nginx, kong, envoy_stop_iteration: every engine that plays it")
    }
}

fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let Many(named) = Many::deserialize(deserializer)?;
    match named.is_empty() {
        true => Err(D::Error::custom("name at least one")),
        false => Ok(named),
    }
}

/// A reason that says something.
fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.split_whitespace().count() < 3 {
        true => Err(D::Error::custom("say why, in a few words")),
        false => Ok(text),
    }
}
