//! Tests of what is read out of a request's path.

use super::*;
use proptest::prelude::*;

/// Each line: method, target, then `dialect operation model selector streaming`, `-` for nothing.
const ROUTES: &str = "
GET  /v2                                                    open_inference describe_server - - no
GET  /v2/health/live                                        open_inference server_live - - no
GET  /v2/health/ready                                       open_inference server_ready - - no
GET  /v2/models/m                                           open_inference describe_model m - no
HEAD /v2/models/m/ready                                     open_inference model_ready m - no
GET  /v2/models/m/versions/3                                open_inference describe_model m version=3 no
GET  /v2/models/m/versions/3/ready                          open_inference model_ready m version=3 no
POST /v2/models/m/infer                                     open_inference infer m - no
POST /v2/models/a%20b/versions/v%2B1/infer?x=y              open_inference infer a_b version=v+1 no
POST /v2/models/m/generate                                  open_inference generate m - no
POST /v2/models/m/versions/1/generate_stream                open_inference generate m version=1 yes
GET  /v1/models                                             openai list_models - - no
GET  /v1/models/m                                           tf_serving describe_model m - no
GET  /v1/models/llama3:8b                                   tf_serving describe_model llama3:8b - no
GET  /v1/models/m/metadata                                  tf_serving describe_model m - no
GET  /v1/models/m/versions/7/metadata                       tf_serving describe_model m version=7 no
GET  /v1/models/m/labels/stable                             tf_serving describe_model m label=stable no
POST /v1/models/m:predict                                   tf_serving infer m - no
POST /v1/models/a:b:predict                                 tf_serving infer a:b - no
POST /v1/models/m/versions/7:classify                       tf_serving classify m version=7 no
POST /v1/models/m/labels/stable:regress                     tf_serving regress m label=stable no
POST /v1/models/m:explain                                   kserve_v1 explain m - no
GET  /ping                                                  torchserve server_live - - no
POST /predictions/m                                         torchserve infer m - no
PUT  /predictions/m/2.0                                     torchserve infer m version=2.0 no
POST /explanations/m/2.0                                    torchserve explain m version=2.0 no
POST /invocations                                           sagemaker infer ?model - no
POST /endpoints/my-endpoint/invocations                     sagemaker infer my-endpoint - no
POST /endpoints/e/async-invocations                         sagemaker infer_async e - no
POST /endpoints/e/invocations-response-stream               sagemaker infer e - yes
POST /endpoints/e/openai/v1/chat/completions                sagemaker chat e - body
POST /model/anthropic.claude-v2%3A1/invoke                  bedrock infer anthropic.claude-v2:1 - no
POST /model/m/invoke-with-response-stream                   bedrock infer m - yes
POST /model/m/converse                                      bedrock chat m - no
POST /model/m/converse-stream                               bedrock chat m - yes
POST /model/m/count-tokens                                  bedrock count_tokens m - no
POST /async-invoke                                          bedrock infer_async @modelId - no
POST /guardrail/g/version/1/apply                           bedrock apply_guardrail - - no
POST /v1/projects/p/locations/l/endpoints/e:predict         vertex infer e - no
POST /v1/projects/p/locations/l/endpoints/e:streamRawPredict vertex infer e - yes
POST /v1beta1/projects/p/locations/l/endpoints/e:explain    vertex explain e - no
POST /v1/projects/p/locations/l/publishers/google/models/g:generateContent vertex generate g - no
POST /v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent?alt=sse vertex generate g - yes
POST /v1/projects/p/locations/l/publishers/anthropic/models/c@2024:rawPredict vertex infer c version=2024 no
POST /v1/projects/p/locations/l/endpoints/openapi/chat/completions openai chat @model - body
POST /score                                                 azure_ml infer ?model - no
POST /v1/chat/completions                                   openai chat @model - body
POST /v1/completions                                        openai complete @model - body
POST /v1/embeddings                                         openai embed @model - no
POST /v1/responses                                          openai respond @model - body
POST /openai/v1/chat/completions                            openai chat @model - body
GET  /openai/v1/models                                      openai list_models - - no
POST /openai/deployments/d/chat/completions?api-version=1   openai chat d - body
POST /openai/deployments/d/embeddings                       openai embed d - no
POST /openai/deployments/d/audio/transcriptions             openai transcribe d - body
POST /v1/images/generations                                 openai generate_image @model - body
POST /v1/images/edits                                       openai edit_image @@model - body
POST /v1/audio/speech                                       openai speak @model - body
POST /v1/audio/transcriptions                               openai transcribe @@model - body
POST /v1/audio/translations                                 openai translate @@model - no
POST /v1/moderations                                        openai moderate @model - no
POST /v1/responses/input_tokens                             openai count_tokens @model - no
POST /v1/rerank                                             openai rerank @model - no
POST /models/chat/completions?api-version=1                 openai chat @model - body
POST /v1/messages                                           anthropic chat @model - body
POST /v1/messages/count_tokens                              anthropic count_tokens @model - no
POST /v1/messages/batches                                   anthropic batch @batch - no
POST /v1/complete                                           anthropic complete @model - body
POST /v1/chat                                               cohere chat @model - body
POST /v2/chat                                               cohere chat @model - body
POST /v2/embed                                              cohere embed @model - no
POST /v2/rerank                                             cohere rerank @model - no
POST /api/chat                                              ollama chat @model - body
POST /api/generate                                          ollama generate @model - body
POST /api/embed                                             ollama embed @model - no
POST /api/embeddings                                        ollama embed @model - no
GET  /api/tags                                              ollama list_models - - no
GET  /api/version                                           ollama describe_server - - no
POST /api/show                                              ollama describe_model @model|name - no
GET  /v2/models                                             open_inference list_models - - no
POST /v2/repository/index                                   open_inference list_models - - no
GET  /v2/models/stats                                       open_inference list_models - - no
GET  /v2/models/m/versions/2/stats                          open_inference describe_model m version=2 no
GET  /v2/models/m/config                                    open_inference describe_model m - no
GET  /models/m                                              torchserve describe_model m - no
POST /wfpredict/w                                           torchserve infer w - no
POST /models/m/invoke                                       sagemaker infer m - no
POST /endpoints/e/invocations-bidirectional-stream          sagemaker infer e - yes
POST /endpoints/e/inference-components/c/openai/v1/chat/completions sagemaker chat e - body
POST /v1/projects/p/locations/l/endpoints/e/chat/completions openai chat e - body
POST /v1beta1/projects/p/locations/l/endpoints/openapi/chat/completions openai chat @model - body
POST /v1/publishers/google/models/g:generateContent         vertex generate g - no
POST /v1beta1/projects/p/locations/l/publishers/google/models/g:computeTokens vertex tokenize g - no
POST /v1/projects/p/locations/l/publishers/google/models/g:embedContent vertex embed g - no
POST /v1beta/models/g:generateContent                       gemini generate g - no
POST /v1/models/g:streamGenerateContent?alt=sse             gemini generate g - yes
POST /v1beta/models/g:batchEmbedContents                    gemini embed g - no
POST /v1alpha/models/g:predictLongRunning                   gemini infer_async g - no
POST /v1beta/tunedModels/g:generateContent                  gemini generate tunedModels/g - no
POST /v1beta/interactions                                   gemini respond @model|agent - body
GET  /v1beta/models                                         gemini list_models - - no
GET  /v1beta/models/g                                       gemini describe_model g - no
GET  /v1beta/tunedModels/g                                  gemini describe_model tunedModels/g - no
POST /v1beta/openai/chat/completions                        openai chat @model - body
POST /api/v1/chat/completions                               openai chat @model - body
GET  /api/v1/models                                         openai list_models - - no
POST /inference/v1/completions                              openai complete @model - body
POST /inference/chat/completions                            openai chat @model - body
POST /compatible-mode/v1/embeddings                         openai embed @model - no
POST /beta/completions                                      openai complete @model - body
POST /openai/responses?api-version=1                        openai respond @model - body
POST /chat/completions                                      openai chat @model - body
POST /embeddings                                            openai embed @model - no
POST /rerank                                                openai rerank @model - no
POST /tokenize                                              openai tokenize @model - no
POST /classify                                              openai classify @model - no
POST /pooling                                               openai embed @model - no
POST /v1/score                                              openai rerank @model - no
POST /engines/e/chat/completions                            openai chat e - body
POST /v1/engines/e/completions                              openai complete e - body
POST /v1/responses/compact                                  openai respond @model - no
POST /v1/videos                                             openai generate_video @@model - no
POST /openai/v1/video/generations/jobs                      openai generate_video @@model - no
POST /v1/fine_tuning/jobs                                   openai fine_tune @model - no
POST /v1/fim/completions                                    openai complete @model - body
POST /v1/ocr                                                openai ocr @model - no
POST /v1/chat/moderations                                   openai moderate @model - no
POST /v1/chat/classifications                               openai classify @model - no
POST /anthropic/v1/messages                                 anthropic chat @model - body
POST /v1/tokenize                                           cohere tokenize @model - no
POST /v1/embed-jobs                                         cohere batch @model - no
";

/// Each of these is a path, but no route to a model.
const NO_ROUTES: &str = "
GET /
GET /healthz
DELETE /v2/models/m
POST /v2/models/m
GET /v2/models/m/infer
POST /v2/models/m/infer/
POST /v2/repository/models/m/load
POST /v2/models/m/versions/1/x/infer
POST /v1/models/m
POST /v1/models/:predict
POST /v1/models/m%3Apredict
POST /v1/models/m%3a1:predict
POST /v1/models/m/versions/:predict
POST /v1/models/m/tags/1:predict
POST /v1/models/m:unload
PUT /v1/models/m:predict
POST /models?url=evil.mar
PUT /models/m
GET /predictions/m
POST /predictions/m/1/2
POST /endpoints/-e/invocations
POST /endpoints/e-/invocations
POST /endpoints/a%20b/invocations
POST /endpoints/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/invocations
PUT /endpoints/e/invocations
POST /endpoints/e/invocations/x
GET /model/m/invoke
POST /model/m/delete
POST /v1/projects/p/locations/l/endpoints/e
POST /v1/projects/p/locations/l/endpoints/:predict
POST /v1/projects/p/locations/l/publishers/a/models/c%402024:rawPredict
GET /v1/projects/p/locations/l/endpoints/e:predict
GET /score
GET /v1/chat/completions
POST /v1/messages/batches/b/cancel
GET /v1/messages/batches
GET /v1/messages
POST /v1/messages/
POST /api/pull
POST /api/create
POST /api/copy
GET /api/show
POST /v2/models
GET /v2/models/m/load
DELETE /models/m
GET /models/m/2.0
POST /models/m
GET /models/m/invoke
POST /endpoints/e/inference-components/c/invocations
POST /endpoints/e/inference-components/a%20b/openai/v1/chat/completions
POST /v1/projects/p/locations/l/endpoints/e/files
POST /v1beta/models/g:batchGenerateContent
POST /v1beta/models/g
POST /v1beta/files/g:generateContent
POST /v1beta/cachedContents
GET /v1beta/cachedContents/c
GET /v1beta/interactions
POST /v1beta/models/:generateContent
POST /v1/batches
POST /v1/assistants
POST /v1/threads/t/runs
POST /v1/agents/completions
POST /v1/conversations
GET /v1/realtime?model=m
POST /generate
POST /embed
POST /predict
GET /v1/fine_tuning/jobs
POST /engines/e
DELETE /api/delete
GET /models/chat/completions
GET /v2/chat
POST /openai/deployments/d
GET /openai/deployments/models
POST /a/b/c/d/e/f/g/h/i/j/k/l
";

fn describe(route: &Route<'_>) -> String {
    let model = match &route.model {
        Model::Named(name) => name.replace(' ', "_"),
        Model::InBody(members) => format!("@{}", members.join("|")),
        Model::HintedInBody(member) => format!("?{member}"),
        Model::InForm(member) => format!("@@{member}"),
        Model::InBatch => "@batch".to_owned(),
        Model::Unnamed => "-".to_owned(),
    };
    let selector = route.selector.as_ref().map_or("-".to_owned(), |selector| {
        let kind = match selector {
            Selector::Version(_) => "version",
            Selector::Label(_) => "label",
            Selector::Variant(_) => "variant",
            Selector::Deployment(_) => "deployment",
            Selector::InferenceComponent(_) => "inference_component",
        };
        format!("{kind}={}", selector.name())
    });
    let streaming = match route.streaming {
        Streaming::No => "no",
        Streaming::Yes => "yes",
        Streaming::InBody => "body",
    };
    format!(
        "{} {} {model} {selector} {streaming}",
        route.dialect.as_str(),
        route.operation.as_str()
    )
}

#[test]
fn every_form_of_path_is_read_as_its_server_reads_it() {
    for line in ROUTES.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let expected = words.collect::<Vec<_>>().join(" ");
        let path = Path::parse(target.as_bytes()).unwrap();
        let route = Route::parse(method.as_bytes(), &path);
        assert_eq!(route.as_ref().map(describe), Some(expected), "{line}");
    }
}

#[test]
fn other_paths_are_no_routes() {
    for line in NO_ROUTES.lines().filter(|line| !line.is_empty()) {
        let (method, target) = line.split_once(' ').unwrap();
        let path = Path::parse(target.as_bytes()).unwrap();
        assert_eq!(Route::parse(method.as_bytes(), &path), None, "{line}");
    }
}

#[test]
fn names_in_configuration_are_the_names_in_metrics() {
    use Dialect::*;
    for dialect in [
        OpenInference,
        KserveV1,
        TfServing,
        TorchServe,
        SageMaker,
        Bedrock,
        Vertex,
        AzureMl,
        OpenAi,
        Anthropic,
        Ollama,
        Cohere,
        Gemini,
    ] {
        assert_eq!(serde_json::to_value(dialect).unwrap(), dialect.as_str());
    }
    use Operation::*;
    for operation in [
        Infer,
        InferAsync,
        Classify,
        Regress,
        Explain,
        Generate,
        Chat,
        Complete,
        Embed,
        Respond,
        Batch,
        Rerank,
        Moderate,
        GenerateImage,
        EditImage,
        Speak,
        Transcribe,
        Translate,
        CountTokens,
        Tokenize,
        Ocr,
        GenerateVideo,
        FineTune,
        ApplyGuardrail,
        ListModels,
        DescribeModel,
        ModelReady,
        DescribeServer,
        ServerLive,
        ServerReady,
    ] {
        assert_eq!(serde_json::to_value(operation).unwrap(), operation.as_str());
    }
}

const TARGET_VARIANT: &str = "x-amzn-sagemaker-target-variant";
const TARGET_MODEL: &str = "x-amzn-sagemaker-target-model";
const INFERENCE_COMPONENT: &str = "x-amzn-sagemaker-inference-component";
const CONTAINER: &str = "x-amzn-sagemaker-target-container-hostname";

fn with_headers<'a>(
    target: &'a str,
    headers: &[(&'a str, &'a str)],
) -> Result<Route<'a>, AmbiguousHeader> {
    let path = Path::parse(target.as_bytes()).unwrap();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    Route::parse(b"POST", &path).unwrap().with_headers(headers)
}

#[test]
fn headers_name_variant_inner_model_and_deployment() {
    let sagemaker = "/endpoints/e/invocations";
    let route = with_headers(
        sagemaker,
        &[
            ("X-Amzn-SageMaker-Target-Variant", "blue"),
            ("x-amzn-sagemaker-target-model", "m.tar.gz"),
            ("x", "y"),
        ],
    )
    .unwrap();
    assert_eq!(route.selector, Some(Selector::Variant("blue".into())));
    assert_eq!(route.inner_model.as_deref(), Some("m.tar.gz"));
    let route = with_headers("/score", &[("azureml-model-deployment", "green")]).unwrap();
    assert_eq!(route.selector, Some(Selector::Deployment("green".into())));
    let route = with_headers(
        "/v2/models/m/infer",
        &[(TARGET_VARIANT, "blue"), (TARGET_VARIANT, "red")],
    )
    .unwrap();
    assert_eq!(
        route.selector, None,
        "only SageMaker's requests are chosen by SageMaker's headers"
    );
}

#[test]
fn a_header_that_could_be_read_in_two_ways_is_refused() {
    for headers in [
        &[(TARGET_VARIANT, "a"), (TARGET_VARIANT, "a")][..],
        &[
            (TARGET_VARIANT, "a"),
            ("x_amzn_sagemaker_target_variant", "b"),
        ],
        &[(TARGET_MODEL, "a"), (INFERENCE_COMPONENT, "b")],
        &[(TARGET_MODEL, "a"), (CONTAINER, "b")],
        &[(CONTAINER, "a"), (CONTAINER, "b")],
        &[(CONTAINER, "a,b")],
        &[(TARGET_MODEL, "a,b")],
        &[(TARGET_MODEL, "")],
        &[(TARGET_MODEL, "a b")],
        &[(TARGET_MODEL, "\u{e9}")],
    ] {
        assert!(
            with_headers("/endpoints/e/invocations", headers).is_err(),
            "{headers:?}"
        );
    }
    for value in ["", "a,b", "a b"] {
        assert!(
            with_headers("/score", &[("azureml-model-deployment", value)]).is_err(),
            "{value}"
        );
    }
}

#[test]
fn a_container_is_an_inner_model_and_so_is_a_deployment() {
    let route = with_headers("/endpoints/e/invocations", &[(CONTAINER, "second")]).unwrap();
    assert_eq!(route.inner_model.as_deref(), Some("second"));
    let route = with_headers("/score", &[("AzureML_Model_Deployment", "green")]).unwrap();
    assert_eq!(route.inner_model.as_deref(), Some("green"));
}

#[test]
fn names_that_somebody_may_go_by_are_hints() {
    let attributes = "x-amzn-sagemaker-custom-attributes";
    for (target, header, value, hints) in [
        (
            "/v2/models/m/infer",
            "Seldon-Model",
            "other",
            &["other"][..],
        ),
        ("/v2/models/m/infer", "mm-model-id", "a, b", &["a", "b"]),
        ("/v1/chat/completions", "x_model", "other", &["other"]),
        ("/v1/chat/completions", "x-models", "other", &[]),
        ("/v1/chat/completions", "model", "", &[]),
        ("/v1/chat/completions", attributes, "tfs-model-name=x", &[]),
        (
            "/endpoints/e/invocations",
            attributes,
            "a=b, tfs-model-name=x",
            &["x"],
        ),
    ] {
        let route = with_headers(target, &[(header, value)]).unwrap();
        assert_eq!(route.hints, hints, "{header}: {value}");
    }
    for (target, hints) in [
        ("/v1/chat/completions?model=a&x=1&model=b", &["a", "b"][..]),
        ("/v1/chat/completions?Model%5fId=a%20b", &["a b"]),
        ("/v1/chat/completions?models=a&x=model=b", &[]),
        ("/v1/chat/completions", &[]),
    ] {
        let path = Path::parse(target.as_bytes()).unwrap();
        let route = Route::parse(b"POST", &path).unwrap();
        assert_eq!(
            route.with_query(target.as_bytes()).unwrap().hints,
            hints,
            "{target}"
        );
    }
    let many: Vec<String> = (0..17).map(|number| format!("model={number}")).collect();
    let target = format!("/v1/chat/completions?{}", many.join("&"));
    let path = Path::parse(target.as_bytes()).unwrap();
    let route = Route::parse(b"POST", &path).unwrap();
    assert!(route.with_query(target.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic(
        method in "(GET|POST|PUT|[ -~]{0,8})", target in "(/(v1|v2|models|endpoints|model|m|m:predict|%3A|infer|invoke)){0,11}/?",
    ) {
        if let Ok(path) = Path::parse(target.as_bytes())
            && let Some(route) = Route::parse(method.as_bytes(), &path)
        {
            prop_assert!(route.model.name() != Some(""));
            prop_assert!(!target.ends_with('/'));
        }
    }
}
