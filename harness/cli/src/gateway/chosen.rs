//! Headers in which model-route says which variant, component or deployment is meant, and which the
//! filter behind it has to let through: it refuses them from clients.

use located_yaml::Node;
use located_yaml::read::{At, Problem, Report};
use located_yaml::shape::Source;

use super::file::Gateway;
use super::protocol::Protocol;

/// The header that chooses a deployment of an endpoint of Azure ML's.
pub(super) const DEPLOYMENT: &str = "azureml-model-deployment";

/// Members of a target, each with the header that it is written into.
type Known = &'static [(&'static str, &'static str)];

/// Of an endpoint of SageMaker's. A target has one or the other, and then a client's of either is
/// gone.
const SAGEMAKER: Known = &[
    ("variant", "x-amzn-sagemaker-target-variant"),
    (
        "inference_component",
        "x-amzn-sagemaker-inference-component",
    ),
];
const AZURE_ML: Known = &[("deployment", DEPLOYMENT)];

/// What is to be let through by the last filter of the chain; problems are reported.
pub(super) fn headers(file: &Gateway, protocol: &Protocol, report: &Report) -> Vec<&'static str> {
    let (known, filter) = match (protocol.signed, protocol.deployment) {
        (true, _) => (SAGEMAKER, "aws-sigv4"),
        (_, true) => (AZURE_ML, "upstream-auth"),
        _ => return Vec::new(),
    };
    let Some(models) = file.models.as_ref().map(|models| models.at(report)) else {
        return Vec::new();
    };
    let says = |model: &Node, member: &str| {
        let targets = model.member("targets").map_or(&[][..], Node::items);
        targets.iter().any(|target| target.member(member).is_some())
    };
    let models = models.node.items();
    let used = known
        .iter()
        .filter(|(member, _)| models.iter().any(|model| says(model, member)));
    let headers: Vec<&'static str> = used.map(|(_, header)| *header).collect();
    let settings = file.settings.0.iter().find(|(name, _)| name == filter);
    let listed = listed(settings.map(|(_, source)| source.at(report)));
    let missing = |header: &&&'static str| !listed.iter().any(|one| one == **header);
    let Some(first) = headers.iter().find(missing) else {
        return headers;
    };
    for model in models {
        if !known.iter().any(|(member, _)| says(model, member)) {
            report.push(Problem {
                place: model.place,
                path: "models".to_owned(),
                message: format!(
                    "no target of this model has what others have ({}), so a client could choose by {first}; give it one, or allow that: settings.{filter}.client_headers",
                    known.iter().map(|(member, _)| *member).collect::<Vec<_>>().join(", ")
                ),
            });
        }
    }
    headers
}

/// `client_headers` in a filter's settings, in lower case.
fn listed(settings: Option<At<'_>>) -> Vec<String> {
    let written = settings
        .as_ref()
        .and_then(|at| at.node.member("client_headers"));
    let items = written.map_or(&[][..], Node::items).iter();
    items
        .filter_map(Node::text)
        .map(str::to_ascii_lowercase)
        .collect()
}

/// Whether targets name deployments.
pub(super) fn by_deployment(models: Option<&Source>, report: &Report) -> bool {
    models.is_some_and(|models| {
        let models = models.at(report);
        let mut targets = models.node.items().iter().flat_map(|model| {
            let targets = model.member("targets");
            targets.map_or(&[][..], Node::items)
        });
        targets.any(|target| target.member("deployment").is_some())
    })
}
