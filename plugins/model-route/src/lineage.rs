//! What is told of a request that has its target: the facts for later filters and the audit, and
//! the header of the answer.
//!
//! Requests for one model are much alike, so each target keeps what was told last.

use std::rc::Rc;

use modelgate_kit::facts::{ModelCall, Routed};
use modelgate_kit::route::Selector;
use modelgate_kit::rule::Asked;
use modelgate_kit::structured_field::{Bare, Item, push_member};

use crate::kept::{Of, Told};
use crate::plan::Target;
use crate::why::Why;

impl Target {
    /// What is told of a request that names the model so and goes to this target.
    pub fn tell(&self, name: &str, why: Why, asked: &Asked<'_>) -> Rc<Told> {
        let mut last = self.told.borrow_mut();
        if let Some(told) = last.as_ref().filter(|told| told.of.is(name, why, asked)) {
            return Rc::clone(told);
        }
        let told = Rc::new(self.tell_anew(name, why, asked));
        *last = Some(Rc::clone(&told));
        told
    }

    fn tell_anew(&self, name: &str, why: Why, asked: &Asked<'_>) -> Told {
        let routed = Routed {
            name: name.to_owned(),
            target: self.tag.clone(),
            backend: self.backend.clone(),
            model: self.served(name).to_owned(),
            version: self.version().to_owned(),
            why: why.as_str().to_owned(),
        };
        let call = ModelCall {
            route: Some(Box::new(routed)),
            ..asked.model_call().unwrap_or_default()
        };
        Told {
            of: Of::new(name, why, asked),
            call: call.into(),
            header: self.lineage(name, false),
        }
    }

    /// The name that the server knows the model by.
    fn served<'a>(&'a self, name: &'a str) -> &'a str {
        self.model.as_deref().unwrap_or(name)
    }

    /// What the answer's header says: the name that was asked for, and what it stands for (RFC
    /// 9651: a list of one string with parameters). `is_degraded` says that the operator's answer
    /// stands in place of the model's.
    pub fn lineage(&self, name: &str, is_degraded: bool) -> Option<String> {
        let mut parameters = vec![("target", Bare::String(&self.tag))];
        if is_degraded {
            parameters.push(("answer", Bare::String("degraded")));
        } else {
            parameters.push(("model", text(self.served(name))));
            parameters.extend(self.selector.as_ref().map(|selector| {
                let kind = match selector {
                    Selector::Version(_) => "version",
                    Selector::Label(_) => "label",
                    Selector::Variant(_) => "variant",
                    Selector::Deployment(_) => "deployment",
                    Selector::InferenceComponent(_) => "inference_component",
                };
                (kind, text(selector.name()))
            }));
        }
        let mut field = String::new();
        let item = Item {
            value: text(name),
            parameters: &parameters,
        };
        push_member(&mut field, &item).ok()?;
        Some(field)
    }
}

/// A text as a structured field has it: a string, or bytes where that cannot hold it.
fn text(text: &str) -> Bare<'_> {
    match text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Bare::String(text),
        false => Bare::Bytes(text.as_bytes()),
    }
}
