//! The 44 shapes of streams that were once measured from outside, by their numbers, and those of
//! today's SDKs: values that are spread over events are masked as in the whole text, and the shape
//! stays.

use super::split::{line, message, named, plan, sse};
use crate::amazon::{self, Message};
use crate::answer::Answer;
use crate::mask::Tally;
use crate::media::Media;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// One event with a piece of text.
type Shape = fn(&str) -> Vec<u8>;

/// A chat of OpenAI's with this delta.
fn chat(delta: &Value) -> Vec<u8> {
    sse(&json!({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":delta,"finish_reason":null}]}))
}

fn response(kind: &str, text: &str) -> Vec<u8> {
    let event = json!({"type":kind,"item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":text});
    named(kind, &event)
}

fn block(delta: &Value) -> Vec<u8> {
    named(
        "content_block_delta",
        &json!({"type":"content_block_delta","index":0,"delta":delta}),
    )
}

fn wrapped(event: &Value) -> Vec<u8> {
    message("chunk", &json!({"bytes":STANDARD.encode(event.to_string()),"p":"abcd"}))
}

fn part(bytes: &[u8]) -> Vec<u8> {
    let any = message("PayloadPart", &json!({}));
    amazon::write(Message::first(&any, 1000).unwrap().unwrap().headers(), bytes)
}

/// What ends streams of these shapes, where something does.
const DONE: &str = "data: [DONE]\n\n";
const STOP: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// Number, name, kind of the body, an event, and what ends the stream.
type Case = (u8, &'static str, Media, Shape, &'static str);

const SHAPES: [Case; 44] = [
    (1, "OpenAI chat", Media::Events, |text| chat(&json!({"content":text})), ""),
    (2, "OpenAI chat, finished", Media::Events, |text| chat(&json!({"content":text})), STOP),
    (3, "OpenAI chat, done", Media::Events, |text| chat(&json!({"content":text})), DONE),
    (4, "OpenAI reasoning", Media::Events, |text| chat(&json!({"reasoning":text})), STOP),
    (5, "OpenAI refusal", Media::Events, |text| chat(&json!({"refusal":text})), STOP),
    (6, "OpenAI tool calls", Media::Events, |text| chat(&json!({"tool_calls":[{"index":0,"function":{"arguments":text}}]})), STOP),
    (7, "OpenAI function call", Media::Events, |text| chat(&json!({"function_call":{"arguments":text}})), DONE),
    (8, "OpenAI completions", Media::Events, |text| sse(&json!({"object":"text_completion","choices":[{"text":text,"index":0,"logprobs":null,"finish_reason":null}]})), DONE),
    (9, "OpenAI responses", Media::Events, |text| response("response.output_text.delta", text), ""),
    (10, "OpenAI responses, function", Media::Events, |text| response("response.function_call_arguments.delta", text), ""),
    (11, "OpenAI responses, summary", Media::Events, |text| response("response.reasoning_summary_text.delta", text), ""),
    (12, "OpenAI responses, code", Media::Events, |text| response("response.code_interpreter_call_code.delta", text), ""),
    (13, "OpenAI assistants", Media::Events, |text| named("thread.message.delta", &json!({"id":"m","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":text}}]}})), "event: done\ndata: [DONE]\n\n"),
    (14, "Anthropic", Media::Events, |text| block(&json!({"type":"text_delta","text":text})), "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"),
    (15, "Anthropic thinking", Media::Events, |text| block(&json!({"type":"thinking_delta","thinking":text})), ""),
    (16, "Anthropic tools", Media::Events, |text| block(&json!({"type":"input_json_delta","partial_json":text})), ""),
    (17, "Gemini", Media::Events, |text| sse(&json!({"candidates":[{"content":{"parts":[{"text":text}],"role":"model"},"index":0}]})), ""),
    (18, "Ollama chat", Media::JsonLines, |text| line(&json!({"model":"m","message":{"role":"assistant","content":text},"done":false})), "{\"model\":\"m\",\"done\":true}\n"),
    (19, "Ollama generate", Media::JsonLines, |text| line(&json!({"model":"m","response":text,"done":false})), ""),
    (20, "Cohere v2", Media::Events, |text| named("content-delta", &json!({"type":"content-delta","index":0,"delta":{"message":{"content":{"text":text}}}})), "event: content-end\ndata: {\"type\":\"content-end\",\"index\":0}\n\n"),
    (21, "TGI", Media::Events, |text| sse(&json!({"index":1,"token":{"id":1,"text":text,"logprob":-0.5,"special":false},"generated_text":null,"details":null})), ""),
    (22, "Triton", Media::Events, |text| sse(&json!({"model_name":"m","model_version":"1","text_output":text})), ""),
    (23, "Workers AI", Media::Events, |text| sse(&json!({"response":text,"p":"abcd"})), DONE),
    (24, "Vercel UI stream", Media::Events, |text| sse(&json!({"type":"text-delta","id":"0","delta":text})), "data: {\"type\":\"text-end\",\"id\":\"0\"}\n\n"),
    (25, "AG-UI", Media::Events, |text| sse(&json!({"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":text})), "data: {\"type\":\"TEXT_MESSAGE_END\",\"messageId\":\"m\"}\n\n"),
    (26, "DJL token", Media::JsonLines, |text| line(&json!({"token":{"id":3,"text":text,"log_prob":-0.1}})), ""),
    (27, "plain data", Media::Events, |text| format!("data: {text}\n\n").into_bytes(), DONE),
    (28, "plain text", Media::Text, |text| text.as_bytes().to_vec(), ""),
    (29, "Gemini array", Media::Json, |text| line(&json!({"candidates":[{"content":{"parts":[{"text":text}],"role":"model"}}]})), ""),
    (30, "llama.cpp", Media::Events, |text| sse(&json!({"index":0,"content":text,"stop":false})), ""),
    (31, "watsonx", Media::Events, |text| sse(&json!({"results":[{"generated_text":text,"stop_reason":"not_finished"}]})), ""),
    (32, "ERNIE", Media::Events, |text| sse(&json!({"id":"as-1","result":text,"is_end":false})), ""),
    (33, "DashScope", Media::Events, |text| sse(&json!({"output":{"choices":[{"message":{"content":text},"finish_reason":"null"}]}})), ""),
    (34, "Dify", Media::Events, |text| sse(&json!({"event":"message","message_id":"m","answer":text})), ""),
    (35, "LangServe", Media::Events, |text| named("data", &json!({"content":text,"type":"AIMessageChunk"})), ""),
    (36, "LangServe text", Media::Events, |text| named("data", &json!(text)), ""),
    (37, "Vercel data stream", Media::Text, |text| format!("0:{}\n", json!(text)).into_bytes(), ""),
    (38, "Bedrock Llama lines", Media::JsonLines, |text| line(&json!({"generation":text,"stop_reason":null})), ""),
    (39, "Bedrock Titan lines", Media::JsonLines, |text| line(&json!({"outputText":text,"index":0,"completionReason":null})), ""),
    (40, "DJL outputs", Media::JsonLines, |text| line(&json!({"outputs":[text]})), ""),
    (41, "MCP", Media::Events, |text| sse(&json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":text}})), ""),
    (42, "A2A", Media::Events, |text| sse(&json!({"jsonrpc":"2.0","id":1,"result":{"kind":"artifact-update","artifact":{"artifactId":"a","parts":[{"kind":"text","text":text}]},"append":true,"lastChunk":false}})), ""),
    (43, "Bedrock event stream", Media::Messages, |text| wrapped(&json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":text}})), ""),
    (44, "Cohere v1", Media::JsonLines, |text| line(&json!({"is_finished":false,"event_type":"text-generation","text":text})), ""),
];

/// Those of today's SDKs, and of protocols that have come since.
const MORE: [Case; 36] = [
    (45, "OpenAI audio transcript", Media::Events, |text| chat(&json!({"audio":{"id":"a","transcript":text}})), STOP),
    (46, "OpenAI reasoning content", Media::Events, |text| chat(&json!({"reasoning_content":text})), STOP),
    (47, "OpenAI custom tool", Media::Events, |text| response("response.custom_tool_call_input.delta", text), ""),
    (48, "OpenAI MCP arguments", Media::Events, |text| response("response.mcp_call_arguments.delta", text), ""),
    (49, "OpenAI refusal of a response", Media::Events, |text| response("response.refusal.delta", text), ""),
    (50, "OpenAI reasoning text", Media::Events, |text| response("response.reasoning_text.delta", text), ""),
    (51, "Realtime transcript", Media::Events, |text| response("response.output_audio_transcript.delta", text), ""),
    (52, "Realtime input transcript", Media::Events, |text| response("conversation.item.input_audio_transcription.delta", text), ""),
    (53, "Transcription", Media::Events, |text| sse(&json!({"type":"transcript.text.delta","delta":text})), ""),
    (54, "Bedrock Converse", Media::Messages, |text| message("contentBlockDelta", &json!({"contentBlockIndex":0,"delta":{"text":text},"p":"ab"})), ""),
    (55, "Bedrock Converse, tool", Media::Messages, |text| message("contentBlockDelta", &json!({"contentBlockIndex":1,"delta":{"toolUse":{"input":text}},"p":"ab"})), ""),
    (56, "Bedrock Converse, reasoning", Media::Messages, |text| message("contentBlockDelta", &json!({"contentBlockIndex":0,"delta":{"reasoningContent":{"text":text}},"p":"ab"})), ""),
    (57, "Bedrock agent", Media::Messages, |text| message("chunk", &json!({"bytes":STANDARD.encode(json!({"outputText":text}).to_string())})), ""),
    (58, "SageMaker, lines", Media::Messages, |text| part(&line(&json!({"outputs":[text]}))), ""),
    (59, "SageMaker, events", Media::Messages, |text| part(&chat(&json!({"content":text}))), ""),
    (60, "Gemini thoughts", Media::Events, |text| sse(&json!({"candidates":[{"content":{"parts":[{"text":text,"thought":true}]}}]})), ""),
    (61, "Gemini code", Media::Events, |text| sse(&json!({"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":text}}]}}]})), ""),
    (62, "Cohere tool plan", Media::Events, |text| named("tool-plan-delta", &json!({"type":"tool-plan-delta","delta":{"message":{"tool_plan":text}}})), ""),
    (63, "Cohere tool call", Media::Events, |text| named("tool-call-delta", &json!({"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":text}}}}})), ""),
    (64, "Cohere thinking", Media::Events, |text| named("content-delta", &json!({"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":text}}}})), ""),
    (65, "Mistral thinking", Media::Events, |text| chat(&json!({"content":[{"type":"thinking","thinking":[{"type":"text","text":text}]}]})), STOP),
    (66, "AI SDK reasoning", Media::Events, |text| sse(&json!({"type":"reasoning-delta","id":"0","delta":text})), ""),
    (67, "AI SDK tool input", Media::Events, |text| sse(&json!({"type":"tool-input-delta","toolCallId":"c","inputTextDelta":text})), ""),
    (68, "AI SDK data stream, reasoning", Media::Text, |text| format!("g:{}\n", json!(text)).into_bytes(), ""),
    (69, "AI SDK data stream, tool", Media::Text, |text| format!("c:{}\n", json!({"toolCallId":"c","argsTextDelta":text})).into_bytes(), ""),
    (70, "A2A status", Media::Events, |text| sse(&json!({"jsonrpc":"2.0","id":1,"result":{"kind":"status-update","status":{"state":"working","message":{"role":"agent","parts":[{"kind":"text","text":text}]}},"final":false}})), ""),
    (71, "A2A, version 1", Media::Events, |text| sse(&json!({"jsonrpc":"2.0","id":1,"result":{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":text}]},"append":true}}})), ""),
    (72, "MCP progress", Media::Events, |text| sse(&json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":3,"message":text}})), ""),
    (73, "AG-UI thinking", Media::Events, |text| sse(&json!({"type":"THINKING_TEXT_MESSAGE_CONTENT","delta":text})), ""),
    (74, "AG-UI tool", Media::Events, |text| sse(&json!({"type":"TOOL_CALL_ARGS","toolCallId":"c","delta":text})), ""),
    (75, "Ollama thinking", Media::JsonLines, |text| line(&json!({"model":"m","message":{"role":"assistant","content":"","thinking":text},"done":false})), ""),
    (76, "LangGraph messages", Media::Events, |text| named("messages", &json!([{"content":text,"type":"AIMessageChunk","id":"run-1"},{"langgraph_node":"agent"}])), ""),
    (77, "OpenRouter reasoning", Media::Events, |text| chat(&json!({"reasoning_details":[{"type":"reasoning.text","text":text,"index":0}]})), STOP),
    (78, "Anthropic citations beside", Media::Events, |text| block(&json!({"type":"text_delta","text":text})), "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    (79, "events labelled as text", Media::Text, |text| chat(&json!({"content":text})), DONE),
    (80, "Coze", Media::Events, |text| named("conversation.message.delta", &json!({"id":"1","role":"assistant","type":"answer","content":text,"content_type":"text"})), ""),
];

/// The events of a stream; of messages what they carry.
fn events(media: Media, bytes: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match media {
        Media::Messages => {
            let (mut rest, mut all, mut inner) = (bytes, Vec::new(), String::new());
            while let Some(message) = Message::first(rest, usize::MAX).unwrap() {
                rest = &rest[message.raw().len()..];
                let payload = text(message.payload());
                if message.header(":event-type") == Some("PayloadPart") {
                    inner.push_str(&payload);
                    continue;
                }
                let value: Value = serde_json::from_str(&payload).unwrap();
                all.push(match value["bytes"].as_str() {
                    Some(bytes) => text(&STANDARD.decode(bytes).unwrap()),
                    None => payload,
                });
            }
            assert!(rest.is_empty());
            all.extend(inner.split_inclusive('\n').filter(|line| *line != "\n").map(str::to_owned));
            all
        }
        Media::Json | Media::JsonLines => text(bytes).split_inclusive('\n').map(str::to_owned).collect(),
        _ if text(bytes).starts_with("0:") || !text(bytes).contains("\n\n") => {
            text(bytes).split_inclusive('\n').map(str::to_owned).collect()
        }
        _ => text(bytes).split_inclusive("\n\n").map(str::to_owned).collect(),
    }
}

/// The stream masked: each event by itself, or as it comes.
fn masked(media: Media, pieces: &[Vec<u8>], end: &str, cuts: usize) -> Vec<u8> {
    let plan = plan();
    if media == Media::Json {
        // One array of the lines.
        let body = format!("[{}]", String::from_utf8(pieces.concat()).unwrap().trim_end().replace('\n', ",\n"));
        let out = crate::document::json(body.as_bytes(), &plan.response.scope, &plan.answer_masker, &mut Tally::default());
        let out = String::from_utf8(out.unwrap().unwrap()).unwrap();
        return format!("{}\n", out[1..out.len() - 1].replace(",\n", "\n")).into_bytes();
    }
    let mut answer = Answer::new(&plan, media).unwrap();
    let mut sent = pieces.concat();
    sent.extend_from_slice(end.as_bytes());
    let mut out = Vec::new();
    for piece in sent.chunks(cuts) {
        out.extend(answer.push(piece));
    }
    out.extend(answer.finish());
    assert_eq!(answer.cut(), None);
    out
}

const TEXT: &str = "Write to ann.lee@example.org or call +49 30 901820, my card is 4111 1111 1111 1111, the IBAN DE89 3704 0044 0532 0130 00, from 203.0.113.77 with ghp_Zx81kq0LmN7vB3cT9yR5wE2uI6oP4aS0dF8g and so on.";

fn assert_masked(&(number, name, media, shape, end): &Case) {
    let plan = plan();
    let whole = plan.answer_masker.mask(TEXT, "", &mut Tally::default()).unwrap();
    assert_eq!(whole.matches('[').count(), 6, "{whole}");
    let characters: Vec<char> = TEXT.chars().collect();
    let words: Vec<String> = TEXT.split_inclusive(' ').map(str::to_owned).collect();
    let sized = |size: usize| -> Vec<String> { characters.chunks(size).map(|piece| piece.iter().collect()).collect() };
    for texts in [sized(1), sized(3), sized(4), sized(11), sized(200), words] {
        // In data that are no JSON a space at the front is the field's own.
        let pieces: Vec<_> = texts.iter().map(|text| shape(text)).collect();
        for cuts in [7, 100_000] {
            let out = masked(media, &pieces, end, cuts);
            if name == "plain text" {
                assert_eq!(String::from_utf8(out).unwrap(), whole, "{number}");
                continue;
            }
            let (given, out) = (events(media, &[pieces.concat(), end.as_bytes().to_vec()].concat()), events(media, &out));
            assert_eq!(given.len(), out.len(), "{number} {name}: an event came or went");
            let mark = events(media, &shape("\u{2603}"));
            let each = mark.len();
            let mut read = String::new();
            for (at, event) in out.iter().enumerate() {
                if at >= texts.len() * each {
                    assert_eq!(*event, given[at], "{number} {name}");
                    continue;
                }
                let Some((front, behind)) = mark[at % each].split_once('\u{2603}') else {
                    assert_eq!(*event, given[at], "{number} {name}");
                    continue;
                };
                let inner = event.strip_prefix(front).and_then(|event| event.strip_suffix(behind));
                let inner = inner.unwrap_or_else(|| panic!("{number} {name}: {event}"));
                let unescaped = serde_json::from_str::<String>(&format!("\"{inner}\""));
                let twice = unescaped.unwrap_or_else(|_| inner.to_owned());
                read.push_str(&twice);
            }
            assert_eq!(read, whole, "{number} {name}");
        }
    }
}

#[test]
fn each_of_the_44_shapes_is_masked_as_the_whole() {
    for (at, case) in SHAPES.iter().enumerate() {
        assert_eq!(usize::from(case.0), at + 1);
        assert_masked(case);
    }
}

#[test]
fn the_shapes_of_todays_sdks_are_masked_as_the_whole() {
    for (at, case) in MORE.iter().enumerate() {
        assert_eq!(usize::from(case.0), SHAPES.len() + at + 1);
        assert_masked(case);
    }
}
