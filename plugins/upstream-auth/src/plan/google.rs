//! Google's tokens: of a service account by its key, and from the metadata server; access tokens,
//! and ID tokens for whoever judges callers by these (Cloud Run, Identity-Aware Proxy:
//! cloud.google.com/docs/authentication/get-id-token).

use std::rc::Rc;

use modelgate_kit::config::types::Scope;
use modelgate_kit::config::{Problems, SecretBytes, Setup};
use modelgate_kit::http_url::HttpUrl;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::sources::{JWT_BEARER, pair, parsed, signer, with_parameter};
use crate::config::{Algorithm, GoogleMetadata, GoogleServiceAccount};
use crate::grant::{Grant, Limits, Metadata, Origin, Proof, Server};
use crate::jwt::{Claims, Signer};
use crate::token::{Wanted, wiped};

/// The metadata server of Google's machines.
const GOOGLE_METADATA: &str =
    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/";
/// Where Google gives tokens to service accounts.
const GOOGLE_TOKENS: &str = "https://oauth2.googleapis.com/token";
/// The scope of tokens for all of Google Cloud's services.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// An ID token has no scopes.
fn both(problems: &mut Problems) -> Option<Origin> {
    problems.add(
        "audience",
        "stands beside `scopes`",
        "an ID token is for an audience, an access token has scopes: write one of both",
    );
    None
}

fn joined(scopes: &[Scope], between: &str) -> String {
    let scopes: Vec<&str> = scopes.iter().map(|scope| &**scope).collect();
    scopes.join(between)
}

/// The key file of a Google service account. Members that are of no use here are left out.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    #[serde(deserialize_with = "wiped")]
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
    token_uri: HttpUrl,
}

pub fn service_account(
    written: GoogleServiceAccount,
    limits: Limits,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Origin> {
    let text = written.key.resolve_text("key", setup, problems)?;
    let asks = match (&written.audience, &written.scopes) {
        (Some(audience), None) => ("target_audience", audience.to_string()),
        (None, Some(scopes)) => ("scope", joined(scopes, " ")),
        (None, None) => ("scope", CLOUD_PLATFORM.to_owned()),
        (Some(_), Some(_)) => return both(problems),
    };
    let wanted = match written.audience {
        Some(_) => Wanted::Id,
        None => Wanted::Access,
    };
    let grant = |location, signer| {
        Origin::Grant(Grant {
            endpoint: Server {
                location,
                cluster: written.cluster.into_string(),
            },
            form: vec![pair("grant_type", JWT_BEARER)],
            proof: Proof::Grant(signer),
            wanted,
            limits,
        })
    };
    if setup.host.is_stand_in(&text) {
        let location = parsed("key", GOOGLE_TOKENS, problems)?;
        return Some(grant(location, Rc::new(Signer::elsewhere())));
    }
    let Ok(file) = serde_json::from_str::<KeyFile>(&text) else {
        problems.add(
            "key",
            "is not the key file of a service account",
            "JSON with client_email, private_key and token_uri, as Google gives it",
        );
        return None;
    };
    let says = Claims {
        header: file
            .private_key_id
            .map(|id| ("kid", id))
            .into_iter()
            .collect(),
        claims: vec![
            ("iss", file.client_email),
            asks,
            ("aud", file.token_uri.to_string()),
        ],
    };
    let signer = signer(&file.private_key, Algorithm::Rs256, says, "key", problems)?;
    Some(grant(file.token_uri, signer))
}

pub fn metadata(
    written: GoogleMetadata,
    limits: Limits,
    problems: &mut Problems,
) -> Option<Origin> {
    let account = written.account.as_deref().unwrap_or("default");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_".contains(&byte);
    if !account.bytes().all(is_plain) || account.starts_with('.') {
        problems.add(
            "account",
            "is not the mail address of a service account",
            "such as models@project.iam.gserviceaccount.com",
        );
        return None;
    }
    let (url, wanted) = match (&written.audience, written.scopes.as_slice()) {
        (Some(audience), []) => {
            let url = format!("{GOOGLE_METADATA}{account}/identity");
            let url = with_parameter(url, "audience", audience);
            // With the account's mail address, which Identity-Aware Proxy asks for.
            (with_parameter(url, "format", "full"), Wanted::IdAlone)
        }
        (None, []) => (format!("{GOOGLE_METADATA}{account}/token"), Wanted::Access),
        (None, scopes) => {
            let url = format!("{GOOGLE_METADATA}{account}/token");
            let scopes = joined(scopes, ",");
            (with_parameter(url, "scopes", &scopes), Wanted::Access)
        }
        (Some(_), _) => return both(problems),
    };
    Some(Origin::Metadata(Metadata {
        endpoint: Server {
            location: parsed("account", &url, problems)?,
            cluster: written.cluster.into_string(),
        },
        headers: vec![("metadata-flavor", SecretBytes::new(b"Google".to_vec()))],
        wanted,
        limits,
    }))
}
