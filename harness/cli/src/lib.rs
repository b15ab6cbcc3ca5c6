//! The `modelgate` CLI as a library: its subcommands, and the tools behind them.
//!
//! The program `modelgate` is this and nothing more. `modelgate-full` (`harness/full`) adds what
//! takes long to compile: WebAssembly, containers, the bench. Neither is ever compiled twice for
//! the other's sake.

pub mod build;
pub mod check;
pub mod command;
pub mod explain;
pub mod gateway;
pub mod generate;
pub mod import;
pub mod inspect;
mod needs;
pub mod new;
pub mod pii;
pub mod provenance;
mod routing_headers;
pub mod sbom;
pub mod skip;
mod stats_tags;

use modelgate_scenario::catalogue::Catalogue;

/// The filters of the suite, which the tools are about.
pub const SUITE: Catalogue = Catalogue::new(modelgate::BUNDLE, modelgate::FILTERS);
