//! What filters execute for a request, counted by the embedded host: the same on every machine, so
//! that it can be held to a ceiling.
//!
//! Instructions are wasmtime's units of fuel (about one per WebAssembly instruction executed). Host
//! calls and the entries from the proxy are counted beside them because they cost more than
//! anything that a small filter does by itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use proxy_wasm_wasmtime::WasmCode;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::sizes::{Size, Sizes};
use modelgate_cli::SUITE;
use modelgate_scenario::catalogue::file_name;
use modelgate_scenario::engine::WasmFolder;
use modelgate_scenario::engine::simulated::{Simulated, Work};

/// Where the budgets are, in the repository.
pub const BUDGETS: &str = "tests/budgets.json";

/// Requests before those that are counted.
const WARM: usize = 50;
/// Requests that are counted.
const COUNTED: usize = 100;

/// What one case costs a request, in all its filters together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Instructions, those in the background included.
    pub instructions: u64,
    /// Of these, in timers and in answers to what timers have sent.
    pub background: u64,
    /// Entries from the proxy into a filter, in hundredths.
    pub entries: u64,
    /// Calls of a filter to the proxy, in hundredths.
    pub host_calls: u64,
}

/// What is not to be exceeded: [`BUDGETS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Instructions of one request by case, those in the background included.
    pub instructions: BTreeMap<String, u64>,
    /// Calls to the proxy for one request by case, in hundredths.
    pub host_calls: BTreeMap<String, u64>,
    /// Size of a filter's module in bytes.
    pub module_bytes: BTreeMap<String, u64>,
    /// What long configurations cost, by case and number of entries, for numbers up to [`HELD`].
    pub entries: BTreeMap<String, PerEntry>,
    /// Instructions of the whole Envoy for a request beside those for the bare request, by variant,
    /// in hundredths (`bench --callgrind`).
    pub envoy: BTreeMap<String, u64>,
}

/// Numbers of entries whose figures are held to a budget.
pub const HELD: usize = 10_000;

/// What an entry of a long configuration may cost, and a request under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerEntry {
    /// Bytes of the VM's memory.
    pub memory: u64,
    /// Instructions at the start.
    pub start: u64,
    /// Instructions of a request.
    pub request: u64,
}

/// How far a figure may grow before it is over the budget that is written for it: five in a
/// hundred.
fn with_room(figure: u64) -> u64 {
    figure.saturating_mul(105).div_ceil(100)
}

impl Budgets {
    /// Reads them from a file.
    ///
    /// # Errors
    /// If it is not there, or not a file of budgets.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| file.display().to_string())
    }

    /// Writes them to a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| file.display().to_string())
    }

    /// These, with budgets of what a whole Envoy executes, a little above these ratios.
    #[must_use]
    pub fn and_envoy(mut self, ratios: &BTreeMap<String, u64>) -> Self {
        let ratios = ratios.iter();
        self.envoy = ratios
            .map(|(name, ratio)| (name.clone(), with_room(*ratio)))
            .collect();
        self
    }

    /// Which of these ratios of what a whole Envoy executes are over their budgets, or have none.
    pub fn envoy_broken_by(&self, ratios: &BTreeMap<String, u64>) -> Vec<String> {
        let told = |(name, ratio): (&String, &u64)| match self.envoy.get(name) {
            None => Some(format!("{name}: no budget for instructions of Envoy")),
            Some(budget) if ratio > budget => Some(format!(
                "{name}: {ratio} hundredths of the bare request's instructions, budget {budget}"
            )),
            Some(_) => None,
        };
        ratios.iter().filter_map(told).collect()
    }

    /// Budgets with a little room above what was measured on the embedded host.
    pub fn above(
        costs: &BTreeMap<String, Cost>,
        module_bytes: &BTreeMap<String, u64>,
        sizes: &Sizes,
    ) -> Self {
        let of = |figure: fn(&Cost) -> u64| {
            let rows = costs.iter();
            rows.map(|(name, cost)| (name.clone(), with_room(figure(cost))))
                .collect()
        };
        Self {
            instructions: of(|cost| cost.instructions),
            host_calls: of(|cost| cost.host_calls),
            module_bytes: module_bytes
                .iter()
                .map(|(name, bytes)| (name.clone(), with_room(*bytes)))
                .collect(),
            entries: held(sizes)
                .map(|(name, size)| {
                    let budget = PerEntry {
                        memory: with_room(size.memory),
                        start: with_room(size.start),
                        request: with_room(size.request),
                    };
                    (name, budget)
                })
                .collect(),
            envoy: BTreeMap::new(),
        }
    }

    /// What is over its budget, has none, or is so far below that the budget guards nothing.
    pub fn broken_by(
        &self,
        costs: &BTreeMap<String, Cost>,
        module_bytes: &BTreeMap<String, u64>,
        sizes: &Sizes,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        let mut hold = |what: &str, name: &str, figure: u64, budgets: &BTreeMap<String, u64>| {
            let Some(budget) = budgets.get(name) else {
                broken.push(format!("{name}: no budget for {what}"));
                return;
            };
            if figure > *budget {
                broken.push(format!("{name}: {figure} {what}, budget {budget}"));
            } else if with_room(with_room(with_room(figure))) < *budget {
                broken.push(format!(
                    "{name}: {figure} {what} leave the budget {budget} without a purpose; write it anew"
                ));
            }
        };
        for (name, cost) in costs {
            hold("instructions", name, cost.instructions, &self.instructions);
            hold(
                "hundredths of host calls",
                name,
                cost.host_calls,
                &self.host_calls,
            );
        }
        for (name, bytes) in module_bytes {
            hold("bytes", name, *bytes, &self.module_bytes);
        }
        type Figure = (&'static str, fn(&PerEntry) -> u64, fn(&Size) -> u64);
        let figures: [Figure; 3] = [
            (
                "bytes of memory an entry",
                |may| may.memory,
                |size| size.memory,
            ),
            ("instructions an entry", |may| may.start, |size| size.start),
            (
                "instructions of a request",
                |may| may.request,
                |size| size.request,
            ),
        ];
        for (what, budget, figure) in figures {
            let budgets = self.entries.iter();
            let budgets = budgets.map(|(name, may)| (name.clone(), budget(may)));
            let budgets = budgets.collect();
            for (name, size) in held(sizes) {
                hold(what, &name, figure(size), &budgets);
            }
        }
        broken
    }
}

/// The sizes that are held, by the names of their budgets.
fn held(sizes: &Sizes) -> impl Iterator<Item = (String, &Size)> {
    sizes.iter().flat_map(|(name, sizes)| {
        let held = sizes.iter().filter(|size| size.entries <= HELD);
        held.map(move |size| (format!("{name}: {}", size.entries), size))
    })
}

/// Counts what a case costs with the modules in the folder `wasm`: in all, and by filter.
///
/// # Errors
/// If a module is missing or does not start, or a request gets another answer than the case says.
pub fn count(case: &Case, wasm: &Path) -> Result<(Cost, BTreeMap<String, Cost>)> {
    let engine = Simulated::wasmtime(Arc::new(WasmFolder(wasm.to_owned())), WasmCode::load);
    let work = engine
        .count_work(case.main.scenario(), WARM, COUNTED)
        .with_context(|| case.main.name.clone())?;
    let by_filter: BTreeMap<String, Cost> = work
        .iter()
        .map(|(name, work)| (name.clone(), per_request(work)))
        .collect();
    let all = work.values().fold(Work::default(), |sum, work| Work {
        instructions: sum.instructions.saturating_add(work.instructions),
        background: sum.background.saturating_add(work.background),
        entries: sum.entries.saturating_add(work.entries),
        host_calls: sum.host_calls.saturating_add(work.host_calls),
    });
    Ok((per_request(&all), by_filter))
}

fn per_request(work: &Work) -> Cost {
    let requests = u64::try_from(COUNTED).unwrap_or(u64::MAX);
    let hundredths = |count: u64| count.saturating_mul(100).div_ceil(requests);
    Cost {
        instructions: work
            .instructions
            .saturating_add(work.background)
            .div_ceil(requests),
        background: work.background.div_ceil(requests),
        entries: hundredths(work.entries),
        host_calls: hundredths(work.host_calls),
    }
}

/// The sizes of the suite's modules in the folder `wasm`.
///
/// # Errors
/// If one is not there.
pub fn module_bytes(wasm: &Path) -> Result<BTreeMap<String, u64>> {
    SUITE
        .modules()
        .into_iter()
        .map(|name| {
            let file = wasm.join(file_name(name));
            let bytes = std::fs::metadata(&file)
                .with_context(|| file.display().to_string())?
                .len();
            Ok((name.to_owned(), bytes))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(instructions: u64) -> BTreeMap<String, Cost> {
        let cost = Cost {
            instructions,
            background: 0,
            entries: 300,
            host_calls: 400,
        };
        [("a".to_owned(), cost)].into()
    }

    #[test]
    fn a_budget_holds_within_its_room_and_says_what_breaks_it() {
        let sizes: BTreeMap<String, u64> = [("a".to_owned(), 1000)].into();
        let long = |start| {
            let size = |entries| Size {
                entries,
                text: 1,
                memory: 100,
                start,
                request: 300,
            };
            Sizes::from([("long", vec![size(10), size(HELD), size(HELD + 1)])])
        };
        let budgets = Budgets::above(&costs(1000), &sizes, &long(200));
        assert_eq!(budgets.entries.len(), 2);
        assert_eq!(
            budgets.broken_by(&costs(1000), &sizes, &long(211)),
            [
                "long: 10: 211 instructions an entry, budget 210",
                "long: 10000: 211 instructions an entry, budget 210"
            ]
        );
        assert_eq!(budgets.instructions.get("a"), Some(&1050));
        assert!(
            budgets
                .broken_by(&costs(1050), &sizes, &long(200))
                .is_empty()
        );
        assert_eq!(
            budgets.broken_by(&costs(1051), &sizes, &long(200)),
            ["a: 1051 instructions, budget 1050"]
        );
        assert!(
            budgets
                .broken_by(&costs(800), &sizes, &long(200))
                .iter()
                .any(|said| said.contains("without a purpose"))
        );
        let ratio = |ratio: u64| BTreeMap::from([("a".to_owned(), ratio)]);
        let budgets = budgets.and_envoy(&ratio(200));
        assert!(budgets.envoy_broken_by(&ratio(210)).is_empty());
        assert_eq!(
            budgets.envoy_broken_by(&ratio(211)),
            ["a: 211 hundredths of the bare request's instructions, budget 210"]
        );
        let unknown: BTreeMap<String, u64> = [("b".to_owned(), 1)].into();
        assert_eq!(
            budgets.envoy_broken_by(&unknown),
            ["b: no budget for instructions of Envoy"]
        );
        assert_eq!(
            budgets.broken_by(&costs(1000), &unknown, &long(200)),
            ["b: no budget for bytes"]
        );
    }
}
