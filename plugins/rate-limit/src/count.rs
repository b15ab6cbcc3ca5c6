//! One request against every limit that applies: what is taken, what is told, and the refusal.

mod told;

use modelgate_kit::bucket::{Claim, Decision, Judged, Outcome, take_all};
use modelgate_kit::config::{DenyOrAllow, Mode};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::facts::{Identity, Limited};
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::common::CONFIGURATION_REFUSED;
use modelgate_kit::rule::{Asked, Caller};
use modelgate_kit::shared_data::{SharedData, StoreFailed};

use crate::config::{Headers, OnMissing};
use crate::headers::{Standing, legacy, ratelimit, ratelimit_policy, retry_after_s, tightest};
use crate::key::{Material, make};
use crate::plan::Plan;
use crate::policy::{Policy, Windows};
use crate::reasons::{LIMIT_EXCEEDED, LIMIT_KEY_MISSING, LIMIT_UNAVAILABLE};

/// Writes that are tried for one bucket before the operator's choice takes over.
const TRIES: u32 = 8;

/// Headers for the client.
pub(crate) type Told = Vec<(&'static str, String)>;

impl Plan {
    /// Takes from every bucket that applies; the headers for the answer, or the refusal.
    pub(crate) async fn count(&self, exchange: &Exchange) -> Result<Told, Reply> {
        let headers = exchange.request().headers()?;
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
                explain::tell(|notes| notes.push(told::not_applying(policy, caller, &asked)));
                continue;
            };
            for key in make(&policy.parts, &material) {
                if key.incomplete {
                    explain::tell(|notes| notes.push(told::incomplete(policy, &key)));
                }
                match (key.incomplete, policy.on_missing) {
                    (true, OnMissing::Deny) => return Err(Reply::new(&LIMIT_KEY_MISSING)),
                    (true, OnMissing::Skip) => {}
                    (false, _) | (true, OnMissing::Shared) => {
                        charges.push((policy, windows, key.bytes))
                    }
                }
            }
        }
        if charges.is_empty() {
            return Ok(Told::new());
        }
        if !self.has_room(exchange.host()) {
            return Err(Reply::new(&CONFIGURATION_REFUSED));
        }
        let outcome = take(&charges, exchange);
        explain::tell(|notes| notes.extend(told::taken(&charges, &outcome)));
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
            DenyOrAllow::Allow => Ok(Told::new()),
            DenyOrAllow::Deny => {
                Err(Reply::new(&LIMIT_UNAVAILABLE).with_header("retry-after", "1"))
            }
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
        for (charges, judged) in by_policy(charges, outcome) {
            let refuses = |windows: &Vec<Judged>| windows.iter().any(|window| !window.admitted);
            if let [(policy, ..), ..] = charges
                && judged.iter().any(refuses)
            {
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
            let windows = charges.chunk_by(is_one_policy).filter_map(<[_]>::first);
            let windows = windows.flat_map(|(_, windows, _)| {
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
        Err(StoreFailed) => Outcome::failed(),
    }
}

/// Whether two charges are of one policy, for different models.
fn is_one_policy(one: &Charge<'_>, other: &Charge<'_>) -> bool {
    std::ptr::eq(one.0, other.0)
}

/// Charges and what was judged of them, policy by policy.
fn by_policy<'c, 'a>(
    charges: &'c [Charge<'a>],
    outcome: &'c Outcome,
) -> impl Iterator<Item = (&'c [Charge<'a>], &'c [Vec<Judged>])> {
    let mut rest = outcome.judged.as_slice();
    charges.chunk_by(is_one_policy).map(move |charges| {
        let (judged, behind) = rest.split_at_checked(charges.len()).unwrap_or((rest, &[]));
        rest = behind;
        (charges, judged)
    })
}

/// How every window stands; where a policy counts several models, by the one that has least left.
fn standings<'a>(charges: &[Charge<'a>], outcome: &Outcome) -> Vec<Standing<'a>> {
    let mut all = Vec::new();
    for (charges, judged) in by_policy(charges, outcome) {
        let Some((_, windows, _)) = charges.first() else {
            continue;
        };
        for (at, (policy, rate)) in windows.names.iter().zip(&windows.rates).enumerate() {
            let of_models: Vec<Standing<'_>> = judged
                .iter()
                .filter_map(|windows| windows.get(at))
                .map(|judged| Standing {
                    policy,
                    rate: *rate,
                    judged: *judged,
                })
                .collect();
            all.extend(tightest(&of_models).copied());
        }
    }
    all
}
