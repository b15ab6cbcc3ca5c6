//! Whether Envoy's own filters refuse a stranger on a route: what they are, and what they are told.
//!
//! What is not understood (a matcher, a regular expression, a server that is asked) counts as
//! refusing: it was put there for that.

use super::chain::{Chain, View};
use super::entry::{Slot, What, flag, node, text};
use located_yaml::Node;

/// What one of Envoy's filters does with a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It refuses him.
    Refuses,
    /// It lets him pass, although it is there for refusing: why.
    Passes(&'static str),
}

/// Reads one of Envoy's filters on a route; `None` for filters that are there for something else.
pub(super) fn gate(slot: &Slot<'_>, view: Option<&View<'_>>) -> Option<Gate> {
    let What::Other(kind) = &slot.what else {
        return None;
    };
    let config = slot.node.member("typed_config").unwrap_or(slot.node);
    let own = view.and_then(|view| view.config_of(&slot.name));
    let kind = kind.rsplit("filters.http.").next().unwrap_or(kind);
    let passes = match kind {
        "oauth2.v3.OAuth2" | "api_key_auth.v3.ApiKeyAuth" => None,
        "basic_auth.v3.BasicAuth" => {
            flag(config, &["allow_missing"]).then_some("has `allow_missing`")
        }
        "rbac.v3.RBAC" => access(match own {
            Some(own) => own.member("rbac"),
            None => Some(config),
        }),
        "ext_authz.v3.ExtAuthz" => asked(config),
        "ext_proc.v3.ExternalProcessor" => {
            let skips = |config: &Node| {
                text(config, &["processing_mode", "request_header_mode"]) == Some("SKIP")
            };
            let skipped = match own.and_then(|own| node(own, &["overrides", "processing_mode"])) {
                Some(mode) => text(mode, &["request_header_mode"]) == Some("SKIP"),
                None => skips(config),
            };
            match skipped {
                true => Some("is not shown the headers of requests"),
                false => asked(config),
            }
        }
        "jwt_authn.v3.JwtAuthentication" => tokens(config, own, view),
        _ => return None,
    };
    Some(passes.map_or(Gate::Refuses, Gate::Passes))
}

/// A server that is asked for each request.
fn asked(config: &Node) -> Option<&'static str> {
    if flag(config, &["failure_mode_allow"]) {
        return Some("lets every request pass while its server fails (`failure_mode_allow`)");
    }
    if flag(config, &["shadow_mode"]) || flag(config, &["observability_mode"]) {
        return Some("only watches");
    }
    let share = node(config, &["filter_enabled", "default_value"])?;
    let of = match text(share, &["denominator"]) {
        Some("TEN_THOUSAND") => 10_000,
        Some("MILLION") => 1_000_000,
        _ => 100,
    };
    let asked: u64 = text(share, &["numerator"])
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let denied = flag(config, &["deny_at_disable", "default_value"]);
    (asked < of && !denied).then_some("looks at a part of the requests (`filter_enabled`)")
}

/// RBAC.
fn access(config: Option<&Node>) -> Option<&'static str> {
    let matcher = config.and_then(|config| config.member("matcher"));
    let rules = config.and_then(|config| config.member("rules"));
    let Some(rules) = rules.filter(|_| matcher.is_none()) else {
        return matcher.is_none().then_some("has no rules");
    };
    let policies = rules.member("policies").map(Node::members);
    let policies = policies.unwrap_or_default();
    match text(rules, &["action"]) {
        Some("LOG") => Some("only writes a log (`action: LOG`)"),
        Some("DENY") => policies.is_empty().then_some("denies nothing"),
        _ => policies
            .iter()
            .any(|(_, policy)| {
                let one = |list: &str, both: &str, either: &str| {
                    let listed = policy.member(list).map(Node::items).unwrap_or_default();
                    listed.iter().any(|item| fits_all(item, both, either))
                };
                policy.member("condition").is_none()
                    && policy.member("checked_condition").is_none()
                    && one("permissions", "and_rules", "or_rules")
                    && one("principals", "and_ids", "or_ids")
            })
            .then_some("allows everybody everything"),
    }
}

/// Whether a permission or a principal is everything or everybody.
fn fits_all(item: &Node, both: &str, either: &str) -> bool {
    let inner = |name: &str, list: &str| {
        let listed = node(item, &[name, list]).map(Node::items);
        listed.filter(|items| !items.is_empty())
    };
    let lists = ["rules", "ids"];
    let fits = |item: &Node| fits_all(item, both, either);
    flag(item, &["any"])
        || matches!(text(item, &["url_path", "path", "prefix"]), Some("" | "/"))
        || lists
            .iter()
            .any(|list| inner(both, list).is_some_and(|items| items.iter().all(fits)))
        || lists
            .iter()
            .any(|list| inner(either, list).is_some_and(|items| items.iter().any(fits)))
}

/// Envoy's own check of tokens.
fn tokens(config: &Node, own: Option<&Node>, view: Option<&View<'_>>) -> Option<&'static str> {
    const OPTIONAL: &str = "lets requests without a token pass (`allow_missing`)";
    let named = |name: &str| node(config, &["requirement_map", name]);
    if let Some(name) = own.and_then(|own| text(own, &["requirement_name"])) {
        // A name that is not there refuses everything.
        let wanted = named(name);
        return wanted
            .is_some_and(|wanted| !strict(wanted))
            .then_some(OPTIONAL);
    }
    if config.member("filter_state_rules").is_some() {
        return None;
    }
    let rules = config.member("rules").map(Node::items).unwrap_or_default();
    let requires = |rule: &Node| {
        let inline = rule.member("requires");
        inline
            .or_else(|| text(rule, &["requirement_name"]).and_then(named))
            .is_some_and(strict)
    };
    let Some(view) = view else {
        let any = rules.iter().any(requires);
        return (!any).then_some("requires no token");
    };
    // The first rule that fits a request decides; what no rule fits passes.
    for rule in rules {
        match covers(rule.member("match"), view.route.member("match")) {
            Cover::None => {}
            Cover::Part if requires(rule) => {}
            Cover::All if requires(rule) => return None,
            Cover::Part | Cover::All => return Some(OPTIONAL),
        }
    }
    Some("has no rule that requires a token for the whole route")
}

/// Whether a requirement of `jwt_authn` wants a good token.
fn strict(requirement: &Node) -> bool {
    let listed = |name: &str| {
        let listed = node(requirement, &[name, "requirements"]).map(Node::items);
        listed.unwrap_or_default()
    };
    requirement.member("provider_name").is_some()
        || requirement.member("provider_and_audiences").is_some()
        || listed("requires_all").iter().any(strict)
        || (!listed("requires_any").is_empty() && listed("requires_any").iter().all(strict))
}

/// How much of a route a rule is about.
#[derive(PartialEq, Eq)]
enum Cover {
    All,
    Part,
    None,
}

fn covers(rule: Option<&Node>, route: Option<&Node>) -> Cover {
    let Some(rule) = rule else { return Cover::All };
    let conditional = [
        "headers",
        "query_parameters",
        "runtime_fraction",
        "grpc",
        "cookies",
    ]
    .iter()
    .any(|name| rule.member(name).is_some());
    let all = match conditional {
        true => Cover::Part,
        false => Cover::All,
    };
    let path = |at: &Node| {
        ["prefix", "path", "path_separated_prefix"]
            .into_iter()
            .find_map(|kind| text(at, &[kind]).map(|path| (kind, path.to_owned())))
    };
    // A regular expression and the like: taken at its word.
    let Some((kind, wanted)) = path(rule) else {
        return all;
    };
    if kind == "prefix" && matches!(wanted.as_str(), "" | "/") {
        return all;
    }
    let Some((_, on)) = route.and_then(path) else {
        return all;
    };
    match kind {
        "path" if on == wanted => match route.is_some_and(|route| route.member("path").is_some()) {
            true => all,
            false => Cover::Part,
        },
        "prefix" | "path_separated_prefix" if on.starts_with(&wanted) => all,
        _ if wanted.starts_with(&on) => {
            match route.is_some_and(|route| route.member("path").is_some()) {
                true => Cover::None,
                false => Cover::Part,
            }
        }
        _ => Cover::None,
    }
}

/// Whether clients must show a certificate that is looked at.
pub(super) fn with_certificate(chain: &Chain<'_>) -> bool {
    let tls = chain
        .filter_chain
        .and_then(|chain| node(chain, &["transport_socket", "typed_config"]));
    let Some(tls) = tls else { return false };
    let tls = tls.member("downstream_tls_context").unwrap_or(tls);
    let common = tls.member("common_tls_context");
    let judged = common.is_some_and(|common| {
        let combined = node(
            common,
            &["combined_validation_context", "default_validation_context"],
        );
        let from_secrets = [
            "validation_context_sds_secret_config",
            "combined_validation_context",
        ]
        .iter()
        .any(|name| common.member(name).is_some());
        let context = combined.or_else(|| common.member("validation_context"));
        let wanted = |name: &&str| context.is_some_and(|context| context.member(name).is_some());
        let trusts_all = context.and_then(|context| text(context, &["trust_chain_verification"]))
            == Some("ACCEPT_UNTRUSTED");
        !trusts_all
            && (from_secrets
                || [
                    "trusted_ca",
                    "ca_certificate_provider_instance",
                    "system_root_certs",
                    "verify_certificate_spki",
                    "verify_certificate_hash",
                    "custom_validator_config",
                ]
                .iter()
                .any(wanted))
    });
    flag(tls, &["require_client_certificate"]) && judged
}
