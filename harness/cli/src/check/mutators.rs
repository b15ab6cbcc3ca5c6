//! Filters of Envoy's own, and of others, that can change what filters of the suite have looked at:
//! a request after it was signed, masked or judged, an answer after it was masked.

use serde_json::Value as Json;

use super::chain::{Chain, Ours, View, plans};
use super::codes::{self, Code};
use super::credentials::carries_credentials;
use super::entry::{Slot, What, flag, node, text};
use super::files::Sink;
use super::finding::Finding;
use super::order::runs;
use super::signed::is_signed;
use located_yaml::Node;

/// What a filter can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Headers of requests, which are the path and the host too.
    headers: Headers,
    /// The bodies of requests.
    body: bool,
    /// The bodies of answers.
    answers: bool,
    /// Whether it does so by its configuration; otherwise whatever it runs may.
    sure: bool,
}

/// Headers that can be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Headers {
    #[default]
    None,
    Named(Vec<String>),
    Any,
}

impl Headers {
    /// Whether one of them may be of a kind.
    fn any(&self, kind: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.iter().any(|name| kind(name)),
            Self::Any => true,
        }
    }
}

/// Whether rules and limits look at a header: those that say what is asked of whom.
fn is_judged(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    small.starts_with(':') || matches!(small.as_str(), "host" | "content-type" | "content-encoding")
}

/// Everything of this kind on a route, or in a chain whose routes are not at hand.
pub(super) fn check(chain: &Chain<'_>, view: Option<&View<'_>>, sink: &mut Sink<'_>) {
    let ours: Vec<Ours<'_, '_>> = chain.ours();
    let of = |names: &[&str]| {
        let mut found = ours.iter().filter(|ours| runs(ours.slot, view));
        found
            .find(|ours| names.contains(&ours.part.name()))
            .copied()
    };
    for (at, slot) in chain.slots.iter().enumerate() {
        let Some(changes) = changes(slot, view).filter(|_| runs(slot, view)) else {
            continue;
        };
        let behind = |names: &[&str]| of(names).filter(|ours| chain.position(ours.slot) < at);
        let before = |names: &[&str]| of(names).filter(|ours| chain.position(ours.slot) > at);
        let mut say = |code: &'static Code, what: &str, by: &Ours<'_, '_>, hint: &str| {
            let verb = if changes.sure {
                "changes"
            } else {
                "can change"
            };
            let filter = by.entry.called(&by.part);
            let problem = format!("it {verb} {what} {filter}");
            let finding = Finding::new(code, slot.node.place, &slot.name, problem, hint);
            sink.add(chain.file, finding);
        };
        let graded = |sure: bool| match sure {
            true => &codes::CHANGED_BY_FILTER,
            false => &codes::MAY_CHANGE,
        };
        if let Some(signer) = behind(&["aws_sigv4"]) {
            let plans = plans(&signer, view);
            let signed = changes.headers.any(|name| is_signed(name, &plans));
            if signed || (changes.body && !plans.iter().all(unsigned_body)) {
                let hint =
                    "put it in front of aws-sigv4: a signature is of the request that is sent";
                say(
                    graded(changes.sure),
                    "what is signed, behind",
                    &signer,
                    hint,
                );
                continue;
            }
        }
        if let Some(mask) = behind(&["pii_mask"]).filter(|_| changes.body) {
            let hint = "put it in front of pii-mask, so that what it writes is masked too";
            say(graded(changes.sure), "bodies behind", &mask, hint);
            continue;
        }
        let judged = changes.body || changes.headers.any(is_judged);
        if let Some(judge) = behind(&["consumer_acl", "rate_limit"]).filter(|_| judged) {
            let hint = "put it in front, unless it leaves path, host and model as they are";
            say(&codes::MAY_CHANGE, "a request behind", &judge, hint);
        } else if let Some(mask) = before(&["pii_mask"]).filter(|_| changes.answers) {
            let hint =
                "answers pass it after pii-mask: put it behind, so that what it writes is masked";
            say(&codes::MAY_CHANGE, "answers after", &mask, hint);
        } else if let Some(gate) =
            before(&["jwt_auth", "key_auth"]).filter(|_| changes.headers.any(carries_credentials))
        {
            let hint = "see to it that it gives no request a credential that its sender lacks";
            say(&codes::MAY_CHANGE, "a request in front of", &gate, hint);
        }
    }
}

fn unsigned_body(plan: &Json) -> bool {
    plan.get("payload").and_then(Json::as_str) == Some("unsigned")
}

/// What a filter can change; `None` if nothing that matters.
fn changes(slot: &Slot<'_>, view: Option<&View<'_>>) -> Option<Changes> {
    let What::Other(kind) = &slot.what else {
        return None;
    };
    let config = slot.node.member("typed_config").unwrap_or(slot.node);
    let own = view.and_then(|view| view.config_of(&slot.name));
    if own.is_some_and(|own| flag(own, &["disabled"])) {
        return None;
    }
    let kind = kind.rsplit("filters.http.").next().unwrap_or(kind);
    let sure = |headers, body, answers| Changes {
        headers,
        body,
        answers,
        sure: true,
    };
    let found = match kind {
        "lua.v3.Lua" => lua(config, own),
        "ext_proc.v3.ExternalProcessor" => processor(config, own),
        "ext_authz.v3.ExtAuthz" => sure(authorizer(config), false, false),
        "transform.v3.TransformConfig" => transform(own.unwrap_or(config)),
        "compressor.v3.Compressor" => {
            let requests = config.member("request_direction_config").is_some();
            sure(Headers::None, requests, false)
        }
        "decompressor.v3.Decompressor" => sure(Headers::None, true, false),
        "grpc_json_transcoder.v3.GrpcJsonTranscoder"
        | "grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder"
        | "mcp_json_rest_bridge.v3.McpJsonRestBridge" => sure(Headers::Any, true, true),
        "aws_request_signing.v3.AwsRequestSigning" | "gcp_authn.v3.GcpAuthnFilterConfig" => {
            sure(authorization(), false, false)
        }
        "credential_injector.v3.CredentialInjector" if flag(config, &["overwrite"]) => {
            sure(authorization(), false, false)
        }
        "oauth2.v3.OAuth2" if flag(config, &["config", "forward_bearer_token"]) => {
            sure(authorization(), false, false)
        }
        "dynamic_forward_proxy.v3.FilterConfig" => {
            let writes = |name: &str| own.is_some_and(|own| own.member(name).is_some());
            let host = writes("host_rewrite_literal") || writes("host_rewrite_header");
            let names = host.then(|| ":authority".to_owned());
            sure(Headers::Named(names.into_iter().collect()), false, false)
        }
        "ai_protocol_manager.v3.AiProtocolManager" => Changes {
            sure: false,
            ..sure(Headers::Named(vec![":path".to_owned()]), true, true)
        },
        "wasm.v3.Wasm" | "dynamic_modules.v3.DynamicModuleFilter" | "golang.v3.Config" => Changes {
            sure: false,
            ..sure(Headers::Any, true, true)
        },
        _ => return None,
    };
    let named = found.headers.any(|_| true);
    (named || found.body || found.answers).then_some(found)
}

fn authorization() -> Headers {
    Headers::Named(vec!["authorization".to_owned()])
}

/// A script of Lua: what it calls. What stands in a file is not at hand.
fn lua(config: &Node, own: Option<&Node>) -> Changes {
    let source = |at: &Node| {
        at.member("inline_string")
            .and_then(Node::text)
            .map(str::to_owned)
    };
    let default = || config.member("default_source_code");
    let named = own
        .and_then(|own| text(own, &["name"]))
        .map(|name| node(config, &["source_codes", name]));
    let at_hand = match own.and_then(|own| own.member("source_code")) {
        Some(own) => source(own),
        None => match named.unwrap_or_else(default) {
            Some(code) => source(code),
            None => text(config, &["inline_code"]).map(str::to_owned),
        },
    };
    let Some(code) = at_hand else {
        return Changes {
            headers: Headers::Any,
            body: true,
            answers: true,
            sure: false,
        };
    };
    let request = without_function(&code, "envoy_on_response");
    let response = without_function(&code, "envoy_on_request");
    let headers = match code.contains("envoy_on_request") {
        true => headers_of(&request),
        false => Headers::None,
    };
    Changes {
        headers,
        body: code.contains("envoy_on_request") && request.contains(":setBytes("),
        answers: code.contains("envoy_on_response") && response.contains(":setBytes("),
        sure: true,
    }
}

/// A script without one of its two entry points, from its name to the other one or the end.
fn without_function(code: &str, name: &str) -> String {
    let Some((before, after)) = code.split_once(name) else {
        return code.to_owned();
    };
    let other = match name {
        "envoy_on_request" => "envoy_on_response",
        _ => "envoy_on_request",
    };
    let rest = after.find(other).and_then(|at| after.get(at..));
    format!("{before}{}", rest.unwrap_or_default())
}

/// The headers that a script writes: by name, where all names stand there as texts.
fn headers_of(code: &str) -> Headers {
    let mut names = Vec::new();
    for call in [":replace(", ":add(", ":remove("] {
        for rest in code.split(call).skip(1) {
            let rest = rest.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            let name = quote.and_then(|quote| rest.split(quote).nth(1));
            match name {
                Some(name) => names.push(name.to_owned()),
                None => return Headers::Any,
            }
        }
    }
    match names.is_empty() {
        true => Headers::None,
        false => Headers::Named(names),
    }
}

/// A server that is shown messages and may answer with others.
fn processor(config: &Node, own: Option<&Node>) -> Changes {
    if flag(config, &["observability_mode"]) {
        return Changes::default();
    }
    let mode = own
        .and_then(|own| node(own, &["overrides", "processing_mode"]))
        .or_else(|| config.member("processing_mode"));
    let told = |name: &str| mode.and_then(|mode| text(mode, &[name]));
    let overrides = flag(config, &["allow_mode_override"]);
    let shown = |name: &str| overrides || told(name).is_some_and(|mode| mode != "NONE");
    let body = shown("request_body_mode");
    let headers = body || told("request_header_mode") != Some("SKIP");
    Changes {
        headers: allowed(config.member("mutation_rules"), headers),
        body,
        answers: shown("response_body_mode"),
        sure: true,
    }
}

/// A server that is asked and may add headers.
fn authorizer(config: &Node) -> Headers {
    if flag(config, &["shadow_mode"]) {
        return Headers::None;
    }
    let by_http = node(config, &["http_service", "authorization_response"]);
    let adds = match config.member("http_service") {
        None => true,
        Some(_) => by_http.is_some_and(|answer| {
            [
                "allowed_upstream_headers",
                "allowed_upstream_headers_to_append",
            ]
            .iter()
            .any(|name| answer.member(name).is_some())
        }),
    };
    allowed(config.member("decoder_header_mutation_rules"), adds)
}

/// What rules leave of the headers that a server may change.
fn allowed(rules: Option<&Node>, any: bool) -> Headers {
    let none = rules.is_some_and(|rules| flag(rules, &["disallow_all"]));
    match any && !none {
        true => Headers::Any,
        false => Headers::None,
    }
}

fn transform(config: &Node) -> Changes {
    let request = config.member("request_transformation");
    let mutations = request.and_then(|it| it.member("headers_mutations"));
    let names = mutations.map(Node::items).unwrap_or_default().iter();
    let names: Vec<String> = names
        .filter_map(|it| node(it, &["append", "header", "key"]).or_else(|| it.member("remove")))
        .filter_map(Node::text)
        .map(str::to_owned)
        .collect();
    let body = |at: Option<&Node>| at.is_some_and(|it| it.member("body_transformation").is_some());
    Changes {
        headers: match names.is_empty() {
            true => Headers::None,
            false => Headers::Named(names),
        },
        body: body(request),
        answers: body(config.member("response_transformation")),
        sure: true,
    }
}
