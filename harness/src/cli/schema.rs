//! `modelgate schema`: the JSON Schema of a filter's configuration.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use modelgate_harness::suite;

/// Print the JSON Schema (draft 2020-12) of a filter's configuration.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The filter: its crate, its name or its module (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`).
    #[arg(value_name = "FILTER")]
    filter: String,
}

/// Prints it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let member = suite::member(&arguments.filter).with_context(|| {
        let known: Vec<&str> = suite::members().iter().map(|member| member.krate).collect();
        format!(
            "there is no filter {:?}; there are {}",
            arguments.filter,
            known.join(", ")
        )
    })?;
    println!(
        "{}",
        serde_json::to_string_pretty(&(member.filter.schema)())?
    );
    Ok(ExitCode::SUCCESS)
}
