//! What the operator writes.

mod sources;

use std::collections::BTreeMap;

use modelgate_kit::config::Bounded;
use modelgate_kit::config::types::{FRAMING, HeaderName, HeaderValue, Token, refused};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::Provider;
pub use sources::{
    Algorithm, AzureEndpoint, Client, ClientCredentials, Endpoint, Entra, EntraOnBehalfOf,
    GoogleMetadata, GoogleServiceAccount, ManagedIdentity, PrivateKey, SecretIn, Static,
    TokenExchange,
};

/// Puts the gateway's own credential into requests, in place of the client's.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the backend is shown; exactly one source. Required.
    pub credential: CredentialConfig,
    /// A service that is known: how it wants its key, which headers choose something under it, and
    /// which query parameters it reads as a key. See the list in the README.
    pub provider: Option<Provider>,
    /// Where the credential is put. Without it as `provider` says, else `authorization: Bearer`.
    /// Fetched tokens always go there as bearer tokens (RFC 6750 section 2.1), unless this says
    /// otherwise.
    pub send_as: Option<SendAs>,
    /// Headers that every request is given, such as `azureml-model-deployment`, in place of the
    /// client's.
    pub set_headers: BTreeMap<PlainHeader, HeaderValue>,
    /// Headers of the provider that a client may choose by, such as `openai-project`; each at most
    /// once.
    pub client_headers: Vec<HeaderName>,
    /// What happens with the provider's other choosing headers where a client sends one.
    pub other_client_headers: DenyOrStrip,
    /// Further headers of the client that are removed, for credentials of your own kind.
    pub remove_headers: Vec<PlainHeader>,
    /// Further query parameters that are removed, whatever their case.
    pub remove_parameters: Vec<Token>,
    /// Whether the backend sees the client's cookies.
    pub cookies: KeepOrStrip,
    /// How tokens are fetched and kept fresh.
    pub refresh: Refresh,
}

/// What the backend is shown: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialConfig {
    /// A key that does not change while the proxy runs.
    #[serde(rename = "static")]
    pub fixed: Option<Static>,
    /// A token by the OAuth 2.0 client credentials grant (RFC 6749 section 4.4).
    pub oauth2_client_credentials: Option<ClientCredentials>,
    /// The same at Microsoft Entra ID: by client secret, certificate or federated token (workload
    /// identity).
    pub entra: Option<Entra>,
    /// A token of an Azure managed identity, from the machine's metadata service or App Service.
    pub managed_identity: Option<ManagedIdentity>,
    /// A token for a Google service account, by a JWT that is signed with its key (RFC 7523
    /// section 2.1).
    pub google_service_account: Option<GoogleServiceAccount>,
    /// A token from Google's metadata server: Compute Engine, GKE with workload identity, Cloud
    /// Run.
    pub google_metadata: Option<GoogleMetadata>,
    /// A token in exchange for the caller's own (RFC 8693): the backend knows who calls.
    pub token_exchange: Option<TokenExchange>,
    /// A token of Entra ID's on behalf of the caller (`requested_token_use=on_behalf_of`), in
    /// exchange for the caller's own.
    pub entra_on_behalf_of: Option<EntraOnBehalfOf>,
    /// `true`: the client's own `authorization` goes to the backend as it came. Nothing else lets
    /// it through.
    pub pass_through: bool,
}

/// Where a credential is put: exactly one of `header`, `query`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendAs {
    /// Name of the header.
    pub header: Option<PlainHeader>,
    /// Authentication scheme before the credential, e.g. `Bearer`; none unless written. With
    /// `Basic`, the value of `static` is `user:password`, and is encoded (RFC 7617).
    pub scheme: Option<Token>,
    /// Name of the query parameter. URLs are logged: only where the service takes nothing else.
    pub query: Option<Token>,
}

/// What happens with a client's header that is not its to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyOrStrip {
    /// The request is refused.
    #[default]
    Deny,
    /// It is removed.
    Strip,
}

/// Whether something of the client's goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepOrStrip {
    /// It does.
    #[default]
    Keep,
    /// It does not.
    Strip,
}

/// How tokens are fetched and kept fresh.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// Time-out of one call, in milliseconds.
    pub timeout_ms: Bounded<50, 60_000>,
    /// Longest that a request waits for a token where there is none yet, in milliseconds; 0 for not
    /// at all.
    pub wait_ms: Bounded<0, 60_000>,
    /// Longest answer that is taken, in bytes.
    pub max_bytes: Bounded<256, 1_048_576>,
    /// How long a token is used whose answer does not say how long it is good (RFC 6749 section
    /// 5.1), in seconds.
    pub assumed_lifetime_s: Bounded<1, 86_400>,
    /// Least time between two fetches of one token, in seconds, also where the backend answers 401
    /// to it.
    pub min_interval_s: Bounded<1, 3600>,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            timeout_ms: Bounded::new(5000),
            wait_ms: Bounded::new(3000),
            max_bytes: Bounded::new(65_536),
            assumed_lifetime_s: Bounded::new(300),
            min_interval_s: Bounded::new(10),
        }
    }
}

/// What frames a request besides what frames every message; cookies have an option of their own.
const FRAMING_REQUESTS: [&str; 3] = ["trailer", "cookie", "expect"];

/// A header that the operator may write or remove.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct PlainHeader(HeaderName);

impl<'de> Deserialize<'de> for PlainHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = HeaderName::deserialize(deserializer)?;
        if FRAMING
            .iter()
            .chain(&FRAMING_REQUESTS)
            .any(|one| **one == *name)
        {
            return Err(refused(
                "is a header that frames the request",
                "write another; `cookies` is an option of its own",
            ));
        }
        Ok(Self(name))
    }
}

impl From<PlainHeader> for String {
    fn from(header: PlainHeader) -> Self {
        header.0.into_string()
    }
}
