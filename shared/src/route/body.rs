//! What a request's JSON body says of the route: the model's name and whether the answer is to be a
//! stream.
//!
//! Only the members of the outermost object count, but the whole document is judged: one that is
//! not JSON, or that names the model or `stream` twice, could be read otherwise by the server and
//! is refused. So is a second spelling, in another case (`Model`: servers whose JSON decoder
//! ignores case, as Go's does, take the last) or with a NUL, white space or characters without
//! width in it. Further models that the body names elsewhere ([`Stated::further`]) are asked for as
//! well. The name is borrowed from the body unless it has escapes. A batch names a
//! model for each of its requests: [`models_of_batch`].

use super::further::Further;
use crate::json::{JsonError, Limits, Literal, Token, Walker};
use std::borrow::Cow;

/// The longest model name that is taken, in bytes.
const LONGEST_NAME: usize = 512;

/// What the outermost object says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stated<'a> {
    /// The model's name, if the member is there; where it has several names, all that are.
    pub models: Vec<Cow<'a, str>>,
    /// Further models that may run: what a router may turn to, what a tool asks (see `further.rs`).
    pub further: Vec<Cow<'a, str>>,
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
    /// The model's name is not a string, is empty, is too long, or holds a control character or
    /// half a surrogate pair.
    ModelNotAName,
    /// `stream` is neither a boolean nor null.
    StreamNotABoolean,
    /// It is a form that two servers could read in two ways.
    FormUnclear,
    /// It is a batch, but not of requests that each name a model, or names more models than are
    /// looked at.
    NotABatch,
}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

/// Whether some server could take `name` for `member`: the same but for case, characters without
/// width, white space, or what follows a NUL.
pub(super) fn alike(name: &str, member: &str) -> bool {
    let read = name.split('\0').next().unwrap_or_default();
    read.chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !is_ignorable(*c))
        .flat_map(folded)
        .eq(member.chars().flat_map(folded))
}

/// A character in the form that texts have in common which differ in case only: upper, then lower
/// case, so that the long s and the Kelvin sign, which only become letters of ASCII in the one or
/// the other, do.
pub fn folded(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().flat_map(char::to_lowercase)
}

/// Characters that show nothing: zero-width spaces and joiners, marks of direction, variation
/// selectors, tags.
pub const fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The name, if it is one.
pub(super) fn name_of_model(name: Cow<'_, str>) -> Result<Cow<'_, str>, BodyError> {
    let fits = (1..=LONGEST_NAME).contains(&name.len());
    let odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    if !fits || name.chars().any(odd) {
        return Err(BodyError::ModelNotAName);
    }
    Ok(name)
}

/// Most models that a body may name beside its own, and most different ones that a batch may.
pub(super) const MOST_MODELS: usize = 64;

/// The models that a batch of Anthropic's API names: `requests[].params.model`, and further ones in
/// `params`, each once.
///
/// # Errors
/// Whatever would let a server read the batch otherwise, or that one of its requests names no
/// model.
pub fn models_of_batch(body: &[u8], limits: Limits) -> Result<Vec<Cow<'_, str>>, BodyError> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Next {
        Requests,
        Params,
        Model,
        Other,
    }
    let mut walker = Walker::new(body, limits)?;
    if walker.next_token()? != Some(Token::ObjectStart) {
        return Err(BodyError::NotAnObject);
    }
    let mut models: Vec<Cow<'_, str>> = Vec::new();
    let mut further = Further::default();
    let (mut requests_seen, mut params_seen, mut model_seen) = (false, false, false);
    let (mut in_requests, mut in_params) = (false, false);
    let mut depth = 1_usize;
    let mut next = Next::Other;
    while let Some(token) = walker.next_token()? {
        if let Token::Key(name) = token {
            let (member, seen, place) = match depth {
                1 => ("requests", &mut requests_seen, Next::Requests),
                3 if in_requests => ("params", &mut params_seen, Next::Params),
                4 if in_params => ("model", &mut model_seen, Next::Model),
                _ => {
                    if in_params {
                        further.see(&token)?;
                    }
                    next = Next::Other;
                    continue;
                }
            };
            let name = name.decode();
            next = if alike(&name, member) {
                if *seen || name != member {
                    return Err(BodyError::MemberTwice);
                }
                *seen = true;
                place
            } else {
                if in_params {
                    further.see(&token)?;
                }
                Next::Other
            };
            continue;
        }
        if in_params && next != Next::Model {
            further.see(&token)?;
        }
        match token {
            Token::ObjectEnd | Token::ArrayEnd => {
                depth = depth.saturating_sub(1);
                match depth {
                    3 => in_params = false,
                    2 if in_requests => {
                        if !model_seen {
                            return Err(BodyError::NotABatch);
                        }
                        (params_seen, model_seen) = (false, false);
                    }
                    1 => in_requests = false,
                    _ => {}
                }
                next = Next::Other;
                continue;
            }
            Token::ArrayStart if next == Next::Requests => in_requests = true,
            Token::ObjectStart if next == Next::Params => in_params = true,
            Token::ObjectStart if in_requests && depth == 2 => {}
            Token::String(text) if next == Next::Model => {
                let name = name_of_model(text.decode())?;
                if !models.contains(&name) {
                    models.push(name);
                }
                if models.len() > MOST_MODELS {
                    return Err(BodyError::NotABatch);
                }
            }
            _ if next != Next::Other || (in_requests && depth == 2) => {
                return Err(BodyError::NotABatch);
            }
            _ => {}
        }
        next = Next::Other;
        if matches!(token, Token::ObjectStart | Token::ArrayStart) {
            depth = depth.saturating_add(1);
        }
    }
    if models.is_empty() {
        return Err(BodyError::NotABatch);
    }
    for name in further.into_names() {
        if !models.contains(&name) {
            models.push(name);
        }
    }
    Ok(models)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Model,
    Stream,
    Other,
}

impl<'a> Stated<'a> {
    /// Reads a whole body; `members` are the model's members, as [`super::Model::InBody`] names
    /// them.
    ///
    /// # Errors
    /// Whatever would let a server read the body otherwise.
    pub fn parse(body: &'a [u8], members: &[&str], limits: Limits) -> Result<Self, BodyError> {
        let mut walker = Walker::new(body, limits)?;
        if walker.next_token()? != Some(Token::ObjectStart) {
            return Err(BodyError::NotAnObject);
        }
        let mut stated = Self::default();
        let mut further = Further::default();
        // One bit for each of the members.
        let (mut models_seen, mut stream_seen) = (0_u8, 0_u8);
        let mut depth = 1_usize;
        let mut current = Member::Other;
        while let Some(token) = walker.next_token()? {
            match token {
                Token::ObjectEnd | Token::ArrayEnd => {
                    depth = depth.saturating_sub(1);
                    further.see(&token)?;
                    continue;
                }
                Token::Key(name) if depth == 1 => {
                    let name = name.decode();
                    let at = members.iter().position(|member| alike(&name, member));
                    current = if at.is_some() {
                        Member::Model
                    } else if alike(&name, "stream") {
                        Member::Stream
                    } else {
                        Member::Other
                    };
                    let exact = members.contains(&&*name) || name == "stream";
                    let seen = match current {
                        Member::Model => &mut models_seen,
                        Member::Stream => &mut stream_seen,
                        Member::Other => {
                            further.see(&token)?;
                            continue;
                        }
                    };
                    let bit = 1 << at.unwrap_or_default().min(7);
                    if *seen & bit != 0 || !exact {
                        return Err(BodyError::MemberTwice);
                    }
                    *seen |= bit;
                    continue;
                }
                _ => {}
            }
            match (depth, current, token) {
                (1, Member::Model, Token::String(text)) => {
                    stated.models.push(name_of_model(text.decode())?);
                }
                (1, Member::Model, _) => return Err(BodyError::ModelNotAName),
                (1, Member::Stream, Token::Literal(Literal::True)) => stated.stream = Some(true),
                (1, Member::Stream, Token::Literal(Literal::False)) => stated.stream = Some(false),
                (1, Member::Stream, Token::Literal(Literal::Null)) => {}
                (1, Member::Stream, _) => return Err(BodyError::StreamNotABoolean),
                _ => further.see(&token)?,
            }
            if matches!(token, Token::ObjectStart | Token::ArrayStart) {
                depth = depth.saturating_add(1);
            }
        }
        stated.further = further.into_names();
        Ok(stated)
    }
}

/// Names of models that some server may find under `member` of a body, which most take for input:
/// each text that stands under it or a name like it. Nothing of the body is refused but what may be
/// an object that we cannot read.
///
/// # Errors
/// What is wrong with it, or that it has more names than are looked at.
pub fn hints_in<'a>(
    body: &'a [u8],
    member: &str,
    limits: Limits,
) -> Result<Vec<Cow<'a, str>>, BodyError> {
    // What begins otherwise is an object in no encoding (RFC 8259 section 8.1, and those before).
    let first = body.trim_ascii_start().first();
    if first.is_none_or(|first| first.is_ascii_graphic() && *first != b'{') {
        return Ok(Vec::new());
    }
    let mut walker = Walker::new(body, limits)?;
    let mut hints = Vec::new();
    let (mut depth, mut ours) = (0_usize, false);
    while let Some(token) = walker.next_token()? {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth = depth.saturating_add(1),
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
            Token::Key(name) if depth == 1 => {
                ours = alike(&name.decode(), member);
                continue;
            }
            Token::String(text) if ours && depth == 1 => {
                if hints.len() >= MOST_MODELS {
                    return Err(BodyError::MemberTwice);
                }
                hints.push(text.decode());
            }
            _ => {}
        }
        ours = false;
    }
    Ok(hints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<(Option<String>, Option<bool>), BodyError> {
        Stated::parse(body.as_bytes(), &["model"], Limits::default()).map(|stated| {
            (
                stated.models.into_iter().next().map(Cow::into_owned),
                stated.stream,
            )
        })
    }

    #[test]
    fn further_models_are_named_beside_its_own() {
        let names = |body: &'static str| {
            Stated::parse(body.as_bytes(), &["model"], Limits::default())
                .map(|stated| [stated.models, stated.further].concat().join(" "))
        };
        for (body, found) in [
            (
                r#"{"fallbacks":["b"],"stream":true,"model":"a","x":{"models":["c"]}}"#,
                "a b c",
            ),
            (
                r#"{"model":"a","tools":[{"model":"b"}],"messages":[{"model":"x"}]}"#,
                "a b",
            ),
            (r#"{"model":"a","models":null,"Models":"b"}"#, "a b"),
        ] {
            assert_eq!(names(body), Ok(found.to_owned()), "{body}");
        }
        let unclear = r#"{"model":"a","fallbacks":[{"b":"c"}]}"#;
        assert_eq!(names(unclear), Err(BodyError::ModelNotAName));
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
            Stated::parse(body, &["modelId"], Limits::default())
                .unwrap()
                .models,
            ["m"]
        );
    }

    #[test]
    fn where_the_member_has_two_names_both_count() {
        let read = |body: &'static str| {
            Stated::parse(body.as_bytes(), &["model", "name"], Limits::default())
                .map(|stated| stated.models.join(" "))
        };
        for (body, models) in [
            (r#"{"name":"b"}"#, "b"),
            (r#"{"name":"b","model":"a"}"#, "b a"),
            (r#"{"x":{"name":"b"},"model":"a"}"#, "a"),
            ("{}", ""),
        ] {
            assert_eq!(read(body), Ok(models.to_owned()), "{body}");
        }
        for (body, error) in [
            (r#"{"name":"a","name":"b"}"#, BodyError::MemberTwice),
            (r#"{"Name":"a","model":"b"}"#, BodyError::MemberTwice),
            (r#"{"name":null,"model":"b"}"#, BodyError::ModelNotAName),
        ] {
            assert_eq!(read(body), Err(error), "{body}");
        }
    }

    #[test]
    fn hints_are_whatever_a_reader_of_the_member_could_find() {
        let read = |body: &'static [u8]| {
            hints_in(body, "model", Limits::default()).map(|hints| hints.join(" "))
        };
        for (body, hints) in [
            (&b""[..], ""),
            (b" ", ""),
            (b"5.1,3.5,1.4", ""),
            (b"[{\"model\":\"a\"}]", ""),
            (br#"{"inputs":[[1,2]],"model":null}"#, ""),
            (br#"{"model":"a","x":{"model":"b"}}"#, "a"),
            (br#"{"model":["a"],"Model":"b","model":"c"}"#, "b c"),
            (
                br#"{"model":{"model":"a"},"x":"model","y":["model","a"]}"#,
                "",
            ),
        ] {
            assert_eq!(read(body), Ok(hints.to_owned()));
        }
        for unclear in [
            &b"{"[..],
            br#"{"model":"a","x":NaN}"#,
            b"\xef\xbb\xbf{\"model\":\"a\"}",
            b"\xff\xfe{\0",
            b"\0{",
        ] {
            assert!(read(unclear).is_err(), "{unclear:?}");
        }
    }

    #[test]
    fn a_body_with_two_readings_is_refused() {
        for (body, error) in [
            (r#"{"model":"a","model":"a"}"#, BodyError::MemberTwice),
            (r#"{"model":"a","mod\u0065l":"b"}"#, BodyError::MemberTwice),
            (r#"{"model":"a","Model":"b"}"#, BodyError::MemberTwice),
            (r#"{"MODEL":"b"}"#, BodyError::MemberTwice),
            (r#"{"model":"a","model\u0000":"b"}"#, BodyError::MemberTwice),
            (
                r#"{"model":"a","model\u0000x":"b"}"#,
                BodyError::MemberTwice,
            ),
            (r#"{"model":"a","mo\u200bdel":"b"}"#, BodyError::MemberTwice),
            (r#"{"model":"a"," model\n":"b"}"#, BodyError::MemberTwice),
            (r#"{"\u017ftream":true}"#, BodyError::MemberTwice),
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

    #[test]
    fn a_batch_names_a_model_for_each_request() {
        let read = |body: &str| {
            models_of_batch(body.as_bytes(), Limits::default())
                .map(|models| models.into_iter().map(Cow::into_owned).collect::<Vec<_>>())
        };
        let request = |params: &str| format!(r#"{{"custom_id":"1","params":{params}}}"#);
        let batch = |requests: &[&str]| {
            let requests: Vec<String> = requests.iter().map(|params| request(params)).collect();
            format!(
                r#"{{"x":{{"params":{{"model":"no"}}}},"requests":[{}]}}"#,
                requests.join(",")
            )
        };
        let (a, b) = (
            r#"{"model":"a","messages":[{"model":"no"}]}"#,
            r#"{"metadata":{"model":"no"},"model":"b"}"#,
        );
        assert_eq!(read(&batch(&[a])), Ok(vec!["a".to_owned()]));
        assert_eq!(
            read(&batch(&[a, b, a])),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        let tool = r#"{"tools":[{"model":"c"}],"model":"a","system":[{"model":"no"}]}"#;
        assert_eq!(
            read(&batch(&[tool, a])),
            Ok(vec!["a".to_owned(), "c".to_owned()])
        );
        for body in [
            "{}".to_owned(),
            r#"{"requests":[]}"#.to_owned(),
            r#"{"requests":{"params":{"model":"a"}}}"#.to_owned(),
            r#"{"requests":["a"]}"#.to_owned(),
            r#"{"requests":[[{"params":{"model":"a"}}]]}"#.to_owned(),
            format!(r#"{{"requests":[{}],"Requests":[]}}"#, request(a)),
            format!(r#"{{"requests":[{{"params":{a},"params":{b}}}]}}"#),
            format!(r#"{{"requests":[{},{{"custom_id":"2"}}]}}"#, request(a)),
            batch(&[a, "{}"]),
            batch(&["[]"]),
            batch(&[r#"{"model":"a","Model":"b"}"#]),
            batch(&[r#"{"model":["a"]}"#]),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_full_parser(body in r#"\{("(model|stream|x)":("[a-c]"|true|null|\[1\]|\{"model":"d"\}),?){0,3}\}"#) {
            if let Ok(stated) = Stated::parse(body.as_bytes(), &["model"], Limits::default()) {
                let whole: serde_json::Value = serde_json::from_str(&body).unwrap();
                prop_assert_eq!(stated.models.first().map(|model| &**model), whole.get("model").and_then(|model| model.as_str()));
                prop_assert_eq!(stated.stream, whole.get("stream").and_then(serde_json::Value::as_bool));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let stated = Stated::parse(&body, &["model"], Limits::default());
            prop_assert!(stated.is_err() || serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
    }
}
