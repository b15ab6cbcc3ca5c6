//! Spellings of one model's name: what a rule that denies or limits must not be passed by.
//!
//! Servers fold case (Ollama), trim, decode escapes, take `models/NAME` for NAME (Gemini) and NAME
//! for `NAME:latest` (Ollama, with `registry.ollama.ai/library/` before it), and routers take
//! `openai/NAME` for NAME (LiteLLM, OpenRouter). Which of it the server behind does is not known,
//! so a denying rule compares all of these forms; an allowing rule compares the name as it was
//! sent.
//!
//! Some names also say who is to serve the model, or how: `us.NAME` and ARNs (Bedrock),
//! `NAME:nitro` (OpenRouter), `@team/NAME` (Portkey), `NAME/azure` (Helicone). A rule that denies
//! NAME takes them for it; one that denies `us.NAME` means no other region, so patterns are not
//! shortened so.

use crate::glob::Glob;
use crate::query::decode;
use crate::route::{folded, is_ignorable};

/// What stands before a name without changing it, and behind.
const BEFORE: [&str; 12] = [
    "/",
    "./",
    "https://",
    "http://",
    "registry.ollama.ai/",
    "library/",
    "models/",
    "model/",
    "converse/",
    "converse_like/",
    "invoke/",
    "responses/",
];
/// Providers that LiteLLM (`litellm.provider_list`) and OpenRouter put before a slash, Helicone
/// behind one, and Hugging Face's router behind a colon.
const PROVIDERS: [&str; 78] = [
    "ai21",
    "amazon",
    "anthropic",
    "azure",
    "azure_ai",
    "baseten",
    "bedrock",
    "bedrock_converse",
    "cerebras",
    "chutes",
    "clarifai",
    "cloudflare",
    "cohere",
    "cohere_chat",
    "dashscope",
    "databricks",
    "deepinfra",
    "deepseek",
    "fal-ai",
    "featherless-ai",
    "fireworks",
    "fireworks-ai",
    "fireworks_ai",
    "friendli",
    "gemini",
    "github",
    "github_copilot",
    "gmicloud",
    "google",
    "groq",
    "hf-inference",
    "hosted_vllm",
    "huggingface",
    "hyperbolic",
    "inference-net",
    "lambda",
    "litellm_proxy",
    "lm_studio",
    "meta-llama",
    "microsoft",
    "minimax",
    "mistral",
    "mistralai",
    "moonshotai",
    "nebius",
    "novita",
    "nscale",
    "nvidia",
    "nvidia_nim",
    "oci",
    "ollama",
    "ollama_chat",
    "openai",
    "openai_like",
    "openrouter",
    "parasail",
    "perplexity",
    "qwen",
    "replicate",
    "sagemaker",
    "sambanova",
    "scaleway",
    "snowflake",
    "text-completion-openai",
    "together",
    "together_ai",
    "togetherai",
    "triton",
    "vertex",
    "vertex_ai",
    "vertex_ai_beta",
    "vllm",
    "voyage",
    "watsonx",
    "x-ai",
    "xai",
    "z-ai",
    "zai",
];
const BEHIND: [&str; 2] = ["/", ":latest"];
/// How ids of Bedrock's inference profiles begin
/// (docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html).
const REGIONS: [&str; 8] = [
    "us.", "eu.", "apac.", "jp.", "au.", "ca.", "us-gov.", "global.",
];
/// What OpenRouter (openrouter.ai/docs/guides/routing/model-variants) and Hugging Face's router put
/// behind a colon, beside providers.
const VARIANTS: [&str; 11] = [
    "beta",
    "cheapest",
    "exacto",
    "extended",
    "fastest",
    "floor",
    "free",
    "nitro",
    "online",
    "preferred",
    "thinking",
];

/// The name without case, white space around it, escapes, full width and characters that show
/// nothing.
fn fold(name: &str) -> String {
    let decoded: Vec<u8>;
    let decoded = if name.contains('%') {
        // A plus sign is one in a name.
        decoded = decode(&name.replace('+', "%2B")).collect();
        String::from_utf8_lossy(&decoded)
    } else {
        name.into()
    };
    let folded = decoded
        .trim_matches(|c: char| c.is_whitespace() || c.is_control() || is_ignorable(c))
        .chars()
        .filter(|c| !is_ignorable(*c))
        .map(narrow)
        .flat_map(folded)
        .collect();
    without_dots(folded)
}

/// The name without dot segments (RFC 3986 section 5.2.4): servers that keep models in folders take
/// `x/../NAME` and `NAME/.` for NAME.
fn without_dots(name: String) -> String {
    if !name.starts_with('.') && !name.contains("/.") {
        return name;
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    match parts.join("/") {
        nothing if nothing.is_empty() => name,
        plain => plain,
    }
}

/// Full-width forms of ASCII (U+FF01 to U+FF5E) and the ideographic space as what they are
/// normalized to (Unicode NFKC): servers in Python do so with names.
fn narrow(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c).saturating_sub(0xfee0)).unwrap_or(c),
        _ => c,
    }
}

/// What is left of a folded name without what stands before and behind it.
fn bare(folded: &str) -> &str {
    let mut rest = folded;
    loop {
        let shorter = BEFORE
            .iter()
            .find_map(|before| rest.strip_prefix(before))
            .or_else(|| {
                let (provider, rest) = rest.split_once('/')?;
                PROVIDERS.binary_search(&provider).is_ok().then_some(rest)
            })
            .or_else(|| BEHIND.iter().find_map(|behind| rest.strip_suffix(behind)));
        match shorter {
            Some(shorter) if !shorter.is_empty() => rest = shorter,
            _ => return rest,
        }
    }
}

/// What is left of a bare name without what says who serves the model, or how.
fn served(bare_name: &str) -> &str {
    let mut rest = bare_name;
    while let Some(shorter) = without_choice(rest).filter(|shorter| !shorter.is_empty()) {
        rest = bare(shorter);
    }
    rest
}

fn without_choice(name: &str) -> Option<&str> {
    let behind = |parts: (_, _)| parts.1;
    if let Some(slug) = name.strip_prefix('@') {
        return slug.split_once('/').map(behind);
    }
    if name.starts_with("arn:") {
        return name.rsplit_once('/').map(behind);
    }
    let is_provider = |word: &str| PROVIDERS.binary_search(&word).is_ok();
    let ending = |at: char, is_choice: &dyn Fn(&str) -> bool| {
        let (rest, word) = name.rsplit_once(at)?;
        is_choice(word).then_some(rest)
    };
    name.rsplit_once("/models/")
        .map(behind)
        .or_else(|| REGIONS.iter().find_map(|region| name.strip_prefix(region)))
        .or_else(|| ending(':', &|word| VARIANTS.contains(&word) || is_provider(word)))
        .or_else(|| ending('/', &is_provider))
}

/// The one form that stands for all spellings of a name: what buckets are counted under.
pub fn canonical(name: &str) -> String {
    served(bare(&fold(name))).to_owned()
}

/// The forms of a name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spellings([String; 4]);

impl Spellings {
    /// The forms.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Every form.
    pub fn of(name: &str) -> Self {
        let whole = fold(name);
        let bare = bare(&whole).to_owned();
        let served = served(&bare).to_owned();
        let tagged = format!("{bare}:latest");
        Self([whole, bare, served, tagged])
    }
}

/// A pattern of names in every spelling.
#[derive(Clone, Debug)]
pub struct AnySpelling(Vec<Glob>);

impl AnySpelling {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Self {
        let whole = fold(pattern);
        let bare = bare(&whole);
        let mut globs = vec![Glob::new(&whole)];
        // `models/*` does not mean every model.
        if bare != whole && !bare.trim_matches('*').is_empty() {
            globs.push(Glob::new(bare));
        }
        Self(globs)
    }

    /// The patterns of forms that it stands for.
    pub fn globs(&self) -> impl Iterator<Item = &Glob> {
        self.0.iter()
    }

    /// Whether one of the forms fits.
    pub fn matches(&self, name: &Spellings) -> bool {
        self.0
            .iter()
            .any(|glob| name.0.iter().any(|form| glob.matches(form)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_is_the_same_name() {
        for (pattern, names) in [
            (
                "llama3:70b",
                &[
                    "llama3:70b",
                    "LLAMA3:70B",
                    " llama3:70b",
                    "llama3:70b\t",
                    "\u{a0}llama3:70b\u{2003}",
                    "llama3%3A70b",
                    "ll\u{200b}ama3:70b",
                    "\u{ff4c}\u{ff2c}ama\u{ff13}\u{ff1a}70b",
                    "models\u{ff0f}llama3:70b",
                    "models/llama3:70b",
                    "/llama3:70b/",
                    "library/llama3:70b",
                    "registry.ollama.ai/library/Llama3:70b",
                    "./llama3:70b",
                    "x/../llama3:70b",
                    "llama3:70b/../llama3:70b",
                    "models/.//llama3:70b/.",
                    "openrouter/Ollama/llama3:70b",
                ][..],
            ),
            (
                "llama3",
                &["llama3:latest", "Llama3", "library/llama3:LATEST"],
            ),
            ("llama3:latest", &["llama3", "LLAMA3:latest"]),
            ("llama3:*", &["llama3", "llama3:8b"]),
            ("mask-*", &["ma\u{17f}k-1", "MAS\u{212a}-1"]),
            ("GPT-4*", &["gpt-4o"]),
            ("models/gemini-*", &["gemini-pro", "models/Gemini-pro"]),
            ("stra\u{df}e", &["STRASSE"]),
            ("a+b", &["a+b", "a%2Bb"]),
            (
                "gpt-4o",
                &[
                    "openai/gpt-4o:nitro",
                    "GPT-4o:online",
                    "gpt-4o:free:floor",
                    "gpt-4o/azure",
                    "@openai-prod/gpt-4o",
                    "@Team/openai/gpt-4o:beta",
                    "azure/responses/gpt-4o",
                    "vertex_ai/publishers/openai/models/gpt-4o",
                ],
            ),
            (
                "meta-llama/Llama-3.1-8B",
                &["meta-llama/Llama-3.1-8B:cerebras", "llama-3.1-8b:fastest"],
            ),
            (
                "anthropic.claude-3-*",
                &[
                    "us.anthropic.claude-3-opus-v1:0",
                    "global.anthropic.claude-3-opus-v1:0",
                    "bedrock/converse/eu.anthropic.claude-3-opus-v1:0",
                    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-opus-v1:0",
                    "arn:aws:bedrock:eu-west-1:123:inference-profile/eu.anthropic.claude-3-opus-v1:0",
                ],
            ),
        ] {
            for name in names {
                let name_forms = Spellings::of(name);
                assert!(
                    AnySpelling::new(pattern).matches(&name_forms),
                    "{pattern} {name:?}"
                );
            }
        }
    }

    #[test]
    fn another_name_is_another_name() {
        for (pattern, name) in [
            ("llama3:70b", "llama3"),
            ("llama3:70b", "llama3:7b"),
            ("llama3", "llama3:70b"),
            ("models/*", "gpt-4"),
            ("gpt-4", "gpt-4o"),
            ("library/*", "gpt-4"),
            ("openai/*", "gpt-4"),
            ("gpt-4", "somebody/gpt-4"),
            ("us.anthropic.claude-3", "eu.anthropic.claude-3"),
            ("deepseek-r1:free", "deepseek-r1"),
            ("@prod/gpt-4", "@test/gpt-4"),
            ("llama3", "llama3:instruct"),
            ("llama3", "x/.llama3"),
            ("llama3", "llama3/.."),
        ] {
            assert!(
                !AnySpelling::new(pattern).matches(&Spellings::of(name)),
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn the_providers_are_sorted_for_the_search() {
        assert!(PROVIDERS.is_sorted());
    }

    #[test]
    fn one_form_stands_for_all() {
        for name in [
            "gpt",
            "GPT ",
            "models/gpt",
            "gpt:latest",
            "%67pt",
            "/GPT/",
            "us.gpt:free",
            "@a/gpt",
        ] {
            assert_eq!(canonical(name), "gpt", "{name}");
        }
        assert_eq!(canonical("models/"), "models/");
        assert_eq!(canonical("/"), "/");
    }
}
