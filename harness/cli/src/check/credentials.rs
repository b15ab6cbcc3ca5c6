//! Credentials of the gateway's own that Envoy puts into requests: in headers, in query parameters
//! and in paths, by filters of its own, by routes, and by what stands around routes.

use super::entry::{node, text};
use super::references::environment_in;
use located_yaml::{Node, Place};

/// Filters of Envoy's own that add credentials, whatever they are told.
const SIGNERS: [&str; 4] = [
    "aws_lambda.v3.Config",
    "credential_injector.v3.CredentialInjector",
    "aws_request_signing.v3.AwsRequestSigning",
    "gcp_authn.v3.GcpAuthnFilterConfig",
];

/// How the names of headers and parameters end that carry credentials, in small letters and without
/// what separates words.
const NAMES: [&str; 10] = [
    "authorization",
    "auth",
    "apikey",
    "accesskey",
    "subscriptionkey",
    "functionskey",
    "token",
    "secret",
    "password",
    "credential",
];

/// Parameters of a query that carry credentials under a name that says less.
const PARAMETERS: [&str; 5] = ["key", "token", "code", "sig", "auth"];

/// How the keys of providers begin.
const PREFIXES: [&str; 12] = [
    "bearer ", "basic ", "sk-", "aiza", "hf_", "gsk_", "xai-", "nvapi-", "r8_", "pplx-", "akia",
    "ya29.",
];

/// Words in the names of variables that hold secrets.
const SECRETS: [&str; 5] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"];

/// A header, a query parameter or a path that requests get.
pub(super) struct Added<'a> {
    /// What it is, with its name.
    pub what: String,
    /// What is put into it.
    pub value: &'a str,
    /// Where that stands.
    pub place: Place,
    /// Whether its name is that of a credential.
    named: bool,
}

impl Added<'_> {
    /// Whether it is a credential of the gateway's own: not empty, and not made of what the client
    /// sent.
    pub fn is_credential(&self) -> bool {
        let literal = self.literal();
        let small = self.value.to_ascii_lowercase();
        let begins = PREFIXES.iter().any(|prefix| small.starts_with(prefix));
        let kept = ["%FILE_CONTENT(", "%SECRET("];
        let kept = kept.iter().any(|it| self.value.contains(it));
        let mut variables = environment_in(self.value);
        match self.named {
            true => literal || kept || variables.next().is_some(),
            false => {
                (begins && (literal || kept))
                    || variables.any(|name| SECRETS.iter().any(|word| name.contains(word)))
            }
        }
    }

    /// Whether what is put into it stands in the file.
    pub fn literal(&self) -> bool {
        !self.value.is_empty() && !self.value.contains('%')
    }
}

/// Whether a filter of Envoy's own adds credentials: itself, or one that it wraps.
pub(super) fn adds_credentials(filter: &Node) -> bool {
    filter
        .member("typed_config")
        .is_some_and(|config| is_signer(config) || sends_credentials(config))
}

fn is_signer(at: &Node) -> bool {
    let signs =
        text(at, &["@type"]).is_some_and(|kind| SIGNERS.iter().any(|it| kind.ends_with(it)));
    let inner = || {
        at.members()
            .iter()
            .any(|(key, value)| key.text != UPSTREAM && is_signer(value))
    };
    signs || inner() || at.items().iter().any(is_signer)
}

/// Whether a configuration, a filter's or a route's for it, puts credentials into requests.
pub(super) fn sends_credentials(config: &Node) -> bool {
    added(config).iter().any(Added::is_credential)
}

/// The router's own filters: they are filters for themselves.
const UPSTREAM: &str = "upstream_http_filters";

/// What stands below a level of routes and is a level for itself, or somebody else's; and what is
/// about answers.
const OTHERS: [&str; 7] = [
    "response_transformation",
    "routes",
    "virtual_hosts",
    "matcher",
    "weighted_clusters",
    "typed_per_filter_config",
    UPSTREAM,
];

/// Whatever a configuration, or a level of routes, puts into requests.
pub(super) fn added(at: &Node) -> Vec<Added<'_>> {
    let mut found = Vec::new();
    collect(at, &mut found);
    found
}

fn collect<'a>(at: &'a Node, found: &mut Vec<Added<'a>>) {
    for (key, value) in at.members() {
        match key.text.as_str() {
            "request_headers_to_add" => found.extend(value.items().iter().filter_map(header)),
            "request_mutations" | "request_headers_mutations" | "headers_mutations" => {
                let appended = value
                    .items()
                    .iter()
                    .filter_map(|item| item.member("append"));
                found.extend(appended.filter_map(header));
            }
            // Of what changes a request before the first filter sees it.
            "mutations" if !value.items().is_empty() => {
                let appended = value
                    .items()
                    .iter()
                    .filter_map(|item| item.member("append"));
                found.extend(appended.filter_map(header));
            }
            "query_parameter_mutations" => {
                let appended = value
                    .items()
                    .iter()
                    .filter_map(|item| item.member("append"));
                found.extend(appended.filter_map(parameter));
            }
            "path_rewrite" | "prefix_rewrite" | "substitution" => {
                found.extend(value.text().map(|written| Added {
                    what: "the path".to_owned(),
                    value: written,
                    place: value.place,
                    named: false,
                }));
            }
            name if OTHERS.contains(&name) => {}
            _ => collect(value, found),
        }
    }
    at.items().iter().for_each(|item| collect(item, found));
}

fn header(added: &Node) -> Option<Added<'_>> {
    let name = text(added, &["header", "key"])?;
    let value = node(added, &["header", "value"]).or_else(|| node(added, &["header", "raw_value"]));
    Some(Added {
        what: format!("the header {name}"),
        value: value.and_then(Node::text).unwrap_or_default(),
        place: value.unwrap_or(added).place,
        named: carries_credentials(name),
    })
}

fn parameter(added: &Node) -> Option<Added<'_>> {
    let pair = added.member("record").or_else(|| added.member("entry"))?;
    let name = text(pair, &["key"])?;
    let value = pair.member("value");
    let small = name.to_ascii_lowercase();
    Some(Added {
        what: format!("the parameter {name}"),
        value: value.and_then(Node::text).unwrap_or_default(),
        place: value.unwrap_or(pair).place,
        named: carries_credentials(name) || PARAMETERS.contains(&small.as_str()),
    })
}

/// Whether a name is that of a header or a parameter that carries credentials.
pub(super) fn carries_credentials(name: &str) -> bool {
    let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
    let forgery = plain.ends_with("csrftoken") || plain.ends_with("xsrftoken");
    !forgery && NAMES.iter().any(|known| plain.ends_with(known))
}
