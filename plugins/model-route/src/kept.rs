//! What a target keeps of the last request: what was told of it.

use modelgate_kit::facts::{ModelCall, Routed, Serialized};
use modelgate_kit::route::{Dialect, Operation, Route, Selector};
use modelgate_kit::rule::{Asked, Models};

use crate::why::Why;

/// What was told of a request.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it follows from.
    pub of: Of,
    /// For whom only the model is of interest, with the rest in it.
    pub call: Serialized<ModelCall>,
    /// Where it goes.
    pub routed: Serialized<Routed>,
    /// What the answer's header says; nothing where that cannot be written.
    pub header: Option<String>,
}

/// What all of it follows from, for one target.
#[derive(Debug)]
pub(crate) struct Of {
    name: String,
    why: Why,
    asked: Option<(Dialect, Operation)>,
    version: String,
}

impl Of {
    /// That of a request that names the model so.
    pub fn new(name: &str, why: Why, asked: &Asked<'_>) -> Self {
        Self {
            name: name.to_owned(),
            why,
            asked: asked.route().map(kind),
            version: version(asked.route()).to_owned(),
        }
    }

    /// Whether this is what follows for another request as well, which asks for one model only.
    pub fn is(&self, name: &str, why: Why, asked: &Asked<'_>) -> bool {
        let route = asked.route();
        self.name == name
            && self.why == why
            && self.asked == route.map(kind)
            && self.version == version(route)
            && matches!(asked.models(), Models::Named(names) if matches!(names.as_slice(), [one] if one == name))
    }
}

fn kind(route: &Route<'_>) -> (Dialect, Operation) {
    (route.dialect, route.operation)
}

/// The version that a request asks for.
fn version<'a>(route: Option<&'a Route<'_>>) -> &'a str {
    let selector = route.and_then(|route| route.selector.as_ref());
    selector.map_or("", Selector::name)
}
