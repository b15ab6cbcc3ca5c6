//! Another model, and another version of it, written into a request as its own protocol writes
//! them.
//!
//! [`Wanted::write`] says what becomes of path and headers; [`rename_in_json`] and
//! [`rename_in_form`] replace the model's name in a body and leave every other byte. What a
//! protocol has no word for (a version in OpenAI's API, a variant anywhere but at SageMaker) is
//! [`Inexpressible`]: nothing is rearranged that the grammar does not know. A path that was written
//! is read once more, and must say what was wanted.

use std::borrow::Cow;

use super::body::{BodyError, Stated};
use super::form::field_span;
use super::{Dialect, Model, Path, Route, Selector};
use crate::json::{Edits, Limits, Token, Walker};

/// SageMaker's production variant
/// (`docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html`).
const VARIANT: &str = "x-amzn-sagemaker-target-variant";
/// SageMaker's inference component, in place of a variant (the same page).
const COMPONENT: &str = "x-amzn-sagemaker-inference-component";
/// Azure ML's deployment (`learn.microsoft.com/azure/machine-learning/how-to-invoke-endpoints`).
const DEPLOYMENT: &str = "azureml-model-deployment";

/// The request cannot say this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inexpressible;

/// What becomes of the version that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// It stays as the client has written it.
    Keep,
    /// It goes: the server chooses.
    Drop,
    /// This one is asked for.
    Set(Selector<'a>),
}

/// What a request is to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The name that the server knows the model by; nothing for the one that the client has sent.
    pub model: Option<&'a str>,
    /// Which version of it.
    pub choice: Choice<'a>,
}

/// What must change in a request's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The new path, without query.
    pub path: Option<String>,
    /// Headers that choose the version: set to this, or taken out.
    pub headers: Vec<(&'static str, Option<String>)>,
    /// The name has to be replaced in the body.
    pub in_body: bool,
}

impl Wanted<'_> {
    /// What must change of a request of this method and path, which has this route.
    ///
    /// # Errors
    /// [`Inexpressible`]: the protocol has no word for what is wanted, or a name cannot stand where
    /// names stand in it.
    pub fn write(
        &self,
        method: &[u8],
        path: &Path<'_>,
        route: &Route<'_>,
    ) -> Result<Rewritten, Inexpressible> {
        let mut rewritten = Rewritten::default();
        let mut in_path = self.choice.clone();
        let headers = chosen_by_headers(route);
        if !headers.is_empty() {
            rewritten.headers = self.headers(headers)?;
            in_path = match &self.choice {
                // OpenAI's API at an endpoint has the component in its path.
                Choice::Set(Selector::InferenceComponent(_)) if is_openai(path) => {
                    for (_, value) in &mut rewritten.headers {
                        *value = None;
                    }
                    self.choice.clone()
                }
                Choice::Keep => Choice::Keep,
                Choice::Drop | Choice::Set(_) if has_component(path) => Choice::Drop,
                Choice::Drop | Choice::Set(_) => Choice::Keep,
            };
        }
        match &route.model {
            Model::Named(name) => {
                let model = self.model.unwrap_or(name);
                rewritten.path = renamed(method, path, route, model, &in_path)?;
            }
            Model::InBody(_) | Model::InForm(_) => {
                rewritten.in_body = self.model.is_some();
                no_version(&in_path)?;
            }
            Model::InBatch | Model::HintedInBody(_) | Model::Unnamed => {
                if self.model.is_some() {
                    return Err(Inexpressible);
                }
                no_version(&in_path)?;
            }
        }
        Ok(rewritten)
    }

    /// What becomes of these headers, of which at most one chooses.
    fn headers(
        &self,
        headers: &'static [(&'static str, Selects)],
    ) -> Result<Vec<(&'static str, Option<String>)>, Inexpressible> {
        let selector = match &self.choice {
            Choice::Keep => return Ok(Vec::new()),
            Choice::Drop => None,
            Choice::Set(selector) => Some(selector),
        };
        let written = headers.iter().map(|(header, selects)| {
            let chosen = selector.filter(|selector| selects(selector));
            (*header, chosen.map(|selector| selector.name().to_owned()))
        });
        let written: Vec<_> = written.collect();
        match selector.is_some() && written.iter().all(|(_, value)| value.is_none()) {
            true => Err(Inexpressible),
            false => Ok(written),
        }
    }
}

/// Fails where a version is wanted.
fn no_version(choice: &Choice<'_>) -> Result<(), Inexpressible> {
    match choice {
        Choice::Set(_) => Err(Inexpressible),
        Choice::Keep | Choice::Drop => Ok(()),
    }
}

/// Whether a header of the protocol can say this.
type Selects = fn(&Selector<'_>) -> bool;

/// The headers by which the protocol chooses, and what each can say.
fn chosen_by_headers(route: &Route<'_>) -> &'static [(&'static str, Selects)] {
    match route.dialect {
        Dialect::SageMaker => &[
            (VARIANT, |one| matches!(one, Selector::Variant(_))),
            (COMPONENT, |one| {
                matches!(one, Selector::InferenceComponent(_))
            }),
        ],
        Dialect::AzureMl => &[(DEPLOYMENT, |one| matches!(one, Selector::Deployment(_)))],
        _ => &[],
    }
}

/// The word before an inference component in the paths of OpenAI's API at SageMaker's endpoints.
const COMPONENTS: &str = "inference-components";

/// Whether the path is one of OpenAI's API at an endpoint:
/// `/endpoints/E[/inference-components/C]/openai/v1/…`.
fn is_openai(path: &Path<'_>) -> bool {
    let mut words = path.segments().map(|segment| segment.as_sent());
    let behind = if has_component(path) { 4 } else { 2 };
    words.next() == Some("endpoints") && words.nth(behind - 1) == Some("openai")
}

fn has_component(path: &Path<'_>) -> bool {
    path.segments().nth(2).map(|segment| segment.as_sent()) == Some(COMPONENTS)
}

/// The path with this model and version; nothing if it is the same.
fn renamed(
    method: &[u8],
    path: &Path<'_>,
    route: &Route<'_>,
    model: &str,
    choice: &Choice<'_>,
) -> Result<Option<String>, Inexpressible> {
    let by_header = !chosen_by_headers(route).is_empty();
    let selector = match choice {
        // What a header says is not the path's.
        Choice::Keep if by_header => None,
        Choice::Keep => route.selector.as_ref(),
        Choice::Drop => None,
        Choice::Set(selector) => Some(selector),
    };
    // Of a path of SageMaker's, a choice is about the component in it.
    let names_selector = |path: &Path<'_>, read: &Route<'_>| {
        let component = read.inner_model.as_deref().filter(|_| has_component(path));
        match by_header {
            true => *choice == Choice::Keep || component == selector.map(Selector::name),
            false => read.selector.as_ref() == selector,
        }
    };
    if route.model.name() == Some(model) && names_selector(path, route) {
        return Ok(None);
    }
    let new = path_of(path, route, model, choice).ok_or(Inexpressible)?;
    let again = Path::parse(new.as_bytes()).map_err(|_| Inexpressible)?;
    let read = Route::parse(method, &again).ok_or(Inexpressible)?;
    let as_wanted = read.dialect == route.dialect
        && read.operation == route.operation
        && read.streaming == route.streaming
        && read.model.name() == Some(model)
        && names_selector(&again, &read);
    match as_wanted {
        true => Ok(Some(new)),
        false => Err(Inexpressible),
    }
}

/// The path of this route for another model. What it cannot say is left out, which the second
/// reading finds.
fn path_of(path: &Path<'_>, route: &Route<'_>, model: &str, choice: &Choice<'_>) -> Option<String> {
    let selector = match choice {
        Choice::Keep => route.selector.as_ref(),
        Choice::Drop => None,
        Choice::Set(selector) => Some(selector),
    };
    let mut words: Vec<Cow<'_, str>> = path
        .segments()
        .map(|segment| Cow::Borrowed(segment.as_sent()))
        .collect();
    let name = escaped(model);
    match route.dialect {
        Dialect::OpenInference => {
            let [_, _, old, rest @ ..] = words.as_mut_slice() else {
                return None;
            };
            *old = name.into();
            let is_versioned = matches!(rest, [word, _, ..] if word == "versions");
            let behind = if is_versioned { 5 } else { 3 };
            words.splice(3..behind, versions(selector));
        }
        Dialect::TfServing | Dialect::KserveV1 => {
            let [_, _, rest @ ..] = words.as_slice() else {
                return None;
            };
            let tail = tf_tail(rest)?;
            words.truncate(2);
            words.push(name.into());
            words.extend(versions(selector));
            match tail {
                Tail::Verb(verb) => {
                    let last = words.last_mut()?;
                    *last = format!("{last}:{verb}").into();
                }
                Tail::Metadata => words.push("metadata".into()),
                Tail::None => {}
            }
        }
        Dialect::TorchServe => {
            words.truncate(1);
            words.push(name.into());
            if let Some(Selector::Version(version)) = selector {
                words.push(escaped(version).into());
            }
        }
        Dialect::Vertex => {
            let last = words.last_mut()?;
            let (_, verb) = last.rsplit_once(':')?;
            let version = match selector {
                Some(Selector::Version(version)) => format!("@{}", escaped(version)),
                _ => String::new(),
            };
            *last = format!("{name}{version}:{verb}").into();
        }
        Dialect::Gemini => {
            let [_, collection, last] = words.as_mut_slice() else {
                return None;
            };
            let name = match collection.as_ref() {
                "tunedModels" => escaped(model.strip_prefix("tunedModels/")?),
                _ => name,
            };
            *last = match last.rsplit_once(':') {
                Some((_, verb)) => format!("{name}:{verb}").into(),
                None => name.into(),
            };
        }
        Dialect::SageMaker => {
            *words.get_mut(1)? = name.into();
            let behind = if has_component(path) { 4 } else { 2 };
            match (choice, selector) {
                (Choice::Keep, _) => {}
                (_, Some(Selector::InferenceComponent(component))) => {
                    let component = escaped(component).into();
                    words.splice(2..behind, [COMPONENTS.into(), component]);
                }
                _ => drop(words.drain(2..behind)),
            }
        }
        Dialect::Bedrock => *words.get_mut(1)? = name.into(),
        Dialect::OpenAi => {
            let mut sent = path.segments().map(|segment| segment.as_sent());
            let at = match (sent.next()?, sent.next()?) {
                ("engines", _) => 1,
                ("openai", "deployments") | (_, "engines") => 2,
                (_, "projects") => 6,
                _ => return None,
            };
            *words.get_mut(at)? = name.into();
        }
        // These name models in bodies alone.
        Dialect::AzureMl | Dialect::Anthropic | Dialect::Ollama | Dialect::Cohere => return None,
    }
    Some(words.iter().fold(String::new(), |mut path, word| {
        path.push('/');
        path.push_str(word);
        path
    }))
}

/// `versions/V`, `labels/L` or nothing.
fn versions(selector: Option<&Selector<'_>>) -> Vec<Cow<'static, str>> {
    match selector {
        Some(Selector::Version(version)) => vec!["versions".into(), escaped(version).into()],
        Some(Selector::Label(label)) => vec!["labels".into(), escaped(label).into()],
        _ => Vec::new(),
    }
}

/// What stands behind model and version in TensorFlow Serving's paths.
enum Tail {
    /// `:predict`.
    Verb(String),
    /// `/metadata`.
    Metadata,
    /// Nothing.
    None,
}

/// The end of `M…`, which is what follows `/v1/models/`.
fn tf_tail(words: &[Cow<'_, str>]) -> Option<Tail> {
    let last = words.last()?;
    Some(match last.rsplit_once(':') {
        Some((_, verb)) => Tail::Verb(verb.to_owned()),
        // A model may be called so.
        None if last == "metadata" && words.len() > 1 => Tail::Metadata,
        None => Tail::None,
    })
}

/// A name as one segment of a path: everything but unreserved characters escaped (RFC 3986 section
/// 2.3), and the colon, which Bedrock's names have and no server takes for anything else there.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16);
                text.extend(digit.map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    text
}

/// The body with another name under each of these members of its outermost object, which all name
/// `from`. Nothing if none does.
///
/// # Errors
/// Whatever would let a server read the body otherwise.
pub fn rename_in_json(
    body: &[u8],
    members: &[&str],
    from: &str,
    to: &str,
    limits: Limits,
) -> Result<Option<Vec<u8>>, BodyError> {
    let stated = Stated::parse(body, members, limits)?;
    if stated.models.iter().any(|model| model != from) {
        return Err(BodyError::ModelNotAName);
    }
    let mut walker = Walker::new(body, limits)?;
    let mut edits = Edits::new();
    let (mut depth, mut is_name) = (0_usize, false);
    while let Some(token) = walker.next_token()? {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth = depth.saturating_add(1),
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
            Token::Key(name) => {
                is_name = depth == 1 && members.iter().any(|member| name.equals(member));
                continue;
            }
            Token::String(text) if is_name && depth == 1 => edits.replace_text(text.span(), to),
            _ => {}
        }
        is_name = false;
    }
    Ok((!edits.is_empty()).then(|| edits.apply(body)))
}

/// The same of a form, in which a field names the model. Nothing if it has no such field.
///
/// # Errors
/// Whatever would let a server read the form otherwise, or that the name cannot stand in this form.
pub fn rename_in_form(
    body: &[u8],
    boundary: &str,
    member: &str,
    from: &str,
    to: &str,
) -> Result<Option<Vec<u8>>, BodyError> {
    let Some(span) = field_span(body, boundary, member)? else {
        return Ok(None);
    };
    if body.get(span.clone()) != Some(from.as_bytes()) {
        return Err(BodyError::ModelNotAName);
    }
    let before = body.get(..span.start).unwrap_or_default();
    let after = body.get(span.end..).unwrap_or_default();
    let renamed = [before, to.as_bytes(), after].concat();
    // A name that holds the boundary would end its part.
    let again = field_span(&renamed, boundary, member)?;
    let end = span.start.saturating_add(to.len());
    match again == Some(span.start..end) {
        true => Ok(Some(renamed)),
        false => Err(BodyError::FormUnclear),
    }
}

#[cfg(test)]
#[path = "rewrite/tests.rs"]
mod tests;
