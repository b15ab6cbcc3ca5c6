//! Bodies as models get and give them, made anew for each run: the same bytes for the same size.

use std::fmt::Write as _;

use proxy_wasm_simulator::random::Random;

/// A kind of body.
pub struct Text {
    /// What it is called in the table.
    pub name: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// Makes one of about so many bytes.
    pub make: fn(usize) -> String,
}

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain";

/// What is sent to models.
pub const REQUESTS: [Text; 11] = [
    Text {
        name: "prose, chat in JSON",
        content_type: JSON,
        make: |bytes| chat(&filled(bytes, prose)),
    },
    Text {
        name: "prose, plain",
        content_type: PLAIN,
        make: |bytes| filled(bytes, prose),
    },
    Text {
        name: "one finding a KiB, chat in JSON",
        content_type: JSON,
        make: |bytes| chat(&findings(bytes)),
    },
    Text {
        name: "log lines, chat in JSON",
        content_type: JSON,
        make: |bytes| chat(&filled(bytes, log_line)),
    },
    Text {
        name: "CSV, plain",
        content_type: PLAIN,
        make: |bytes| format!("time,sensor,mean,deviation,count\n{}", filled(bytes, row)),
    },
    Text {
        name: "source code, chat in JSON",
        content_type: JSON,
        make: |bytes| chat(&filled(bytes, code)),
    },
    Text {
        name: "base64 of an image, chat in JSON",
        content_type: JSON,
        make: image,
    },
    Text {
        name: "tensor of floats (V2)",
        content_type: JSON,
        make: |bytes| tensor("FP32", &filled(bytes, float)),
    },
    Text {
        name: "tensor of token ids (V2)",
        content_type: JSON,
        make: |bytes| tensor("INT64", &filled(bytes, |at, out| number(at, 128_000, out))),
    },
    Text {
        name: "tensor of pixels (V2)",
        content_type: JSON,
        make: |bytes| tensor("UINT8", &filled(bytes, |at, out| number(at, 256, out))),
    },
    Text {
        name: "instances of floats (TensorFlow Serving)",
        content_type: JSON,
        make: |bytes| {
            let rows = filled(bytes, instance);
            format!(
                r#"{{"instances":[{}]}}"#,
                rows.trim_end_matches([',', '\n'])
            )
        },
    },
];

/// What models answer with, a few words at a time.
pub const EVENTS: Text = Text {
    name: "answer in events (OpenAI)",
    content_type: "text/event-stream",
    make: events,
};

/// What `one` writes, again and again until there are so many bytes.
fn filled(bytes: usize, one: impl Fn(&mut Random, &mut String)) -> String {
    let mut random = Random::new(7);
    let mut text = String::with_capacity(bytes.saturating_add(256));
    while text.len() < bytes {
        one(&mut random, &mut text);
    }
    text
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn chat(text: &str) -> String {
    format!(
        r#"{{"model":"gpt-4o","messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":{}}}],"temperature":0.2}}"#,
        quoted(text)
    )
}

fn tensor(datatype: &str, numbers: &str) -> String {
    let numbers = numbers.trim_end_matches(',');
    let count = numbers.split(',').count();
    format!(
        r#"{{"inputs":[{{"name":"x","shape":[1,{count}],"datatype":"{datatype}","data":[{numbers}]}}]}}"#
    )
}

const WORDS: [&str; 64] = [
    "the",
    "of",
    "and",
    "to",
    "a",
    "in",
    "that",
    "is",
    "was",
    "it",
    "for",
    "with",
    "as",
    "on",
    "be",
    "at",
    "by",
    "had",
    "not",
    "are",
    "but",
    "from",
    "or",
    "have",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "all",
    "her",
    "she",
    "there",
    "would",
    "their",
    "we",
    "him",
    "been",
    "has",
    "when",
    "who",
    "will",
    "no",
    "more",
    "if",
    "out",
    "model",
    "answer",
    "question",
    "people",
    "because",
    "between",
    "through",
    "another",
    "government",
    "important",
    "children",
    "something",
    "different",
    "well-known",
    "history",
    "language",
    "reasoning",
];

fn pick<'a>(random: &mut Random, words: &[&'a str]) -> &'a str {
    random.pick(words).copied().unwrap_or_default()
}

/// A sentence; some of them end a paragraph.
fn prose(random: &mut Random, out: &mut String) {
    let words = 6_usize.saturating_add(random.below(14));
    for at in 0..words {
        let word = pick(random, &WORDS);
        if at == 0 {
            let (first, rest) = word.split_at(1);
            out.push_str(&first.to_ascii_uppercase());
            out.push_str(rest);
        } else {
            out.push_str(if random.below(12) == 0 { ", " } else { " " });
            out.push_str(word);
        }
    }
    out.push_str(if random.below(8) == 0 { ".\n\n" } else { ". " });
}

/// Prose with an address, a number or a card in each KiB.
fn findings(bytes: usize) -> String {
    let found = [
        "ann.lee@example.com",
        "(415) 555-0132",
        "4111 1111 1111 1111",
    ];
    let text = filled(bytes, prose);
    let mut out = String::with_capacity(bytes.saturating_mul(2));
    for (at, sentence) in text.split_inclusive(". ").enumerate() {
        out.push_str(sentence);
        // A sentence has some 70 bytes.
        if at % 15 == 14 {
            let found = found
                .get(at / 15 % found.len())
                .copied()
                .unwrap_or_default();
            out.push_str("Please write to ");
            out.push_str(found);
            out.push_str(" about it. ");
        }
    }
    out
}

fn hexadecimal(random: &mut Random, digits: usize) -> String {
    let digit = |_| char::from_digit(u32::try_from(random.below(16)).unwrap_or_default(), 16);
    (0..digits).filter_map(digit).collect()
}

/// A line of a server's log.
fn log_line(random: &mut Random, out: &mut String) {
    let mut below = |most: usize| random.below(most);
    let (minute, second, milli) = (below(60), below(60), below(1_000));
    let (worker, status, bytes) = (below(16), below(5), below(90_000));
    let (took, micros) = (below(900), below(1_000));
    let kind = below(4);
    let id = hexadecimal(random, 16);
    let level = pick(random, &["INFO ", "DEBUG", "WARN "]);
    let time = format!("2026-11-29T22:{minute:02}:{second:02}.{milli:03}Z");
    let written = match kind {
        0 => writeln!(
            out,
            "{time} {level} [worker-{worker}] api.server: POST /v2/models/resnet50/versions/3/infer status=20{status} duration_ms={took}.{micros:03} bytes={bytes} request_id={id}"
        ),
        1 => writeln!(
            out,
            "{time} {level} [worker-{worker}] batcher: queued {worker} requests for model resnet50, waited {took} us, batch size {worker}, trace {id}"
        ),
        2 => writeln!(
            out,
            "2026-11-29 22:{minute:02}:{second:02},{milli:03} {level} torch.trainer step={bytes} loss=0.{micros:03}{milli:03} lr=3e-05 grad_norm={took}.{micros:03} mem={took}MiB"
        ),
        _ => writeln!(
            out,
            "[29/Nov/2026:22:{minute:02}:{second:02} +0000] \"GET /health HTTP/1.1\" 200 {bytes} \"-\" \"kube-probe/1.31\" 0.{micros:03}"
        ),
    };
    debug_assert!(written.is_ok());
}

/// A line of a table of measurements.
fn row(random: &mut Random, out: &mut String) {
    let mut below = |most: usize| random.below(most);
    let written = writeln!(
        out,
        "2026-11-{:02} {:02}:{:02}:00,s{},{}.{:06},0.{:04},{}",
        1 + below(28),
        below(24),
        below(60),
        below(40),
        below(100),
        below(1_000_000),
        below(10_000),
        below(5_000)
    );
    debug_assert!(written.is_ok());
}

/// Lines of a program.
fn code(random: &mut Random, out: &mut String) {
    let names = [
        "batch",
        "x1",
        "hidden_size",
        "self.layers",
        "config",
        "tokens2id",
        "mask",
    ];
    let (one, other) = (pick(random, &names), pick(random, &names));
    let count = random.below(4_096);
    let line = match random.below(5) {
        0 => format!(
            "    if {one}.shape[0] != {count}:\n        raise ValueError(f\"expected {count}, got {{{other}}}\")\n"
        ),
        1 => format!("    {one} = torch.zeros(({count}, 768), dtype=torch.float16)\n"),
        2 => format!(
            "    for i in range({count}):\n        {one}[i] = {other}[i - 1] * 0.5 + 1e-6\n"
        ),
        3 => {
            format!("def forward_{count}(self, {one}: Tensor, {other}: int = {count}) -> Tensor:\n")
        }
        _ => format!("    return self.proj_{count}({one}).view(-1, {count})  # {other}\n\n"),
    };
    out.push_str(&line);
}

fn image(bytes: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let data = filled(bytes, |random, out| {
        let byte = ALPHABET.get(random.below(64)).copied().unwrap_or(b'A');
        out.push(char::from(byte));
    });
    format!(
        r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":[{{"type":"text","text":"What is this?"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#
    )
}

/// A float as programs print one of 32 bits.
fn float(random: &mut Random, out: &mut String) {
    let sign = if random.below(2) == 0 { "-" } else { "" };
    let written = write!(
        out,
        "{sign}{}.{:08},",
        random.below(3),
        1 + random.below(99_999_999)
    );
    debug_assert!(written.is_ok());
}

fn number(random: &mut Random, most: usize, out: &mut String) {
    let written = write!(out, "{},", random.below(most));
    debug_assert!(written.is_ok());
}

fn instance(random: &mut Random, out: &mut String) {
    out.push('[');
    for _ in 0..32 {
        float(random, out);
        out.push(' ');
    }
    out.truncate(out.trim_end_matches([',', ' ']).len());
    out.push_str("],\n");
}

/// An answer of a chat, a word or so in each event.
fn events(bytes: usize) -> String {
    let mut text = filled(bytes, |random, out| {
        let word = quoted(&format!(" {}", pick(random, &WORDS)));
        let written = write!(
            out,
            "data: {{\"id\":\"chatcmpl-BXq3Jk9dTzWm4hVnA7cR2pLs8YfGe\",\"object\":\"chat.completion.chunk\",\"created\":1764454572,\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_07871e2ad8\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{word}}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        );
        debug_assert!(written.is_ok());
    });
    text.push_str("data: [DONE]\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_what_their_type_says_and_of_the_size_that_was_asked_for() {
        for text in &REQUESTS {
            let made = (text.make)(10_000);
            let most = if text.name.contains("code") {
                12_500
            } else {
                11_500
            };
            assert!(
                (10_000..most).contains(&made.len()),
                "{}: {}",
                text.name,
                made.len()
            );
            if text.content_type == JSON {
                serde_json::from_str::<serde_json::Value>(&made).unwrap();
            }
        }
        let events = (EVENTS.make)(10_000);
        for data in events.split_terminator("\n\n") {
            let data = data.strip_prefix("data: ").unwrap();
            let json = serde_json::from_str::<serde_json::Value>(data);
            assert!(json.is_ok() || data == "[DONE]");
        }
    }
}
