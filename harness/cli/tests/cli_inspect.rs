//! `modelgate inspect` as a shell and a pipeline use it.

#![allow(clippy::unwrap_used)] // Helpers of tests stand outside of them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

fn inspect(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .arg("inspect")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads it where no file is `-`.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn good() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "proxy_abi_version_0_2_0")))"#).unwrap()
}

/// A folder with a module, half of one, and something else.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("good.wasm", &good());
    write("half.wasm", good().get(..20).unwrap());
    write("text.wasm", b"hello");
    folder
}

#[test]
fn the_exit_code_says_what_could_not_be_told() {
    let folder = folder();
    let code = |arguments: &[&str]| inspect(folder.path(), arguments, b"").status.code();
    assert_eq!(code(&["good.wasm"]), Some(0));
    assert_eq!(code(&["good.wasm", "half.wasm"]), Some(1));
    assert_eq!(code(&["text.wasm", "--format", "json"]), Some(1));
    assert_eq!(code(&["nothing.wasm", "text.wasm"]), Some(2));
    assert_eq!(code(&["."]), Some(2));
    assert_eq!(code(&[]), Some(2));
}

#[test]
fn several_files_and_standard_input_are_read() {
    let folder = folder();
    let output = inspect(folder.path(), &["text.wasm", "-", "nothing.wasm"], &good());
    let said = text(&output);
    for part in [
        "text.wasm: is not a WebAssembly module",
        "(stdin): not a filter of modelgate (without a version), proxy-wasm 0.2.0",
        "nothing.wasm: cannot be read",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
}

#[test]
fn machines_can_read_it() {
    let folder = folder();
    let output = inspect(
        folder.path(),
        &["--format", "json", "half.wasm", "good.wasm"],
        b"",
    );
    let json: Json = serde_json::from_str(&text(&output)).unwrap();
    let files = &json["files"];
    assert!(files[0]["error"].as_str().unwrap().contains("cut off"));
    assert_eq!(files[1]["abi"], serde_json::json!(["0.2.0"]));
    assert_eq!(files[1]["modelgate"], Json::Null);
}

#[test]
fn a_closed_pipe_is_the_readers_wish() {
    let folder = folder();
    let mut child = Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .args(["inspect", "good.wasm"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
