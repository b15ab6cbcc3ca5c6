//! `modelgate completions`: what a shell needs to complete commands and options.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

/// Write the completions for a shell to standard output.
///
/// For bash: `source <(modelgate completions bash)`, or into a file in
/// ~/.local/share/bash-completion/completions. For zsh: into a file `_modelgate` in a folder of
/// $fpath. For fish: into ~/.config/fish/completions/modelgate.fish.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes them; see [`Arguments`].
pub fn run(arguments: &Arguments, mut command: clap::Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "modelgate", &mut script);
    print!("{}", String::from_utf8(script)?);
    Ok(ExitCode::SUCCESS)
}
