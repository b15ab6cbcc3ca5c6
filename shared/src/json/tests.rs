//! Tests of the JSON reader.

use super::*;
use proptest::prelude::*;

fn problem(document: &str) -> Option<JsonProblem> {
    check(document.as_bytes(), Limits::default())
        .err()
        .map(|error| error.problem)
}

/// Every string and key with its path.
fn strings(document: &str) -> Vec<(String, String)> {
    let mut walker = Walker::new(document.as_bytes(), Limits::default()).unwrap();
    let mut found = Vec::new();
    while let Some(token) = walker.next_token().unwrap() {
        match token {
            Token::String(text) => {
                found.push((walker.path().to_string(), text.decode().into_owned()))
            }
            Token::Key(text) => {
                found.push((format!("{}!", walker.path()), text.decode().into_owned()))
            }
            _ => {}
        }
    }
    found
}

#[test]
fn every_string_and_key_is_visited_with_its_path() {
    let document = r#"{"a":[1,"x",{"b":"y\n"}],"a":"again","":null}"#;
    let expected = [
        ("$.a!", "a"),
        ("$.a[1]", "x"),
        ("$.a[2].b!", "b"),
        ("$.a[2].b", "y\n"),
        ("$.a!", "a"),
        ("$.a", "again"),
        ("$.!", ""),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, text)| (path.to_string(), text.to_string()))
        .collect();
    assert_eq!(strings(document), expected);
}

#[test]
fn a_problem_is_named_with_its_place() {
    let table = [
        ("", JsonProblem::Incomplete, 0),
        ("{\"a\":1,}", JsonProblem::UnexpectedByte, 7),
        ("[1 2]", JsonProblem::UnexpectedByte, 3),
        ("[1}", JsonProblem::UnexpectedByte, 2),
        ("1 1", JsonProblem::TrailingText, 2),
        ("]", JsonProblem::UnexpectedByte, 0),
        ("01", JsonProblem::BadNumber, 1),
        ("1.", JsonProblem::Incomplete, 2),
        ("1.x", JsonProblem::BadNumber, 2),
        ("-Infinity", JsonProblem::BadNumber, 1),
        ("tru", JsonProblem::Incomplete, 0),
        ("\"\\x\"", JsonProblem::BadEscape, 1),
        ("\"\\u12", JsonProblem::Incomplete, 1),
        ("\"a\nb\"", JsonProblem::ControlCharacter, 2),
        ("\u{feff}{}", JsonProblem::UnexpectedByte, 0),
    ];
    for (document, problem, at) in table {
        assert_eq!(
            check(document.as_bytes(), Limits::default()),
            Err(JsonError { at, problem }),
            "{document:?}"
        );
    }
    let not_utf8 = check(b"\"\xff\"", Limits::default());
    assert_eq!(
        not_utf8,
        Err(JsonError {
            at: 1,
            problem: JsonProblem::NotUtf8
        })
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let limits = Limits {
        max_depth: 3,
        max_bytes: 10,
        ..Limits::default()
    };
    assert_eq!(check(b"[[[1]]]", limits), Ok(()));
    let deep = check(b"[[[[1]]]]", limits).unwrap_err();
    assert_eq!((deep.problem, deep.at), (JsonProblem::TooDeep, 3));
    assert_eq!(
        check(b"[1,2,3,4,5]", limits).unwrap_err().problem,
        JsonProblem::TooLong
    );
    assert_eq!(problem(&"[".repeat(1_000_000)), Some(JsonProblem::TooDeep));
}

#[test]
fn duplicate_members_are_found_decoded_and_per_object() {
    let limits = Limits {
        duplicate_members: DuplicateMembers::Refuse,
        ..Limits::default()
    };
    let refused = |document: &str| {
        check(document.as_bytes(), limits)
            .err()
            .map(|error| error.problem)
    };
    assert_eq!(
        refused(r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}"#),
        None
    );
    assert_eq!(
        refused(r#"{"a":1,"b":2,"a":1}"#),
        Some(JsonProblem::DuplicateMember)
    );
    assert_eq!(
        refused(r#"{"a":1,"\u0061":1}"#),
        Some(JsonProblem::DuplicateMember)
    );
    assert_eq!(
        refused(r#"[{"x":{"":0,"":0}}]"#),
        Some(JsonProblem::DuplicateMember)
    );
    assert_eq!(problem(r#"{"a":1,"a":1}"#), None);
}

#[test]
fn non_finite_numbers_are_a_choice() {
    let limits = Limits {
        non_finite: NonFinite::Accept,
        ..Limits::default()
    };
    assert_eq!(check(b"[NaN,Infinity,-Infinity]", limits), Ok(()));
    for refused in ["-NaN", "Nan", "Inf", "[-I]", "--Infinity"] {
        assert!(check(refused.as_bytes(), limits).is_err(), "{refused}");
    }
    assert!(problem("[NaN]").is_some());
    let mut walker = Walker::new(b"[-Infinity]", limits).unwrap();
    walker.next_token().unwrap();
    let Some(Token::Number(number)) = walker.next_token().unwrap() else {
        panic!("a number")
    };
    assert_eq!((number.raw(), number.span()), ("-Infinity", 1..10));
}

#[test]
fn lone_surrogates_decode_to_the_replacement_character() {
    let decoded = |document: &str| strings(document).remove(0).1;
    assert_eq!(decoded(r#""\ud83d\ude00""#), "😀");
    assert_eq!(decoded(r#""\ud83dx""#), "\u{fffd}x");
    assert_eq!(decoded(r#""\ude00\ud83d""#), "\u{fffd}\u{fffd}");
    assert_eq!(decoded(r#""\ud83d\ud83d\ude00""#), "\u{fffd}😀");
    assert_eq!(decoded(r#""\"\\\/\b\f\n\r\t""#), "\"\\/\u{8}\u{c}\n\r\t");
}

#[test]
fn a_part_of_a_string_is_replaced_and_nothing_else_moves() {
    let document = br#"{ "k" : "\u0041nn \ud83d\ude00 <ann@x.org>\n" , "n":1.50 }"#;
    let mut walker = Walker::new(document, Limits::default()).unwrap();
    let mut edits = Edits::new();
    while let Some(token) = walker.next_token().unwrap() {
        if let Token::String(text) = token {
            let decoded = text.decode();
            let start = decoded.find("ann@").unwrap();
            let mut offsets = text.offsets();
            let from = offsets.locate(start);
            let to = offsets.locate(start + "ann@x.org".len());
            edits.replace_text(from..to, "[\"E\"]");
        }
    }
    let expected = br#"{ "k" : "\u0041nn \ud83d\ude00 <[\"E\"]>\n" , "n":1.50 }"#;
    assert_eq!(edits.apply(document), expected);
}

#[test]
fn overlapping_edits_cover_the_union() {
    let mut edits = Edits::new();
    edits.replace_raw(2..5, "x".to_owned());
    edits.replace_raw(4..7, "y".to_owned());
    edits.replace_raw(8..9, "z".to_owned());
    assert_eq!(edits.apply(b"0123456789"), b"01xy7z9");
}

#[test]
fn patterns_match_paths() {
    let mut walker = Walker::new(
        br#"{"choices":[{"delta":{"content":"x"}}]}"#,
        Limits::default(),
    )
    .unwrap();
    let mut seen = false;
    while let Some(token) = walker.next_token().unwrap() {
        if matches!(token, Token::String(_)) {
            seen = true;
            assert!(walker.path().matches(&["choices", "*", "delta", "content"]));
            assert!(!walker.path().matches(&["choices", "*", "delta"]));
            assert!(walker.path().last_member().unwrap().equals("content"));
        }
    }
    assert!(seen);
}

/// Documents as serde_json writes them, plain and pretty.
fn any_document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    (value, any::<bool>()).prop_map(|(value, pretty)| {
        if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        }
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_accepted_and_its_strings_are_equal(document in any_document()) {
        let mut walker = Walker::new(document.as_bytes(), Limits::default()).unwrap();
        while let Some(token) = walker.next_token().unwrap() {
            if let Token::String(text) | Token::Key(text) = token {
                let span = text.span();
                let quoted = &document[span.start - 1..span.end + 1];
                let expected: String = serde_json::from_str(quoted).unwrap();
                prop_assert_eq!(text.decode(), expected.as_str());
                prop_assert!(text.equals(&expected));
            }
        }
    }

    #[test]
    fn it_agrees_with_serde_on_mutilated_documents(document in any_document(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = document.into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        let ours = check(&bytes, Limits::default()).is_ok();
        let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        // serde_json's IgnoredAny checks neither UTF-8 in skipped strings nor lone surrogates: only
        // the other direction is exact.
        if ours { prop_assert!(theirs || serde_json::from_slice::<serde_json::Value>(&bytes).is_err()); }
        if theirs && core::str::from_utf8(&bytes).is_ok() { prop_assert!(ours); }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = Limits { duplicate_members: DuplicateMembers::Refuse, non_finite: NonFinite::Accept, ..Limits::default() };
        let _ = check(&bytes, limits);
    }

    #[test]
    fn offsets_lead_back_to_the_same_text(text in any::<String>(), ascii in any::<bool>()) {
        let mut quoted = String::from("\"");
        for character in text.chars() {
            if ascii && !character.is_ascii() {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) { quoted.push_str(&format!("\\u{unit:04x}")); }
            } else {
                escape_into(character.encode_utf8(&mut [0; 4]), &mut quoted);
            }
        }
        quoted.push('"');
        let mut walker = Walker::new(quoted.as_bytes(), Limits::default()).unwrap();
        let Some(Token::String(string)) = walker.next_token().unwrap() else { panic!("a string") };
        prop_assert_eq!(string.decode(), text.as_str());
        let mut offsets = string.offsets();
        for (decoded, character) in text.char_indices() {
            let from = offsets.clone().locate(decoded);
            let to = offsets.locate(decoded + character.len_utf8());
            let part: String = serde_json::from_str(&format!("\"{}\"", &quoted[from..to])).unwrap();
            prop_assert_eq!(part, character.to_string());
        }
    }
}

#[test]
fn the_end_of_a_string_is_decoded_alone() {
    let end = |document: &str, bytes| {
        let mut walker = Walker::new(document.as_bytes(), Limits::default()).unwrap();
        match walker.next_token().unwrap() {
            Some(Token::String(text)) => text.decode_end(bytes).into_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end(r#""abc""#, 10), "abc");
    assert_eq!(end(r#""abcdef""#, 3), "def");
    // Never inside a character, nor behind a backslash that belongs to what follows.
    assert_eq!(end("\"aä\"", 1), "ä");
    assert_eq!(end(r#""x\ny""#, 2), "\ny");
    assert_eq!(end(r#""x\\ny""#, 2), "ny");
    assert_eq!(end(r#""x\u00e9y""#, 7), "éy");
    assert_eq!(end(r#""x\u00e9y""#, 3), "e9y");
    assert_eq!(end(r#""\\\\\\""#, 1), "\\");
}

/// What stands behind numbers that are passed over has the path that it would have had.
#[test]
fn numbers_that_are_passed_over_count_as_elements() {
    let document = br#"{"a":[1, 2.5,-3,"x",4,5,1e3,6,7],"b":[[0,1,2],[]],"c":[1234567,8,9]}"#;
    let read = |pass: bool| {
        let mut walker = Walker::new(document, Limits::default()).unwrap();
        let mut tokens = Vec::new();
        while let Some(token) = walker.next_token().unwrap() {
            tokens.push((
                walker.path().to_string(),
                format!("{token:?}"),
                walker.offset(),
            ));
            if pass {
                walker.pass_numbers();
            }
        }
        tokens
    };
    let (all, some) = (read(false), read(true));
    assert!(some.len() + 8 < all.len());
    assert!(some.iter().all(|token| all.contains(token)));
    for path in [
        "$.a[3]",
        "$.a[6]",
        "$.a[8]",
        "$.b[0][2]",
        "$.c[0]",
        "$.c[2]",
    ] {
        assert!(some.iter().any(|(at, ..)| at == path), "{path}");
    }
    let broken = br"[1,2,03]";
    let mut walker = Walker::new(broken, Limits::default()).unwrap();
    walker.next_token().unwrap();
    walker.pass_numbers();
    assert_eq!(
        walker.next_token().unwrap_err().problem,
        JsonProblem::BadNumber
    );
}
