//! A real Envoy with a chain of the suite's filters in front of servers that somebody else has
//! started.

use std::path::Path;

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_demo::client::{Answer, Call, send};
use modelgate_envoy::admin::{Ready, ready};
use modelgate_envoy::process::{Launch, Process, Running as _, Verbosity};
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::{WasmFiles, WasmFolder};
use modelgate_scenario::envoy_config::{Places, bootstrap};
use modelgate_scenario::file::ScenarioFile;

/// A running Envoy.
pub struct Gateway {
    /// Killed when dropped.
    envoy: Process,
    port: u16,
}

impl Gateway {
    /// Starts an Envoy with the chain of a scenario, whose clusters are at these ports.
    ///
    /// # Panics
    /// If it does not serve.
    pub async fn start(envoy: &Envoy, text: &str, clusters: &[(&str, u16)]) -> Self {
        let scenario = ScenarioFile::parse(&SUITE, Path::new("gateway.yaml"), text)
            .expect("a scenario")
            .resolve(1_700_000_000)
            .expect("a scenario that can be played");
        let workspace = Workspace::locate().expect("the workspace");
        let filters: Vec<&str> = scenario.chain.iter().map(|one| one.name.as_str()).collect();
        build::build(&workspace, &filters, Profile::Release).expect("modules");
        let wasm = WasmFolder(workspace.target.join("modelgate"));
        let mut places = Places::default();
        for (name, port) in clusters {
            places.clusters.insert((*name).to_owned(), *port);
        }
        for entry in &scenario.chain {
            let file = wasm.file(&scenario, &entry.wasm).expect("a module");
            let file = file.to_str().expect("a path that is text").to_owned();
            places.wasm.insert(entry.name.clone(), file);
        }
        let launch = Launch {
            workers: scenario.gateway.workers(),
            verbosity: Verbosity::Warnings,
            flush_ms: 10_000,
            drain_s: None,
            environment: &[],
        };
        let config = bootstrap(&scenario, &places);
        let mut envoy = Process::start(envoy, &config, &launch).expect("a process");
        match ready(&mut envoy).await.expect("an Envoy that answers") {
            Ready::Serving { listeners, .. } => Self {
                envoy,
                port: listeners.first().expect("a listener").address.port(),
            },
            Ready::Refused(said) => panic!("{said}"),
        }
    }

    /// What Envoy and the filters have logged.
    pub fn log(&mut self) -> String {
        self.envoy.log().unwrap_or_default()
    }

    /// Sends a call.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send(&self, call: &Call) -> Answer {
        send(self.port, call).await.expect("an answer")
    }
}
