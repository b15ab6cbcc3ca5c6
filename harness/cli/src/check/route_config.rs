//! The configuration of a route or virtual host for the native form: `DynamicModuleFilterPerRoute`.

use super::entry::{node, text};
use super::locate::Map;
use located_yaml::{Node, Place};

/// The configuration of a route or virtual host for the native form.
pub(super) struct RouteConfig {
    /// What it says.
    pub map: Map,
    /// Where it stands, if it is a text.
    pub whole: Option<Place>,
}

impl RouteConfig {
    /// Reads it; nothing where it is a configuration of another kind, or says nothing.
    pub fn read(config: &Node) -> Option<Self> {
        if !is_per_route(config) {
            return None;
        }
        let value = node(config, &["filter_config", "value"])?;
        Some(match value.text() {
            Some(_) => Self {
                map: Map::of("", Some(value)),
                whole: Some(value.place),
            },
            None => Self {
                map: Map::of_yaml(value),
                whole: None,
            },
        })
    }

    /// The text at a path, with its place.
    pub fn text(&self, path: &[&str]) -> Option<(String, Place)> {
        let found = node(self.map.json(), path)?;
        Some((found.text()?.to_owned(), self.whole.unwrap_or(found.place)))
    }
}

/// Whether a configuration is of this kind.
pub(super) fn is_per_route(config: &Node) -> bool {
    text(config, &["@type"]).is_some_and(|kind| kind.ends_with("DynamicModuleFilterPerRoute"))
}
