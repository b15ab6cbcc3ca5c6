//! Every reason code is seen: some scenario expects it, and so it is tried on every engine, where
//! each refusal must carry its reason and the id of its request (`engine/compare/refusal.rs`). What
//! no scenario can bring about is tried elsewhere, and that is written down here.

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Workspace};
use modelgate_kit::problem::common;
use std::fs;

/// Codes that no scenario expects, and the file with the test that does.
const ELSEWHERE: [(&str, &str); 10] = [
    ("filter_stalled", "shared/src/vm/tests/defects.rs"),
    ("plan_missing", "shared/src/vm/tests.rs"),
    ("headers_too_many", "shared/src/hosts/nginx/tests.rs"),
    ("body_unannounced", "shared/src/hosts/nginx/tests.rs"),
    ("configuration_refused", "shared/src/hosts/nginx/tests.rs"),
    ("body_unreadable", "shared/src/vm/tests/defects.rs"),
    ("limit_unavailable", "plugins/rate-limit/src/tests/nginx.rs"),
    ("answer_undecided", "plugins/pii-mask/src/answer/tests.rs"),
    ("host_missing", "plugins/aws-sigv4/src/tests.rs"),
    ("host_ambiguous", "plugins/aws-sigv4/src/tests.rs"),
];

/// Whether `text` has `word` as a word.
fn has(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|part| part == word)
}

#[test]
fn every_reason_is_expected_somewhere() {
    let root = Workspace::locate().unwrap().root;
    let read = |path: &std::path::Path| fs::read_to_string(root.join(path)).unwrap();
    let scenarios: Vec<String> = build::scenario_files(&root)
        .unwrap()
        .iter()
        .map(|path| read(path))
        .collect();
    let own = SUITE
        .filters()
        .iter()
        .flat_map(|member| member.filter.reasons);
    let page = read("docs/reasons.md".as_ref());
    for reason in common::ALL.iter().chain(own) {
        let code = reason.code;
        assert!(
            page.contains(&format!("| `{code}` | {} |", reason.status)),
            "{code}"
        );
        let expected = scenarios.iter().any(|text| has(text, code));
        let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == code);
        match elsewhere {
            None => assert!(expected, "no scenario expects {code}"),
            Some(_) if expected => panic!("{code} has a scenario, and need not stand here"),
            Some((_, test)) => {
                let text = read(test.as_ref());
                let named = has(&text, code) || has(&text, &code.to_uppercase());
                assert!(named, "{test} does not name {code}");
            }
        }
    }
}
