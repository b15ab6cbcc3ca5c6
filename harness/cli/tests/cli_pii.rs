//! `modelgate pii` as a program: exit codes, and what it shows.

#![allow(clippy::unwrap_used)] // Helpers of tests stand outside of them.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_modelgate");

/// Runs it with this text on standard input.
fn pii(arguments: &[&str], text: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("pii").args(arguments).env_remove("NO_COLOR");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

#[test]
fn exit_codes_say_whether_something_is_found() {
    for (arguments, text, code, said) in [
        (&["-"][..], "nothing here", 0, "Nothing is found"),
        (&["-"], "mail ann@example.com", 1, "mail »ann@example.com«"),
        (
            &["-", "--redacted"],
            "mail ann@example.com",
            1,
            "1:6  email",
        ),
        (
            &["-", "--content-type", "image/png"],
            "x",
            1,
            "it is refused: type_refused",
        ),
        (
            &["-", "--format", "json"],
            "ann@example.com",
            1,
            "\"entity\": \"email\"",
        ),
        (&["no-such-file"], "", 2, ""),
        (&["-", "--config", "no-such-file"], "", 2, ""),
        (&["-", "--profile", "x"], "", 2, ""),
    ] {
        let done = pii(arguments, text);
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{shown}");
        assert!(shown.contains(said), "{arguments:?}\n{shown}");
        assert_eq!(done.stderr.is_empty(), !shown.is_empty(), "{arguments:?}");
        assert!(!shown.contains('\u{1b}'), "no colour where no terminal is");
    }
    let redacted = pii(&["-", "--redacted"], "mail ann@example.com");
    assert!(!String::from_utf8_lossy(&redacted.stdout).contains("ann@"));
}

#[test]
fn folders_and_several_files_are_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("a.txt", b"mail ann@example.com, PESEL 44051401359");
    write("b.txt", b"nothing");
    write("c.bin", b"ann@example.com\0");
    std::fs::create_dir(folder.path().join("d")).unwrap();
    write("d/e.json", br#"{"phone": "+49 171 2345678"}"#);
    let below = folder.path().to_str().unwrap();
    let shown = |arguments: &[&str]| {
        let done = pii(arguments, "");
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let lines = shown(&[below, "--format", "lines"]);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.contains(r#""rule":"PESEL (Poland)""#), "{lines}");
    assert!(lines.contains("e.json\""), "{lines}");
    let summary = shown(&[below, "--summary"]);
    assert!(summary.contains("a.txt: 2 found\n"), "{summary}");
    assert!(
        summary.ends_with("3 found in 74 bytes of 3 texts.\n"),
        "{summary}"
    );
    assert!(!summary.contains("c.bin"), "{summary}");
    let both = [format!("{below}/a.txt"), format!("{below}/b.txt")];
    let text = shown(&[&both[0], &both[1]]);
    assert!(text.contains("email, by its shape"), "{text}");
    assert!(text.contains("national_id (PESEL (Poland)), by"), "{text}");
    let none = pii(&[&both[1], &format!("{below}/none")], "");
    assert_eq!(none.status.code(), Some(2));
}
