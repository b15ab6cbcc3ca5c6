//! `modelgate route`: where requests for models go.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::explain;

/// The filter that chooses.
const FILTER: &str = "model_route";

/// Say where requests for models go.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say where a request would go, and why: which target, model and version.
    ///
    /// The same as `modelgate explain`, with what model-route tells and nothing of the other
    /// filters. Circuits are closed: what a running gateway has seen fail is not known here.
    Explain(explain::Arguments),
}

/// Runs it; see [`Arguments`].
pub fn run(Arguments { action }: &Arguments) -> Result<ExitCode> {
    match action {
        Action::Explain(arguments) => explain::run_for(arguments, Some(FILTER)),
    }
}
