//! The schema of scenario files says what the reader does: every scenario of the repository is
//! valid, and what is broken is refused by both. The schema is judged by a validator that is not
//! ours.

use std::path::Path;

use boon::{Compiler, Schemas};
use located_yaml::Node;
use modelgate_cli::SUITE;
use modelgate_cli::build::{Workspace, scenario_files};
use modelgate_scenario::file::{ScenarioFile, schema};
use serde_json::Value as Json;

struct Validator {
    schemas: Schemas,
    index: boon::SchemaIndex,
}

impl Validator {
    fn new(schema: Json) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let place = "file:///scenario.schema.json";
        compiler.add_resource(place, schema).unwrap();
        let index = compiler.compile(place, &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn judge(&self, text: &str) -> Result<(), String> {
        let json = Node::parse(text).unwrap().to_json();
        let verdict = self.schemas.validate(&json, self.index);
        verdict.map_err(|error| format!("{error:#}"))
    }
}

#[test]
fn every_scenario_of_the_repository_is_valid() {
    let root = Workspace::locate().unwrap().root;
    let paths = scenario_files(&root).unwrap();
    let page = std::fs::read_to_string(root.join("docs/scenarios.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let blocks = blocks.map(|text| ("docs/scenarios.md".to_owned(), text.to_owned()));
    let files = paths.iter().map(|path| {
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        (path.display().to_string(), text)
    });
    let all: Vec<(String, String)> = files.chain(blocks).collect();
    assert!(all.len() > 150, "{} scenarios were found", all.len());
    let validator = Validator::new(schema(&SUITE));
    for (name, text) in all {
        if let Err(error) = validator.judge(&text) {
            panic!("{name}: {error}");
        }
    }
}

/// A scenario in which everything may stand, and what is broken in it: a line, what stands there
/// instead, and what the reader says.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "about: x",
        "abot: x",
        "1:1: abot: unknown key; did you mean \"about\"?",
    ),
    ("about: x", "about: []", "1:8: about: expected a text"),
    (
        "chain: [ key-auth: {} ]",
        "chain: {}",
        "2:8: chain: expected a list",
    ),
    (
        "chain: [ key-auth: {} ]",
        "chain: [ { key-auth: {}, envoy: { failure_polcy: FAIL_OPEN } } ]",
        "2:35: chain[0].envoy.failure_polcy: unknown key; did you mean \"failure_policy\"?",
    ),
    (
        "chain: [ key-auth: {} ]",
        "chain: [ { key-auth: {}, envoy: { failure_policy: fail_open } } ]",
        "2:51: chain[0].envoy.failure_policy: expected one of: FAIL_RELOAD, FAIL_CLOSED, FAIL_OPEN",
    ),
    (
        "chain: [ key-auth: {} ]",
        "chain: [ { key-auth: {}, config_as: yaml } ]",
        "2:37: chain[0].config_as: expected one of: text, struct",
    ),
    ("env: {}", "env: { A: {} }", "3:11: env.A: expected a text"),
    (
        "gateway: {}",
        "gateway: { workers: 17 }",
        "4:21: gateway.workers: must be a whole number from 1 to 16",
    ),
    (
        "gateway: {}",
        "gateway: { use_remote_address: sometimes }",
        "4:32: gateway.use_remote_address: expected true or false",
    ),
    (
        "clusters: {}",
        "clusters: { idp: { answr: {} } }",
        "5:20: clusters.idp.answr: unknown key; did you mean \"answer\"?",
    ),
    (
        "clusters: {}",
        "clusters: { idp: { answer: { status: 99 } } }",
        "5:38: clusters.idp.answer.status: must be a whole number from 101 to 599",
    ),
    (
        "clusters: {}",
        "clusters: { idp: { answer: { ends: never } } }",
        "5:36: clusters.idp.answer.ends: expected one of: complete, reset, hang",
    ),
    (
        "clusters: {}",
        "clusters: { idp: { answer: { reset: false } } }",
        "5:37: clusters.idp.answer.reset: say true, or leave it out",
    ),
    (
        "clusters: {}",
        "clusters: { idp: { answer: {}, http: 3 } }",
        "5:38: clusters.idp.http: expected one of: 1, 2",
    ),
    (
        "routes: []",
        "routes: [ { timeout_ms: 0 } ]",
        "6:25: routes[0].timeout_ms: must be a whole number from 1 to 60000",
    ),
    (
        "routes: []",
        "routes: [ { metadata: { a: 1 } } ]",
        "6:28: routes[0].metadata.a: expected a mapping of keys and values",
    ),
    (
        "virtual_hosts: {}",
        "virtual_hosts: { a: { routes: [] } }",
        "7:21: virtual_hosts.a: the key \"domains\" is missing",
    ),
    (
        "request: {}",
        "request: { repeat: 3 }",
        "8:20: request.repeat: it has no meaning here",
    ),
    (
        "request: {}",
        "request: { wait_ms: 60001 }",
        "8:21: request.wait_ms: must be a whole number from 0 to 60000",
    ),
    (
        "request: {}",
        "request: { headers: { x: { text: a, after_ms: 1 } } }",
        "8:47: request.headers.x.after_ms: it has no meaning here",
    ),
    (
        "request: {}",
        "request: { path: ~ }",
        "8:18: request.path: expected a text",
    ),
    (
        "request: {}",
        "requests: [ { repeat: 0, expect: { client: { status: 200 } } } ]",
        "8:23: requests[0].repeat: must be a whole number from 1 to 10000",
    ),
    (
        "request: {}",
        "requests: [ { reload: {}, refusd: true } ]",
        "8:27: requests[0].refusd: unknown key; did you mean \"refused\"?",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { client: { state: 200 } }",
        "9:21: expect.client.state: unknown key; did you mean \"status\"?",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { client: {} }",
        "9:19: expect.client: an expectation with nothing in it",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { client: { headers: { a: { absent: false } } } }",
        "9:45: expect.client.headers.a.absent: say true, or leave it out",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { client: { body: { contain: a } } }",
        "9:29: expect.client.body.contain: unknown key; did you mean \"contains\"?",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { client: { hangs: long } }",
        "9:28: expect.client.hangs: say true, or for how many milliseconds",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { upstream: untuched }",
        "9:21: expect.upstream: expected one of: untouched",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { metrics: { a: -1 } }",
        "9:25: expect.metrics.a: expected a whole number of at least 0",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { metrics: { a: {} } }",
        "9:25: expect.metrics.a: give a number, `at_least` or `at_most`",
    ),
    (
        "expect: { client: { status: 200 } }",
        "expect: { statuses: { ok: 1 } }",
        "9:23: expect.statuses.ok: expected a status as key, such as 200",
    ),
    (
        "keys: {}",
        "keys: { a: { alg: RS1 } }",
        "10:19: keys.a.alg: expected one of: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512",
    ),
    (
        "tokens: {}",
        "tokens: { t: { unsigned: true, tamper: body } }",
        "11:40: tokens.t.tamper: expected one of: header, claims, signature",
    ),
    (
        "tokens: {}",
        "tokens: { t: { unsigned: true, claims: [] } }",
        "11:40: tokens.t.claims: expected a mapping of keys and values",
    ),
    (
        "diverges: []",
        "diverges: [ { engine: apache, field: client, because: it is another one } ]",
        "12:23: diverges[0].engine: expected native or wasmtime, also with what they play: `native nginx`; envoy, envoy-native or envoy-container, also with a release: `envoy 1.36.4`; or nginx, kong, envoy_stop_iteration: every engine that plays it",
    ),
];

const WHOLE: &str = "about: x
chain: [ key-auth: {} ]
env: {}
gateway: {}
clusters: {}
routes: []
virtual_hosts: {}
request: {}
expect: { client: { status: 200 } }
keys: {}
tokens: {}
diverges: []
";

#[test]
fn what_is_broken_is_refused_by_the_schema_and_by_the_reader_at_its_place() {
    let validator = Validator::new(schema(&SUITE));
    let read = |text: &str| ScenarioFile::parse(&SUITE, Path::new("x.yaml"), text);
    assert_eq!(validator.judge(WHOLE), Ok(()));
    read(WHOLE).unwrap();
    let mut wrong = String::new();
    for (line, broken, want) in BROKEN {
        assert!(WHOLE.contains(line), "{line}");
        let text = WHOLE.replace(line, broken);
        let said = match read(&text) {
            Ok(_) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        if said.lines().next() != Some(&format!("x.yaml:{want}")) {
            wrong.push_str(&format!("{broken}\n  wanted {want}\n  said   {said}\n"));
        }
        if validator.judge(&text).is_ok() {
            wrong.push_str(&format!("{broken}\n  is valid by the schema\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(BROKEN.len() > 30);
}
