//! Tests of JSON documents, masked in place.

use super::*;
use crate::detect::{Certainty, Entity};
use crate::mask::Action;
use proptest::prelude::*;

fn masker() -> Masker {
    let actions = Entity::ALL
        .into_iter()
        .map(|entity| (entity, Action::Redact))
        .collect();
    Masker::new(
        actions,
        Certainty::Context,
        None,
        crate::allowed::Allowed::default(),
    )
}

fn scope() -> Scope {
    Scope {
        names: true,
        numbers: true,
        drop_logprobs: true,
        skip: vec![
            vec!["user".to_owned()],
            vec!["m".to_owned(), "*".to_owned(), "id".to_owned()],
        ],
    }
}

fn masked(document: &str) -> Option<String> {
    json(
        document.as_bytes(),
        &scope(),
        &masker(),
        &mut Tally::default(),
    )
    .unwrap()
    .map(|body| String::from_utf8(body).unwrap())
}

#[test]
fn values_wherever_they_stand_are_masked_and_the_rest_keeps_its_bytes() {
    let document = r#"{ "messages" : [ {"role":"user","content":[{"type":"text","text":"I am \u0061nn@example.com\n\"x\""}]} ],
        "n": 1.50, "meta": {"deep": [[["4111 1111 1111 1111"]]], "ann@example.com": true} }"#;
    let expected = r#"{ "messages" : [ {"role":"user","content":[{"type":"text","text":"I am [EMAIL]\n\"x\""}]} ],
        "n": 1.50, "meta": {"deep": [[["[CARD]"]]], "[EMAIL]": true} }"#;
    assert_eq!(masked(document).unwrap(), expected);
    assert_eq!(masked(r#"{"a":"nothing"}"#), None);
}

#[test]
fn a_number_is_called_by_the_question_that_it_answers() {
    for (document, expected) in [
        (
            r#"[{"role":"assistant","content":"What is your SSN?"},{"role":"user","content":"123456789"}]"#,
            r#"[{"role":"assistant","content":"What is your SSN?"},{"role":"user","content":"[SSN]"}]"#,
        ),
        (
            r#"{"question":"Your phone number, please:","answer":"5550132, mornings"}"#,
            r#"{"question":"Your phone number, please:","answer":"[PHONE], mornings"}"#,
        ),
        (
            r#"{"q":"SSN?","answer":308630237}"#,
            r#"{"q":"SSN?","answer":"[SSN]"}"#,
        ),
    ] {
        assert_eq!(masked(document).as_deref(), Some(expected), "{document}");
    }
    for document in [
        r#"{"q":"How many phones were sold?","answer":"5550132"}"#,
        r#"[{"content":"What is your SSN?"},{"order_id":"308630237"}]"#,
        r#"[{"q":"What is your SSN?"},{"x":"1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0","a":"308630237"}]"#,
        r#"[{"q":"What is your SSN"},{"a":"308630237"}]"#,
    ] {
        assert_eq!(masked(document), None, "{document}");
    }
}

#[test]
fn numbers_are_read_however_they_are_spelled() {
    assert_eq!(
        masked(r#"{"card":4111111111111111e0,"n":4.111111111111111E+15,"phone":1.4155550132e10,"ssn":3.08630237e8,"cards":[411111111111111100e-2,1.5]}"#)
            .unwrap(),
        r#"{"card":"[CARD]","n":4.111111111111111E+15,"phone":"[PHONE]","ssn":"[SSN]","cards":["[CARD]",1.5]}"#
    );
    assert_eq!(
        masked(r#"{"arguments":"{\"card\":4111111111111111e0}"}"#).unwrap(),
        r#"{"arguments":"{\"card\":\"[CARD]\"}"}"#
    );
    assert_eq!(
        masked(r#"{"card":4111111111111111e1,"phone":4.155550132e-9,"ssn":0.308630237}"#),
        None
    );
}

#[test]
fn groups_that_are_the_elements_of_an_array_are_one_number() {
    for (document, expected) in [
        (
            r#"{"x":["4111","1111", "1111","1111"]}"#,
            r#"{"x":["[CARD]","", "",""]}"#,
        ),
        (
            r#"[["3782","822463","10005"],["4111"]]"#,
            r#"[["[CARD]","",""],["4111"]]"#,
        ),
        (
            r#"{"ssn":["308","63","0237"],"phone":["415","555","0132"]}"#,
            r#"{"ssn":["[SSN]","",""],"phone":["[PHONE]","",""]}"#,
        ),
    ] {
        assert_eq!(masked(document).as_deref(), Some(expected), "{document}");
    }
    for document in [
        r#"{"order_ids":["4111","1111","1111","1111"]}"#,
        r#"{"x":["4111","1111","1111","1112"]}"#,
        r#"{"x":["4111","1111","1111","1111","1111"]}"#,
        r#"{"x":["308","63","0237"],"size":["640","480","1024"]}"#,
        r#"{"years":["2019","2020","2021","2022"]}"#,
    ] {
        assert_eq!(masked(document), None, "{document}");
    }
}

#[test]
fn a_members_name_is_context_for_its_value() {
    assert_eq!(
        masked(r#"{"ssn":"308630237","home_phone":"5550132","id":"5550132"}"#).unwrap(),
        r#"{"ssn":"[SSN]","home_phone":"[PHONE]","id":"5550132"}"#
    );
}

/// A name that says nothing counts together with what it stands in or behind.
#[test]
fn what_a_value_is_called_may_stand_above_or_beside_it() {
    for (document, expected) in [
        (
            r#"{"card":{"number":4111111111111111}}"#,
            r#"{"card":{"number":"[CARD]"}}"#,
        ),
        (
            r#"{"card":{"number":"4000000000006"}}"#,
            r#"{"card":{"number":"[CARD]"}}"#,
        ),
        (
            r#"{"ssn":{"value":"308630237"},"phone":[{"S":"2813882583"}]}"#,
            r#"{"ssn":{"value":"[SSN]"},"phone":[{"S":"[PHONE]"}]}"#,
        ),
        (
            r#"[{"type":"SSN","value":"308630237"},{"name":"phone","valid":true,"value":2813882583}]"#,
            r#"[{"type":"SSN","value":"[SSN]"},{"name":"phone","valid":true,"value":"[PHONE]"}]"#,
        ),
        (
            r#"[{"value":"308630237","type":"SSN"},{"value": 2813882583 , "valid" : true, "n":"x", "name" : "phone"}]"#,
            r#"[{"value":"[SSN]","type":"SSN"},{"value": "[PHONE]" , "valid" : true, "n":"x", "name" : "phone"}]"#,
        ),
        (
            r#"{"columns":["name","ssn"],"data":[["ann","308630237"],["bob",308630238]]}"#,
            r#"{"columns":["name","ssn"],"data":[["ann","[SSN]"],["bob","[SSN]"]]}"#,
        ),
        (
            r#"{"secret":{"value":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}}"#,
            r#"{"secret":{"value":"[AWS_SECRET_KEY]"}}"#,
        ),
        (
            r#"{"id":"AKIAIOSFODNN7EXAMPLE","region":"eu-west-1","k":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#,
            r#"{"id":"[AWS_ACCESS_KEY]","region":"eu-west-1","k":"[AWS_SECRET_KEY]"}"#,
        ),
    ] {
        assert_eq!(masked(document).as_deref(), Some(expected));
    }
    for document in [
        r#"{"order":{"number":4111111111111111},"value":308630237,"number":2813882583}"#,
        r#"{"card":{"count":4111111111111111,"id":4111111111111111}}"#,
        r#"{"card_count":{"value":4111111111111111},"phones":{"total":{"value":2813882583}}}"#,
        r#"[{"type":"SSN"},{"value":"308630237"},{"type":"order","value":"308630237"}]"#,
        r#"[{"value":"308630237"},{"type":"SSN"},{"value":"308630237","x":{"type":"SSN"}},{"value":"308630237","x":[],"type":"SSN"}]"#,
        r#"{"columns":["ssn","id"],"data":[["x","308630237","308630237"]],"rows":[308630237]}"#,
        r#"{"k":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#,
    ] {
        assert_eq!(masked(document), None, "{document}");
    }
}

#[test]
fn numbers_become_strings_only_below_a_name_that_says_what_they_are() {
    assert_eq!(
        masked(
            r#"{"card":4111111111111111,"cards":[4111111111111112,0.123456789012,-4111111111111111.0]}"#
        )
        .unwrap(),
        r#"{"card":"[CARD]","cards":[4111111111111112,0.123456789012,"[CARD]"]}"#
    );
    assert_eq!(
        masked(r#"{"ssn":308630237,"tax_id":78630237,"phone":4155550132}"#).unwrap(),
        r#"{"ssn":"[SSN]","tax_id":"[SSN]","phone":"[PHONE]"}"#
    );
    for document in [
        r#"{"instances":[4012888888881881]}"#,
        r#"{"instances":[{"user_id":4000000000000002}]}"#,
        r#"{"signal":[1234567,2345678]}"#,
        r#"{"number":20240115,"call_id":1700000000,"cell_count":1234567,"ring":2345678}"#,
        r#"{"inputs":[{"name":"x","data":[4111111111111111,5500000000000004]}]}"#,
    ] {
        assert_eq!(masked(document), None, "{document}");
    }
}

#[test]
fn numbers_of_json_in_a_string_are_replaced_with_quotes() {
    let arguments = [
        r#"{"card_number":4111111111111111}"#,
        r#"{ "card" : -4111111111111111.0 , "n": 1 }"#,
        "{\n  \"cards\": [4111111111111111, 5500000000000004],\n \"id\": 4012888888881881\n}",
        r#"[{"phone":4155550132},{"ssn":308630237}]"#,
        r#"{"call":"{\"cc\":4111111111111111}"}"#,
        r#"{"call":"{\"call\":\"{\\\"cc\\\":[4111111111111111]}\"}"}"#,
    ];
    for arguments in arguments {
        let before: serde_json::Value = serde_json::from_str(arguments).unwrap();
        let document = serde_json::json!({ "arguments": arguments }).to_string();
        let outer: serde_json::Value = serde_json::from_str(&masked(&document).unwrap()).unwrap();
        let inside = outer["arguments"].as_str().unwrap();
        let after: serde_json::Value = serde_json::from_str(inside).expect(inside);
        assert_eq!(shape(&after), shape(&before), "{inside}");
        assert!(
            !inside.contains("4111111111111111") && !inside.contains("308630237"),
            "{inside}"
        );
        if let Some(deeper) = after["call"].as_str() {
            let deep: serde_json::Value = serde_json::from_str(deeper).expect(deeper);
            if let Some(deepest) = deep["call"].as_str() {
                serde_json::from_str::<serde_json::Value>(deepest).expect(deepest);
            }
        }
    }
}

#[test]
fn nested_documents_stay_documents() {
    let arguments = r#"{"to":"ann@example.com","n":"a\nann@example.com"}"#;
    let document = serde_json::json!({ "arguments": arguments }).to_string();
    let outer: serde_json::Value = serde_json::from_str(&masked(&document).unwrap()).unwrap();
    let inner: serde_json::Value =
        serde_json::from_str(outer["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(
        inner,
        serde_json::json!({ "to": "[EMAIL]", "n": "a\n[EMAIL]" })
    );
}

#[test]
fn paths_can_be_left_alone() {
    let document =
        r#"{"user":"ann@example.com","m":[{"id":"ann@example.com","x":"ann@example.com"}]}"#;
    assert_eq!(
        masked(document).unwrap(),
        r#"{"user":"ann@example.com","m":[{"id":"ann@example.com","x":"[EMAIL]"}]}"#
    );
}

#[test]
fn log_probabilities_go_because_they_repeat_the_text() {
    let document = r#"{"logprobs":{"content":[{"token":"ann@"},{"token":"example.com"}]},"c":[{"logprobs":[{"ann":-1}]}],"d":{"logprobs":true},"e":{"logprobs":[-0.25,[-1]]}}"#;
    assert_eq!(
        masked(document).unwrap(),
        r#"{"logprobs":null,"c":[{"logprobs":null}],"d":{"logprobs":true},"e":{"logprobs":[-0.25,[-1]]}}"#
    );
}

#[test]
fn a_text_that_runs_on_in_an_array_of_an_answer_is_read_as_one() {
    let answer = Scope {
        drop_logprobs: true,
        ..scope()
    };
    let masked = |document: &str| {
        let masked = json(
            document.as_bytes(),
            &answer,
            &masker(),
            &mut Tally::default(),
        )
        .unwrap();
        masked.map(|document| String::from_utf8(document).unwrap())
    };
    for (document, expected) in [
        // Gemini without `alt=sse`.
        (
            r#"[{"candidates":[{"content":{"parts":[{"text":"mail ann.lee@exam"}]}}]},{"candidates":[{"content":{"parts":[{"text":"ple.org now"}]}}]}]"#,
            r#"[{"candidates":[{"content":{"parts":[{"text":"mail [EMAIL]"}]}}]},{"candidates":[{"content":{"parts":[{"text":" now"}]}}]}]"#,
        ),
        (
            r#"{"generated_text":"4111 1111 1111 1111","details":{"tokens":[{"id":1,"text":"4111 1111"},{"id":2,"text":" 1111 1111"}]}}"#,
            r#"{"generated_text":"[CARD]","details":{"tokens":[{"id":1,"text":"[CARD]"},{"id":2,"text":""}]}}"#,
        ),
        (
            r#"{"output":[{"content":[{"text":"ann@exam"},{"text":"ple.org"}]}]}"#,
            r#"{"output":[{"content":[{"text":"[EMAIL]"},{"text":""}]}]}"#,
        ),
        // Answers beside each other are no text.
        (
            r#"[{"generated_text":"ann@example.com"},{"generated_text":"Hello"},{"generated_text":"bob@example.com"}]"#,
            r#"[{"generated_text":"[EMAIL]"},{"generated_text":"Hello"},{"generated_text":"[EMAIL]"}]"#,
        ),
    ] {
        assert_eq!(masked(document).as_deref(), Some(expected));
    }
    for document in [
        r#"[{"text":"12345678"},{"text":"87654321"}]"#,
        r#"{"choices":[{"text":"ann@exam"},{"text":"ple.org"}]}"#,
        r#"["ann@exam","ple.org"]"#,
    ] {
        assert_eq!(masked(document), None);
    }
}

#[test]
fn forms_are_masked_decoded_and_written_encoded() {
    let masked = |body: &str| {
        let masked = form(body.as_bytes(), &scope(), &masker(), &mut Tally::default())?;
        Ok(masked.map(|body| String::from_utf8(body).unwrap()))
    };
    assert_eq!(
        masked("a=%61nn%40example.com&phone=5550132&b=x+y&c"),
        Ok(Some("a=%5BEMAIL%5D&phone=%5BPHONE%5D&b=x+y&c".to_owned()))
    );
    assert_eq!(masked("a=b&user=ann%40example.com"), Ok(None));
    // Only what is found changes.
    assert_eq!(
        masked("q=(~x~)+%2f+ann@example.com,%20%C3%A9&c"),
        Ok(Some("q=(~x~)+%2f+%5BEMAIL%5D,%20%C3%A9&c".to_owned()))
    );
    // JSON that calls itself a form.
    assert_eq!(
        masked(r#"{"t":"100% of ann\u0040example.com & 411111111111%31111"}"#),
        Ok(Some(
            r#"{"t":"100% of [EMAIL] & 411111111111%31111"}"#.to_owned()
        ))
    );
    assert_eq!(
        masked(r#"{"t":"ann@example.com & 411111111111%31111"}"#),
        Ok(Some(r#"{"t":"[EMAIL] & %5BCARD%5D"}"#.to_owned()))
    );
    assert_eq!(masked("a=%4"), Err(MalformedForm));
    assert_eq!(masked("a=%ff"), Err(MalformedForm));
}

#[test]
fn text_must_be_utf8() {
    assert_eq!(
        text(
            b"mail ann@example.com",
            "",
            &masker(),
            &mut Tally::default()
        ),
        Ok(Some(b"mail [EMAIL]".to_vec()))
    );
    assert!(text(b"\xff", "", &masker(), &mut Tally::default()).is_err());
    // UTF-16 without a mark.
    assert!(text(b"a\0n\0n\0@\0b\0.\0", "", &masker(), &mut Tally::default()).is_err());
}

fn any_document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        crate::detect::tests::dense_text().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(Into::into),
        any::<bool>().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z]{1,6}|phone|logprobs", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    value.prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn what_comes_out_is_json_of_the_same_shape(document in any_document()) {
        let Some(once) = masked(&document) else { return Ok(()) };
        let shape = |text: &str| shape(&serde_json::from_str(text).unwrap());
        prop_assert_eq!(shape(&once), shape(&document));
    }
}

/// Containers and their sizes; not names and scalars.
fn shape(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(shape).collect::<String>())
        }
        serde_json::Value::Object(members) => {
            let of = |(name, value): (&String, &serde_json::Value)| {
                if name == "logprobs" {
                    ".".to_owned()
                } else {
                    shape(value)
                }
            };
            format!("{{{}}}", members.iter().map(of).collect::<String>())
        }
        _ => ".".to_owned(),
    }
}
