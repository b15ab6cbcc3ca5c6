//! Tests of the shapes of providers' event streams.

use super::*;

/// Every string of these events, in their order, and whether it was found spread over them.
fn together(events: &[Value], form: Form) -> String {
    fn strings(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => out.push_str(text),
            Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
            Value::Object(members) => members.values().for_each(|item| strings(item, out)),
            _ => {}
        }
    }
    let mut out = String::new();
    run_form(form, events)
        .iter()
        .for_each(|event| strings(event, &mut out));
    out
}

#[test]
fn shapes_of_many_protocols_are_followed() {
    type Shape = fn(&str) -> Value;
    let shapes: [(&str, Form, Shape); 24] = [
        (
            "llama.cpp",
            Form::Event,
            |text| json!({ "index": 0, "content": text, "stop": false }),
        ),
        (
            "watsonx",
            Form::Event,
            |text| json!({ "model_id": "m", "results": [{ "generated_text": text, "stop_reason": "not_finished" }] }),
        ),
        (
            "ERNIE",
            Form::Event,
            |text| json!({ "id": "as-1", "object": "chat.completion", "result": text, "is_end": false }),
        ),
        (
            "DashScope",
            Form::Event,
            |text| json!({ "output": { "choices": [{ "message": { "content": text }, "finish_reason": "null" }] }, "request_id": "r" }),
        ),
        (
            "Dify",
            Form::Event,
            |text| json!({ "event": "message", "message_id": "m", "answer": text }),
        ),
        (
            "LangServe",
            Form::Event,
            |text| json!({ "content": text, "type": "AIMessageChunk", "id": "run-1" }),
        ),
        ("LangServe text", Form::Event, |text| {
            json!(json!(text).to_string())
        }),
        ("Vercel text", Form::Coded, |text| json!(text)),
        (
            "Bedrock Llama",
            Form::Line,
            |text| json!({ "generation": text, "stop_reason": null }),
        ),
        (
            "Bedrock Titan",
            Form::Line,
            |text| json!({ "outputText": text, "index": 0, "completionReason": null }),
        ),
        ("DJL", Form::Line, |text| json!({ "outputs": [text] })),
        (
            "MCP",
            Form::Event,
            |text| json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } }),
        ),
        (
            "A2A",
            Form::Event,
            |text| json!({ "jsonrpc": "2.0", "id": 1, "result": { "kind": "artifact-update", "artifact": { "artifactId": "a", "parts": [{ "kind": "text", "text": text }] }, "append": true, "lastChunk": false } }),
        ),
        (
            "Cohere v1",
            Form::Line,
            |text| json!({ "is_finished": false, "event_type": "text-generation", "text": text }),
        ),
        (
            "TGI",
            Form::Event,
            |text| json!({ "token": { "id": 7, "text": text, "logprob": -0.1, "special": false }, "generated_text": null, "details": null }),
        ),
        (
            "Gemini",
            Form::Event,
            |text| json!({ "candidates": [{ "content": { "parts": [{ "text": text }], "role": "model" } }] }),
        ),
        (
            "Ollama",
            Form::Line,
            |text| json!({ "model": "m", "created_at": "2026-01-01T00:00:00Z", "message": { "role": "assistant", "content": text }, "done": false }),
        ),
        (
            "Assistants",
            Form::Event,
            |text| json!({ "object": "thread.message.delta", "delta": { "content": [{ "index": 0, "type": "text", "text": { "value": text, "annotations": [] } }] } }),
        ),
        (
            "OpenRouter",
            Form::Event,
            |text| json!({ "choices": [{ "index": 0, "delta": { "reasoning_details": [{ "type": "reasoning.text", "text": text, "index": 0 }] } }] }),
        ),
        (
            "Triton",
            Form::Event,
            |text| json!({ "model_name": "m", "model_version": "1", "text_output": text }),
        ),
        (
            "AG-UI",
            Form::Event,
            |text| json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text }),
        ),
        (
            "Vercel UI",
            Form::Event,
            |text| json!({ "type": "text-delta", "id": "0", "delta": text }),
        ),
        (
            "unknown",
            Form::Event,
            |text| json!({ "seq": 1, "w": text }),
        ),
        (
            "unknown, nested",
            Form::Event,
            |text| json!({ "d": { "say": [{ "t": text }] } }),
        ),
    ];
    for (name, form, shape) in shapes {
        assert_followed(name, form, shape);
    }
}

/// Whether values that are spread over events of this shape are masked, in pieces of any size.
fn assert_followed(name: &str, form: Form, shape: impl Fn(&str) -> Value) {
    let pieces = |text: &str, size: usize| -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        characters
            .chunks(size)
            .map(|piece| piece.iter().collect())
            .collect()
    };
    let text = "Write to ann.lee@example.org, pay with 4111 1111 1111 1111 or DE89 3704 0044 0532 0130 00. ";
    for size in [1, 2, 3, 5, 7, 11, 17] {
        let events: Vec<Value> = pieces(text, size)
            .iter()
            .map(|piece| shape(piece))
            .collect();
        let out = together(&events, form);
        let leaks = ["lee", "example", "4111", "1111", "3704"]
            .iter()
            .any(|part| out.contains(part));
        assert!(!leaks, "{name} in pieces of {size}: {out}");
        let all = ["[EMAIL]", "[CARD]", "[IBAN]"]
            .iter()
            .all(|part| out.contains(part));
        assert!(all, "{name} in pieces of {size}: {out}");
    }
}

#[test]
fn shapes_of_current_sdks_are_followed() {
    let responses = |kind: &'static str| move |text: &str| json!({ "type": kind, "sequence_number": 4, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text, "obfuscation": "aBcD" });
    for kind in [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.code_interpreter_call_code.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.audio.transcript.delta",
    ] {
        assert_followed(kind, Form::Event, responses(kind));
    }
    type Shape = fn(&str) -> Value;
    let shapes: [(&str, Form, Shape); 22] = [
        (
            "Anthropic thinking",
            Form::Event,
            |text| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": text } }),
        ),
        (
            "Anthropic tools",
            Form::Event,
            |text| json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "input_json_delta", "partial_json": text } }),
        ),
        (
            "DeepSeek",
            Form::Event,
            |text| json!({ "id": "x", "choices": [{ "index": 0, "delta": { "content": null, "reasoning_content": text }, "finish_reason": null }] }),
        ),
        (
            "Mistral",
            Form::Event,
            |text| json!({ "id": "x", "choices": [{ "index": 0, "delta": { "content": [{ "type": "text", "text": text }] } }] }),
        ),
        (
            "Mistral thinking",
            Form::Event,
            |text| json!({ "id": "x", "choices": [{ "index": 0, "delta": { "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": text }] }] } }] }),
        ),
        (
            "Cohere plan",
            Form::Event,
            |text| json!({ "type": "tool-plan-delta", "delta": { "message": { "tool_plan": text } } }),
        ),
        (
            "Cohere tools",
            Form::Event,
            |text| json!({ "type": "tool-call-delta", "index": 0, "delta": { "message": { "tool_calls": { "function": { "arguments": text } } } } }),
        ),
        (
            "Bedrock Converse",
            Form::Named,
            |text| json!({ "contentBlockIndex": 0, "delta": { "text": text }, "p": "abcd" }),
        ),
        (
            "Bedrock reasoning",
            Form::Named,
            |text| json!({ "contentBlockIndex": 0, "delta": { "reasoningContent": { "text": text } }, "p": "abcd" }),
        ),
        (
            "Bedrock tools",
            Form::Named,
            |text| json!({ "contentBlockIndex": 1, "delta": { "toolUse": { "input": text } }, "p": "abcd" }),
        ),
        (
            "Gemini thoughts",
            Form::Event,
            |text| json!({ "candidates": [{ "content": { "parts": [{ "text": text, "thought": true }], "role": "model" }, "index": 0 }], "modelVersion": "g" }),
        ),
        (
            "Gemini code",
            Form::Event,
            |text| json!({ "candidates": [{ "content": { "parts": [{ "executableCode": { "language": "PYTHON", "code": text } }] } }] }),
        ),
        (
            "ADK",
            Form::Event,
            |text| json!({ "content": { "parts": [{ "text": text }], "role": "model" }, "partial": true, "invocationId": "e-1", "author": "agent" }),
        ),
        (
            "LangGraph",
            Form::Event,
            |text| json!([{ "content": text, "type": "AIMessageChunk", "id": "run-1" }, { "langgraph_node": "agent", "thread_id": "t" }]),
        ),
        (
            "Vercel tools",
            Form::Event,
            |text| json!({ "type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": text }),
        ),
        (
            "Vercel reasoning",
            Form::Event,
            |text| json!({ "type": "reasoning-delta", "id": "0", "delta": text }),
        ),
        (
            "AG-UI tools",
            Form::Event,
            |text| json!({ "type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": text }),
        ),
        (
            "Flowise",
            Form::Event,
            |text| json!({ "event": "token", "data": text }),
        ),
        (
            "Coze",
            Form::Event,
            |text| json!({ "id": "1", "conversation_id": "2", "bot_id": "3", "role": "assistant", "type": "answer", "content": text, "content_type": "text", "chat_id": "4" }),
        ),
        (
            "n8n",
            Form::Line,
            |text| json!({ "type": "item", "content": text, "metadata": { "nodeId": "n", "nodeName": "Agent", "itemIndex": 0 } }),
        ),
        (
            "Workers AI",
            Form::Event,
            |text| json!({ "response": text, "p": "abcd" }),
        ),
        (
            "Ollama thinking",
            Form::Line,
            |text| json!({ "model": "m", "created_at": "2026-01-01T00:00:00Z", "message": { "role": "assistant", "content": "", "thinking": text }, "done": false }),
        ),
    ];
    for (name, form, shape) in shapes {
        assert_followed(name, form, shape);
    }
}

#[test]
fn a_text_that_comes_again_and_again_is_masked_each_time() {
    let event = |text: &str| json!({ "output": { "text": text, "finish_reason": "null" } });
    let text = "My card is 4111 1111 1111 1111, my address ann@example.com, bye";
    for size in [1, 2, 5, 9, 30] {
        let mut ends: Vec<usize> = (size..text.len()).step_by(size).collect();
        ends.extend([text.len(), text.len()]);
        let events: Vec<Value> = ends.iter().map(|end| event(&text[..*end])).collect();
        let out = run(&events);
        for event in &out {
            let text = event["output"]["text"].as_str().unwrap();
            assert!(
                !text.contains("11") && !text.contains("ann"),
                "{size}: {text}"
            );
            assert!(
                "My card is [CARD], my address [EMAIL], bye".starts_with(text),
                "{size}: {text}"
            );
        }
        let last = out.last().unwrap()["output"]["text"].as_str().unwrap();
        assert_eq!(last, "My card is [CARD], my address [EMAIL], bye");
    }
}

#[test]
fn an_index_that_counts_events_is_no_choice() {
    let token = |index: u64, text: &str| json!({ "index": index, "token": { "text": text } });
    assert_eq!(
        run(&[token(1, "ann@"), token(2, "exam"), token(3, "ple.com")]),
        [token(1, "[EMAIL]"), token(2, ""), token(3, "")]
    );
    let choice = |index: u64, text: &str| json!({ "index": index, "content": text });
    let events = run(&[
        choice(0, "x ann@"),
        choice(0, "exam"),
        choice(1, "bob@"),
        choice(0, "ple.com "),
        choice(1, "example.com "),
    ]);
    assert_eq!(
        events,
        [
            choice(0, "x [EMAIL]"),
            choice(0, ""),
            choice(1, "[EMAIL]"),
            choice(0, " "),
            choice(1, " ")
        ]
    );
}

/// Gradio's queue calls its events by `msg`; texts come whole or as steps of a change.
#[test]
fn gradio_sends_steps() {
    let event = |step: Value| json!({ "msg": "process_generating", "output": { "data": [step] } });
    let steps = |text: &str| event(json!([["append", [0, 1], text]]));
    let texts = |text: &str| event(json!(text));
    for make in [&steps as &dyn Fn(&str) -> Value, &texts] {
        let out = run(&[make("Mail ann@exa"), make("mple.com now"), make(" and so")]);
        assert_eq!(out, [make("Mail [EMAIL]"), make(" now"), make(" and so")],);
    }
}
