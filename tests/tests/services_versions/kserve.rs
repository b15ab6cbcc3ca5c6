//! Two versions of a model on KServe's own server, each under a name of its own, by the protocol
//! that it shares with TensorFlow Serving (`/v1/models/NAME:predict`, `instances` and
//! `predictions`): the nearest to TensorFlow Serving that can be installed. It has no paths of
//! versions (`/versions/N`), so the version is the backend's (`version_is: of_backend`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use modelgate_demo::client::{Answer, Call};
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use modelgate_tests::services::{Server, free_port, python_package};
use serde_json::{Value, json};

const SERVER: &str = "kserve==0.15.2";

/// Models that add their version to each number, and fail where they are told to.
const MODELS: &str = r#"
import sys
from kserve import Model, ModelServer


class Plus(Model):
    def __init__(self, version):
        super().__init__(f"plus-{version}")
        self.version = version
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        if -self.version in payload["instances"]:
            raise RuntimeError("as it was told")
        return {"predictions": [number + self.version for number in payload["instances"]]}


ModelServer(http_port=int(sys.argv[1]), workers=1, enable_grpc=False).start([Plus(3), Plus(4)])
"#;

const CHAIN: &str = r#"
about: two versions of a model by the protocol of TensorFlow Serving
gateway: { workers: 2 }
chain:
- model-route:
    models:
    - name: plus
      sticky_by: [ { header: x-session } ]
      targets:
      - { tag: stable, weight: 60, backend: a, model: plus-3, version: "3", version_is: of_backend }
      - { tag: canary, weight: 40, backend: b, model: plus-4, version: "4", version_is: of_backend }
      rollback: { of: [ canary ], to: stable, errors_per_1000: 300, minimum: 5, window_s: 60 }
clusters: { a: { answer: {} }, b: { answer: {} } }
routes:
- { prefix: /v1/models/, headers: { x-modelgate-backend: a }, cluster: a, timeout_ms: 5000 }
- { prefix: /v1/models/, headers: { x-modelgate-backend: b }, cluster: b, timeout_ms: 5000 }
request: { path: / }
expect: { client: { status: 200 } }
"#;

async fn start(package: &Path, folder: &Path) -> Server {
    fs::write(folder.join("models.py"), MODELS).unwrap();
    let port = free_port();
    let mut command = Command::new("python3");
    command
        .args(["models.py", &port.to_string()])
        .current_dir(folder)
        .env("PYTHONPATH", package)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Server::start(&mut command, port).unwrap();
    let ready = Call::get("/v1/models/plus-4");
    server.until_loaded(&ready).await.unwrap();
    server
}

/// A prediction for one number, as clients of TensorFlow Serving ask for it.
fn predict(session: &str, number: i64) -> Call {
    let body = json!({ "signature_name": "serving_default", "instances": [number] });
    Call::post("/v1/models/plus:predict", &body.to_string())
        .with("content-type", "application/json")
        .with("x-session", session)
}

/// What the model has added, which is its version and the one that the lineage names.
fn version(answer: &Answer, number: i64) -> i64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let version = body["predictions"][0].as_i64().unwrap() - number;
    let target = if version == 3 { "stable" } else { "canary" };
    let expected =
        format!("\"plus\";target=\"{target}\";model=\"plus-{version}\";version=\"{version}\"");
    assert_eq!(answer.header("x-modelgate-model"), Some(expected.as_str()));
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_under_names_of_their_own_answer_by_the_protocol_of_tensorflow_serving() {
    let (Some(envoy), Some(package)) = (envoy(None), python_package(SERVER)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = start(&package, folder.path()).await;
    let servers = [("a", server.port), ("b", server.port)];
    let gateway = Gateway::start(&envoy, CHAIN, &servers).await;
    let mut of = BTreeMap::new();
    for number in 0..120 {
        let session = format!("s{}", number % 60);
        let version = version(&gateway.send(&predict(&session, number)).await, number);
        assert_eq!(*of.entry(session).or_insert(version), version);
    }
    assert!(of.values().any(|version| *version == 3));
    assert!(of.values().any(|version| *version == 4));
    // What the model is, is asked of the same version.
    let status = Call::get("/v1/models/plus").with("x-session", "s0");
    let status: Value = serde_json::from_slice(&gateway.send(&status).await.body).unwrap();
    assert_eq!(status["name"], format!("plus-{}", of["s0"]));
    // Version 4 fails, and is taken out; the others do not notice.
    let mut failed = 0;
    for number in 0..120 {
        let session = format!("s{}", number % 60);
        let answer = gateway.send(&predict(&session, -4)).await;
        // Where the server closes the connection upon its failure, the gateway answers for it.
        match of[&session] == 4 && matches!(answer.status, 500 | 503) {
            true => failed += 1,
            false => assert_eq!(version(&answer, -4), 3),
        }
    }
    assert!((5..40).contains(&failed), "{failed} failed of 120");
    println!("{SERVER}: {failed} failed before the version was taken out");
}
