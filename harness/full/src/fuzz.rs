//! Fuzzing modules on the wasmtime host: the traffic of scenarios, changed at random, through a
//! proxy that may misbehave in every way.
//!
//! A run goes through rounds. Each takes a scenario with its configuration, changes what its
//! servers answer and what its clients send, and plays it at fault rates of its own: a healthy
//! proxy, one that refuses host calls, one that answers them with nonsense, one that enters
//! callbacks which nobody expects (unknown contexts, wrong numbers, ends that are none, anything
//! after the end), or all of it. Whatever happens, a module must not trap, and must keep what its
//! world promises.
//!
//! All randomness comes from one seed: the same seed, module and worlds give the same callbacks.
//! Time is virtual.

mod guest;
#[cfg(test)]
mod tests;
mod traffic;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use guest::{CallLog, Fuzzed};
use modelgate_scenario::engine::native::NativeCode;
use modelgate_scenario::engine::simulated::servers::Servers;
use modelgate_scenario::engine::simulated::{builder, request};
use modelgate_scenario::file::{ChainEntry, Request, Scenario, Step, Wasm};
use proxy_wasm_simulator::random::Random;
use proxy_wasm_simulator::{GuestCode, Outcome, Profile, StreamId, Timeline, profile};
use proxy_wasm_wasmtime::{Faults, Limits, Rates, WasmCode};

/// What must hold in a world besides that nothing traps.
#[derive(Clone, Copy)]
pub enum Promise {
    /// Nothing else.
    Nothing,
    /// No request may pass: every callback of a request pauses, and none is ever let go on. Where
    /// the upstream waits for the body, none reaches the upstream while the proxy tells the truth.
    NothingPasses,
    /// What is wrong with what came of a request, if anything. Asked only where the proxy tells the
    /// truth and keeps to the order of callbacks; it may refuse host calls.
    Outcome(fn(&Outcome) -> Option<String>),
}

/// A scenario whose requests are played, and what it promises.
pub struct World {
    /// What to call it in reports.
    pub name: String,
    /// Its chain, servers and requests; expectations are not looked at.
    pub scenario: Scenario,
    /// What must hold.
    pub promise: Promise,
}

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where the sequence of random numbers begins.
    pub seed: u64,
    /// At least so many callbacks, those that start VMs and contexts, and ticks, not counted.
    pub callbacks: u64,
}

/// What a run has done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Callbacks that the module was entered with; those that start VMs and contexts, and ticks,
    /// are not counted.
    pub callbacks: u64,
    /// All callbacks by the name of their export.
    pub by_export: BTreeMap<&'static str, u64>,
    /// Among them those that no proxy would have made.
    pub strays: u64,
    /// Rounds.
    pub rounds: u64,
    /// Rounds in which the configuration was refused.
    pub refused_configurations: u64,
    /// Requests that clients have sent.
    pub requests: u64,
    /// Requests that an upstream has received.
    pub passed: u64,
    /// Host calls that were refused.
    pub refused_calls: u64,
    /// Host calls that did not answer the truth.
    pub spoiled_calls: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} callbacks ({} of them strays) in {} rounds, {} requests of which {} passed, {} host calls refused, {} spoiled",
            self.callbacks,
            self.strays,
            self.rounds,
            self.requests,
            self.passed,
            self.refused_calls,
            self.spoiled_calls
        )
    }
}

/// A promise that was broken, or a trap.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What happened.
    pub what: String,
    /// In which world.
    pub world: String,
    /// In which round, counted from 0.
    pub round: u64,
    /// With which seed.
    pub seed: u64,
    /// The last callbacks, the latest at the end.
    pub callbacks: Vec<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        writeln!(
            f,
            "world {}, round {}, seed {}; the last callbacks:",
            self.world, self.round, self.seed
        )?;
        self.callbacks
            .iter()
            .try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// The proxy of a round.
#[derive(Clone, Copy, Debug)]
struct FaultRates {
    rates: Rates,
    /// Stray callbacks, in thousandths of the true ones.
    strays: u32,
    /// Whether it is bad while the VMs start, too.
    from_start: bool,
}

impl FaultRates {
    fn random(random: &mut Random) -> Self {
        const RATES: [u32; 4] = [5, 30, 150, 500];
        let mut rate = |on: bool| {
            let rate = random.pick(&RATES).copied().unwrap_or_default();
            if on { rate } else { 0 }
        };
        let (refusals, lies, strays) = (rate(true), rate(true), rate(true));
        let kind = random.below(5);
        Self {
            rates: Rates {
                refusals: if matches!(kind, 1 | 4) { refusals } else { 0 },
                lies: if matches!(kind, 2 | 4) { lies } else { 0 },
            },
            strays: if matches!(kind, 3 | 4) { strays } else { 0 },
            from_start: random.chance(200),
        }
    }

    /// The proxy tells the truth, in the right order.
    const fn honest(self) -> bool {
        self.rates.lies == 0 && self.strays == 0
    }
}

/// Fuzzes the module of a filter in these worlds, in turns, until it was entered often enough.
///
/// The entry of the filter in a world's chain is the module; the suite's other filters in it run
/// natively.
///
/// # Errors
/// If the module cannot be loaded or a world cannot be played at all.
pub fn fuzz(
    wasm: &[u8],
    filter: &str,
    worlds: &[World],
    options: Options,
) -> Result<Result<Report, Box<Finding>>> {
    fuzz_on(profile::ENVOY, wasm, filter, worlds, options)
}

/// The same on a proxy with these rules. A host call that traps and a worker that crashes are
/// findings where the proxy tells the truth and keeps to the order of callbacks.
///
/// # Errors
/// As [`fuzz`].
pub fn fuzz_on(
    rules: Profile,
    wasm: &[u8],
    filter: &str,
    worlds: &[World],
    options: Options,
) -> Result<Result<Report, Box<Finding>>> {
    anyhow::ensure!(!worlds.is_empty(), "{filter}: there is no world to play in");
    let mut random = Random::new(options.seed);
    let mut report = Report::default();
    let mut idle = 0;
    while report.callbacks < options.callbacks {
        let before = report.callbacks;
        for world in worlds {
            // Each round has a seed of its own, so that what one does with it does not move the
            // others.
            let round = Round::new(wasm, filter, world, rules.clone(), random.number())?;
            if let Some(what) = round.play(&mut report)? {
                return Ok(Err(Box::new(Finding {
                    what,
                    world: world.name.clone(),
                    round: report.rounds,
                    seed: options.seed,
                    callbacks: round.callbacks(),
                })));
            }
            report.rounds = report.rounds.saturating_add(1);
        }
        // Configurations may be refused in all rounds of a turn, but not in a hundred turns.
        idle = if report.callbacks > before {
            0_u32
        } else {
            idle.saturating_add(1)
        };
        anyhow::ensure!(idle < 100, "{filter} is not entered in any world");
    }
    Ok(Ok(report))
}

struct Round<'a> {
    world: &'a World,
    rules: Profile,
    filter: &'a str,
    code: Rc<dyn GuestCode>,
    faults: Faults,
    call_log: Rc<RefCell<CallLog>>,
    rates: FaultRates,
    random: RefCell<Random>,
}

impl<'a> Round<'a> {
    fn new(
        wasm: &[u8],
        filter: &'a str,
        world: &'a World,
        rules: Profile,
        seed: u64,
    ) -> Result<Self> {
        let mut random = Random::new(seed);
        let rates = FaultRates::random(&mut random);
        let faults = Faults::new(random.number());
        let limits = Limits {
            // Far more than any callback needs, and a guest that does not end is soon found.
            fuel: 2_000_000_000,
            ..Limits::default()
        };
        let module =
            WasmCode::load_with_faults(wasm, limits, faults.clone()).map_err(anyhow::Error::msg)?;
        let call_log = Rc::new(RefCell::new(CallLog::new(random.number())));
        Ok(Self {
            world,
            rules,
            filter,
            code: Rc::new(Fuzzed::new(module, Rc::clone(&call_log))),
            faults,
            call_log,
            rates,
            random: RefCell::new(random),
        })
    }

    /// Plays it; what went wrong, if anything did.
    fn play(&self, report: &mut Report) -> Result<Option<String>> {
        let mut scenario = self.world.scenario.clone();
        let mut random = self.random.borrow_mut();
        traffic::change_servers(&mut scenario.clusters, &mut random);
        let servers = Servers::new(&scenario.clusters);
        let rules = self.rules.clone();
        let builder = builder(&scenario, &servers, rules, &|entry| {
            self.code_of(&scenario, entry)
        })?
        .seed(random.number());
        if self.rates.from_start {
            self.disturb();
        }
        let started = builder.build();
        self.disturb();
        let mut wrong = None;
        // Where headers go on and the body decides, only the upstream shows what passes.
        let decides_late = self.rules.bodies.request_comes_whole;
        let nothing = matches!(self.world.promise, Promise::NothingPasses);
        let by_upstream = nothing && decides_late;
        match started {
            Err(_) => {
                report.refused_configurations = report.refused_configurations.saturating_add(1)
            }
            Ok(mut gateway) => {
                let mut running: Vec<StreamId> = Vec::new();
                for number in 0..=random.below(16) {
                    let Some(sent) =
                        traffic::change_request(pick(&scenario, &mut random), &mut random)
                    else {
                        break;
                    };
                    let mut sent = request(&sent, number);
                    let patience = sent.disconnect_after.unwrap_or(Duration::from_secs(8));
                    sent.disconnect_after = Some(patience);
                    running.push(gateway.submit(sent));
                    let pause = random
                        .pick(&[0, 0, 1, 20, 100, 400, 3000])
                        .copied()
                        .unwrap_or_default();
                    gateway.advance(Duration::from_millis(pause));
                }
                gateway.advance(Duration::from_secs(10));
                for id in running {
                    let outcome = gateway.outcome(id);
                    report.requests = report.requests.saturating_add(1);
                    report.passed = report
                        .passed
                        .saturating_add(u64::from(outcome.upstream.is_some()));
                    if let (Promise::Outcome(judge), true) =
                        (self.world.promise, self.rates.honest())
                    {
                        wrong = wrong.or_else(|| judge(&outcome));
                    }
                    if by_upstream && self.rates.honest() && outcome.upstream.is_some() {
                        wrong = Some("a request reaches the upstream without proof".to_owned());
                    }
                }
                if self.rates.honest() {
                    wrong = wrong.or_else(|| host_trap(&gateway.timeline()));
                }
            }
        }
        let (call_log, tally) = (self.call_log.borrow(), self.faults.tally());
        report.callbacks = report.callbacks.saturating_add(call_log.entered());
        for (export, count) in &call_log.by_export {
            let sum = report.by_export.entry(export).or_default();
            *sum = sum.saturating_add(*count);
        }
        report.strays = report.strays.saturating_add(call_log.strays);
        report.refused_calls = report.refused_calls.saturating_add(tally.refused);
        report.spoiled_calls = report.spoiled_calls.saturating_add(tally.spoiled);
        if let Some(trap) = &call_log.trap {
            return Ok(Some(format!("trap: {trap} ({:?})", self.rates)));
        }
        if nothing && !decides_late {
            if let Some(passed) = call_log.passed.as_ref().and_then(|lines| lines.last()) {
                wrong = Some(format!("a request passes without proof: {passed}"));
            } else if tally.continued > 0 {
                wrong = Some("a request without proof is let go on".to_owned());
            }
        }
        Ok(wrong.map(|wrong| format!("{wrong} ({:?})", self.rates)))
    }

    /// The callbacks that led to what went wrong: the last ones, or those before a request passed.
    fn callbacks(&self) -> Vec<String> {
        let call_log = self.call_log.borrow();
        match (&call_log.trap, self.world.promise, &call_log.passed) {
            (None, Promise::NothingPasses, Some(before)) => before.clone(),
            _ => call_log.last(),
        }
    }

    /// Sets the fault rates.
    fn disturb(&self) {
        self.faults.set(self.rates.rates);
        self.call_log.borrow_mut().stray_rate = self.rates.strays;
    }

    fn code_of(&self, scenario: &Scenario, entry: &ChainEntry) -> Result<Rc<dyn GuestCode>> {
        if let Wasm::Own(own) = &entry.wasm {
            return own.code(&entry.name, &scenario.secrets, &|_| None);
        }
        match entry.suite() {
            Some(name) if name != self.filter && entry.name != self.filter => {
                let filters = scenario.catalogue.filters_in(name);
                anyhow::ensure!(!filters.is_empty(), "no filter is called {name}");
                Ok(NativeCode::bundle(filters))
            }
            _ => Ok(Rc::clone(&self.code)),
        }
    }
}

/// What the proxy itself has ended the module or the worker for, if it has.
fn host_trap(timeline: &Timeline) -> Option<String> {
    let mut traps = timeline.traps().map(|(_, message)| message);
    let found = traps
        .find(|message| message.starts_with("host trap") || message.starts_with("worker crash"));
    found.map(str::to_owned)
}

/// One of the requests of a scenario.
fn pick<'a>(scenario: &'a Scenario, random: &mut Random) -> Option<&'a Request> {
    let requests: Vec<&Request> = scenario
        .steps
        .iter()
        .filter_map(Step::traffic)
        .map(|traffic| &traffic.request)
        .collect();
    random.pick(&requests).copied()
}
