//! Which model a request asks for, and in whose language: (dialect, operation, model, version,
//! streaming).
//!
//! A request is read in three steps. [`Path::parse`] refuses every path that two servers could read
//! in two ways; after it there is one spelling of each path, so words are compared as they stand.
//! [`Route::parse`] matches method and path with the model servers' grammars (`grammar.rs`).
//! [`Route::with_headers`] and [`Route::with_query`] add what is said there. Where the model is
//! named in the body, [`Model::InBody`] says under which member and [`Stated::parse`] reads it; in
//! forms ([`Model::InForm`]) [`field`] does, and in batches [`models_of_batch`]. Where most servers
//! look at no name and some do, [`Model::HintedInBody`] says where it would be. Bodies name further
//! models ([`Stated::further`]), also where the path names one ([`further_models`]).
//!
//! A path that no grammar knows is no route: that is not an error, but whoever decides on models
//! must not let it pass as one. It cannot tell servers apart that use the same paths:
//! `/v1/models/M:predict` is TensorFlow Serving, KServe V1 and TorchServe alike and is reported as
//! [`Dialect::TfServing`]; `/ping` is reported as [`Dialect::TorchServe`].

mod bedrock;
mod body;
mod chosen;
mod form;
mod further;
mod grammar;
mod path;
mod rewrite;
mod template;

pub use body::{BodyError, Stated, folded, hints_in, is_ignorable, models_of_batch};
pub use form::{boundary, field};
pub use further::further_models;
pub use path::{Path, PathError, Segment};
pub use rewrite::{Choice, Inexpressible, Rewritten, Wanted, rename_in_form, rename_in_json};
pub use template::{Template, TemplateError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The language that client and model server speak: it decides how an error must look.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Open Inference Protocol V2: KServe, Triton, MLServer.
    OpenInference,
    /// KServe V1, where TensorFlow Serving has no such path.
    KserveV1,
    /// TensorFlow Serving's REST API, and what KServe V1 shares with it.
    TfServing,
    /// TorchServe's own API.
    #[serde(rename = "torchserve")]
    TorchServe,
    /// The SageMaker runtime, and `/invocations` of a SageMaker container.
    #[serde(rename = "sagemaker")]
    SageMaker,
    /// The Bedrock runtime.
    Bedrock,
    /// Vertex AI.
    Vertex,
    /// An Azure ML online endpoint.
    AzureMl,
    /// OpenAI's API, by whomever it is served (Azure OpenAI, vLLM, KServe …).
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Ollama's own API.
    Ollama,
    /// Cohere's API.
    Cohere,
    /// The Gemini API.
    Gemini,
}

impl Dialect {
    /// The name that configuration, metrics and audit events use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenInference => "open_inference",
            Self::KserveV1 => "kserve_v1",
            Self::TfServing => "tf_serving",
            Self::TorchServe => "torchserve",
            Self::SageMaker => "sagemaker",
            Self::Bedrock => "bedrock",
            Self::Vertex => "vertex",
            Self::AzureMl => "azure_ml",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::Cohere => "cohere",
            Self::Gemini => "gemini",
        }
    }
}

/// What is asked of the model or of its server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A prediction.
    Infer,
    /// A prediction whose result is stored, not answered.
    InferAsync,
    /// TensorFlow Serving's classify.
    Classify,
    /// TensorFlow Serving's regress.
    Regress,
    /// An explanation of a prediction.
    Explain,
    /// Text from a prompt, in a model server's own shape (Triton generate, Vertex generateContent).
    Generate,
    /// A turn of a conversation.
    Chat,
    /// A legacy text completion.
    Complete,
    /// Embedding vectors.
    Embed,
    /// OpenAI's responses API.
    Respond,
    /// Requests for many answers at once, which are fetched later.
    Batch,
    /// Documents in the order of their relevance.
    Rerank,
    /// Whether an input is harmful.
    Moderate,
    /// Images from a prompt.
    GenerateImage,
    /// Images from images.
    EditImage,
    /// Speech from text.
    Speak,
    /// Text from speech.
    Transcribe,
    /// English text from speech.
    Translate,
    /// How many tokens an input has.
    CountTokens,
    /// The tokens of a text, or the text of tokens.
    Tokenize,
    /// Text from pictures of pages.
    Ocr,
    /// Videos from a prompt.
    GenerateVideo,
    /// A model made from another one by training.
    FineTune,
    /// Bedrock's guardrail, applied alone.
    ApplyGuardrail,
    /// The list of models.
    ListModels,
    /// A model's metadata or status.
    DescribeModel,
    /// Whether one model is ready.
    ModelReady,
    /// The server's metadata.
    DescribeServer,
    /// Whether the server lives.
    ServerLive,
    /// Whether the server is ready.
    ServerReady,
}

impl Operation {
    /// The name that configuration, metrics and audit events use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::InferAsync => "infer_async",
            Self::Classify => "classify",
            Self::Regress => "regress",
            Self::Explain => "explain",
            Self::Generate => "generate",
            Self::Chat => "chat",
            Self::Complete => "complete",
            Self::Embed => "embed",
            Self::Respond => "respond",
            Self::Batch => "batch",
            Self::Rerank => "rerank",
            Self::Moderate => "moderate",
            Self::GenerateImage => "generate_image",
            Self::EditImage => "edit_image",
            Self::Speak => "speak",
            Self::Transcribe => "transcribe",
            Self::Translate => "translate",
            Self::CountTokens => "count_tokens",
            Self::Tokenize => "tokenize",
            Self::Ocr => "ocr",
            Self::GenerateVideo => "generate_video",
            Self::FineTune => "fine_tune",
            Self::ApplyGuardrail => "apply_guardrail",
            Self::ListModels => "list_models",
            Self::DescribeModel => "describe_model",
            Self::ModelReady => "model_ready",
            Self::DescribeServer => "describe_server",
            Self::ServerLive => "server_live",
            Self::ServerReady => "server_ready",
        }
    }
}

/// Where the model's name is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Model<'a> {
    /// Here: a model, an endpoint, a deployment. Decoded.
    Named(Cow<'a, str>),
    /// In the JSON body, under one of these top-level members; where several are there, each
    /// counts.
    InBody(&'static [&'static str]),
    /// In the body, which is JSON, or a form (`multipart/form-data`) with a field of this name.
    InForm(&'static str),
    /// In the JSON body, one for each request of a batch.
    InBatch,
    /// Nowhere in most servers that have such a path, which serve one model; but some read this
    /// member of a JSON body. It is a hint ([`Route::hints`]).
    HintedInBody(&'static str),
    /// Nowhere: the host serves one model, or the operation is not about a model.
    Unnamed,
}

impl Model<'_> {
    /// The name, where method, path and headers say it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::InBody(_)
            | Self::InForm(_)
            | Self::InBatch
            | Self::HintedInBody(_)
            | Self::Unnamed => None,
        }
    }
}

/// Which of a model's incarnations answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selector<'a> {
    /// A version, often a number.
    Version(Cow<'a, str>),
    /// TensorFlow Serving's label of a version.
    Label(Cow<'a, str>),
    /// SageMaker's production variant.
    Variant(Cow<'a, str>),
    /// Azure ML's deployment behind an endpoint.
    Deployment(Cow<'a, str>),
    /// SageMaker's inference component at an endpoint. It is only ever asked for
    /// ([`Wanted`]); of a request it is the [`Route::inner_model`].
    InferenceComponent(Cow<'a, str>),
}

impl Selector<'_> {
    /// The version, label, variant, deployment or component.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Version(name)
            | Self::Label(name)
            | Self::Variant(name)
            | Self::Deployment(name)
            | Self::InferenceComponent(name) => name,
        }
    }
}

/// Whether the answer is a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Streaming {
    /// One whole answer.
    No,
    /// A stream of events.
    Yes,
    /// The body's `stream` member says it.
    InBody,
}

/// A request to a model server, as far as method, path and headers tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// In whose language.
    pub dialect: Dialect,
    /// What is asked.
    pub operation: Operation,
    /// Of which model.
    pub model: Model<'a>,
    /// Of which version of it.
    pub selector: Option<Selector<'a>>,
    /// The model inside an endpoint of many: SageMaker's target model, inference component or
    /// container, Azure ML's deployment.
    pub inner_model: Option<Cow<'a, str>>,
    /// Further names of models that some server may go by: see `chosen.rs`.
    pub hints: Vec<Cow<'a, str>>,
    /// Headers that tell a router what to do: [`Route::routed`] reads them.
    pub routing: Vec<&'a str>,
    /// The path names the model, and a JSON body may name further ones ([`further_models`]).
    pub further_in_body: bool,
    /// How the answer comes.
    pub streaming: Streaming,
}

/// A header that names a model or a version is sent twice, contradicts another, or is not visible
/// ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmbiguousHeader {
    /// The header's name.
    pub name: &'static str,
}

impl<'a> Route<'a> {
    /// Reads method and path; nothing if no model server's grammar has them.
    #[must_use]
    pub fn parse(method: &[u8], path: &Path<'a>) -> Option<Self> {
        grammar::parse(method, path)
    }
}

#[cfg(test)]
#[path = "route/tests.rs"]
mod tests;
