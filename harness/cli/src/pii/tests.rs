//! Tests of what is told of findings.

use super::*;
use modelgate_demo::report::Report as Paper;

fn look_at(body: &str, config: Option<&str>) -> (Report, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let config = config.map(|text| {
        std::fs::write(&file, text).unwrap();
        file.clone()
    });
    let question = Question {
        body: body.as_bytes().to_vec(),
        config,
        ..Question::default()
    };
    let report = look(&question, &|_| None).unwrap();
    let text = text(&report, &question.body, false, &Paper::to(|_| {}));
    (report, text)
}

#[test]
fn findings_are_told_with_the_bytes_that_they_stand_in() {
    for body in [
        "mail ann@example.com,\ncard 4111 1111 1111 1111",
        "{\"é\":\n\"a\\u0062 ann\\u0040example.com\", \"card\": 4111111111111111, \"x\":[\"4111\",\"1111\",\"1111\",\"1111\"]}",
        "{\"a\":\"ann@example.com\"}\n{\"card\":\"4111111111111111\"}\n",
    ] {
        let (report, _) = look_at(body, None);
        assert!(report.findings.len() >= 2, "{report:?}");
        assert_eq!(report.outcome, Outcome::Changes);
        for finding in &report.findings {
            let span = finding.span.unwrap();
            let value = &body[span.start..span.end];
            assert_eq!(finding.value.as_deref(), Some(value));
            let wanted = match finding.entity.as_str() {
                "email" => ["ann@example.com", "ann\\u0040example.com"].contains(&value),
                _ => value.starts_with("4111") && value.ends_with("1111"),
            };
            assert!(wanted, "{value}");
        }
    }
}

#[test]
fn fields_and_parts_of_forms_are_told_with_their_bytes() {
    let form = "a=b&mail=ann%40example.com&card=4111+1111+1111+1111";
    let parts = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nhi ann@example.com\r\n--x\r\ncontent-disposition: form-data; name=\"b\"\r\ncontent-type: application/json\r\n\r\n{\"card\":\"4111111111111111\"}\r\n--x--\r\n";
    for (kind, body, values) in [
        (
            "application/x-www-form-urlencoded",
            form,
            ["ann%40example.com", "4111+1111+1111+1111"],
        ),
        (
            "multipart/form-data; boundary=x",
            parts,
            ["ann@example.com", "4111111111111111"],
        ),
    ] {
        let question = Question {
            body: body.as_bytes().to_vec(),
            content_type: Some(kind.to_owned()),
            ..Question::default()
        };
        let report = look(&question, &|_| None).unwrap();
        let found: Vec<&str> = report
            .findings
            .iter()
            .map(|one| one.value.as_deref().unwrap())
            .collect();
        assert_eq!(found, values);
    }
}

#[test]
fn the_text_says_what_and_why_and_where() {
    let (_, text) = look_at("one\n  call me at 555-0132 ok\n", None);
    assert_eq!(
        text,
        "2:14  phone (digits), by a word beside it: redact, as [PHONE]\n      call me at »555-0132« ok\n1 finding in 29 bytes of text/plain; it passes with these changes.\n"
    );
    let (report, text) = look_at("nothing", None);
    assert_eq!(report.outcome, Outcome::Passes);
    assert_eq!(
        text,
        "Nothing is found in 7 bytes of text/plain; it passes as it is.\n"
    );
    let (_, text) = look_at("\u{1b}[31m ann@example.com", None);
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_configuration_decides_and_may_stand_in_a_gateway() {
    let own = r#"{"entities":{"email":{"action":"hash"},"card":{"action":"block"}},"hash_key":{"env":"K"}}"#;
    let (report, _) = look_at("ann@example.com", Some(own));
    assert!(
        report.findings[0]
            .with
            .as_deref()
            .unwrap()
            .starts_with("[EMAIL:")
    );
    let (report, text) = look_at("4111111111111111", Some(own));
    assert_eq!(report.outcome, Outcome::Refused("pii_blocked".to_owned()));
    assert!(text.contains("it is refused: pii_blocked"));
    let envoy = serde_json::json!({"static_resources": {"listeners": [{"filters": [{
        "vm_config": {"code": {"local": {"filename": "/x/modelgate.wasm"}}}, "root_id": "chain",
        "configuration": {"value": r#"{"filters":[{"filter":"key_auth"},{"filter":"pii_mask","config":{"default_action":"report"}}]}"#}
    }]}]}});
    let (report, _) = look_at("ann@example.com", Some(&envoy.to_string()));
    assert_eq!(
        (report.findings[0].action.as_str(), &report.outcome),
        ("report", &Outcome::Passes)
    );
    let profiles = r#"{"profiles":{"open":{"default_action":"allow","rank":1}}}"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    std::fs::write(&file, profiles).unwrap();
    let question = Question {
        body: b"ann@example.com".to_vec(),
        config: Some(file),
        profile: Some("open".to_owned()),
        ..Question::default()
    };
    assert!(look(&question, &|_| None).unwrap().findings.is_empty());
    let question = Question {
        profile: Some("none".to_owned()),
        ..question
    };
    assert!(look(&question, &|_| None).is_err());
}

#[test]
fn a_stream_is_read_as_an_answer() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"ann@exa\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"mple.com\"}}]}\n\n";
    let (report, text) = look_at(body, None);
    assert_eq!(report.content_type, "text/event-stream");
    assert_eq!(report.findings.len(), 1);
    assert_eq!(
        (report.findings[0].span, &report.findings[0].value),
        (None, &None)
    );
    assert!(
        text.contains("email, by its shape: redact, as [EMAIL]"),
        "{text}"
    );
}

#[test]
fn what_was_found_is_left_out_where_it_is_not_to_be_shown() {
    let question = Question {
        body: b"{\"a\":\"ann@example.com and more\"}".to_vec(),
        redacted: true,
        ..Question::default()
    };
    let report = look(&question, &|_| None).unwrap();
    let json = serde_json::to_string(&report).unwrap();
    let text = text(&report, &question.body, true, &Paper::to(|_| {}));
    for shown in [json, text] {
        assert!(
            !shown.contains("ann") && !shown.contains("more") && shown.contains("email"),
            "{shown}"
        );
    }
}
