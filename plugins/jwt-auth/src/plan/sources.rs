//! Where an issuer's keys come from: checked, and read where they are given.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::config::secret::FromEnvironment;
use modelgate_kit::config::types::{ClusterName, NonEmpty};
use modelgate_kit::config::{Problems, Secret, Setup};
use modelgate_kit::explain::{self, Note};
use modelgate_kit::host::Level;
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::jose::{Key, KeySet, Secrets, TENANT};

use crate::config::{
    Discovery, Fetch, KeysConfig, PemKey, PemPerKid, SecretEncoding, SharedSecret,
};
use crate::keys::{CallHeaders, Origin, Source, well_known};

pub fn compile_keys(
    written: KeysConfig,
    issuer: &str,
    path: &str,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    explain::tell(|notes| notes.push(told(issuer, &written)));
    let name = |kind: &str| format!("{}: {path}.{kind}", setup.filter);
    let KeysConfig {
        jwks,
        pem,
        secret,
        fetch,
        discovery,
        pem_per_kid,
    } = written;
    match (jwks, pem, secret, fetch, discovery, pem_per_kid) {
        (Some(set), None, None, None, None, None) => {
            given_set(&set, &name("jwks"), setup, problems).map(Source::given)
        }
        (None, Some(pem), None, None, None, None) => given_pem(pem, problems).map(Source::given),
        (None, None, Some(secret), None, None, None) => problems
            .within("secret", |problems| given_secret(secret, setup, problems))
            .map(Source::given),
        (None, None, None, Some(fetch), None, None) => problems.within("fetch", |problems| {
            fetched(fetch, name("fetch"), setup, problems)
        }),
        (None, None, None, None, Some(discovery), None) => problems
            .within("discovery", |problems| {
                discovered(discovery, issuer, name("discovery"), setup, problems)
            }),
        (None, None, None, None, None, Some(single)) => {
            Some(one_by_one(single, name("pem_per_kid"), setup))
        }
        _ => {
            problems.add(
                "",
                "must have exactly one source of keys",
                "write one of jwks, pem, secret, fetch, discovery, pem_per_kid",
            );
            None
        }
    }
}

/// Where an issuer's keys come from, for whoever plays the issuer.
fn told(issuer: &str, written: &KeysConfig) -> Note {
    let note = Note::info("key_source", format!("Keys of the issuer `{issuer}`."));
    let note = note.with("issuer", issuer);
    let called = |source: &str, cluster: &ClusterName, url: &str| {
        let note = note.clone().with("source", source).with("url", url);
        note.with("cluster", cluster.to_string())
    };
    if let Some(fetch) = &written.fetch {
        return called("fetch", &fetch.cluster, &fetch.url.to_string());
    }
    if let Some(discovery) = &written.discovery {
        let url = discovery
            .url
            .as_ref()
            .map_or_else(|| well_known(issuer), ToString::to_string);
        let keys = discovery
            .keys_cluster
            .as_ref()
            .unwrap_or(&discovery.cluster);
        let note = called("discovery", &discovery.cluster, &url);
        return note.with("keys_cluster", keys.to_string());
    }
    if let Some(single) = &written.pem_per_kid {
        return called("pem_per_kid", &single.cluster, single.url.text());
    }
    match &written.secret {
        None => note.with("source", "given"),
        Some(secret) => {
            let variable = match &secret.value {
                Secret::Environment(FromEnvironment { env }) => Some(env.as_str()),
                Secret::Inline(_) => None,
            };
            let is_text = secret.encoding == SecretEncoding::Text;
            let note = note.with("source", "secret").with("is_text", is_text);
            note.with("variable", variable)
        }
    }
}

fn one_by_one(written: PemPerKid, name: String, setup: &Setup<'_>) -> Source {
    let origin = Origin::PerKid {
        template: written.url,
        cluster: written.cluster.into_string(),
        signers: super::texts(written.signers.into_vec()),
    };
    kept_fresh(name, origin, CallHeaders::default(), written.refresh, setup)
}

fn given_set(
    written: &serde_json::Value,
    name: &str,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<KeySet> {
    match KeySet::parse(written.to_string().as_bytes(), Secrets::Refused) {
        Ok(set) if set.is_empty() => {
            let reason = set.describe_skipped();
            problems.add(
                "jwks",
                reason.map_or_else(
                    || "has no keys".to_owned(),
                    |keys| format!("has no key that can be used: {keys}"),
                ),
                "write at least one public key for signatures",
            );
            None
        }
        Ok(set) => {
            // RFC 7517 section 5: what cannot be used is ignored. Sets are pasted as issuers
            // publish them.
            if let Some(keys) = set.describe_skipped() {
                setup.host.log(
                    Level::Warn,
                    &format!("{name}: keys that cannot be used are left out: {keys}"),
                );
            }
            Some(set)
        }
        Err(fault) => {
            problems.add(
                "jwks",
                format!("is not a usable JWK Set: {fault}"),
                "write {\"keys\": [ … ]}",
            );
            None
        }
    }
}

fn given_pem(written: NonEmpty<PemKey>, problems: &mut Problems) -> Option<KeySet> {
    let count = written.len();
    let mut keys = Vec::with_capacity(count);
    for (at, one) in written.into_vec().into_iter().enumerate() {
        match Key::parse_pem(&one.pem, one.kid, one.algorithm) {
            Ok(key) => keys.push(key),
            Err(fault) => {
                problems.add(format!("pem[{at}]"), format!("cannot be used: {fault}"), "")
            }
        }
    }
    key_set("pem", keys, count, problems)
}

fn given_secret(
    written: SharedSecret,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<KeySet> {
    let secret = written.value.resolve("value", setup, problems)?;
    let bytes = match written.encoding {
        SecretEncoding::Text => secret.expose().to_vec(),
        SecretEncoding::Base64url => match URL_SAFE_NO_PAD.decode(secret.expose()) {
            Ok(bytes) => bytes,
            Err(_) => {
                problems.add("value", "is not base64url without padding", "");
                return None;
            }
        },
    };
    match Key::secret(bytes, written.kid, written.algorithm) {
        Ok(key) => key_set("", vec![key], 1, problems),
        Err(fault) => {
            problems.add("value", format!("cannot be used: {fault}"), "");
            None
        }
    }
}

fn key_set(member: &str, keys: Vec<Key>, count: usize, problems: &mut Problems) -> Option<KeySet> {
    let is_whole = keys.len() == count;
    match KeySet::from_keys(keys) {
        Ok(set) => (is_whole && count > 0).then_some(set),
        Err(fault) => {
            problems.add(member, fault.to_string(), "");
            None
        }
    }
}

fn fetched(
    written: Fetch,
    name: String,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let headers = CallHeaders(written.headers.resolve(setup, problems)?);
    let origin = Origin::Keys {
        location: written.url,
        cluster: written.cluster.into_string(),
    };
    Some(kept_fresh(name, origin, headers, written.refresh, setup))
}

fn discovered(
    written: Discovery,
    issuer: &str,
    name: String,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let location = match written.url {
        Some(url) => Some(url),
        None if issuer.contains(TENANT) => {
            problems.add(
                "url",
                "is required where the issuer has `{tenantid}`",
                "write e.g. https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration",
            );
            None
        }
        None => match HttpUrl::parse(&well_known(issuer)) {
            Some(location) => Some(location),
            None => {
                problems.add(
                    "",
                    "needs an issuer that is a URL",
                    "write `url` with the place of the issuer's metadata",
                );
                None
            }
        },
    };
    let headers = written.headers.resolve(setup, problems);
    let cluster = written.cluster.into_string();
    let origin = Origin::Discovery {
        issuer: issuer.to_owned(),
        location: location?,
        keys_cluster: written
            .keys_cluster
            .map_or_else(|| cluster.clone(), ClusterName::into_string),
        cluster,
    };
    let headers = CallHeaders(headers?);
    Some(kept_fresh(name, origin, headers, written.refresh, setup))
}

fn kept_fresh(
    name: String,
    origin: Origin,
    headers: CallHeaders,
    refresh: crate::config::Refresh,
    setup: &Setup<'_>,
) -> Source {
    let fetched = Source::fetched(name, origin, headers, refresh, setup.filter);
    fetched.define_metrics(setup.host);
    Source::Fetched(fetched)
}
