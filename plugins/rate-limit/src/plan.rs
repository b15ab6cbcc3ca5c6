//! What runs: the policies with their buckets, and what is counted.

use std::cell::Cell;

use modelgate_kit::config::{DenyOrAllow, Mode, Problems, Setup};
use modelgate_kit::filter::Filter as _;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::metrics::Metric;
use modelgate_kit::rule::ModelBody;
use modelgate_kit::shared_data::SharedData;

use crate::RateLimit;
use crate::client_ip::Prefix;
use crate::config::{Config, Headers, SharedName};
use crate::key::ClientIp;
use crate::policy::Policy;

/// The compiled configuration.
#[derive(Debug)]
pub struct Plan {
    pub(crate) mode: Mode,
    pub(crate) policies: Vec<Policy>,
    pub(crate) headers: Headers,
    pub(crate) jitter_s: u64,
    pub(crate) on_contention: DenyOrAllow,
    pub(crate) on_error: DenyOrAllow,
    pub(crate) client_ip: ClientIp,
    pub(crate) model_from_body: ModelBody,
    pub(crate) counters: Counters,
    /// Whether the buckets fit into a zone, once that was tried.
    fits: Cell<Option<bool>>,
}

/// What it counts, over all policies.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) evicted: Metric,
    pub(crate) crowded: Metric,
    pub(crate) foreign: Metric,
    pub(crate) mismatched: Metric,
    pub(crate) stranded: Metric,
    pub(crate) uncounted: Metric,
    pub(crate) shadow_denied: Metric,
}

impl Plan {
    /// Compiles the policies and makes room for their buckets; what is wrong is added to
    /// `problems`.
    pub(crate) fn compile(
        config: Config,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        // Buckets belong to a policy, whichever profile it is in: two routes must not give a caller
        // two quotas.
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
            .map_or_else(own, |SharedName(name)| {
                format!("modelgate.rate_limit.shared.{name}")
            });
        let mut policies: Vec<Policy> = Vec::with_capacity(config.policies.len());
        for (at, written) in config.policies.into_iter().enumerate() {
            problems.within(&format!("policies[{at}]"), |problems| {
                if policies.iter().any(|other| other.name == *written.name) {
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
        let counter = |name| Metric::counter(RateLimit::NAME, &[], name);
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
            fits: Cell::new(None),
        };
        plan.counters.define(setup);
        if problems.is_empty() {
            for policy in &plan.policies {
                policy.limited.define(setup.host);
                if setup.host.rules().shared_data_is_a_zone {
                    continue;
                }
                // Now, while no request waits for the host's lock. If it fails, it is tried again
                // with each request.
                let random = || setup.host.random();
                let store = SharedData(setup.host);
                let _ = policy.table(&store, &random, setup.host.now_ns());
            }
        }
        Some(plan)
    }

    /// Whether there is room for the buckets of every policy. Where shared data is a zone, that is
    /// found out with the first request, since nothing may look at it before; what does not fit
    /// there drives out what was written first, and callers would get fresh quotas.
    pub(crate) fn has_room(&self, host: &dyn Host) -> bool {
        if !host.rules().shared_data_is_a_zone {
            return true;
        }
        if let Some(known) = self.fits.get() {
            return known;
        }
        let (store, random) = (SharedData(host), || host.random());
        let mut policies = self.policies.iter();
        let made = policies.all(|policy| policy.table(&store, &random, host.now_ns()).is_ok());
        let fits = made
            && self
                .policies
                .iter()
                .all(|policy| policy.is_in_place(&store));
        if !fits {
            host.log(
                Level::Error,
                "rate_limit: the buckets do not fit into the shared memory that the proxy has for filters: every request is refused. Give it more (nginx: `shm_kv modelgate`; Kong: `nginx_wasm_shm_kv_modelgate`), or lower `buckets.count`",
            );
        }
        self.fits.set(Some(fits));
        fits
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
