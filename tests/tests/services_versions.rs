//! Two versions of a model on a real server of the Open Inference Protocol (MLServer), behind
//! `model-route` on a real Envoy with two workers: what the lineage says is what the server says of
//! itself, callers stay where they are, a version that fails is taken out for both workers, and a
//! server that is gone is answered for. The same on TorchServe and KServe, in modules of their own.

mod services_versions {
    pub mod kserve;
    pub mod torchserve;
}

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use modelgate_demo::client::{Answer, Call};
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use modelgate_tests::services::{Server, free_port, python_package};
use serde_json::{Value, json};

const SERVER: &str = "mlserver==1.7.1";

/// A model that says which version it is, and fails where it is told to.
const MODEL: &str = r#"
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Versioned(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        if payload.inputs[0].data[0] == f"fail {self.version}":
            raise RuntimeError("as it was told")
        label = ResponseOutput(name="label", shape=[1], datatype="BYTES", data=["good"])
        return InferenceResponse(
            model_name=self.name, model_version=self.version, outputs=[label]
        )
"#;

const CHAIN: &str = r#"
about: two versions of a model
gateway: { workers: 2 }
chain:
- model-route:
    models:
    - name: sentiment
      sticky_by: [ { header: x-session } ]
      targets:
      - { tag: stable, weight: 70, backend: a, model: distilbert, version: "3" }
      - { tag: canary, weight: 30, backend: b, model: distilbert, version: "4" }
      rollback: { of: [ stable, canary ], to: stable, errors_per_1000: 300, minimum: 10, window_s: 60 }
      fallback: { answer: { body: '{"degraded":true}' } }
clusters: { a: { answer: {} }, b: { answer: {} } }
routes:
- { prefix: /, headers: { x-modelgate-backend: a }, cluster: a, timeout_ms: 5000 }
- { prefix: /, headers: { x-modelgate-backend: b }, cluster: b, timeout_ms: 5000 }
request: { path: / }
expect: { client: { status: 200 } }
"#;

/// The server with both versions of the model.
async fn start(package: &Path, folder: &Path) -> Server {
    fs::write(folder.join("versioned.py"), MODEL).unwrap();
    for version in ["3", "4"] {
        let folder = folder.join(version);
        fs::create_dir(&folder).unwrap();
        let settings = json!({
            "name": "distilbert",
            "implementation": "versioned.Versioned",
            "parameters": { "version": version },
        });
        fs::write(folder.join("model-settings.json"), settings.to_string()).unwrap();
    }
    // Between looking for free ports and the server's taking them, others may have taken one.
    let mut tries = 0;
    let server = loop {
        match launch(package, folder, free_port()) {
            Ok(server) => break server,
            Err(error) => {
                tries += 1;
                assert!(tries < 3, "{error}");
            }
        }
    };
    let ready = Call::get("/v2/models/distilbert/versions/4/ready");
    server.until_loaded(&ready).await.unwrap();
    server
}

fn launch(package: &Path, folder: &Path, http: u16) -> Result<Server, String> {
    let settings = json!({
        "host": "127.0.0.1", "http_port": http, "grpc_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": 0,
    });
    fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
    let mut command = Command::new("python3");
    command
        .args(["-c", "from mlserver.cli import main; main()", "start", "."])
        .current_dir(folder)
        .env("PYTHONPATH", format!("{}:.", package.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Server::start(&mut command, http)
}

fn infer(session: &str, text: &str) -> Call {
    let body =
        json!({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]});
    Call::post("/v2/models/sentiment/infer", &body.to_string())
        .with("content-type", "application/json")
        .with("x-session", session)
}

/// The version that the server says it is, which must be the one that the lineage names.
fn version(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let version = body["model_version"].as_str();
    let version = version.unwrap_or_else(|| panic!("{:?} {}", answer.headers, answer.text()));
    let target = if version == "3" { "stable" } else { "canary" };
    let lineage = answer.header("x-modelgate-model").unwrap();
    let expected =
        format!("\"sentiment\";target=\"{target}\";model=\"distilbert\";version=\"{version}\"");
    assert_eq!(lineage, expected);
    version.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lineage_is_what_the_server_says_and_a_failing_version_goes() {
    let (Some(envoy), Some(package)) = (envoy(None), python_package(SERVER)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = start(&package, folder.path()).await;
    let servers = [("a", server.port), ("b", server.port)];
    let gateway = Gateway::start(&envoy, CHAIN, &servers).await;
    let mut of: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..200 {
        let session = format!("s{}", number % 100);
        let version = version(&gateway.send(&infer(&session, "fine")).await);
        let before = of.entry(session).or_insert_with(|| version.clone());
        assert_eq!(*before, version);
    }
    let canary = of.values().filter(|version| *version == "4").count();
    assert!(
        (16..=44).contains(&canary),
        "{canary} of 100 where 30 are meant"
    );
    // Version 4 fails: soon nobody gets it, and whoever had version 3 never notices.
    let mut failed = 0;
    for number in 0..400 {
        let session = format!("s{}", number % 100);
        let answer = gateway.send(&infer(&session, "fail 4")).await;
        if of[&session] == "3" {
            assert_eq!(version(&answer), "3");
        } else if answer.status >= 500 || answer.header("x-modelgate-reason").is_some() {
            // Where the server has closed a connection after its failure, the fallback answers.
            failed += 1;
        } else {
            assert_eq!(version(&answer), "3");
        }
    }
    assert!((10..80).contains(&failed), "{failed} failed of 400");
    let again = gateway.send(&infer("s0", "fine")).await;
    assert_eq!(version(&again), "3");
    // The server is gone: callers get the operator's answer.
    drop(server);
    let gone = gateway.send(&infer("s0", "fine")).await;
    assert_eq!(
        (gone.status, gone.text().as_str()),
        (200, "{\"degraded\":true}")
    );
    assert_eq!(gone.header("x-modelgate-reason"), Some("model_degraded"));
}
