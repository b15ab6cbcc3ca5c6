//! The configuration of the gateway in envoy/compose, from its gateway file.

use std::path::Path;

use anyhow::Result;

use super::{Generated, kubernetes};
use crate::gateway::{Host, render};

const FROM: &str = "envoy/compose/gateway.yaml";
const TO: &str = "envoy/compose/envoy.yaml";

/// The file.
///
/// # Errors
/// If the gateway file cannot be read, or is wrong.
pub(super) fn file(root: &Path) -> Result<Generated> {
    let meaning = kubernetes::meaning(root, Path::new(FROM), Host::Envoy)?;
    let text = render(&meaning, Host::Envoy);
    Ok(Generated {
        path: TO.into(),
        content: format!("# Made by `cargo modelgate generate` from {FROM}.\n{text}"),
    })
}
