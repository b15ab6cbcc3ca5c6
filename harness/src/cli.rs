//! The subcommands of `modelgate`, one module each: arguments as a clap struct, `run` gives the exit code.
//!
//! Exit codes: 0 all is well; 1 something checked is not as it should be; 2 the command itself could not be carried out.

mod bench;
mod build;
mod check;
mod completions;
#[cfg(feature = "demo")]
mod demo;
mod gateway;
mod generate;
mod inspect;
mod man;
mod pipe;
mod progress;
mod rebuilt;
mod run;
mod scenario;
mod schema;
mod test;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Governed access to models: proxy-wasm filters for Envoy, and the tools around them.
#[derive(Debug, Parser)]
#[command(
    name = "modelgate",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Build(build::Arguments),
    Check(check::Arguments),
    Completions(completions::Arguments),
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
    Generate(generate::Arguments),
    Inspect(inspect::Arguments),
    Man(man::Arguments),
    Run(run::Arguments),
    Scenario(scenario::Arguments),
    Schema(schema::Arguments),
    Test(test::Arguments),
}

/// Reads the command line and runs what it asks for.
pub fn main() -> ExitCode {
    pipe::end_quietly_when_nobody_reads();
    let result = match Cli::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Cli::command()),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
        Command::Scenario(arguments) => scenario::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
