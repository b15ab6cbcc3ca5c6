//! The engines by their names, and where one is known to see something else.

use std::fmt;

use located_yaml::shape::Many;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// An engine that is known to see something else, which then must be so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// Which engine.
    pub engine: EngineName,
    /// The field that differs, or the beginning of its path (`client.headers`).
    pub field: String,
    /// Why.
    #[serde(deserialize_with = "reason")]
    pub because: String,
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
/// `envoy-container`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = PATTERN))]
pub struct EngineName {
    /// What runs the filters.
    pub kind: EngineKind,
    /// Which release; `None` = any, or the default one.
    pub version: Option<String>,
}

/// The names of engines, as a regular expression.
const PATTERN: &str = "^(native|wasmtime|envoy(-container)?([ @:-] *[0-9].*)?)$";

/// What runs the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The filters' own code, natively, in the simulated proxy.
    Native,
    /// Their wasm in the simulated proxy.
    Wasmtime,
    /// A real Envoy process.
    Envoy,
    /// A real Envoy in a container.
    Container,
}

impl EngineKind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasmtime => "wasmtime",
            Self::Envoy => "envoy",
            Self::Container => "envoy-container",
        }
    }
}

impl EngineName {
    /// Reads a name such as `envoy 1.36.4`; the release may also follow `-`, `@` or `:`.
    pub fn parse(text: &str) -> Option<Self> {
        // The longer name first.
        let (kind, rest) = [
            EngineKind::Container,
            EngineKind::Envoy,
            EngineKind::Native,
            EngineKind::Wasmtime,
        ]
        .into_iter()
        .find_map(|kind| Some((kind, text.trim().strip_prefix(kind.as_str())?)))?;
        let version = match rest.strip_prefix([' ', '@', '-', ':']).map(str::trim) {
            Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) => {
                Some(version.to_owned())
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        let simulated = matches!(kind, EngineKind::Native | EngineKind::Wasmtime);
        (!(simulated && version.is_some())).then_some(Self { kind, version })
    }

    /// Whether what is said of `self` is said of `engine`: `envoy` means all releases, also those
    /// in containers.
    pub fn covers(&self, engine: &EngineName) -> bool {
        let kind = self.kind == engine.kind
            || (self.kind == EngineKind::Envoy && engine.kind == EngineKind::Container);
        kind && (self.version.is_none() || self.version == engine.version)
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for EngineName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("expected native, wasmtime, envoy or envoy-container, the latter two also with a release: `envoy 1.36.4`")
    }
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EngineName>, D::Error> {
    let Many(engines) = Many::deserialize(deserializer)?;
    match engines.is_empty() {
        true => Err(D::Error::custom("name at least one engine")),
        false => Ok(engines),
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
