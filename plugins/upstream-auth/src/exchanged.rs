//! Tokens in exchange for callers' own (RFC 8693, and Entra ID's on-behalf-of flow), remembered by
//! caller.
//!
//! The exchange is made in the background, so that it does not end with the request that has asked
//! first: whoever comes with the same token meanwhile waits for the same call. What is remembered
//! is found by the SHA-256 of the caller's token; the token itself is kept until its exchange has
//! ended, and no longer.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use modelgate_kit::cache::Cache;
use modelgate_kit::config::SecretBytes;
use modelgate_kit::credential::Place;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::metrics::Metric;
use modelgate_kit::root::Root;
use modelgate_kit::signal::Signal;
use sha2::{Digest as _, Sha256};

use crate::fault::TokenFault;
use crate::grant::Grant;
use crate::token::{Token, jwt_expires_ms};

/// Most exchanges that are asked for and have not ended; the next caller is told to come again.
const MAX_PENDING: usize = 64;
/// How long a refusal is remembered, in milliseconds.
const REFUSED_MS: u64 = 30_000;
/// How long nothing is asked for a caller after a failure, in milliseconds.
const FAILED_MS: u64 = 1000;
/// How long a fault that goes on is not logged again, in milliseconds.
const TELL_AGAIN_MS: u64 = 60_000;
/// How often a request that waits looks at most: it is woken by its own exchange only.
const MOST_LOOKS: usize = 8;
/// A token is not sent any more this long before its end, in milliseconds: it has a way to go.
const MARGIN_MS: u64 = 2000;

type Print = [u8; 32];

/// What is known for a caller's token.
#[derive(Clone)]
enum Known {
    /// The token that it was exchanged for.
    Token(Token),
    /// The endpoint does not exchange it; until then that is taken for certain.
    Refused(u64),
    /// There was no answer that says anything of it; until then nobody asks again.
    Failed(u64),
}

/// An exchange that has not ended.
struct Pending {
    print: Print,
    /// The caller's token, until the exchange begins.
    subject: RefCell<Option<SecretBytes>>,
    signal: Signal,
}

/// What a request learns.
pub enum NoToken {
    /// The endpoint refuses.
    Refused,
    /// Come again after so many seconds.
    Unavailable(u64),
}

/// Tokens in exchange for callers' own.
pub struct Exchanged {
    /// Where the caller's token stands.
    pub places: Vec<Place>,
    /// Longest token of a caller's, in bytes.
    pub max_token_bytes: usize,
    name: String,
    grant: Grant,
    /// The parameter that holds the caller's token.
    parameter: &'static str,
    wait_ms: u64,
    min_interval_ms: u64,
    known: RefCell<Cache<Known>>,
    pending: RefCell<Vec<Rc<Pending>>>,
    /// The fault that was logged last, and when.
    told: RefCell<Option<(TokenFault, u64)>>,
    exchanges: Metric,
    failures: Metric,
}

/// How much is remembered, and how long a request waits.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Entries that are remembered.
    pub entries: usize,
    /// Longest token of a caller's, in bytes.
    pub max_token_bytes: usize,
    /// Longest that a request waits, in milliseconds.
    pub wait_ms: u64,
    /// Least time between two exchanges of a token that was accepted, in milliseconds.
    pub min_interval_ms: u64,
}

impl Exchanged {
    /// `name` is how logs call it: the path in the configuration. `parameter` of the request holds
    /// the caller's token.
    pub fn new(
        name: String,
        (grant, parameter): (Grant, &'static str),
        places: Vec<Place>,
        bounds: Bounds,
        filter: &str,
        host: &dyn Host,
    ) -> Self {
        let counter = |name| {
            let counter = Metric::counter(filter, &[], name);
            counter.define(host);
            counter
        };
        Self {
            places,
            max_token_bytes: bounds.max_token_bytes,
            name,
            grant,
            parameter,
            wait_ms: bounds.wait_ms,
            min_interval_ms: bounds.min_interval_ms,
            known: RefCell::new(Cache::new(bounds.entries, host.random())),
            pending: RefCell::default(),
            told: RefCell::default(),
            exchanges: counter("token_exchanges"),
            failures: counter("token_exchange_failures"),
        }
    }

    /// The token for a caller's; waits for it, bounded.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, exchange: &Exchange, subject: &[u8]) -> Result<Token, NoToken> {
        let print: Print = Sha256::digest(subject).into();
        let since_ms = now_ms(exchange.host());
        let deadline_ms = since_ms.saturating_add(self.wait_ms);
        for _ in 0..MOST_LOOKS {
            let now_ms = now_ms(exchange.host());
            let known = self.known.borrow_mut().recall(&print);
            match known {
                Some(Known::Token(token)) if now_ms < token.expires_ms => return Ok(token),
                Some(Known::Refused(until_ms)) if now_ms < until_ms => {
                    return Err(NoToken::Refused);
                }
                Some(Known::Failed(until_ms)) if now_ms < until_ms => {
                    return Err(NoToken::Unavailable(1));
                }
                _ => {}
            }
            let Some(pending) = self.ask(print, subject) else {
                return Err(NoToken::Unavailable(1));
            };
            exchange.nudge_background();
            if now_ms >= deadline_ms || !exchange.host().rules().exchanges_may_wait {
                break;
            }
            exchange
                .signalled(&pending.signal, deadline_ms.saturating_mul(1_000_000))
                .await;
        }
        Err(NoToken::Unavailable(1))
    }

    /// The backend has refused what this caller's token was exchanged for: it is exchanged anew.
    pub fn doubt(&self, subject: &[u8], sent: &Token, now_ms: u64) {
        let print: Print = Sha256::digest(subject).into();
        let mut known = self.known.borrow_mut();
        if let Some(Known::Token(token)) = known.recall(&print)
            && Rc::ptr_eq(&token.value, &sent.value)
            && now_ms >= token.asked_ms.saturating_add(self.min_interval_ms)
        {
            known.forget(&print);
        }
    }

    /// The exchange for a token, which somebody else may have asked for; none where too many are
    /// under way.
    fn ask(&self, print: Print, subject: &[u8]) -> Option<Rc<Pending>> {
        let mut pending = self.pending.borrow_mut();
        if let Some(asked) = pending.iter().find(|pending| pending.print == print) {
            return Some(Rc::clone(asked));
        }
        if pending.len() >= MAX_PENDING {
            return None;
        }
        let asked = Rc::new(Pending {
            print,
            subject: RefCell::new(Some(SecretBytes::new(subject.to_vec()))),
            signal: Signal::default(),
        });
        pending.push(Rc::clone(&asked));
        Some(asked)
    }

    /// Makes the exchanges that requests ask for, side by side, for as long as the plan lives.
    pub async fn keep_exchanging(self: Rc<Self>, root: Root) {
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        poll_fn(|context| {
            // Those that have not begun still hold the caller's token.
            let begun: Vec<(Rc<Pending>, SecretBytes)> = {
                let pending = self.pending.borrow();
                let waiting = pending.iter().filter_map(|pending| {
                    let subject = pending.subject.borrow_mut().take()?;
                    Some((Rc::clone(pending), subject))
                });
                waiting.collect()
            };
            for (pending, subject) in begun {
                let (this, root) = (Rc::clone(&self), root.clone());
                tasks.push(Box::pin(async move {
                    this.exchange(&root, &pending, &subject).await;
                }));
            }
            tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
            Poll::<()>::Pending
        })
        .await;
    }

    async fn exchange(&self, root: &Root, pending: &Pending, subject: &SecretBytes) {
        let text = subject.expose_text().unwrap_or_default();
        let outcome = self.grant.ask(root, &[(self.parameter, text)]).await;
        let host = root.host();
        let now_ms = now_ms(host);
        self.exchanges.add(host, 1);
        let known = match outcome {
            Ok(mut token) => {
                // Never longer than the caller's own, where that can be read: that is
                // believed for nothing but to forget sooner.
                let end_ms = jwt_expires_ms(subject.expose()).unwrap_or(u64::MAX);
                let margin_ms = MARGIN_MS.min(token.expires_ms.saturating_sub(now_ms) / 5);
                token.expires_ms = token.expires_ms.saturating_sub(margin_ms).min(end_ms);
                match token.expires_ms > now_ms {
                    true => Known::Token(token),
                    // The caller's own has expired.
                    false => Known::Refused(now_ms.saturating_add(REFUSED_MS)),
                }
            }
            Err(fault) => {
                self.failures.add(host, 1);
                if fault.is_about_the_subject() {
                    Known::Refused(now_ms.saturating_add(REFUSED_MS))
                } else {
                    self.tell(host, fault, now_ms);
                    Known::Failed(now_ms.saturating_add(FAILED_MS))
                }
            }
        };
        self.known.borrow_mut().remember(&pending.print, known);
        let mut all = self.pending.borrow_mut();
        all.retain(|other| other.print != pending.print);
        drop(all);
        root.notify(&pending.signal);
    }

    /// Logs a fault; the same one again only once a minute.
    fn tell(&self, host: &dyn Host, fault: TokenFault, now_ms: u64) {
        let mut told = self.told.borrow_mut();
        let is_known = told.is_some_and(|(known, at_ms)| {
            known == fault && now_ms < at_ms.saturating_add(TELL_AGAIN_MS)
        });
        if !is_known {
            let line = format!("{}: a token could not be exchanged: {fault}", self.name);
            host.log(Level::Warn, &line);
            *told = Some((fault, now_ms));
        }
    }
}

fn now_ms(host: &dyn Host) -> u64 {
    host.now_ns() / 1_000_000
}
