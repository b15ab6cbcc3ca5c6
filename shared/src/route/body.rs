//! What a request's JSON body says of the route: the model's name and whether the answer is to be a stream.
//!
//! Only the members of the outermost object count, but the whole document is judged: one that is not JSON, or that names
//! the model or `stream` twice, could be read otherwise by the server and is refused. So is a second spelling in another case
//! (`Model`): servers whose JSON decoder ignores case (Go's does) take the last. The name is borrowed from the body unless it
//! has escapes. It does not read multipart bodies (uploads of audio and images).

use crate::json::{JsonError, Limits, Literal, Token, Walker};
use std::borrow::Cow;

/// The longest model name that is taken, in bytes.
const LONGEST_NAME: usize = 512;

/// What the outermost object says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stated<'a> {
    /// The model's name, if the member is there.
    pub model: Option<Cow<'a, str>>,
    /// The member `stream`, if it is there; `null` counts as not there.
    pub stream: Option<bool>,
}

/// Why a body was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    /// It is not JSON, or exceeds the limits.
    NotJson(JsonError),
    /// It is JSON, but not an object.
    NotAnObject,
    /// The model or `stream` is named twice, or in another case.
    MemberTwice,
    /// The model's name is not a string, is empty, is too long, or holds a control character or half a
    /// surrogate pair.
    ModelNotAName,
    /// `stream` is neither a boolean nor null.
    StreamNotABoolean,
}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Model,
    Stream,
    Other,
}

impl<'a> Stated<'a> {
    /// Reads a whole body; `member` is the model's member, as [`super::Model::InBody`] names it.
    ///
    /// # Errors
    /// Whatever would let a server read the body otherwise.
    pub fn parse(body: &'a [u8], member: &str, limits: Limits) -> Result<Self, BodyError> {
        let mut walker = Walker::new(body, limits)?;
        if walker.next_token()? != Some(Token::ObjectStart) {
            return Err(BodyError::NotAnObject);
        }
        let mut stated = Self::default();
        let (mut model_seen, mut stream_seen) = (false, false);
        let mut depth = 1_usize;
        let mut current = Member::Other;
        while let Some(token) = walker.next_token()? {
            match token {
                Token::ObjectEnd | Token::ArrayEnd => {
                    depth = depth.saturating_sub(1);
                    continue;
                }
                Token::Key(name) if depth == 1 => {
                    let name = name.decode();
                    current = if name.eq_ignore_ascii_case(member) {
                        Member::Model
                    } else if name.eq_ignore_ascii_case("stream") {
                        Member::Stream
                    } else {
                        Member::Other
                    };
                    let exact = name == member || name == "stream";
                    let seen = match current {
                        Member::Model => &mut model_seen,
                        Member::Stream => &mut stream_seen,
                        Member::Other => continue,
                    };
                    if *seen || !exact {
                        return Err(BodyError::MemberTwice);
                    }
                    *seen = true;
                    continue;
                }
                _ => {}
            }
            match (depth, current, token) {
                (1, Member::Model, Token::String(text)) => {
                    let name = text.decode();
                    let fits = (1..=LONGEST_NAME).contains(&name.len());
                    if !fits
                        || name
                            .chars()
                            .any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
                    {
                        return Err(BodyError::ModelNotAName);
                    }
                    stated.model = Some(name);
                }
                (1, Member::Model, _) => return Err(BodyError::ModelNotAName),
                (1, Member::Stream, Token::Literal(Literal::True)) => stated.stream = Some(true),
                (1, Member::Stream, Token::Literal(Literal::False)) => stated.stream = Some(false),
                (1, Member::Stream, Token::Literal(Literal::Null)) => {}
                (1, Member::Stream, _) => return Err(BodyError::StreamNotABoolean),
                _ => {}
            }
            if matches!(token, Token::ObjectStart | Token::ArrayStart) {
                depth = depth.saturating_add(1);
            }
        }
        Ok(stated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<(Option<String>, Option<bool>), BodyError> {
        Stated::parse(body.as_bytes(), "model", Limits::default())
            .map(|stated| (stated.model.map(Cow::into_owned), stated.stream))
    }

    #[test]
    fn the_outermost_object_names_the_model() {
        for (body, model, stream) in [
            ("{}", None, None),
            (r#" {"model":"m"} "#, Some("m"), None),
            (
                r#"{"stream":true,"model":"a\/b","n":[1,{"model":"x","stream":3}]}"#,
                Some("a/b"),
                Some(true),
            ),
            (
                r#"{"x":{"model":"inner"},"y":[{"model":"inner"}],"stream":false}"#,
                None,
                Some(false),
            ),
            (r#"{"mod\u0065l":"m","stream":null}"#, Some("m"), None),
            (
                r#"{"messages":[{"content":"\"model\":\"x\""}],"model":"m"}"#,
                Some("m"),
                None,
            ),
        ] {
            assert_eq!(read(body), Ok((model.map(str::to_owned), stream)), "{body}");
        }
        let body = br#"{"modelId":"m","model":3}"#;
        assert_eq!(
            Stated::parse(body, "modelId", Limits::default())
                .unwrap()
                .model
                .as_deref(),
            Some("m")
        );
    }

    #[test]
    fn a_body_with_two_readings_is_refused() {
        for (body, error) in [
            (r#"{"model":"a","model":"a"}"#, BodyError::MemberTwice),
            (r#"{"model":"a","mod\u0065l":"b"}"#, BodyError::MemberTwice),
            (r#"{"model":"a","Model":"b"}"#, BodyError::MemberTwice),
            (r#"{"MODEL":"b"}"#, BodyError::MemberTwice),
            (
                r#"{"model":"a","stream":true,"Stream":false}"#,
                BodyError::MemberTwice,
            ),
            (r#"{"model":null}"#, BodyError::ModelNotAName),
            (r#"{"model":["a"]}"#, BodyError::ModelNotAName),
            (r#"{"model":{"model":"a"}}"#, BodyError::ModelNotAName),
            (r#"{"model":""}"#, BodyError::ModelNotAName),
            (r#"{"model":"a\u0000"}"#, BodyError::ModelNotAName),
            (r#"{"model":"\ud800"}"#, BodyError::ModelNotAName),
            (r#"{"stream":"true"}"#, BodyError::StreamNotABoolean),
            (r#"{"stream":[]}"#, BodyError::StreamNotABoolean),
            (r#"["model","a"]"#, BodyError::NotAnObject),
            (r#""model""#, BodyError::NotAnObject),
        ] {
            assert_eq!(read(body), Err(error), "{body}");
        }
        for body in [
            "",
            "{",
            r#"{"model":"a"}}"#,
            r#"{"model":"a"} {}"#,
            r#"{"model":"a",}"#,
            "\u{feff}{}",
        ] {
            assert!(matches!(read(body), Err(BodyError::NotJson(_))), "{body}");
        }
        let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(513));
        assert_eq!(read(&long), Err(BodyError::ModelNotAName));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_full_parser(body in r#"\{("(model|stream|x)":("[a-c]"|true|null|\[1\]|\{"model":"d"\}),?){0,3}\}"#) {
            if let Ok(stated) = Stated::parse(body.as_bytes(), "model", Limits::default()) {
                let whole: serde_json::Value = serde_json::from_str(&body).unwrap();
                prop_assert_eq!(stated.model.as_deref(), whole.get("model").and_then(|model| model.as_str()));
                prop_assert_eq!(stated.stream, whole.get("stream").and_then(serde_json::Value::as_bool));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let stated = Stated::parse(&body, "model", Limits::default());
            prop_assert!(stated.is_err() || serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
    }
}
