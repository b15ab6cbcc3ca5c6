//! What Envoy holds of a request's body on each route, against what filters may need.
//!
//! Tried on Envoy 1.40: a listener's limit is that of a connection; `request_body_buffer_limit` of
//! a route or a virtual host raises it and never lowers it; `per_request_buffer_limit_bytes` is
//! about retries and mirrors only. A Buffer filter sets the limit for what stands behind it, and
//! refuses for itself what is longer.

use std::collections::HashSet;

use super::chain::{Chain, Ours, View, all_plans, plans};
use super::codes;
use super::entry::{Slot, What, flag};
use super::files::Sink;
use super::finding::Finding;
use super::order::runs;
use super::values::holds_bytes;
use located_yaml::{Node, Place};

/// What a connection may hold unless a listener says otherwise.
const DEFAULT: u64 = 1_048_576;

/// How much of a body there may be, and where that is written.
struct Limit {
    bytes: u64,
    place: Place,
    file: usize,
    /// Whether it is that of the listener.
    listener: bool,
    /// What to call it.
    by: String,
    /// What to write, and where.
    hint: String,
}

/// Everything of this kind in a chain.
pub(super) fn check(chain: &Chain<'_>, sink: &mut Sink<'_>) {
    let Some(listener) = chain.listener else {
        return;
    };
    let mut said = HashSet::new();
    for filter in chain.ours() {
        let ways: Vec<Option<&View<'_>>> = match chain.views.as_slice() {
            [] => vec![None],
            views => views
                .iter()
                .filter(|view| view.forwards() && view.runs(filter.slot))
                .map(Some)
                .collect(),
        };
        for view in ways {
            let plans = match view {
                Some(_) => plans(&filter, view),
                None => all_plans(&filter),
            };
            let most = plans
                .iter()
                .filter_map(|plan| holds_bytes(filter.part.name(), plan))
                .max();
            let Some((bytes, option)) = most else {
                continue;
            };
            let limit = limit(chain, listener, &filter, view);
            let Some(limit) = limit.filter(|limit| limit.bytes < bytes) else {
                continue;
            };
            // The listener's is a matter of the filter, any other one of where it is written.
            let path = filter.part.path(option);
            let own = (filter.entry.file, filter.entry.place(&path));
            let at = match limit.listener {
                true => own,
                false => (limit.file, limit.place),
            };
            if !said.insert((own, at)) {
                continue;
            }
            let (problem, path) = match limit.listener {
                true => (
                    format!(
                        "{} may need {bytes} bytes of a body, and the listener holds {}: Envoy answers 413 first",
                        filter.part.subject(),
                        limit.bytes
                    ),
                    path,
                ),
                false => (
                    format!(
                        "{} may need {bytes} bytes of a body, and {} holds {}: Envoy answers 413 first",
                        filter.entry.called(&filter.part),
                        limit.by,
                        limit.bytes
                    ),
                    String::new(),
                ),
            };
            let hint = format!(
                "{}, or a lower {option}",
                limit
                    .hint
                    .replace("BYTES", &bytes.saturating_mul(2).to_string())
            );
            let finding = Finding::new(&codes::BUFFER, at.1, &filter.entry.name, problem, hint);
            sink.add(at.0, finding.at(path));
        }
    }
}

/// What there may be of a body for a filter on a route; `None` where that cannot be told.
fn limit(
    chain: &Chain<'_>,
    listener: &Node,
    filter: &Ours<'_, '_>,
    view: Option<&View<'_>>,
) -> Option<Limit> {
    let written = listener.member("per_connection_buffer_limit_bytes");
    let mut limit = Limit {
        bytes: written.map_or(Some(DEFAULT), number)?,
        place: written.unwrap_or(listener).place,
        file: chain.file,
        listener: true,
        by: "the listener".to_owned(),
        hint: "write `per_connection_buffer_limit_bytes: BYTES` in the listener".to_owned(),
    };
    if let Some(view) = view {
        let raised = view
            .levels
            .iter()
            .find_map(|level| level.member("request_body_buffer_limit"));
        if let Some(raised) = raised.and_then(number) {
            limit.bytes = limit.bytes.max(raised);
        }
    }
    let at = chain.position(filter.slot);
    for (number, slot) in chain.slots.iter().enumerate() {
        if number == at || !runs(slot, view) {
            continue;
        }
        let Some((bytes, file, place, sets)) = limited(chain, slot, view) else {
            continue;
        };
        // One in front sets the limit; one behind refuses what is longer.
        if (sets && number < at) || bytes < limit.bytes {
            limit = Limit {
                bytes,
                place,
                file,
                listener: false,
                by: slot.name.clone(),
                hint: "write `max_request_bytes: BYTES` there".to_owned(),
            };
        }
    }
    Some(limit)
}

/// The limit of one of Envoy's own filters on a route, where it stands, and whether it is set for
/// filters behind as well.
fn limited(
    chain: &Chain<'_>,
    slot: &Slot<'_>,
    view: Option<&View<'_>>,
) -> Option<(u64, usize, Place, bool)> {
    let What::Other(kind) = &slot.what else {
        return None;
    };
    let sets = kind.ends_with("filters.http.buffer.v3.Buffer");
    if !sets && !kind.ends_with("filters.http.body_size_limit.v3.BodySizeLimit") {
        return None;
    }
    let own = view.and_then(|view| Some((view.file, view.config_of(&slot.name)?)));
    let (file, settings) = match own {
        Some((_, own)) if flag(own, &["disabled"]) => return None,
        Some((file, own)) => (file, own.member("buffer").unwrap_or(own)),
        None => (chain.file, slot.node.member("typed_config")?),
    };
    let bytes = settings.member("max_request_bytes")?;
    Some((number(bytes)?, file, bytes.place, sets))
}

fn number(node: &Node) -> Option<u64> {
    node.text()?.parse().ok()
}
