//! `modelgate check` as a shell and a pipeline use it.

#![allow(clippy::unwrap_used)] // Helpers of tests stand outside of them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

const GOOD: &str = "http_filters:\n- name: audit-log\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    config:\n      failure_policy: FAIL_RELOAD\n      vm_config: { code: { local: { filename: audit_log.wasm } } }\n";

fn check(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with a good file, one with a warning, one with an error, and one of something else.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("good.yaml", GOOD);
    write("warns.yaml", &GOOD.replace("FAIL_RELOAD", "FAIL_CLOSED"));
    std::fs::create_dir(folder.path().join("below")).unwrap();
    write("below/bad.yml", &GOOD.replace("FAIL_RELOAD", "FAIL_OPEN"));
    write("other.yaml", "a: 1\n");
    folder
}

#[test]
fn the_exit_code_says_how_bad_it_is() {
    let folder = folder();
    let code = |arguments: &[&str]| check(folder.path(), arguments, "").status.code();
    assert_eq!(code(&["good.yaml"]), Some(0));
    assert_eq!(code(&["warns.yaml"]), Some(0));
    assert_eq!(code(&["--strict", "warns.yaml"]), Some(1));
    assert_eq!(code(&["below/bad.yml"]), Some(1));
    assert_eq!(code(&["other.yaml"]), Some(1));
    assert_eq!(code(&["nothing.yaml"]), Some(2));
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let folder = folder();
    let output = check(folder.path(), &["nothing.yaml", "below/bad.yml"], "");
    let said = text(&output);
    assert!(
        said.contains("nothing.yaml:1:1: error[MG001 syntax]"),
        "{said}"
    );
    assert!(
        said.contains("below/bad.yml:6:23: error[MG103 fails-open]"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn standard_input_and_folders_are_read() {
    let folder = folder();
    let output = check(
        folder.path(),
        &["-"],
        &GOOD.replace("FAIL_RELOAD", "FAIL_OPEN"),
    );
    assert!(
        text(&output).starts_with("(stdin):6:23: error[MG103"),
        "{}",
        text(&output)
    );
    let output = check(folder.path(), &["."], "");
    let said = text(&output);
    assert!(
        said.contains("bad.yml:6:23") && said.contains("warns.yaml:6:23"),
        "{said}"
    );
    // What nobody named and has nothing of ours is nobody's business.
    assert!(!said.contains("other.yaml"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn machines_can_read_it() {
    let folder = folder();
    let said = |format: &str| {
        text(&check(
            folder.path(),
            &["--format", format, "below/bad.yml"],
            "",
        ))
    };
    let json: Json = serde_json::from_str(&said("json")).unwrap();
    let finding = &json["files"][0]["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"], &finding["column"]),
        (&Json::from("MG103"), &Json::from(6), &Json::from(23))
    );
    let sarif: Json = serde_json::from_str(&said("sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "MG103");
    assert!(
        said("github")
            .starts_with("::error file=below/bad.yml,line=6,col=23,title=MG103 fails-open::")
    );
}
