//! Sources of tokens, from what was written to what is called.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::config::secret::FromEnvironment;
use modelgate_kit::config::types::{ClusterName, NonEmptyText, Scope, Token};
use modelgate_kit::config::{Problems, Secret, SecretBytes, Setup};
use modelgate_kit::credential::{Place, compile_places};
use modelgate_kit::explain::{self, Note};
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::refresh::{Refreshed, Sharing, Timing};
use zeroize::Zeroizing;

use super::Credential;
use crate::config::{
    Algorithm, AzureEndpoint, Client, ClientCredentials, Endpoint, Entra, EntraOnBehalfOf,
    ManagedIdentity, PrivateKey, Refresh, SecretIn, TokenExchange,
};
use crate::exchanged::{Bounds, Exchanged};
use crate::form::{encode, encoded};
use crate::grant::{Assertion, Grant, Limits, Metadata, Origin, Proof, Server};
use crate::jwt::{Claims, KeyFault, Signer};
use crate::token::{Wanted, is_sendable};

/// RFC 7523 section 2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// RFC 8693 section 2.1.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The metadata service of Azure's machines.
const AZURE_METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
/// What App Service calls its endpoint, in the environment.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
/// And the secret that goes with each call.
const IDENTITY_HEADER: &str = "IDENTITY_HEADER";
/// The variables of the VM's environment that are read where the configuration says nothing else.
pub const ENVIRONMENT: [&str; 2] = [IDENTITY_ENDPOINT, IDENTITY_HEADER];
/// Longest pause after failures, in milliseconds.
const MAX_BACK_OFF_MS: u64 = 60_000;

pub fn limits(refresh: &Refresh) -> Limits {
    Limits {
        timeout_ms: refresh.timeout_ms.short(),
        max_bytes: refresh.max_bytes.size(),
        assumed_s: refresh.assumed_lifetime_s.value(),
    }
}

/// Where a token comes from, for whoever plays its server.
fn told(name: &str, server: &Server) -> Note {
    let text = format!("Tokens of `{name}`.");
    let note = Note::info("token_source", text).with("source", name);
    let note = note.with("url", server.location.to_string());
    note.with("cluster", server.cluster.clone())
}

pub fn kept_fresh(
    name: String,
    origin: Origin,
    refresh: &Refresh,
    setup: &Setup<'_>,
) -> Credential {
    explain::tell(|notes| notes.extend(origin.servers().map(|server| told(&name, server))));
    let timing = Timing {
        // Tokens expire by themselves.
        every_ms: 0,
        max_stale_ms: 0,
        min_interval_ms: refresh.min_interval_s.value().saturating_mul(1000),
        max_back_off_ms: MAX_BACK_OFF_MS,
        wait_ms: refresh.wait_ms.value(),
    };
    let sharing = Sharing::Own {
        name: origin.name(setup.filter),
    };
    let counters = (setup.filter, "token_fetches", "token_fetch_failures");
    let kept = Refreshed::new(name, origin, sharing, timing, counters);
    kept.define_metrics(setup.host);
    Credential::Fetched(Rc::new(kept))
}

pub fn client_credentials(
    written: ClientCredentials,
    limits: Limits,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Origin> {
    let endpoint = server(written.token_endpoint);
    let mut form = vec![pair("grant_type", "client_credentials")];
    asked_for(
        &mut form,
        &written.scopes,
        written.audience,
        written.resource,
    );
    further(&mut form, written.parameters, problems);
    let proof = proof(written.client, SecretIn::Basic, &endpoint, setup, problems)?;
    of_client(endpoint, form, proof, limits, problems)
}

pub fn entra(
    written: Entra,
    limits: Limits,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Origin> {
    let endpoint = of_entra(
        &written.authority,
        &written.tenant,
        written.cluster,
        problems,
    )?;
    let form = vec![
        pair("grant_type", "client_credentials"),
        pair("scope", &written.scope),
    ];
    let proof = proof(written.client, SecretIn::Post, &endpoint, setup, problems)?;
    of_client(endpoint, form, proof, limits, problems)
}

/// Entra ID's token endpoint of a tenant.
fn of_entra(
    authority: &HttpUrl,
    tenant: &Token,
    cluster: ClusterName,
    problems: &mut Problems,
) -> Option<Server> {
    let authority = authority.to_string();
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        authority.trim_end_matches('/'),
        encoded(tenant)
    );
    Some(Server {
        location: parsed("authority", &url, problems)?,
        cluster: cluster.into_string(),
    })
}

/// A grant to the client itself, which must prove that it is the one.
fn of_client(
    endpoint: Server,
    form: Vec<(String, String)>,
    proof: Proof,
    limits: Limits,
    problems: &mut Problems,
) -> Option<Origin> {
    let proof = proven(proof, problems)?;
    Some(Origin::Grant(Grant {
        endpoint,
        form,
        proof,
        wanted: Wanted::Access,
        limits,
    }))
}

/// What proves anything.
fn proven(proof: Proof, problems: &mut Problems) -> Option<Proof> {
    if matches!(proof, Proof::Public { .. }) {
        problems.add(
            "client",
            "proves nothing",
            "write one of secret, private_key, assertion, assertion_from",
        );
        return None;
    }
    Some(proof)
}

pub fn managed_identity(
    written: ManagedIdentity,
    limits: Limits,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Origin> {
    let (version, header) = match written.endpoint {
        AzureEndpoint::InstanceMetadata => {
            let header = ("metadata", SecretBytes::new(b"true".to_vec()));
            ("2018-02-01", Some(header))
        }
        AzureEndpoint::AppService => {
            let secret = variable(IDENTITY_HEADER).resolve("endpoint", setup, problems);
            let header = secret.map(|secret| ("x-identity-header", secret));
            ("2019-08-01", header)
        }
    };
    let url = match (written.url, written.endpoint) {
        (Some(url), _) => url.to_string(),
        (None, AzureEndpoint::InstanceMetadata) => AZURE_METADATA.to_owned(),
        (None, AzureEndpoint::AppService) => {
            let url = variable(IDENTITY_ENDPOINT).resolve_text("endpoint", setup, problems)?;
            match setup.host.is_stand_in(&url) {
                true => AZURE_METADATA.to_owned(),
                false => url.to_string(),
            }
        }
    };
    let mut url = with_parameter(url, "api-version", version);
    url = with_parameter(url, "resource", &written.resource);
    if let Some(id) = &written.client_id {
        url = with_parameter(url, "client_id", id);
    }
    Some(Origin::Metadata(Metadata {
        endpoint: Server {
            location: parsed("url", &url, problems)?,
            cluster: written.cluster.into_string(),
        },
        headers: vec![header?],
        wanted: Wanted::Access,
        limits,
    }))
}

pub fn token_exchange(
    written: TokenExchange,
    name: String,
    refresh: &Refresh,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Exchanged> {
    let endpoint = server(written.token_endpoint);
    let mut form = vec![
        pair("grant_type", TOKEN_EXCHANGE),
        pair("subject_token_type", &written.subject_token_type),
    ];
    if let Some(kind) = &written.requested_token_type {
        form.push(pair("requested_token_type", kind));
    }
    asked_for(
        &mut form,
        &written.scopes,
        written.audience,
        written.resource,
    );
    further(&mut form, written.parameters, problems);
    let places = problems.within("subject_token_from", |problems| {
        compile_places(written.subject_token_from, problems)
    });
    let proof = proof(written.client, SecretIn::Basic, &endpoint, setup, problems)?;
    let grant = Grant {
        endpoint,
        form,
        proof,
        wanted: Wanted::Access,
        limits: limits(refresh),
    };
    let callers = Callers {
        places,
        entries: written.cache_entries.size(),
        max_token_bytes: written.max_token_bytes.size(),
    };
    Some(callers.exchanged(name, (grant, "subject_token"), refresh, setup))
}

/// learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
pub fn on_behalf_of(
    written: EntraOnBehalfOf,
    name: String,
    refresh: &Refresh,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Exchanged> {
    let endpoint = of_entra(
        &written.authority,
        &written.tenant,
        written.cluster,
        problems,
    )?;
    let mut form = vec![
        pair("grant_type", JWT_BEARER),
        pair("requested_token_use", "on_behalf_of"),
    ];
    asked_for(&mut form, &written.scopes.into_vec(), None, None);
    let places = problems.within("subject_token_from", |problems| {
        compile_places(written.subject_token_from, problems)
    });
    let proof = proof(written.client, SecretIn::Post, &endpoint, setup, problems)?;
    let grant = Grant {
        endpoint,
        form,
        proof: proven(proof, problems)?,
        wanted: Wanted::Access,
        limits: limits(refresh),
    };
    let callers = Callers {
        places,
        entries: written.cache_entries.size(),
        max_token_bytes: written.max_token_bytes.size(),
    };
    Some(callers.exchanged(name, (grant, "assertion"), refresh, setup))
}

/// Where callers' tokens are, and how much is remembered of them.
struct Callers {
    places: Vec<Place>,
    entries: usize,
    max_token_bytes: usize,
}

impl Callers {
    /// Exchanges them by this grant, of which this parameter holds the caller's token.
    fn exchanged(
        self,
        name: String,
        grant: (Grant, &'static str),
        refresh: &Refresh,
        setup: &Setup<'_>,
    ) -> Exchanged {
        explain::tell(|notes| notes.extend(grant.0.servers().map(|server| told(&name, server))));
        let bounds = Bounds {
            entries: self.entries,
            max_token_bytes: self.max_token_bytes,
            wait_ms: refresh.wait_ms.value(),
            min_interval_ms: refresh.min_interval_s.value().saturating_mul(1000),
        };
        Exchanged::new(name, grant, self.places, bounds, setup.filter, setup.host)
    }
}

/// How a client proves who it is.
fn proof(
    written: Client,
    secret_in: SecretIn,
    endpoint: &Server,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Proof> {
    problems.within("client", |problems| {
        if written.secret.is_none() && written.secret_in.is_some() {
            problems.add(
                "secret_in",
                "has no meaning without `secret`",
                "leave it out",
            );
        }
        let id = written.id.into_string();
        let secret_in = written.secret_in.unwrap_or(secret_in);
        match (
            written.secret,
            written.private_key,
            written.assertion,
            written.assertion_from,
        ) {
            (None, None, None, None) => Some(Proof::Public { id }),
            (Some(secret), None, None, None) => {
                let secret = secret.resolve_text("secret", setup, problems)?;
                Some(match secret_in {
                    SecretIn::Basic => Proof::Basic {
                        header: basic(&id, &secret),
                    },
                    SecretIn::Post => Proof::Post {
                        id,
                        secret: SecretBytes::new(secret.as_bytes().to_vec()),
                    },
                })
            }
            (None, Some(key), None, None) => problems.within("private_key", |problems| {
                let signer = own_jwt(key, &id, endpoint, setup, problems)?;
                let assertion = Assertion::Signed(signer);
                Some(Proof::Assertion { id, assertion })
            }),
            (None, None, Some(token), None) => {
                let token = token.resolve("assertion", setup, problems)?;
                if !is_sendable(token.expose()) {
                    problems.add("assertion", "is not a token", "one JWT, without line ends");
                    return None;
                }
                let assertion = Assertion::Given(token);
                Some(Proof::Assertion { id, assertion })
            }
            (None, None, None, Some(from)) => {
                let assertion = Assertion::From(server(from));
                Some(Proof::Assertion { id, assertion })
            }
            _ => {
                problems.add(
                    "",
                    "has more than one proof",
                    "write one of secret, private_key, assertion, assertion_from",
                );
                None
            }
        }
    })
}

/// RFC 6749 section 2.3.1: both halves encoded as in a form.
fn basic(id: &str, secret: &str) -> SecretBytes {
    let mut pair = Zeroizing::new(encoded(id));
    pair.push(':');
    encode(&mut pair, secret);
    let header = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
    SecretBytes::new(header.into_bytes())
}

/// A signer of RFC 7523 section 3: the client is issuer and subject.
fn own_jwt(
    written: PrivateKey,
    id: &str,
    endpoint: &Server,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Rc<Signer>> {
    let pem = written.pem.resolve_text("pem", setup, problems)?;
    if setup.host.is_stand_in(&pem) {
        return Some(Rc::new(Signer::elsewhere()));
    }
    let header = [
        ("kid", written.key_id),
        ("x5t#S256", written.certificate_sha256),
    ];
    let audience = written.audience.map(NonEmptyText::into_string);
    let says = Claims {
        header: header
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.into_string())))
            .collect(),
        claims: vec![
            ("iss", id.to_owned()),
            ("sub", id.to_owned()),
            (
                "aud",
                audience.unwrap_or_else(|| endpoint.location.to_string()),
            ),
        ],
    };
    signer(&pem, written.algorithm, says, "pem", problems)
}

pub(super) fn signer(
    pem: &str,
    algorithm: Algorithm,
    says: Claims,
    path: &str,
    problems: &mut Problems,
) -> Option<Rc<Signer>> {
    match Signer::new(pem, algorithm, says) {
        Ok(signer) => Some(Rc::new(signer)),
        Err(KeyFault::Unreadable) => {
            problems.add(
                path,
                "has no private key that can be read",
                "PKCS #8 in PEM (`BEGIN PRIVATE KEY`), not encrypted, of the kind that the algorithm wants; `openssl pkcs8 -topk8 -nocrypt` makes it",
            );
            None
        }
        Err(KeyFault::Size) => {
            problems.add(
                path,
                "has an RSA key of a size that is not taken",
                "2048 to 4096 bits",
            );
            None
        }
    }
}

fn server(endpoint: Endpoint) -> Server {
    Server {
        location: endpoint.url,
        cluster: endpoint.cluster.into_string(),
    }
}

pub(super) fn parsed(path: &str, url: &str, problems: &mut Problems) -> Option<HttpUrl> {
    let parsed = HttpUrl::parse(url);
    if parsed.is_none() {
        problems.add(
            path,
            "makes no http or https URL",
            "write https://HOST/PATH, without spaces",
        );
    }
    parsed
}

pub(super) fn with_parameter(mut url: String, name: &str, value: &str) -> String {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(name);
    url.push('=');
    encode(&mut url, value);
    url
}

fn variable(name: &str) -> Secret {
    Secret::Environment(FromEnvironment {
        env: name.to_owned(),
    })
}

pub(super) fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn asked_for(
    form: &mut Vec<(String, String)>,
    scopes: &[Scope],
    audience: Option<NonEmptyText>,
    resource: Option<NonEmptyText>,
) {
    if !scopes.is_empty() {
        let scopes: Vec<&str> = scopes.iter().map(|scope| &**scope).collect();
        form.push(pair("scope", &scopes.join(" ")));
    }
    form.extend(audience.map(|audience| pair("audience", &audience)));
    form.extend(resource.map(|resource| pair("resource", &resource)));
}

/// Parameters that are written one by one; none may say what has an option of its own.
fn further(
    form: &mut Vec<(String, String)>,
    written: BTreeMap<Token, NonEmptyText>,
    problems: &mut Problems,
) {
    const OWN: [&str; 11] = [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "assertion",
        "scope",
        "audience",
        "resource",
        "subject_token",
        "subject_token_type",
    ];
    for (name, value) in written {
        if OWN.contains(&&*name) {
            let path = format!("parameters.{}", &*name);
            problems.add(path, "has an option of its own", "write that");
        }
        form.push((name.into_string(), value.into_string()));
    }
}
