//! A host that misbehaves, for tests: host calls that are refused, made and then said to have
//! failed, or that answer nonsense.
//!
//! It acts where guest memory is read and written, so that no rule of the simulated proxy limits
//! what a guest may be told: any raw status, known to the ABI or not, any bytes, any number. Only
//! what no guest can survive on any host is left out: pointers are true, and WASI's own functions
//! work.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm_simulator::abi::StreamKind;
use proxy_wasm_simulator::random::Random;

/// How often a host misbehaves, in thousandths of its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// A call is refused: before it is made, or after it was.
    pub refusals: u32,
    /// A call answers with something else than the truth.
    pub lies: u32,
}

/// What a host has done to its guests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were refused.
    pub refused: u64,
    /// Answers that were not the truth.
    pub spoiled: u64,
    /// Requests that a guest has asked to continue.
    pub continued: u64,
}

/// The disturbance of one or more instances; clones are the same one.
#[derive(Clone)]
pub struct Faults(Rc<RefCell<FaultPlan>>);

struct FaultPlan {
    random: Random,
    rates: Rates,
    tally: Tally,
}

impl Faults {
    /// None yet: every call is served as it should be until [`Faults::set`] says otherwise.
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(FaultPlan {
            random: Random::new(seed),
            rates: Rates::default(),
            tally: Tally::default(),
        })))
    }

    /// From now on this often.
    pub fn set(&self, rates: Rates) {
        self.0.borrow_mut().rates = rates;
    }

    /// What has been done so far.
    pub fn tally(&self) -> Tally {
        self.0.borrow().tally
    }

    /// The status that refuses the next call, if it is refused.
    pub(super) fn refusal(&self) -> Option<u32> {
        let mut plan = self.0.borrow_mut();
        // A call can be refused at two moments.
        let rate = plan.rates.refusals / 2;
        if !plan.random.chance(rate) {
            return None;
        }
        plan.tally.refused = plan.tally.refused.saturating_add(1);
        Some(match plan.random.below(14) {
            0 => u32::MAX,
            1 => plan.random.small().max(1),
            known => u32::try_from(known).unwrap_or(1).saturating_sub(1).max(1),
        })
    }

    /// What a call answers instead of these bytes; none for the truth. An empty answer may also be
    /// one that was never written.
    pub(super) fn bytes(&self, truth: &[u8]) -> Option<Vec<u8>> {
        let mut plan = self.lie()?;
        Some(plan.random.changed(truth))
    }

    /// What a call answers instead of this number.
    pub(super) fn number(&self, truth: u64) -> u64 {
        let Some(mut plan) = self.lie() else {
            return truth;
        };
        match plan.random.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => plan.random.number(),
            3 => truth.wrapping_add(1),
            4 => truth.wrapping_sub(4),
            _ => truth.wrapping_add(u64::from(plan.random.small())),
        }
    }

    fn lie(&self) -> Option<std::cell::RefMut<'_, FaultPlan>> {
        let mut plan = self.0.borrow_mut();
        let rate = plan.rates.lies;
        if !plan.random.chance(rate) {
            return None;
        }
        plan.tally.spoiled = plan.tally.spoiled.saturating_add(1);
        Some(plan)
    }

    /// A guest asks to continue a stream.
    pub(super) fn continues(&self, kind: StreamKind) {
        if kind == StreamKind::Request {
            let mut plan = self.0.borrow_mut();
            plan.tally.continued = plan.tally.continued.saturating_add(1);
        }
    }
}
