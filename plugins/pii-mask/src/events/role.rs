//! What a string of an event is by its name: text that runs on over events, a value of its own, or
//! unknown.
//!
//! The names are those of the protocols in the README's table. They are compared without case, `_`
//! and `-`, so that one entry stands for `outputText`, `output_text` and `OutputText`.

use crate::detect::LABEL;
use modelgate_kit::json::{Path, Segment};

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A value of its own: masked by itself, never read together with another.
    Whole,
    /// Known to be a piece of a running text.
    Text,
    /// Nobody knows.
    Open,
}

const LONGEST: usize = 24;

/// A name in lower case without `_` and `-`.
struct Name {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Name {
    fn new(name: &str) -> Self {
        let mut bytes = [0; LONGEST];
        let mut length = 0_usize;
        let kept = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
        for byte in kept {
            match bytes.get_mut(length) {
                Some(place) => *place = byte.to_ascii_lowercase(),
                // Longer than any name that is known.
                None => {
                    length = 0;
                    break;
                }
            }
            length = length.saturating_add(1);
        }
        Self { bytes, length }
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// What a string at this path is.
pub fn role(path: &Path<'_, '_>) -> Role {
    let Some(leaf) = path.last_member() else {
        return Role::Text;
    };
    let leaf = leaf.decode_end(LABEL);
    let (mut aside, mut delta) = (false, false);
    let mut parent = Name::new("");
    let depth = path.depth();
    for (at, segment) in path.segments().enumerate() {
        let Segment::Member(member) = segment else {
            continue;
        };
        if at.saturating_add(1) == depth {
            continue;
        }
        let name = Name::new(&member.decode_end(LABEL));
        aside |= is_aside(name.text());
        delta |= name.text() == "delta";
        parent = name;
    }
    let name = Name::new(&leaf);
    if aside {
        // OpenAI's spoken answers: `delta.audio` is `{ id, data, transcript }`.
        let spoken = name.text() == "transcript" && parent.text() == "audio";
        return if spoken { Role::Text } else { Role::Whole };
    }
    if is_text(name.text(), parent.text(), delta) {
        Role::Text
    } else if is_whole(name.text(), &leaf) {
        Role::Whole
    } else {
        Role::Open
    }
}

/// Objects that stand beside a text: what is in them is whole.
fn is_aside(name: &str) -> bool {
    matches!(
        name,
        "citation"
            | "citations"
            | "annotation"
            | "annotations"
            | "source"
            | "sources"
            | "sourcedocuments"
            | "reference"
            | "references"
            | "document"
            | "documents"
            | "context"
            | "contexts"
            | "retrieverresources"
            | "searchresults"
            | "groundingmetadata"
            | "citationmetadata"
            | "safetyratings"
            | "image"
            | "images"
            | "audio"
            | "inlinedata"
            | "inputaudio"
            | "imageurl"
            | "attachments"
            | "file"
            | "files"
            | "usage"
            | "metadata"
            | "logprobs"
            | "error"
    )
}

/// Names of running text.
fn is_text(name: &str, parent: &str, delta: bool) -> bool {
    match name {
        "content" | "text" | "delta" | "textdelta" | "contentdelta" | "response"
        | "responsetext" | "answer" | "result" | "results" | "generatedtext" | "generation"
        | "generations" | "generated" | "output" | "outputs" | "outputtext" | "textoutput"
        | "completion" | "completions" | "prediction" | "predictions" | "message" | "msg"
        | "token" | "tokens" | "chunk" | "thinking" | "thought" | "thoughts" | "reasoning"
        | "reasoningcontent" | "reasoningtext" | "reasoningdelta" | "refusal" | "arguments"
        | "partialarguments" | "argstextdelta" | "argumentsdelta" | "inputtextdelta"
        | "partialjson" | "toolplan" | "transcript" | "translation" | "utterance" | "reply"
        | "chunks" | "fragment" | "piece" | "texts" | "parts" => true,
        // Members of a delta, and OpenRouter's `reasoning_details`.
        "code" | "input" | "summary" => delta || parent == "reasoningdetails",
        // OpenAI Assistants: `delta.content[].text.value`.
        "value" => parent == "text",
        _ => false,
    }
}

/// Names of values.
fn is_whole(name: &str, written: &str) -> bool {
    matches!(
        name,
        "object"
            | "model"
            | "role"
            | "event"
            | "state"
            | "index"
            | "stop"
            | "stopsequence"
            | "created"
            | "timestamp"
            | "date"
            | "uri"
            | "href"
            | "link"
            | "title"
            | "signature"
            | "systemfingerprint"
            | "fingerprint"
            | "servicetier"
            | "provider"
            | "obfuscation"
            | "nonce"
            | "lang"
            | "language"
            | "locale"
            | "format"
            | "encoding"
            | "encryptedcontent"
            | "b64json"
            | "citedtext"
            | "version"
            | "kind"
            | "jsonrpc"
            | "method"
            | "level"
            | "logger"
            | "author"
            | "source"
            | "etag"
            | "node"
            | "tool"
            | "path"
            | "phase"
    ) || [
        "id", "ids", "url", "type", "name", "reason", "status", "at", "time", "hash", "digest",
        "count",
    ]
    .iter()
    .any(|word| ends_with_word(written, word))
}

/// Whether the last word of a name (`finish_reason`, `finishReason`, `reason`) is this one.
fn ends_with_word(name: &str, word: &str) -> bool {
    let Some(front) = name
        .len()
        .checked_sub(word.len())
        .filter(|at| name.is_char_boundary(*at))
    else {
        return false;
    };
    let (front, last) = name.split_at(front);
    last.eq_ignore_ascii_case(word)
        && (front.is_empty()
            || front.ends_with(['_', '-', '.'])
            || (last.starts_with(|first: char| first.is_ascii_uppercase())
                && front.ends_with(|before: char| !before.is_ascii_uppercase())))
}

/// Arrays whose elements follow one another in one text; those of others stand beside each other.
pub fn is_sequence(name: &str) -> bool {
    matches!(
        Name::new(name).text(),
        "parts" | "content" | "tokens" | "segments" | "chunks" | "prefill" | "output" | "texts"
    )
}

/// A value of a finish reason that says that the text goes on.
pub fn goes_on(reason: &str) -> bool {
    matches!(
        Name::new(reason).text(),
        // DashScope writes "null", watsonx "not_finished", Gemini's and others' enumerations have a
        // value for none.
        "" | "null"
            | "none"
            | "notfinished"
            | "unfinished"
            | "inprogress"
            | "running"
            | "pending"
            | "continue"
            | "unspecified"
            | "finishreasonunspecified"
    ) && reason.len() <= LONGEST.saturating_mul(2)
}

/// Whether a member tells, as a string, that a text ends.
pub fn is_finish_reason(name: &str) -> bool {
    matches!(
        Name::new(name).text(),
        "finishreason" | "stopreason" | "completionreason" | "donereason"
    )
}

/// Whether a member tells, as `true`, that a text ends.
pub fn is_finished(name: &str) -> bool {
    matches!(
        Name::new(name).text(),
        "done"
            | "isfinished"
            | "finished"
            | "isend"
            | "isfinal"
            | "final"
            | "islast"
            | "last"
            | "lastchunk"
            | "stop"
            | "end"
    )
}

/// Whether a member shows that lines of JSON are the events of a stream and not documents of their
/// own.
pub fn is_of_stream(name: &str) -> bool {
    is_finish_reason(name)
        || matches!(
            Name::new(name).text(),
            "done" | "isfinished" | "finished" | "isend" | "isfinal" | "delta" | "eventtype"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_counts() {
        for (name, word, is) in [
            ("finish_reason", "reason", true),
            ("finishReason", "reason", true),
            ("reason", "reason", true),
            ("unreason", "reason", false),
            ("paid", "id", false),
            ("customerId", "id", true),
            ("customerID", "id", true),
            ("GRID", "id", false),
            ("é", "id", false),
        ] {
            assert_eq!(ends_with_word(name, word), is, "{name}");
        }
    }

    #[test]
    fn a_reason_may_say_that_nothing_has_finished() {
        for (reason, on) in [
            ("null", true),
            ("not_finished", true),
            ("stop", false),
            ("FINISH", false),
        ] {
            assert_eq!(goes_on(reason), on, "{reason}");
        }
        assert!(!goes_on(&"x".repeat(200)));
    }
}
