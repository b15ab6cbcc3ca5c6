//! A chain on a real Envoy in front of servers that are not ours.

use std::collections::BTreeSet;
use std::path::Path;

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_demo::client::{Answer, Call, send};
use modelgate_envoy::admin::{Ready, ready};
use modelgate_envoy::process::{Launch, Process, Verbosity};
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::{WasmFiles, WasmFolder};
use modelgate_scenario::envoy_config::{Places, bootstrap};
use modelgate_scenario::file::ScenarioFile;

/// A running Envoy.
pub struct Gateway {
    /// Killed when dropped.
    _envoy: Process,
    port: u16,
}

impl Gateway {
    /// Starts the chain of a scenario, whose text has no more than that needs, before servers on
    /// these ports of loopback. Its modules are built first.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(envoy: &Envoy, workers: u32, text: &str, clusters: &[(&str, u16)]) -> Self {
        let scenario = ScenarioFile::parse(&SUITE, Path::new("gateway.yaml"), text)
            .unwrap()
            .resolve(1_700_000_000)
            .unwrap();
        let workspace = Workspace::locate().unwrap();
        let suite = scenario.chain.iter().filter_map(|entry| entry.suite());
        let filters: Vec<&str> = suite.collect::<BTreeSet<_>>().into_iter().collect();
        build::build(&workspace, &filters, Profile::Release).unwrap();
        let wasm = WasmFolder(workspace.target.join("modelgate"));
        let mut places = Places::default();
        for (name, port) in clusters {
            places.clusters.insert((*name).to_owned(), *port);
        }
        for entry in &scenario.chain {
            let file = wasm.file(&scenario, &entry.wasm).unwrap();
            places
                .wasm
                .insert(entry.name.clone(), file.to_str().unwrap().to_owned());
        }
        let launch = Launch {
            workers,
            verbosity: Verbosity::Warnings,
            flush_ms: 10_000,
            drain_s: None,
            environment: &[],
        };
        let mut envoy = Process::start(envoy, &bootstrap(&scenario, &places), &launch).unwrap();
        match ready(&mut envoy).await.unwrap() {
            Ready::Serving { listeners, .. } => Self {
                _envoy: envoy,
                port: listeners[0].address.port(),
            },
            Ready::Refused(said) => panic!("{said}"),
        }
    }

    /// Sends a call and gives its answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn send(&self, call: &Call) -> Answer {
        send(self.port, call).await.unwrap()
    }
}
