//! The sources of a credential, as written.

use std::collections::BTreeMap;

use modelgate_kit::config::types::{ClusterName, NonEmpty, NonEmptyText, Scope, Token};
use modelgate_kit::config::{Bounded, Secret};
use modelgate_kit::credential::WrittenPlace;
use modelgate_kit::http_url::HttpUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key that does not change while the proxy runs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Static {
    /// The key or token itself: text, or `{"env": "NAME"}`.
    pub value: Secret,
}

/// A server that is called.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// URL; host and path of the call are taken from it.
    pub url: HttpUrl,
    /// Cluster that is called (on nginx: host:port). It decides whom we connect to.
    pub cluster: ClusterName,
}

/// The gateway as a client of a token endpoint: its id, and at most one proof that it is the
/// client.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id (`client_id`).
    pub id: NonEmptyText,
    /// Its secret.
    pub secret: Option<Secret>,
    /// Where the secret is sent: `basic`, as RFC 6749 section 2.3.1 prefers, or `post`. Default:
    /// `basic`; with Entra ID, which documents it so, `post`.
    pub secret_in: Option<SecretIn>,
    /// A private key, by which a JWT is signed that proves who calls (RFC 7523 section 2.2,
    /// `private_key_jwt`).
    pub private_key: Option<PrivateKey>,
    /// A JWT of somebody else's that proves it: a federated token. Read once, when the
    /// configuration is loaded.
    pub assertion: Option<Secret>,
    /// Where such a JWT is fetched, as the whole body of a GET, each time that a token is: a server
    /// beside the proxy that reads the file which Kubernetes keeps fresh.
    pub assertion_from: Option<Endpoint>,
}

/// Where a client's secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretIn {
    /// In the header `authorization`, with id and secret encoded as a form has them.
    Basic,
    /// In the body, as `client_secret`.
    Post,
}

/// A private key that signs JWTs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateKey {
    /// The key in PEM, PKCS #8 (`BEGIN PRIVATE KEY`), not encrypted: RSA of 2048 to 4096 bits, or
    /// P-256 for ES256.
    pub pem: Secret,
    /// How it signs.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Its name, for the JWT's header (`kid`).
    pub key_id: Option<NonEmptyText>,
    /// SHA-256 of the DER of its certificate, in base64url (`x5t#S256`). Entra ID finds the
    /// certificate by it.
    pub certificate_sha256: Option<NonEmptyText>,
    /// Whom the JWT is for (`aud`); without it the URL of the token endpoint.
    pub audience: Option<NonEmptyText>,
}

/// Signature algorithms of JWTs that prove who calls (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

/// The client credentials grant.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_endpoint: Endpoint,
    /// Who asks.
    pub client: Client,
    /// Scopes that are asked for.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Whom the token is to be for (`audience`), as Auth0 and others want it.
    pub audience: Option<NonEmptyText>,
    /// The same by RFC 8707 (`resource`).
    pub resource: Option<NonEmptyText>,
    /// Further parameters of the request.
    #[serde(default)]
    pub parameters: BTreeMap<Token, NonEmptyText>,
}

/// A client of Microsoft Entra ID.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// The tenant: its id or one of its domains.
    pub tenant: Token,
    /// Who asks.
    pub client: Client,
    /// Scope, always one that ends in `/.default`: `https://ml.azure.com/.default` for endpoints of
    /// Azure ML, `https://cognitiveservices.azure.com/.default` for Azure OpenAI.
    pub scope: Scope,
    /// Cluster that leads to the authority (on nginx: host:port).
    pub cluster: ClusterName,
    /// The authority; another one in national clouds.
    #[serde(default = "entra_authority")]
    pub authority: HttpUrl,
}

/// A token of an Azure managed identity.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedIdentity {
    /// What the token is for, without `/.default`: `https://ml.azure.com`,
    /// `https://cognitiveservices.azure.com`.
    pub resource: NonEmptyText,
    /// Client id of a user-assigned identity; without it the system-assigned one.
    pub client_id: Option<NonEmptyText>,
    /// Which service gives it.
    #[serde(default)]
    pub endpoint: AzureEndpoint,
    /// Its URL. Default: of `instance_metadata` the fixed address, of `app_service` the VM's
    /// environment variable `IDENTITY_ENDPOINT`.
    pub url: Option<HttpUrl>,
    /// Cluster that leads there (on nginx: host:port).
    pub cluster: ClusterName,
}

/// Services that give tokens of a managed identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AzureEndpoint {
    /// The metadata service of virtual machines and AKS nodes, at 169.254.169.254.
    #[default]
    InstanceMetadata,
    /// App Service, Functions and Container Apps. The VM's environment variable `IDENTITY_HEADER`
    /// is the secret that goes with each call.
    AppService,
}

/// A token for a Google service account by its key.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleServiceAccount {
    /// The account's key file, as Google gives it: JSON with `client_email`, `private_key`,
    /// `private_key_id` and `token_uri`.
    pub key: Secret,
    /// Scopes of the token. Default: `https://www.googleapis.com/auth/cloud-platform`.
    pub scopes: Option<NonEmpty<Scope>>,
    /// Whom an ID token is for, which is then sent in place of an access token: the URL of a
    /// service on Cloud Run, or the client id of Identity-Aware Proxy. Not beside `scopes`.
    pub audience: Option<NonEmptyText>,
    /// Cluster that leads to the host of `token_uri`, which is oauth2.googleapis.com (on nginx:
    /// host:port).
    pub cluster: ClusterName,
}

/// A token from Google's metadata server.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleMetadata {
    /// Cluster that leads to metadata.google.internal, port 80 (on nginx: host:port).
    pub cluster: ClusterName,
    /// The service account, by its mail address; without it the machine's default one.
    pub account: Option<NonEmptyText>,
    /// Scopes of the token; without them those of the machine.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Whom an ID token is for, which is then sent in place of an access token: the URL of a
    /// service on Cloud Run, or the client id of Identity-Aware Proxy. Not beside `scopes`.
    pub audience: Option<NonEmptyText>,
}

/// A token in exchange for the caller's.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// The token endpoint.
    pub token_endpoint: Endpoint,
    /// Who asks.
    pub client: Client,
    /// Where the caller's token stands. The authenticator before must leave it there:
    /// `credential_to_upstream: keep` of jwt-auth.
    #[serde(default = "bearer")]
    pub subject_token_from: NonEmpty<WrittenPlace>,
    /// What kind of token it is.
    #[serde(default = "access_token_type")]
    pub subject_token_type: String,
    /// What kind of token is wanted; left out unless written.
    pub requested_token_type: Option<NonEmptyText>,
    /// Scopes that are asked for.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Name of the service that the token is to be for (`audience`).
    pub audience: Option<NonEmptyText>,
    /// URI of it (`resource`).
    pub resource: Option<NonEmptyText>,
    /// Further parameters of the request.
    #[serde(default)]
    pub parameters: BTreeMap<Token, NonEmptyText>,
    /// Longest token of a caller's that is exchanged, in bytes.
    #[serde(default = "max_subject_bytes")]
    pub max_token_bytes: Bounded<128, 65_536>,
    /// Callers' tokens whose exchange is remembered, per worker.
    #[serde(default = "cache_entries")]
    pub cache_entries: Bounded<1, 100_000>,
}

/// A token of Entra ID's on behalf of the caller, for whose own token it is given.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EntraOnBehalfOf {
    /// The tenant: its id or one of its domains.
    pub tenant: Token,
    /// The gateway as an application there, for which the caller's token must be (`aud`).
    pub client: Client,
    /// Scopes of the backend that are asked for in the caller's name: `https://ml.azure.com/.default`.
    pub scopes: NonEmpty<Scope>,
    /// Cluster that leads to the authority (on nginx: host:port).
    pub cluster: ClusterName,
    /// The authority; another one in national clouds.
    #[serde(default = "entra_authority")]
    pub authority: HttpUrl,
    /// Where the caller's token stands. The authenticator before must leave it there:
    /// `credential_to_upstream: keep` of jwt-auth.
    #[serde(default = "bearer")]
    pub subject_token_from: NonEmpty<WrittenPlace>,
    /// Longest token of a caller's that is exchanged, in bytes.
    #[serde(default = "max_subject_bytes")]
    pub max_token_bytes: Bounded<128, 65_536>,
    /// Callers' tokens whose exchange is remembered, per worker.
    #[serde(default = "cache_entries")]
    pub cache_entries: Bounded<1, 100_000>,
}

fn entra_authority() -> HttpUrl {
    HttpUrl {
        scheme: "https",
        authority: "login.microsoftonline.com".to_owned(),
        path: "/".to_owned(),
    }
}

fn bearer() -> NonEmpty<WrittenPlace> {
    NonEmpty::one(WrittenPlace::header("authorization", Some("Bearer")))
}

fn access_token_type() -> String {
    "urn:ietf:params:oauth:token-type:access_token".to_owned()
}

const fn max_subject_bytes() -> Bounded<128, 65_536> {
    Bounded::new(16_384)
}

const fn cache_entries() -> Bounded<1, 100_000> {
    Bounded::new(1000)
}
