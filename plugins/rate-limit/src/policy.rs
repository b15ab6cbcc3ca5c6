//! Compiled limits: to whom and to what they apply, whose bucket is taken from, and how much it
//! holds.

use std::cell::OnceCell;
use std::cmp::Reverse;

use modelgate_kit::bucket::{
    Layout, MAX_WINDOWS, Rate, RateError, Seed, Shape, Table, WAYS, succeed,
};
use modelgate_kit::config::{Bounded, Problems};
use modelgate_kit::metrics::Metric;
use modelgate_kit::rule::by_caller::{ByCaller, places};
use modelgate_kit::rule::{Asked, Caller, Doubt, Presence, What, Who};
use modelgate_kit::shared_data::{Store, StoreFailed, Swap, create};

use crate::config::{
    OnMissing, TierEffect, WrittenPart, WrittenPolicy, WrittenTier, WrittenWindow,
};
use crate::key::Part;

/// Longest name of a policy, in bytes.
const NS_PER_S: u64 = 1_000_000_000;

/// The windows that apply to one caller.
#[derive(Debug)]
pub struct Windows {
    /// The windows.
    pub rates: Vec<Rate>,
    /// What clients are told as their names, in the same order.
    pub names: Vec<String>,
}

impl Windows {
    /// How little they let through: the longest time between two units, then the smallest burst.
    fn tightness(&self) -> (u64, Reverse<u64>) {
        let between = |rate: &Rate| rate.window_ns() / rate.quota().max(1);
        (
            self.rates.iter().map(between).max().unwrap_or(0),
            Reverse(self.rates.iter().map(Rate::burst).min().unwrap_or(u64::MAX)),
        )
    }
}

/// The tighter of two; none limits least.
fn tighter<'a>(one: Option<&'a Windows>, other: Option<&'a Windows>) -> Option<&'a Windows> {
    match (one, other) {
        (Some(a), Some(b)) if b.tightness() <= a.tightness() => Some(a),
        (one, other) => other.or(one),
    }
}

/// A compiled limit.
#[derive(Debug)]
pub struct Policy {
    /// Name of the limit.
    pub name: String,
    /// Parts of the key.
    pub parts: Vec<Part>,
    /// What becomes of a request without key.
    pub on_missing: OnMissing,
    /// Units that a request takes.
    pub cost: u64,
    /// How often it refused, or would have.
    pub limited: Metric,
    pub(crate) who: Who,
    pub(crate) what: What,
    windows: Windows,
    tiers: Vec<(Who, Option<Windows>)>,
    /// Of many tiers, which a caller can be in.
    index: Option<ByCaller<Vec<u32>>>,
    looks_at_identity: bool,
    layout: Layout,
    prefix: String,
    is_shared: bool,
    table: OnceCell<Table>,
}

impl Policy {
    /// Whether the verified identity matters.
    pub fn looks_at_identity(&self) -> bool {
        self.looks_at_identity || self.parts.iter().any(Part::looks_at_identity)
    }

    /// Whether method, path, operation or model matter.
    pub fn looks_at_request(&self) -> bool {
        self.what.looks_at_request() || self.parts.iter().any(Part::looks_at_request)
    }

    /// Whether the model matters for this request.
    pub fn needs_model(&self, caller: Caller<'_>, asked: &Asked<'_>) -> bool {
        let by_model = self.parts.contains(&Part::Model) && !asked.body_only_hints();
        (self.what.looks_at_model() || by_model)
            && self.who.fits(caller, Doubt::Fits)
            && self.what.fits_but_for_model(asked, Doubt::Fits)
    }

    /// The windows that apply to the caller for this request; none if the limit does not apply. In
    /// doubt about the model or the caller, it does.
    pub fn applying(&self, caller: Caller<'_>, asked: Option<&Asked<'_>>) -> Option<&Windows> {
        let fits = self.who.fits(caller, Doubt::Fits)
            && asked.is_none_or(|asked| self.what.fits(asked, Doubt::Fits));
        if !fits {
            return None;
        }
        self.tier(caller)
    }

    /// The windows of the first tier that the caller is in. Where it cannot be known whether he is
    /// in an earlier one (his groups are elsewhere, say), the tightest of all that it may be: what
    /// is unknown must not raise a limit.
    fn tier(&self, caller: Caller<'_>) -> Option<&Windows> {
        let mut tightest: Option<&Windows> = None;
        for (who, windows) in self.candidates(caller) {
            let is_certain = who.fits(caller, Doubt::Misfits);
            if is_certain || who.fits(caller, Doubt::Fits) {
                tightest = tighter(tightest, windows.as_ref());
            }
            if is_certain {
                return tightest;
            }
        }
        tighter(tightest, Some(&self.windows))
    }

    /// The tiers that the caller can be in, in their order.
    fn candidates<'a>(
        &'a self,
        caller: Caller<'_>,
    ) -> impl Iterator<Item = &'a (Who, Option<Windows>)> + use<'a> {
        let found = self.index.as_ref().map(|index| index.candidates(caller));
        places(found, self.tiers.len()).filter_map(|at| self.tiers.get(at))
    }

    /// The table of the buckets, made on first use. One that configurations share goes on with what
    /// it held under an earlier one, whose windows or size were others.
    ///
    /// # Errors
    /// If shared data cannot be read or written.
    pub fn table(
        &self,
        store: &dyn Store,
        random: &dyn Fn() -> u64,
        now_ns: u64,
    ) -> Result<&Table, StoreFailed> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let seed = shared_seed(store, &format!("{}seed", self.prefix), random)?;
        let table = if self.is_shared {
            succeed(store, &self.prefix, &self.layout, seed, now_ns)?
        } else {
            let table = self.layout.table(&self.prefix, seed)?;
            table.prepare(store)?;
            table
        };
        Ok(self.table.get_or_init(|| table))
    }

    /// Whether what was written first of the table is still there.
    pub fn is_in_place(&self, store: &dyn Store) -> bool {
        let has_seed = matches!(store.load(&format!("{}seed", self.prefix)), Ok(Some(_)));
        has_seed
            && self
                .table
                .get()
                .is_some_and(|table| table.is_in_place(store))
    }
}

/// The secret that all workers hash keys with: made by the first, found by the others.
fn shared_seed(
    store: &dyn Store,
    key: &str,
    random: &dyn Fn() -> u64,
) -> Result<Seed, StoreFailed> {
    let mut made = [0; 16];
    for (into, byte) in made
        .iter_mut()
        .zip([random(), random()].into_iter().flat_map(u64::to_le_bytes))
    {
        *into = byte;
    }
    if store.load(key)?.is_none() && create(store, key, &made)? == Swap::Done {
        return Ok(Seed::from_bytes(made));
    }
    let (bytes, _) = store.load(key)?.ok_or(StoreFailed)?;
    <[u8; 16]>::try_from(bytes.as_slice())
        .map(Seed::from_bytes)
        .map_err(|_| StoreFailed)
}

impl WrittenPolicy {
    /// Compiles a limit; what is wrong with it is added to `problems`.
    pub fn compile(
        self,
        buckets: u64,
        prefix: &str,
        is_shared: bool,
        problems: &mut Problems,
    ) -> Policy {
        let name = self.name.into_string();
        let parts: Vec<Part> = self.by.into_iter().map(Part::from).collect();
        let cost = self.cost.value();
        let windows = compile_windows(&self.windows, &name, cost, problems);
        let looks_at_identity = !self.tiers.is_empty()
            || self.who.looks_at_identity()
            || self.who.identity != Presence::Any;
        let who = problems.within("who", |p| self.who.compile(p));
        let what = problems.within("what", |p| self.what.compile(p));
        let tiers: Vec<(Who, Option<Windows>)> = self
            .tiers
            .into_iter()
            .enumerate()
            .map(|(at, tier)| {
                problems.within(&format!("tiers[{at}]"), |p| tier.compile(&name, cost, p))
            })
            .collect();
        // The policy's own windows first: tiers that come or go leave them where they are.
        let of_tiers = tiers.iter().filter_map(|(_, windows)| windows.as_ref());
        let lists = std::iter::once(&windows).chain(of_tiers);
        let lists = lists.map(|windows| windows.rates.as_slice());
        let most = lists.clone().map(<[Rate]>::len).max().unwrap_or(1);
        let most = u8::try_from(most.max(1)).unwrap_or(u8::MAX);
        // Without a key there is one bucket only.
        let (sets, ways) = match parts.is_empty() {
            true => (1, 1),
            false => (buckets.div_ceil(u64::from(WAYS)), WAYS),
        };
        let shape = Shape {
            sets: u32::try_from(sets).unwrap_or(u32::MAX),
            ways,
            windows: most,
        };
        let layout = Layout::new(shape, lists);
        Policy {
            limited: Metric::counter("rate_limit", &[("policy", &name)], "limited"),
            prefix: format!("{prefix}.{name}."),
            is_shared,
            name,
            parts,
            on_missing: self.on_missing,
            cost,
            who,
            what,
            windows,
            index: ByCaller::of(tiers.iter().map(|(who, _)| who)),
            tiers,
            looks_at_identity,
            layout,
            table: OnceCell::new(),
        }
    }
}

impl WrittenTier {
    fn compile(self, policy: &str, cost: u64, problems: &mut Problems) -> (Who, Option<Windows>) {
        let who = problems.within("who", |p| self.who.compile(p));
        let windows = match self.effect {
            TierEffect::Limit => Some(compile_windows(&self.windows, policy, cost, problems)),
            TierEffect::Exempt => {
                if !self.windows.is_empty() {
                    problems.add(
                        "windows",
                        "limit nobody, because the tier is exempt",
                        "leave them out, or write `effect: limit`",
                    );
                }
                None
            }
        };
        (who, windows)
    }
}

impl From<WrittenPart> for Part {
    fn from(written: WrittenPart) -> Self {
        match written {
            WrittenPart::Consumer => Self::Consumer,
            WrittenPart::Credential => Self::Credential,
            WrittenPart::Group => Self::Group,
            WrittenPart::GroupOf(groups) => Self::GroupOf(groups.into_vec()),
            WrittenPart::Claim(path) => Self::Claim(path),
            WrittenPart::Header(name) => Self::Header(name.into_string()),
            WrittenPart::Ip => Self::Ip,
            WrittenPart::Route => Self::Route,
            WrittenPart::Method => Self::Method,
            WrittenPart::Operation => Self::Operation,
            WrittenPart::Model => Self::Model,
        }
    }
}

fn compile_windows(
    written: &[WrittenWindow],
    policy: &str,
    cost: u64,
    problems: &mut Problems,
) -> Windows {
    let most = usize::from(MAX_WINDOWS);
    if written.is_empty() || written.len() > most {
        problems.add(
            "windows",
            format!("are {}", written.len()),
            format!("write 1 to {most} windows"),
        );
    }
    let mut windows = Windows {
        rates: Vec::new(),
        names: Vec::new(),
    };
    for (at, window) in written.iter().enumerate() {
        problems.within(&format!("windows[{at}]"), |problems| {
            let seconds = window.window_s.value();
            let burst = window.burst.map_or(window.quota.value(), Bounded::value);
            match Rate::new(
                window.quota.value(),
                seconds.saturating_mul(NS_PER_S),
                burst,
            ) {
                Err(error) => {
                    let (member, hint) = match error {
                        RateError::TooFast => {
                            ("quota", "count bigger units, or write a longer window")
                        }
                        _ => ("burst", "write a smaller burst or a shorter window"),
                    };
                    problems.add(member, error.to_string(), hint);
                }
                Ok(rate) if !rate.can_ever_admit(cost) => problems.add(
                    "burst",
                    "is less than one request costs",
                    "no request would ever pass",
                ),
                Ok(rate) => {
                    let name = if written.len() == 1 {
                        policy.to_owned()
                    } else {
                        format!("{policy}-{seconds}s")
                    };
                    if windows.names.contains(&name) {
                        problems.add(
                            "window_s",
                            "is the length of another window too",
                            "keep the tighter one",
                        );
                    }
                    windows.rates.push(rate);
                    windows.names.push(name);
                }
            }
        });
    }
    windows
}

#[cfg(test)]
mod tests;
