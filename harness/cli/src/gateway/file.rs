//! The gateway file: what a platform team writes and keeps. Everything that a filter has a word for
//! is written in that filter's own words, and read by it.

use located_yaml::shape::{Members, Source};
use schemars::JsonSchema;
use serde::Deserialize;

use super::schema;

/// A gateway in front of a model server: who may call, for what, how often, and what is masked and
/// recorded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// What it is called, also in Kubernetes: a DNS label. Default: the kind of its backend.
    pub name: Option<String>,
    /// The model server.
    pub backend: Backend,
    /// Who issues tokens, as `issuers` of jwt-auth. Where `keys` is left out they are found by
    /// OpenID Connect discovery at the issuer itself; a `cluster` that is left out is that of the
    /// URL.
    #[serde(default)]
    #[schemars(schema_with = "schema::issuers")]
    pub issuers: Option<Source>,
    /// API keys by their digests, as `keys` of key-auth. With `issuers`, a caller has a token or a
    /// key.
    #[serde(default)]
    #[schemars(schema_with = "schema::keys")]
    pub keys: Option<Source>,
    /// Who may do what, as `rules` of consumer-acl. What no rule allows is denied.
    #[schemars(schema_with = "schema::rules")]
    pub rules: Source,
    /// How much, as `policies` of rate-limit.
    #[serde(default)]
    #[schemars(schema_with = "schema::limits")]
    pub limits: Option<Source>,
    /// Which public name leads to which model and version at the backend, as `models` of
    /// model-route. Left out, names pass as they are. `backend` of a target is a name for lineage
    /// and audit where there is one server, and names the server where `backend.others` has more.
    #[serde(default)]
    #[schemars(schema_with = "schema::models")]
    pub models: Option<Source>,
    /// What is masked, as the settings of pii-mask; `{}` for its defaults. Left out, nothing is
    /// masked.
    #[serde(default)]
    #[schemars(schema_with = "schema::masking")]
    pub masking: Option<Source>,
    /// Where events are sent besides the access log.
    pub audit: Option<Audit>,
    /// Further settings of filters, by their names (`rate-limit`), which are added to those above.
    #[serde(default)]
    #[schemars(schema_with = "schema::settings")]
    pub settings: Members<String, Source>,
    /// Address and port that it listens on (Envoy and Kubernetes). Default: `0.0.0.0:8080`.
    pub listen: Option<String>,
    /// Address and port for Prometheus (`/stats/prometheus`) and probes (`/ready`), which get
    /// nothing else of Envoy's admin interface (Envoy and Kubernetes). Default: none.
    pub metrics: Option<String>,
    /// How many proxies that are trusted stand in front: the client's address is taken from
    /// `x-forwarded-for` accordingly. Default: 0.
    pub proxies_in_front: Option<u32>,
    /// The most that is held of a body, in bytes. Above `max_body_bytes` of the filters. Default:
    /// 2097152.
    pub buffer_bytes: Option<u32>,
    /// Where the filters' images are. Kubernetes, Istio, Envoy Gateway and Higress need it.
    pub modules: Option<Modules>,
}

/// A model server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// The protocol that it speaks.
    pub kind: Kind,
    /// Scheme, host and port, as in `http://mlserver.models.svc:8080`. May be left out for
    /// `sagemaker`, `vertex` and `openai` (the provider's own).
    pub url: Option<String>,
    /// Further servers of the same kind, by names of yours: scheme, host and port. `backend` of a
    /// target in `models` names one of them, or `main`, which is `url`; so does `backend` of a
    /// shadow. The gateway's credential is shown to all of them. Envoy and Kubernetes only; not for
    /// `sagemaker`, whose requests are signed for one host.
    #[serde(default)]
    pub others: Members<String, String>,
    /// The AWS region (`sagemaker`), or Google's location (`vertex`; without it the global
    /// endpoint).
    pub region: Option<String>,
    /// The deployment that is asked (`azure_ml`); callers cannot choose another one.
    pub deployment: Option<String>,
    /// The gateway's own credential at the backend: `{ env: NAME }` for a key in a variable, or a
    /// source as `credential` of upstream-auth, such as `{ entra: { … } }`. Not for `sagemaker`,
    /// whose requests are signed.
    #[serde(default)]
    #[schemars(schema_with = "schema::credential")]
    pub credential: Option<Source>,
}

/// Kinds of model servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Amazon SageMaker's runtime.
    Sagemaker,
    /// An Azure ML online endpoint.
    AzureMl,
    /// The Open Inference Protocol: KServe V2, Triton, MLServer.
    Kserve,
    /// TensorFlow Serving.
    TensorflowServing,
    /// TorchServe.
    Torchserve,
    /// OpenAI's API, by whomever it is served.
    Openai,
    /// Azure OpenAI: the same API below `/openai/`, with deployments in the path or models in the
    /// body (`/openai/v1/`).
    AzureOpenai,
    /// Google's Vertex AI: Gemini, models of other publishers, and endpoints.
    Vertex,
}

/// Where events are sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Scheme, host and port of an OpenTelemetry collector, as in `http://127.0.0.1:4318`.
    pub collector: String,
    /// Attributes of the source, such as `deployment.environment.name`.
    #[serde(default)]
    #[schemars(schema_with = "schema::resource")]
    pub resource: Option<Source>,
}

/// Where the filters' images are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modules {
    /// What stands in front of each filter's name: `ghcr.io/example/filters`.
    pub registry: String,
    /// The tag. Default: the version of the program that writes the host's files.
    pub version: Option<String>,
    /// Digests of the images by filter (`jwt-auth: sha256:…`), which `modelgate push` prints.
    #[serde(default)]
    pub digests: Members<String, String>,
    /// How they come into Envoy's pods (Kubernetes). Default: `image_volumes`.
    #[serde(default)]
    pub mount: Mount,
}

/// How modules come into pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mount {
    /// As image volumes, which Kubernetes has from 1.33 on.
    #[default]
    ImageVolumes,
    /// Fetched by an init container, in any release.
    InitContainer,
}

impl Modules {
    /// The digest of a filter's image, if it is written: `sha256:…`.
    pub fn digest(&self, filter: &str) -> Option<&str> {
        let mut digests = self.digests.0.iter();
        let found = digests.find(|(name, _)| name == filter)?;
        Some(found.1.as_str())
    }

    /// A filter's image, by its tag.
    pub fn tagged(&self, filter: &str) -> String {
        let version = self.version.as_deref();
        let version = version.unwrap_or(env!("CARGO_PKG_VERSION"));
        let registry = self.registry.trim_end_matches('/');
        format!("{registry}/{filter}:{version}")
    }

    /// The same for programs that take no tag beside a digest.
    pub fn by_digest(&self, filter: &str) -> String {
        let registry = self.registry.trim_end_matches('/');
        match self.digest(filter) {
            Some(digest) => format!("{registry}/{filter}@{digest}"),
            None => self.tagged(filter),
        }
    }

    /// A filter's image, by its digest where that is written.
    pub fn image(&self, filter: &str) -> String {
        match self.digest(filter) {
            Some(digest) => format!("{}@{digest}", self.tagged(filter)),
            None => self.tagged(filter),
        }
    }
}
