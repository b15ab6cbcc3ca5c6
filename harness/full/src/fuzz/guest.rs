//! A guest that is entered with stray callbacks besides the proxy's own, and a log of all calls.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use proxy_wasm_simulator::random::Random;
use proxy_wasm_simulator::{Callback, CalloutToken, ContextId, Guest, GuestCode, HostHandle, Trap};

/// How many callbacks a report shows.
const SHOWN: usize = 40;
/// How many contexts strays may be meant for.
const REMEMBERED: usize = 16;
/// The answer that pauses.
const PAUSE: u32 = 1;

/// What all guests of a round were entered with.
pub(super) struct CallLog {
    random: Random,
    /// Stray callbacks, in thousandths of the true ones.
    pub stray_rate: u32,
    pub by_export: BTreeMap<&'static str, u64>,
    pub strays: u64,
    /// The first trap.
    pub trap: Option<String>,
    /// The callbacks up to the first one of a request that did not pause, that one at the end.
    pub passed: Option<Vec<String>>,
    last: VecDeque<String>,
}

impl CallLog {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            stray_rate: 0,
            by_export: BTreeMap::new(),
            strays: 0,
            trap: None,
            passed: None,
            last: VecDeque::new(),
        }
    }

    /// How many callbacks there were that are not housekeeping.
    pub fn entered(&self) -> u64 {
        const HOUSEKEEPING: [&str; 4] = [
            "proxy_on_vm_start",
            "proxy_on_context_create",
            "proxy_on_configure",
            "proxy_on_tick",
        ];
        let counted = self.by_export.iter();
        counted
            .filter(|(export, _)| !HOUSEKEEPING.contains(export))
            .map(|(_, count)| count)
            .sum()
    }

    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    fn note(
        &mut self,
        context: ContextId,
        callback: Callback,
        stray: bool,
        entered: &Result<Option<u32>, Trap>,
    ) {
        let arguments = callback.arguments(context);
        let returned = match entered {
            Ok(None) => return,
            Ok(Some(value)) => value.to_string(),
            Err(trap) => trap.to_string(),
        };
        let mark = if stray { ", a stray" } else { "" };
        let line = format!(
            "{}{:?} -> {returned}{mark}",
            callback.export(),
            arguments.as_slice()
        );
        let count = self.by_export.entry(callback.export()).or_default();
        *count = count.saturating_add(1);
        self.strays = self.strays.saturating_add(u64::from(stray));
        if let (Err(_), None) = (entered, &self.trap) {
            self.trap = Some(line.clone());
        }
        // What comes after the first finding does not explain it.
        if self
            .last
            .back()
            .is_none_or(|last| self.trap.as_ref() != Some(last))
        {
            self.last.push_back(line);
        }
        if self.last.len() > SHOWN {
            self.last.pop_front();
        }
        if let Ok(Some(value)) = entered
            && *value != PAUSE
            && self.passed.is_none()
            && of_request(callback)
        {
            self.passed = Some(self.last());
        }
    }
}

const fn of_request(callback: Callback) -> bool {
    matches!(
        callback,
        Callback::RequestHeaders { .. }
            | Callback::RequestBody { .. }
            | Callback::RequestTrailers { .. }
    )
}

/// Code whose guests are entered with strays.
pub(super) struct Fuzzed {
    code: Rc<dyn GuestCode>,
    call_log: Rc<RefCell<CallLog>>,
}

impl Fuzzed {
    pub fn new(code: Rc<dyn GuestCode>, call_log: Rc<RefCell<CallLog>>) -> Self {
        Self { code, call_log }
    }
}

impl GuestCode for Fuzzed {
    fn identity(&self) -> String {
        self.code.identity()
    }

    fn start(
        &self,
        host: HostHandle,
        environment: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        let started = self.code.start(host, environment);
        if let Err(problem) = &started {
            self.call_log
                .borrow_mut()
                .trap
                .get_or_insert_with(|| format!("at the start: {problem}"));
        }
        Ok(Box::new(Entered {
            guest: started?,
            call_log: Rc::clone(&self.call_log),
            contexts: VecDeque::new(),
        }))
    }
}

struct Entered {
    guest: Box<dyn Guest>,
    call_log: Rc<RefCell<CallLog>>,
    /// The latest contexts.
    contexts: VecDeque<ContextId>,
}

impl Entered {
    fn one(
        &mut self,
        context: ContextId,
        callback: Callback,
        stray: bool,
    ) -> Result<Option<u32>, Trap> {
        let entered = self.guest.invoke(context, callback);
        self.call_log
            .borrow_mut()
            .note(context, callback, stray, &entered);
        entered
    }

    /// Enters strays, more of them in a row now and then.
    fn strays(&mut self) -> Result<(), Trap> {
        for _ in 0..8 {
            let Some((context, callback)) = self.stray() else {
                return Ok(());
            };
            self.one(context, callback, true)?;
        }
        Ok(())
    }

    fn stray(&self) -> Option<(ContextId, Callback)> {
        let mut call_log = self.call_log.borrow_mut();
        let rate = call_log.stray_rate;
        let random = &mut call_log.random;
        if !random.chance(rate) {
            return None;
        }
        let known: Vec<ContextId> = self.contexts.iter().copied().collect();
        let context = match random.below(8) {
            0 => random
                .pick(&[0, 1, 2, 3, u32::MAX])
                .copied()
                .map(ContextId)
                .unwrap_or_default(),
            1 => ContextId(random.small()),
            _ => random.pick(&known).copied().unwrap_or_default(),
        };
        let end = random.chance(300);
        let size = size(random);
        Some((
            context,
            match random.below(32) {
                0..=4 => Callback::RequestHeaders { count: size, end },
                5..=8 => Callback::RequestBody { size, end },
                9..=10 => Callback::RequestTrailers { count: size },
                11..=13 => Callback::ResponseHeaders { count: size, end },
                14..=16 => Callback::ResponseBody { size, end },
                17 => Callback::ResponseTrailers { count: size },
                18..=23 => Callback::HttpCallResponse {
                    // Numbers of callouts are small multiples of four here.
                    token: CalloutToken(if random.chance(800) {
                        u32::try_from(random.below(12))
                            .unwrap_or_default()
                            .saturating_mul(4)
                    } else {
                        random.small()
                    }),
                    headers: random
                        .pick(&[0, 0, 1, 3, 1000, u32::MAX])
                        .copied()
                        .unwrap_or_default(),
                    body: size,
                    trailers: 0,
                },
                24..=25 => Callback::Tick,
                26 => Callback::Log,
                27 => Callback::Done,
                28 => Callback::Delete,
                29 => Callback::ContextCreate {
                    parent: random.pick(&known).copied().unwrap_or_default(),
                },
                30 => Callback::Configure { size },
                _ => Callback::VmStart { size },
            },
        ))
    }
}

/// A size that need not be true.
fn size(random: &mut Random) -> u32 {
    let one = [0, 0, 1, 7, 100, 65_536, 1 << 31, u32::MAX];
    if random.chance(500) {
        random.pick(&one).copied().unwrap_or_default()
    } else {
        u32::try_from(random.below(300)).unwrap_or_default()
    }
}

impl Guest for Entered {
    fn invoke(&mut self, context: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        if let Callback::ContextCreate { .. } = callback {
            self.contexts.push_back(context);
            if self.contexts.len() > REMEMBERED {
                // The root context is kept: most callbacks find their way through it.
                self.contexts.remove(1);
            }
        } else {
            self.strays()?;
        }
        let returned = self.one(context, callback, false)?;
        self.strays()?;
        Ok(returned)
    }

    fn fuel(&self) -> Option<u64> {
        self.guest.fuel()
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.guest.memory_bytes()
    }
}
