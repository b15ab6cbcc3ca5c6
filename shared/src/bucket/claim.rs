//! Taking from buckets that several workers share: read, judge, compare-and-swap, and take back
//! what must not stay taken.
//!
//! A request may have to pass several limits, each with its own key. [`take_all`] is all-or-nothing
//! over them: it reads and judges all first and writes nothing if one refuses; then it swaps one
//! after the other, and if a later one is refused meanwhile (or cannot be written), gives the
//! earlier ones back. Within one key all windows are one value and so are swapped together.
//!
//! Between a take and its giving back, another request may be refused that would have passed: the
//! error is on the strict side. More than the limits allow is never admitted, whatever the
//! interleaving.

use super::shape::MAX_WINDOWS;
use super::slots::{Place, Set, Standing, Table};
use super::{Judged, Rate, judge};
use crate::shared_data::{Store, StoreFailed, Swap, create};

/// One limit that a request must pass.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Where the buckets of this limit live.
    pub table: &'a Table,
    /// Whose bucket; the bytes themselves are never stored.
    pub bucket: &'a [u8],
    /// The windows, at most as many as the table's shape has: a claim with more is
    /// [`Decision::Failed`].
    pub rates: &'a [Rate],
    /// Units to take.
    pub cost: u64,
}

/// How a take over all claims ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every window had enough, and has been charged.
    Admitted,
    /// At least one window had too little; nothing is charged.
    Refused,
    /// Other workers were faster every time; nothing is charged. The operator chooses what this
    /// means.
    Contended,
    /// The host failed to read or write (or a claim does not fit its table); nothing is charged.
    /// The operator chooses what this means.
    Failed,
}

/// What [`take_all`] decided, and what it met on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The decision over all claims.
    pub decision: Decision,
    /// Per claim, per window: the state after the decision. Empty if the store failed before all
    /// were read.
    pub judged: Vec<Vec<Judged>>,
    /// Buckets of others that were not full and had to be forgotten.
    pub evicted: u32,
    /// Claims whose bucket was not held, and that were judged by what had been forgotten in its
    /// place.
    pub crowded: u32,
    /// Values that were not ours (torn, foreign, another layout) and were taken as empty.
    pub foreign: u32,
    /// Races lost.
    pub mismatched: u32,
    /// Takes that could not be given back: the bucket stays charged.
    pub stranded: u32,
}

impl Outcome {
    /// The outcome of a take that could not even begin.
    pub const fn failed() -> Self {
        Self {
            decision: Decision::Failed,
            judged: Vec::new(),
            evicted: 0,
            crowded: 0,
            foreign: 0,
            mismatched: 0,
            stranded: 0,
        }
    }
}

/// Proof of a take, with which it can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Receipt {
    cost: u64,
    taken_until_ns: [u64; MAX_WINDOWS as usize],
}

impl Receipt {
    /// The receipt of a claim that has been admitted with these windows.
    pub fn new(cost: u64, judged: &[Judged]) -> Self {
        let mut taken_until_ns = [0; MAX_WINDOWS as usize];
        for (until, window) in taken_until_ns.iter_mut().zip(judged) {
            *until = window.tat_ns;
        }
        Self {
            cost,
            taken_until_ns,
        }
    }
}

/// A claim with what the store held for it when it was last read.
struct Open {
    place: Place,
    key: String,
    set: Set,
    standing: Standing,
    cas: Option<u32>,
    admitted: bool,
    judged: Vec<Judged>,
}

impl Open {
    fn read(
        claim: &Claim<'_>,
        store: &dyn Store,
        now_ns: u64,
        foreign: &mut u32,
    ) -> Result<Self, StoreFailed> {
        if claim.rates.len() > usize::from(claim.table.shape().windows) {
            return Err(StoreFailed);
        }
        let place = claim.table.place(claim.bucket);
        let key = claim.table.key(place.set);
        let (set, cas) = match store.load(&key)? {
            None => (claim.table.empty(place.set), None),
            Some((bytes, cas)) => {
                let set = claim.table.open(place.set, bytes).unwrap_or_else(|| {
                    *foreign = foreign.saturating_add(1);
                    claim.table.empty(place.set)
                });
                (set, Some(cas))
            }
        };
        let standing = set.standing(place.fingerprint);
        let (admitted, judged) = judge(claim.rates, &standing.tats_ns, now_ns, claim.cost);
        Ok(Self {
            place,
            key,
            set,
            standing,
            cas,
            admitted,
            judged,
        })
    }

    /// Writes the TATs; on success says whether a live bucket was forgotten for it.
    fn write(
        &self,
        claim: &Claim<'_>,
        store: &dyn Store,
        tats_ns: &[u64],
        now_ns: u64,
    ) -> Result<(Swap, bool), StoreFailed> {
        let mut set = self.set.clone();
        let evicted = set.put(self.place.fingerprint, tats_ns, now_ns);
        let bytes = claim.table.seal(&set);
        let swap = match self.cas {
            Some(cas) => store.swap(&self.key, &bytes, cas)?,
            None => create(store, &self.key, &bytes)?,
        };
        Ok((swap, evicted))
    }

    /// Judged by what others had used, because its own bucket is not held.
    fn crowded(&self, now_ns: u64) -> bool {
        !self.standing.held && self.standing.tats_ns.iter().any(|tat| *tat > now_ns)
    }

    fn new_tats(&self) -> Vec<u64> {
        self.judged.iter().map(|window| window.tat_ns).collect()
    }
}

/// Takes from every claim's bucket, or from none. `tries` (at least 1) bounds the writes of each
/// claim, and of each giving back.
pub fn take_all(store: &dyn Store, claims: &[Claim<'_>], now_ns: u64, tries: u32) -> Outcome {
    let mut outcome = Outcome::failed();
    let opened: Result<Vec<Open>, StoreFailed> = claims
        .iter()
        .map(|claim| Open::read(claim, store, now_ns, &mut outcome.foreign))
        .collect();
    let Ok(mut opened) = opened else {
        return outcome;
    };
    let crowded = opened.iter().filter(|open| open.crowded(now_ns)).count();
    outcome.crowded = u32::try_from(crowded).unwrap_or(u32::MAX);
    outcome.decision = Decision::Admitted;
    if opened.iter().any(|open| !open.admitted) {
        outcome.decision = Decision::Refused;
    } else {
        let mut charged = 0_usize;
        for (open, claim) in opened.iter_mut().zip(claims) {
            outcome.decision = charge(open, claim, store, now_ns, tries, &mut outcome);
            if outcome.decision != Decision::Admitted {
                break;
            }
            charged = charged.saturating_add(1);
        }
        if outcome.decision != Decision::Admitted {
            for (open, claim) in opened.iter().zip(claims).take(charged) {
                let receipt = Receipt::new(claim.cost, &open.judged);
                if !give_back(store, claim, &receipt, now_ns, tries) {
                    outcome.stranded = outcome.stranded.saturating_add(1);
                }
            }
        }
    }
    outcome.judged = opened
        .into_iter()
        .zip(claims)
        .map(|(open, claim)| open.report(claim, outcome.decision, now_ns))
        .collect();
    outcome
}

impl Open {
    /// The windows as they stand after the decision. Where nothing was charged, windows that would
    /// have admitted say what remains.
    fn report(self, claim: &Claim<'_>, decision: Decision, now_ns: u64) -> Vec<Judged> {
        if decision == Decision::Admitted || !self.admitted {
            return self.judged;
        }
        judge(claim.rates, &self.standing.tats_ns, now_ns, 0).1
    }
}

fn charge(
    open: &mut Open,
    claim: &Claim<'_>,
    store: &dyn Store,
    now_ns: u64,
    tries: u32,
    outcome: &mut Outcome,
) -> Decision {
    for attempt in 1..=tries.max(1) {
        match open.write(claim, store, &open.new_tats(), now_ns) {
            Err(StoreFailed) => return Decision::Failed,
            Ok((Swap::Done, evicted)) => {
                outcome.evicted = outcome.evicted.saturating_add(u32::from(evicted));
                return Decision::Admitted;
            }
            Ok((Swap::Mismatch, _)) => outcome.mismatched = outcome.mismatched.saturating_add(1),
        }
        if attempt < tries.max(1) {
            match Open::read(claim, store, now_ns, &mut outcome.foreign) {
                Err(StoreFailed) => return Decision::Failed,
                Ok(again) => *open = again,
            }
            if !open.admitted {
                return Decision::Refused;
            }
        }
    }
    Decision::Contended
}

/// Gives back what a claim took. False if that was impossible: then the bucket stays charged, and
/// grows back as after any take.
fn give_back(
    store: &dyn Store,
    claim: &Claim<'_>,
    receipt: &Receipt,
    now_ns: u64,
    tries: u32,
) -> bool {
    let mut foreign = 0;
    for _ in 0..tries.max(1) {
        let Ok(open) = Open::read(claim, store, now_ns, &mut foreign) else {
            return false;
        };
        if !open.standing.held {
            // Forgotten meanwhile: what is kept of it, others have too, and is not lowered.
            return true;
        }
        let tats = open.standing.tats_ns;
        let given: Vec<u64> = claim
            .rates
            .iter()
            .zip(tats)
            .zip(receipt.taken_until_ns)
            .map(|((rate, tat), until)| rate.give_back(tat, until, now_ns, receipt.cost))
            .collect();
        match open.write(claim, store, &given, now_ns) {
            Err(StoreFailed) => return false,
            Ok((Swap::Done, _)) => return true,
            Ok((Swap::Mismatch, _)) => {}
        }
    }
    false
}
