//! What headers and the query say of the model: SageMaker's and Azure ML's own headers, and names
//! that some server or gateway between us and the model may go by.
//!
//! The first kind is part of the protocol: it fills [`Route::selector`] and [`Route::inner_model`],
//! and must have one reading. The second ([`Route::hints`]) is only there in some installations, so
//! nothing is taken from it but doubt: whoever allows models looks at these names as well. So it is
//! with what a client tells a router ([`Route::routed`]); a router that keeps the configuration
//! itself is told no name, and then the model is unknown.

use std::borrow::Cow;

use super::further::models_of_routing;
use super::{AmbiguousHeader, Dialect, Route, Selector};
use crate::headers::reads_as;
use crate::query::{behind_semicolons, parameters};

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// SageMaker's production variant: a version of the endpoint's model.
    Variant,
    /// The model, component or container inside a SageMaker endpoint; there is one at most.
    Inner,
    /// `tfs-model-name=NAME` among others: SageMaker's TensorFlow Serving container goes by it.
    Attributes,
    /// Azure ML's deployment, which is the model and its version at once.
    Deployment,
    /// A name that somebody may go by.
    Hint,
    /// What a router is to do, in JSON, or the name of a configuration that it keeps.
    Routing,
}

/// `docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html`; the
/// adapter's is what LMI containers read.
const SAGEMAKER: [(&str, Says); 6] = [
    ("x-amzn-sagemaker-target-variant", Says::Variant),
    ("x-amzn-sagemaker-target-model", Says::Inner),
    ("x-amzn-sagemaker-inference-component", Says::Inner),
    ("x-amzn-sagemaker-target-container-hostname", Says::Inner),
    ("x-amzn-sagemaker-custom-attributes", Says::Attributes),
    ("x-amzn-sagemaker-adapter-identifier", Says::Hint),
];
const AZURE_ML: [(&str, Says); 1] = [("azureml-model-deployment", Says::Deployment)];
/// Seldon Core 2; ModelMesh; Ray Serve; the Gateway API's inference extension; Envoy AI Gateway;
/// vLLM's semantic router; Azure AI; Azure OpenAI's tool for images; LiteLLM's files; Higress; and
/// what home-made routers call it. Then the instructions of Portkey and Helicone.
const ANYWHERE: [(&str, Says); 22] = [
    ("seldon-model", Says::Hint),
    ("seldon-internal-model", Says::Hint),
    ("mm-model-id", Says::Hint),
    ("mm-vmodel-id", Says::Hint),
    ("serve_multiplexed_model_id", Says::Hint),
    ("x-gateway-model-name", Says::Hint),
    ("x-gateway-model-name-rewrite", Says::Hint),
    ("x-ai-eg-model", Says::Hint),
    ("x-selected-model", Says::Hint),
    ("x-ms-model-mesh-model-name", Says::Hint),
    ("azureml-model-deployment", Says::Hint),
    ("x-ms-oai-image-generation-deployment", Says::Hint),
    ("model", Says::Hint),
    ("x-model", Says::Hint),
    ("x-model-id", Says::Hint),
    ("x-model-name", Says::Hint),
    ("x-litellm-model", Says::Hint),
    ("x-higress-llm-model", Says::Hint),
    ("x-llm-model", Says::Hint),
    ("x-target-model", Says::Hint),
    ("x-portkey-config", Says::Routing),
    ("helicone-fallbacks", Says::Routing),
];
/// Query parameters, however their words are joined.
const PARAMETERS: [&str; 5] = ["model", "model-id", "modelid", "model-name", "modelname"];

/// For each length of the names above the letters that such names end in, one bit each: most
/// headers are told apart by it.
const ENDINGS: [u32; 64] = endings(&[&SAGEMAKER, &AZURE_ML, &ANYWHERE]);
/// Most names that may be hinted at.
const MOST_HINTS: usize = 16;

const fn endings(tables: &[&[(&str, Says)]]) -> [u32; 64] {
    let mut all = [0; 64];
    let mut tables = tables;
    while let [table, others @ ..] = tables {
        let mut rest: &[(&str, Says)] = table;
        while let [(name, _), others @ ..] = rest {
            if let [.., last] = name.as_bytes() {
                // Every name is shorter; a longer one would not compile.
                #[allow(clippy::indexing_slicing)]
                {
                    all[name.len()] |= letter(*last);
                }
            }
            rest = others;
        }
        tables = others;
    }
    all
}

/// The bit of a letter, in either case; none for what is no letter.
const fn letter(byte: u8) -> u32 {
    match byte | 0x20 {
        letter @ b'a'..=b'z' => 1 << (letter - b'a'),
        _ => 0,
    }
}

impl<'a> Route<'a> {
    /// Adds the version, inner model and hints that headers name. Names that a server may read as
    /// one of these count as it.
    ///
    /// # Errors
    /// If a header of the protocol is repeated, a list, empty or not visible ASCII, or if an inner
    /// model is named in two ways: what the server would choose then cannot be known.
    pub fn with_headers(
        mut self,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, AmbiguousHeader> {
        let own: &[(&'static str, Says)] = match self.dialect {
            Dialect::SageMaker => &SAGEMAKER,
            Dialect::AzureMl => &AZURE_ML,
            _ => &[],
        };
        for (name, value) in headers {
            let known = name.last().is_some_and(|last| {
                let endings = ENDINGS.get(name.len()).copied().unwrap_or_default();
                endings & letter(*last) != 0
            });
            if !known {
                continue;
            }
            let found = own
                .iter()
                .chain(&ANYWHERE)
                .find(|(known, _)| reads_as(name, known.as_bytes()));
            if let Some((name, says)) = found {
                self.add(name, *says, value)?;
            }
        }
        Ok(self)
    }

    fn add(
        &mut self,
        name: &'static str,
        says: Says,
        value: &'a [u8],
    ) -> Result<(), AmbiguousHeader> {
        let ambiguous = AmbiguousHeader { name };
        let value = std::str::from_utf8(value).map_err(|_| ambiguous)?;
        match says {
            Says::Hint => {
                for piece in value.split(',').map(str::trim) {
                    self.hint(name, Cow::Borrowed(piece))?;
                }
                return Ok(());
            }
            Says::Routing => {
                self.routing.push(value);
                return Ok(());
            }
            Says::Attributes => {
                for piece in value.split(',') {
                    if let Some((key, model)) = piece.split_once('=')
                        && reads_as(key.trim().as_bytes(), b"tfs-model-name")
                    {
                        self.hint(name, Cow::Borrowed(model.trim()))?;
                    }
                }
                return Ok(());
            }
            Says::Variant | Says::Inner | Says::Deployment => {}
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        if value.is_empty() || !value.bytes().all(plain) {
            return Err(ambiguous);
        }
        let value = Cow::Borrowed(value);
        let taken = match says {
            Says::Variant => self.selector.replace(Selector::Variant(value)).is_some(),
            Says::Deployment => {
                self.inner_model = Some(value.clone());
                self.selector.replace(Selector::Deployment(value)).is_some()
            }
            _ => self.inner_model.replace(value).is_some(),
        };
        if taken { Err(ambiguous) } else { Ok(()) }
    }

    /// Adds the hints in the query of a request target.
    ///
    /// # Errors
    /// If one is not text, or there are more than are looked at.
    pub fn with_query(mut self, target: &[u8]) -> Result<Self, AmbiguousHeader> {
        for (name, value) in parameters(target).chain(behind_semicolons(target)) {
            let plain = plain_name(&name);
            if let Some(name) = PARAMETERS
                .iter()
                .find(|known| reads_as(plain, known.as_bytes()))
            {
                let value = String::from_utf8(value).map_err(|_| AmbiguousHeader { name })?;
                self.hint(name, Cow::Owned(value))?;
            }
        }
        Ok(self)
    }

    /// Models that headers have a router turn to; nothing if they cannot be read from one of them,
    /// or are more than are looked at: then the router may turn to any.
    #[must_use]
    pub fn routed(&self) -> Option<Vec<Cow<'a, str>>> {
        let mut routed = Vec::new();
        for value in &self.routing {
            if routed.len() >= MOST_HINTS {
                return None;
            }
            routed.extend(models_of_routing(value.as_bytes()).ok()?);
        }
        Some(routed)
    }

    fn hint(&mut self, name: &'static str, model: Cow<'a, str>) -> Result<(), AmbiguousHeader> {
        if !model.is_empty() && !self.hints.contains(&model) {
            if self.hints.len() >= MOST_HINTS {
                return Err(AmbiguousHeader { name });
            }
            self.hints.push(model);
        }
        Ok(())
    }
}

/// A parameter's name as readers of lists and the careless take it: `model[]`, `model[0]`, `
/// model`.
fn plain_name(name: &[u8]) -> &[u8] {
    let name = name.trim_ascii();
    let end = memchr::memchr(b'[', name).unwrap_or(name.len());
    name.get(..end).unwrap_or_default().trim_ascii_end()
}
