//! What is held of a body is held to its end where a proxy would lose or double the rest.
//!
//! An exchange that waits for something outside (a callout, what the background fetches) is
//! resumed outside of its callbacks. Where a part of its body was held by then, Envoy's host for
//! wasm goes on to put what comes next into the buffer of the filter manager: before August 2026
//! that is lost (envoyproxy/envoy#46841), and where a route retries, what the buffer has kept for
//! that goes to the upstream once more, in later releases too. The end of the body is a callback,
//! in which all of it goes on at once.

use super::Part;
use super::verdict::Action;
use crate::hosts::Rules;

/// One side of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gathering {
    /// The last callback of the body has held it.
    holds: bool,
    /// Nothing more comes.
    ended: bool,
    /// Nothing waits any more but for the end.
    active: bool,
}

impl Gathering {
    /// Whether the message has to wait for its end. `resumes`: nothing else holds it any more, and
    /// that outside of the side's callbacks.
    pub const fn waits(&mut self, rules: &Rules, resumes: bool) -> bool {
        if rules.loses_data_after_resume && resumes && self.holds {
            self.active = true;
        }
        self.active && !self.ended
    }

    /// A part of the message comes, before it is decided on.
    pub const fn comes(&mut self, part: Part) {
        match part {
            Part::Headers(last) => {
                *self = Self {
                    ended: last,
                    ..Self::new()
                }
            }
            Part::Body(_, last) => self.ended |= last,
            Part::Trailers => self.ended = true,
        }
    }

    /// What the proxy was told of it.
    pub const fn told(&mut self, part: Part, action: Action) {
        if matches!(part, Part::Body(..)) {
            self.holds = matches!(action, Action::Pause);
        }
    }

    const fn new() -> Self {
        Self {
            holds: false,
            ended: false,
            active: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::{ENVOY, nginx};

    #[test]
    fn what_is_resumed_within_its_body_goes_on_at_the_end() {
        for (rules, held) in [(&ENVOY, true), (&nginx::NGINX, false)] {
            let mut side = Gathering::default();
            side.comes(Part::Headers(false));
            assert!(!side.waits(rules, true), "no body yet");
            side.comes(Part::Body(3, false));
            side.told(Part::Body(3, false), Action::Pause);
            assert_eq!(side.waits(rules, true), held);
            side.comes(Part::Body(6, false));
            assert_eq!(side.waits(rules, false), held);
            for last in [Part::Body(9, true), Part::Trailers] {
                let mut side = side;
                side.comes(last);
                assert!(!side.waits(rules, false), "{last:?}");
            }
        }
    }

    #[test]
    fn what_goes_on_in_its_own_callbacks_is_never_gathered() {
        let mut side = Gathering::default();
        side.comes(Part::Body(3, false));
        side.told(Part::Body(3, false), Action::Pause);
        assert!(!side.waits(&ENVOY, false));
        side.told(Part::Body(6, false), Action::Continue);
        assert!(!side.waits(&ENVOY, true));
    }
}
