//! Counting what one exchange makes a filter execute, for an input of some size and for one of twice that size.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use modelgate_harness::artifacts::{self, Profile, Workspace};
use modelgate_harness::host::{Limits, WasmCode};
use modelgate_harness::proxy::{
    Answer, Event, FilterSpec, Gateway, GuestCode, Reply, Request, Script, Timeline,
};

/// How much more than twice the work twice the input may be: ten in a hundred.
const ROOM: (u64, u64) = (22, 10);
/// What a doubling may cost whatever the input is: tables that grow, buffers that are taken anew.
const SLACK: u64 = 60_000;

/// One filter, and an input that can be made in any size.
pub struct Case {
    /// What it is, for messages.
    pub name: String,
    /// The filter's crate.
    pub filter: &'static str,
    /// The smaller size, in whatever unit the input has.
    pub size: usize,
    /// The configuration for an input of this size.
    pub config: Box<dyn Fn(usize) -> String>,
    /// The request and the upstream's answer of this size.
    pub traffic: Box<dyn Fn(usize) -> (Request, Reply)>,
    /// What is counted.
    pub what: What,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The exchange.
    Exchange,
    /// Loading the configuration.
    Load,
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
            what: What::Exchange,
        }
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
        artifacts::build_filters(&workspace, Profile::Release).unwrap();
        Self {
            folder: workspace.target.join("modelgate"),
            codes: RefCell::default(),
        }
    }

    fn code(&self, filter: &'static str) -> Rc<dyn GuestCode> {
        let mut codes = self.codes.borrow_mut();
        let code = codes.entry(filter).or_insert_with(|| {
            let wasm = std::fs::read(self.folder.join(artifacts::file_name(filter))).unwrap();
            let limits = Limits {
                fuel: 50_000_000_000,
                memory_bytes: 1 << 30,
            };
            WasmCode::load_with(&wasm, limits).unwrap()
        });
        Rc::clone(code)
    }

    /// Instructions for an input of this size.
    fn count(&self, case: &Case, size: usize) -> Result<u64, String> {
        let (request, reply) = (case.traffic)(size);
        let mut world = Script::default();
        world.cluster("upstream", vec![Answer::Reply(reply)]);
        let mut spec = FilterSpec::new(case.filter, self.code(case.filter))
            .configuration((case.config)(size).into_bytes());
        spec.headers_stop_alone = Some(true);
        let mut gateway = Gateway::builder()
            .network(world)
            .trace(true)
            .filter(spec)
            .build()
            .map_err(|error| format!("{}: {error}", case.name))?;
        let load = instructions(&gateway.take_timeline());
        if case.what == What::Load {
            return Ok(load);
        }
        let outcome = gateway.exchange(request);
        let timeline = gateway.take_timeline();
        if let Some((_, message)) = timeline.traps().next() {
            return Err(format!("{}: {message}", case.name));
        }
        if outcome.status().is_none() {
            return Err(format!("{}: no answer", case.name));
        }
        Ok(instructions(&timeline))
    }
}

fn instructions(timeline: &Timeline) -> u64 {
    timeline
        .events()
        .map(|event| match event {
            Event::Callback { fuel, .. } => fuel.unwrap_or_default(),
            _ => 0,
        })
        .sum()
}

/// Holds the work for twice the input against that for the input.
pub fn judge(bench: &Bench, case: &Case) -> Result<(), String> {
    let once = bench.count(case, case.size)?;
    let twice = bench.count(case, case.size * 2)?;
    assert!(once > 0, "{}: nothing was counted", case.name);
    let most = once * ROOM.0 / ROOM.1 + SLACK;
    if twice <= most {
        return Ok(());
    }
    Err(format!(
        "{}: {once} instructions for {}, {twice} for {}",
        case.name,
        case.size,
        case.size * 2
    ))
}
