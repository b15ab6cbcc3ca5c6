//! The command line as a shell uses it: help, completions, manual pages, pipes that are closed
//! early, and a gateway that runs until it is told to stop.

// Helpers of tests stand outside of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use modelgate_cli::skip::require_or_skip;
use modelgate_envoy::release::Envoy;

fn modelgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_closed_pipe_ends_the_program_without_a_word() {
    // More than a pipe holds.
    assert!(modelgate(&["schema", "chain"]).stdout.len() > 1 << 16);
    let mut child = Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .args(["schema", "chain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141), "as after SIGPIPE");
}

#[test]
fn help_is_a_subcommand_too() {
    let help = modelgate(&["help", "check"]);
    assert!(help.status.success());
    assert_eq!(help.stdout, modelgate(&["check", "--help"]).stdout);
    assert!(!modelgate(&["help", "nothing"]).status.success());
}

#[test]
fn shells_complete_every_subcommand() {
    for shell in ["bash", "zsh", "fish"] {
        let script = modelgate(&["completions", shell]);
        assert!(script.status.success());
        let script = text(&script.stdout);
        for command in ["check", "inspect", "scenario", "demo"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    let written = modelgate(&["man", folder.path().to_str().unwrap()]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    for page in ["modelgate.1", "modelgate-check.1", "modelgate-inspect.1"] {
        let page = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(page.contains(".TH"), "{page}");
    }
    let main = std::fs::read_to_string(folder.path().join("modelgate.1")).unwrap();
    assert!(main.contains("Exit status: 0"), "{main}");
}

/// `modelgate run envoy/torchserve.yaml` with everything on loopback, and these arguments more.
fn start(arguments: &[&str]) -> Child {
    start_of(
        "envoy/torchserve.yaml",
        &["torchserve", "login", "logs"],
        arguments,
    )
}

/// `modelgate run` of a shipped configuration with these clusters on loopback, where nothing
/// serves, and these arguments more.
fn start_of(file: &str, clusters: &[&str], arguments: &[&str]) -> Child {
    let clusters = clusters.iter().map(|name| format!("{name}=127.0.0.1:1"));
    Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["run", file])
        .args(clusters.flat_map(|cluster| ["--cluster".to_owned(), cluster]))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a line on standard error that says where the gateway serves, asks it something, stops
/// it, and gives its access log.
fn asked_and_stopped(mut child: Child, marker: &str) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let address = loop {
        let Some(Ok(line)) = lines.next() else {
            panic!("it has ended: {said}");
        };
        if let Some((_, address)) = line.split_once("http://")
            && line.contains(marker)
        {
            break address.trim().to_owned();
        }
        said.push_str(&line);
        said.push('\n');
    };
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).count());
    let mut connection = TcpStream::connect(&address).unwrap();
    connection
        .write_all(b"GET /predictions/m HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // The access log is written a moment later.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.unwrap().success());
    let mut access = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut access)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    rest.join().unwrap();
    access
}

#[test]
fn a_gateway_runs_on_native_code_until_it_is_told_to_stop() {
    let access = asked_and_stopped(start(&["--engine", "native", "--port", "0"]), "ready");
    assert!(access.contains("token_missing"), "{access}");
    // The audit event is JSON, and not JSON in a string.
    assert!(access.contains(r#""audit":{"#), "{access}");
}

#[test]
fn a_gateway_file_runs_as_it_is() {
    let arguments = ["--engine", "native", "--port", "0"];
    let clusters = ["torchserve", "login", "logs"];
    let child = start_of("envoy/gateways/torchserve.yaml", &clusters, &arguments);
    let access = asked_and_stopped(child, "ready");
    assert!(access.contains("token_missing"), "{access}");
}

#[test]
fn a_gateway_file_is_written_for_every_host_and_one_with_errors_for_none() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let file = format!("{root}/envoy/gateways/sagemaker.yaml");
    for host in [
        "envoy",
        "kubernetes",
        "istio",
        "envoy-gateway",
        "higress",
        "kong",
    ] {
        let rendered = modelgate(&["render", "--for", host, &file]);
        assert!(
            rendered.status.success(),
            "{host}: {}",
            text(&rendered.stderr)
        );
        assert!(text(&rendered.stdout).contains("data-science"), "{host}");
        let noted = text(&rendered.stderr).contains("pii-mask may hold a request's headers");
        assert_eq!(noted, matches!(host, "envoy-gateway" | "higress"), "{host}");
    }
    let folder = tempfile::tempdir().unwrap();
    let bent = folder.path().join("bent.yaml");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&bent, whole.replace("quota: 120", "quta: 120")).unwrap();
    let refused = modelgate(&["render", "--for", "envoy", bent.to_str().unwrap()]);
    assert_eq!(
        (refused.status.code(), refused.stdout.as_slice()),
        (Some(1), &[][..])
    );
    let said = text(&refused.stderr);
    assert!(
        said.contains("bent.yaml:20:16: error[MG011 configuration]: rate-limit"),
        "{said}"
    );
    let other = modelgate(&[
        "render",
        "--for",
        "envoy",
        &format!("{root}/envoy/openai.yaml"),
    ]);
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other.stderr).contains("is no gateway file"));
}

/// Whether there is an Envoy; where there must be one, there is.
fn has_envoy() -> bool {
    require_or_skip("an Envoy", Envoy::find(None, &|_| ())).is_some()
}

#[test]
fn filters_in_files_of_their_own_are_run_too() {
    if !has_envoy() {
        return;
    }
    let arguments = ["--port", "0", "--admin-port", "0"];
    let child = start_of("envoy/ecds/envoy.yaml", &["model", "logs"], &arguments);
    let access = asked_and_stopped(child, "gateway ");
    assert!(access.contains("key_missing"), "{access}");
}

#[test]
fn a_gateway_runs_on_envoy_until_it_is_told_to_stop() {
    if !has_envoy() {
        return;
    }
    let child = start(&["--port", "0", "--admin-port", "0"]);
    let access = asked_and_stopped(child, "gateway ");
    assert!(access.contains("token_missing"), "{access}");
}

#[test]
fn what_cannot_run_is_said_with_what_to_do() {
    let refused = modelgate(&["run", "/nowhere.yaml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("/nowhere.yaml"));
    let refused = modelgate(&["scenario", "/nowhere.yaml"]);
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.starts_with("error: /nowhere.yaml"), "{said}");
    let mut child = start(&["--engine", "native", "--cluster", "nothing=127.0.0.1:1"]);
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(said.contains("no cluster nothing"), "{said}");
}
