//! `modelgate new`: writes a new filter, into the suite or as a crate of its own.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::build::{self, Workspace};
use crate::new::{self, Kit, Name};

/// Create a new filter: crate, configuration, reason codes, unit tests, scenarios and README, all
/// working.
///
/// It becomes a filter of the suite, in plugins/NAME, entered in the suite's list; or, with
/// --standalone, a crate of its own, outside this repository, that is written with the kit.
/// docs/new-filter.md leads through what comes next.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Its name in kebab-case, such as `geo-fence`; with --standalone, the folder's name unless
    /// given.
    #[arg(value_name = "NAME", required_unless_present = "standalone")]
    name: Option<String>,
    /// The filter behind which it stands in the chain.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "consumer-acl",
        conflicts_with = "standalone"
    )]
    after: String,
    /// Write a crate of its own into this folder, which must be empty or not there yet.
    #[arg(long, value_name = "DIR")]
    standalone: Option<PathBuf>,
    /// The release of the kit that the crate depends on; without it, the kit in this repository.
    #[arg(long, value_name = "VERSION", requires = "standalone")]
    kit_version: Option<String>,
}

/// Writes it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match &arguments.standalone {
        Some(folder) => standalone(&workspace, folder, arguments),
        None => {
            let name = Name::parse(arguments.name.as_deref().unwrap_or_default())?;
            in_suite(&workspace, &name, &arguments.after)
        }
    }
}

fn standalone(workspace: &Workspace, folder: &Path, arguments: &Arguments) -> Result<ExitCode> {
    let name = match &arguments.name {
        Some(name) => Name::parse(name)?,
        None => {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            Name::parse(&name)
                .context("the folder's name is to be the filter's: give another NAME")?
        }
    };
    let kit = match &arguments.kit_version {
        Some(version) => Kit::Version(version.clone()),
        None => Kit::Path(workspace.root.join("shared")),
    };
    let written = new::standalone(&workspace.root, folder, &name, &kit)?;
    for path in written {
        println!("written: {}", folder.join(path).display());
    }
    // The wrapping of lines depends on the length of the name.
    cargo(folder, &["fmt"])?;
    println!("next: README.md there says how to build, test and run it");
    Ok(ExitCode::SUCCESS)
}

fn in_suite(workspace: &Workspace, name: &Name, after: &str) -> Result<ExitCode> {
    for path in new::in_suite(&workspace.root, name, after)? {
        println!("written: {}", path.display());
    }
    // The lock file learns of the crate; whatever it depends on is locked already.
    cargo(&workspace.root, &["update", "--workspace", "--offline"])?;
    // The wrapping of lines depends on the length of the name.
    cargo(&workspace.root, &["fmt", "--package", name.kebab()])?;
    eprintln!(
        "building modelgate with the new filter, for the files that are made from the code …"
    );
    cargo(&workspace.root, &["modelgate", "generate"])?;
    let kebab = name.kebab();
    println!(
        "next: cargo test -p {kebab} && cargo modelgate scenario plugins/{kebab}/scenarios; docs/new-filter.md leads on"
    );
    Ok(ExitCode::SUCCESS)
}

fn cargo(folder: &Path, arguments: &[&str]) -> Result<()> {
    let status = build::cargo()
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("starting cargo")?;
    ensure!(
        status.success(),
        "`cargo {}` failed ({status})",
        arguments.join(" ")
    );
    Ok(())
}
