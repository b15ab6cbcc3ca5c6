//! `rate-limit`: how much a caller may ask for.
//!
//! Several limits at once, each with several windows, counted without races in memory that all workers of a proxy share: a request takes
//! from every bucket that it needs, or from none. Clients are told what is left and, when refused, when to come back. What it cannot do:
//! count what other proxies admit, or weigh a request by its answer.

pub mod client_ip;
pub mod config;
pub mod headers;
pub mod key;
pub mod policy;
pub mod reasons;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::bucket::{Claim, Decision, Outcome, SharedData, take_all};
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::facts::{Fact as _, Identity, Limited};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::metrics::Metric;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::rule::{Asked, Caller, ModelBody};

use client_ip::Prefix;
use config::{Config, Headers, Mode, OnMissingKey, OnTrouble};
use headers::{Standing, legacy, ratelimit, ratelimit_policy, retry_after_s, tightest};
use key::{ClientIp, Material, make};
use policy::{Policy, Windows};
use reasons::{LIMIT_EXCEEDED, LIMIT_KEY_MISSING, LIMIT_UNAVAILABLE};

/// Writes that are tried for one bucket before the operator's choice takes over.
const TRIES: u32 = 8;

/// The filter.
#[derive(Debug)]
pub struct RateLimit;

/// The compiled configuration.
#[derive(Debug)]
pub struct Plan {
    mode: Mode,
    policies: Vec<Policy>,
    headers: Headers,
    jitter_s: u64,
    on_contention: OnTrouble,
    on_error: OnTrouble,
    client_ip: ClientIp,
    model_from_body: ModelBody,
    counters: Counters,
}

#[derive(Debug)]
struct Counters {
    evicted: Metric,
    crowded: Metric,
    foreign: Metric,
    mismatched: Metric,
    stranded: Metric,
    uncounted: Metric,
    shadow_denied: Metric,
}

#[cfg(feature = "module")]
modelgate_kit::export!(RateLimit: request_body, response_headers);

impl Filter for RateLimit {
    const NAME: &'static str = "rate_limit";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        response_headers: true,
        request_body: true,
        response_body: false,
        holds: false,
        callouts: false,
        reserves: false,
        end: false,
        tick_ms: 0,
        order: 50,
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const TAGS: &'static [&'static str] = &["policy"];
    const LEAVES: &'static [&'static str] = &[Limited::NAME];
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        // Buckets belong to a policy, whichever profile it is in: two routes must not give a caller two quotas.
        let own = || {
            setup
                .shared_prefix
                .strip_suffix(setup.profile)
                .unwrap_or(&setup.shared_prefix)
                .trim_end_matches('.')
                .to_owned()
        };
        let prefix = config
            .buckets
            .shared_as
            .as_ref()
            .map_or_else(own, |name| format!("modelgate.rate_limit.shared.{name}"));
        if config.buckets.shared_as.as_ref().is_some_and(|name| {
            name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }) {
            problems.add(
                "buckets.shared_as",
                "is not a name",
                "write letters and digits",
            );
        }
        let mut policies: Vec<Policy> = Vec::with_capacity(config.policies.len());
        for (at, written) in config.policies.into_iter().enumerate() {
            problems.within(&format!("policies[{at}]"), |problems| {
                if policies.iter().any(|other| other.name == written.name) {
                    problems.add(
                        "name",
                        "is the name of another policy too",
                        "buckets, metrics and clients know policies by name",
                    );
                }
                let is_shared = config.buckets.shared_as.is_some();
                let count = config.buckets.count.value();
                policies.push(written.compile(count, &prefix, is_shared, problems));
            });
        }
        let counter = |name| Metric::counter(Self::NAME, &[], name);
        let plan = Plan {
            mode: config.mode,
            headers: config.headers,
            jitter_s: config.retry_after_jitter_s.value(),
            on_contention: config.on_contention,
            on_error: config.on_error,
            client_ip: ClientIp {
                trusted_hops: config.client_ip.trusted_hops.size(),
                prefix: Prefix {
                    ipv4_bits: config.client_ip.ipv4_prefix_bits.short(),
                    ipv6_bits: config.client_ip.ipv6_prefix_bits.short(),
                },
            },
            model_from_body: config.model_from_body,
            counters: Counters {
                evicted: counter("evicted"),
                crowded: counter("crowded"),
                foreign: counter("foreign"),
                mismatched: counter("mismatched"),
                stranded: counter("stranded"),
                uncounted: counter("uncounted"),
                shadow_denied: counter("shadow_denied"),
            },
            policies,
        };
        plan.counters.define(setup);
        if problems.is_empty() {
            for policy in &plan.policies {
                policy.limited.define(setup.host);
                // Now, while no request waits for the host's lock. If it fails, it is tried again with each request.
                let random = || setup.host.random();
                let _ = policy.table(&SharedData(setup.host), &random, setup.host.now_ns());
            }
        }
        Some(plan)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let counted = plan.count(&exchange).await;
        if plan.mode == Mode::Shadow {
            if counted.is_err() {
                plan.counters.shadow_denied.add(exchange.host(), 1);
            }
            return Ok(());
        }
        let told = counted?;
        if !told.is_empty() && exchange.forward().await == Forwarded::Answered {
            for (name, value) in &told {
                // The upstream has answered: a header that the host does not take is no reason to fail the exchange.
                let _ = exchange.set_response_header(name, value);
            }
        }
        Ok(())
    }
}

/// Headers for the client.
type Told = Vec<(&'static str, String)>;

impl Plan {
    /// Takes from every bucket that applies; the headers for the answer, or the refusal.
    async fn count(&self, exchange: &Exchange) -> Result<Told, Reply> {
        let headers = exchange.request()?;
        let identity = if self.policies.iter().any(Policy::looks_at_identity) {
            exchange.fact::<Identity>()
        } else {
            None
        };
        let caller = Caller::from(identity.as_deref());
        let mut asked = if self.policies.iter().any(Policy::looks_at_request) {
            Some(Asked::read(&headers)?)
        } else {
            None
        };
        if let Some(asked) = &mut asked
            && self
                .policies
                .iter()
                .any(|policy| policy.needs_model(caller, asked))
        {
            asked.read_model(exchange, &self.model_from_body).await?;
        }
        let material = Material {
            exchange,
            headers: &headers,
            identity: identity.as_deref(),
            asked: asked.as_ref(),
            client_ip: self.client_ip,
        };
        let mut charges = Vec::new();
        for policy in &self.policies {
            let Some(windows) = policy.applying(caller, asked.as_ref()) else {
                continue;
            };
            let key = make(&policy.parts, &material);
            match (key.incomplete, policy.on_missing_key) {
                (true, OnMissingKey::Deny) => return Err(Reply::new(&LIMIT_KEY_MISSING)),
                (true, OnMissingKey::Skip) => {}
                (false, _) | (true, OnMissingKey::Shared) => {
                    charges.push((policy, windows, key.bytes))
                }
            }
        }
        if charges.is_empty() {
            return Ok(Told::new());
        }
        let outcome = take(&charges, exchange);
        self.record(&outcome, exchange);
        self.conclude(&charges, &outcome, exchange)
    }

    fn conclude(
        &self,
        charges: &[Charge<'_>],
        outcome: &Outcome,
        exchange: &Exchange,
    ) -> Result<Told, Reply> {
        let on_trouble = match outcome.decision {
            Decision::Contended => self.on_contention,
            Decision::Failed => self.on_error,
            Decision::Admitted | Decision::Refused => {
                let standings = standings(charges, outcome);
                self.publish(&standings, exchange);
                let told = self.told(charges, &standings);
                return match outcome.decision {
                    Decision::Admitted => Ok(told),
                    _ => Err(self.refusal(charges, outcome, &standings, told, exchange)),
                };
            }
        };
        self.counters.uncounted.add(exchange.host(), 1);
        match on_trouble {
            OnTrouble::Allow => Ok(Told::new()),
            OnTrouble::Deny => Err(Reply::new(&LIMIT_UNAVAILABLE).with_header("retry-after", "1")),
        }
    }

    fn refusal(
        &self,
        charges: &[Charge<'_>],
        outcome: &Outcome,
        standings: &[Standing<'_>],
        told: Told,
        exchange: &Exchange,
    ) -> Reply {
        for ((policy, ..), judged) in charges.iter().zip(&outcome.judged) {
            if judged.iter().any(|window| !window.admitted) {
                policy.limited.add(exchange.host(), 1);
            }
        }
        let jitter_s = match self.jitter_s {
            0 => 0,
            most => exchange.host().random() % most.saturating_add(1),
        };
        let violated: Vec<&str> = standings
            .iter()
            .filter(|standing| !standing.judged.admitted)
            .map(|standing| standing.policy)
            .collect();
        let reply = Reply::new(&LIMIT_EXCEEDED)
            .with_type("https://iana.org/assignments/http-problem-types#quota-exceeded")
            .with_member("violated-policies", violated)
            .with_header(
                "retry-after",
                retry_after_s(standings)
                    .saturating_add(jitter_s)
                    .to_string(),
            );
        told.into_iter()
            .fold(reply, |reply, (name, value)| reply.with_header(name, value))
    }

    fn told(&self, charges: &[Charge<'_>], standings: &[Standing<'_>]) -> Told {
        let mut told = Told::new();
        if matches!(self.headers, Headers::Draft | Headers::Both) {
            let windows = charges.iter().flat_map(|(_, windows, _)| {
                windows
                    .names
                    .iter()
                    .map(String::as_str)
                    .zip(windows.rates.iter().copied())
            });
            // Names of policies are plain ASCII, so both fields can be expressed.
            told.extend(
                ratelimit_policy(windows)
                    .ok()
                    .map(|value| ("ratelimit-policy", value)),
            );
            told.extend(ratelimit(standings).ok().map(|value| ("ratelimit", value)));
        }
        if matches!(self.headers, Headers::Legacy | Headers::Both) {
            told.extend(tightest(standings).into_iter().flat_map(legacy));
        }
        told
    }

    fn publish(&self, standings: &[Standing<'_>], exchange: &Exchange) {
        if let Some(standing) = tightest(standings) {
            let fact = Limited {
                policy: standing.policy.to_owned(),
                remaining: standing.judged.remaining,
                shadow: self.mode == Mode::Shadow,
            };
            // For the audit only: no decision hangs on it.
            let _ = exchange.publish(fact);
        }
    }

    fn record(&self, outcome: &Outcome, exchange: &Exchange) {
        let counters = &self.counters;
        for (metric, count) in [
            (&counters.evicted, outcome.evicted),
            (&counters.crowded, outcome.crowded),
            (&counters.foreign, outcome.foreign),
            (&counters.mismatched, outcome.mismatched),
            (&counters.stranded, outcome.stranded),
        ] {
            if count > 0 {
                metric.add(exchange.host(), u64::from(count));
            }
        }
    }
}

impl Counters {
    fn define(&self, setup: &Setup<'_>) {
        for metric in [
            &self.evicted,
            &self.crowded,
            &self.foreign,
            &self.mismatched,
            &self.stranded,
            &self.uncounted,
            &self.shadow_denied,
        ] {
            metric.define(setup.host);
        }
    }
}

/// A limit that applies, its windows for this caller, and the caller's key.
type Charge<'a> = (&'a Policy, &'a Windows, Vec<u8>);

fn take(charges: &[Charge<'_>], exchange: &Exchange) -> Outcome {
    let store = SharedData(exchange.host());
    let random = || exchange.host().random();
    let now_ns = exchange.now_ns();
    let claims: Result<Vec<Claim<'_>>, _> = charges
        .iter()
        .map(|(policy, windows, key)| {
            Ok(Claim {
                table: policy.table(&store, &random, now_ns)?,
                bucket: key,
                rates: &windows.rates,
                cost: policy.cost,
            })
        })
        .collect();
    match claims {
        Ok(claims) => take_all(&store, &claims, now_ns, TRIES),
        Err(modelgate_kit::bucket::StoreFailed) => Outcome::failed(),
    }
}

fn standings<'a>(charges: &'a [Charge<'_>], outcome: &Outcome) -> Vec<Standing<'a>> {
    charges
        .iter()
        .zip(&outcome.judged)
        .flat_map(|((_, windows, _), judged)| windows.names.iter().zip(&windows.rates).zip(judged))
        .map(|((policy, rate), judged)| Standing {
            policy,
            rate: *rate,
            judged: *judged,
        })
        .collect()
}
