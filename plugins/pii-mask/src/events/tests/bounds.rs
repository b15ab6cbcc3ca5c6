//! Values that are spread beyond what a reader would wait for, or with something in between.

use super::*;

/// The events with a value's pieces, others between them, masked; and the pieces that come out, as
/// `piece` reads them from an event.
fn around(
    form: Form,
    events: &[Value],
    piece: impl for<'a> Fn(&'a Value) -> Option<&'a str>,
) -> String {
    let out = run_form(form, events);
    out.iter().filter_map(piece).collect()
}

fn w(text: &str) -> Value {
    json!({ "w": text })
}

fn of_w(event: &Value) -> Option<&str> {
    event["w"].as_str()
}

fn plain(event: &Value) -> Option<&str> {
    event.as_str()
}

#[test]
fn a_text_nobody_knows_is_waited_for_over_any_number_of_events() {
    let address =
        "anna-maria.francesca.de.la.cruz.y.garcia.of.the.sales.department@mail.example.com";
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw".repeat(12)
    );
    let token = format!("sk-proj-{}", "Ab3dE5gH".repeat(30));
    for (value, masked) in [
        (address.to_owned(), "[EMAIL]"),
        (key, "[PRIVATE_KEY]"),
        (token, "[API_KEY]"),
    ] {
        let text = format!("see {value}, and on");
        for form in [Form::Event, Form::Line] {
            let events: Vec<_> = text.chars().map(|one| w(&one.to_string())).collect();
            let out = around(form, &events, of_w);
            assert_eq!(out, format!("see {masked}, and on"), "{form:?}");
        }
        let events: Vec<_> = text
            .as_bytes()
            .chunks(3)
            .map(|piece| json!(core::str::from_utf8(piece).unwrap()))
            .collect();
        let out = around(Form::Event, &events, plain);
        assert_eq!(out, format!("see {masked}, and on"));
    }
}

#[test]
fn long_pieces_go_on_too() {
    let filler = "words of a text that has been cut in pieces of one length, ".repeat(6);
    for (one, other, masked) in [
        ("ann@exa", "mple.com", "[EMAIL]"),
        ("4111 1111", " 1111 1111", "[CARD]"),
        (
            "sk-proj-Ab3dE5gHAb3dE5gHAb3dE5gH",
            "Ab3dE5gHAb3dE5gH",
            "[API_KEY]",
        ),
        ("10.0.0.1", "23", "[IP]"),
        ("4111 1111 1111 1111 ", "", "[CARD] "),
    ] {
        let first = format!("{filler}{one}");
        let second = format!("{other}. {filler}");
        let expected = format!("{filler}{masked}. {filler}");
        for length in [48, 300] {
            let front = first.len() - length.min(first.len());
            let events = [&first[front..], &second[..length.min(second.len())]];
            let out = around(Form::Event, &events.map(w), of_w);
            let end = expected.len() - (second.len() - length.min(second.len()));
            assert_eq!(out, expected[front..end]);
        }
        let text = |text: &str| json!({ "text": text });
        let out = around(Form::Line, &[text(&first), text(&second)], |event| {
            event["text"].as_str()
        });
        assert_eq!(out, expected);
    }
}

#[test]
fn records_that_end_and_begin_with_values_are_masked_one_by_one() {
    let long = "a document of some length that ends with the address ann@example.com";
    let text = |text: &str| json!({ "text": text });
    let lines = [text(long), text("bob@example.org wrote"), text("Thank you")];
    assert_eq!(
        run_form(Form::Line, &lines),
        [
            text(&long.replace("ann@example.com", "[EMAIL]")),
            text("[EMAIL] wrote"),
            text("Thank you")
        ]
    );
}

#[test]
fn what_stands_between_the_pieces_ends_no_text() {
    let ends = json!({ "type": "TOOL_CALL_END", "toolCallId": "t" });
    let between = [
        json!("[PING]"),
        json!({ "type": "ping" }),
        json!({ "error": { "message": "slow" } }),
        json!({ "type": "error", "code": 1 }),
        json!({ "type": "step_end" }),
        ends,
    ];
    for between in between {
        for count in [1, 100] {
            let many = vec![between.clone(); count];
            let events = [vec![w("to ann@exa")], many.clone(), vec![w("mple.com now")]].concat();
            assert_eq!(around(Form::Event, &events, of_w), "to [EMAIL] now");
            let known = [
                vec![chat(0, "to ann@exa")],
                many.clone(),
                vec![chat(0, "mple.com now")],
            ]
            .concat();
            let out = run(&known);
            assert_eq!(content(&out, 0), "to [EMAIL] now", "{between}");
            assert_eq!(out.len(), known.len());
            assert_eq!(out[1], between);
            let text = [vec![json!("to ann@exa")], many, vec![json!("mple.com now")]].concat();
            let out = run(&text);
            assert_eq!(out.first(), Some(&json!("to [EMAIL]")), "{between}");
        }
    }
}

#[test]
fn events_of_a_name_that_tells_of_an_error_end_no_text() {
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events) = (Tally::default(), EventMasker::default());
    let mut out = Vec::new();
    for (name, data) in [
        ("", "to ann@exa".to_owned()),
        ("error", "it is slow".to_owned()),
        ("error", json!({ "code": 1 }).to_string()),
        ("", "mple.com".to_owned()),
    ] {
        let raw = data.as_bytes();
        events
            .event(raw, &data, name, Form::Event, &scope, &masker, &mut tally)
            .unwrap();
        out.extend(core::iter::from_fn(|| events.next_ready()).map(text_of));
    }
    events.end(&masker, &mut tally);
    out.extend(core::iter::from_fn(|| events.next_ready()).map(text_of));
    assert_eq!(out, ["to [EMAIL]", "it is slow", "{\"code\":1}", ""]);
}

#[test]
fn only_the_block_that_stops_ends() {
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events) = (Tally::default(), EventMasker::default());
    let mut step = |name: &str, block: u64, text: Option<&str>| {
        let data = match text {
            Some(text) => json!({ "contentBlockIndex": block, "delta": { "text": text } }),
            None => json!({ "contentBlockIndex": block }),
        };
        let data = data.to_string();
        let raw = data.as_bytes();
        events
            .event(raw, &data, name, Form::Named, &scope, &masker, &mut tally)
            .unwrap();
        core::iter::from_fn(|| events.next_ready())
            .map(text_of)
            .collect::<Vec<_>>()
    };
    let delta = "contentBlockDelta";
    assert!(step(delta, 0, Some("ann@exa")).is_empty());
    assert!(step(delta, 1, Some("other.")).is_empty());
    assert!(step("contentBlockStop", 1, None).is_empty());
    assert!(step(delta, 0, Some("mple.com")).is_empty());
    let out = step("contentBlockStop", 0, None).concat();
    assert!(out.contains("[EMAIL]") && !out.contains("mple"), "{out}");
}

#[test]
fn a_choice_is_waited_for_while_others_go_on() {
    for (front, back, masked) in [
        ("it is 4111 1111", " 1111 1111, bye", "it is [CARD], bye"),
        ("it is ann@exa", "mple.com, bye", "it is [EMAIL], bye"),
    ] {
        let others = vec![chat(1, "word, "); 300];
        let events = [vec![chat(0, front)], others, vec![chat(0, back)]].concat();
        assert_eq!(content(&run(&events), 0), masked);
    }
}

/// A model's reasoning does not hold up its answer for long, unless it ends with the front of a
/// value; should it go on nevertheless, the rest of a value is masked.
#[test]
fn a_text_that_another_follows_rests_and_is_read_on() {
    let part = |name: &str, text: &str| json!({ "choices": [{ "index": 0, "delta": { name: text }, "finish_reason": null }] });
    let (masker, scope) = (masker(), scope());
    for (end, most, rest, masked) in [
        ("so it is", 13, " so.", " so."),
        ("so it is on 2026-11-28", 13, ", so.", ", so."),
        ("so it is ann", 13, "@example.com", "[EMAIL]"),
        ("so it is 12345.", 13, " so.", " so."),
        ("so it is ann@example.com", 13, " so.", " so."),
        ("call (415) 555-0132", 13, " so.", " so."),
    ] {
        let (mut tally, mut events) = (Tally::default(), EventMasker::default());
        let mut step = |event: &Value| {
            let data = event.to_string();
            let raw = data.as_bytes();
            events
                .event(raw, &data, "", Form::Event, &scope, &masker, &mut tally)
                .unwrap();
            core::iter::from_fn(|| events.next_ready())
                .map(text_of)
                .collect::<Vec<_>>()
        };
        assert!(step(&part("reasoning_content", end)).is_empty());
        let mut out = 0;
        for token in 0..80 {
            out += step(&part("content", " word, ")).len();
            assert!(token < most || out == token + 2, "{end}: {token}: {out}");
        }
        let mut last = step(&part("reasoning_content", rest));
        last.extend(step(&stop(0)));
        let last: Value = serde_json::from_str(&last[0]).unwrap();
        let content = &last["choices"][0]["delta"]["reasoning_content"];
        assert_eq!(content, masked, "{end}");
    }
}

/// Half of a value does not pass, however much of another text comes between its halves.
#[test]
fn the_front_of_a_value_waits_for_the_end_of_its_text() {
    let part = |name: &str, text: &str| json!({ "choices": [{ "index": 0, "delta": { name: text }, "finish_reason": null }] });
    let (masker, scope) = (masker(), scope());
    for (front, back, masked) in [
        ("so it is 4111 1111", " 1111 1111", "so it is [CARD]"),
        ("so it is ann@exa", "mple.com", "so it is [EMAIL]"),
        (
            "so it is sk-proj-Ab3dE5",
            "gHAb3dE5gHAb3dE5gH",
            "so it is [API_KEY]",
        ),
        ("so it is 308-63", "-0237", "so it is [SSN]"),
        ("so it is 4111.1111.", "1111.1111", "so it is [CARD]"),
    ] {
        let (mut tally, mut events) = (Tally::default(), EventMasker::default());
        let mut step = |event: &Value| {
            give(&mut events, event, &scope, &masker, &mut tally);
            core::iter::from_fn(|| events.next_ready())
                .map(text_of)
                .collect::<Vec<_>>()
        };
        assert!(step(&part("reasoning_content", front)).is_empty());
        for _ in 0..1_000 {
            assert!(step(&part("content", " word, ")).is_empty(), "{front}");
        }
        let mut all = step(&part("reasoning_content", back));
        all.extend(step(&stop(0)));
        let first: Value = serde_json::from_str(&all[0]).unwrap();
        let content = &first["choices"][0]["delta"]["reasoning_content"];
        assert_eq!(content, masked, "{front}");
        assert_eq!(all.len(), 1_003);
    }
}

#[test]
fn a_value_that_is_masked_at_rest_counts_once() {
    let part =
        |name: &str, text: &str| json!({ "choices": [{ "index": 0, "delta": { name: text } }] });
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events) = (Tally::default(), EventMasker::default());
    let mut all = vec![part("reasoning_content", "it is ann@example.com")];
    all.extend(vec![part("content", " word, "); 80]);
    all.push(part("reasoning_content", " so."));
    for event in all {
        let data = event.to_string();
        let raw = data.as_bytes();
        events
            .event(raw, &data, "", Form::Event, &scope, &masker, &mut tally)
            .unwrap();
    }
    events.end(&masker, &mut tally);
    assert_eq!(tally.count(Entity::Email), 1);
}

#[test]
fn the_first_known_text_ends_no_value_that_has_begun() {
    let events = [
        w("it is ann@exa"),
        chat(0, "word, "),
        w("mple.com"),
        chat(0, "word, "),
    ];
    assert_eq!(around(Form::Event, &events, of_w), "it is [EMAIL]");
    let events = [
        json!("it is 4111 1111"),
        chat(0, "word, "),
        json!(" 1111 1111, so"),
    ];
    assert_eq!(run(&events)[0], json!("it is [CARD]"));
    // A word does not wait.
    let (masker, scope) = (masker(), scope());
    let mut events = EventMasker::default();
    let mut step = |event: &Value| {
        give(&mut events, event, &scope, &masker, &mut Tally::default());
        core::iter::from_fn(|| events.next_ready()).count()
    };
    assert_eq!(step(&json!({ "stage": "retrieval" })), 0);
    assert_eq!(step(&chat(0, "word, ")), 2);
}

#[test]
fn a_stream_that_would_have_to_hold_too_much_is_overfull() {
    let (masker, scope) = (masker(), scope());
    let mut events = EventMasker::default();
    let mut step = |event: &Value| {
        give(&mut events, event, &scope, &masker, &mut Tally::default());
        let ready = core::iter::from_fn(|| events.next_ready()).count();
        (ready, events.is_overfull())
    };
    assert_eq!(step(&chat(0, "it is 4111 1111")), (0, false));
    let other = chat(1, &"word, ".repeat(10_000));
    let fit = MAX_WAITING / other.to_string().len();
    for _ in 0..fit {
        assert_eq!(step(&other), (0, false));
    }
    assert_eq!(step(&other), (0, true));
}

#[test]
fn texts_that_do_not_wait_make_room() {
    let (masker, scope) = (masker(), scope());
    for (text, overfull) in [("x, ", false), ("4111 1111", true)] {
        let mut events = EventMasker::default();
        for choice in 0..=MAX_TEXTS {
            let data = chat(choice as u64, text).to_string();
            let (raw, tally) = (data.as_bytes(), &mut Tally::default());
            events
                .event(raw, &data, "", Form::Event, &scope, &masker, tally)
                .unwrap();
            assert_eq!(events.is_overfull(), overfull && choice == MAX_TEXTS);
        }
    }
}

/// How many events wait behind each that has come: a reader is that far behind.
fn waiting<'a>(pieces: impl Iterator<Item = &'a str>, event: impl Fn(&str) -> Value) -> Vec<usize> {
    let (masker, scope) = (masker(), scope());
    let mut events = EventMasker::default();
    let mut waiting = 0;
    let mut step = |piece| {
        let data = match event(piece) {
            Value::String(plain) => plain,
            document => document.to_string(),
        };
        let (raw, tally) = (data.as_bytes(), &mut Tally::default());
        events
            .event(raw, &data, "", Form::Event, &scope, &masker, tally)
            .unwrap();
        waiting += 1;
        waiting -= core::iter::from_fn(|| events.next_ready()).count();
        waiting
    };
    pieces.map(&mut step).collect()
}

/// The same on average, of a text in pieces of this length.
fn behind(text: &str, length: usize, event: impl Fn(&str) -> Value) -> f64 {
    let pieces = text.as_bytes().chunks(length);
    let waits = waiting(
        pieces.map(|piece| core::str::from_utf8(piece).unwrap()),
        event,
    );
    waits.iter().sum::<usize>() as f64 / waits.len() as f64
}

/// An event of Anthropic's messages.
fn messages(text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } })
}

/// Of OpenAI's responses.
fn responses(text: &str) -> Value {
    json!({ "type": "response.output_text.delta", "item_id": "msg_a", "output_index": 0, "content_index": 0, "delta": text })
}

/// Of Bedrock's ConverseStream.
fn converse(text: &str) -> Value {
    json!({ "contentBlockIndex": 0, "delta": { "text": text } })
}

/// Of Gemini.
fn gemini(text: &str) -> Value {
    json!({ "candidates": [{ "index": 0, "content": { "role": "model", "parts": [{ "text": text }] } }] })
}

#[test]
fn prose_and_signals_are_held_back_for_about_one_event() {
    let prose = "The gateway stands in front of the model, and what it is asked for is read before it goes on. In 2026 the two of them \
        took 14 days to answer; nobody knows why, but it was well-known, as I said. ".repeat(8);
    for length in [4, 7] {
        assert!(behind(&prose, length, |text| chat(0, text)) < 1.0);
        assert!(behind(&prose, length, w) < 1.0);
        assert!(behind(&prose, length, |text| json!(text)) < 1.0);
        for shape in [messages, responses, converse, gemini] {
            let held = behind(&prose, length, shape);
            assert!(held < 1.0, "{held}: {}", shape("word"));
        }
    }
    let states = "up    down  up    up    down  down  ".repeat(40);
    let of_words = behind(&states, 6, |text| w(text.trim()));
    assert!(of_words < 90.0, "{of_words}");
}

/// The tokens of models are words with the space before them, mostly: the first one goes when the
/// second has come, and then each goes when the next has. Only numbers wait for what may follow.
#[test]
fn the_first_token_goes_when_the_second_has_come() {
    let words = "The gateway stands in front of the model, and what it is asked for is read before it goes on (as \
        I said): nobody knows why, but well-known people say so, don't they? Yes! ".repeat(4);
    let numbers =
        "In 2026 the two took 14 days and 3.5 hours to answer 200 calls, 95 % of them. ".repeat(4);
    for shape in [
        |text: &str| chat(0, text),
        messages,
        responses,
        converse,
        gemini,
    ] {
        for (text, most) in [(&words, 1), (&numbers, 3)] {
            let tokens: Vec<String> = text
                .split(' ')
                .enumerate()
                .map(|(at, word)| {
                    if at == 0 {
                        word.to_owned()
                    } else {
                        format!(" {word}")
                    }
                })
                .collect();
            let waits = waiting(tokens.iter().map(String::as_str), shape);
            assert_eq!(waits.get(..2), Some(&[1, 1][..]), "{}", shape("word"));
            let longest = waits.iter().max().copied().unwrap();
            assert!(longest <= most, "{longest}: {}", shape("word"));
        }
    }
}

/// One choice says an address letter by letter, and each time another says many words.
#[test]
fn an_address_is_masked_whole_however_long_its_letters_are_silent_between() {
    for silence in [1, 9, 12, 13, 40, 200] {
        let mut events = vec![chat(0, "write to ")];
        for letter in "jo.doe@example.com".chars() {
            events.push(chat(0, &letter.to_string()));
            events.extend((0..silence).map(|_| chat(1, "word, ")));
        }
        events.extend([chat(0, ", bye"), stop(0), stop(1)]);
        let out = run(&events);
        assert_eq!(content(&out, 0), "write to [EMAIL], bye", "{silence}");
        assert_eq!(content(&out, 1), "word, ".repeat(18 * silence), "{silence}");
    }
}

/// Where the same speaker begins another text, a word at the end of the one before goes after a
/// dozen events; if that goes on nevertheless, it is waited for from then on.
#[test]
fn a_text_that_came_back_in_the_middle_of_a_word_is_waited_for() {
    let thought =
        |text: &str| json!({ "choices": [{ "index": 0, "delta": { "reasoning": text } }] });
    let of_thought = |event: &Value| {
        event["choices"][0]["delta"]["reasoning"]
            .as_str()
            .map(str::to_owned)
    };
    let mut events = vec![thought("write to ")];
    for letter in "jo.doe@example.com".chars() {
        events.push(thought(&letter.to_string()));
        events.extend((0..30).map(|_| chat(0, "word, ")));
    }
    events.push(thought(", bye"));
    let thoughts: String = run(&events).iter().filter_map(of_thought).collect();
    assert_eq!(thoughts, "write to j[EMAIL], bye");
}

/// How many events of the answer come before the first of them goes, by what the reasoning ends
/// with.
#[test]
fn an_answer_behind_reasoning_without_a_full_stop_waits_for_a_dozen_events_at_most() {
    for (reasoning, most) in [
        ("so it is Paris.", 13),
        ("so it is Paris", 13),
        ("so it is well-known", 13),
    ] {
        let (mut events, mut tally) = (EventMasker::default(), Tally::default());
        let (scope, masker) = (scope(), masker());
        let thought = json!({ "choices": [{ "index": 0, "delta": { "reasoning": reasoning } }] });
        let mut waited = 0;
        give(&mut events, &thought, &scope, &masker, &mut tally);
        while events.next_ready().is_none() {
            waited += 1;
            give(&mut events, &chat(0, "word, "), &scope, &masker, &mut tally);
        }
        assert!(waited <= most, "{reasoning}: {waited}");
    }
}
