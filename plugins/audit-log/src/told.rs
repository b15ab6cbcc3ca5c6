//! What is told of an event to whoever asks why.

use modelgate_kit::explain::Note;

use crate::event::Event;
use crate::line;
use crate::plan::Plan;

/// The event as it is written, and where it goes.
pub fn event(plan: &Plan, event: &Event) -> Note {
    let written: serde_json::Value =
        serde_json::from_slice(&line::write(event)).unwrap_or_default();
    let log = match plan.access_log {
        true => "the access log",
        false => "no access log",
    };
    let sink = match &plan.shipping {
        Some(shipping) => format!("the collector `{}`", shipping.target.cluster),
        None => "no collector".to_owned(),
    };
    let text = format!("Records the event below; it goes to {log} and to {sink}.");
    Note::info("event", text).with("event", written)
}
