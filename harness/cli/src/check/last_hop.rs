//! Whether what model-route writes is what aws-sigv4 and upstream-auth behind it send, and whether
//! anything behind these still asks for the caller's own credential.

use std::collections::BTreeSet;

use modelgate_kit::route::{Path, Template};
use serde_json::Value as Json;

use super::chain::{Chain, Ours, View, plans};
use super::codes::{self, Code};
use super::entry::{What, node, text};
use super::files::Sink;
use super::finding::Finding;
use super::order::{filters_before, position, runs};
use located_yaml::Node;

/// Members of a target, each with the header that it is written into, and the filter that must let
/// it pass.
const HEADERS: [(&str, &str, &str); 3] = [
    ("variant", "x-amzn-sagemaker-target-variant", "aws_sigv4"),
    (
        "inference_component",
        "x-amzn-sagemaker-inference-component",
        "aws_sigv4",
    ),
    ("deployment", "azureml-model-deployment", "upstream_auth"),
];

/// Everything of this kind on a route, or in a chain whose routes are not at hand.
pub(super) fn check(chain: &Chain<'_>, view: Option<&View<'_>>, sink: &mut Sink<'_>) {
    let of = |name: &str| {
        let mut found = chain.ours().into_iter();
        found.find(|ours| ours.part.name() == name && runs(ours.slot, view))
    };
    replaced(chain, view, sink);
    if let Some(signer) = of("aws_sigv4") {
        for plan in plans(&signer, view) {
            elsewhere(&signer, &plan, sink);
        }
    }
    let Some(route) = of("model_route") else {
        return;
    };
    let targets = targets(&plans(&route, view));
    for name in ["aws_sigv4", "upstream_auth"] {
        let behind = |last: &Ours<'_, '_>| position(chain, last) > position(chain, &route);
        let Some(last) = of(name).filter(behind) else {
            continue;
        };
        for plan in plans(&last, view) {
            let mut say = |code, path: &str, problem: String, hint: &str| {
                add(&last, code, path, problem, hint, sink);
            };
            headers(name, &plan, &targets, &mut say);
            if name == "aws_sigv4" {
                paths(&plan, &targets, &mut say);
                regions(&plan, &targets, &mut say);
            }
        }
    }
}

fn add(
    ours: &Ours<'_, '_>,
    code: &'static Code,
    path: &str,
    problem: String,
    hint: &str,
    sink: &mut Sink<'_>,
) {
    let path = ours.part.path(path);
    let place = ours.entry.place(&path);
    let finding = Finding::new(code, place, &ours.entry.name, problem, hint);
    sink.add(ours.entry.file, finding.at(path));
}

type Say<'s> = dyn FnMut(&'static Code, &str, String, &str) + 's;

/// A target that requests may go to: by its name for clients, and as it is written.
struct Target {
    model: String,
    written: Json,
}

impl Target {
    /// The name that the server gets, where it is known.
    fn served(&self) -> Option<&str> {
        let own = self.written.get("model").and_then(Json::as_str);
        own.or(Some(self.model.as_str()))
            .filter(|name| !name.contains('*'))
    }

    fn called(&self) -> String {
        let tag = self.written.get("tag").and_then(Json::as_str);
        format!("target {} of model {}", tag.unwrap_or_default(), self.model)
    }
}

fn targets(plans: &[Json]) -> Vec<Target> {
    let listed = |value: &Json, name: &str| {
        let items = value.get(name).and_then(Json::as_array);
        items.cloned().unwrap_or_default()
    };
    let models = plans.iter().flat_map(|plan| listed(plan, "models"));
    models
        .flat_map(|model| {
            let name = model.get("name").and_then(Json::as_str);
            let name = name.unwrap_or_default().to_owned();
            listed(&model, "targets")
                .into_iter()
                .map(move |written| Target {
                    model: name.clone(),
                    written,
                })
        })
        .collect()
}

/// Headers in which targets are chosen, which the filter behind takes for a client's.
fn headers(filter: &str, plan: &Json, targets: &[Target], say: &mut Say<'_>) {
    let names = |option: &str| -> BTreeSet<String> {
        let value = plan.get(option);
        let listed = value.and_then(Json::as_array).into_iter().flatten();
        let members = value.and_then(Json::as_object).into_iter().flatten();
        let names = listed.filter_map(Json::as_str);
        let names = names.chain(members.map(|(name, _)| name.as_str()));
        names.map(str::to_ascii_lowercase).collect()
    };
    let (passing, set) = (names("client_headers"), names("set_headers"));
    let is_asked = |target: &&Target| {
        target.written.get("version_is").and_then(Json::as_str) != Some("of_backend")
    };
    // Of Azure's endpoints alone is this header refused.
    let provider = plan.get("provider").and_then(Json::as_str);
    for (member, header, by) in HEADERS {
        let mut asking = targets.iter().filter(is_asked);
        let Some(target) = asking.find(|target| target.written.get(member).is_some()) else {
            continue;
        };
        if by != filter {
            continue;
        }
        let target = target.called();
        if set.contains(header) {
            let problem = format!(
                "it sets {header} itself: what model-route writes for {target} (`{member}`) never counts"
            );
            let hint = "take it out of `set_headers`, and list it in `client_headers`";
            say(&codes::ROUTED_IN_VAIN, "set_headers", problem, hint);
        } else if !passing.contains(header) && (by == "aws_sigv4" || provider == Some("azure_ml")) {
            let strips = plan.get("other_client_headers").and_then(Json::as_str);
            let does = match strips == Some("strip") {
                true => "takes out",
                false => "refuses",
            };
            let problem =
                format!("it {does} {header}, which model-route writes for {target} (`{member}`)");
            let hint = "list the header in `client_headers`; and give every target one, or a client chooses by it";
            say(&codes::ROUTED_IN_VAIN, "client_headers", problem, hint);
        }
    }
}

/// How the paths of a service that is signed for go on behind the name of a model.
fn ways(service: &str) -> Option<(&'static str, &'static [&'static str])> {
    match service {
        "sagemaker" => Some((
            "endpoints",
            &[
                "invocations",
                "async-invocations",
                "invocations-response-stream",
            ],
        )),
        "bedrock" => Some((
            "model",
            &[
                "invoke",
                "invoke-with-response-stream",
                "converse",
                "converse-stream",
                "count-tokens",
            ],
        )),
        _ => None,
    }
}

/// Models whose requests fit none of the paths that may be signed.
fn paths(plan: &Json, targets: &[Target], say: &mut Say<'_>) {
    let service = plan
        .get("service")
        .and_then(Json::as_str)
        .unwrap_or("sagemaker");
    let listed = plan.get("paths").and_then(Json::as_array);
    let listed = listed.into_iter().flatten().filter_map(Json::as_str);
    let templates: Vec<Template> = listed
        .filter_map(|text| Template::parse(text).ok())
        .collect();
    let Some((collection, verbs)) = ways(service).filter(|_| !templates.is_empty()) else {
        return;
    };
    let mut said = BTreeSet::new();
    for target in targets {
        let Some(name) = target.served().filter(|name| !name.contains('/')) else {
            continue;
        };
        let fits = verbs.iter().any(|verb| {
            let path = format!("/{collection}/{name}/{verb}");
            let path = Path::parse(path.as_bytes());
            path.is_ok_and(|path| templates.iter().any(|template| template.matches(&path)))
        });
        // Whose name is known elsewhere only, such as that of an OpenAI server, has other paths.
        let in_general = templates.iter().any(|template| {
            let path = format!("/{collection}/any/{}", verbs.first().unwrap_or(&""));
            Path::parse(path.as_bytes()).is_ok_and(|path| template.matches(&path))
        });
        let about_these = in_general || plan_names(plan, collection);
        if !fits && about_these && said.insert(name.to_owned()) {
            let problem = format!(
                "none of `paths` takes in /{collection}/{name}/…, where model-route leads {}: 403 path_refused",
                target.called()
            );
            say(
                &codes::ROUTED_IN_VAIN,
                "paths",
                problem,
                "add the path of that model",
            );
        }
    }
}

/// Whether paths of this collection are among those that may be signed.
fn plan_names(plan: &Json, collection: &str) -> bool {
    let listed = plan.get("paths").and_then(Json::as_array);
    let mut listed = listed.into_iter().flatten().filter_map(Json::as_str);
    listed.any(|text| text.split('/').nth(1) == Some(collection))
}

/// Models by an ARN of a region that is not signed for.
fn regions(plan: &Json, targets: &[Target], say: &mut Say<'_>) {
    let Some(region) = signed_region(plan) else {
        return;
    };
    for target in targets {
        let fields: Vec<&str> = target.served().unwrap_or_default().split(':').collect();
        let [scheme, _, "bedrock", other, ..] = fields.as_slice() else {
            continue;
        };
        if *scheme == "arn" && !other.is_empty() && *other != region {
            let problem = format!(
                "it signs for {region}, and {} is an ARN in {other}: the service there refuses the signature",
                target.called()
            );
            let hint = "name a model of the same region, or sign for the other one in a profile";
            say(&codes::ROUTED_IN_VAIN, "region", problem, hint);
        }
    }
}

/// The one region that is signed for, where the configuration says it.
fn signed_region(plan: &Json) -> Option<&str> {
    let several = plan.get("algorithm").and_then(Json::as_str) == Some("sigv4a");
    plan.get("region")
        .and_then(Json::as_str)
        .filter(|_| !several)
}

/// A host of AWS's in another region than what is signed for.
fn elsewhere(signer: &Ours<'_, '_>, plan: &Json, sink: &mut Sink<'_>) {
    let Some((region, host)) = signed_region(plan).zip(plan.get("host").and_then(Json::as_str))
    else {
        return;
    };
    let host = host.split(':').next().unwrap_or_default();
    let is_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    if !is_aws.iter().any(|domain| host.ends_with(domain)) {
        return;
    }
    let other = host.split('.').find(|label| is_region(label));
    if let Some(other) = other.filter(|other| *other != region) {
        let problem = format!(
            "it signs for {region}, and `host` is in {other}: the service there refuses every signature"
        );
        let hint = "write the same region twice, or leave `region` out and set AWS_REGION";
        add(signer, &codes::ROUTED_IN_VAIN, "host", problem, hint, sink);
    }
}

/// Whether a part of a name is a region: `eu-central-1`, `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [country, between @ .., number] => {
            country.len() == 2
                && word(country)
                && !between.is_empty()
                && between.iter().all(word)
                && matches!(number.as_bytes(), [b'0'..=b'9'])
        }
        _ => false,
    }
}

/// Filters that judge the caller by his credential, behind those that have put the gateway's own in
/// its place.
fn replaced(chain: &Chain<'_>, view: Option<&View<'_>>, sink: &mut Sink<'_>) {
    let replacing = chain.ours().into_iter().find(|ours| {
        matches!(ours.part.name(), "upstream_auth" | "aws_sigv4") && runs(ours.slot, view)
    });
    let Some(replacing) = replacing else { return };
    let behind = position(chain, &replacing);
    for (at, slot) in chain.slots.iter().enumerate() {
        let What::Other(kind) = &slot.what else {
            continue;
        };
        let config = slot.node.member("typed_config").unwrap_or(slot.node);
        let is_behind = filters_before(chain, at) > behind && runs(slot, view);
        if !is_behind || !reads_credentials(kind, config) {
            continue;
        }
        let by = replacing.entry.called(&replacing.part);
        let problem = format!(
            "it looks for the caller's credential, and {by} in front has put the gateway's own in its place"
        );
        let hint = "put it in front: it would judge the gateway, and see what the gateway's key is";
        let finding = Finding::new(&codes::REPLACED, slot.node.place, &slot.name, problem, hint);
        sink.add(chain.file, finding);
    }
}

/// Whether one of Envoy's filters looks at what callers prove themselves with.
fn reads_credentials(kind: &str, config: &Node) -> bool {
    let kind = kind.rsplit("filters.http.").next().unwrap_or(kind);
    match kind {
        "oauth2.v3.OAuth2"
        | "basic_auth.v3.BasicAuth"
        | "api_key_auth.v3.ApiKeyAuth"
        | "ext_authz.v3.ExtAuthz" => true,
        // Tokens that stand elsewhere are still there.
        "jwt_authn.v3.JwtAuthentication" => {
            let providers = config.member("providers").map(Node::members);
            providers.unwrap_or_default().iter().any(|(_, provider)| {
                let headers = node(provider, &["from_headers"]).map(Node::items);
                let headers = headers.unwrap_or_default();
                let elsewhere = ["from_params", "from_cookies"];
                let by_default = headers.is_empty()
                    && elsewhere.iter().all(|name| provider.member(name).is_none());
                by_default
                    || headers.iter().any(|header| {
                        let name = text(header, &["name"]).unwrap_or_default();
                        name.eq_ignore_ascii_case("authorization")
                    })
            })
        }
        _ => false,
    }
}
