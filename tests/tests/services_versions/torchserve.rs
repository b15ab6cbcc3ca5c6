//! Two versions of a model on a real TorchServe that asks for its inference key, behind
//! `model-route` and `upstream-auth` on a real Envoy with two workers: each version answers as it
//! has learnt, the lineage says which it was, a pin and an override win, a version that fails is
//! taken out for both workers, and nobody else notices.

use std::collections::BTreeMap;

use modelgate_demo::client::{Answer, Call};
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use modelgate_tests::torchserve::{Model, TORCHSERVE, TorchServe};
use serde_json::{Value, json};

/// Version 1.0 has never read that "not" turns a word around.
const TURNED: &str = "not bad";

fn models() -> [Model<'static>; 2] {
    let model = |version, good: &[&str], bad: &[&str]| Model {
        name: "words",
        version,
        examples: json!({ "good": good, "bad": bad }),
    };
    [
        model(
            "1.0",
            &["fine work", "all is well"],
            &["bad work", "bad luck"],
        ),
        model(
            "2.0",
            &["fine work", "all is well", "not bad", "not bad at all"],
            &["bad work", "bad luck"],
        ),
    ]
}

fn chain(key: &str) -> String {
    format!(
        r#"
about: two versions of a model on TorchServe, one inference key
gateway: {{ workers: 2 }}
env: {{ TORCHSERVE_INFERENCE_KEY: "{key}" }}
chain:
- model-route:
    models:
    - name: mood
      sticky_by: [ {{ header: x-session }} ]
      targets:
      - {{ tag: stable, weight: 70, backend: torchserve, model: words, version: "1.0" }}
      - {{ tag: canary, weight: 30, backend: torchserve, model: words, version: "2.0" }}
      overrides: [ {{ who: {{ identity: any }}, header: {{ name: x-try, value: canary }}, target: canary }} ]
      rollback: {{ of: [ canary ], to: stable, errors_per_1000: 300, minimum: 10, window_s: 60 }}
    profiles:
      pinned:
        rank: 1
        models:
        - name: mood
          pin: canary
          targets:
          - {{ tag: stable, backend: torchserve, model: words, version: "1.0" }}
          - {{ tag: canary, backend: torchserve, model: words, version: "2.0" }}
    profile_rules: [ {{ match: {{ headers: [ {{ name: x-pinned }} ] }}, profile: pinned }} ]
- upstream-auth:
    provider: torchserve
    credential: {{ static: {{ value: {{ env: TORCHSERVE_INFERENCE_KEY }} }} }}
clusters: {{ torchserve: {{ answer: {{}} }} }}
routes:
- {{ prefix: /predictions/, headers: {{ x-modelgate-backend: torchserve }}, cluster: torchserve, timeout_ms: 5000 }}
request: {{ path: / }}
expect: {{ client: {{ status: 200 }} }}
"#
    )
}

fn ask(session: &str, text: &str) -> Call {
    Call::post("/predictions/mood", &json!({ "text": text }).to_string())
        .with("content-type", "application/json")
        .with("authorization", "Bearer nothing-that-torchserve-knows")
        .with("x-session", session)
}

/// The version that the model says it is, which must be the one that the lineage names and whose
/// answer it is.
fn version(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let version = body["version"].as_str().unwrap();
    let (target, label) = match version {
        "1.0" => ("stable", "bad"),
        _ => ("canary", "good"),
    };
    assert_eq!(body["label"], label, "{body}");
    let expected = format!("\"mood\";target=\"{target}\";model=\"words\";version=\"{version}\"");
    assert_eq!(answer.header("x-modelgate-model"), Some(expected.as_str()));
    version.to_owned()
}

/// Waits until the workers of both versions have loaded theirs.
async fn until_ready(model: &TorchServe) {
    for version in ["1.0", "2.0"] {
        let call = Call::post(
            &format!("/predictions/words/{version}"),
            r#"{"text":"fine"}"#,
        )
        .with("content-type", "application/json")
        .with("authorization", &format!("Bearer {}", model.key));
        model.server.until_loaded(&call).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_answers_as_it_has_learnt_and_a_failing_one_goes() {
    let Some(envoy) = envoy(None) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(model) = TorchServe::start(folder.path(), &models()) else {
        return;
    };
    until_ready(&model).await;
    let servers = [("torchserve", model.server.port)];
    let gateway = Gateway::start(&envoy, &chain(&model.key), &servers).await;

    let mut of: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..120 {
        let session = format!("s{}", number % 60);
        let version = version(&gateway.send(&ask(&session, TURNED)).await);
        let before = of.entry(session).or_insert_with(|| version.clone());
        assert_eq!(*before, version);
    }
    let canary = of.values().filter(|version| *version == "2.0").count();
    assert!(
        (7..=29).contains(&canary),
        "{canary} of 60 where 18 are meant"
    );
    let (stable, _) = of.iter().find(|(_, version)| *version == "1.0").unwrap();
    // A tester, a pin, and a client that asks for a version: what is configured counts.
    let tester = ask(stable, TURNED).with("x-try", "canary");
    assert_eq!(version(&gateway.send(&tester).await), "2.0");
    let pinned = ask(stable, TURNED).with("x-pinned", "yes");
    assert_eq!(version(&gateway.send(&pinned).await), "2.0");
    let mut asking = ask(stable, TURNED);
    asking.path = "/predictions/mood/2.0".into();
    assert_eq!(version(&gateway.send(&asking).await), "1.0");
    let mut unknown = ask(stable, TURNED);
    unknown.path = "/predictions/words".into();
    let refused = gateway.send(&unknown).await;
    assert_eq!(refused.status, 404);
    assert_eq!(
        refused.header("x-modelgate-reason"),
        Some("model_not_routed")
    );

    // Version 2.0 fails: soon nobody gets it, and whoever had 1.0 never notices. TorchServe
    // answers 503 for an error of a model's.
    let mut failed = 0;
    for number in 0..180 {
        let session = format!("s{}", number % 60);
        let answer = gateway.send(&ask(&session, "fail 2.0")).await;
        if of[&session] == "2.0" && answer.status == 503 {
            assert!(answer.text().contains("Prediction failed"));
            failed += 1;
        } else {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(
                (answer.status, body["version"].as_str()),
                (200, Some("1.0"))
            );
        }
    }
    assert!((5..45).contains(&failed), "{failed} failed of 180");
    for session in of.keys() {
        assert_eq!(version(&gateway.send(&ask(session, TURNED)).await), "1.0");
    }
    // A human's word wins over the rollback.
    assert_eq!(version(&gateway.send(&pinned).await), "2.0");
    println!(
        "{TORCHSERVE}: {canary} of 60 sessions at 2.0, {failed} failed before it was taken out"
    );
}
