//! A filter: one asynchronous function over an exchange, a configuration, and what it needs of the
//! proxy.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::config::long::LongList;
use crate::config::{Problems, Setup};
use crate::exchange::Exchange;
use crate::headers::Reserved;
use crate::problem::{Reason, Reply};
use crate::root::Root;

/// What a filter needs the proxy to switch on or to call. Tools derive from it what a proxy
/// configuration must say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Holds the request's headers until its body is here: Envoy's
    /// `allow_on_headers_stop_iteration: true`.
    pub buffers_request: bool,
    /// Reads or changes response headers.
    pub response_headers: bool,
    /// Reads or changes the request's body.
    pub request_body: bool,
    /// Reads or changes the response's body.
    pub response_body: bool,
    /// Reads the response's trailers, and nothing of its body: asked for only where there are any.
    pub response_trailers: bool,
    /// May hold a request, for a callout or a signal: then it must also see the body and the
    /// trailers, or these would release it.
    pub holds: bool,
    /// Makes HTTP callouts, from exchanges or in the background.
    pub callouts: bool,
    /// Keeps names of request headers for itself ([`Filter::reserved`]): what a client sends under
    /// them as trailers is taken out.
    pub reserves: bool,
    /// Wants to know how the exchange ended.
    pub end: bool,
    /// Period of its background task in milliseconds; 0 for none.
    pub tick_ms: u32,
    /// Position in the chain; lower comes first on the request's way. `modelgate check` compares.
    pub order: u8,
}

impl Needs {
    /// Request headers only.
    pub const NONE: Self = Self {
        buffers_request: false,
        response_headers: false,
        request_body: false,
        response_body: false,
        response_trailers: false,
        holds: false,
        callouts: false,
        reserves: false,
        end: false,
        tick_ms: 0,
        order: 0,
    };
}

/// The groups of callbacks that a module may export besides those of every module. The names are
/// those that [`export!`](crate::export) takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// `proxy_on_request_body`, with the trailers: without them, a body would not have its end.
    pub request_body: bool,
    /// `proxy_on_request_trailers` alone.
    pub request_trailers: bool,
    /// `proxy_on_response_headers`.
    pub response_headers: bool,
    /// `proxy_on_response_body`, with the trailers.
    pub response_body: bool,
    /// `proxy_on_response_trailers` alone.
    pub response_trailers: bool,
    /// `proxy_on_http_call_response`.
    pub answers: bool,
    /// `proxy_on_tick`.
    pub tick: bool,
    /// `proxy_on_log`.
    pub end: bool,
}

impl Callbacks {
    /// None of them.
    pub const NONE: Self = Self {
        request_body: false,
        request_trailers: false,
        response_headers: false,
        response_body: false,
        response_trailers: false,
        answers: false,
        tick: false,
        end: false,
    };

    /// All of them.
    #[cfg(all(feature = "dynamic", unix))]
    pub(crate) const ALL: Self = Self {
        request_body: true,
        request_trailers: true,
        response_headers: true,
        response_body: true,
        response_trailers: true,
        answers: true,
        tick: true,
        end: true,
    };

    /// Those that a filter with these needs has.
    pub const fn of(needs: &Needs) -> Self {
        let request_body = needs.request_body || needs.buffers_request || needs.holds;
        Self {
            request_body,
            request_trailers: needs.reserves && !request_body,
            response_headers: needs.response_headers || needs.response_body,
            response_body: needs.response_body,
            response_trailers: needs.response_trailers && !needs.response_body,
            answers: needs.callouts,
            tick: needs.tick_ms > 0,
            end: needs.end,
        }
    }

    /// Whether the end of a request is told where trailers are: with the body, or alone.
    pub const fn hears_request_trailers(self) -> bool {
        self.request_body || self.request_trailers
    }

    /// The same of a response.
    pub const fn hears_response_trailers(self) -> bool {
        self.response_body || self.response_trailers
    }

    /// Those that one or the other has.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self {
            request_body: self.request_body || others.request_body,
            request_trailers: self.request_trailers || others.request_trailers,
            response_headers: self.response_headers || others.response_headers,
            response_body: self.response_body || others.response_body,
            response_trailers: self.response_trailers || others.response_trailers,
            answers: self.answers || others.answers,
            tick: self.tick || others.tick,
            end: self.end || others.end,
        }
    }

    /// Each with its name.
    pub const fn groups(self) -> [(&'static str, bool); 8] {
        [
            ("request_body", self.request_body),
            ("request_trailers", self.request_trailers),
            ("response_headers", self.response_headers),
            ("response_body", self.response_body),
            ("response_trailers", self.response_trailers),
            ("answers", self.answers),
            ("tick", self.tick),
            ("end", self.end),
        ]
    }

    /// Whether they are the same; for [`export!`](crate::export).
    pub const fn are(self, others: Self) -> bool {
        self.request_body == others.request_body
            && self.request_trailers == others.request_trailers
            && self.response_headers == others.response_headers
            && self.response_body == others.response_body
            && self.response_trailers == others.response_trailers
            && self.answers == others.answers
            && self.tick == others.tick
            && self.end == others.end
    }
}

/// Whether these are all reasons of the filter with this name.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler only
const fn all_of(reasons: &[&Reason], filter: &str) -> bool {
    let mut at = 0;
    while at < reasons.len() {
        if !equal(reasons[at].filter.as_bytes(), filter.as_bytes()) {
            return false;
        }
        at += 1;
    }
    true
}

#[allow(clippy::indexing_slicing)] // evaluated by the compiler only
const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A configuration type: strict serde, and a JSON Schema for the tools.
pub trait Written: serde::de::DeserializeOwned + Default + schemars::JsonSchema {}
impl<T: serde::de::DeserializeOwned + Default + schemars::JsonSchema> Written for T {}

/// One concern, written once, run by every host.
pub trait Filter: 'static {
    /// Name in configurations, metrics and response-code details: snake_case.
    const NAME: &'static str;
    /// Its release, by semantic versioning. The suite's filters have the kit's; a filter of
    /// somebody else says `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str = crate::manifest::VERSION;
    /// What it needs of the proxy.
    const NEEDS: Needs;
    /// Why it refuses an exchange, beyond the reasons that every filter can give
    /// ([`crate::problem::common`]); see [`reasons!`](crate::reasons). A counter is defined for
    /// each, and the documentation lists them.
    const REASONS: &'static [&'static Reason] = &[];
    /// Tags of its metrics ([`crate::metrics`]): tools turn these parts of their names back into
    /// labels.
    const TAGS: &'static [&'static str] = &[];
    /// Names of the facts ([`crate::facts::Fact::NAME`]) that this filter leaves and no other does:
    /// in a chain that has it, the proxy is not asked for one that it has not left. A fact that
    /// several filters can leave, such as `identity`, is not among them.
    const LEAVES: &'static [&'static str] = &[];
    /// Variables of the VM's environment that it reads where its configuration names none.
    const ENVIRONMENT: &'static [&'static str] = &[];
    /// Names that options had in earlier releases, with today's: whoever still writes one is told.
    const FORMER: &'static [(&'static str, &'static str)] = &[];
    /// A member of the configuration that may list so much that its JSON must not be built up as
    /// well: see [`crate::config::long`].
    const LONG_LIST: Option<LongList> = None;
    /// What the operator writes. `{}` and an absent configuration both mean `Config::default()`.
    type Config: Written;
    /// What runs.
    type Plan: 'static;

    /// Turns what was written into what runs. Adds every problem it finds; `None` only together
    /// with a problem.
    fn compile(
        config: Self::Config,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Self::Plan>;

    /// Handles one exchange. `Err` ends it with a reply.
    fn handle(
        plan: Rc<Self::Plan>,
        exchange: Exchange,
    ) -> impl Future<Output = Result<(), Reply>> + 'static;

    /// Names of request headers that the filter writes, or takes credentials from, under this plan.
    /// With [`Needs::reserves`], what a client sends under them as trailers is taken out: a
    /// receiver may merge trailers into headers (RFC 9110 section 6.5.1 forbids it, and some do).
    /// Asked only where there are trailers. The default has none.
    fn reserved(_plan: &Self::Plan) -> Reserved {
        Reserved::default()
    }

    /// Background work of one plan, polled on every tick, callout answer and nudge. The default has
    /// none.
    fn background(_plan: Rc<Self::Plan>, _root: Root) -> impl Future<Output = ()> + 'static {
        std::future::ready(())
    }

    /// The configuration of this plan is gone: replaced, or its listener closed. What must outlive
    /// it is handed on here; the proxy takes no callouts any more. The default has nothing to hand
    /// on.
    fn ended(_plan: &Self::Plan, _root: &Root) {}
}

/// The future of one exchange.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<(), Reply>>>>;
/// The future of a background task.
pub(crate) type Background = Pin<Box<dyn Future<Output = ()>>>;

/// A compiled plan of some filter.
pub(crate) trait Launch {
    fn handle(&self, exchange: Exchange) -> Handling;
    fn reserved(&self) -> Reserved;
    fn background(&self, root: Root) -> Background;
    fn ended(&self, root: &Root);
}

/// The plan of filter `F`.
pub(crate) struct PlanOf<F: Filter>(pub Rc<F::Plan>);

impl<F: Filter> Launch for PlanOf<F> {
    fn handle(&self, exchange: Exchange) -> Handling {
        Box::pin(F::handle(Rc::clone(&self.0), exchange))
    }

    fn reserved(&self) -> Reserved {
        F::reserved(&self.0)
    }

    fn background(&self, root: Root) -> Background {
        Box::pin(F::background(Rc::clone(&self.0), root))
    }

    fn ended(&self, root: &Root) {
        F::ended(&self.0, root);
    }
}

type CompileOne = fn(serde_json::Value, &Setup<'_>, &mut Problems) -> Option<Rc<dyn Launch>>;

/// A filter without its type: what a VM, the tools and the native engine hold.
#[derive(Clone, Copy)]
pub struct Registration {
    /// See [`Filter::NAME`].
    pub name: &'static str,
    /// See [`Filter::VERSION`].
    pub version: &'static str,
    /// See [`Filter::NEEDS`].
    pub needs: Needs,
    /// See [`Filter::ENVIRONMENT`].
    pub environment: &'static [&'static str],
    /// See [`Filter::REASONS`].
    pub reasons: &'static [&'static Reason],
    /// See [`Filter::TAGS`].
    #[cfg(feature = "schema")]
    pub tags: &'static [&'static str],
    /// See [`Filter::LEAVES`].
    pub(crate) leaves: &'static [&'static str],
    pub(crate) compile: CompileOne,
    /// See [`Filter::LONG_LIST`].
    pub(crate) long_list: Option<LongList>,
    /// JSON Schema of the configuration.
    #[cfg(feature = "schema")]
    pub schema: fn() -> serde_json::Value,
}

impl Registration {
    /// The registration of a filter.
    pub const fn of<F: Filter>() -> Self {
        const {
            assert!(
                all_of(F::REASONS, F::NAME),
                "reasons! in reasons.rs names another filter than NAME"
            );
        }
        Self {
            name: F::NAME,
            version: F::VERSION,
            needs: F::NEEDS,
            environment: F::ENVIRONMENT,
            reasons: F::REASONS,
            #[cfg(feature = "schema")]
            tags: F::TAGS,
            leaves: F::LEAVES,
            compile: compile::<F>,
            long_list: F::LONG_LIST,
            #[cfg(feature = "schema")]
            schema: crate::config::schema::of::<F>,
        }
    }
}

fn compile<F: Filter>(
    written: serde_json::Value,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Rc<dyn Launch>> {
    let config = crate::config::strict::parse::<F::Config>(&written, F::FORMER, problems)?;
    // No longer needed, and its memory is while the plan is made.
    drop(written);
    let plan = F::compile(
        config.value,
        setup,
        problems.beneath(&config.pruned, &config.replaced),
    )?;
    Some(Rc::new(PlanOf::<F>(Rc::new(plan))))
}
