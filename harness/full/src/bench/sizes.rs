//! What a long configuration costs: memory of the VM and instructions at the start, and
//! instructions of a request, by the number of entries.
//!
//! Counted on the embedded host, with the modules as they are shipped: the same on every machine. A
//! module's memory never shrinks, so what it has after the start is the most that it has needed
//! meanwhile. Envoy has one VM for each worker.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::configurations::{CASES, Case};
use modelgate_scenario::catalogue::file_name;
use proxy_wasm_simulator::{FilterSpec, Gateway, GuestCode};
use proxy_wasm_wasmtime::{Limits, WasmCode};

/// Requests before the one that is counted.
const WARM: usize = 3;

/// What a configuration of some size costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Entries.
    pub entries: usize,
    /// Bytes of configuration for an entry.
    pub text: u64,
    /// Bytes of the VM's memory for an entry, beyond what it has with one.
    pub memory: u64,
    /// Instructions at the start for an entry.
    pub start: u64,
    /// Instructions of a request that the last entry decides.
    pub request: u64,
}

/// What one VM and one request cost under some configuration.
struct Cost {
    text: u64,
    memory: u64,
    start: u64,
    request: u64,
}

/// What each case costs, by its numbers of entries.
pub type Sizes = BTreeMap<&'static str, Vec<Size>>;

/// Measures every case with the modules in the folder `wasm`, in each of its sizes up to `most`.
///
/// # Errors
/// If a module is missing or does not start, or a request gets another answer than the case says.
pub fn measure(wasm: &Path, most: usize, progress: &dyn Fn(&str)) -> Result<Sizes> {
    let mut codes: BTreeMap<&'static str, Rc<dyn GuestCode>> = BTreeMap::new();
    let mut measured = BTreeMap::new();
    for case in &CASES {
        for filter in case.chain {
            if !codes.contains_key(filter) {
                codes.insert(filter, load(wasm, filter)?);
            }
        }
        let one = cost(case, 1, &codes)?;
        let mut sizes = Vec::new();
        for entries in case.sizes.iter().filter(|entries| **entries <= most) {
            let many = cost(case, *entries, &codes)?;
            progress(&format!(
                "counted: {}, {entries} entries ({} KiB of memory)",
                case.name,
                many.memory / 1024
            ));
            let each = |bytes: u64| bytes.div_ceil(u64::try_from(*entries).unwrap_or(u64::MAX));
            sizes.push(Size {
                entries: *entries,
                text: each(many.text),
                memory: each(many.memory.saturating_sub(one.memory)),
                start: each(many.start),
                request: many.request,
            });
        }
        measured.insert(case.name, sizes);
    }
    Ok(measured)
}

/// The code of a filter's module in the folder `wasm`, without limits.
///
/// # Errors
/// If it is missing or no module.
pub fn load(wasm: &Path, filter: &str) -> Result<Rc<dyn GuestCode>> {
    let file = wasm.join(file_name(filter));
    let module = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let limits = Limits {
        fuel: u64::MAX,
        memory_bytes: 3 << 30,
    };
    WasmCode::load_with(&module, limits).map_err(|problem| anyhow!("{}: {problem}", file.display()))
}

fn cost(
    case: &Case,
    entries: usize,
    codes: &BTreeMap<&'static str, Rc<dyn GuestCode>>,
) -> Result<Cost> {
    let mut builder = Gateway::builder().trace(true);
    let mut text = 0;
    for (filter, config) in case.chain.iter().zip((case.configurations)(entries)) {
        let code = codes.get(filter).context("a filter that was not loaded")?;
        let config = config.to_string().into_bytes();
        text = u64::try_from(config.len())?;
        let mut spec = FilterSpec::new(filter, Rc::clone(code)).configuration(config);
        spec.root_id = case.root_id.to_owned();
        spec.allow_on_headers_stop_iteration = Some(true);
        builder = builder.filter(spec);
    }
    let mut gateway = builder
        .build()
        .map_err(|error| anyhow!("{} with {entries} entries: {error}", case.name))?;
    // The last filter is the one in question; those before it say who calls.
    let measured = case.chain.last().context("a case without a filter")?;
    let all = gateway.take_timeline().instructions(measured);
    let memory = gateway.memory_bytes();
    // On the main thread and on each worker.
    let vms = memory.len() / case.chain.len();
    let start = all / u64::try_from(vms.max(1))?;
    let mut request = 0;
    for _ in 0..=WARM {
        let outcome = gateway.exchange((case.request)(entries));
        ensure!(
            outcome.status() == Some(200),
            "{} with {entries} entries: the request got {:?}",
            case.name,
            outcome.status()
        );
        request = gateway.take_timeline().instructions(measured);
    }
    Ok(Cost {
        text,
        memory: memory.last().copied().context("a VM without memory")?,
        start,
        request,
    })
}
