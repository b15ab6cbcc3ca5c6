//! Counting what one exchange makes a filter execute, for an input of some size and for one of
//! twice that size.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_scenario::catalogue::file_name;
use proxy_wasm_simulator::random::Random;
use proxy_wasm_simulator::{Answer, FilterSpec, Gateway, GuestCode, Reply, Request, Script};
use proxy_wasm_wasmtime::{Limits, WasmCode};

/// How much more than twice the work twice the input may be: ten in a hundred.
const ROOM: (u64, u64) = (22, 10);
/// What a doubling may cost besides, whatever the input is: tables that grow, buffers that are
/// taken anew. At most so many instructions, and at most that part of the work for the smaller
/// input.
const SLACK: u64 = 5_000;
const SHARE: u64 = 20;

/// Any status.
pub const ANY: u16 = 0;

/// A configuration as it is written for an input of some size.
pub type Written = Box<dyn Fn(usize) -> String>;

/// One filter, and an input that can be made in any size.
pub struct Case {
    /// What it is, for messages.
    pub name: String,
    /// The filter's crate.
    pub filter: &'static str,
    /// The smaller size, in whatever unit the input has.
    pub size: usize,
    /// The configuration for an input of this size.
    pub config: Written,
    /// The request and the upstream's answer of this size.
    pub traffic: Box<dyn Fn(usize) -> (Request, Reply)>,
    /// The filter in front of it, which says who asks; what it executes is not counted.
    pub front: Option<(&'static str, Written)>,
    /// What clusters besides the upstream answer: key sets, say.
    pub others: Box<dyn Fn(usize) -> Vec<(&'static str, Answer)>>,
    /// How many exchanges there are, one after the other.
    pub exchanges: fn(usize) -> usize,
    /// How long is counted after the answer, for what is sent later.
    pub afterwards: Duration,
    /// What is counted.
    pub what: What,
    /// The answer's status, for both sizes: what is refused at once proves little, so a refusal is
    /// said where it is meant. [`ANY`] for inputs that nobody has chosen.
    pub status: u16,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The exchange.
    Exchange,
    /// Loading the configuration.
    Load,
    /// Both: what is fetched may be read in either.
    Both,
}

impl Case {
    /// A request to a filter under one configuration.
    pub fn request(
        filter: &'static str,
        name: impl Into<String>,
        config: &str,
        size: usize,
        request: impl Fn(usize) -> Request + 'static,
    ) -> Self {
        Self::exchange(filter, name, config, size, move |size| {
            (request(size), Reply::status(200))
        })
    }

    /// A request and its answer under one configuration.
    pub fn exchange(
        filter: &'static str,
        name: impl Into<String>,
        config: &str,
        size: usize,
        traffic: impl Fn(usize) -> (Request, Reply) + 'static,
    ) -> Self {
        let config = config.to_owned();
        Self {
            name: format!("{filter}: {}", name.into()),
            filter,
            size,
            config: Box::new(move |_| config.clone()),
            traffic: Box::new(traffic),
            front: None,
            others: Box::new(|_| Vec::new()),
            exchanges: |_| 1,
            afterwards: Duration::ZERO,
            what: What::Exchange,
            status: 200,
        }
    }

    /// Its configuration has this size as well.
    #[must_use]
    pub fn under(self, config: impl Fn(usize) -> String + 'static) -> Self {
        Self {
            config: Box::new(config),
            ..self
        }
    }

    /// Another filter stands in front.
    #[must_use]
    pub fn behind(self, filter: &'static str, config: impl Fn(usize) -> String + 'static) -> Self {
        Self {
            front: Some((filter, Box::new(config))),
            ..self
        }
    }

    /// What the proxy executes when it is started counts as well.
    #[must_use]
    pub fn loading_too(self) -> Self {
        Self {
            what: What::Both,
            ..self
        }
    }

    /// It is refused, with this status.
    #[must_use]
    pub fn refused(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// The modules, each compiled once.
pub struct Bench {
    folder: PathBuf,
    codes: RefCell<BTreeMap<&'static str, Rc<dyn GuestCode>>>,
}

impl Bench {
    pub fn new() -> Self {
        let workspace = Workspace::locate().unwrap();
        build::build_filters(&workspace, Profile::Release).unwrap();
        Self {
            folder: workspace.target.join("modelgate"),
            codes: RefCell::default(),
        }
    }

    fn code(&self, filter: &'static str) -> Rc<dyn GuestCode> {
        let mut codes = self.codes.borrow_mut();
        let code = codes
            .entry(filter)
            .or_insert_with(|| self.read(filter, 1 << 30));
        Rc::clone(code)
    }

    fn read(&self, filter: &str, memory_bytes: usize) -> Rc<dyn GuestCode> {
        let wasm = std::fs::read(self.folder.join(file_name(filter))).unwrap();
        let limits = Limits {
            fuel: 50_000_000_000,
            memory_bytes,
        };
        WasmCode::load_with(&wasm, limits).unwrap()
    }

    /// Loads a configuration in VMs with so much memory; what is said where it is refused.
    pub fn load(&self, filter: &str, config: &str, memory_bytes: usize) -> Result<(), String> {
        let code = self.read(filter, memory_bytes);
        let spec = FilterSpec::new(filter, code).configuration(config.as_bytes().to_vec());
        let gateway = Gateway::builder().filter(spec).build();
        gateway.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Instructions for an input of this size.
    pub fn count(&self, case: &Case, size: usize) -> Result<u64, String> {
        let (request, reply) = (case.traffic)(size);
        let mut world = Script::default();
        world.cluster("upstream", vec![Answer::Reply(reply)]);
        for (cluster, answer) in (case.others)(size) {
            world.cluster(cluster, vec![answer]);
        }
        let spec = |filter: &'static str, config: &dyn Fn(usize) -> String| {
            let mut spec =
                FilterSpec::new(filter, self.code(filter)).configuration(config(size).into_bytes());
            spec.allow_on_headers_stop_iteration = Some(true);
            spec
        };
        let builder = Gateway::builder().network(world).trace(true);
        let builder = match &case.front {
            Some((front, config)) => builder.filter(spec(front, config)),
            None => builder,
        };
        let mut gateway = builder
            .filter(spec(case.filter, &case.config))
            .build()
            .map_err(|error| format!("{}: {error}", case.name))?;
        let load = gateway.take_timeline().instructions(case.filter);
        if case.what == What::Load {
            return Ok(load);
        }
        for _ in 0..(case.exchanges)(size) {
            let client = gateway.exchange(request.clone()).client;
            let is_wanted = case.status == ANY || client.status() == Some(case.status);
            if !is_wanted || !client.complete {
                return Err(format!(
                    "{}: of size {size} it is answered with {:?} ({:?}), complete: {}",
                    case.name,
                    client.status(),
                    client.header("x-modelgate-reason"),
                    client.complete
                ));
            }
        }
        gateway.advance(case.afterwards);
        let timeline = gateway.take_timeline();
        if let Some((_, message)) = timeline.traps().next() {
            return Err(format!("{}: {message}", case.name));
        }
        let exchanges = timeline.instructions(case.filter);
        Ok(match case.what {
            What::Both => load.saturating_add(exchanges),
            What::Load | What::Exchange => exchanges,
        })
    }
}

/// Seeds of mixtures: `MODELGATE_GROWTH_SEEDS` of them (24 unless told otherwise), from
/// `MODELGATE_GROWTH_SEED` on.
pub fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    };
    let first = number("MODELGATE_GROWTH_SEED", 1);
    first..first.saturating_add(number("MODELGATE_GROWTH_SEEDS", 24))
}

/// Numbers below one that is given.
pub fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut numbers = Random::new(seed);
    move |below| numbers.below(below)
}

/// A stretch of up to six of these fragments, each up to four times, repeated until it is long
/// enough.
pub fn mixture(fragments: &[&str], random: &mut impl FnMut(usize) -> usize, size: usize) -> String {
    let stretch: String = (0..=random(6))
        .map(|_| fragments[random(fragments.len())].repeat(1 + random(4)))
        .collect();
    stretch.repeat(size.div_ceil(stretch.len()))
}

/// What one input and one of twice its size make a filter execute.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub once: u64,
    pub twice: u64,
}

impl Growth {
    /// Whether twice the input is at most twice the work, and a tenth.
    pub fn is_linear(self) -> bool {
        let slack = SLACK.min(self.once / SHARE);
        self.twice <= self.once * ROOM.0 / ROOM.1 + slack
    }

    /// How many times the work twice the input is, in thousandths.
    pub fn thousandths(self) -> u64 {
        self.twice * 1000 / self.once.max(1)
    }
}

/// Holds the work for twice the input against that for the input.
pub fn judge(bench: &Bench, case: &Case) -> Result<Growth, String> {
    let growth = Growth {
        once: bench.count(case, case.size)?,
        twice: bench.count(case, case.size * 2)?,
    };
    if growth.is_linear() {
        return Ok(growth);
    }
    Err(format!(
        "{}: {} instructions for {}, {} for {}",
        case.name,
        growth.once,
        case.size,
        growth.twice,
        case.size * 2
    ))
}
