//! `modelgate bench`: what the filters cost, as tables on the terminal and in docs/performance.md.
//! What it measures with is in `modelgate-full`.

use std::path::PathBuf;

use clap::Args;

/// Measure what the filters cost: instructions, and CPU time on a real Envoy beside Envoy's own
/// filters.
///
/// Instructions (wasmtime's fuel), entries and host calls of a request are counted on the embedded
/// host, and are the same on every machine. CPU time of the Envoy process per request, with one
/// worker, in interleaved rounds: the filters in wasm and in the native form, and Envoy's own for
/// the nearest job. Takes several minutes; leave the machine alone meanwhile. To judge a change,
/// `--save` a run before it, and `--compare` one after it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Cases to measure, by name (see tests/bench, and `kit`, `bodies`, `latency`, `pii`, `sizes`,
    /// `starts`, which are no files); all of them if none is named. `bare`, without a filter, is
    /// always measured.
    #[arg(value_name = "CASE")]
    pub cases: Vec<String>,
    /// How often each variant has its turn.
    #[arg(long, default_value_t = 11)]
    pub rounds: usize,
    /// How long a turn is, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    pub turn_ms: u64,
    /// Connections that are kept busy.
    #[arg(long, default_value_t = 16)]
    pub connections: usize,
    /// The Envoy release to use; without it, what MODELGATE_ENVOY or PATH has, or else the default
    /// one.
    #[arg(long, value_name = "VERSION")]
    pub envoy: Option<String>,
    /// Use the filters in this folder as they are, instead of building them.
    #[arg(long, value_name = "FOLDER")]
    pub wasm: Option<PathBuf>,
    /// Only count what filters execute (on the embedded host, without an Envoy).
    #[arg(long)]
    pub instructions: bool,
    /// Only count what the whole Envoy executes, by valgrind's callgrind (which must be installed);
    /// fails where a case exceeds its budget. Takes some minutes a case.
    #[arg(long, conflicts_with = "instructions")]
    pub callgrind: bool,
    /// Keep callgrind's files in this folder, for callgrind_annotate.
    #[arg(long, value_name = "FOLDER", requires = "callgrind")]
    pub dumps: Option<PathBuf>,
    /// Keep what was measured of the filters in this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["instructions", "callgrind"])]
    pub save: Option<PathBuf>,
    /// Compare with what `--save` has kept, and say of each variant whether it is better or worse,
    /// or whether the rounds cannot tell.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["instructions", "callgrind"])]
    pub compare: Option<PathBuf>,
    /// Write the tables to docs/performance.md too, and the budgets to tests/budgets.json; of all
    /// cases.
    #[arg(long, conflicts_with = "cases")]
    pub write: bool,
}
