//! What is held of a body is held to its end where a proxy would lose or double the rest.
//!
//! An exchange that waits for something outside (a callout, what the background fetches) is
//! resumed outside of its callbacks. Where a part of its body was held by then, Envoy's host for
//! wasm goes on to put what comes next into the buffer of the filter manager: before August 2026
//! that is lost (envoyproxy/envoy#46841), and where a route retries, what the buffer has kept for
//! that goes to the upstream once more, in later releases too. The end of the body is a callback,
//! in which all of it goes on at once.
//!
//! A body may never end: a client may wait for an answer before it sends more. So it has to go on
//! within [`MAX_IDLE_NS`] and to end within [`MAX_NS`]; else the exchange is refused.

use super::Part;
use super::verdict::Action;
use crate::host::Host;
use crate::hosts::Rules;

/// Longest time between two pieces, in nanoseconds.
const MAX_IDLE_NS: u64 = 5_000_000_000;
/// Longest time until the end, in nanoseconds.
const MAX_NS: u64 = 60_000_000_000;

/// Since when a side waits for its end, by the wall clock in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Since {
    begun_ns: u64,
    /// When the last piece came.
    heard_ns: u64,
    /// When it is looked at again.
    looked_at_ns: u64,
}

/// What is to be done about a side that waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing.
    Later,
    /// To look again at this time.
    Watch(u64),
    /// It has waited too long.
    Over,
}

/// One side of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gathering {
    /// The last callback of the body has held it.
    holds: bool,
    /// Nothing more comes.
    ended: bool,
    /// Nothing waits any more but for the end.
    active: Option<Since>,
}

impl Gathering {
    /// Whether the message has to wait for its end. `resumes`: nothing else holds it any more, and
    /// that outside of the side's callbacks.
    pub fn waits(&mut self, rules: &Rules, resumes: bool, host: &dyn Host) -> bool {
        if rules.loses_data_after_resume && resumes && self.holds && self.active.is_none() {
            let now_ns = host.now_ns();
            self.active = Some(Since {
                begun_ns: now_ns,
                heard_ns: now_ns,
                looked_at_ns: now_ns,
            });
        }
        self.active.is_some() && !self.ended
    }

    /// Looks whether it has waited too long for its end.
    pub fn look(&mut self, host: &dyn Host) -> Look {
        let Some(since) = self.active.as_mut().filter(|_| !self.ended) else {
            return Look::Later;
        };
        let now_ns = host.now_ns();
        if now_ns < since.looked_at_ns {
            return Look::Later;
        }
        let idle_ns = since.heard_ns.saturating_add(MAX_IDLE_NS);
        let until_ns = idle_ns.min(since.begun_ns.saturating_add(MAX_NS));
        if until_ns <= now_ns {
            return Look::Over;
        }
        since.looked_at_ns = until_ns;
        Look::Watch(until_ns)
    }

    /// A part of the message comes, before it is decided on.
    pub fn comes(&mut self, part: Part, host: &dyn Host) {
        if let Some(since) = &mut self.active {
            since.heard_ns = host.now_ns();
        }
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
            active: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::{ENVOY, nginx};
    use crate::testing::FakeProxy;

    #[test]
    fn what_is_resumed_within_its_body_goes_on_at_the_end() {
        let host = FakeProxy::new(0);
        for (rules, held) in [(&ENVOY, true), (&nginx::NGINX, false)] {
            let mut side = Gathering::default();
            side.comes(Part::Headers(false), &*host);
            assert!(!side.waits(rules, true, &*host), "no body yet");
            side.comes(Part::Body(3, false), &*host);
            side.told(Part::Body(3, false), Action::Pause);
            assert_eq!(side.waits(rules, true, &*host), held);
            side.comes(Part::Body(6, false), &*host);
            assert_eq!(side.waits(rules, false, &*host), held);
            for last in [Part::Body(9, true), Part::Trailers] {
                let mut side = side;
                side.comes(last, &*host);
                assert!(!side.waits(rules, false, &*host), "{last:?}");
            }
        }
    }

    #[test]
    fn what_goes_on_in_its_own_callbacks_is_never_gathered() {
        let host = FakeProxy::new(0);
        let mut side = Gathering::default();
        side.comes(Part::Body(3, false), &*host);
        side.told(Part::Body(3, false), Action::Pause);
        assert!(!side.waits(&ENVOY, false, &*host));
        side.told(Part::Body(6, false), Action::Continue);
        assert!(!side.waits(&ENVOY, true, &*host));
        assert_eq!(side.look(&*host), Look::Later);
    }

    /// A side that waits for its end since the beginning of time.
    fn gathering(host: &FakeProxy) -> Gathering {
        let mut side = Gathering::default();
        side.comes(Part::Body(3, false), host);
        side.told(Part::Body(3, false), Action::Pause);
        assert!(side.waits(&ENVOY, true, host));
        assert_eq!(side.look(host), Look::Watch(MAX_IDLE_NS));
        side
    }

    #[test]
    fn a_body_that_does_not_go_on_is_over_in_time() {
        let host = FakeProxy::new(0);
        let mut side = gathering(&host);
        assert_eq!(side.look(&*host), Look::Later, "it is looked at already");
        host.pass_ns(MAX_IDLE_NS);
        let mut ended = side;
        ended.comes(Part::Body(6, true), &*host);
        assert_eq!(ended.look(&*host), Look::Later);
        assert_eq!(side.look(&*host), Look::Over);
    }

    #[test]
    fn a_body_that_goes_on_and_never_ends_is_over_in_time() {
        let host = FakeProxy::new(0);
        let mut side = gathering(&host);
        let step_ns = MAX_IDLE_NS / 2;
        for at in 1..MAX_NS / step_ns {
            host.pass_ns(step_ns);
            side.comes(Part::Body(3, false), &*host);
            assert_ne!(side.look(&*host), Look::Over, "{at}");
        }
        host.pass_ns(step_ns);
        side.comes(Part::Body(3, false), &*host);
        assert_eq!(side.look(&*host), Look::Over);
    }
}
