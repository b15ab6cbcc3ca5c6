//! What is told of a choice, to whoever asks why. The hash of the key and the draws of the targets
//! are the same on every gateway that has the same models and salt.

use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain::Note;
use modelgate_kit::shared_data::SharedData;

use crate::answer::Sent;
use crate::choose::Sticky;
use crate::plan::{Model, Target};
use crate::watch::Watch;
use crate::why::Why;

/// The targets with their weights and states, and which was chosen why.
pub(crate) fn chosen(sent: &Sent<'_>, sticky: Sticky, exchange: &Exchange) -> Vec<Note> {
    let model = sent.model;
    let mut notes: Vec<Note> = model
        .targets
        .iter()
        .map(|target| standing(model, target, sticky, exchange))
        .collect();
    let Target { tag, backend, .. } = sent.target;
    let hash = sticky.by.map(|_| sticky.key.hex());
    let by = match (sticky.by, &hash) {
        (Some(kind), Some(hash)) => format!("the caller's {kind}, whose hash is {hash}"),
        _ => "nothing that stays the same from request to request".to_owned(),
    };
    let other = |at: usize| {
        let target = model.targets.get(at);
        target.map_or_else(String::new, |target| format!("`{}`", target.tag))
    };
    let why = match sent.chosen.why {
        Why::Pin => "it is pinned".to_owned(),
        Why::Override(at) => format!("`overrides[{at}]` fits"),
        Why::Split if sent.chosen.on_trial => {
            format!("the weights say so by {by}, and it is on trial")
        }
        Why::Split => format!("the weights say so by {by}"),
        Why::Rollback(from) => format!("{} is taken out", other(from)),
        Why::Fallback(from) => {
            format!("{} and all others with a weight are taken out", other(from))
        }
        Why::NoneLeft => "all targets are taken out, and nothing takes over".to_owned(),
    };
    let text = format!(
        "Model `{}` goes to `{tag}` at `{backend}`: {why}.",
        model.name
    );
    notes.push(
        Note::pass("route", text)
            .with("model", model.name.as_str())
            .with("target", tag.as_str())
            .with("backend", backend.as_str())
            .with("why", sent.chosen.why.as_str())
            .with("sticky_by", sticky.by)
            .with("sticky_hash", hash),
    );
    notes
}

/// How a target stands.
fn standing(model: &Model, target: &Target, sticky: Sticky, exchange: &Exchange) -> Note {
    let weights: u64 = model.targets.iter().map(|one| one.share.weight()).sum();
    let weight = target.share.weight();
    let mut text = format!("Target `{}` has weight {weight} of {weights}", target.tag);
    // A key that nobody has twice says nothing.
    let draw = sticky.by.map(|_| target.share.draw_ppm(sticky.key));
    if let Some(draw) = draw {
        text.push_str(&format!(" and draws 0.{draw:06}"));
    }
    let note = |text: String| {
        Note::info("target", text)
            .with("target", target.tag.as_str())
            .with("weight", weight)
            .with("draw_ppm", draw)
    };
    let (Some(rollback), Some(circuit)) = (&model.rollback, &target.circuit) else {
        return note(text + ".");
    };
    let watch = Watch {
        store: &SharedData(exchange.host()),
        rules: &rollback.rules,
        now_ns: exchange.now_ns(),
    };
    let record = watch.record(circuit).unwrap_or_default();
    let state = record.state().as_str();
    let (all, errors, slow) = record.window(watch.rules, watch.now_ns);
    text.push_str(&format!(
        ", and its circuit is {state}: {errors} errors and {slow} slow of {all} in the window."
    ));
    note(text)
        .with("state", state)
        .with("requests", all)
        .with("errors", errors)
        .with("slow", slow)
}
