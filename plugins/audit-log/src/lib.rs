//! `audit-log`: one event for each request, however it ends.

pub mod event;
pub mod line;
pub mod otlp;
pub mod queue;

mod json;
