//! Models that a JSON body names beside its own: what a router turns to, what a tool runs, what
//! judges.
//!
//! Where such a name stands is not the same in any two protocols: `fallbacks` (LiteLLM), `models`
//! and `plugins[].analysis_models` (OpenRouter), `tools[].model` (OpenAI's Responses, Anthropic's
//! Messages), `method.reinforcement.grader.model` (OpenAI's fine-tuning),
//! `data_sources[].parameters.embedding_dependency.deployment_name` (Azure OpenAI),
//! `generationConfig.routingConfig.manualMode.modelName` (Vertex AI), `compound_custom.models`
//! (Groq), `draft_model` (LM Studio), `lora_path` (SGLang). So a member counts by its own name
//! wherever it stands, but for what is data: messages, documents, JSON schemas ([`DATA`]).

use std::borrow::Cow;

use super::body::{BodyError, MOST_MODELS, alike, folded, name_of_model};
use crate::json::{Limits, Token, Walker};

/// Members that hold what a model reads, and not what is to be done.
const DATA: [&str; 35] = [
    "$defs",
    "arguments",
    "chat_history",
    "const",
    "content",
    "contents",
    "default",
    "definitions",
    "documents",
    "enum",
    "example",
    "examples",
    "headers",
    "input",
    "inputs",
    "instances",
    "instructions",
    "messages",
    "metadata",
    "modelInput",
    "prediction",
    "prompt",
    "properties",
    "queries",
    "query",
    "suffix",
    "system",
    "systemInstruction",
    "system_instruction",
    "text",
    "text_1",
    "text_2",
    "texts",
    "tool_results",
    "user",
];

/// How the name of a member ends that chooses a model; in lower case, letters and digits alone.
const CHOOSING: [&str; 17] = [
    "model",
    "models",
    "modelid",
    "modelids",
    "modelname",
    "modelnames",
    "modelarn",
    "deployment",
    "deploymentname",
    "deploymentid",
    "fallback",
    "fallbacks",
    "fallbackdict",
    "adapterid",
    "adaptername",
    "loraname",
    "lorapath",
];

/// Whether a member or field of this name chooses a model, or several.
pub(super) fn chooses_model(name: &str) -> bool {
    let read = name.split('\0').next().unwrap_or_default();
    let plain: String = read
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(folded)
        .collect();
    CHOOSING.iter().any(|end| plain.ends_with(end))
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// The name of a model, or a list of such names or of objects that choose one.
    Choice,
    /// A member of an object that chooses a model: a list of names (`{"a": ["b"]}`: b for a), but
    /// nobody knows what a text is.
    Unclear,
    /// Data for a model.
    Data,
    /// Anything else.
    Other,
}

impl Value {
    /// What a member's value is, by its name and by the object that it is in.
    fn of(name: &str, object: Self) -> Self {
        if object == Self::Data || DATA.binary_search(&name).is_ok() {
            return Self::Data;
        }
        match object {
            _ if chooses_model(name) => Self::Choice,
            Self::Choice if alike(name, "name") || alike(name, "id") => Self::Choice,
            Self::Choice | Self::Unclear => Self::Unclear,
            Self::Data | Self::Other => Self::Other,
        }
    }
}

/// Gathers names from the tokens of a value.
pub(super) struct Further<'a> {
    names: Vec<Cow<'a, str>>,
    /// The container around the next token, and those around it; in an array, what its elements
    /// are.
    around: Value,
    /// How many containers of one kind are open within each other, and what is around them.
    alike: usize,
    open: Vec<(Value, usize)>,
    /// What the next value is.
    next: Value,
    in_array: bool,
}

impl Default for Further<'_> {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            around: Value::Other,
            alike: 0,
            open: Vec::new(),
            next: Value::Other,
            in_array: false,
        }
    }
}

impl<'a> Further<'a> {
    /// Takes the next token, in the document's order.
    ///
    /// # Errors
    /// [`BodyError::ModelNotAName`]: a model is chosen in a way that cannot be read, or by a
    /// pattern, or too many are.
    pub(super) fn see(&mut self, token: &Token<'a>) -> Result<(), BodyError> {
        match token {
            Token::Key(name) => {
                self.in_array = false;
                self.next = Value::of(&name.decode(), self.around);
            }
            Token::ObjectEnd | Token::ArrayEnd => {
                match self.alike.checked_sub(1) {
                    Some(alike) => self.alike = alike,
                    None => {
                        let around = self.open.pop();
                        (self.around, self.alike) = around.unwrap_or((Value::Other, 0));
                    }
                }
                self.next = self.around;
                self.in_array = true;
            }
            Token::ObjectStart | Token::ArrayStart => {
                self.in_array = matches!(token, Token::ArrayStart);
                if self.in_array && self.next == Value::Unclear {
                    self.next = Value::Choice;
                }
                if self.next == self.around {
                    self.alike = self.alike.saturating_add(1);
                } else {
                    self.open.push((self.around, self.alike));
                    (self.around, self.alike) = (self.next, 0);
                }
            }
            Token::String(text) if self.next == Value::Choice => self.add(text.decode())?,
            Token::String(_) if self.next == Value::Unclear => {
                return Err(BodyError::ModelNotAName);
            }
            Token::Number(_) if self.next == Value::Choice && self.in_array => {
                return Err(BodyError::ModelNotAName);
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, name: Cow<'a, str>) -> Result<(), BodyError> {
        // `anthropic/*` is any of them.
        if self.names.len() >= MOST_MODELS || name.contains('*') {
            return Err(BodyError::ModelNotAName);
        }
        self.names.push(name_of_model(name)?);
        Ok(())
    }

    /// The names, in the document's order.
    pub(super) fn into_names(self) -> Vec<Cow<'a, str>> {
        self.names
    }
}

/// The models that a body names beside that of the path; a member `model` of the outermost object
/// is not looked at, because the path overrules it.
///
/// # Errors
/// Whatever would let a server read the body otherwise.
pub fn further_models(body: &[u8], limits: Limits) -> Result<Vec<Cow<'_, str>>, BodyError> {
    let mut walker = Walker::new(body, limits)?;
    let mut further = Further::default();
    let (mut depth, mut is_own) = (0_usize, false);
    while let Some(token) = walker.next_token()? {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth = depth.saturating_add(1),
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
            Token::Key(name) if depth == 1 => {
                is_own = alike(&name.decode(), "model");
                if is_own {
                    continue;
                }
            }
            _ if depth == 1 && is_own => {
                is_own = false;
                continue;
            }
            _ => {}
        }
        further.see(&token)?;
    }
    Ok(further.into_names())
}

/// The models that a header has a router turn to: a list of names (`["a", "b"]`), or an object or a
/// list of objects in which members choose models (Portkey's `targets[].override_params.model`,
/// Helicone's `[].bodyKeyOverride.model`).
///
/// # Errors
/// The value is not JSON of this kind: the name of a stored configuration, for example.
pub(super) fn models_of_routing(value: &[u8]) -> Result<Vec<Cow<'_, str>>, BodyError> {
    let mut walker = Walker::new(value, Limits::default())?;
    let mut further = Further::default();
    let mut depth = 0_usize;
    while let Some(token) = walker.next_token()? {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth = depth.saturating_add(1),
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
            Token::String(name) if depth == 1 && further.in_array => {
                further.add(name.decode())?;
                continue;
            }
            // The name of a stored configuration, alone or where a target is described.
            _ if depth == 0 => return Err(BodyError::NotAnObject),
            _ => {}
        }
        further.see(&token)?;
    }
    Ok(further.into_names())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Result<String, BodyError> {
        further_models(body.as_bytes(), Limits::default()).map(|names| names.join(" "))
    }

    #[test]
    fn models_are_found_where_protocols_name_them() {
        for (body, found) in [
            (r#"{"model":"own","fallbacks":["a","b\/c"]}"#, "a b/c"),
            (
                r#"{"fallbacks":[{"model":"a","messages":[{"content":"x"}],"n":1}]}"#,
                "a",
            ),
            (r#"{"fallbacks":[{"own":["a","b"]}]}"#, "a b"),
            (r#"{"context_window_fallbacks":[{"own":["a"]}]}"#, "a"),
            (r#"{"models":["a"],"route":"fallback","models":null}"#, "a"),
            (
                r#"{"plugins":[{"id":"fusion","analysis_models":["a","b"],"model":"c"}]}"#,
                "a b c",
            ),
            (
                r#"{"tools":[{"type":"image_generation","model":"a","size":"auto"}]}"#,
                "a",
            ),
            (
                r#"{"tools":[{"type":"advisor","name":"advisor","model":"a"}]}"#,
                "a",
            ),
            (
                r#"{"tools":[{"type":"openrouter:fusion","parameters":{"analysis_models":["a"]}}]}"#,
                "a",
            ),
            (
                r#"{"method":{"reinforcement":{"grader":{"type":"multi","graders":{"x":{"model":"a"}}}}}}"#,
                "a",
            ),
            (
                r#"{"data_sources":[{"parameters":{"embedding_dependency":{"type":"deployment_name","deployment_name":"a"}}}]}"#,
                "a",
            ),
            (
                r#"{"dataSources":[{"parameters":{"embeddingDeploymentName":"a"}}]}"#,
                "a",
            ),
            (
                r#"{"generationConfig":{"routingConfig":{"manualMode":{"modelName":"a"}}}}"#,
                "a",
            ),
            (
                r#"{"compound_custom":{"models":{"answering_model":"a","reasoning_model":"b"}}}"#,
                "a b",
            ),
            (r#"{"draft_model":"a","lora_path":"b"}"#, "a b"),
            (
                r#"{"user_config":{"model_list":[{"model_name":"a","litellm_params":{"model":"b","api_key":"k"}}]}}"#,
                "a b",
            ),
            (
                r#"{"x":{"Mod\u0065l":"a","mo\u200bdel":"b","model\u0000x":"c"}}"#,
                "a b c",
            ),
            (r#"{"x":{"model":{"name":"a"}}}"#, "a"),
        ] {
            assert_eq!(names(body), Ok(found.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_a_model_reads_names_none() {
        for body in [
            r#"{"model":"own","messages":[{"content":[{"input":{"model":"S"},"model":"x"}]}]}"#,
            r#"{"MODEL":"own","Model":["own"],"model":null}"#,
            r#"{"input":[{"model":"x"}],"metadata":{"model":"x"},"prompt":{"variables":{"model":"x"}}}"#,
            r#"{"tools":[{"function":{"parameters":{"properties":{"model":{"enum":["x"]}},"required":["model"]}}}]}"#,
            r#"{"response_format":{"json_schema":{"schema":{"$defs":{"car":{"properties":{"model":{"const":"x"}}}}}}}}"#,
            r#"{"tools":[{"type":"mcp","headers":{"X-Model":"x"}}]}"#,
            r#"{"disable_fallbacks":true,"model_version":"x","tools":[{"model":null}],"fallbacks":[]}"#,
            r#"["model","x"]"#,
        ] {
            assert_eq!(names(body), Ok(String::new()), "{body}");
        }
    }

    #[test]
    fn a_choice_that_cannot_be_read_is_refused() {
        for body in [
            r#"{"fallbacks":[{"own":"a"}]}"#,
            r#"{"fallbacks":[{"model":"a","api_key":"k"}]}"#,
            r#"{"models":{"own":"a"}}"#,
            r#"{"models":[1]}"#,
            r#"{"models":[""]}"#,
            r#"{"plugins":[{"id":"auto-router","allowed_models":["anthropic/*"]}]}"#,
            r#"{"tools":[{"model":"a\u0000"}]}"#,
        ] {
            assert_eq!(names(body), Err(BodyError::ModelNotAName), "{body}");
        }
        let many = format!(
            r#"{{"models":[{}]}}"#,
            vec![r#""m""#; MOST_MODELS + 1].join(",")
        );
        assert_eq!(names(&many), Err(BodyError::ModelNotAName));
        assert!(matches!(names(r#"{"tools":["#), Err(BodyError::NotJson(_))));
    }

    #[test]
    fn routers_are_told_models_in_lists_and_objects() {
        let told =
            |value: &'static str| models_of_routing(value.as_bytes()).map(|names| names.join(" "));
        for (value, found) in [
            (r#"["a", "b"]"#, "a b"),
            (r#"{"retry":{"attempts":3},"cache":{"mode":"simple"}}"#, ""),
            (r#"{"override_params":{"model":"a"}}"#, "a"),
            (
                r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","override_params":{"model":"a"}},{"targets":[{"overrideParams":{"model":"b"}}]}]}"#,
                "a b",
            ),
            (
                r#"[{"target-url":"https://a.test","headers":{"x":"y"},"onCodes":[500],"bodyKeyOverride":{"model":"a"}}]"#,
                "a",
            ),
        ] {
            assert_eq!(told(value), Ok(found.to_owned()), "{value}");
        }
        for value in ["pc-main-1", r#""a""#, "", "[1", r#"{"models":{"a":"b"}}"#] {
            assert!(told(value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_words_are_sorted_for_the_search() {
        assert!(DATA.is_sorted());
    }
}
