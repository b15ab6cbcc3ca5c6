//! A real Envoy with a chain of the suite's filters in front of servers that somebody else has
//! started.

use std::collections::BTreeSet;
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
use serde_json::Value;

/// A running Envoy.
pub struct Gateway {
    /// Killed when dropped.
    envoy: Process,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Gateway {
    /// Starts an Envoy with the chain of a scenario, whose clusters are at these ports.
    ///
    /// # Panics
    /// If it does not serve.
    pub async fn start(envoy: &Envoy, text: &str, clusters: &[(&str, u16)]) -> Self {
        Self::start_changed(envoy, text, clusters, |_| {}).await
    }

    /// The same, with a change that is made to Envoy's configuration before.
    ///
    /// # Panics
    /// If it does not serve.
    pub async fn start_changed(
        envoy: &Envoy,
        text: &str,
        clusters: &[(&str, u16)],
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let scenario = ScenarioFile::parse(&SUITE, Path::new("gateway.yaml"), text)
            .expect("a scenario")
            .resolve(1_700_000_000)
            .expect("a scenario that can be played");
        let workspace = Workspace::locate().expect("the workspace");
        let suite = scenario.chain.iter().filter_map(|entry| entry.suite());
        let filters: Vec<&str> = suite.collect::<BTreeSet<_>>().into_iter().collect();
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
        let mut config = bootstrap(&scenario, &places);
        change(&mut config);
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
