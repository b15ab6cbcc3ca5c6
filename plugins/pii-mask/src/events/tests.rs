//! Tests of event streams.

use super::*;
use crate::detect::tests::dense_text;
use crate::detect::{Certainty, Entity};
use crate::mask::Action;
use proptest::prelude::*;
use serde_json::{Value, json};

mod again;
mod bounds;
mod keys;
mod shapes;

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
        skip: Vec::new(),
    }
}

/// The data of all events that come out for these, in their order.
fn run_as(form: Form, events: &[String]) -> Vec<String> {
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events_masker) = (Tally::default(), EventMasker::default());
    let mut out: Vec<String> = Vec::new();
    for data in events {
        events_masker
            .event(data.as_bytes(), data, "", form, &scope, &masker, &mut tally)
            .unwrap();
        let ready = core::iter::from_fn(|| events_masker.next_ready());
        out.extend(ready.map(text_of));
    }
    events_masker.end(&masker, &mut tally);
    out.extend(core::iter::from_fn(|| events_masker.next_ready()).map(text_of));
    assert_eq!(out.len(), events.len());
    out
}

fn text_of(ready: Ready) -> String {
    ready
        .data
        .unwrap_or_else(|| String::from_utf8(ready.raw).unwrap())
}

/// All events that come out for these, in their order.
fn run(events: &[Value]) -> Vec<Value> {
    run_form(Form::Event, events)
}

fn run_form(form: Form, events: &[Value]) -> Vec<Value> {
    let written: Vec<String> = events
        .iter()
        .map(|event| match event {
            Value::String(plain) if form == Form::Event => plain.clone(),
            document => document.to_string(),
        })
        .collect();
    run_as(form, &written)
        .into_iter()
        .map(|data| serde_json::from_str(&data).unwrap_or(Value::String(data)))
        .collect()
}

fn chat(index: u64, content: &str) -> Value {
    json!({ "id": "c1", "choices": [{ "index": index, "delta": { "content": content }, "finish_reason": null }] })
}

fn stop(index: u64) -> Value {
    json!({ "id": "c1", "choices": [{ "index": index, "delta": {}, "finish_reason": "stop" }] })
}

/// The running text of a choice.
fn content(events: &[Value], index: u64) -> String {
    let choices = events
        .iter()
        .filter_map(|event| event["choices"].as_array())
        .flatten();
    let of_index = choices.filter(|choice| choice["index"] == index);
    of_index
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .collect()
}

/// The event that has this for its data.
fn give(
    events: &mut EventMasker,
    event: &Value,
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) {
    let data = event.to_string();
    let raw = data.as_bytes();
    let given = events.event(raw, &data, "", Form::Event, scope, masker, tally);
    given.unwrap();
}

#[test]
fn a_value_spread_over_events_of_a_choice_is_masked() {
    let events = run(&[
        chat(0, "Mail an"),
        chat(0, "n@exam"),
        chat(0, "ple.com"),
        chat(0, " now"),
        stop(0),
        json!("[DONE]"),
    ]);
    assert_eq!(content(&events, 0), "Mail [EMAIL] now");
    assert_eq!(
        events,
        [
            chat(0, "Mail [EMAIL]"),
            chat(0, ""),
            chat(0, ""),
            chat(0, " now"),
            stop(0),
            json!("[DONE]")
        ]
    );
}

#[test]
fn choices_are_texts_of_their_own() {
    let events = run(&[
        chat(0, "ann@exam"),
        chat(1, "4111 1111"),
        chat(0, "ple.com "),
        chat(1, " 1111 1111"),
        stop(1),
        stop(0),
    ]);
    assert_eq!(content(&events, 0), "[EMAIL] ");
    assert_eq!(content(&events, 1), "[CARD]");
}

#[test]
fn an_event_goes_when_its_pieces_are_decided_on_and_not_before() {
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events) = (Tally::default(), EventMasker::default());
    let mut step = |event: &Value| {
        give(&mut events, event, &scope, &masker, &mut tally);
        core::iter::from_fn(|| events.next_ready()).count()
    };
    assert_eq!(step(&chat(0, "Hello ")), 1);
    assert_eq!(step(&chat(0, "wor")), 0);
    assert_eq!(step(&chat(1, "other. ")), 0);
    assert_eq!(step(&chat(0, "ld, ")), 3);
    assert_eq!(step(&chat(0, "ann@example.com")), 0);
    assert_eq!(step(&stop(0)), 2);
}

#[test]
fn messages_that_somebody_waits_for_do_not_wait() {
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events) = (Tally::default(), EventMasker::default());
    let mut step = |name: &str, event: &Value| {
        let data = event.to_string();
        events
            .event(
                data.as_bytes(),
                &data,
                name,
                Form::Event,
                &scope,
                &masker,
                &mut tally,
            )
            .unwrap();
        core::iter::from_fn(|| events.next_ready()).count()
    };
    let text = json!([{ "type": "text", "text": "ann@example.com" }]);
    let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": text } });
    assert_eq!(step("message", &result), 1);
    let asks = json!({ "jsonrpc": "2.0", "id": 2, "method": "sampling/createMessage", "params": { "messages": [{ "content": { "text": "hello" } }] } });
    assert_eq!(step("message", &asks), 1);
    let notes = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "message": "half" } });
    assert_eq!(step("message", &notes), 0);
    assert_eq!(step("message", &result), 2);
    let failed = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -1, "message": "no" } });
    assert_eq!(step("message", &failed), 1);
    // A2A goes on.
    let update = json!({ "jsonrpc": "2.0", "id": 1, "result": { "kind": "artifact-update", "artifact": { "parts": [{ "text": "hel" }] } } });
    assert_eq!(step("message", &update), 0);
    // Gradio.
    assert_eq!(step("complete", &json!(["hello"])), 2);
}

#[test]
fn a_text_that_ends_in_the_event_with_its_last_piece_is_read_with_it() {
    let ollama = |text: &str, done: bool| json!({ "response": text, "done": done });
    assert_eq!(
        run_form(
            Form::Line,
            &[ollama("SSN 308-63", false), ollama("-0237", true)]
        ),
        [ollama("SSN [SSN]", false), ollama("", true)]
    );
    let last =
        |text: &str| json!({ "is_finished": true, "event_type": "stream-end", "text": text });
    let cohere =
        |text: &str| json!({ "is_finished": false, "event_type": "text-generation", "text": text });
    assert_eq!(
        run_form(Form::Line, &[cohere("ann@exa"), last("mple.com")]),
        [cohere("[EMAIL]"), last("")]
    );
    let reason = |text: &str, reason: Value| json!({ "choices": [{ "index": 0, "text": text, "finish_reason": reason }] });
    assert_eq!(
        run(&[
            reason("ann@example", Value::Null),
            reason(".com", json!("stop"))
        ]),
        [reason("[EMAIL]", Value::Null), reason("", json!("stop"))]
    );
    // DashScope says that nothing has finished.
    assert_eq!(
        run(&[
            reason("ann@example", json!("null")),
            reason(".com", json!("stop"))
        ]),
        [reason("[EMAIL]", json!("null")), reason("", json!("stop"))]
    );
}

#[test]
fn tool_calls_anthropic_and_responses_are_followed() {
    let call = |index: u64, arguments: &str| json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [{ "index": index, "function": { "arguments": arguments } }] } }] });
    let events = run(&[
        call(0, "{\"to\":\"ann@exa"),
        call(1, "{\"to\":\"bob@exa"),
        call(0, "mple.com\"}"),
        call(1, "mple.com\"}"),
        stop(0),
    ]);
    let arguments = |index: u64| -> String {
        let calls = events
            .iter()
            .filter_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array())
            .flatten();
        calls
            .filter(|call| call["index"] == index)
            .filter_map(|call| call["function"]["arguments"].as_str())
            .collect()
    };
    assert_eq!(
        (arguments(0).as_str(), arguments(1).as_str()),
        ("{\"to\":\"[EMAIL]\"}", "{\"to\":\"[EMAIL]\"}")
    );

    let block = |index: u64, text: &str| json!({ "type": "content_block_delta", "index": index, "delta": { "type": "text_delta", "text": text } });
    let end = |index: u64| json!({ "type": "content_block_stop", "index": index });
    let events = run(&[
        block(0, "ann@"),
        block(1, "10.0."),
        block(0, "example.com"),
        end(0),
        block(1, "0.1"),
        end(1),
        json!({ "type": "message_stop" }),
    ]);
    assert_eq!(
        events,
        [
            block(0, "[EMAIL]"),
            block(1, "[IP]"),
            block(0, ""),
            end(0),
            block(1, ""),
            end(1),
            json!({ "type": "message_stop" })
        ]
    );

    let delta = |text: &str| json!({ "type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": text });
    let done = |text: &str| json!({ "type": "response.output_text.done", "item_id": "m", "output_index": 0, "content_index": 0, "text": text });
    assert_eq!(
        run(&[delta("ann@exa"), delta("mple.com"), done("ann@example.com")]),
        [delta("[EMAIL]"), delta(""), done("[EMAIL]")]
    );
}

#[test]
fn everything_else_in_an_event_is_masked_by_itself() {
    let event = json!({ "id": "ann@example.com", "choices": [{ "index": 0, "delta": { "content": "hi " }, "logprobs": { "content": [{ "token": "hi" }] } }] });
    let expected = json!({ "id": "[EMAIL]", "choices": [{ "index": 0, "delta": { "content": "hi " }, "logprobs": null }] });
    assert_eq!(run(&[event]), [expected]);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let (masker, scope) = (masker(), scope());
    let mut events = EventMasker::default();
    let mut read = |data: &str, form| {
        events
            .event(
                data.as_bytes(),
                data,
                "",
                form,
                &scope,
                &masker,
                &mut Tally::default(),
            )
            .is_ok()
    };
    assert!(!read("{\"a\":", Form::Line));
    // Text may begin like JSON; an escape in what is none could hide anything.
    assert!(read("{\"a\":", Form::Event));
    assert!(!read("{\"a\":\"ann\\u0040example.com", Form::Event));
}

#[test]
fn what_is_no_text_keeps_its_place() {
    let cite = |text: &str, title: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "citations_delta", "citation": { "cited_text": text, "document_title": title } } });
    let card = json!({ "delta": { "cite": "4111111111111111" } });
    let masked = json!({ "delta": { "cite": "[CARD]" } });
    let audio = |data: &str, text: &str| json!({ "choices": [{ "index": 0, "delta": { "audio": { "id": "a", "data": data, "transcript": text } } }] });
    let detail = |text: &str| json!({ "choices": [{ "index": 0, "delta": { "reasoning_details": [{ "type": "reasoning.encrypted", "data": text }] } }] });
    let chunk = "QUJD".repeat(1000);
    for events in [
        vec![
            cite("The grass is green.", "My Document"),
            cite("The sky is blue.", "Other"),
        ],
        vec![
            audio(&chunk, "Hel"),
            audio(&chunk, "lo"),
            audio(&chunk, "!"),
        ],
        vec![detail(&chunk), detail(&chunk)],
    ] {
        assert_eq!(run(&events), events);
    }
    assert_eq!(run(&[card.clone(), card]), [masked.clone(), masked]);
    assert_eq!(
        run(&[audio("QQ==", "ann@exa"), audio("QQ==", "mple.com")]),
        [audio("QQ==", "[EMAIL]"), audio("QQ==", "")]
    );
}

#[test]
fn lines_that_are_values_stay_values() {
    let lines = [
        json!(0.5),
        json!(0.25),
        json!(1),
        json!(null),
        json!(true),
        json!("cat"),
        json!("dog"),
        json!([1, 2]),
    ];
    assert_eq!(run_form(Form::Line, &lines), lines);
    assert_eq!(
        run_form(
            Form::Line,
            &[
                json!("ann@example.com"),
                json!("bob@example.com"),
                json!("x")
            ]
        ),
        [json!("[EMAIL]"), json!("[EMAIL]"), json!("x")]
    );
    let digits = [json!("4111111111"), json!("111111")];
    assert_eq!(run_form(Form::Line, &digits), digits);
}

#[test]
fn cells_of_a_table_are_no_pieces_of_a_text() {
    let table = json!([
        ["a", "x+4"],
        ["270608", "2026-12"],
        ["4111111111", "111111"]
    ]);
    let mut tally = Tally::default();
    let masked = document(&table.to_string(), &scope(), &masker(), &mut tally);
    assert_eq!(masked, Ok(None));
}

#[test]
fn plain_data_are_read_event_by_event_and_together() {
    let plain = |data: &[&str]| {
        run_as(
            Form::Event,
            &data
                .iter()
                .map(|data| (*data).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        plain(&["Card", "4111111111111111", "thanks"]),
        ["Card", "[CARD]", "thanks"]
    );
    assert_eq!(
        plain(&[
            "Mail ann@exa",
            "mple.com, \"",
            "[",
            "{",
            "[PING]",
            "x",
            "[DONE]"
        ]),
        ["Mail [EMAIL]", ", \"", "[", "{", "[PING]", "x", "[DONE]"]
    );
}

#[test]
fn whole_texts_are_read_by_themselves_too() {
    // Records with offsets are no stream.
    let entity = |text: &str| json!({ "entities": [{ "text": text, "start": 0, "end": 16 }] });
    assert_eq!(
        run_form(
            Form::Line,
            &[
                entity("4111111111111111"),
                entity("5500000000000004"),
                entity("next")
            ]
        ),
        [entity("[CARD]"), entity("[CARD]"), entity("next")]
    );
    let found = |text: &str| json!({ "results": [{ "text": text }] });
    let long = "a document that ends with a number of a card, 4111111111111111";
    assert_eq!(
        run(&[found(long), found("Next one")]),
        [
            found(&long.replace("4111111111111111", "[CARD]")),
            found("Next one")
        ]
    );
}

#[test]
fn words_of_a_text_nobody_knows_are_no_column() {
    let piece = |text: &str| json!({ "part_of_it": text });
    let words: Vec<_> = [
        "to", " DE89", " 3704", " 0044", " 0532", " 0130", " 00", " end",
    ]
    .map(piece)
    .into();
    let out = run(&words);
    assert_eq!(out.first(), words.first());
    assert_eq!(out.get(1), Some(&piece(" [IBAN]")));
    assert_eq!(out.get(6), Some(&piece("")));
    let digits: Vec<_> = "a 4111111111111111 b"
        .chars()
        .map(|digit| piece(&digit.to_string()))
        .collect();
    assert_eq!(run(&digits).get(2), Some(&piece("[CARD]")));
}

#[test]
fn measured_values_are_no_text() {
    let plain = |data: &[&str]| {
        let data: Vec<_> = data.iter().map(|data| (*data).to_owned()).collect();
        assert_eq!(run_as(Form::Event, &data), data);
    };
    plain(&["+1.86", "-0.8429116", "+4.86220042", "0,0000084"]);
    plain(&["0.", "91.9287011%", "0.01"]);
    // Of prices, rates and counts by themselves none goes on in the next, whatever they would be
    // together.
    plain(&["130.22", "131.05", "0.0000%", "-12.5%", "1,234.50"]);
    plain(&["10.1", "20.3", "7.1", "1.2", "3.4"]);
    plain(&["4111", "1111", "1111", "1112"]);
    plain(&[
        "4111", "1111", "1111", "1111", "4111", "1111", "1111", "1111",
    ]);
    plain(&["4111", "1111", "11111", "1111", "1111"]);
    plain(&["308", "63.02", "37", "0171", "1234567", "1.5%"]);
    plain(&["open", "130.22", "131.05", "close", "130.415", "555.0132"]);
    for (pieces, first) in [
        (vec!["at 192.1", "68.1", ".10 now"], "at [IP]"),
        (vec!["411", "111", "111", "111", "111", "1"], "[CARD]"),
        (vec!["4111", " 1111", " 1111", " 1111"], "[CARD]"),
        (vec!["call 415", ".555", ".0132"], "call [PHONE]"),
        (vec!["4111", "1111", "1111", "1111"], "[CARD]"),
        (vec!["3782", "822463", "10005"], "[CARD]"),
    ] {
        let pieces: Vec<_> = pieces.into_iter().map(str::to_owned).collect();
        assert_eq!(
            run_as(Form::Event, &pieces).first().map(String::as_str),
            Some(first)
        );
    }
}

#[test]
fn answers_in_an_array_are_pieces_of_one() {
    let answer =
        |text: &str| json!({ "candidates": [{ "content": { "parts": [{ "text": text }] } }] });
    let long = "what a reader is told before the number that follows: 4111 1111 1111";
    let data = json!([answer(long), answer(" 1111, and then")]);
    let masked = json!([
        answer(&long.replace("4111 1111 1111", "[CARD]")),
        answer(", and then")
    ]);
    assert_eq!(run_form(Form::Document, &[data]), [masked]);
}

#[test]
fn columns_of_records_are_no_text() {
    // Two halves of a card, by chance.
    let line = |account: &str| json!({ "account": account });
    let lines = [line("41111111"), line("11111111"), line("22222222")];
    assert_eq!(run_form(Form::Line, &lines), lines);
}

#[test]
fn a_surrogate_pair_in_two_pieces_stays() {
    let half =
        |escape: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{escape}"}}}}]}}"#);
    let events = [half("a \\ud83d"), half("\\ude00 b")];
    assert_eq!(run_as(Form::Event, &events), events);
}

#[test]
fn an_error_comes_behind_what_came_before_it() {
    let events = [
        chat(0, "ann@exa"),
        json!({ "error": { "message": "overloaded" } }),
    ];
    assert_eq!(run(&events), events);
}

proptest! {
    #[test]
    fn texts_in_any_pieces_over_interleaved_choices_are_masked_like_whole_ones(
        texts in prop::collection::vec(dense_text(), 1..4),
        sizes in prop::collection::vec(1_usize..12, 1..40),
    ) {
        let mut left: Vec<std::collections::VecDeque<char>> = texts.iter().map(|text| text.chars().collect()).collect();
        let mut events = Vec::new();
        let mut turn = 0;
        while left.iter().any(|text| !text.is_empty()) {
            let choice = turn % left.len();
            let count = sizes[turn % sizes.len()].min(left[choice].len());
            let piece: String = left[choice].drain(..count).collect();
            if !piece.is_empty() { events.push(chat(choice as u64, &piece)); }
            turn += 1;
        }
        let ends = (0..texts.len()).map(|choice| stop(choice as u64));
        let out = run(&events.into_iter().chain(ends).collect::<Vec<_>>());
        for (choice, text) in texts.iter().enumerate() {
            let masked = masker().mask(text, "", &mut Tally::default());
            prop_assert_eq!(&content(&out, choice as u64), masked.as_ref().unwrap_or(text));
        }
    }
}
