//! `modelgate demo`: builds the filters, finds Envoy where one is needed, and takes the tour.

use crate::SUITE;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::build::{Profile, Workspace, build_filters, native};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use modelgate_demo::{self as demo, Report, Settings};
use modelgate_envoy::child::StopSignals;
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::Backends;

use super::gateway::{Engine, EngineArguments, runtime};

/// Start a complete gateway on this machine and walk through real requests.
///
/// Needs rustup and Python 3 only: the compiler's wasm target is installed and Envoy is downloaded
/// where they are missing. The gateway runs envoy/sagemaker.yaml, on Envoy or on the embedded host
/// (--engine), which needs neither Envoy nor Python; with --engine envoy-native it runs
/// envoy/sagemaker-native.yaml. Around the gateway run an OIDC issuer, a
/// backend like SageMaker that verifies every signature with AWS's own signer, and a store for
/// audit events, all on loopback. After the tour everything stays up, with requests to try, until
/// Ctrl-C.
///
/// Exit code 0: every request of the tour did what it should; 1: one did not; 2: the tour could not
/// be taken.
#[derive(Debug, Args)]
pub struct Arguments {
    /// End after the tour.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    engine: EngineArguments,
    /// Port of the gateway; 0 = any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Worker threads of the gateway.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
}

/// Takes the tour; see [`Arguments`].
pub fn run(arguments: &Arguments, backends: &Backends) -> Result<ExitCode> {
    if let Some(code) = arguments.engine.accept(backends)? {
        return Ok(code);
    }
    let workspace = Workspace::locate()?;
    let file = match arguments.engine.engine {
        Engine::EnvoyNative => "envoy/sagemaker-native.yaml",
        Engine::Envoy | Engine::Wasmtime | Engine::Native => "envoy/sagemaker.yaml",
    };
    let config = workspace.root.join(file);
    let settings = Settings {
        engine: engine(&arguments.engine, backends)?,
        config: std::fs::read_to_string(&config).with_context(|| config.display().to_string())?,
        file,
        port: arguments.port,
        workers: arguments.workers,
        once: arguments.once,
    };
    let runtime = runtime()?;
    let right = runtime.block_on(async {
        let mut signals = StopSignals::new()?;
        let stop = async {
            signals.received().await;
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

/// An Envoy, and what is built for it meanwhile: the download needs the network, the build the
/// processor.
fn with_envoy(
    arguments: &EngineArguments,
    build: impl FnOnce() -> Result<PathBuf>,
) -> Result<(Envoy, PathBuf)> {
    let (envoy, built) = std::thread::scope(|scope| {
        let envoy = scope.spawn(|| arguments.find_envoy());
        let built = build();
        (envoy.join(), built)
    });
    let envoy = envoy.map_err(|_| anyhow!("looking for Envoy was broken off"))??;
    Ok((envoy, built?))
}

/// The engine, with all that it needs.
fn engine(arguments: &EngineArguments, backends: &Backends) -> Result<demo::Engine> {
    let wasm = || arguments.modules(|workspace| build_filters(workspace, Profile::Release));
    match arguments.engine {
        Engine::Native => Ok(demo::Engine::Native(SUITE)),
        Engine::Wasmtime => {
            let load = backends.modules.context("no WebAssembly here")?;
            Ok(demo::Engine::Wasmtime(wasm()?, load))
        }
        Engine::Envoy => {
            let (envoy, wasm) = with_envoy(arguments, wasm)?;
            Ok(demo::Engine::Envoy(envoy, wasm))
        }
        Engine::EnvoyNative => {
            let library = || arguments.modules(|workspace| Ok(vec![native::build(workspace)?]));
            let (envoy, library) = with_envoy(arguments, library)?;
            Ok(demo::Engine::EnvoyNative(envoy, library))
        }
    }
}
