//! What runs: where the credential comes from, and the rules of what goes out.

mod google;
mod sources;

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::config::{Problems, SecretBytes, Setup};
use modelgate_kit::refresh::Refreshed;

use crate::config::{
    ClientCredentials, Config, CredentialConfig, Entra, EntraOnBehalfOf, GoogleMetadata,
    GoogleServiceAccount, ManagedIdentity, SendAs, Static, TokenExchange,
};
use crate::exchanged::Exchanged;
use crate::grant::Origin;
use crate::outgoing::{CREDENTIALS, Endings, Place, Rules};
use crate::provider::{BEARER, KeyPlace, Provider};
use crate::token::is_sendable;

pub use sources::ENVIRONMENT;

/// Where the credential comes from.
pub enum Credential {
    /// The configuration.
    Given(SecretBytes),
    /// A server, in the background.
    Fetched(Rc<Refreshed<Origin>>),
    /// The caller's own, exchanged.
    Exchanged(Rc<Exchanged>),
    /// The client.
    PassedThrough,
}

/// What runs.
pub struct Plan {
    pub(crate) credential: Credential,
    pub(crate) rules: Rules,
}

impl Plan {
    /// Checks what was written. Every fault is added to `problems`, with its path and what to write
    /// instead.
    pub fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Self> {
        let written = &config.credential;
        let is_key = written.fixed.is_some();
        let place = match written.pass_through {
            true => {
                if config.send_as.is_some() {
                    problems.add(
                        "send_as",
                        "has no meaning with `pass_through`",
                        "leave one of them out",
                    );
                }
                Some(Place::Client)
            }
            false => compile_place(
                config.send_as.as_ref(),
                config.provider,
                is_key,
                setup,
                problems,
            ),
        };
        let rules = compile_rules(&config, place, problems);
        let credential = problems.within("credential", |problems| {
            compile_credential(
                config.credential,
                &config.refresh,
                &rules.place,
                setup,
                problems,
            )
        });
        Some(Self {
            credential: credential?,
            rules,
        })
    }
}

fn compile_place(
    written: Option<&SendAs>,
    provider: Option<Provider>,
    is_key: bool,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Place> {
    let in_header = |KeyPlace { header, scheme }| Place::Header {
        name: header.to_owned(),
        before: scheme.map_or_else(String::new, |scheme| format!("{scheme} ")),
    };
    let Some(written) = written else {
        let place = provider.filter(|_| is_key).map(Provider::key_place);
        return Some(in_header(place.unwrap_or(BEARER)));
    };
    match (&written.header, &written.query, &written.scheme) {
        (Some(header), None, scheme) => Some(Place::Header {
            name: String::from(header.clone()),
            before: scheme
                .as_ref()
                .map_or_else(String::new, |scheme| format!("{} ", &**scheme)),
        }),
        (None, Some(name), None) => {
            if !setup.host.rules().changes_targets {
                problems.add(
                    "send_as.query",
                    "cannot be sent: this proxy takes no other path from a filter",
                    "use a header",
                );
            }
            Some(Place::Query(name.to_string()))
        }
        _ => {
            problems.add(
                "send_as",
                "must name exactly one of header, query, and a scheme with a header only",
                "e.g. {\"header\": \"x-api-key\"}",
            );
            None
        }
    }
}

fn compile_rules(config: &Config, place: Option<Place>, problems: &mut Problems) -> Rules {
    let place = place.unwrap_or(Place::Client);
    let own = match &place {
        Place::Header { name, .. } => Some(name.as_str()),
        Place::Query(_) => None,
        Place::Client => Some("authorization"),
    };
    let set: Vec<(String, String)> = config
        .set_headers
        .iter()
        .map(|(name, value)| (String::from(name.clone()), value.to_string()))
        .collect();
    let is_set = |name: &str| set.iter().any(|(set, _)| set == name);
    if let Some(own) = own.filter(|own| is_set(own)) {
        let path = format!("set_headers.{own}");
        problems.add(path, "carries the credential already", "leave it out");
    }
    let known = config.provider.map_or(&[][..], Provider::choosing_headers);
    for (at, name) in config.client_headers.iter().enumerate() {
        let path = format!("client_headers[{at}]");
        if !known.contains(&&**name) {
            problems.add(
                path,
                "is not a header that the provider chooses by",
                "other headers pass without being listed; the README names them",
            );
        } else if is_set(name) {
            problems.add(
                path,
                "is set for every request",
                "leave it out in one of both",
            );
        }
    }
    let mut choosing: Vec<(String, bool)> = known
        .iter()
        .filter(|name| !is_set(name))
        .map(|name| {
            let may = config
                .client_headers
                .iter()
                .any(|listed| **listed == **name);
            ((*name).to_owned(), may)
        })
        .collect();
    let mut removed: Vec<String> = CREDENTIALS.map(str::to_owned).to_vec();
    removed.extend(config.remove_headers.iter().cloned().map(String::from));
    removed.extend(set.iter().map(|(name, _)| name.clone()));
    removed.extend(own.map(str::to_owned));
    removed.sort_unstable();
    removed.dedup();
    if place == Place::Client {
        removed.retain(|name| name != "authorization");
        // What comes twice could be read in two ways.
        choosing.push(("authorization".to_owned(), true));
    }
    let provider = config.provider;
    let mut parameters: Vec<String> = provider
        .map_or(&[][..], Provider::key_parameters)
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    let further = config.remove_parameters.iter();
    parameters.extend(further.map(|name| name.to_ascii_lowercase()));
    if let Place::Query(name) = &place {
        parameters.push(name.to_ascii_lowercase());
    }
    let names = removed.iter().chain(choosing.iter().map(|(name, _)| name));
    let endings = Endings::of(names.map(String::as_str));
    Rules {
        endings,
        place,
        removed,
        set,
        choosing,
        other: config.other_client_headers,
        defaults: provider.map_or(&[][..], Provider::default_headers),
        parameters,
        protocols: provider.map_or(&[][..], Provider::key_protocols),
        cookies: config.cookies,
    }
}

fn compile_credential(
    written: CredentialConfig,
    refresh: &crate::config::Refresh,
    place: &Place,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Credential> {
    let limits = sources::limits(refresh);
    let fetched = |member: &str, origin: Option<Origin>| {
        let name = called(member, setup);
        origin.map(|origin| sources::kept_fresh(name, origin, refresh, setup))
    };
    let exchanged = |exchanged: Option<Exchanged>| {
        exchanged.map(|exchanged| Credential::Exchanged(Rc::new(exchanged)))
    };
    let Some(source) = Written::only(written) else {
        problems.add(
            "",
            "must have exactly one source",
            format!("write one of {}", MEMBERS.join(", ")),
        );
        return None;
    };
    let member = source.member();
    problems.within(member, |problems| match source {
        Written::Static(fixed) => {
            let value = fixed.value.resolve("value", setup, problems)?;
            given(value, place, setup, problems).map(Credential::Given)
        }
        Written::ClientCredentials(written) => {
            let origin = sources::client_credentials(written, limits, setup, problems);
            fetched(member, origin)
        }
        Written::Entra(written) => {
            fetched(member, sources::entra(written, limits, setup, problems))
        }
        Written::ManagedIdentity(written) => {
            let origin = sources::managed_identity(written, limits, setup, problems);
            fetched(member, origin)
        }
        Written::GoogleServiceAccount(written) => {
            let origin = google::service_account(written, limits, setup, problems);
            fetched(member, origin)
        }
        Written::GoogleMetadata(written) => {
            fetched(member, google::metadata(written, limits, problems))
        }
        Written::TokenExchange(written) => {
            let name = called(member, setup);
            exchanged(sources::token_exchange(
                written, name, refresh, setup, problems,
            ))
        }
        Written::EntraOnBehalfOf(written) => {
            let name = called(member, setup);
            exchanged(sources::on_behalf_of(
                written, name, refresh, setup, problems,
            ))
        }
        Written::PassThrough => Some(Credential::PassedThrough),
    })
}

/// The members of `credential`, as they are written.
const MEMBERS: [&str; 9] = [
    "static",
    "oauth2_client_credentials",
    "entra",
    "managed_identity",
    "google_service_account",
    "google_metadata",
    "token_exchange",
    "entra_on_behalf_of",
    "pass_through",
];

/// The one source that is written.
enum Written {
    Static(Static),
    ClientCredentials(ClientCredentials),
    Entra(Entra),
    ManagedIdentity(ManagedIdentity),
    GoogleServiceAccount(GoogleServiceAccount),
    GoogleMetadata(GoogleMetadata),
    TokenExchange(TokenExchange),
    EntraOnBehalfOf(EntraOnBehalfOf),
    PassThrough,
}

impl Written {
    /// It, if it is the only one.
    fn only(written: CredentialConfig) -> Option<Self> {
        let CredentialConfig {
            fixed,
            oauth2_client_credentials,
            entra,
            managed_identity,
            google_service_account,
            google_metadata,
            token_exchange,
            entra_on_behalf_of,
            pass_through,
        } = written;
        let all = [
            fixed.map(Self::Static),
            oauth2_client_credentials.map(Self::ClientCredentials),
            entra.map(Self::Entra),
            managed_identity.map(Self::ManagedIdentity),
            google_service_account.map(Self::GoogleServiceAccount),
            google_metadata.map(Self::GoogleMetadata),
            token_exchange.map(Self::TokenExchange),
            entra_on_behalf_of.map(Self::EntraOnBehalfOf),
            pass_through.then_some(Self::PassThrough),
        ];
        let mut all = all.into_iter().flatten();
        all.next().filter(|_| all.next().is_none())
    }

    /// The member that it stands in.
    const fn member(&self) -> &'static str {
        let [
            fixed,
            oauth2,
            entra,
            identity,
            account,
            metadata,
            exchange,
            behalf,
            through,
        ] = MEMBERS;
        match self {
            Self::Static(_) => fixed,
            Self::ClientCredentials(_) => oauth2,
            Self::Entra(_) => entra,
            Self::ManagedIdentity(_) => identity,
            Self::GoogleServiceAccount(_) => account,
            Self::GoogleMetadata(_) => metadata,
            Self::TokenExchange(_) => exchange,
            Self::EntraOnBehalfOf(_) => behalf,
            Self::PassThrough => through,
        }
    }
}

/// How logs call a source: its path in the configuration.
fn called(member: &str, setup: &Setup<'_>) -> String {
    let profile = match setup.profile {
        "" => String::new(),
        profile => format!("profiles.{profile}."),
    };
    format!("{}: {profile}credential.{member}", setup.filter)
}

/// A key as it is sent.
fn given(
    value: SecretBytes,
    place: &Place,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<SecretBytes> {
    let text = value.expose_text().unwrap_or_default();
    if setup.host.is_stand_in(text) {
        return Some(value);
    }
    let is_basic =
        matches!(place, Place::Header { before, .. } if before.eq_ignore_ascii_case("basic "));
    if is_basic {
        if !value.expose().contains(&b':') {
            problems.add(
                "value",
                "has no colon",
                "with the scheme `Basic`, write user:password; it is encoded here",
            );
            return None;
        }
        return Some(SecretBytes::new(
            STANDARD.encode(value.expose()).into_bytes(),
        ));
    }
    if !is_sendable(value.expose()) {
        problems.add(
            "value",
            "cannot stand in a request",
            "1 to 16,384 bytes of visible ASCII, without spaces and line ends",
        );
        return None;
    }
    Some(value)
}
