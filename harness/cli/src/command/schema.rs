//! `modelgate schema`: the JSON Schema of a filter's configuration, of a chain's in one entry, of
//! scenario files or of gateway files.

use std::process::ExitCode;

use crate::SUITE;
use crate::gateway;
use crate::generate::{GATEWAY, SCENARIO};
use anyhow::{Context, Result};
use clap::Args;
use modelgate_kit::vm::CHAIN;
use modelgate_scenario::file::schema as scenario_schema;

/// Print the JSON Schema (draft 2020-12) of a filter's configuration, of a chain's in one entry, of
/// scenario files or of gateway files.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The filter: its crate, its name or its module (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`);
    /// `chain`; `scenario`; or `gateway`.
    #[arg(value_name = "FILTER")]
    filter: String,
}

/// Prints it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let schema = match arguments.filter.as_str() {
        CHAIN => SUITE.chain_schema(),
        SCENARIO => scenario_schema(&SUITE),
        GATEWAY => gateway::schema(),
        filter => {
            let member = SUITE.member(filter).with_context(|| {
                let known: Vec<&str> = SUITE.filters().iter().map(|member| member.krate).collect();
                format!(
                    "there is no filter {filter:?}; there are {}, `{CHAIN}`, `{SCENARIO}` and `{GATEWAY}`",
                    known.join(", ")
                )
            })?;
            (member.filter.schema)()
        }
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
