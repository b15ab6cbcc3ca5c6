//! The model servers' grammars, one function each, tried in turn.
//!
//! Sources: Open Inference Protocol V2; Triton's, TensorFlow Serving's, KServe's and TorchServe's
//! REST pages; the botocore models of `sagemaker-runtime` and `bedrock-runtime`, and SageMaker's
//! pages on containers of many models and on OpenAI's API; Vertex AI's, the Gemini API's, Azure's,
//! OpenAI's, Mistral's, vLLM's, LiteLLM's, Anthropic's, Cohere's and Ollama's references.
//!
//! Left out on purpose, and so no route: what changes models (TorchServe's registration, KServe's
//! and Triton's `/v2/repository/models/…`, Ollama's pull, create, copy and delete); what names its
//! model by something that was stored before (files of batches, assistants, agents, conversations,
//! cached contents); sessions over WebSocket; and the own paths of TGI, TEI and SGLang
//! (`/generate`, `/embed`), which name adapters in ways of their own.

use super::path::decoded;
use super::{Dialect, Model, Operation, Path, Route, Selector, Streaming};

/// The longest path of any grammar has nine segments.
const MOST_SEGMENTS: usize = 10;

pub(super) fn parse<'a>(method: &[u8], path: &Path<'a>) -> Option<Route<'a>> {
    let method = match method {
        b"GET" | b"HEAD" => Method::Read,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        _ => return None,
    };
    let mut words = [""; MOST_SEGMENTS];
    let mut count = 0_usize;
    for segment in path.segments() {
        *words.get_mut(count)? = segment.as_sent();
        count += 1;
    }
    let words = words.get(..count)?;
    if words.last() == Some(&"") {
        return None;
    }
    open_inference(method, words)
        .or_else(|| openai(method, words))
        .or_else(|| anthropic(method, words))
        .or_else(|| cohere(method, words))
        .or_else(|| ollama(method, words))
        .or_else(|| tf_serving(method, words))
        .or_else(|| sagemaker(method, words))
        .or_else(|| bedrock(method, words))
        .or_else(|| vertex(method, words))
        .or_else(|| gemini(method, words))
        .or_else(|| torchserve(method, words))
}

/// The body names the model as nearly everybody does.
const MODEL: Model<'static> = Model::InBody(&["model"]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// GET or HEAD.
    Read,
    Post,
    Put,
}

fn route(dialect: Dialect, operation: Operation, model: Model<'_>) -> Route<'_> {
    Route {
        dialect,
        operation,
        model,
        selector: None,
        inner_model: None,
        hints: Vec::new(),
        routing: Vec::new(),
        further_in_body: false,
        streaming: Streaming::No,
    }
}

/// The name that a whole segment is.
fn named(word: &str) -> Model<'_> {
    Model::Named(decoded(word))
}

impl<'a> Route<'a> {
    fn select(mut self, selector: Option<Selector<'a>>) -> Self {
        self.selector = selector;
        self
    }

    fn stream(mut self, streaming: Streaming) -> Self {
        self.streaming = streaming;
        self
    }
}

/// `name:verb`. Nothing if a colon of the name is escaped: servers that decode first would split
/// elsewhere.
fn verb(word: &str) -> Option<(&str, &str)> {
    word.rsplit_once(':')
        .filter(|(name, _)| !name.is_empty() && !escaped(word, b"%3a"))
}

fn escaped(word: &str, escape: &[u8; 3]) -> bool {
    word.as_bytes()
        .windows(3)
        .any(|three| three.eq_ignore_ascii_case(escape))
}

fn open_inference<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let server = |operation| Some(route(Dialect::OpenInference, operation, Model::Unnamed));
    let (&first, rest) = words.split_first()?;
    if first != "v2" {
        return None;
    }
    let (model, selector, action) = match *rest {
        [] if method == Method::Read => return server(Operation::DescribeServer),
        ["health", "live"] if method == Method::Read => return server(Operation::ServerLive),
        ["health", "ready"] if method == Method::Read => return server(Operation::ServerReady),
        // Triton: of all models.
        ["models"] | ["models", "stats"] if method == Method::Read => {
            return server(Operation::ListModels);
        }
        // Triton, MLServer: of all models too, loaded or not.
        ["repository", "index"] if method == Method::Post => {
            return server(Operation::ListModels);
        }
        ["models", model] => (model, None, ""),
        ["models", model, "versions", version] => (model, Some(version), ""),
        ["models", model, action] => (model, None, action),
        ["models", model, "versions", version, action] => (model, Some(version), action),
        _ => return None,
    };
    let (operation, streaming) = match (method, action) {
        // The last two are Triton's.
        (Method::Read, "" | "config" | "stats") => (Operation::DescribeModel, Streaming::No),
        (Method::Read, "ready") => (Operation::ModelReady, Streaming::No),
        (Method::Post, "infer") => (Operation::Infer, Streaming::No),
        (Method::Post, "generate") => (Operation::Generate, Streaming::No),
        (Method::Post, "generate_stream") => (Operation::Generate, Streaming::Yes),
        _ => return None,
    };
    let selector = selector.map(|version| Selector::Version(decoded(version)));
    Some(
        route(Dialect::OpenInference, operation, named(model))
            .select(selector)
            .stream(streaming),
    )
}

/// What follows `/v1` in OpenAI's API, where the body names the model.
fn openai_operation(words: &[&str]) -> Option<(Operation, Streaming)> {
    Some(match *words {
        ["chat", "completions"] => (Operation::Chat, Streaming::InBody),
        ["completions"] => (Operation::Complete, Streaming::InBody),
        ["responses"] => (Operation::Respond, Streaming::InBody),
        ["responses", "compact"] => (Operation::Respond, Streaming::No),
        ["responses", "input_tokens"] => (Operation::CountTokens, Streaming::No),
        ["embeddings"] => (Operation::Embed, Streaming::No),
        ["moderations"] => (Operation::Moderate, Streaming::No),
        ["rerank"] => (Operation::Rerank, Streaming::No),
        ["images", "generations"] => (Operation::GenerateImage, Streaming::InBody),
        ["images", "edits" | "variations"] => (Operation::EditImage, Streaming::InBody),
        ["audio", "speech"] => (Operation::Speak, Streaming::InBody),
        ["audio", "transcriptions"] => (Operation::Transcribe, Streaming::InBody),
        ["audio", "translations"] => (Operation::Translate, Streaming::No),
        ["videos"] | ["video", "generations", "jobs"] => (Operation::GenerateVideo, Streaming::No),
        ["fine_tuning", "jobs"] => (Operation::FineTune, Streaming::No),
        // Mistral's.
        ["fim", "completions"] => (Operation::Complete, Streaming::InBody),
        ["ocr"] => (Operation::Ocr, Streaming::No),
        ["classifications"] | ["chat", "classifications"] => (Operation::Classify, Streaming::No),
        ["chat", "moderations"] => (Operation::Moderate, Streaming::No),
        // vLLM's.
        ["pooling"] => (Operation::Embed, Streaming::No),
        _ => return None,
    })
}

/// What vLLM has under one of the two only: without `/v1`, or with it.
fn vllm_operation(words: &[&str]) -> Option<Operation> {
    Some(match *words {
        ["tokenize" | "detokenize"] => Operation::Tokenize,
        ["classify"] => Operation::Classify,
        ["v1", "score"] => Operation::Rerank,
        _ => return None,
    })
}

/// Whether the operation takes uploads.
const fn takes_forms(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::EditImage
            | Operation::Transcribe
            | Operation::Translate
            | Operation::GenerateVideo
    )
}

fn anthropic<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    // With its name in front: Microsoft Foundry and Bedrock.
    let (["v1", ref rest @ ..] | ["anthropic", "v1", ref rest @ ..]) = *words else {
        return None;
    };
    if method != Method::Post {
        return None;
    }
    let (operation, model, streaming) = match *rest {
        ["messages"] => (Operation::Chat, MODEL, Streaming::InBody),
        ["complete"] => (Operation::Complete, MODEL, Streaming::InBody),
        ["messages", "count_tokens"] => (Operation::CountTokens, MODEL, Streaming::No),
        ["messages", "batches"] => (Operation::Batch, Model::InBatch, Streaming::No),
        _ => return None,
    };
    Some(route(Dialect::Anthropic, operation, model).stream(streaming))
}

fn cohere<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let ["v1" | "v2", ref rest @ ..] = *words else {
        return None;
    };
    let (operation, streaming) = match *rest {
        ["chat"] => (Operation::Chat, Streaming::InBody),
        ["generate"] => (Operation::Generate, Streaming::InBody),
        ["embed"] => (Operation::Embed, Streaming::No),
        ["rerank"] => (Operation::Rerank, Streaming::No),
        ["classify"] => (Operation::Classify, Streaming::No),
        ["tokenize" | "detokenize"] => (Operation::Tokenize, Streaming::No),
        ["embed-jobs"] => (Operation::Batch, Streaming::No),
        _ => return None,
    };
    (method == Method::Post).then(|| route(Dialect::Cohere, operation, MODEL).stream(streaming))
}

fn ollama<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let ["api", action] = *words else {
        return None;
    };
    let (operation, model, streaming) = match (method, action) {
        (Method::Read, "tags" | "ps") => (Operation::ListModels, Model::Unnamed, Streaming::No),
        (Method::Read, "version") => (Operation::DescribeServer, Model::Unnamed, Streaming::No),
        (Method::Post, "chat") => (Operation::Chat, MODEL, Streaming::InBody),
        (Method::Post, "generate") => (Operation::Generate, MODEL, Streaming::InBody),
        (Method::Post, "embed" | "embeddings") => (Operation::Embed, MODEL, Streaming::No),
        // `name` is the member's former name, and still taken where the other is empty.
        (Method::Post, "show") => (
            Operation::DescribeModel,
            Model::InBody(&["model", "name"]),
            Streaming::No,
        ),
        _ => return None,
    };
    Some(route(Dialect::Ollama, operation, model).stream(streaming))
}

/// What follows the address that clients of OpenAI's API are given, and where the model is named.
fn openai_base<'w, 'a>(method: Method, words: &'w [&'a str]) -> (&'w [&'a str], Model<'a>) {
    let (rest, model) = match *words {
        // Azure OpenAI; OpenAI's first API, LiteLLM.
        ["openai", "deployments", name, ref rest @ ..]
        | ["engines", name, ref rest @ ..]
        | ["v1", "engines", name, ref rest @ ..] => (rest, named(name)),
        // `…/endpoints/openapi` of Vertex AI serves many models, others have one.
        [
            "v1" | "v1beta1",
            "projects",
            _,
            "locations",
            _,
            "endpoints",
            name,
            ref rest @ ..,
        ] => {
            let model = if name == "openapi" {
                MODEL
            } else {
                named(name)
            };
            (rest, model)
        }
        // OpenAI's own; Groq, KServe, Azure, Bedrock; OpenRouter; Fireworks; Cohere; Alibaba; the
        // Gemini API.
        ["v1", ref rest @ ..]
        | ["openai", "v1", ref rest @ ..]
        | ["api", "v1", ref rest @ ..]
        | ["inference", "v1", ref rest @ ..]
        | ["compatibility", "v1", ref rest @ ..]
        | ["compatible-mode", "v1", ref rest @ ..]
        | ["v1beta", "openai", ref rest @ ..] => (rest, MODEL),
        // Azure AI's inference endpoint.
        ["models", ref rest @ ..] if method == Method::Post => (rest, MODEL),
        // GitHub Models; DeepSeek; Azure OpenAI without a version in the path.
        ["inference" | "beta" | "openai", ref rest @ ..] => (rest, MODEL),
        // LiteLLM, DeepSeek, Perplexity, vLLM.
        ref rest => (rest, MODEL),
    };
    (rest, model)
}

fn openai<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let (rest, model) = openai_base(method, words);
    if method == Method::Read {
        return (model == MODEL && matches!(*rest, ["models"]))
            .then(|| route(Dialect::OpenAi, Operation::ListModels, Model::Unnamed));
    }
    if method != Method::Post {
        return None;
    }
    if let Some(operation) = vllm_operation(words) {
        return Some(route(Dialect::OpenAi, operation, MODEL));
    }
    let (operation, streaming) = openai_operation(rest)?;
    let model = match model {
        Model::InBody(_) if takes_forms(operation) => Model::InForm("model"),
        model => model,
    };
    let further_in_body = matches!(model, Model::Named(_)) && !takes_forms(operation);
    Some(Route {
        further_in_body,
        ..route(Dialect::OpenAi, operation, model).stream(streaming)
    })
}

fn tf_serving<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let ["v1", "models", ref rest @ ..] = *words else {
        return None;
    };
    if method == Method::Read {
        let rest = match *rest {
            [ref rest @ .., "metadata"] => rest,
            ref rest => rest,
        };
        let (model, selector) = tf_model(rest)?;
        return Some(
            route(Dialect::TfServing, Operation::DescribeModel, named(model)).select(selector),
        );
    }
    let (last, before) = rest.split_last()?;
    let (name, verb) = verb(last)?;
    let (dialect, operation) = match (method, verb) {
        (Method::Post, "predict") => (Dialect::TfServing, Operation::Infer),
        (Method::Post, "classify") => (Dialect::TfServing, Operation::Classify),
        (Method::Post, "regress") => (Dialect::TfServing, Operation::Regress),
        (Method::Post, "explain") => (Dialect::KserveV1, Operation::Explain),
        _ => return None,
    };
    let (model, selector) = match *before {
        [] => (name, None),
        [model, kind] => tf_model(&[model, kind, name])?,
        _ => return None,
    };
    Some(route(dialect, operation, named(model)).select(selector))
}

/// `M`, `M/versions/V` or `M/labels/L`.
fn tf_model<'a>(words: &[&'a str]) -> Option<(&'a str, Option<Selector<'a>>)> {
    Some(match *words {
        [model] => (model, None),
        [model, "versions", version] => (model, Some(Selector::Version(decoded(version)))),
        [model, "labels", label] => (model, Some(Selector::Label(decoded(label)))),
        _ => return None,
    })
}

fn sagemaker<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    if method != Method::Post {
        return None;
    }
    // Containers and deployments serve one model; vLLM and SGLang, which have these paths too, read
    // a name.
    let hinted = Model::HintedInBody("model");
    let (endpoint, component, action) = match *words {
        ["invocations"] => return Some(route(Dialect::SageMaker, Operation::Infer, hinted)),
        ["score"] => return Some(route(Dialect::AzureMl, Operation::Infer, hinted)),
        // A container of many models.
        ["models", model, "invoke"] => {
            return Some(route(Dialect::SageMaker, Operation::Infer, named(model)));
        }
        [
            "endpoints",
            endpoint,
            "inference-components",
            component,
            ref action @ ..,
        ] if matches!(*action, ["openai", ..]) => (endpoint, Some(component), action),
        ["endpoints", endpoint, ref action @ ..] => (endpoint, None, action),
        _ => return None,
    };
    let (operation, streaming) = match *action {
        ["invocations"] => (Operation::Infer, Streaming::No),
        ["async-invocations"] => (Operation::InferAsync, Streaming::No),
        ["invocations-response-stream" | "invocations-bidirectional-stream"] => {
            (Operation::Infer, Streaming::Yes)
        }
        ["openai", "v1", ref rest @ ..] => openai_operation(rest)?,
        _ => return None,
    };
    if !endpoint_name(endpoint) || !component.is_none_or(endpoint_name) {
        return None;
    }
    let mut route = route(Dialect::SageMaker, operation, named(endpoint)).stream(streaming);
    route.inner_model = component.map(decoded);
    Some(route)
}

/// `^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`, at most 63.
fn endpoint_name(word: &str) -> bool {
    let bytes = word.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn bedrock<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    if method != Method::Post {
        return None;
    }
    let (model, action) = match *words {
        ["model", model, action] => (model, action),
        ["async-invoke"] => {
            return Some(route(
                Dialect::Bedrock,
                Operation::InferAsync,
                Model::InBody(&["modelId"]),
            ));
        }
        ["guardrail", _, "version", _, "apply"] | ["guardrail-checks", "invoke"] => {
            return Some(route(
                Dialect::Bedrock,
                Operation::ApplyGuardrail,
                Model::Unnamed,
            ));
        }
        _ => return None,
    };
    let (operation, streaming) = super::bedrock::action(action)?;
    Some(route(Dialect::Bedrock, operation, named(model)).stream(streaming))
}

fn vertex<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let ["v1" | "v1beta1", ref rest @ ..] = *words else {
        return None;
    };
    let last = match *rest {
        ["projects", _, "locations", _, "endpoints", last]
        | [
            "projects",
            _,
            "locations",
            _,
            "publishers",
            _,
            "models",
            last,
        ]
        | ["publishers", _, "models", last] => last,
        _ => return None,
    };
    let (name, verb) = verb(last)?;
    let (operation, streaming) = match verb {
        "predict" | "rawPredict" | "directPredict" | "directRawPredict" => {
            (Operation::Infer, Streaming::No)
        }
        "streamRawPredict" | "serverStreamingPredict" => (Operation::Infer, Streaming::Yes),
        "predictLongRunning" => (Operation::InferAsync, Streaming::No),
        "explain" => (Operation::Explain, Streaming::No),
        "generateContent" => (Operation::Generate, Streaming::No),
        "streamGenerateContent" => (Operation::Generate, Streaming::Yes),
        "countTokens" => (Operation::CountTokens, Streaming::No),
        "computeTokens" => (Operation::Tokenize, Streaming::No),
        "embedContent" => (Operation::Embed, Streaming::No),
        _ => return None,
    };
    if method != Method::Post {
        return None;
    }
    // Publishers' models are versioned with an at sign: `claude-3-haiku@20240307`.
    if escaped(name, b"%40") {
        return None;
    }
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(Selector::Version(decoded(version)))),
        None => (name, None),
    };
    Some(Route {
        // A router: `generationConfig.routingConfig`.
        further_in_body: operation == Operation::Generate,
        ..route(Dialect::Vertex, operation, named(name))
            .select(version)
            .stream(streaming)
    })
}

/// Tuned models are named with their collection: nobody allows one by a name that a model has.
fn gemini<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let ["v1" | "v1beta" | "v1alpha", collection, ref rest @ ..] = *words else {
        return None;
    };
    let own = |name: &'a str| match collection {
        "models" => Some(named(name)),
        "tunedModels" => Some(Model::Named(
            format!("tunedModels/{}", decoded(name)).into(),
        )),
        _ => None,
    };
    let to = |operation, model| Some(route(Dialect::Gemini, operation, model));
    match (method, rest) {
        (Method::Post, []) if collection == "interactions" => {
            return Some(
                route(
                    Dialect::Gemini,
                    Operation::Respond,
                    Model::InBody(&["model", "agent"]),
                )
                .stream(Streaming::InBody),
            );
        }
        (Method::Read, []) if matches!(collection, "models" | "tunedModels") => {
            return to(Operation::ListModels, Model::Unnamed);
        }
        (Method::Read, [name]) => return to(Operation::DescribeModel, own(name)?),
        _ => {}
    }
    let (Method::Post, [last]) = (method, rest) else {
        return None;
    };
    let (name, verb) = verb(last)?;
    let (operation, streaming) = match verb {
        "generateContent" | "generateAnswer" => (Operation::Generate, Streaming::No),
        "streamGenerateContent" => (Operation::Generate, Streaming::Yes),
        "countTokens" => (Operation::CountTokens, Streaming::No),
        // Of a batch, every request must name the model of the path.
        "embedContent" | "batchEmbedContents" => (Operation::Embed, Streaming::No),
        "predict" => (Operation::Infer, Streaming::No),
        "predictLongRunning" => (Operation::InferAsync, Streaming::No),
        _ => return None,
    };
    Some(route(Dialect::Gemini, operation, own(name)?).stream(streaming))
}

fn torchserve<'a>(method: Method, words: &[&'a str]) -> Option<Route<'a>> {
    let (operation, model, version) = match *words {
        ["ping"] if method == Method::Read => {
            return Some(route(
                Dialect::TorchServe,
                Operation::ServerLive,
                Model::Unnamed,
            ));
        }
        ["models", model] if method == Method::Read => {
            let model = named(model);
            return Some(route(Dialect::TorchServe, Operation::DescribeModel, model));
        }
        ["predictions" | "wfpredict", model] => (Operation::Infer, model, None),
        ["predictions", model, version] => (Operation::Infer, model, Some(version)),
        ["explanations", model] => (Operation::Explain, model, None),
        ["explanations", model, version] => (Operation::Explain, model, Some(version)),
        _ => return None,
    };
    let selector = version.map(|version| Selector::Version(decoded(version)));
    (method != Method::Read)
        .then(|| route(Dialect::TorchServe, operation, named(model)).select(selector))
}
