//! `modelgate demo`: builds the filters, finds Envoy where one is needed, and takes the tour.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use modelgate_harness::artifacts::{Profile, Workspace, build_filters};
use modelgate_harness::demo::{self, Report, Settings};
use modelgate_harness::envoy_release::Envoy;
use tokio::signal::unix::{SignalKind, signal};

/// Start a gateway with everything around it on this machine, and take a guided tour of real requests.
///
/// Needs rustup and Python 3 only: the compiler's wasm target is installed and Envoy is downloaded where they are missing. The gateway
/// runs envoy/sagemaker.yaml, on Envoy or on the embedded host (--engine), which needs neither Envoy nor Python. Around the gateway run an OIDC issuer, a backend like SageMaker that verifies every signature with AWS's own signer, and a store for audit
/// events, all on loopback. After the tour everything stays up, with requests to try, until Ctrl-C.
///
/// Exit code 0: every request of the tour did what it should; 1: one did not; 2: the tour could not be taken.
#[derive(Debug, Args)]
pub struct Arguments {
    /// End after the tour.
    #[arg(long)]
    once: bool,
    /// What runs the filters.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// The Envoy release to use; without it, what MODELGATE_ENVOY or PATH has, or else the default one. For the engine envoy.
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// Folder with built filters; without it they are built. For the engines envoy and wasmtime.
    #[arg(long, value_name = "FOLDER")]
    wasm: Option<PathBuf>,
    /// Port of the gateway; 0 = any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Worker threads of the gateway.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// A real Envoy, with the filters' modules.
    #[default]
    Envoy,
    /// The embedded host, with the filters' modules.
    Wasmtime,
    /// The embedded host, with the filters' code as it is built into this program.
    Native,
}

/// Takes the tour; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    // What would be passed over is refused before anything is built.
    if arguments.envoy.is_some() && arguments.engine != Engine::Envoy {
        bail!("--envoy names a release for --engine envoy; the other engines run without Envoy");
    }
    if arguments.wasm.is_some() && arguments.engine == Engine::Native {
        bail!("--wasm names modules; --engine native runs the filters' own code");
    }
    if arguments.engine == Engine::Wasmtime && !cfg!(feature = "wasmtime") {
        return super::rebuilt::run(&["wasmtime"]);
    }
    let workspace = Workspace::locate()?;
    let config = workspace.root.join("envoy/sagemaker.yaml");
    let settings = Settings {
        engine: engine(arguments, &workspace)?,
        config: std::fs::read_to_string(&config).with_context(|| config.display().to_string())?,
        port: arguments.port,
        workers: arguments.workers,
        once: arguments.once,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let right = runtime.block_on(async {
        let (mut interrupted, mut terminated) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let stop = async {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
            println!("\nstopping");
        };
        demo::run(&settings, &Report::new(), stop).await
    });
    // Connections that are still open must not keep it up.
    runtime.shutdown_background();
    Ok(if right? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The engine, with all that it needs.
fn engine(arguments: &Arguments, workspace: &Workspace) -> Result<demo::Engine> {
    match arguments.engine {
        Engine::Native => Ok(demo::Engine::Native),
        Engine::Wasmtime => wasm(arguments, workspace).map(demo::Engine::Wasmtime),
        Engine::Envoy => {
            let (envoy, wasm) = std::thread::scope(|scope| {
                // The download needs the network, the build the processor.
                let envoy = scope.spawn(|| {
                    Envoy::find(arguments.envoy.as_deref(), &|message| {
                        eprintln!("{message}")
                    })
                });
                let wasm = wasm(arguments, workspace);
                (envoy.join(), wasm)
            });
            let envoy = envoy.map_err(|_| anyhow!("looking for Envoy was broken off"))??;
            Ok(demo::Engine::Envoy(envoy, wasm?))
        }
    }
}

/// The folder with the filters.
fn wasm(arguments: &Arguments, workspace: &Workspace) -> Result<PathBuf> {
    if let Some(folder) = &arguments.wasm {
        return folder
            .canonicalize()
            .with_context(|| folder.display().to_string());
    }
    let built = build_filters(workspace, Profile::Release)?;
    let folder = built.first().and_then(|artifact| artifact.path.parent());
    Ok(folder.context("no filter was built")?.to_owned())
}
