//! A server from an Envoy configuration: the filters' own code, or their modules.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::LoadModule;
use super::native::NativeCode;
use super::simulated::module;
use crate::catalogue::{Catalogue, file_name};
use modelgate_envoy::config::read::{Bootstrap, WasmFilter};
use proxy_wasm_simulator::serve::{RunningServer, Settings};
use proxy_wasm_simulator::{GuestCode, LogLine, Outcome};

/// A line of the access log: its members.
pub type AccessLine = serde_json::Map<String, serde_json::Value>;

/// What runs.
#[derive(Clone, Copy)]
pub enum Code {
    /// The code of these filters, as it is built into this program.
    Native(Catalogue),
    /// The modules that the configuration names.
    Modules(LoadModule),
}

/// Starts a server and waits until it serves. `variable` knows the environment; `log` gets what
/// filters log, `over` a line of the access log for every exchange that is over.
///
/// # Errors
/// If a filter does not start, a secret is missing, or the port is taken.
pub async fn start(
    bootstrap: Bootstrap,
    workers: usize,
    variable: impl Fn(&str) -> Option<String> + Send + 'static,
    code: Code,
    log: Box<dyn Fn(&LogLine) + Send>,
    over: Box<dyn Fn(AccessLine) + Send>,
) -> Result<RunningServer> {
    // Compiling modules takes a while, and the thread that asks may have other servers to serve.
    let live = tokio::task::spawn_blocking(move || {
        let places = bootstrap.clusters.iter();
        let addresses: BTreeMap<String, SocketAddr> = places
            .map(|(name, place)| (name.clone(), place.address))
            .collect();
        let clusters = addresses.clone();
        let format = bootstrap.access_log.clone();
        let settings = Settings {
            listen: bootstrap.listen,
            clusters: addresses.clone(),
            on_log: log,
            on_end: Box::new(move |outcome: &Outcome| {
                let address = |cluster: &str| Some(clusters.get(cluster)?.to_string());
                over(format.line(outcome, address));
            }),
        };
        RunningServer::start(settings, move |builder| {
            let mut builder = bootstrap.configure(builder).workers(workers);
            for filter in &bootstrap.filters {
                let spec =
                    filter.spec(&bootstrap.secrets, |wasm| code_of(wasm, code), &variable)?;
                builder = builder.filter(spec);
            }
            Ok(builder)
        })
    });
    live.await?
}

/// The code of an entry: that of the suite's filters in the module of this name, or the module.
pub(super) fn code_of(filter: &WasmFilter, code: Code) -> Result<Rc<dyn GuestCode>> {
    let catalogue = match code {
        Code::Modules(load) => return module(&filter.file, load),
        Code::Native(catalogue) => catalogue,
    };
    let name = filter.file.file_name().and_then(|name| name.to_str());
    let krate = catalogue
        .modules()
        .into_iter()
        .find(|krate| Some(file_name(krate).as_str()) == name)
        .with_context(|| format!("{}: no module of the suite", filter.file.display()))?;
    Ok(NativeCode::bundle(catalogue.filters_in(krate)))
}

#[cfg(test)]
mod tests;
