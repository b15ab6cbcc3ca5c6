//! Tests of the format: what is read, and what is refused at which place.

use super::*;
use crate::catalogue::SUITE;
use serde_json::json;

const WHOLE: &str = r#"
about: a slow identity provider denies
keys: { idp: { alg: EdDSA, kid: k1 } }
tokens: { good: { key: idp, claims: { sub: ann } } }
chain:
- jwt-auth: { introspection: { cluster: idp, timeout_ms: 250 }, keys: "${jwks.idp}" }
- guest: text
  wasm: guest.wasm
  as: second
  envoy: { allow_on_headers_stop_iteration: true, failure_policy: FAIL_CLOSED, disabled: true }
env: { SECRET: "s3cret" }
gateway: { workers: 2, buffer_limit_bytes: 65536 }
clusters:
  idp: { answer: { json: { active: true }, after_ms: 1000 }, paths: { /keys: { answers: [ { reset: true }, { hang: true } ] } } }
  upstream: { answer: { status: 201, body: [ a, { after_ms: 5, repeat: xy, bytes: 5 } ], trailers: { t: "1" } } }
routes:
- { prefix: /v1, metadata: { modelgate: { profile: strict } }, enable: second, timeout_ms: 900 }
- { path: /open, disable: [ jwt-auth ] }
request:
  method: POST
  path: /v1/x
  headers: { authorization: "Bearer ${token.good}", x: [ "1", "2" ], big: { repeat: a, bytes: 9 } }
  body: [ '{"model":', '"m"}' ]
expect:
  client: { status: 503, reason: idp_unavailable, headers: { server: { present: true }, x: { absent: true } } }
  upstream: untouched
  clusters: { idp: { requests: { at_least: 1 }, path: /introspect, body: { json: { a: 1 } } } }
  metrics: { jwt_auth.denied: 1 }
  facts: { modelgate.identity: { json: { consumer: ann } } }
diverges: [ { engine: envoy 1.36.4, field: client.headers, because: it writes another one } ]
engines: { only: [ envoy, wasmtime ], because: nothing else has trailers }
"#;

fn read(text: &str) -> Result<Scenario, String> {
    let file = ScenarioFile::parse(&SUITE, Path::new("folder/x.yaml"), text)
        .map_err(|error| error.to_string())?;
    file.fill(1_000, token::Minting::Pretend)
        .map_err(|error| error.to_string())
}

#[test]
fn a_whole_file_is_read() {
    let scenario = read(WHOLE).unwrap();
    assert_eq!(scenario.folder, Path::new("folder"));
    assert_eq!(scenario.chain[1].wasm, Wasm::File("guest.wasm".into()));
    assert_eq!(
        (
            scenario.chain[1].name.as_str(),
            scenario.chain[1].root_id.as_str()
        ),
        ("second", "guest")
    );
    assert_eq!(scenario.chain[1].config, Config::Text("text".into()));
    assert!(
        scenario.chain[0]
            .config
            .text()
            .contains(r#""keys":{"keys":[{"kty""#),
        "{}",
        scenario.chain[0].config.text()
    );
    let Answer::Reply(reply) = &scenario.clusters["upstream"].answers[0] else {
        panic!()
    };
    assert_eq!(
        (reply.status, reply.body.bytes()),
        (201, b"axyxyx".to_vec())
    );
    assert!(scenario.clusters["upstream"].http2);
    assert_eq!(
        scenario.clusters["idp"].script("/keys?x=1").1,
        [Answer::Reset(0), Answer::Hang]
    );
    let request = &scenario.steps[0].traffic().unwrap().request;
    let names: Vec<&str> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["authorization", "x", "x", "big"]);
    assert_eq!(
        scenario.virtual_hosts[0].routes[0].switches.enable,
        ["second"]
    );
    assert_eq!(
        scenario.expect.one.client.as_ref().unwrap().headers[1].1,
        HeaderExpect::Absent
    );
    let older = EngineName::parse("envoy-container 1.36.4").unwrap();
    assert!(scenario.diverges[0].engine.covers(&older));
    assert_eq!(
        scenario.excluded(&EngineName::parse("native").unwrap()),
        Some("nothing else has trailers")
    );
    assert_eq!(scenario.excluded(&older), None);
}

use super::value::HeaderExpect;

#[test]
fn every_mistake_is_reported_with_its_place() {
    let text = "about: x\nchain:\n- jwt-auth: {}\n  as_: y\nrequest: { body: { repeat: x } }\nexpect: { client: {}, sever: 1 }\n";
    let error = read(text).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    for (line, want) in lines.iter().zip([
        "3:3: chain[0]: name one",
        "5:18: request.body: `repeat` and `bytes`",
        "6:19: expect.client: an expect",
        "6:23: expect.sever: unknown key",
    ]) {
        assert!(line.contains(want), "{line} / {want}");
    }
}

#[test]
fn an_expectation_with_nothing_in_it_is_refused() {
    for text in [
        "{}",
        "{ client: {} }",
        "{ upstream: {} }",
        "{ client: { body: {} } }",
        "{ settle_ms: 5 }",
        "{ logs: {} }",
        "{ client: { headers: {} , trailers: {}} }",
    ] {
        let file = format!("about: x\nchain: []\nrequest: {{}}\nexpect: {text}\n");
        let result = read(&file);
        assert!(text.contains("headers") || result.is_err(), "{text}");
    }
}

#[test]
fn overlapping_requests_cannot_be_expected_one_by_one_at_the_upstream() {
    let file = |upstream: &str| {
        read(&format!(
            "about: x\nchain: []\nrequests: [ {{ parallel: 3, expect: {{ client: {{ status: 200 }} {upstream} }} }} ]\nexpect: {{ statuses: {{ 200: 3 }} }}\n"
        ))
    };
    assert!(file("").is_ok());
    assert!(
        file(", upstream: untouched")
            .unwrap_err()
            .contains("overlap")
    );
}

#[test]
fn templates_take_the_type_of_what_they_stand_for() {
    let text = "about: \"at ${now+5}, $${now}, ${sha256.abc}\"\nchain: []\nrequest: { path: \"/${now}\" }\nclusters: { idp: { answer: { json: { exp: \"${now-10}\" } } } }\nexpect: { client: { status: 200 } }\n";
    let scenario = read(text).unwrap();
    assert_eq!(
        scenario.about,
        "at 1005, ${now}, ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let Answer::Reply(reply) = &scenario.clusters["idp"].answers[0] else {
        panic!()
    };
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&reply.body.bytes()).unwrap(),
        json!({"exp": 990})
    );
    assert!(
        read(&text.replace("${now}\" }", "${nix}\" }"))
            .unwrap_err()
            .contains("known are now")
    );
}

#[test]
fn engine_names_are_read_and_shown() {
    for name in [
        "native",
        "wasmtime",
        "envoy",
        "envoy 1.36.4",
        "envoy-container",
        "envoy-container 1.40.0",
    ] {
        assert_eq!(EngineName::parse(name).unwrap().to_string(), name);
    }
    for (other, name) in [
        ("envoy-1.36.4", "envoy 1.36.4"),
        ("envoy-container@1.36.4", "envoy-container 1.36.4"),
    ] {
        assert_eq!(EngineName::parse(other).unwrap().to_string(), name);
    }
    for wrong in [
        "apache",
        "",
        "native 1",
        "Envoy",
        "envoys",
        "envoy-box",
        "envoy-containers",
    ] {
        assert_eq!(EngineName::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_steps_expect_is_enough() {
    let file = |step: &str, rest: &str| {
        read(&format!(
            "about: x\nchain: [ key-auth: ]\nrequests: [ {step} ]\n{rest}"
        ))
    };
    let scenario = file("{ expect: { client: { status: 200 } } }", "").unwrap();
    assert!(scenario.expect.start_refused.is_none());
    let refused = file("{}", "").unwrap_err();
    assert!(refused.contains("nothing is expected"), "{refused}");
    assert!(file("{}", "expect: {}").is_err());
}

#[test]
fn the_upstream_answers_200_whatever_else_is_said_of_it_and_others_need_an_answer() {
    let file = |clusters: &str| {
        read(&format!(
            "about: x\nchain: [ key-auth: ]\nclusters: {clusters}\nrequest: {{}}\nexpect: {{ client: {{ status: 200 }} }}\n"
        ))
    };
    let scenario = file("{ upstream: { http: 2 } }").unwrap();
    let upstream = &scenario.clusters[UPSTREAM];
    assert!(upstream.http2);
    assert_eq!(upstream.answers, Cluster::default().answers);
    assert!(file("{ idp: { http: 2 } }").is_err());
}

#[test]
fn an_upgrade_is_a_request_with_its_headers_and_a_granting_answer_has_a_status_of_its_own() {
    let file = |request: &str| {
        read(&format!(
            "about: x\nchain: [ key-auth: ]\ngateway: {{ upgrades: websocket }}\nclusters: {{ upstream: {{ answer: {{ status: 101, body: hi }} }} }}\nrequest: {request}\nexpect: {{ client: {{ status: 101 }} }}\n"
        ))
    };
    let scenario = file("{ upgrade: websocket, body: ping }").unwrap();
    let request = &scenario.steps[0].traffic().unwrap().request;
    assert_eq!(
        request.headers,
        super::message::upgrade_headers("websocket")
    );
    assert_eq!(scenario.gateway.upgrades(), ["websocket"]);
    let Answer::Reply(reply) = &scenario.clusters[UPSTREAM].answers[0] else {
        panic!("an answer");
    };
    assert!(reply.switches());
    assert_eq!(
        reply.headers_for(&request.headers),
        super::message::upgrade_headers("websocket")
    );
    assert!(file("{ upgrade: websocket, http: 2 }").is_ok());
    assert!(file("{ upgrade: websocket, http: 2, method: POST }").is_err());
    let tunnel = file("{ upgrade: CONNECT, authority: \"db.test:443\" }").unwrap();
    let request = &tunnel.steps[0].traffic().unwrap().request;
    assert_eq!(
        (request.method.as_str(), request.headers.len()),
        ("CONNECT", 0)
    );
    for wrong in ["method: GET", "path: /a", "http: 2, path: /a"] {
        assert!(
            file(&format!("{{ upgrade: CONNECT, {wrong} }}")).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_text_in_place_of_the_claims_stands_alone() {
    let file = |token: &str| {
        read(&format!(
            "about: x\nkeys: {{ k: {{}} }}\ntokens: {{ t: {token} }}\nchain: [ key-auth: ]\nrequest: {{}}\nexpect: {{ client: {{ status: 200 }} }}\n"
        ))
    };
    assert!(file("{ key: k, claims_text: '{\"exp\":1e10}' }").is_ok());
    let refused = file("{ key: k, claims_text: '{}', expires_in_s: 5 }").unwrap_err();
    assert!(
        refused.contains("stands in place of all claims"),
        "{refused}"
    );
}
