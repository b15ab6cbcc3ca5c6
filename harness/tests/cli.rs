//! The command line as a shell uses it: help, completions, manual pages, and pipes that are closed early.

#![allow(clippy::unwrap_used)] // Helpers of tests stand outside of them.

use std::process::{Command, Output, Stdio};

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
        for command in ["check", "scenario", "demo"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    let written = modelgate(&["man", folder.path().to_str().unwrap()]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    for page in ["modelgate.1", "modelgate-check.1", "modelgate-scenario.1"] {
        let page = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(page.contains(".TH"), "{page}");
    }
}
