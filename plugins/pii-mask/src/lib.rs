//! Masks personal data and credentials in what goes to a model and in what comes back.

pub mod detect;
pub mod document;
pub mod events;
pub mod mask;
pub mod stream;
