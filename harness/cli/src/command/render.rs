//! `modelgate render`: a gateway file as the files of a host.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use located_yaml::Node;

use crate::check::{self, Checked, Format, Severity};
use crate::gateway::{self, Host};

/// Render a gateway file as the files that a host reads.
///
/// A gateway file says in about 25 lines what a gateway is for: the model server, who may call and
/// for what, limits, masking. docs/gateway.md explains it; `modelgate schema gateway` prints its
/// JSON Schema. A file with errors is not rendered; the errors are reported as `modelgate check`
/// reports them. Notes about the host go to standard error.
///
/// Exit code 0: it is written to standard output; 1: something is wrong with the file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The gateway file.
    #[arg(value_name = "GATEWAY.yaml")]
    file: PathBuf,
    /// The host.
    #[arg(long = "for", value_enum, value_name = "HOST")]
    host: Host,
}

/// Writes it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let shown = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file).with_context(|| shown.to_string())?;
    let root = Node::parse(&text).with_context(|| format!("{shown} is not YAML"))?;
    anyhow::ensure!(
        gateway::is_gateway(&root),
        "{shown} is no gateway file: it has no `backend` with a `kind`"
    );
    let outcome = check::check(&text);
    let wrong = |finding: &check::Finding| finding.severity == Severity::Error;
    if outcome.findings.iter().any(wrong) {
        let path = shown.to_string();
        let checked = Checked { path, outcome };
        eprint!("{}", check::render(&[checked], Format::Text));
        return Ok(ExitCode::FAILURE);
    }
    match gateway::read(&root, arguments.host) {
        Ok(meaning) => {
            for note in gateway::notes(&meaning, arguments.host) {
                eprintln!("note: {note}");
            }
            print!("{}", gateway::render(&meaning, arguments.host));
            Ok(ExitCode::SUCCESS)
        }
        // What only this host says.
        Err(problems) => {
            for problem in problems {
                eprintln!("{shown}:{problem}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
