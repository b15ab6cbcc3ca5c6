//! Clients of others, each asked for what it fetches; nothing where one is not installed and need
//! not be.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use modelgate_cli::skip::require_or_skip;
use modelgate_tests::services::python_package;

/// A program that is on the path.
fn installed(program: &str) -> Option<&str> {
    let version = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    require_or_skip(program, version).map(|_| program)
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    output.stdout
}

/// Copies an image into a folder with its manifest and its blobs, each named by its digest.
pub fn skopeo(image: &str, folder: &Path) -> Option<PathBuf> {
    let program = installed("skopeo")?;
    output(
        Command::new(program)
            .args(["--insecure-policy", "copy", "--src-tls-verify=false"])
            .arg(format!("docker://{image}"))
            .arg(format!("dir:{}", folder.display())),
    );
    Some(folder.to_owned())
}

/// Pulls an image and gives its `plugin.wasm`, as `docker create` and `docker cp` would.
pub fn podman(image: &str, folder: &Path) -> Option<Vec<u8>> {
    let program = installed("podman")?;
    std::fs::create_dir_all(folder).unwrap();
    let podman = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(["--storage-driver", "vfs", "--root"])
            .arg(folder.join("root"))
            .arg("--runroot")
            .arg(folder.join("run"))
            .args(arguments);
        output(&mut command)
    };
    podman(&["pull", "--quiet", "--tls-verify=false", image]);
    let container = String::from_utf8(podman(&["create", image, "none"])).unwrap();
    let archive = folder.join("all.tar");
    let to = archive.to_str().unwrap();
    podman(&["export", "--output", to, container.trim()]);
    Some(output(Command::new("tar").args([
        "-xOf",
        to,
        "plugin.wasm",
    ])))
}

/// What the client oras (PyPI) fetches as `plugin.wasm`.
pub fn oras(image: &str, folder: &Path) -> Option<Vec<u8>> {
    const SCRIPT: &str = "import sys, oras.client\n\
        client = oras.client.OrasClient(hostname=sys.argv[1].split('/')[0], insecure=True)\n\
        client.pull(target=sys.argv[1], outdir=sys.argv[2])\n";
    let package = python_package("oras==0.2.43")?;
    output(
        Command::new("python3")
            .args(["-c", SCRIPT, image])
            .arg(folder)
            .env("PYTHONPATH", package),
    );
    Some(std::fs::read(folder.join("plugin.wasm")).unwrap())
}
