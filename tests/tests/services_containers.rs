//! SageMaker's own model server (multi-model-server, what its containers run) behind `model-route`
//! on a real Envoy: two versions of a model that clients know by one name, by the paths of a
//! container of many models and by the server's own. What the lineage says is what has answered.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use modelgate_demo::client::Call;
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use modelgate_tests::services::{Server, python_package};
use serde_json::json;

const SERVER: &str = "multi-model-server==1.1.11";

/// A model that says its name and gives its input back.
const MODEL: &str = r#"
def handle(data, context):
    if data is None:
        return None
    body = data[0]["body"]
    return [context.model_name + " " + (body if isinstance(body, str) else bytes(body).decode())]
"#;

const CHAIN: &str = r#"
about: two versions of a model in SageMaker's own server
gateway: { workers: 2 }
chain:
- model-route:
    models:
    - name: sentiment
      sticky_by: [ { header: x-session } ]
      targets:
      - { tag: stable, weight: 50, backend: mms, model: forest_3, version: "3", version_is: of_backend }
      - { tag: canary, weight: 50, backend: mms, model: forest_4, version: "4", version_is: of_backend }
clusters: { upstream: { answer: {} } }
request: { path: / }
expect: { client: { status: 200 } }
"#;

/// A free port at or above this one: the server takes none above 32,766.
fn low_port(first: u16) -> u16 {
    let offset = u16::try_from(std::process::id() % 4_000).unwrap();
    let mut ports = (first + offset)..(first + 5_000);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Ends the processes that the server has started for its models: they have its folder among their
/// arguments, and outlive it.
struct Workers<'a>(&'a Path);

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        let folder = self.0.display().to_string();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let words = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if words.contains("model_service_worker") && words.contains(&folder) {
                let id = entry.file_name();
                let _ = Command::new("kill").arg("-9").arg(id).status();
            }
        }
    }
}

async fn start(package: &Path, folder: &Path) -> Option<Server> {
    let is_there = Command::new("java").arg("-version").output().is_ok();
    let java = is_there.then_some(()).ok_or("no program `java`");
    modelgate_cli::skip::require_or_skip("Java", java)?;
    for name in ["forest_3", "forest_4"] {
        let model = folder.join("store").join(name);
        fs::create_dir_all(model.join("MAR-INF")).unwrap();
        fs::write(model.join("model.py"), MODEL).unwrap();
        let manifest = json!({
            "runtime": "python",
            "model": { "modelName": name, "handler": "model:handle" },
            "modelServerVersion": "1.0", "implementationVersion": "1.0", "specificationVersion": "1.0",
        });
        fs::write(model.join("MAR-INF/MANIFEST.json"), manifest.to_string()).unwrap();
    }
    let (port, management) = (low_port(20_000), low_port(25_000));
    let settings = format!(
        "inference_address=http://127.0.0.1:{port}\nmanagement_address=http://127.0.0.1:{management}\nmodel_store=store\nload_models=ALL\ndefault_workers_per_model=1\nnumber_of_netty_threads=1\ndisable_system_metrics=true\n"
    );
    fs::write(folder.join("config.properties"), settings).unwrap();
    let mut command = Command::new("java");
    command
        .arg(format!("-Dmodel_server_home={}", package.display()))
        .arg(format!("-Djava.io.tmpdir={}", folder.display()))
        .arg("-cp")
        .arg(package.join("mms/frontend/model-server.jar"))
        .args(["com.amazonaws.ml.mms.ModelServer", "--python", "python3"])
        .args(["-f", "config.properties", "-s", "store"])
        .current_dir(folder)
        .env("PYTHONPATH", package)
        .stdout(fs::File::create(folder.join("log")).unwrap())
        .stderr(Stdio::null());
    let log = || fs::read_to_string(folder.join("log")).unwrap();
    let server = Server::start(&mut command, port);
    let server = server.unwrap_or_else(|error| panic!("{error}: {}", log()));
    for name in ["forest_3", "forest_4"] {
        let call = Call::post(&format!("/models/{name}/invoke"), "x");
        let call = call.with("content-type", "text/plain");
        let loaded = server.until_loaded(&call).await;
        loaded.unwrap_or_else(|error| panic!("{error}: {}", log()));
    }
    Some(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn sagemakers_own_server_is_asked_for_the_version_that_the_lineage_names() {
    let (Some(envoy), Some(package)) = (envoy(None), python_package(SERVER)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let _workers = Workers(folder.path());
    let Some(server) = start(&package, folder.path()).await else {
        return;
    };
    let gateway = Gateway::start(&envoy, CHAIN, &[("upstream", server.port)]).await;
    let mut seen = BTreeSet::new();
    for number in 0..24 {
        let session = format!("s{number}");
        let mut of_session = BTreeSet::new();
        for path in ["/models/sentiment/invoke", "/predictions/sentiment"] {
            let body = format!("{{\"n\":{number}.50}}");
            let call = Call::post(path, &body)
                .with("content-type", "text/plain")
                .with("x-session", &session);
            let answer = gateway.send(&call).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let text = answer.text();
            let (model, echo) = text.split_once(' ').unwrap();
            assert_eq!(echo, body);
            let lineage = answer.header("x-modelgate-model").unwrap().to_owned();
            assert!(lineage.contains(&format!("model=\"{model}\"")), "{lineage}");
            of_session.insert(model.to_owned());
        }
        assert_eq!(of_session.len(), 1, "{session} stays where it is");
        seen.extend(of_session);
    }
    assert_eq!(seen.len(), 2, "both versions have answered");
    // The server's own word on a model that it does not have never reaches a client of ours.
    let unknown = Call::post("/models/forest_3/invoke", "x");
    assert_eq!(gateway.send(&unknown).await.status, 404);
}
