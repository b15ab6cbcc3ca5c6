//! What a target keeps of the last request: what was told of it, and what was written into it.

use std::rc::Rc;

use modelgate_kit::facts::{ModelCall, Serialized};
use modelgate_kit::route::{Dialect, Operation, Rewritten, Route, Selector};
use modelgate_kit::rule::{Asked, Models};

use crate::why::Why;

/// What was told of a request.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it follows from.
    pub of: Of,
    /// Which model was asked for, and where the request goes.
    pub call: Serialized<ModelCall>,
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

/// What was written into a request whose path names the model: it follows from the path, and for
/// one target always in the same way.
#[derive(Debug)]
pub(crate) struct Kept {
    method: String,
    path: String,
    written: Rc<Rewritten>,
}

impl Kept {
    /// That of this request.
    pub fn new(asked: &Asked<'_>, written: &Rc<Rewritten>) -> Self {
        Self {
            method: asked.method().to_owned(),
            path: asked.path().as_str().to_owned(),
            written: Rc::clone(written),
        }
    }

    /// What is written into this request, if it has the same path.
    pub fn of(&self, asked: &Asked<'_>) -> Option<Rc<Rewritten>> {
        let is_same = self.path == asked.path().as_str() && self.method == asked.method();
        is_same.then(|| Rc::clone(&self.written))
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
