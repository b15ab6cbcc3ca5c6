//! Bedrock's paths, and the ARNs that stand in them as model ids: the one place where a path may
//! hold an escaped slash.
//!
//! SDKs send an ARN as one segment, `/model/arn%3Aaws%3Abedrock%3A…%2Fabc/converse`. It is taken as
//! one exactly where the whole path is Bedrock's and the whole segment is the ARN of something that
//! answers (botocore, `bedrock-runtime`, shape `InvokeModelIdentifier`), in one spelling of its
//! slashes: nothing of it is a dot segment, and what follows its slashes is no path of any other
//! server.

use super::{Operation, Streaming};

/// Longest ARN, in bytes as it is sent.
const LONGEST: usize = 2_048;

/// What is asked of a model by the last segment of `/model/ID/ACTION`.
pub(super) fn action(word: &str) -> Option<(Operation, Streaming)> {
    Some(match word {
        "invoke" => (Operation::Infer, Streaming::No),
        "invoke-with-response-stream" | "invoke-with-bidirectional-stream" => {
            (Operation::Infer, Streaming::Yes)
        }
        "converse" => (Operation::Chat, Streaming::No),
        "converse-stream" => (Operation::Chat, Streaming::Yes),
        "count-tokens" => (Operation::CountTokens, Streaming::No),
        _ => return None,
    })
}

/// Whether this path, without its first slash, is `model/ARN/ACTION`.
pub(super) fn names_an_arn(path: &str) -> bool {
    let mut words = path.split('/');
    let three = (words.next(), words.next(), words.next(), words.next());
    let (Some("model"), Some(id), Some(word), None) = three else {
        return false;
    };
    action(word).is_some() && is_arn(id)
}

/// Whether a segment, as it is sent, is the ARN of a model, or of what leads to one.
fn is_arn(sent: &str) -> bool {
    if sent.len() > LONGEST {
        return false;
    }
    // No other escape is left in it: `%` is in none of the words below.
    let arn = sent.replace("%3A", ":").replace("%2F", "/");
    let mut fields = arn.splitn(6, ':');
    let mut next = || fields.next().unwrap_or_default();
    let (scheme, partition, service) = (next(), next(), next());
    let (region, account, resource) = (next(), next(), next());
    let is_partition = match partition.strip_prefix("aws") {
        Some("") => true,
        Some(more) => more.strip_prefix('-').is_some_and(is_region),
        None => false,
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let Some((kind, id)) = resource.split_once('/') else {
        return false;
    };
    let fits = match (service, kind) {
        // Amazon's own: nobody's account.
        ("bedrock", "foundation-model") => account.is_empty() && is_id(id),
        ("bedrock", "custom-model") => {
            let parts = id.split_once('/');
            is_account && parts.is_some_and(|(base, id)| is_id(base) && is_id(id))
        }
        (
            "bedrock",
            "imported-model"
            | "provisioned-model"
            | "custom-model-deployment"
            | "inference-profile"
            | "application-inference-profile"
            | "prompt"
            | "prompt-router"
            | "default-prompt-router",
        )
        | ("sagemaker", "endpoint") => is_account && is_id(id),
        _ => false,
    };
    scheme == "arn" && is_partition && is_region(region) && fits
}

fn is_region(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=20).contains(&word.len()) && word.bytes().all(fits)
}

/// `[a-zA-Z0-9][a-zA-Z0-9.:-]*`: no dot segment, and nothing that is empty.
fn is_id(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".:-".contains(&byte);
    word.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && word.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_a_model_id_as_a_whole() {
        for arn in [
            "arn:aws:bedrock:us-east-1::foundation-model%2Famazon.titan-text-express-v1",
            "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.meta.llama3-2-3b-instruct-v1%3A0",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile%2Fabc123",
            "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:provisioned-model%2Fabcdefghij12",
            "arn:aws:bedrock:us-east-1:123456789012:imported-model%2Fabcdefghij12",
            "arn:aws:bedrock:us-east-1:123456789012:custom-model%2Famazon.titan%2Fabcdefghij12",
            "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment%2Fabcdefghij12",
            "arn:aws:bedrock:us-east-1:123456789012:prompt%2FABCDE12345:1",
            "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router%2Fmeta.llama:1",
            "arn:aws:sagemaker:us-east-1:123456789012:endpoint%2Fmy-endpoint",
        ] {
            assert!(is_arn(arn), "{arn}");
            assert!(names_an_arn(&format!("model/{arn}/converse")), "{arn}");
        }
        for other in [
            "",
            "a%2Fb",
            "arn%2Fb",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2F",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2F..",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2F.%2Fa",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fa%2Fb",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2F%2E%2E",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2fa",
            "arn%3aaws:bedrock:us-east-1:123456789012:inference-profile%2Fa",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%252Fa",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fa%20b",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fa_b",
            "arn:aws:bedrock:us-east-1:123456789012:guardrail%2Fabc",
            "arn:aws:bedrock:us-east-1:12345:inference-profile%2Fa",
            "arn:aws:bedrock:us-east-1::inference-profile%2Fa",
            "arn:aws:bedrock:us-east-1:123456789012:foundation-model%2Fa.b",
            "arn:aws:bedrock::123456789012:inference-profile%2Fa",
            "arn:aws:s3:us-east-1:123456789012:endpoint%2Fa",
            "arn:awsx:bedrock:us-east-1:123456789012:inference-profile%2Fa",
            "arn:aws-:bedrock:us-east-1:123456789012:inference-profile%2Fa",
            "xarn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fa",
        ] {
            assert!(!is_arn(other), "{other}");
        }
        let long = "a".repeat(LONGEST);
        let arn = format!("arn:aws:sagemaker:us-east-1:123456789012:endpoint%2F{long}");
        assert!(!is_arn(&arn));
    }

    #[test]
    fn it_stands_in_bedrocks_paths_alone() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fa";
        for path in [
            format!("models/{arn}/converse"),
            format!("model/{arn}"),
            format!("model/{arn}/"),
            format!("model/{arn}/delete"),
            format!("model/{arn}/converse/"),
            format!("x/model/{arn}/converse"),
            format!("model/{arn}/{arn}"),
        ] {
            assert!(!names_an_arn(&path), "{path}");
        }
    }
}
