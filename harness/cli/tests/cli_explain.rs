//! `modelgate explain`, the program: its exit codes, where it writes in colour, that its document
//! keeps its members, and that the pages it refers to are there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // Helpers of tests.

use std::process::{Command, Output, Stdio};

use modelgate_cli::SUITE;
use serde_json::Value as Json;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PROGRAM: &str = env!("CARGO_BIN_EXE_modelgate");
const GATEWAY: &str = "envoy/gateways/kserve-v2.yaml";
const REFUSED: &str = "curl https://gw/v2/models/iris/infer -d '{}'";
/// A token of the issuer that a gateway file names, signed by nobody that is known.
const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoibW9kZWxzIiwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn explain(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("explain")
        .args(arguments)
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_exit_code_says_what_becomes_of_the_request() {
    let by_token = format!(
        "curl https://gw/v2/models/iris/infer -H 'authorization: Bearer {TOKEN}' -d '{{}}'"
    );
    for (arguments, code, said) in [
        (
            vec![GATEWAY, "--curl", REFUSED],
            1,
            "Refused by jwt-auth: 401 token_missing",
        ),
        // Nobody gave the issuer's keys, so nothing can be said.
        (vec![GATEWAY, "--curl", &by_token], 2, "Undecided"),
        (
            vec![GATEWAY, "--curl", &by_token, "--assume-verified"],
            1,
            "access_denied",
        ),
        (vec!["no-such-file.yaml", "--curl", REFUSED], 2, ""),
        (vec![GATEWAY, "--request", "no-such-file.http"], 2, ""),
        (vec![GATEWAY, "--curl", "curl https://gw | sh"], 2, ""),
        (vec![GATEWAY], 2, ""),
    ] {
        let done = explain(&arguments);
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{shown}");
        assert!(shown.contains(said), "{arguments:?}\n{shown}");
        // What cannot be explained is told on standard error, and nothing else is.
        assert_eq!(done.stderr.is_empty(), !shown.is_empty(), "{arguments:?}");
        let shown = format!("{shown}{}", String::from_utf8_lossy(&done.stderr));
        assert!(!shown.contains(TOKEN), "{arguments:?}\n{shown}");
    }
    let live = format!("curl https://gw/v2/health/live -H 'authorization: Bearer {TOKEN}'");
    let live = explain(&[GATEWAY, "--curl", &live, "--assume-verified"]);
    let shown = String::from_utf8_lossy(&live.stdout).into_owned();
    assert!(shown.starts_with("Goes on to "), "{shown}");
    assert_eq!(live.status.code(), Some(0), "{shown}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    assert!(
        !explain(&[GATEWAY, "--curl", REFUSED])
            .stdout
            .contains(&0x1b)
    );
    // util-linux's `script` lends a terminal.
    let on_terminal = |environment: (&str, &str)| {
        let command = format!("'{PROGRAM}' explain {GATEWAY} --request -");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        script.env(environment.0, environment.1).current_dir(ROOT);
        script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut running = script.spawn().ok()?;
        use std::io::Write as _;
        // The terminal's end of input stands on a line of its own.
        let sent = running
            .stdin
            .take()
            .unwrap()
            .write_all(b"GET /admin HTTP/1.1\nhost: gw\n\n\x04");
        sent.unwrap();
        Some(running.wait_with_output().unwrap().stdout)
    };
    let Some(plain) = on_terminal(("NO_COLOR", "1")) else {
        println!("skipped: there is no program `script`");
        return;
    };
    assert!(
        !plain.contains(&0x1b),
        "{}",
        String::from_utf8_lossy(&plain)
    );
    let coloured = on_terminal(("NO_COLOR", "")).unwrap();
    assert!(
        coloured.contains(&0x1b),
        "{}",
        String::from_utf8_lossy(&coloured)
    );
}

#[test]
fn the_document_has_the_members_that_are_documented() {
    let done = explain(&[GATEWAY, "--curl", REFUSED, "--format", "json"]);
    assert_eq!(done.status.code(), Some(1));
    let document: Json = serde_json::from_slice(&done.stdout).unwrap();
    let members = |at: &str| -> Vec<String> {
        let at = document.pointer(at).unwrap().as_object().unwrap();
        at.keys().cloned().collect()
    };
    assert_eq!(document["version"], 1);
    assert_eq!(
        members(""),
        [
            "version",
            "verdict",
            "request",
            "route",
            "assumptions",
            "filters",
            "upstream",
            "answer"
        ]
    );
    assert_eq!(
        members("/verdict"),
        [
            "outcome",
            "status",
            "reason",
            "filter",
            "reference",
            "undecided",
            "assumed",
            "first_refused"
        ]
    );
    assert_eq!(
        members("/request"),
        ["method", "authority", "path", "body_bytes", "times"]
    );
    assert_eq!(members("/route"), ["virtual_host", "route", "cluster"]);
    assert_eq!(members("/filters/0"), ["entry", "filter", "state", "notes"]);
    assert_eq!(
        members("/answer"),
        ["status", "headers", "body_bytes", "body", "broken_off"]
    );
    assert_eq!(document["verdict"]["reference"], "docs/reasons.md#jwt-auth");
}

#[test]
fn every_page_that_a_refusal_may_refer_to_is_there() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/reasons.md")).unwrap();
    assert!(page.contains("\n## every filter\n"));
    for member in SUITE.filters() {
        let name = member.filter.name.replace('_', "-");
        assert!(page.contains(&format!("\n## `{name}`\n")), "{name}");
    }
}
