use super::*;
use crate::detect::tests::dense_text;
use crate::detect::{Certainty, Entity};
use crate::mask::Action;
use proptest::prelude::*;
use serde_json::{Value, json};

fn masker() -> Masker {
    let actions = Entity::ALL
        .into_iter()
        .map(|entity| (entity, Action::Redact))
        .collect();
    Masker::new(actions, Certainty::Context, None, Vec::new())
}

/// All events that come out for these, in their order.
fn run(events: &[Value]) -> Vec<Value> {
    let (masker, mut tally, mut events_masker) =
        (masker(), Tally::default(), EventMasker::default());
    let scope = Scope {
        names: true,
        numbers: true,
        drop_logprobs: true,
        skip: Vec::new(),
    };
    let mut out: Vec<String> = Vec::new();
    for event in events {
        let data = match event {
            Value::String(plain) => plain.clone(),
            document => document.to_string(),
        };
        let masked = events_masker
            .event(b"", &data, &scope, &masker, &mut tally)
            .unwrap();
        out.extend(masked.before.into_iter().map(|(_, data)| data));
        out.push(masked.data.unwrap_or(data));
    }
    out.extend(
        events_masker
            .finish(&masker, &mut tally)
            .into_iter()
            .map(|(_, data)| data),
    );
    out.into_iter()
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
            chat(0, "Mail "),
            chat(0, ""),
            chat(0, ""),
            chat(0, "[EMAIL] "),
            chat(0, "now"),
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
fn what_is_held_comes_before_the_event_that_ends_its_text() {
    let events = run(&[chat(0, "ann@example.com"), chat(1, "bob"), stop(0), stop(1)]);
    assert_eq!(
        events,
        [
            chat(0, ""),
            chat(1, ""),
            chat(0, "[EMAIL]"),
            stop(0),
            chat(1, "bob"),
            stop(1)
        ]
    );
    let last = json!({ "choices": [{ "index": 0, "text": ".com", "finish_reason": "stop" }] });
    let first =
        json!({ "choices": [{ "index": 0, "text": "ann@example", "finish_reason": null }] });
    let texts: Vec<_> = run(&[first, last])
        .into_iter()
        .map(|event| event["choices"][0]["text"].clone())
        .collect();
    assert_eq!(texts, ["", "[EMAIL]"]);
}

#[test]
fn a_stream_that_just_ends_loses_nothing() {
    assert_eq!(
        content(&run(&[chat(0, "Mail "), chat(0, "ann@example.com")]), 0),
        "Mail [EMAIL]"
    );
    assert_eq!(
        run(&[json!("Mail ann@exam"), json!("ple.com, bye")]),
        [json!("Mail "), json!("[EMAIL], "), json!("bye")]
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
            block(0, ""),
            block(1, ""),
            block(0, ""),
            block(0, "[EMAIL]"),
            end(0),
            block(1, ""),
            block(1, "[IP]"),
            end(1),
            json!({ "type": "message_stop" })
        ]
    );

    let delta = |text: &str| json!({ "type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": text });
    let done = |text: &str| json!({ "type": "response.output_text.done", "item_id": "m", "output_index": 0, "content_index": 0, "text": text });
    assert_eq!(
        run(&[delta("ann@exa"), delta("mple.com"), done("ann@example.com")]),
        [delta(""), delta(""), delta("[EMAIL]"), done("[EMAIL]")]
    );
}

#[test]
fn everything_else_in_an_event_is_masked_by_itself() {
    let event = json!({ "id": "ann@example.com", "choices": [{ "index": 0, "delta": { "content": "hi " }, "logprobs": { "content": [{ "token": "hi" }] } }] });
    let expected = json!({ "id": "[EMAIL]", "choices": [{ "index": 0, "delta": { "content": "hi " }, "logprobs": null }] });
    assert_eq!(run(&[event]), [expected]);
}

#[test]
fn broken_events_are_refused() {
    let mut events = EventMasker::default();
    let scope = Scope::default();
    assert_eq!(
        events.event(b"", "{\"a\":", &scope, &masker(), &mut Tally::default()),
        Err(Unreadable)
    );
    for text in 0..=MAX_TEXTS {
        let event = chat(text as u64, "x").to_string();
        let read = events.event(b"", &event, &scope, &masker(), &mut Tally::default());
        assert_eq!(read.is_ok(), text < MAX_TEXTS, "{text}");
    }
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
