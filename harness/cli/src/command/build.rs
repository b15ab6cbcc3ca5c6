//! `modelgate build`: the filters' `.wasm` files, or the dynamic module.

use std::process::ExitCode;

use crate::SUITE;
use crate::build::reproduce::build_twice;
use crate::build::{Artifact, Profile, Workspace, build, bundle, native};
use anyhow::{Context, Result};
use clap::Args;

/// Build the filters into target/modelgate, the same bytes in every directory.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Filters to build, by their crates' names; all of them if none is named.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Build quickly: without optimization, with overflow checks.
    #[arg(long)]
    dev: bool,
    /// Build the dynamic module for Envoy instead, target/modelgate/libmodelgate.so: all filters as
    /// a shared library for this machine.
    #[arg(long, conflicts_with_all = ["filters", "dev", "twice"])]
    native: bool,
    /// Build one module with only these filters instead, target/modelgate/bundle/modelgate.wasm,
    /// for a chain in one entry that lists no others: it starts sooner than that of all filters.
    #[arg(long, value_name = "FILTER,…", value_delimiter = ',', conflicts_with_all = ["filters", "native", "twice"])]
    bundle: Vec<String>,
    /// Build twice, in two temporary directories, and compare the bytes; target/modelgate stays as
    /// it is.
    #[arg(long)]
    twice: bool,
}

/// Builds; see [`Arguments`]. Exit code 1 where two builds differ.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if arguments.native {
        show(&native::build(&workspace)?);
        return Ok(ExitCode::SUCCESS);
    }
    let profile = if arguments.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    if !arguments.bundle.is_empty() {
        let chosen = bundle::chosen(&arguments.bundle)?;
        show(&bundle::build(&workspace, &chosen, profile)?);
        return Ok(ExitCode::SUCCESS);
    }
    let known = |name: &String| {
        SUITE
            .modules()
            .into_iter()
            .find(|known| *known == name.replace('_', "-"))
            .with_context(|| format!("{name} is none of: {}", SUITE.modules().join(", ")))
    };
    let named = arguments
        .filters
        .iter()
        .map(known)
        .collect::<Result<Vec<&str>>>()?;
    let names = if named.is_empty() {
        SUITE.modules()
    } else {
        named
    };
    if arguments.twice {
        let pairs = build_twice(&workspace, &names, profile)?;
        for pair in &pairs {
            let [first, second] = &pair.sha256;
            match pair.same() {
                true => println!("same    {first}  {}.wasm", pair.name),
                false => println!("DIFFERS {first} {second}  {}.wasm", pair.name),
            }
        }
        let all_same = pairs.iter().all(|pair| pair.same());
        return Ok(if all_same {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    for artifact in build(&workspace, &names, profile)? {
        show(&artifact);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(artifact: &Artifact) {
    println!(
        "{}  {}  {} bytes",
        artifact.sha256,
        artifact.path.display(),
        artifact.bytes
    );
}
