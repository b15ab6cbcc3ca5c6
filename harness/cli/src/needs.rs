//! What a filter needs of its host with the configuration that it has.

use located_yaml::Node;
use modelgate_scenario::catalogue::Member;

/// Whether a filter may hold a request's headers until its body is there.
pub(crate) fn holds_headers(member: &Member, config: Option<&Node>) -> bool {
    let free = |config: &Node| holds_nothing(member.filter.name, config);
    member.filter.needs.buffers_request && !config.is_some_and(free)
}

/// The documented modes of filters in which they do not hold headers.
fn holds_nothing(filter: &str, config: &Node) -> bool {
    let text = |at: &Node, name: &str| at.member(name).and_then(Node::text).map(ToOwned::to_owned);
    match filter {
        "pii_mask" => text(config, "hold").as_deref() == Some("body"),
        "aws_sigv4" => matches!(
            text(config, "payload").as_deref(),
            Some("unsigned" | "absent")
        ),
        _ => {
            let model = config.member("model_from_body");
            let ignores = model.and_then(|model| text(model, "mode")).as_deref() == Some("ignore");
            ignores || !looks_at_models(config)
        }
    }
}

/// Whether a rule or a limit looks at models, in any profile.
fn looks_at_models(config: &Node) -> bool {
    let counted = |by: &Node| by.text() == Some("model");
    let members = config.members().iter();
    members
        .map(|(key, value)| match key.text.as_str() {
            "models" => !value.items().is_empty(),
            "by" => value.items().iter().any(counted),
            _ => looks_at_models(value),
        })
        .chain(config.items().iter().map(looks_at_models))
        .any(|looks| looks)
}
