//! Private keys in whatever they are pasted with: how many characters of them are left.

use super::*;
use crate::document;

/// SplitMix64, so that the keys stay the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn base64(&mut self, length: usize) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..length)
            .map(|_| char::from(ALPHABET[usize::try_from(self.next() % 64).unwrap()]))
            .collect()
    }

    fn body(&mut self, lines: usize, width: usize) -> Vec<String> {
        let mut body: Vec<String> = (0..lines).map(|_| self.base64(width)).collect();
        body.push(format!("{}==", self.base64(10)));
        body
    }
}

/// A key's lines, and which of them are secret.
struct Key {
    name: &'static str,
    lines: Vec<String>,
    secret: Vec<String>,
}

fn key(name: &'static str, front: &[&str], body: Vec<String>, back: &[&str]) -> Key {
    let owned = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    Key {
        name,
        lines: [owned(front), body.clone(), owned(back)].concat(),
        secret: body,
    }
}

fn keys(random: &mut Random) -> Vec<Key> {
    let mut keys = vec![
        key(
            "rsa",
            &["-----BEGIN RSA PRIVATE KEY-----"],
            random.body(24, 64),
            &["-----END RSA PRIVATE KEY-----"],
        ),
        key(
            "long",
            &["-----BEGIN PRIVATE KEY-----"],
            random.body(98, 64),
            &["-----END PRIVATE KEY-----"],
        ),
        key(
            "short",
            &["-----BEGIN EC PRIVATE KEY-----"],
            random.body(2, 64),
            &["-----END EC PRIVATE KEY-----"],
        ),
        key(
            "encrypted",
            &[
                "-----BEGIN RSA PRIVATE KEY-----",
                "Proc-Type: 4,ENCRYPTED",
                "DEK-Info: AES-128-CBC,7F3A9C01B2D4E5F60718293A4B5C6D7E",
                "",
            ],
            random.body(24, 64),
            &["-----END RSA PRIVATE KEY-----"],
        ),
        key(
            "openssh",
            &["-----BEGIN OPENSSH PRIVATE KEY-----"],
            random.body(36, 70),
            &["-----END OPENSSH PRIVATE KEY-----"],
        ),
        key(
            "ssh2",
            &[
                "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
                "Subject: ann",
                "Comment: \"2048-bit rsa, ann@host.example, Mon Nov 02 2026\"",
            ],
            random.body(20, 70),
            &["---- END SSH2 ENCRYPTED PRIVATE KEY ----"],
        ),
        key(
            "pgp",
            &[
                "-----BEGIN PGP PRIVATE KEY BLOCK-----",
                "Version: GnuPG v2.0.22 (GNU/Linux)",
                "Comment: Ann's key <ann@host.example>, see https://keys.example/?q=ann!",
                "",
            ],
            random.body(50, 64),
            &["=q7Zk", "-----END PGP PRIVATE KEY BLOCK-----"],
        ),
    ];
    let (public, private) = (random.body(6, 64), random.body(14, 64));
    let mut putty = key(
        "putty",
        &[
            "PuTTY-User-Key-File-3: ssh-rsa",
            "Encryption: aes256-cbc",
            "Comment: rsa-key-2026 of Ann's laptop",
            "Public-Lines: 7",
        ],
        public,
        &[
            "Key-Derivation: Argon2id",
            "Argon2-Memory: 8192",
            "Argon2-Passes: 13",
            "Argon2-Parallelism: 1",
            "Argon2-Salt: 7f3a9c01b2d4e5f60718293a4b5c6d7e",
            "Private-Lines: 15",
        ],
    );
    putty.lines.extend(private.clone());
    putty.lines.push(
        "Private-MAC: 9d6c1f5a0b3e7d2c4a8f6e1b0d9c3a7f5e2b8d4c6a0f1e3b7d9c5a2f8e4b6d0c".to_owned(),
    );
    putty.secret.extend(private);
    keys.push(putty);
    keys
}

type Wrap = fn(&[String]) -> String;

/// How a key is pasted, as one text.
fn wrappings() -> Vec<(&'static str, Wrap)> {
    fn each(lines: &[String], wrap: impl Fn(usize, &str) -> String) -> String {
        lines
            .iter()
            .enumerate()
            .map(|(at, line)| wrap(at, line))
            .collect()
    }
    vec![
        ("plain", |lines| each(lines, |_, line| format!("{line}\n"))),
        ("no line end", |lines| lines.join("\n")),
        ("crlf", |lines| each(lines, |_, line| format!("{line}\r\n"))),
        ("indented", |lines| {
            each(lines, |_, line| format!("        {line}\n"))
        }),
        ("tabs", |lines| {
            each(lines, |_, line| format!("\t\t{line}\n"))
        }),
        ("blank lines", |lines| {
            each(lines, |_, line| format!("{line}\n\n"))
        }),
        ("quoted", |lines| {
            each(lines, |_, line| format!("> {line}\n"))
        }),
        ("quoted twice", |lines| {
            each(lines, |_, line| format!(">> {line}\n"))
        }),
        ("hashes", |lines| {
            each(lines, |_, line| format!("# {line}\n"))
        }),
        ("slashes", |lines| {
            each(lines, |_, line| format!("// {line}\n"))
        }),
        ("stars", |lines| {
            format!("/**\n{} */", each(lines, |_, line| format!(" * {line}\n")))
        }),
        ("semicolons", |lines| {
            each(lines, |_, line| format!("; {line}\n"))
        }),
        ("two dashes", |lines| {
            each(lines, |_, line| format!("-- {line}\n"))
        }),
        ("diff", |lines| each(lines, |_, line| format!("+{line}\n"))),
        ("other diff", |lines| {
            each(lines, |_, line| format!("< {line}\n"))
        }),
        ("table", |lines| {
            each(lines, |_, line| format!("| {line} |\n"))
        }),
        ("numbered", |lines| {
            each(lines, |at, line| format!("{at:>4}  {line}\n"))
        }),
        ("numbered with bars", |lines| {
            each(lines, |at, line| format!("{at} | {line}\n"))
        }),
        ("br", |lines| each(lines, |_, line| format!("{line}<br>"))),
        ("br and line end", |lines| {
            each(lines, |_, line| format!("{line}<br />\n"))
        }),
        ("paragraphs", |lines| {
            each(lines, |_, line| format!("<p>{line}</p>\n"))
        }),
        ("references", |lines| {
            each(lines, |_, line| format!("&gt; {line}\n"))
        }),
        ("escaped", |lines| lines.join("\\n")),
        ("escaped twice", |lines| lines.join("\\\\n")),
        ("escaped crlf", |lines| lines.join("\\r\\n")),
        ("escaped as hex", |lines| lines.join("\\u000a")),
        ("in a member", |lines| {
            format!("{{\"key\":\"{}\\n\",\"name\":\"ann\"}}", lines.join("\\n"))
        }),
        ("in source with plus", |lines| {
            each(lines, |_, line| format!("  \"{line}\\n\" +\n"))
        }),
        ("in source with plus before", |lines| {
            each(lines, |_, line| format!("\n  + \"{line}\\n\""))
        }),
        ("in source side by side", |lines| {
            each(lines, |_, line| format!("    b'{line}\\n'\n"))
        }),
        ("in source with backslash", |lines| {
            each(lines, |_, line| format!("  '{line}' \\\n"))
        }),
        ("in source with dots", |lines| {
            each(lines, |_, line| format!("  \"{line}\\n\" .\n"))
        }),
        ("list", |lines| {
            format!("[{}]", each(lines, |_, line| format!("\n  \"{line}\",")))
        }),
        ("dense list", |lines| {
            let lines: Vec<_> = lines.iter().map(|line| format!("\"{line}\"")).collect();
            format!("[{}]", lines.join(","))
        }),
        ("list in a string", |lines| {
            let lines: Vec<_> = lines.iter().map(|line| format!("\\\"{line}\\\"")).collect();
            format!("{{\"a\":\"[{}]\"}}", lines.join(", "))
        }),
    ]
}

/// Characters of the key's secret lines that are still there, counted in pieces of eight.
fn left(key: &Key, out: &str) -> usize {
    key.secret
        .iter()
        .flat_map(|line| line.as_bytes().chunks(8))
        .filter(|piece| piece.len() == 8 && out.contains(core::str::from_utf8(piece).unwrap()))
        .map(<[u8]>::len)
        .sum()
}

fn whole_document(text: &Value) -> String {
    let body = json!({ "a": text, "b": "hello ann" }).to_string();
    let masked = document::json(body.as_bytes(), &scope(), &masker(), &mut Tally::default());
    let masked = masked
        .unwrap()
        .map_or(body, |out| String::from_utf8(out).unwrap());
    let _: Value = serde_json::from_str(&masked).unwrap();
    assert!(masked.contains("hello ann"), "{masked}");
    masked
}

fn whole_text(text: &str) -> String {
    let masked = document::text(text.as_bytes(), "", &masker(), &mut Tally::default());
    masked
        .unwrap()
        .map_or_else(|| text.to_owned(), |out| String::from_utf8(out).unwrap())
}

fn lines(text: &Value) -> String {
    let body = format!("{}\n{}\n", json!({ "a": 1 }), json!({ "a": text }));
    let masked =
        document::json_lines(body.as_bytes(), &scope(), &masker(), &mut Tally::default()).unwrap();
    masked.map_or(body, |out| String::from_utf8(out).unwrap())
}

fn deltas(text: &str, random: &mut Random, longest: u64) -> String {
    let mut events = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = usize::try_from(1 + random.next() % longest)
            .unwrap()
            .min(rest.len());
        let length = (length..=rest.len())
            .find(|at| rest.is_char_boundary(*at))
            .unwrap();
        let (piece, after) = rest.split_at(length);
        events.push(json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] }));
        rest = after;
    }
    run(&events)
        .iter()
        .map(|event| event["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect()
}

#[test]
fn nothing_of_a_private_key_is_left_however_it_is_wrapped() {
    let mut random = Random(20_261_128);
    let mut leaks = Vec::new();
    for key in keys(&mut random) {
        let mut judge = |wrapping: &str, direction: &str, out: &str| {
            let left = left(&key, out);
            if left > 0 {
                leaks.push(format!("{} / {wrapping} / {direction}: {left}", key.name));
            }
        };
        for (wrapping, wrap) in wrappings() {
            let text = format!("See:\n{}\nand what else? Ann.", wrap(&key.lines));
            let value = Value::String(text.clone());
            judge(wrapping, "document", &whole_document(&value));
            let masked = whole_text(&text);
            judge(wrapping, "text", &masked);
            assert!(masked.ends_with("and what else? Ann."), "{masked}");
            judge(wrapping, "lines", &lines(&value));
            // Short pieces take long in long texts, and show the same.
            let short = if text.len() < 2_500 { 6 } else { 90 };
            for longest in [short, 200] {
                let streamed = deltas(&text, &mut random, longest);
                judge(wrapping, "deltas", &streamed);
                assert_eq!(streamed, masked, "{} / {wrapping}", key.name);
            }
        }
        let array = json!(key.lines);
        judge("array", "document", &whole_document(&array));
        judge("array", "lines", &lines(&array));
    }
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
}

#[test]
fn public_keys_and_certificates_stay_however_they_are_wrapped() {
    let mut random = Random(5);
    for (front, back) in [
        ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"),
        ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"),
        (
            "-----BEGIN PGP PUBLIC KEY BLOCK-----",
            "-----END PGP PUBLIC KEY BLOCK-----",
        ),
        (
            "---- BEGIN SSH2 PUBLIC KEY ----",
            "---- END SSH2 PUBLIC KEY ----",
        ),
    ] {
        let key = key("public", &[front], random.body(24, 64), &[back]);
        for (wrapping, wrap) in wrappings() {
            let text = wrap(&key.lines);
            assert_eq!(whole_text(&text), text, "{front} / {wrapping}");
            assert_eq!(deltas(&text, &mut random, 40), text, "{front} / {wrapping}");
        }
        let body = json!({ "a": key.lines, "b": "hello ann" }).to_string();
        assert_eq!(whole_document(&json!(key.lines)), body);
    }
}

/// A key that is broken off ends with what surely belonged to it: what stands around it, and
/// documents within, stay.
#[test]
fn a_key_without_its_last_line_leaves_what_stands_around_it() {
    let mut random = Random(6);
    let body = random.body(3, 64);
    let body = &body[..3];
    let front = "-----BEGIN PRIVATE KEY-----";
    for (before, after) in [
        ("{\"key\":\"", "\",\"name\":\"ann\"}"),
        ("{\"key\":\"", "\\n\",\"name\":\"ann\",\"sha256\":\"0123\"}"),
        (
            "{\"a\":\"{\\\"key\\\":\\\"",
            "\\\\n\\\",\\\"name\\\":\\\"ann\\\"}\"}",
        ),
        ("{\"keys\":[\"", "\",\"ann\",\"bob\",4]}"),
        (
            "key: ",
            "\n\nWhat is wrong with this key, and why does ssh not take it?",
        ),
        (
            "",
            "\n\nPlease tell me what is wrong with this key and how to mend it",
        ),
        ("<pre>", "</pre><p>hello ann, what is it</p>"),
        ("`", "` is a key"),
    ] {
        for separator in ["\\n", "\n"] {
            let key = format!("{front}{separator}{}", body.join(separator));
            let text = format!("{before}{key}{after}");
            let expected = format!("{before}[PRIVATE_KEY]{after}");
            assert_eq!(whole_text(&text), expected);
            assert_eq!(deltas(&text, &mut random, 30), expected);
        }
    }
    let array = json!([front, body[0], body[1], "hello ann", "what is it?", { "a": body[2] }]);
    let masked: Value = serde_json::from_str(&whole_document(&array)).unwrap();
    assert_eq!(
        masked["a"],
        json!(["[PRIVATE_KEY]", "", "", "hello ann", "what is it?", { "a": body[2] }])
    );
}

#[test]
fn a_stream_that_ends_within_a_key_gives_nothing_of_it() {
    let mut random = Random(7);
    let body = random.body(120, 64);
    let key = key("open", &["-----BEGIN PRIVATE KEY-----"], body, &[]);
    let text = key.lines.join("\n");
    for end in [20, 40, 100, 4000, 4097, 5000, 7800] {
        let text = &text[..end];
        for longest in [1, 9, 300] {
            let out = deltas(text, &mut random, longest);
            assert_eq!(left(&key, &out), 0, "{end}");
            assert_eq!(out, whole_text(text), "{end}");
        }
    }
}
