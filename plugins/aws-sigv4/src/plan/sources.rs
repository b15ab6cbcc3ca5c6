//! Written sources of credentials, and rules of roles, as what runs.

use std::rc::Rc;

use modelgate_kit::config::secret::FromEnvironment;
use modelgate_kit::config::types::{ClusterName, NonEmptyText, OneOrList};
use modelgate_kit::config::{Problems, Secret, Setup};
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::refresh::{Counters, Timing};

use crate::callers::{Rule, TagRule, TagValue};
use crate::config::sources::{
    TagKey, WrittenContainer, WrittenInstance, WrittenRefresh, WrittenRole, WrittenRule,
    WrittenSecret, WrittenSource, WrittenTag, WrittenTagValue, WrittenToken, WrittenTokenPlace,
    WrittenWebIdentity,
};
use crate::config::{
    ACCESS_KEY_ID, CONTAINER_FULL_URI, CONTAINER_RELATIVE_URI, CONTAINER_TOKEN, SECRET_ACCESS_KEY,
    SESSION_TOKEN,
};
use crate::credentials::{Credentials, Malformed, Scope};
use crate::supply::call::Endpoint;
use crate::supply::container::Container;
use crate::supply::instance::Instance;
use crate::supply::signed::Service;
use crate::supply::sts::{Role, Session, Tag, WebIdentity};
use crate::supply::token::Token;
use crate::supply::{Base, Keeping, MOST_ROLES, Supplied, secret};

/// Most tags of a session (API_AssumeRole).
const MOST_TAGS: usize = 50;
/// Least time between two fetches, in milliseconds.
const MIN_INTERVAL_MS: u64 = 1000;
/// Longest pause after failures, in milliseconds.
const MAX_BACK_OFF_MS: u64 = 10_000;

/// How fetched credentials are kept.
pub fn keeping(written: WrittenRefresh, filter: &str) -> Keeping {
    Keeping {
        counters: Counters::new(filter, "credential_fetches", "credential_fetch_failures"),
        timing: Timing {
            every_ms: written.every_s.value().saturating_mul(1000),
            max_stale_ms: written.max_stale_s.value().saturating_mul(1000),
            min_interval_ms: MIN_INTERVAL_MS,
            max_back_off_ms: MAX_BACK_OFF_MS,
            wait_ms: written.wait_ms.value(),
        },
        timeout_ms: written.timeout_ms.short(),
    }
}

/// What sources are compiled with.
pub struct Sources<'a> {
    /// The proxy.
    pub setup: &'a Setup<'a>,
    /// The region, where it is known: without it, that is a problem already.
    pub region: Option<&'a str>,
}

impl Sources<'_> {
    /// The sources that are there, in their order; problems are added.
    pub fn compile(
        &self,
        written: Option<OneOrList<WrittenSource>>,
        problems: &mut Problems,
    ) -> Vec<Supplied> {
        let Some(written) = written else {
            let key = self.environment("credentials", Absence::Refused, problems);
            return key.into_iter().map(from_key).collect();
        };
        let mut sources = Vec::new();
        let (mut is_right, mut places) = (true, 0_usize);
        for (place, source) in written.into_parts() {
            places = places.saturating_add(1);
            let path = format!("credentials{place}");
            match problems.within(&path, |problems| self.source(source, problems)) {
                Ok(Some(source)) => sources.push(source),
                Ok(None) => {}
                Err(Refused) => is_right = false,
            }
        }
        if sources.is_empty() && is_right {
            let (problem, hint) = match places {
                0 => ("is empty", "name at least one source, or leave it out"),
                _ => (
                    "names only sources that are not there: no environment variable of theirs is set in the VM",
                    "name the variables in environment_variables (host_env_keys or key_values), or write another source",
                ),
            };
            problems.add("credentials", problem, hint);
        }
        sources
    }

    fn source(
        &self,
        written: WrittenSource,
        problems: &mut Problems,
    ) -> Result<Option<Supplied>, Refused> {
        let WrittenSource {
            access_key_id,
            secret_access_key,
            session_token,
            environment,
            container,
            instance_metadata,
            web_identity,
            assume_role,
            secrets_manager,
        } = written;
        let has_key =
            access_key_id.is_some() || secret_access_key.is_some() || session_token.is_some();
        let others = (environment, container, instance_metadata, web_identity);
        let base = match (has_key, others) {
            (true, (None, None, None, None)) => {
                let key = self.key(access_key_id, secret_access_key, session_token, problems);
                key.map(|key| Some(Base::Key(key)))
            }
            (false, (Some(_), None, None, None)) => {
                let before = problems.found().len();
                let key = self.environment("environment", Absence::PassedOver, problems);
                match problems.found().len() == before {
                    true => Some(key.map(Base::Key)),
                    false => None,
                }
            }
            (false, (None, Some(container), None, None)) => problems
                .within("container", |problems| self.container(container, problems))
                .map(|container| container.map(Base::Container)),
            (false, (None, None, Some(instance), None)) => {
                Some(Some(Base::Instance(Self::instance(instance))))
            }
            (false, (None, None, None, Some(identity))) => problems
                .within("web_identity", |problems| {
                    self.web_identity(identity, problems)
                })
                .map(|identity| Some(Base::WebIdentity(identity))),
            _ => {
                problems.add(
                    "",
                    "must begin with exactly one source",
                    "write one of access_key_id with secret_access_key, environment, container, instance_metadata, web_identity",
                );
                None
            }
        };
        let roles = self.roles(assume_role, problems);
        let secret = match secrets_manager {
            Some(written) => problems
                .within("secrets_manager", |problems| self.secret(written, problems))
                .map(Some),
            None => Some(None),
        };
        match (base, roles, secret) {
            (Some(base), Some(roles), Some(secret)) => Ok(base.map(|base| Supplied {
                base,
                roles,
                secret,
            })),
            _ => Err(Refused),
        }
    }

    fn roles(
        &self,
        written: Option<OneOrList<WrittenRole>>,
        problems: &mut Problems,
    ) -> Option<Vec<(Role, Vec<Tag>)>> {
        let written = written.map(OneOrList::into_parts).unwrap_or_default();
        let count = written.len();
        if count > MOST_ROLES {
            problems.add(
                "assume_role",
                "has more than 4 roles",
                "assume fewer, one after the other",
            );
            return None;
        }
        let mut roles = Vec::with_capacity(count);
        for (place, one) in written {
            let path = format!("assume_role{place}");
            let compiled = problems.within(&path, |problems| {
                let (role, tags) = self.role(one, problems)?;
                let mut fixed = Vec::with_capacity(tags.len());
                for (at, tag) in tags.into_iter().enumerate() {
                    match tag.from {
                        TagValue::Fixed(value) => fixed.push((tag.key, value)),
                        _ => problems.add(
                            format!("session_tags[{at}].from"),
                            "is the caller's, and this role signs for everybody",
                            "write {\"value\": …}, or the role below `roles`",
                        ),
                    }
                }
                Some((role, fixed))
            });
            roles.extend(compiled);
        }
        (roles.len() == count).then_some(roles)
    }

    fn role(&self, written: WrittenRole, problems: &mut Problems) -> Option<(Role, Vec<TagRule>)> {
        let external_id = match &written.external_id {
            Some(secret) => Some(
                secret
                    .resolve_text("external_id", self.setup, problems)?
                    .to_string(),
            ),
            None => None,
        };
        let count = written.session_tags.len();
        if count > MOST_TAGS {
            problems.add(
                "session_tags",
                "has more than 50 tags",
                "a session has 50 at most",
            );
            return None;
        }
        let mut tags: Vec<TagRule> = Vec::with_capacity(count);
        for (
            at,
            WrittenTag {
                key: TagKey(key),
                from,
            },
        ) in written.session_tags.into_iter().enumerate()
        {
            // Keys of tags have no case.
            if tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(&key)) {
                let path = format!("session_tags[{at}].key");
                problems.add(path, "is written twice", "keys of tags have no case");
            }
            let from = match from {
                WrittenTagValue::Value(text) => TagValue::Fixed(NonEmptyText::into_string(text)),
                WrittenTagValue::Consumer => TagValue::Consumer,
                WrittenTagValue::Issuer => TagValue::Issuer,
                WrittenTagValue::Subject => TagValue::Subject,
                WrittenTagValue::Claim(path) => TagValue::Claim(path),
            };
            tags.push(TagRule { key, from });
        }
        let sts = self.service(
            "sts",
            written.url,
            written.cluster,
            written.region,
            problems,
        )?;
        let role = Role {
            sts,
            session: Session {
                role_arn: written.role_arn.0,
                name: written.session_name.0,
                duration_s: written.duration_s.map(|duration| duration.value()),
            },
            external_id,
        };
        Some((role, tags))
    }

    /// The rules; problems are added.
    pub fn rules(&self, written: Vec<WrittenRule>, problems: &mut Problems) -> Vec<Rule> {
        let mut rules = Vec::with_capacity(written.len());
        for (at, WrittenRule { who, assume_role }) in written.into_iter().enumerate() {
            let rule = problems.within(&format!("roles[{at}]"), |problems| {
                let who = problems.within("who", |problems| who.compile(problems));
                let role = match assume_role {
                    Some(role) => {
                        let role =
                            problems.within("assume_role", |problems| self.role(role, problems));
                        let (role, tags) = role?;
                        Some((Rc::new(role), tags))
                    }
                    None => None,
                };
                Some(Rule { who, role })
            });
            rules.extend(rule);
        }
        rules
    }

    fn secret(&self, written: WrittenSecret, problems: &mut Problems) -> Option<secret::Secret> {
        let WrittenSecret {
            secret_id,
            cluster,
            url,
            region,
        } = written;
        Some(secret::Secret {
            service: self.service("secretsmanager", url, cluster, region, problems)?,
            id: secret_id.into_string(),
        })
    }

    /// An endpoint of AWS's, where it is if nothing else is written.
    fn service(
        &self,
        name: &'static str,
        url: Option<HttpUrl>,
        cluster: ClusterName,
        region: Option<String>,
        problems: &mut Problems,
    ) -> Option<Service> {
        let region = match region {
            Some(region) => region,
            None => self.region?.to_owned(),
        };
        let endpoint = self.endpoint(name, url, cluster, &region);
        match Scope::new(region, name.to_owned()) {
            Ok(scope) => Some(Service {
                endpoint: endpoint?,
                scope,
            }),
            Err(_) => {
                problems.add("region", "is not a region", "such as eu-central-1");
                None
            }
        }
    }

    fn endpoint(
        &self,
        name: &str,
        url: Option<HttpUrl>,
        cluster: ClusterName,
        region: &str,
    ) -> Option<Endpoint> {
        // China has a domain of its own.
        let domain = match region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        let usual = || HttpUrl::parse(&format!("https://{name}.{region}.{domain}/"));
        Some(Endpoint {
            url: url.or_else(usual)?,
            cluster: cluster.into_string(),
        })
    }

    fn web_identity(
        &self,
        written: WrittenWebIdentity,
        problems: &mut Problems,
    ) -> Option<WebIdentity> {
        let token = problems.within("token", |problems| self.token(written.token, problems));
        let endpoint = self.endpoint("sts", written.url, written.cluster, self.region?);
        Some(WebIdentity {
            endpoint: endpoint?,
            session: Session {
                role_arn: written.role_arn.0,
                name: written.session_name.0,
                duration_s: written.duration_s.map(|duration| duration.value()),
            },
            token: token?,
        })
    }

    fn token(&self, written: WrittenToken, problems: &mut Problems) -> Option<Token> {
        Some(match written {
            WrittenToken::Given(secret) => Token::Given(secret.resolve("", self.setup, problems)?),
            WrittenToken::Fetched(WrittenTokenPlace { url, cluster }) => Token::Fetched(Endpoint {
                url,
                cluster: cluster.into_string(),
            }),
        })
    }

    fn instance(written: WrittenInstance) -> Instance {
        let usual = || HttpUrl {
            scheme: "http",
            authority: "169.254.169.254".to_owned(),
            path: "/".to_owned(),
        };
        Instance {
            endpoint: Endpoint {
                url: written.url.unwrap_or_else(usual),
                cluster: written.cluster.into_string(),
            },
            role: written.role.map(|role| role.0),
        }
    }

    /// None where there is a problem; nothing inside where it is not there.
    fn container(
        &self,
        written: WrittenContainer,
        problems: &mut Problems,
    ) -> Option<Option<Container>> {
        let url = match written.url {
            Some(url) => url,
            None => {
                let relative = self.variable(CONTAINER_RELATIVE_URI);
                let below = relative.map(|path| format!("http://169.254.170.2{path}"));
                // As AWS's SDKs: the relative one counts first.
                let Some(text) = below.or_else(|| self.variable(CONTAINER_FULL_URI)) else {
                    return Some(None);
                };
                let Some(url) = HttpUrl::parse(&text) else {
                    problems.add(
                        "",
                        "finds no http or https URL in the VM's environment",
                        "correct AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, or write `url`",
                    );
                    return None;
                };
                url
            }
        };
        let authorization = match written.authorization_token {
            Some(token) => Some(problems.within("authorization_token", |problems| {
                self.token(token, problems)
            })?),
            None => {
                let variable = self.variable(CONTAINER_TOKEN);
                let secret = |_| variable_named(CONTAINER_TOKEN);
                match variable.map(secret) {
                    Some(secret) => Some(Token::Given(secret.resolve("", self.setup, problems)?)),
                    None => None,
                }
            }
        };
        Some(Some(Container {
            endpoint: Endpoint {
                url,
                cluster: written.cluster.into_string(),
            },
            authorization,
        }))
    }

    /// A variable of the VM's environment, unless it is empty.
    fn variable(&self, name: &str) -> Option<String> {
        let value = self.setup.host.environment(name);
        value.filter(|value| !value.is_empty())
    }

    /// The access key in the VM's environment.
    fn environment(
        &self,
        path: &str,
        absence: Absence,
        problems: &mut Problems,
    ) -> Option<Rc<Credentials>> {
        let has = |name| self.variable(name).is_some();
        if absence == Absence::PassedOver && !has(ACCESS_KEY_ID) && !has(SECRET_ACCESS_KEY) {
            return None;
        }
        let mut read = |name| variable_named(name).resolve_text(path, self.setup, problems);
        let (id, secret) = (read(ACCESS_KEY_ID), read(SECRET_ACCESS_KEY));
        let token = match has(SESSION_TOKEN) {
            true => Some(read(SESSION_TOKEN)?),
            false => None,
        };
        let key = Credentials::new(id?.to_string(), secret?, token);
        key.map_err(|malformed| explain(malformed, problems))
            .map(Rc::new)
            .ok()
    }

    fn key(
        &self,
        id: Option<Secret>,
        secret: Option<Secret>,
        token: Option<Secret>,
        problems: &mut Problems,
    ) -> Option<Rc<Credentials>> {
        let mut resolve = |secret: Option<Secret>, path: &str| match secret {
            Some(secret) => secret.resolve_text(path, self.setup, problems),
            None => {
                problems.add(path, "is required", "write both halves of the access key");
                None
            }
        };
        let (id, secret) = (
            resolve(id, "access_key_id"),
            resolve(secret, "secret_access_key"),
        );
        let token = match token {
            Some(token) => Some(resolve(Some(token), "session_token")?),
            None => None,
        };
        let key = Credentials::new(id?.to_string(), secret?, token);
        key.map_err(|malformed| explain(malformed, problems))
            .map(Rc::new)
            .ok()
    }
}

/// What is written is wrong, and the problem is told.
struct Refused;

/// What it means that no variable is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absence {
    PassedOver,
    Refused,
}

fn variable_named(name: &str) -> Secret {
    Secret::Environment(FromEnvironment {
        env: name.to_owned(),
    })
}

fn from_key(key: Rc<Credentials>) -> Supplied {
    Supplied {
        base: Base::Key(key),
        roles: Vec::new(),
        secret: None,
    }
}

/// Says what [`Credentials`] did not take.
fn explain(malformed: Malformed, problems: &mut Problems) {
    let (path, problem, hint) = match malformed {
        Malformed::AccessKeyId => (
            "access_key_id",
            "is not an access key id",
            "letters and digits, such as AKIAIOSFODNN7EXAMPLE",
        ),
        Malformed::SecretAccessKey => ("secret_access_key", "is not a secret access key", COPIED),
        Malformed::SessionToken => ("session_token", "is not a session token", COPIED),
        Malformed::Region | Malformed::Service => return,
    };
    problems.add(path, problem, hint);
}

const COPIED: &str =
    "it holds white space or other characters that no key has; was it copied whole?";
