//! The 44 shapes of streams that were once measured from outside, by their numbers, and those of
//! today's SDKs: values that are spread over events are masked as in the whole text, and the shape
//! stays.

use super::split::{message, plan};
use crate::amazon::{self, Message};
use crate::answer::Answer;
use crate::document;
use crate::mask::Tally;
use crate::media::Media;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Where the text stands in a shape.
const TEXT_HERE: char = '\u{2603}';

/// Number, name, how an event is sent, its data, and what ends the stream, where something does.
const SHAPES: &str = r#"
1|OpenAI chat|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"☃"},"finish_reason":null}]}|
2|OpenAI chat, finished|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"☃"},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
3|OpenAI chat, done|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"☃"},"finish_reason":null}]}|data: [DONE]
4|OpenAI reasoning|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning":"☃"},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
5|OpenAI refusal|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"refusal":"☃"},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
6|OpenAI tool calls|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"☃"}}]},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
7|OpenAI function call|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"function_call":{"arguments":"☃"}},"finish_reason":null}]}|data: [DONE]
8|OpenAI completions|data|{"object":"text_completion","choices":[{"text":"☃","index":0,"logprobs":null,"finish_reason":null}]}|data: [DONE]
9|OpenAI responses|event response.output_text.delta|{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
10|OpenAI responses, function|event response.function_call_arguments.delta|{"type":"response.function_call_arguments.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
11|OpenAI responses, summary|event response.reasoning_summary_text.delta|{"type":"response.reasoning_summary_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
12|OpenAI responses, code|event response.code_interpreter_call_code.delta|{"type":"response.code_interpreter_call_code.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
13|OpenAI assistants|event thread.message.delta|{"id":"m","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":"☃"}}]}}|data: [DONE]
14|Anthropic|event content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"☃"}}|event: content_block_stop\ndata: {"type":"content_block_stop","index":0}
15|Anthropic thinking|event content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"☃"}}|
16|Anthropic tools|event content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"☃"}}|
17|Gemini|data|{"candidates":[{"content":{"parts":[{"text":"☃"}],"role":"model"},"index":0}]}|
18|Ollama chat|line|{"model":"m","message":{"role":"assistant","content":"☃"},"done":false}|
19|Ollama generate|line|{"model":"m","response":"☃","done":false}|
20|Cohere v2|event content-delta|{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"☃"}}}}|event: content-end\ndata: {"type":"content-end","index":0}
21|TGI|data|{"index":1,"token":{"id":1,"text":"☃","logprob":-0.5,"special":false},"generated_text":null,"details":null}|
22|Triton|data|{"model_name":"m","model_version":"1","text_output":"☃"}|
23|Workers AI|data|{"response":"☃","p":"abcd"}|data: [DONE]
24|Vercel UI stream|data|{"type":"text-delta","id":"0","delta":"☃"}|data: {"type":"text-end","id":"0"}
25|AG-UI|data|{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"☃"}|data: {"type":"TEXT_MESSAGE_END","messageId":"m"}
26|DJL token|line|{"token":{"id":3,"text":"☃","log_prob":-0.1}}|
27|plain data|data|☃|data: [DONE]
28|plain text|text|☃|
29|Gemini array|array|{"candidates":[{"content":{"parts":[{"text":"☃"}],"role":"model"}}]}|
30|llama.cpp|data|{"index":0,"content":"☃","stop":false}|
31|watsonx|data|{"results":[{"generated_text":"☃","stop_reason":"not_finished"}]}|
32|ERNIE|data|{"id":"as-1","result":"☃","is_end":false}|
33|DashScope|data|{"output":{"choices":[{"message":{"content":"☃"},"finish_reason":"null"}]}}|
34|Dify|data|{"event":"message","message_id":"m","answer":"☃"}|
35|LangServe|event data|{"content":"☃","type":"AIMessageChunk"}|
36|LangServe text|event data|"☃"|
37|Vercel data stream|code 0|"☃"|
38|Bedrock Llama lines|line|{"generation":"☃","stop_reason":null}|
39|Bedrock Titan lines|line|{"outputText":"☃","index":0,"completionReason":null}|
40|DJL outputs|line|{"outputs":["☃"]}|
41|MCP|data|{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"☃"}}|
42|A2A|data|{"jsonrpc":"2.0","id":1,"result":{"kind":"artifact-update","artifact":{"artifactId":"a","parts":[{"kind":"text","text":"☃"}]},"append":true,"lastChunk":false}}|
43|Bedrock event stream|chunk|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"☃"}}|
44|Cohere v1|line|{"is_finished":false,"event_type":"text-generation","text":"☃"}|
"#;

/// Those of today's SDKs, and of protocols that have come since.
const MORE: &str = r#"
45|OpenAI audio transcript|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"audio":{"id":"a","transcript":"☃"}},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
46|OpenAI reasoning content|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_content":"☃"},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
47|OpenAI custom tool|event response.custom_tool_call_input.delta|{"type":"response.custom_tool_call_input.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
48|OpenAI MCP arguments|event response.mcp_call_arguments.delta|{"type":"response.mcp_call_arguments.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
49|OpenAI refusal of a response|event response.refusal.delta|{"type":"response.refusal.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
50|OpenAI reasoning text|event response.reasoning_text.delta|{"type":"response.reasoning_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
51|Realtime transcript|event response.output_audio_transcript.delta|{"type":"response.output_audio_transcript.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
52|Realtime input|event conversation.item.input_audio_transcription.delta|{"type":"conversation.item.input_audio_transcription.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
53|transcription|data|{"type":"transcript.text.delta","delta":"☃"}|
54|Bedrock Converse|message contentBlockDelta|{"contentBlockIndex":0,"delta":{"text":"☃"},"p":"ab"}|
55|Bedrock Converse, tool|message contentBlockDelta|{"contentBlockIndex":1,"delta":{"toolUse":{"input":"☃"}},"p":"ab"}|
56|Bedrock Converse, reasoning|message contentBlockDelta|{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"☃"}},"p":"ab"}|
57|Bedrock Titan|chunk|{"outputText":"☃","index":0,"completionReason":null}|
58|SageMaker, lines|part line|{"outputs":["☃"]}|
59|SageMaker, events|part data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"☃"},"finish_reason":null}]}|
60|Gemini thoughts|data|{"candidates":[{"content":{"parts":[{"text":"☃","thought":true}]}}]}|
61|Gemini code|data|{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"☃"}}]}}]}|
62|Cohere tool plan|event tool-plan-delta|{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"☃"}}}|
63|Cohere tool call|event tool-call-delta|{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"☃"}}}}}|
64|Cohere thinking|event content-delta|{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"☃"}}}}|
65|Mistral thinking|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"☃"}]}]},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
66|AI SDK reasoning|data|{"type":"reasoning-delta","id":"0","delta":"☃"}|
67|AI SDK tool input|data|{"type":"tool-input-delta","toolCallId":"c","inputTextDelta":"☃"}|
68|AI SDK data stream, reasoning|code g|"☃"|
69|AI SDK data stream, tool|code c|{"toolCallId":"c","argsTextDelta":"☃"}|
70|A2A status|data|{"jsonrpc":"2.0","id":1,"result":{"kind":"status-update","status":{"state":"working","message":{"role":"agent","parts":[{"kind":"text","text":"☃"}]}},"final":false}}|
71|A2A, version 1|data|{"jsonrpc":"2.0","id":1,"result":{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":"☃"}]},"append":true}}}|
72|A2A status, version 1|data|{"jsonrpc":"2.0","id":1,"result":{"statusUpdate":{"taskId":"t","status":{"state":"TASK_STATE_WORKING","message":{"role":"ROLE_AGENT","parts":[{"text":"☃"}]}}}}}|
73|A2A over REST|data|{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":"☃"}]},"append":true}}|
74|MCP progress|data|{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":3,"message":"☃"}}|
75|AG-UI thinking|data|{"type":"THINKING_TEXT_MESSAGE_CONTENT","delta":"☃"}|
76|AG-UI tool|data|{"type":"TOOL_CALL_ARGS","toolCallId":"c","delta":"☃"}|
77|Ollama thinking|line|{"model":"m","message":{"role":"assistant","content":"","thinking":"☃"},"done":false}|
78|LangGraph messages|event messages|[{"content":"☃","type":"AIMessageChunk","id":"run-1"},{"langgraph_node":"agent"}]|
79|OpenRouter reasoning|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","text":"☃","index":0}]},"finish_reason":null}]}|data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
80|events labelled as text|text data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"☃"},"finish_reason":null}]}|data: [DONE]
81|Coze|event conversation.message.delta|{"id":"1","role":"assistant","type":"answer","content":"☃","content_type":"text"}|
82|Vertex, Anthropic|event vertex_event|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"☃"}}|
83|Azure content filter beside|data|{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"☃"},"finish_reason":null,"index":0,"logprobs":null}],"created":1,"id":"c","model":"m","object":"chat.completion.chunk","usage":null}|data: [DONE]
84|Responses, Realtime text|event response.output_text.delta|{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"summary_index":0,"delta":"☃"}|
85|vLLM, reasoning|data|{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning":"☃","content":null},"finish_reason":null}]}|data: [DONE]
86|Gemini Live|data|{"serverContent":{"modelTurn":{"parts":[{"text":"☃"}]}}}|
87|Gemini Live transcript|data|{"serverContent":{"outputTranscription":{"text":"☃"}}}|
88|Interactions|event content.delta|{"event_type":"content.delta","index":0,"delta":{"type":"text","text":"☃"}}|
89|Letta|data|{"message_type":"assistant_message","id":"m","content":"☃"}|
90|Mistral conversations|event message.output.delta|{"type":"message.output.delta","id":"m","content_index":0,"model":"m","content":"☃"}|
"#;

/// The kind of a body.
fn media(how: &str) -> Media {
    match how.split(' ').next() {
        Some("line") => Media::JsonLines,
        Some("text" | "code") => Media::Text,
        Some("array") => Media::Json,
        Some("message" | "chunk" | "part") => Media::Messages,
        _ => Media::Events,
    }
}

/// An event with this data.
fn event(how: &str, data: &str) -> Vec<u8> {
    let (how, name) = how.split_once(' ').unwrap_or((how, ""));
    match (how, name) {
        ("event", _) => format!("event: {name}\ndata: {data}\n\n").into_bytes(),
        ("data", _) | ("text", "data") => format!("data: {data}\n\n").into_bytes(),
        ("line" | "array", _) => format!("{data}\n").into_bytes(),
        ("code", _) => format!("{name}:{data}\n").into_bytes(),
        ("chunk", _) => message(
            "chunk",
            &json!({ "bytes": STANDARD.encode(data), "p": "ab" }),
        ),
        ("message", _) => message(name, &serde_json::from_str(data).unwrap()),
        ("part", _) => {
            let any = message("PayloadPart", &json!({}));
            let headers = Message::first(&any, 1000).unwrap().unwrap();
            amazon::write(headers.headers(), &event(name, data))
        }
        _ => data.as_bytes().to_vec(),
    }
}

/// The data of the events of a stream, or what they carry.
fn events(how: &str, bytes: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let divided = |text: &str, by: &str| -> Vec<String> {
        text.split_inclusive(by).map(str::to_owned).collect()
    };
    let (kind, name) = how.split_once(' ').unwrap_or((how, ""));
    match kind {
        "event" | "data" => divided(&text(bytes), "\n\n"),
        "text" if name == "data" => divided(&text(bytes), "\n\n"),
        "text" => vec![text(bytes)],
        "line" | "array" | "code" => divided(&text(bytes), "\n"),
        _ => {
            let (mut rest, mut all, mut inner) = (bytes, Vec::new(), Vec::new());
            while let Some(message) = Message::first(rest, usize::MAX).unwrap() {
                rest = &rest[message.raw().len()..];
                if kind == "part" {
                    inner.extend_from_slice(message.payload());
                    continue;
                }
                let value: Value = serde_json::from_slice(message.payload()).unwrap();
                let bytes = value["bytes"]
                    .as_str()
                    .map(|it| STANDARD.decode(it).unwrap());
                all.push(text(bytes.as_deref().unwrap_or(message.payload())));
            }
            assert!(rest.is_empty());
            if kind == "part" {
                events(name, &inner)
            } else {
                all
            }
        }
    }
}

/// The stream masked, as it comes in pieces of so many bytes.
fn masked(how: &str, sent: &[u8], cuts: usize) -> Vec<u8> {
    let plan = plan();
    if how == "array" {
        // One document of all lines.
        let lines = String::from_utf8(sent.to_vec()).unwrap();
        let body = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
        let (scope, masker) = (&plan.response.scope, &plan.answer_masker);
        let out = document::json(body.as_bytes(), scope, masker, &mut Tally::default());
        let out = String::from_utf8(out.unwrap().unwrap()).unwrap();
        let lines = out[1..out.len() - 1].replace(",\n", "\n");
        return format!("{lines}\n").into_bytes();
    }
    let mut answer = Answer::new(&plan, media(how)).unwrap();
    let mut out = Vec::new();
    for piece in sent.chunks(cuts) {
        out.extend(answer.push(piece));
    }
    out.extend(answer.finish());
    assert_eq!(answer.cut(), None);
    out
}

const TEXT: &str = "Write to ann.lee@example.org or call +49 30 901820, my card is 4111 1111 1111 1111, the IBAN DE89 3704 0044 0532 0130 00, from 203.0.113.77 with ghp_Zx81kq0LmN7vB3cT9yR5wE2uI6oP4aS0dF8g and so on.";

fn assert_masked(row: &str) {
    let [_, _, how, data, end] = row.split('|').collect::<Vec<_>>()[..] else {
        panic!("{row}");
    };
    let whole = plan().answer_masker.mask(TEXT, "", &mut Tally::default());
    let whole = whole.unwrap();
    assert_eq!(whole.matches('[').count(), 6, "{whole}");
    let shape = |text: &str| event(how, &data.replace(TEXT_HERE, text));
    let end = end.replace("\\n", "\n");
    let end = if end.is_empty() { end } else { end + "\n\n" };
    let characters: Vec<char> = TEXT.chars().collect();
    let sized = |size: usize| -> Vec<String> {
        let pieces = characters.chunks(size);
        pieces.map(|piece| piece.iter().collect()).collect()
    };
    let words = TEXT.split_inclusive(' ').map(str::to_owned).collect();
    let tokens = TEXT.split(' ').enumerate();
    let tokens = tokens.map(|(at, word)| [if at > 0 { " " } else { "" }, word].concat());
    for texts in [
        sized(1),
        sized(3),
        sized(11),
        sized(500),
        words,
        tokens.collect(),
    ] {
        let mut sent: Vec<u8> = texts.iter().flat_map(|text| shape(text)).collect();
        sent.extend_from_slice(end.as_bytes());
        for cuts in [7, 100_000] {
            let out = events(how, &masked(how, &sent, cuts));
            let given = events(how, &sent);
            assert_eq!(given.len(), out.len(), "an event came or went: {row}");
            let mut read = String::new();
            let mark = events(how, &shape(&TEXT_HERE.to_string()));
            let (front, behind) = mark[0].split_once(TEXT_HERE).unwrap();
            for (at, event) in out.iter().enumerate() {
                if at >= texts.len() {
                    assert_eq!(*event, given[at], "{row}");
                    continue;
                }
                let inner = event.strip_prefix(front);
                let inner = inner.and_then(|inner| inner.strip_suffix(behind));
                read.push_str(inner.unwrap_or_else(|| panic!("{event}: {row}")));
            }
            assert_eq!(read, whole, "{row}");
        }
    }
}

fn assert_all(shapes: &str, first: usize, count: usize) {
    let rows: Vec<&str> = shapes.trim().lines().collect();
    assert_eq!(rows.len(), count);
    for (at, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("{}|", first + at)), "{row}");
        assert_masked(row);
    }
}

#[test]
fn each_of_the_44_shapes_is_masked_as_the_whole() {
    assert_all(SHAPES, 1, 44);
}

#[test]
fn the_shapes_of_todays_sdks_are_masked_as_the_whole() {
    assert_all(MORE, 45, 46);
}
