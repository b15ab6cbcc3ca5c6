//! Each protocol's way to name a model and a version, and what none has a word for.

use super::*;
use proptest::prelude::*;

fn version(name: &str) -> Choice<'_> {
    Choice::Set(Selector::Version(name.into()))
}

fn label(name: &str) -> Choice<'_> {
    Choice::Set(Selector::Label(name.into()))
}

fn variant(name: &str) -> Choice<'_> {
    Choice::Set(Selector::Variant(name.into()))
}

fn deployment(name: &str) -> Choice<'_> {
    Choice::Set(Selector::Deployment(name.into()))
}

fn component(name: &str) -> Choice<'_> {
    Choice::Set(Selector::InferenceComponent(name.into()))
}

fn write(
    method: &str,
    target: &str,
    model: Option<&str>,
    choice: Choice<'_>,
) -> Result<Rewritten, Inexpressible> {
    let path = Path::parse(target.as_bytes()).unwrap();
    let route = Route::parse(method.as_bytes(), &path).unwrap();
    Wanted { model, choice }.write(method.as_bytes(), &path, &route)
}

#[test]
fn a_path_names_model_and_version_as_its_server_writes_them() {
    use Choice::{Drop, Keep};
    for (method, target, model, choice, path) in [
        (
            "POST",
            "/v2/models/m/infer",
            "n",
            Keep,
            "/v2/models/n/infer",
        ),
        (
            "POST",
            "/v2/models/m/infer",
            "n",
            version("3"),
            "/v2/models/n/versions/3/infer",
        ),
        (
            "POST",
            "/v2/models/m/versions/1/infer",
            "n",
            version("3"),
            "/v2/models/n/versions/3/infer",
        ),
        (
            "POST",
            "/v2/models/m/versions/1/infer",
            "n",
            Keep,
            "/v2/models/n/versions/1/infer",
        ),
        (
            "POST",
            "/v2/models/m/versions/1/infer",
            "n",
            Drop,
            "/v2/models/n/infer",
        ),
        (
            "GET",
            "/v2/models/m",
            "n",
            version("3"),
            "/v2/models/n/versions/3",
        ),
        (
            "GET",
            "/v2/models/m/versions/1/ready",
            "n",
            Drop,
            "/v2/models/n/ready",
        ),
        (
            "POST",
            "/v1/models/m:predict",
            "n",
            Keep,
            "/v1/models/n:predict",
        ),
        (
            "POST",
            "/v1/models/m:predict",
            "n",
            version("3"),
            "/v1/models/n/versions/3:predict",
        ),
        (
            "POST",
            "/v1/models/m:predict",
            "n",
            label("canary"),
            "/v1/models/n/labels/canary:predict",
        ),
        (
            "POST",
            "/v1/models/m/labels/a:classify",
            "n",
            version("3"),
            "/v1/models/n/versions/3:classify",
        ),
        (
            "POST",
            "/v1/models/m/versions/1:regress",
            "n",
            Drop,
            "/v1/models/n:regress",
        ),
        (
            "GET",
            "/v1/models/m/versions/1/metadata",
            "n",
            label("b"),
            "/v1/models/n/labels/b/metadata",
        ),
        (
            "POST",
            "/predictions/m",
            "n",
            version("1.0"),
            "/predictions/n/1.0",
        ),
        (
            "PUT",
            "/predictions/m/2.0",
            "n",
            version("1.0"),
            "/predictions/n/1.0",
        ),
        ("POST", "/explanations/m/2.0", "n", Drop, "/explanations/n"),
        ("GET", "/models/m", "n", Keep, "/models/n"),
        (
            "POST",
            "/endpoints/e/invocations",
            "f",
            Keep,
            "/endpoints/f/invocations",
        ),
        ("POST", "/models/m/invoke", "n", Keep, "/models/n/invoke"),
        (
            "POST",
            "/model/anthropic.claude%3A0/converse",
            "a.b-v1:0",
            Keep,
            "/model/a.b-v1:0/converse",
        ),
        (
            "POST",
            "/model/anthropic.claude%3A0/invoke",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b-v1:0",
            Keep,
            "/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fus.a.b-v1:0/invoke",
        ),
        (
            "POST",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprompt%2FABCDE12345/converse",
            "a.b-v1:0",
            Keep,
            "/model/a.b-v1:0/converse",
        ),
        (
            "POST",
            "/v1/publishers/google/models/g:generateContent",
            "h",
            version("002"),
            "/v1/publishers/google/models/h@002:generateContent",
        ),
        (
            "POST",
            "/v1beta/models/g:embedContent",
            "h",
            Keep,
            "/v1beta/models/h:embedContent",
        ),
        (
            "POST",
            "/openai/deployments/d/chat/completions",
            "e",
            Keep,
            "/openai/deployments/e/chat/completions",
        ),
        (
            "POST",
            "/v1/engines/d/completions",
            "e",
            Keep,
            "/v1/engines/e/completions",
        ),
        (
            "POST",
            "/v1/projects/p/locations/l/endpoints/e/chat/completions",
            "f",
            Keep,
            "/v1/projects/p/locations/l/endpoints/f/chat/completions",
        ),
        (
            "POST",
            "/v2/models/m/infer",
            "caf\u{e9} 1",
            Keep,
            "/v2/models/caf%C3%A9%201/infer",
        ),
    ] {
        let rewritten = write(method, target, Some(model), choice).unwrap();
        assert_eq!(rewritten.path.as_deref(), Some(path), "{target}");
        assert!(
            rewritten.headers.is_empty() && !rewritten.in_body,
            "{target}"
        );
    }
}

#[test]
fn what_stays_the_same_is_not_written() {
    for (target, model, choice) in [
        ("/v2/models/m/versions/3/infer", Some("m"), version("3")),
        ("/v2/models/m/versions/3/infer", None, Choice::Keep),
        ("/v1/models/m:predict", None, Choice::Drop),
        ("/endpoints/e/invocations", None, Choice::Keep),
    ] {
        let rewritten = write("POST", target, model, choice).unwrap();
        assert_eq!(rewritten, Rewritten::default(), "{target}");
    }
}

#[test]
fn variants_and_deployments_are_chosen_by_their_headers() {
    let named = |name: &str| Some(name.to_owned());
    let invocations = "/endpoints/e/invocations";
    let rewritten = write("POST", invocations, Some("f"), variant("blue")).unwrap();
    assert_eq!(rewritten.path.as_deref(), Some("/endpoints/f/invocations"));
    let headers = [(VARIANT, named("blue")), (COMPONENT, None)];
    assert_eq!(rewritten.headers, headers);
    let rewritten = write("POST", invocations, None, component("part-1")).unwrap();
    assert_eq!(rewritten.path, None);
    let headers = [(VARIANT, None), (COMPONENT, named("part-1"))];
    assert_eq!(rewritten.headers, headers);
    let rewritten = write("POST", "/score", None, deployment("green")).unwrap();
    assert_eq!(rewritten.headers, [(DEPLOYMENT, named("green"))]);
    let rewritten = write("POST", "/score", None, Choice::Drop).unwrap();
    assert_eq!(rewritten.headers, [(DEPLOYMENT, None)]);
    assert!(rewritten.path.is_none());
}

#[test]
fn a_component_stands_in_the_path_where_that_is_openais() {
    let none = vec![(VARIANT, None), (COMPONENT, None)];
    for (target, model, choice, path) in [
        (
            "/endpoints/e/openai/v1/chat/completions",
            None,
            component("c"),
            Some("/endpoints/e/inference-components/c/openai/v1/chat/completions"),
        ),
        (
            "/endpoints/e/inference-components/a/openai/v1/chat/completions",
            Some("f"),
            component("c"),
            Some("/endpoints/f/inference-components/c/openai/v1/chat/completions"),
        ),
        (
            "/endpoints/e/inference-components/c/openai/v1/chat/completions",
            None,
            component("c"),
            None,
        ),
    ] {
        let rewritten = write("POST", target, model, choice).unwrap();
        assert_eq!(rewritten.path.as_deref(), path, "{target}");
        assert_eq!(rewritten.headers, none, "{target}");
    }
    let target = "/endpoints/e/inference-components/c/openai/v1/chat/completions";
    let rewritten = write("POST", target, Some("f"), Choice::Keep).unwrap();
    let kept = "/endpoints/f/inference-components/c/openai/v1/chat/completions";
    assert_eq!(rewritten.path.as_deref(), Some(kept));
    let rewritten = write("POST", target, None, variant("blue")).unwrap();
    let without = "/endpoints/e/openai/v1/chat/completions";
    assert_eq!(rewritten.path.as_deref(), Some(without));
    assert_eq!(
        write("POST", target, None, component("-c")),
        Err(Inexpressible)
    );
}

#[test]
fn a_name_in_the_body_is_said_to_be_there() {
    let rewritten = write("POST", "/v1/chat/completions", Some("n"), Choice::Drop).unwrap();
    assert!(rewritten.in_body && rewritten.path.is_none());
    let rewritten = write("POST", "/v1/chat/completions", None, Choice::Keep).unwrap();
    assert!(!rewritten.in_body);
}

#[test]
fn what_a_protocol_has_no_word_for_is_not_written() {
    for (method, target, model, choice) in [
        ("POST", "/v1/chat/completions", Some("n"), version("3")),
        ("POST", "/v2/models/m/infer", Some("n"), label("canary")),
        ("POST", "/v2/models/m/infer", Some("n"), variant("blue")),
        ("POST", "/predictions/m", Some("n"), label("canary")),
        ("POST", "/wfpredict/m", Some("n"), version("1")),
        ("GET", "/models/m", Some("n"), version("1")),
        ("POST", "/endpoints/e/invocations", Some("f"), version("1")),
        ("POST", "/score", None, variant("blue")),
        ("POST", "/score", Some("n"), Choice::Keep),
        ("GET", "/v2/health/live", Some("n"), Choice::Keep),
        ("POST", "/model/m/invoke", Some("n"), version("1")),
        ("POST", "/model/m/invoke", Some("a/b"), Choice::Keep),
        ("POST", "/model/m/invoke", None, component("c")),
        ("POST", "/score", None, component("c")),
        (
            "POST",
            "/openai/deployments/d/embeddings",
            None,
            deployment("e"),
        ),
        ("POST", "/v1/messages/batches", Some("n"), Choice::Keep),
        // Names that cannot stand in a path, or would be read otherwise there.
        (
            "POST",
            "/v2/models/m/infer",
            Some("meta-llama/Llama-3"),
            Choice::Keep,
        ),
        ("POST", "/v2/models/m/infer", Some("a%b"), Choice::Keep),
        ("POST", "/v2/models/m/infer", Some(".."), Choice::Keep),
        ("POST", "/v2/models/m/infer", Some(""), Choice::Keep),
        ("POST", "/endpoints/e/invocations", Some("-f"), Choice::Keep),
        (
            "POST",
            "/v1beta/models/g:embedContent",
            Some("tunedModels/h"),
            Choice::Keep,
        ),
        (
            "POST",
            "/v1/publishers/google/models/g:generateContent",
            Some("h@1"),
            Choice::Keep,
        ),
    ] {
        let written = write(method, target, model, choice);
        assert_eq!(written, Err(Inexpressible), "{target} {model:?}");
    }
}

fn json(body: &str, members: &[&str], from: &str, to: &str) -> Option<String> {
    let renamed = rename_in_json(body.as_bytes(), members, from, to, Limits::default());
    let renamed = renamed.ok()??;
    Some(String::from_utf8(renamed).unwrap())
}

#[test]
fn a_json_body_keeps_every_byte_but_the_name() {
    let body =
        r#"{ "x": {"model":"m"}, "\u006dodel" : "\u006d" , "n": 1.50, "tools": ["model", "m"]}"#;
    let renamed = json(body, &["model"], "m", "a\"b").unwrap();
    assert_eq!(
        renamed,
        r#"{ "x": {"model":"m"}, "\u006dodel" : "a\"b" , "n": 1.50, "tools": ["model", "m"]}"#
    );
    let both = json(r#"{"name":"m","model":"m"}"#, &["model", "name"], "m", "n");
    assert_eq!(both.as_deref(), Some(r#"{"name":"n","model":"n"}"#));
    for body in [
        r#"{"x":"m"}"#,
        r#"{"model":"other"}"#,
        r#"{"model":"m","model":"m"}"#,
        r#"{"model":"m","Model":"m"}"#,
        r#"["model","m"]"#,
        r#"{"model":"m""#,
    ] {
        assert_eq!(json(body, &["model"], "m", "n"), None, "{body}");
    }
}

#[test]
fn a_form_keeps_every_byte_but_the_name() {
    let form = |name: &str| {
        format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"m\"\r\n\r\nm model\r\n\
             --b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{name}\r\n--b--\r\n"
        )
    };
    let rename = |from, to| rename_in_form(form("m").as_bytes(), "b", "model", from, to);
    assert_eq!(
        rename("m", "longer").unwrap().unwrap(),
        form("longer").into_bytes()
    );
    assert!(rename("other", "n").is_err());
    assert!(rename("m", "n\r\n--b--\r\n").is_err());
    assert_eq!(
        rename_in_form(
            b"--b\r\ncontent-disposition: form-data; name=x\r\n\r\nm\r\n--b--",
            "b",
            "model",
            "m",
            "n"
        ),
        Ok(None)
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_what_was_wanted(
        target in "/(v1|v2|predictions|endpoints|model|models|openai/deployments)/[a-z:./]{1,24}",
        model in "[ -~é]{1,12}",
        version in "[ -~]{1,6}",
    ) {
        let Ok(path) = Path::parse(target.as_bytes()) else { return Ok(()) };
        for method in ["GET", "POST"] {
            let Some(route) = Route::parse(method.as_bytes(), &path) else { continue };
            for choice in [Choice::Keep, Choice::Drop, Choice::Set(Selector::Version(version.as_str().into()))] {
                let wanted = Wanted { model: Some(&model), choice: choice.clone() };
                let Ok(Rewritten { path: Some(new), .. }) = wanted.write(method.as_bytes(), &path, &route) else { continue };
                let again = Path::parse(new.as_bytes()).unwrap();
                let read = Route::parse(method.as_bytes(), &again).unwrap();
                prop_assert_eq!(read.model.name(), Some(model.as_str()));
                if let Choice::Set(selector) = choice {
                    prop_assert_eq!(read.selector, Some(selector));
                }
            }
        }
    }
}
