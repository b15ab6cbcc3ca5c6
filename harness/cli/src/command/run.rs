//! `modelgate run`: starts a gateway from an Envoy configuration or a gateway file, and follows
//! what it records.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::SUITE;
use crate::build::native::{self, LIBRARY};
use crate::build::{Profile, Workspace, build};
use crate::gateway::{self, Host};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use located_yaml::{Node, Place};
use modelgate_envoy::admin::{Listener, serving};
use modelgate_envoy::child::StopSignals;
use modelgate_envoy::config::adapt::{Local, Needs, adapt, fill_environment};
use modelgate_envoy::config::read::Bootstrap;
use modelgate_envoy::process::{CONFIG, Launch, Process, Verbosity};
use modelgate_scenario::catalogue::file_name;
use modelgate_scenario::engine::Backends;
use modelgate_scenario::engine::served::{self, Code};
use serde_json::Value as Json;

use super::gateway::{Engine, EngineArguments, runtime};

/// How long a gateway that was told to end may go on.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often a gateway that starts is asked whether it is ready.
const POLL: Duration = Duration::from_millis(100);

/// Start a gateway from an Envoy configuration or a gateway file, and follow its access log.
///
/// Finds Envoy or downloads it, builds the modules that the configuration names and points its
/// paths at them; everything else is as in the file. `--engine envoy-native` runs a gateway file in
/// the native form. Prints where it listens and which environment
/// variables are missing, then a line for every request, until Ctrl-C. `--cluster` puts a server on
/// this machine in place of one of the configuration's: `--cluster openai=127.0.0.1:11434`. The
/// embedded host (`--engine native` or `wasmtime`) starts at once and needs no Envoy; it does not
/// support TLS, so clusters with TLS have to be replaced.
///
/// Exit code 0: it was stopped; 1: it ended by itself; 2: it did not start.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration, in YAML or JSON, or a gateway file (docs/gateway.md).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    engine: EngineArguments,
    /// Another port for the listener; 0 = any free one.
    #[arg(long)]
    port: Option<u16>,
    /// Another port for the admin interface, on loopback; 0 = any free one.
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
    /// A server in place of a cluster's, in plain text: an IP address, or
    /// `localhost` for 127.0.0.1. May be given several times.
    #[arg(long, value_name = "NAME=ADDRESS:PORT", value_parser = read_cluster)]
    cluster: Vec<(String, SocketAddr)>,
    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
}

fn read_cluster(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, address) = text.split_once('=').ok_or("write NAME=ADDRESS:PORT")?;
    let local = address.strip_prefix("localhost:");
    let there = match local.map(str::parse) {
        Some(Ok(port)) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Some(Err(_)) => None,
        None => address.parse().ok(),
    };
    let there = there.ok_or_else(|| {
        format!("{address} is no IP address (or localhost) with a port, such as 127.0.0.1:8000")
    })?;
    Ok((name.to_owned(), there))
}

/// Runs it; see [`Arguments`].
pub fn run(arguments: &Arguments, backends: &Backends) -> Result<ExitCode> {
    if let Some(code) = arguments.engine.accept(backends)? {
        return Ok(code);
    }
    let shown = arguments.file.display();
    let host = match arguments.engine.engine {
        Engine::EnvoyNative => Host::EnvoyNative,
        Engine::Envoy | Engine::Wasmtime | Engine::Native => Host::Envoy,
    };
    let (mut bootstrap, files) = gateway::bootstrap(&arguments.file, host)?;
    for file in files {
        eprintln!("read once: {}", file.display());
    }
    let needs = Needs::of(&bootstrap);
    let local = Local {
        modules: modules(arguments, &needs)?,
        port: arguments.port,
        admin_port: arguments.admin_port,
        clusters: arguments
            .cluster
            .iter()
            .cloned()
            .collect::<BTreeMap<_, _>>(),
    };
    adapt(&mut bootstrap, &local).with_context(|| shown.to_string())?;
    for variable in &needs.variables {
        if std::env::var_os(variable).is_none() {
            eprintln!("not set in the environment: {variable}");
        }
    }
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        match arguments.engine.engine {
            Engine::Envoy | Engine::EnvoyNative => envoy(arguments, &bootstrap).await,
            Engine::Wasmtime => {
                let load = backends.modules.context("no WebAssembly here")?;
                embedded(arguments, &bootstrap, Code::Modules(load)).await
            }
            Engine::Native => embedded(arguments, &bootstrap, Code::Native(SUITE)).await,
        }
    });
    runtime.shutdown_background();
    code
}

/// Where the suite's modules are that the configuration names; none where the engine has the code
/// in itself.
fn modules(arguments: &Arguments, needs: &Needs) -> Result<BTreeMap<String, PathBuf>> {
    let mut names: Vec<&str> = SUITE
        .modules()
        .into_iter()
        .filter(|name| needs.modules.contains(&file_name(name)))
        .collect();
    let library = needs.modules.contains(LIBRARY);
    // The embedded host runs the Wasm module in place of the library.
    if library && arguments.engine.engine == Engine::Wasmtime && !names.contains(&SUITE.bundle()) {
        names.push(SUITE.bundle());
    }
    let library = library && arguments.engine.engine != Engine::Wasmtime;
    if arguments.engine.engine == Engine::Native || (names.is_empty() && !library) {
        return Ok(BTreeMap::new());
    }
    let build = |workspace: &Workspace| {
        let mut built = build(workspace, &names, Profile::Release)?;
        if library {
            built.push(native::build(workspace)?);
        }
        Ok(built)
    };
    let folder = arguments.engine.modules(build)?;
    let files = names.into_iter().map(file_name);
    let files = files.chain(library.then(|| LIBRARY.to_owned()));
    let mut found: BTreeMap<String, PathBuf> = files
        .map(|file| (file.clone(), folder.join(file)))
        .collect();
    if let Some(wasm) = found.get(&file_name(SUITE.bundle())).cloned() {
        found.entry(LIBRARY.to_owned()).or_insert(wasm);
    }
    Ok(found)
}

async fn envoy(arguments: &Arguments, bootstrap: &Json) -> Result<ExitCode> {
    let envoy = arguments.engine.find_envoy()?;
    let needs = Needs::of(bootstrap);
    if needs.modules.iter().any(|file| file.ends_with(".wasm")) {
        envoy.require_wasm()?;
    }
    if needs.modules.contains(LIBRARY) {
        envoy.require_dynamic_modules()?;
    }
    let launch = Launch {
        workers: arguments.workers,
        verbosity: Verbosity::Warnings,
        flush_ms: 100,
        drain_s: None,
        environment: &[],
    };
    let process = Process::follow(&envoy, bootstrap, &launch, |line| {
        println!("{}", told(line))
    })?;
    let config = process.folder().join(CONFIG);
    eprintln!("Envoy {} with {}", envoy.version(), config.display());
    let mut signals = StopSignals::new()?;
    let began = Instant::now();
    let serving = tokio::select! {
        status = process.wait() => bail!("Envoy did not start: {}", status?),
        _ = signals.received() => return farewell(&process).await,
        serving = ready(&needs, &process) => serving,
    };
    eprintln!("ready in {:.1} s", began.elapsed().as_secs_f32());
    let at = |name: &str, address: &str| eprintln!("  {name:<10} http://{address}");
    match serving {
        Some((admin, listeners)) => {
            for listener in listeners {
                at(&listener.name, &reachable(listener.address).to_string());
            }
            at("admin", &admin.to_string());
        }
        None => needs
            .listeners
            .iter()
            .for_each(|(name, address)| at(name, address)),
    }
    tokio::select! {
        status = process.wait() => Ok(ended(&format!("Envoy has ended: {}", status?))),
        _ = signals.received() => farewell(&process).await,
    }
}

fn ended(how: &str) -> ExitCode {
    eprintln!("{how}");
    ExitCode::FAILURE
}

/// Waits until the admin interface says that everything serves. Gives its address, and the
/// listeners; without one there is nobody to ask.
async fn ready(needs: &Needs, process: &Process) -> Option<(SocketAddr, Vec<Listener>)> {
    needs.admin.as_ref()?;
    loop {
        if let Some(admin) = process.admin_address()
            && let Some(listeners) = serving(admin.port()).await
        {
            return Some((admin, listeners));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// An address that a client on this machine can use: where a server listens everywhere, this
/// machine is one of the places.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// Has Envoy end in order: it is told to, and ended where it does not.
async fn farewell(process: &Process) -> Result<ExitCode> {
    eprintln!("\nstopping");
    process.terminate(FAREWELL).await?;
    Ok(ExitCode::SUCCESS)
}

async fn embedded(arguments: &Arguments, bootstrap: &Json, code: Code) -> Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut bootstrap = bootstrap.clone();
    fill_environment(&mut bootstrap, &variable);
    let read = Bootstrap::read(&Node::from_json(&bootstrap, Place::default())).map_err(|refused| {
        anyhow!("{refused}\nA cluster with TLS or a name is replaced with --cluster NAME=ADDRESS:PORT; the rest runs on --engine envoy.")
    })?;
    let live = served::start(
        read,
        usize::try_from(arguments.workers)?,
        variable,
        code,
        Box::new(|line| eprintln!("{line}")),
        Box::new(|line| println!("{}", told(&Json::Object(line).to_string()))),
    )
    .await?;
    eprintln!("ready: http://{}", reachable(live.address()));
    let mut signals = StopSignals::new()?;
    let gone = async {
        while !live.ended() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        () = gone => Ok(ended("the gateway has ended")),
        _ = signals.received() => {
            eprintln!("\nstopping");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A line of the access log, with the audit event, which is JSON in a string there, as JSON.
fn told(line: &str) -> String {
    let Ok(Json::Object(mut members)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    if let Some(Json::String(text)) = members.get("audit")
        && let Ok(event) = serde_json::from_str::<Json>(text)
    {
        members.insert("audit".into(), event);
    }
    Json::Object(members).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_events_are_shown_as_what_they_are() {
        assert_eq!(
            told(r#"{"status":200,"audit":"{\"consumer\":\"ann\"}"}"#),
            r#"{"status":200,"audit":{"consumer":"ann"}}"#
        );
        for line in ["no JSON", r#"{"audit":"-"}"#, "[1]"] {
            assert_eq!(told(line), line);
        }
    }

    #[test]
    fn a_cluster_is_replaced_by_an_address() {
        assert_eq!(
            read_cluster("openai=127.0.0.1:80"),
            Ok(("openai".to_owned(), ([127, 0, 0, 1], 80).into()))
        );
        assert_eq!(
            read_cluster("openai=localhost:80"),
            read_cluster("openai=127.0.0.1:80")
        );
        for wrong in [
            "openai",
            "openai=",
            "openai=host:80",
            "openai=127.0.0.1",
            "openai=localhost",
            "openai=localhost:http",
        ] {
            assert!(read_cluster(wrong).is_err(), "{wrong}");
        }
    }
}
