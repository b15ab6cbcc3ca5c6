//! A real TorchServe, from its Python package and Java.
//!
//! Its models here need no PyTorch (`makers/torchserve_words.py`), but its worker imports it, to
//! ask of an answer whether it is a tensor: a stand-in of one class, named as such, answers that.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use modelgate_cli::skip::require_or_skip;
use serde_json::{Value, json};

use crate::services::{Server, free_port, python_package};

/// The server.
pub const TORCHSERVE: &str = "torchserve==0.12.0";
/// Its worker reads the configuration of metrics with this, and does not ask for it.
const YAML: &str = "PyYAML==6.0.3";
const HANDLER: &str = include_str!("../makers/torchserve_words.py");
const STAND_IN: &str = r#""""A stand-in for PyTorch, without anything of it: no answer is a tensor."""


class Tensor:
    pass
"#;

/// A version of a model: its name, and what it learns from, texts by label.
pub struct Model<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Texts by label.
    pub examples: Value,
}

/// A running server.
pub struct TorchServe {
    /// The process; its workers end with it.
    pub server: Server,
    /// The inference key: the server asks for it (`disable_token_authorization=false`).
    pub key: String,
}

impl TorchServe {
    /// Starts one with these models in `folder`; nothing if it cannot be had and need not be. It
    /// accepts connections, its workers may still load.
    ///
    /// # Panics
    /// If it cannot be had and `CI=true`, or does not start.
    #[must_use]
    pub fn start(folder: &Path, models: &[Model<'_>]) -> Option<Self> {
        let (package, yaml) = (python_package(TORCHSERVE)?, python_package(YAML)?);
        let is_there = Command::new("java").arg("-version").output().is_ok();
        require_or_skip("Java", is_there.then_some(()).ok_or("no program `java`"))?;
        write(folder, models).expect("the models");
        let mut tries = 0;
        // Between looking for free ports and the server's taking them, others may have taken one.
        let server = loop {
            match launch(&package, &yaml, folder) {
                Ok(server) => break server,
                Err(error) => {
                    tries += 1;
                    assert!(tries < 3, "{error}");
                }
            }
        };
        let keys = fs::read_to_string(folder.join("key_file.json")).expect("its keys");
        let keys: Value = serde_json::from_str(&keys).expect("its keys");
        let key = keys["inference"]["key"].as_str().expect("a key");
        Some(Self {
            server,
            key: key.to_owned(),
        })
    }
}

/// Writes models as they are in a store, unpacked, and the stand-in.
fn write(folder: &Path, models: &[Model<'_>]) -> std::io::Result<()> {
    let torch = folder.join("stand-in/torch");
    fs::create_dir_all(&torch)?;
    fs::write(torch.join("__init__.py"), STAND_IN)?;
    let store = folder.join("store");
    fs::create_dir_all(&store)?;
    for one in models {
        let model = store.join(format!("{}-{}", one.name, one.version));
        fs::create_dir_all(model.join("MAR-INF"))?;
        let manifest = json!({
            "runtime": "python",
            "model": { "modelName": one.name, "modelVersion": one.version, "handler": "words.py" },
            "archiverVersion": "0.12.0",
        });
        fs::write(model.join("MAR-INF/MANIFEST.json"), manifest.to_string())?;
        fs::write(model.join("words.py"), HANDLER)?;
        fs::write(model.join("examples.json"), one.examples.to_string())?;
    }
    Ok(())
}

fn launch(package: &Path, yaml: &Path, folder: &Path) -> Result<Server, String> {
    let [port, management, metrics, grpc, grpc_management, worker] = [(); 6].map(|()| free_port());
    let properties = format!(
        "inference_address=http://127.0.0.1:{port}\nmanagement_address=http://127.0.0.1:{management}\nmetrics_address=http://127.0.0.1:{metrics}\ngrpc_inference_port={grpc}\ngrpc_management_port={grpc_management}\ninitial_worker_port={worker}\ndisable_token_authorization=false\nnumber_of_netty_threads=1\ndefault_workers_per_model=1\ndisable_system_metrics=true\n"
    );
    fs::write(folder.join("config.properties"), properties).map_err(|error| error.to_string())?;
    let stand_in = folder.join("stand-in");
    let modules = [package, yaml, stand_in.as_path()];
    let modules = std::env::join_paths(modules).map_err(|error| error.to_string())?;
    let mut command = Command::new("java");
    command
        .arg(format!("-Dmodel_server_home={}", package.display()))
        .arg("-cp")
        .arg(package.join("ts/frontend/model-server.jar"))
        .args(["org.pytorch.serve.ModelServer", "--python", "python3"])
        .args([
            "-f",
            "config.properties",
            "-s",
            "store",
            "-w",
            "store",
            "-m",
            "all",
        ])
        .env("PYTHONPATH", modules)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Server::start(&mut command, port)
}
