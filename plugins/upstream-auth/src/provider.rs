//! What is known of services: how each wants a key, and what a client could choose or prove there
//! under the gateway's credential.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Anthropic: `x-api-key`; `anthropic-version: 2023-06-01` where a client sends none.
    Anthropic,
    /// AssemblyAI: `authorization` with the bare key.
    Assemblyai,
    /// Online endpoints of Azure Machine Learning: bearer, key or token.
    AzureMl,
    /// Azure OpenAI and Azure AI services: `api-key`; tokens of Entra ID as bearer tokens.
    AzureOpenai,
    /// Amazon Bedrock with an API key: bearer.
    Bedrock,
    /// Cerebras: bearer.
    Cerebras,
    /// Cohere: bearer.
    Cohere,
    /// Databricks model serving: bearer.
    Databricks,
    /// Deepgram: `authorization: Token`.
    Deepgram,
    /// DeepSeek: bearer.
    Deepseek,
    /// ElevenLabs: `xi-api-key`.
    Elevenlabs,
    /// Fireworks AI: bearer.
    Fireworks,
    /// The Gemini API (generativelanguage.googleapis.com): `x-goog-api-key`.
    Gemini,
    /// Groq: bearer.
    Groq,
    /// Hugging Face inference providers and endpoints: bearer.
    Huggingface,
    /// Jina AI: bearer.
    Jina,
    /// Mistral AI: bearer.
    Mistral,
    /// NVIDIA NIM: bearer.
    Nvidia,
    /// OpenAI: bearer.
    Openai,
    /// OpenRouter: bearer.
    Openrouter,
    /// Perplexity: bearer.
    Perplexity,
    /// Replicate: bearer.
    Replicate,
    /// Together AI: bearer.
    Together,
    /// TorchServe with token authorization: bearer, the inference key.
    Torchserve,
    /// Vertex AI: bearer, a token of Google's.
    Vertex,
    /// vLLM with `--api-key`: bearer.
    Vllm,
    /// Voyage AI: bearer.
    Voyage,
    /// xAI: bearer.
    Xai,
}

/// Where a provider wants its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// Name of the header.
    pub header: &'static str,
    /// Scheme before the key.
    pub scheme: Option<&'static str>,
}

/// Where bearer tokens stand (RFC 6750 section 2.1).
pub const BEARER: KeyPlace = KeyPlace {
    header: "authorization",
    scheme: Some("Bearer"),
};

/// A header that holds nothing but the key.
const fn bare(header: &'static str) -> KeyPlace {
    KeyPlace {
        header,
        scheme: None,
    }
}

impl Provider {
    /// Where it wants a key.
    pub const fn key_place(self) -> KeyPlace {
        match self {
            Self::Anthropic => bare("x-api-key"),
            Self::Assemblyai => bare("authorization"),
            Self::AzureOpenai => bare("api-key"),
            Self::Deepgram => KeyPlace {
                header: "authorization",
                scheme: Some("Token"),
            },
            Self::Elevenlabs => bare("xi-api-key"),
            Self::Gemini => bare("x-goog-api-key"),
            _ => BEARER,
        }
    }

    /// Headers by which a client would choose who pays, whose quota counts or which deployment
    /// answers.
    pub const fn choosing_headers(self) -> &'static [&'static str] {
        match self {
            Self::AzureMl => &["azureml-model-deployment"],
            Self::Gemini => &["x-goog-user-project"],
            Self::Huggingface => &["x-hf-bill-to"],
            Self::Openai => &["openai-organization", "openai-project"],
            Self::Vertex => &["x-goog-user-project", "x-vertex-ai-llm-request-type"],
            _ => &[],
        }
    }

    /// Query parameters that it reads as a credential.
    pub const fn key_parameters(self) -> &'static [&'static str] {
        match self {
            Self::AzureOpenai => &["api-key", "subscription-key"],
            Self::Gemini | Self::Vertex => &["key", "access_token", "oauth_token"],
            Self::Deepgram | Self::Assemblyai => &["token"],
            _ => &[],
        }
    }

    /// Beginnings of WebSocket subprotocols (`sec-websocket-protocol`) that carry a credential or
    /// choose who pays: browsers can set no other header.
    pub const fn key_protocols(self) -> &'static [&'static str] {
        match self {
            Self::Openai | Self::AzureOpenai => &[
                "openai-insecure-api-key.",
                "openai-organization.",
                "openai-project.",
            ],
            // The scheme, with the key as the next protocol.
            Self::Deepgram => &["token", "bearer"],
            _ => &[],
        }
    }

    /// Headers that it asks for, with what is sent where a client sends none.
    pub const fn default_headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
            _ => &[],
        }
    }
}
