//! What is made of an answer: the outcome that is counted, the lineage that is told of it, and the
//! substitute that stands in its place.
//!
//! A request is counted once: as soon as its answer's head tells an error, or else, where a target
//! can be taken out, when its answer is over. So an answer that breaks off is an error, and a call
//! of gRPC's is judged by the status behind its messages.

use std::rc::Rc;

use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::explain::{self, Note};
use modelgate_kit::facts::Denied;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::host::Level;
use modelgate_kit::problem::{Instead, REASON_HEADER, Reply};
use modelgate_kit::shared_data::{SharedData, StoreFailed};

use crate::choose::Chosen;
use crate::circuit::{Outcome, State};
use crate::kept::Told;
use crate::plan::{Model, Plan, Rollback, Target};
use crate::reasons::MODEL_DEGRADED;
use crate::watch::Watch;

/// A request that has its target.
pub(crate) struct Sent<'a> {
    pub plan: &'a Plan,
    pub model: &'a Model,
    pub target: &'a Target,
    /// The name that it has asked for.
    pub name: &'a str,
    pub chosen: Chosen,
    /// What is told of it.
    pub told: Rc<Told>,
    /// When it began, where that says something.
    pub began_ns: Option<u64>,
    /// Whether it is a call of gRPC's, whose errors are answers of status 200.
    pub is_call: bool,
}

impl Sent<'_> {
    /// Leaves for the filters that follow, and for the audit, where the request goes.
    ///
    /// # Errors
    /// The proxy's status: an answer whose lineage is not known must not be given.
    pub fn publish(&self, exchange: &Exchange) -> Result<(), Reply> {
        Ok(exchange.publish_serialized(&self.told.call)?)
    }

    /// Waits for the answer, tells the lineage, and counts what has come of the request.
    ///
    /// # Errors
    /// The substitute for an answer.
    pub async fn answered(&self, exchange: &Exchange) -> Result<(), Reply> {
        let forwarded = exchange.forward().await;
        let is_slow = self.is_slow(exchange);
        if forwarded == Forwarded::Gone {
            // The client had no more patience. That says something only where it had enough.
            if is_slow {
                self.count(self.outcome(None, is_slow), exchange);
            }
            return Ok(());
        }
        let status = exchange.response().status();
        // No filter refuses with less: what most answers have in their headers is not read.
        let mut meant = status;
        if self.is_call || status.is_none_or(|status| status >= 400) {
            let headers = exchange.response().headers()?;
            if is_refusal(&headers, exchange) {
                return Ok(());
            }
            meant = call_status(&headers).filter(|_| self.is_call).or(status);
        }
        let outcome = self.outcome(meant, is_slow);
        let is_known = outcome.error || !self.ends_are_told(exchange);
        if is_known {
            self.count(outcome, exchange);
        }
        if let Some(status) = status.filter(|status| self.is_replaced(*status)) {
            explain::tell(|notes| {
                let text = format!("The answer has status {status}: the fallback takes its place.");
                notes.push(Note::fail("fallback", text).with("status", status));
            });
            return Err(self.degraded(exchange));
        }
        if let (Some(name), Some(value)) = (&self.plan.lineage_header, &self.told.header) {
            exchange.response().set_header(name, value)?;
        }
        if !is_known {
            let error = self.fails_at_the_end(exchange).await;
            self.count(Outcome { error, ..outcome }, exchange);
        }
        Ok(())
    }

    /// Whether it counts how the answer ends, and the proxy says so.
    fn ends_are_told(&self, exchange: &Exchange) -> bool {
        self.model.rollback.is_some() && exchange.host().rules().tells_endings
    }

    /// Waits for the end of an answer whose head is good. Whether it is an error.
    async fn fails_at_the_end(&self, exchange: &Exchange) -> bool {
        let trailers = match self.is_call {
            true => exchange.response_trailers().await,
            false => None,
        };
        if let Some(trailers) = trailers {
            return self.is_error(call_status(&trailers));
        }
        exchange.end().await;
        exchange.is_broken_off()
    }

    /// The operator's answer in place of the model's.
    pub fn degraded(&self, exchange: &Exchange) -> Reply {
        self.target.metrics.degraded.add(exchange.host(), 1);
        let reply = Reply::new(&MODEL_DEGRADED);
        let fallback = self.model.fallback.as_ref();
        match fallback.and_then(|fallback| fallback.answer.as_deref()) {
            Some(answer) => {
                let header = self.plan.lineage_header.clone();
                let lineage = header.zip(self.target.lineage(self.name, true));
                let headers = answer.headers.iter().cloned();
                reply.with_answer(Rc::new(Instead {
                    headers: headers.chain(lineage).collect(),
                    ..answer.clone()
                }))
            }
            None => reply,
        }
    }

    fn is_replaced(&self, status: u16) -> bool {
        let fallback = self.model.fallback.as_ref();
        fallback.is_some_and(|fallback| {
            fallback.answer.is_some() && fallback.statuses.contains(&status)
        })
    }

    /// Whether the answer comes late, where that counts.
    fn is_slow(&self, exchange: &Exchange) -> bool {
        let limit = self.model.slow_ns().zip(self.began_ns);
        limit
            .is_some_and(|(slow_ns, began_ns)| exchange.now_ns().saturating_sub(began_ns) > slow_ns)
    }

    /// Whether a status is an error.
    fn is_error(&self, status: Option<u16>) -> bool {
        let rollback = self.model.rollback.as_ref();
        let also = rollback.map_or(&[][..], |rollback| &rollback.error_statuses);
        status.is_some_and(|status| status >= 500 || also.contains(&status))
    }

    /// What has come of the request; without a status the client has left.
    fn outcome(&self, status: Option<u16>, is_slow: bool) -> Outcome {
        Outcome {
            error: self.is_error(status),
            slow: is_slow,
        }
    }

    /// Counts what has come of the request.
    fn count(&self, outcome: Outcome, exchange: &Exchange) {
        let host = exchange.host();
        let metrics = &self.target.metrics;
        if outcome.error {
            metrics.errors.add(host, 1);
        }
        if outcome.slow {
            metrics.slow.add(host, 1);
        }
        if let (Some(rollback), Some(circuit)) = (&self.model.rollback, &self.target.circuit)
            && self.chosen.why.counts()
        {
            self.report(rollback, circuit, outcome, exchange);
        }
    }

    fn report(&self, rollback: &Rollback, circuit: &str, outcome: Outcome, exchange: &Exchange) {
        let host = exchange.host();
        let watch = Watch {
            store: &SharedData(host),
            rules: &rollback.rules,
            now_ns: exchange.now_ns(),
        };
        match watch.report(circuit, outcome, self.chosen.on_trial) {
            Ok(reported) => {
                // All workers have one gauge: what stays closed is not said again.
                if reported.changed || reported.state != State::Closed {
                    let gauge = &self.target.metrics.state;
                    gauge.record(host, reported.state.gauge());
                }
                if reported.changed {
                    self.announce(reported.state, exchange);
                }
            }
            Err(StoreFailed) => self.plan.uncounted.add(host, 1),
        }
    }

    /// Tells the operator that a target was taken out, or is back.
    fn announce(&self, state: State, exchange: &Exchange) {
        let (level, what) = match state {
            State::Open => (Level::Warn, "is taken out: too many errors, or too slow"),
            State::Trial => return,
            State::Closed => (Level::Info, "is back"),
        };
        if state == State::Open {
            self.target.metrics.taken_out.add(exchange.host(), 1);
        }
        let (model, target) = (&self.model.name, &self.target.tag);
        let line = format!("model_route: target {target} of model {model} {what}");
        exchange.host().log(level, &line);
    }
}

/// Whether the answer is the refusal of a filter that stands behind us: no server has given it.
fn is_refusal(response: &HeaderBlock, exchange: &Exchange) -> bool {
    // The header alone may be that of a gateway behind ours.
    response.first(REASON_HEADER).is_some() && exchange.fact::<Denied>().is_some()
}

/// The status that stands for the error of a call, in the trailers of its answer or in the headers
/// of one that is nothing else: a server's, or the proxy's own for a server that cannot be reached.
/// What is the caller's fault has none.
fn call_status(block: &HeaderBlock) -> Option<u16> {
    let code = std::str::from_utf8(block.first("grpc-status")?).ok()?;
    match code.trim().parse::<u8>().ok()? {
        // Unknown, internal, data loss: what a model that fails is told as.
        2 | 13 | 15 => Some(500),
        4 => Some(504),
        8 => Some(429),
        12 => Some(501),
        14 => Some(503),
        _ => None,
    }
}
