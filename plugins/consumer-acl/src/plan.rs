//! What runs: the rules, and what is told and counted of their decisions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use modelgate_kit::config::{Mode, Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::facts::{Challenges, Decision};
use modelgate_kit::filter::Filter as _;
use modelgate_kit::host::Host;
use modelgate_kit::metrics::Metric;
use modelgate_kit::problem::Reply;
use modelgate_kit::rule::{Asked, Caller, ModelBody, ModelBodyMode};

use crate::ConsumerAcl;
use crate::config::{Config, OverrideHeaders, Reading};
use crate::engine::{Decided, Effect, Engine, Rule};
use crate::reasons::{ACCESS_DENIED, IDENTITY_MISSING, MODEL_UNKNOWN};

/// The challenge of a 401 where no filter before has left one.
const CHALLENGE: &str = "Bearer realm=\"modelgate\"";

/// The compiled configuration.
#[derive(Debug)]
pub struct Plan {
    pub(crate) mode: Mode,
    engine: Engine,
    model_from_body: ModelBody,
    override_headers: OverrideHeaders,
    pub(crate) shadow_denied: Metric,
    /// By the places of rules: how often each decided, or would have. Of ten thousand rules most
    /// never do.
    decided: RefCell<BTreeMap<usize, Metric>>,
    by_default: Metric,
}

impl Plan {
    /// Compiles the rules; what is wrong with them is added to `problems`.
    pub(crate) fn compile(
        config: Config,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let rules = setup
            .list()
            .unwrap_or_else(|| Rc::new(Reading::all(config.rules, problems)));
        let engine = Engine::new(config.combine, rules);
        let counter = |name| Metric::counter(ConsumerAcl::NAME, &[], name);
        let plan = Plan {
            mode: config.mode,
            override_headers: if engine.looks_at_request() {
                config.override_headers
            } else {
                OverrideHeaders::Allow
            },
            decided: RefCell::default(),
            engine,
            model_from_body: config.model_from_body,
            shadow_denied: counter("shadow_denied"),
            by_default: counter("decided_by_default"),
        };
        plan.shadow_denied.define(setup.host);
        plan.by_default.define(setup.host);
        if setup.host.rules().metrics_are_defined_at_start {
            plan.define_decided(setup.host);
        }
        Some(plan)
    }

    /// Decides, records the decision, and lets the request pass or refuses it.
    pub(crate) async fn judge(&self, caller: Caller<'_>, exchange: &Exchange) -> Result<(), Reply> {
        let headers = exchange.request().headers()?;
        let mut asked = Asked::read(&headers).inspect_err(|_| self.publish_default(exchange))?;
        if self.engine.needs_model(caller, &asked) {
            asked
                .read_model(exchange, &self.model_from_body)
                .await
                .inspect_err(|_| self.publish_default(exchange))?;
        }
        let decided = self.engine.decide(caller, &asked);
        explain::tell(|notes| notes.extend(self.engine.told(decided, caller, &asked)));
        self.record(decided, caller, &asked, exchange)?;
        match decided.effect {
            Effect::Allow if self.mode == Mode::Shadow => Ok(()),
            Effect::Allow => self.override_headers.apply(&headers, exchange),
            Effect::Deny => Err(self.refusal(decided, caller, &asked, exchange)),
        }
    }

    /// What a caller is told who may not. One without identity is asked to authenticate only where
    /// that could help.
    fn refusal(
        &self,
        decided: Decided,
        caller: Caller<'_>,
        asked: &Asked<'_>,
        exchange: &Exchange,
    ) -> Reply {
        if decided.rule.is_some() {
            return Reply::new(&ACCESS_DENIED);
        }
        let bodies_are_read = self.model_from_body.mode == ModelBodyMode::Read;
        if matches!(caller, Caller::Unknown)
            && self.engine.could_allow_somebody(asked, bodies_are_read)
        {
            let reply = Reply::new(&IDENTITY_MISSING);
            // With the reply go the challenges that the filters before us have left (RFC 9110
            // section 11.6.1: one at least).
            return match exchange.fact::<Challenges>() {
                Some(challenges) if !challenges.offered.is_empty() => reply,
                _ => reply.with_header("www-authenticate", CHALLENGE),
            };
        }
        if self.engine.lacks_only_the_model(caller, asked) {
            return Reply::new(&MODEL_UNKNOWN);
        }
        Reply::new(&ACCESS_DENIED)
    }

    /// Counts the decision and leaves it, with what was asked, for the filters that follow and for
    /// the audit.
    fn record(
        &self,
        decided: Decided,
        caller: Caller<'_>,
        asked: &Asked<'_>,
        exchange: &Exchange,
    ) -> Result<(), Reply> {
        let host = exchange.host();
        for at in self.engine.shadows(caller, asked) {
            self.count(at, host);
        }
        match decided.rule {
            Some(at) => self.count(at, host),
            None => self.by_default.add(host, 1),
        }
        let rule = decided
            .rule
            .and_then(|at| self.engine.rules().get(at))
            .map(|rule| rule.id.clone());
        exchange.publish(self.decision(decided.effect, rule.unwrap_or_default()))?;
        if let Some(call) = asked.model_call() {
            exchange.publish(call)?;
        }
        Ok(())
    }

    /// Counts that a rule has decided, or would have.
    fn count(&self, at: usize, host: &dyn Host) {
        if let Some(rule) = self.engine.rules().get(at) {
            let mut decided = self.decided.borrow_mut();
            let metric = decided.entry(at).or_insert_with(|| counter_of(rule));
            metric.add(host, 1);
        }
    }

    /// Defines the counter of every rule. Where that can wait, it waits until the rule decides:
    /// there may be thousands.
    fn define_decided(&self, host: &dyn Host) {
        let mut decided = self.decided.borrow_mut();
        for (at, rule) in self.engine.rules().iter().enumerate() {
            let metric = decided.entry(at).or_insert_with(|| counter_of(rule));
            metric.define(host);
        }
    }

    /// A request that cannot be judged is denied by the default.
    fn publish_default(&self, exchange: &Exchange) {
        self.by_default.add(exchange.host(), 1);
        // The refusal that follows carries the reason; a fact that cannot be left changes nothing
        // about it.
        let _ = exchange.publish(self.decision(Effect::Deny, String::new()));
    }

    fn decision(&self, effect: Effect, rule: String) -> Decision {
        Decision {
            filter: ConsumerAcl::NAME.to_owned(),
            effect: effect.as_str().to_owned(),
            rule,
            shadow: self.mode == Mode::Shadow,
        }
    }
}

/// The counter of a rule.
fn counter_of(rule: &Rule) -> Metric {
    let name = match rule.shadow {
        true => "shadow_matched",
        false => "decided",
    };
    Metric::counter(ConsumerAcl::NAME, &[("rule", &rule.id)], name)
}
