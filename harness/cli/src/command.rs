//! The subcommands of `modelgate`, one module each: arguments as a clap struct, `run` gives the
//! exit code.
//!
//! The exit status is what `EXIT_STATUS` says.

pub mod bench;
mod build;
mod check;
mod completions;
mod demo;
mod explain;
mod full;
mod gateway;
mod generate;
mod import;
pub mod inspect;
mod man;
mod new;
mod pii;
mod pipe;
pub mod progress;
pub mod pull;
pub mod push;
pub mod release;
mod render;
mod route;
mod run;
mod rustdoc;
mod scenario;
mod schema;
mod site;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};
use modelgate_scenario::engine::Backends;

use crate::build::native;

/// What the exit status means, for the help and the manual page.
const EXIT_STATUS: &str = "Exit status: 0 all is well; 1 something checked is not as it should be; 2 the command itself could not be carried out; \
    3 `import` only: something that protects is not covered; \
    141 nobody reads the output any more (as in `modelgate demo | head`), what a shell gives for a program that SIGPIPE has ended.";

/// Governed access to models: proxy-wasm filters for Envoy, and the tools around them.
#[derive(Debug, Parser)]
#[command(
    max_term_width = 80,
    name = "modelgate",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = EXIT_STATUS
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
    Demo(demo::Arguments),
    Explain(explain::Arguments),
    Generate(generate::Arguments),
    Import(import::Arguments),
    Inspect(inspect::Arguments),
    Man(man::Arguments),
    New(new::Arguments),
    Pii(pii::Arguments),
    Pull(pull::Arguments),
    Push(push::Arguments),
    Release(release::Arguments),
    Render(render::Arguments),
    Route(route::Arguments),
    Run(run::Arguments),
    Scenario(scenario::Arguments),
    Schema(schema::Arguments),
    Site(site::Arguments),
    Test(test::Arguments),
}

/// What the program `modelgate-full` has besides.
pub struct Full {
    /// Engines that take long to compile.
    pub backends: Backends,
    /// Runs `modelgate bench`.
    pub bench: fn(&bench::Arguments) -> Result<ExitCode>,
    /// Runs `modelgate push`.
    pub push: fn(&push::Arguments) -> Result<ExitCode>,
    /// Runs `modelgate pull`.
    pub pull: fn(&pull::Arguments) -> Result<ExitCode>,
    /// Runs `modelgate release`.
    pub release: fn(&release::Arguments) -> Result<ExitCode>,
    /// Fetches what `modelgate inspect` looks at.
    pub fetch: inspect::Fetch,
}

/// Reads the command line and runs what it asks for. A program without `full` has the one that has
/// it do what it cannot.
pub fn main(full: Option<&Full>) -> ExitCode {
    pipe::end_quietly_when_nobody_reads();
    let result = rustdoc::run().unwrap_or_else(|| dispatch(full));
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

/// Whether this is a command line that the program takes; `words` begins with the program's name.
///
/// # Errors
/// If it is not: with what the program would say.
pub fn accepts(words: &[String]) -> Result<(), String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    match Cli::try_parse_from(words) {
        Err(error) if !matches!(error.kind(), DisplayHelp | DisplayVersion) => {
            Err(error.to_string())
        }
        _ => Ok(()),
    }
}

/// The engines that every program has.
const BACKENDS: Backends = Backends {
    modules: None,
    container: None,
    native: Some(native::for_engines),
};

fn dispatch(full: Option<&Full>) -> Result<ExitCode> {
    let backends = full.map_or(BACKENDS, |full| full.backends);
    match Cli::parse().command {
        Command::Bench(arguments) => match full {
            Some(full) => (full.bench)(&arguments),
            None => full::run(),
        },
        Command::Build(arguments) => build::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Cli::command()),
        Command::Demo(arguments) => demo::run(&arguments, &backends),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments, full.map(|full| full.fetch)),
        Command::Run(arguments) => run::run(&arguments, &backends),
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
        Command::New(arguments) => new::run(&arguments),
        Command::Pii(arguments) => pii::run(&arguments),
        Command::Pull(arguments) => match full {
            Some(full) => (full.pull)(&arguments),
            None => full::run(),
        },
        Command::Push(arguments) => match full {
            Some(full) => (full.push)(&arguments),
            None => full::run(),
        },
        Command::Release(arguments) => match full {
            Some(full) => (full.release)(&arguments),
            None => full::run(),
        },
        Command::Render(arguments) => render::run(&arguments),
        Command::Route(arguments) => route::run(&arguments),
        Command::Scenario(arguments) => scenario::run(&arguments, &backends),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Site(arguments) => site::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    }
}
