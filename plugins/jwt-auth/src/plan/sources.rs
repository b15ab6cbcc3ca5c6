//! Where an issuer's keys come from: checked, and read where they are given.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::config::{Problems, Secret, Setup};
use modelgate_kit::credential::is_token;
use modelgate_kit::host::Level;
use modelgate_kit::jose::{Key, KeySet, Secrets, TENANT};

use super::parse_algorithm;
use crate::config::{
    Discovery, Fetch, KeysConfig, PemKey, PemPerKid, SecretEncoding, SharedSecret,
};
use crate::keys::{CallHeaders, Fetched, Location, Origin, Source, Template, well_known};

pub fn compile_keys(
    written: KeysConfig,
    issuer: &str,
    path: &str,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
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
        (None, None, None, None, None, Some(single)) => problems
            .within("pem_per_kid", |problems| {
                one_by_one(single, name("pem_per_kid"), setup, problems)
            }),
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

fn one_by_one(
    written: PemPerKid,
    name: String,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let template = Template::parse(&written.url);
    if template.is_none() {
        problems.add(
            "url",
            "is not an http or https URL with `{kid}` once in its path",
            "write e.g. https://public-keys.auth.elb.eu-central-1.amazonaws.com/{kid}",
        );
    }
    if written.signers.is_empty() || written.signers.iter().any(String::is_empty) {
        problems.add(
            "signers",
            "is required",
            "list the ARNs of your load balancers: those of others sign with keys of the same place",
        );
    }
    let cluster = named_cluster("cluster", written.cluster, problems);
    let origin = Origin::PerKid {
        template: template?,
        cluster: cluster?,
        signers: written.signers,
    };
    let headers = CallHeaders::default();
    Some(kept_fresh(name, origin, headers, written.refresh, setup))
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

fn given_pem(written: Vec<PemKey>, problems: &mut Problems) -> Option<KeySet> {
    let count = written.len();
    let mut keys = Vec::with_capacity(count);
    for (at, one) in written.into_iter().enumerate() {
        let algorithm = match &one.algorithm {
            None => Some(None),
            Some(name) => {
                parse_algorithm(name, &format!("pem[{at}].algorithm"), problems).map(Some)
            }
        };
        let Some(algorithm) = algorithm else { continue };
        match Key::parse_pem(&one.pem, one.kid, algorithm) {
            Ok(key) => keys.push(key),
            Err(fault) => {
                problems.add(format!("pem[{at}]"), format!("cannot be used: {fault}"), "")
            }
        }
    }
    if count == 0 {
        problems.add("pem", "is empty", "write at least one key");
    }
    key_set("pem", keys, count, problems)
}

fn given_secret(
    written: SharedSecret,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<KeySet> {
    let algorithm = match &written.algorithm {
        None => None,
        Some(name) => Some(parse_algorithm(name, "algorithm", problems)?),
    };
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
    match Key::secret(bytes, written.kid, algorithm) {
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
    let location = parse_location("url", &written.url, problems);
    let cluster = named_cluster("cluster", written.cluster, problems);
    let headers = call_headers(&written.headers, setup, problems);
    let origin = Origin::Keys {
        location: location?,
        cluster: cluster?,
    };
    Some(kept_fresh(name, origin, headers?, written.refresh, setup))
}

fn discovered(
    written: Discovery,
    issuer: &str,
    name: String,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let location = match &written.url {
        Some(url) => parse_location("url", url, problems),
        None if issuer.contains(TENANT) => {
            problems.add(
                "url",
                "is required where the issuer has `{tenantid}`",
                "write e.g. https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration",
            );
            None
        }
        None => match Location::parse(&well_known(issuer)) {
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
    let keys_cluster = match written.keys_cluster {
        Some(other) => named_cluster("keys_cluster", other, problems),
        None => Some(written.cluster.clone()),
    };
    let cluster = named_cluster("cluster", written.cluster, problems);
    let headers = call_headers(&written.headers, setup, problems);
    let origin = Origin::Discovery {
        issuer: issuer.to_owned(),
        location: location?,
        cluster: cluster?,
        keys_cluster: keys_cluster?,
    };
    Some(kept_fresh(name, origin, headers?, written.refresh, setup))
}

fn kept_fresh(
    name: String,
    origin: Origin,
    headers: CallHeaders,
    refresh: crate::config::Refresh,
    setup: &Setup<'_>,
) -> Source {
    let fetched = Fetched::new(name, origin, headers, refresh, setup.filter);
    fetched.define_metrics(setup.host);
    Source::Fetched(Rc::new(fetched))
}

/// Headers for the calls; what frames the call, or says where it goes, is not theirs to change.
fn call_headers(
    written: &BTreeMap<String, Secret>,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<CallHeaders> {
    let mut headers = Vec::with_capacity(written.len());
    for (name, value) in written {
        let path = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        let reserved = [
            "host",
            "connection",
            "content-length",
            "transfer-encoding",
            "te",
            "upgrade",
        ];
        if !is_token(name) || reserved.contains(&lower.as_str()) {
            problems.add(&path, "is not a header that can be set", "");
            continue;
        }
        let Some(value) = value.resolve(&path, setup, problems) else {
            continue;
        };
        if !value
            .expose()
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~'))
        {
            problems.add(&path, "has characters that a header cannot have", "");
            continue;
        }
        headers.push((lower, value));
    }
    (headers.len() == written.len()).then_some(CallHeaders(headers))
}

fn parse_location(member: &str, url: &str, problems: &mut Problems) -> Option<Location> {
    let location = Location::parse(url);
    if location.is_none() {
        problems.add(
            member,
            "is not an http or https URL",
            "write https://HOST/PATH",
        );
    }
    location
}

fn named_cluster(member: &str, cluster: String, problems: &mut Problems) -> Option<String> {
    if cluster.is_empty() {
        problems.add(
            member,
            "is empty",
            "name the Envoy cluster that leads to the issuer",
        );
        return None;
    }
    Some(cluster)
}
