//! What an Envoy configuration says of Envoy's own HTTP filters and of requests' way out, as the
//! simulated proxy does it: `credential_injector`, `header_mutation`, secrets, and the changes that
//! routes make.
//!
//! The same reader serves configurations that are run and scenarios. It is strict: what is not done
//! as Envoy does it is refused by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use located_yaml::read::{At, Fields};
use proxy_wasm_simulator::{
    Addition, AppendAction, BuiltinFilter, CredentialInjector, DirectResponse, GuestCode,
    HeaderChanges, HeaderMutations, HealthCheck, Mutation, PathMatch, RegexRewrite, Rewrite,
    Template,
};

const TYPE: &str = "type.googleapis.com/";
const GENERIC: &str = "envoy.extensions.http.injected_credentials.generic.v3.Generic";

/// A kind of filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Puts a credential into a header.
    CredentialInjector,
    /// Changes headers.
    HeaderMutation,
    /// Answers a load balancer.
    HealthCheck,
}

impl Kind {
    /// All that are served.
    pub const ALL: [Self; 3] = [
        Self::CredentialInjector,
        Self::HeaderMutation,
        Self::HealthCheck,
    ];

    /// Its name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CredentialInjector => "credential_injector",
            Self::HeaderMutation => "header_mutation",
            Self::HealthCheck => "health_check",
        }
    }

    /// The type of its configuration.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::CredentialInjector => {
                "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"
            }
            Self::HeaderMutation => {
                "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
            }
            Self::HealthCheck => "envoy.extensions.filters.http.health_check.v3.HealthCheck",
        }
    }

    /// The kind of a configuration of this type.
    #[must_use]
    pub fn of_type(url: &str) -> Option<Self> {
        let message = url.strip_prefix(TYPE)?;
        Self::ALL.into_iter().find(|kind| kind.message() == message)
    }

    /// Reads the configuration of a filter, without its `@type`.
    pub fn read(self, fields: Fields<'_>) -> Option<Written> {
        match self {
            Self::CredentialInjector => injector(fields).map(Written::CredentialInjector),
            Self::HeaderMutation => mutations(fields).map(Written::HeaderMutations),
            Self::HealthCheck => health_check(fields).map(Written::HealthCheck),
        }
    }
}

/// A filter as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// `credential_injector`, whose credential is a secret of this name.
    CredentialInjector(WrittenInjector),
    /// `header_mutation`.
    HeaderMutations(HeaderMutations),
    /// `health_check`.
    HealthCheck(HealthCheck),
}

/// A `credential_injector` without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenInjector {
    secret: String,
    header: String,
    prefix: String,
    overwrite: bool,
    allow_request_without_credential: bool,
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In the configuration.
    Inline(String),
    /// In the environment.
    Environment(String),
    /// In a file.
    File(PathBuf),
}

/// The secrets of a configuration by name.
pub type Secrets = BTreeMap<String, Secret>;

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "inline",
            Self::Environment(_) => "environment",
            Self::File(_) => "file",
        })
    }
}

impl Secret {
    /// As Envoy's `DataSource`.
    pub fn source(&self) -> Json {
        match self {
            Self::Inline(text) => json!({"inline_string": text}),
            Self::Environment(name) => json!({"environment_variable": name}),
            Self::File(path) => json!({"filename": path}),
        }
    }

    /// Its bytes; `variable` knows the environment.
    fn resolve(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<u8>> {
        match self {
            Self::Inline(text) => Ok(text.clone().into_bytes()),
            Self::Environment(name) => match variable(name) {
                Some(value) => Ok(value.into_bytes()),
                None => bail!("the environment variable {name} is not set"),
            },
            Self::File(path) => std::fs::read(path).with_context(|| path.display().to_string()),
        }
    }
}

impl Written {
    /// The code of the filter `name`. `variable` knows the environment.
    ///
    /// # Errors
    /// If its secret is missing, as Envoy does not start then.
    pub fn code(
        &self,
        name: &str,
        secrets: &Secrets,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Rc<dyn GuestCode>> {
        let filter = match self {
            Self::HeaderMutations(mutations) => BuiltinFilter::HeaderMutation(mutations.clone()),
            Self::HealthCheck(check) => BuiltinFilter::HealthCheck(check.clone()),
            Self::CredentialInjector(written) => {
                let about = || format!("filter {name}: secret {}", written.secret);
                let secret = secrets.get(&written.secret).context("no such secret");
                let secret = secret.with_context(about)?;
                BuiltinFilter::CredentialInjector(CredentialInjector {
                    header: written.header.clone(),
                    prefix: written.prefix.clone(),
                    credential: secret.resolve(variable).with_context(about)?,
                    overwrite: written.overwrite,
                    allow_request_without_credential: written.allow_request_without_credential,
                })
            }
        };
        Ok(filter.code(name))
    }

    /// The kind of filter.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::CredentialInjector(_) => Kind::CredentialInjector,
            Self::HeaderMutations(_) => Kind::HeaderMutation,
            Self::HealthCheck(_) => Kind::HealthCheck,
        }
    }

    /// The name of the secret that it needs.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::CredentialInjector(written) => Some(&written.secret),
            Self::HeaderMutations(_) | Self::HealthCheck(_) => None,
        }
    }
}

/// The members of a message that says that it is of this type.
pub fn of_type<'a>(at: &At<'a>, kind: &str) -> Option<Fields<'a>> {
    let mut fields = at.fields()?;
    let written = fields.need("@type").and_then(|at| at.text())?;
    match written.strip_prefix(TYPE) == Some(kind) {
        true => Some(fields),
        false => at.refuse(format!("{written} is not served here; {kind} is")),
    }
}

/// A `bool` or a `BoolValue`; `false` where it is absent.
pub fn flag(fields: &mut Fields<'_>, name: &'static str) -> bool {
    fields
        .take(name)
        .and_then(|at| at.boolean())
        .unwrap_or_default()
}

/// The secrets of `static_resources`.
pub fn secrets(at: &At<'_>) -> Secrets {
    at.list().iter().filter_map(secret).collect()
}

fn secret(at: &At<'_>) -> Option<(String, Secret)> {
    let mut fields = at.fields()?;
    let name = fields.need("name").and_then(|at| at.text());
    let generic = fields.need("generic_secret").and_then(|at| at.fields());
    fields.close();
    let mut generic = generic?;
    let source = generic.need("secret");
    generic.close();
    let source = source?;
    let mut fields = source.fields()?;
    let inline = fields.take("inline_string").and_then(|at| at.text());
    let variable = fields.take("environment_variable").and_then(|at| at.text());
    let file = fields.take("filename").and_then(|at| at.text());
    fields.close();
    let secret = match (inline, variable, file) {
        (Some(text), None, None) => Secret::Inline(text),
        (None, Some(name), None) => Secret::Environment(name),
        (None, None, Some(path)) => Secret::File(path.into()),
        _ => {
            return source
                .refuse("one of `environment_variable`, `filename` and `inline_string` is needed");
        }
    };
    Some((name?, secret))
}

fn injector(mut fields: Fields<'_>) -> Option<WrittenInjector> {
    let overwrite = flag(&mut fields, "overwrite");
    let allow_request_without_credential = flag(&mut fields, "allow_request_without_credential");
    let credential = fields.need("credential").and_then(|at| at.fields());
    fields.close();
    let mut credential = credential?;
    credential.take("name");
    let typed = credential.need("typed_config");
    credential.close();
    let mut generic = of_type(&typed?, GENERIC)?;
    let secret = generic.need("credential").and_then(|at| at.fields());
    let header = generic.take("header");
    let prefix = generic.take("header_value_prefix");
    generic.close();
    let mut secret = secret?;
    let name = secret.need("name").and_then(|at| at.text());
    if let Some(at) = secret.take("sds_config") {
        at.refuse::<()>("secrets are not fetched here: name one of `static_resources.secrets`");
    }
    secret.close();
    Some(WrittenInjector {
        secret: name?,
        header: match header {
            Some(at) => header_name(&at)?,
            None => "authorization".to_owned(),
        },
        prefix: match prefix {
            Some(at) => at.text()?,
            None => String::new(),
        },
        overwrite,
        allow_request_without_credential,
    })
}

/// The name of a header that can be changed on the way; a route's `host_rewrite_literal` and
/// `prefix_rewrite` are for the others.
fn header_name(at: &At<'_>) -> Option<String> {
    let name = at.text()?.to_ascii_lowercase();
    match name.starts_with(':') || name == "host" {
        true => at.refuse("pseudo-headers and `host` are not changed here"),
        false => Some(name),
    }
}

fn mutations(mut fields: Fields<'_>) -> Option<HeaderMutations> {
    let mutations = fields.need("mutations").and_then(|at| at.fields());
    fields.close();
    let mut mutations = mutations?;
    let request = mutations.take("request_mutations");
    let response = mutations.take("response_mutations");
    mutations.close();
    let list = |at: &Option<At<'_>>, read: fn(&At<'_>) -> Option<Mutation>| {
        let items = at.iter().flat_map(At::list);
        items.filter_map(|at| read(&at)).collect()
    };
    Some(HeaderMutations {
        request: list(&request, mutation),
        response: list(&response, constant),
    })
}

fn mutation(at: &At<'_>) -> Option<Mutation> {
    let mut fields = at.fields()?;
    let append = fields.take("append");
    let remove = fields.take("remove");
    fields.close();
    match (append, remove) {
        (Some(at), None) => addition(&at).map(Mutation::Append),
        (None, Some(at)) => header_name(&at).map(Mutation::Remove),
        _ => at.refuse("`append` or `remove` is needed"),
    }
}

/// A mutation of an answer, where no operator is known.
fn constant(at: &At<'_>) -> Option<Mutation> {
    match mutation(at)? {
        Mutation::Append(addition) if !addition.value.is_constant() => {
            at.refuse("operators in headers of answers are not served here")
        }
        mutation => Some(mutation),
    }
}

fn addition(at: &At<'_>) -> Option<Addition> {
    const ACTIONS: [(&str, AppendAction); 4] = [
        ("APPEND_IF_EXISTS_OR_ADD", AppendAction::Append),
        ("ADD_IF_ABSENT", AppendAction::AddIfAbsent),
        ("OVERWRITE_IF_EXISTS_OR_ADD", AppendAction::Overwrite),
        ("OVERWRITE_IF_EXISTS", AppendAction::OverwriteIfExists),
    ];
    let mut fields = at.fields()?;
    let header = fields.need("header").and_then(|at| at.fields());
    let action = fields
        .take("append_action")
        .map(|at| at.word(&ACTIONS))
        .unwrap_or(Some(AppendAction::default()));
    let keep_empty = flag(&mut fields, "keep_empty_value");
    fields.close();
    let mut header = header?;
    let name = header.need("key").and_then(|at| header_name(&at));
    let value = header.take("value");
    header.close();
    let value = match value {
        Some(at) => match Template::read(&at.text()?) {
            Ok(value) => value,
            Err(problem) => return at.refuse(problem),
        },
        None => Template::default(),
    };
    Some(Addition {
        name: name?,
        value,
        action: action?,
        keep_empty,
    })
}

fn health_check(mut fields: Fields<'_>) -> Option<HealthCheck> {
    if let Some(at) = fields
        .need("pass_through_mode")
        .filter(|at| at.boolean() != Some(false))
    {
        at.refuse::<()>("requests of a load balancer are answered here: `false` is needed");
    }
    let headers = fields.need("headers").map(|at| (at.list(), at));
    fields.close();
    let (headers, all) = headers?;
    let [header] = headers.as_slice() else {
        return all.refuse("one header, `:path`, is matched here");
    };
    let mut header = header.fields()?;
    let name = header.need("name");
    let path = header.need("string_match").and_then(|at| at.fields());
    header.close();
    if let Some(at) = name.filter(|at| at.text().as_deref() != Some(":path")) {
        at.refuse::<()>("one header, `:path`, is matched here");
    }
    let mut path = path?;
    let exact = path.take("exact").and_then(|at| at.text());
    let prefix = path.take("prefix").and_then(|at| at.text());
    path.close();
    match (exact, prefix) {
        (Some(exact), None) => Some(PathMatch::Exact(exact)),
        (None, Some(prefix)) => Some(PathMatch::Prefix(prefix)),
        _ => all.refuse("`exact` or `prefix` is needed"),
    }
    .map(|path| HealthCheck { path })
}

/// What a route or a virtual host changes in the headers of requests.
pub fn header_changes(fields: &mut Fields<'_>) -> HeaderChanges {
    let (remove, add) = ("request_headers_to_remove", "request_headers_to_add");
    changes(fields, remove, add, addition)
}

/// What a route or a virtual host changes in the headers of answers, where no operator is known.
pub fn answer_changes(fields: &mut Fields<'_>) -> HeaderChanges {
    let (remove, add) = ("response_headers_to_remove", "response_headers_to_add");
    changes(fields, remove, add, |at| {
        let addition = addition(at)?;
        match addition.value.is_constant() {
            true => Some(addition),
            false => at.refuse("operators in headers of answers are not served here"),
        }
    })
}

fn changes(
    fields: &mut Fields<'_>,
    remove: &'static str,
    add: &'static str,
    addition: fn(&At<'_>) -> Option<Addition>,
) -> HeaderChanges {
    let mut list = |name| fields.take(name).map(|at| at.list()).unwrap_or_default();
    HeaderChanges {
        remove: list(remove).iter().filter_map(header_name).collect(),
        add: list(add).iter().filter_map(addition).collect(),
    }
}

/// What a route answers by itself; nothing inside where it does not, nothing at all where that is
/// refused.
#[allow(clippy::option_option)]
pub fn direct_response(fields: &mut Fields<'_>) -> Option<Option<DirectResponse>> {
    let Some(at) = fields.take("direct_response") else {
        return Some(None);
    };
    let mut direct = at.fields()?;
    let status = direct.need("status").and_then(|at| at.within(200, 599));
    let body = direct.take("body").map(|at| inline(&at));
    direct.close();
    Some(Some(DirectResponse {
        status: status?,
        body: body.unwrap_or(Some(String::new()))?.into_bytes(),
    }))
}

fn inline(at: &At<'_>) -> Option<String> {
    let mut body = at.fields()?;
    let text = body.need("inline_string").and_then(|at| at.text());
    body.close();
    text
}

/// What a route changes in host and path.
pub fn rewrite(fields: &mut Fields<'_>) -> Rewrite {
    let mut text = |name| fields.take(name).and_then(|at| at.text());
    Rewrite {
        host: text("host_rewrite_literal"),
        prefix: text("prefix_rewrite"),
        regex: fields
            .take("regex_rewrite")
            .and_then(|at| regex_rewrite(&at)),
    }
}

fn regex_rewrite(at: &At<'_>) -> Option<RegexRewrite> {
    let mut fields = at.fields()?;
    let pattern = fields.need("pattern").and_then(|at| at.fields());
    let substitution = fields.take("substitution").map(|at| at.text());
    fields.close();
    let mut pattern = pattern?;
    // It has no settings, and is the only engine.
    pattern.take("google_re2");
    let regex = pattern.need("regex").and_then(|at| at.text());
    pattern.close();
    let substitution = substitution.unwrap_or(Some(String::new()))?;
    match RegexRewrite::read(&regex?, &substitution) {
        Ok(rewrite) => Some(rewrite),
        Err(problem) => at.refuse(problem),
    }
}
