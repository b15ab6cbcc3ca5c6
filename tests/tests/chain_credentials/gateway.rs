//! An Envoy with a chain of the suite's filters, and clusters that lead to given ports.

use std::path::Path;
use std::sync::OnceLock;

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_demo::client::{Answer, Call, send};
use modelgate_envoy::admin::{Ready, ready};
use modelgate_envoy::process::{Launch, Process, Verbosity};
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::{WasmFiles, WasmFolder};
use modelgate_scenario::envoy_config::{Places, bootstrap};
use modelgate_scenario::file::ScenarioFile;
use serde_json::Value;

fn built() -> &'static Workspace {
    static BUILT: OnceLock<Workspace> = OnceLock::new();
    BUILT.get_or_init(|| {
        let workspace = Workspace::locate().unwrap();
        build::build(&workspace, &["key-auth", "aws-sigv4"], Profile::Release).unwrap();
        workspace
    })
}

/// A running Envoy with these filters, and clusters that lead to these ports.
pub struct Gateway {
    /// Killed when dropped.
    _envoy: Process,
    /// Where it listens.
    pub port: u16,
}

impl Gateway {
    /// Starts it; `change` is made to its configuration before.
    pub async fn start(
        envoy: &Envoy,
        chain: &str,
        clusters: &[(&str, u16)],
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let named: Vec<String> = clusters
            .iter()
            .map(|(name, _)| format!("{name}: {{ answer: {{}} }}"))
            .collect();
        let text = format!(
            "about: credentials\nclusters: {{ {} }}\n{chain}\nrequest: {{ path: / }}\nexpect: {{ client: {{ status: 200 }} }}\n",
            named.join(", ")
        );
        let scenario = ScenarioFile::parse(&SUITE, Path::new("chain_credentials.rs"), &text)
            .unwrap()
            .resolve(1_700_000_000)
            .unwrap();
        let wasm = WasmFolder(built().target.join("modelgate"));
        let mut places = Places::default();
        for (name, port) in clusters {
            places.clusters.insert((*name).to_owned(), *port);
        }
        for entry in &scenario.chain {
            let file = wasm.file(&scenario, &entry.wasm).unwrap();
            let file = file.to_str().unwrap().to_owned();
            places.wasm.insert(entry.name.clone(), file);
        }
        let launch = Launch {
            workers: 2,
            verbosity: Verbosity::Warnings,
            flush_ms: 10_000,
            drain_s: None,
            environment: &[],
        };
        let mut config = bootstrap(&scenario, &places);
        change(&mut config);
        let mut envoy = Process::start(envoy, &config, &launch).unwrap();
        match ready(&mut envoy).await.unwrap() {
            Ready::Serving { listeners, .. } => Self {
                port: listeners[0].address.port(),
                _envoy: envoy,
            },
            Ready::Refused(said) => panic!("{said}"),
        }
    }

    /// What it answers.
    pub async fn send(&self, call: &Call) -> Answer {
        send(self.port, call).await.unwrap()
    }
}
