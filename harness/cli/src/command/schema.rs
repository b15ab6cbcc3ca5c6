//! `modelgate schema`: the JSON Schema of a filter's configuration, or of a chain's in one entry.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use modelgate_kit::vm::CHAIN;
use modelgate_scenario::suite;

/// Print the JSON Schema (draft 2020-12) of a filter's configuration, or of a chain's in one entry.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The filter: its crate, its name or its module (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`); or
    /// `chain`.
    #[arg(value_name = "FILTER")]
    filter: String,
}

/// Prints it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let schema = match arguments.filter.as_str() {
        CHAIN => suite::schema::chain(),
        filter => {
            let member = suite::member(filter).with_context(|| {
                let known: Vec<&str> = suite::FILTERS.iter().map(|member| member.krate).collect();
                format!(
                    "there is no filter {filter:?}; there are {}, and `{CHAIN}`",
                    known.join(", ")
                )
            })?;
            (member.filter.schema)()
        }
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
