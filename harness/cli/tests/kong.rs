//! What Kong is given: `NAME.meta.json` beside each module, and the configurations in `kong/` that
//! users copy. A file's schema takes every configuration that the filters take, as Kong's Lua hands
//! it over, and refuses what is misspelt. It is judged by a validator that is not ours, under
//! draft 4.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // Helpers stand outside of tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use boon::{Compiler, Draft, Schemas};
use located_yaml::Node;
use modelgate_cli::build::{Workspace, scenario_files};
use modelgate_cli::{SUITE, check, generate};
use modelgate_scenario::file::{Config, ScenarioFile, Step, Wasm};
use serde_json::{Map, Value as Json, json};

struct Validator {
    schemas: Schemas,
    index: boon::SchemaIndex,
}

impl Validator {
    /// Of the schema in a filter's file, which is one of draft 4 itself: compiling it says so.
    fn of(filter: &str) -> Self {
        let member = SUITE.member(filter).unwrap();
        let meta = generate::kong::meta(&member);
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V4);
        let place = format!("file:///{filter}.json");
        compiler
            .add_resource(&place, meta["config_schema"].clone())
            .unwrap();
        let index = compiler.compile(&place, &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// Of every filter, by its name.
    fn all() -> BTreeMap<&'static str, Self> {
        let names = SUITE.filters().iter().map(|member| member.filter.name);
        names.map(|name| (name, Self::of(name))).collect()
    }

    fn judge(&self, config: &Json) -> Result<(), String> {
        let verdict = self.schemas.validate(config, self.index);
        verdict.map_err(|error| format!("{error:#}"))
    }
}

/// A configuration as lua-cjson hands it over: one empty table for `[]` and `{}`, and whole
/// numbers without a fraction.
fn through_lua(json: &Json) -> Json {
    match json {
        Json::Array(items) if items.is_empty() => json!({}),
        Json::Array(items) => items.iter().map(through_lua).collect(),
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), through_lua(value)))
            .collect::<Map<String, Json>>()
            .into(),
        Json::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 1e14 => {
                json!(whole as i64)
            }
            _ => json.clone(),
        },
        other => other.clone(),
    }
}

/// A configuration in a scenario, and whether the scenario expects that it is refused.
struct Case {
    file: String,
    filter: &'static str,
    config: Json,
    refused: bool,
}

/// Every configuration of every scenario of the repository: filters of their own, and those in
/// chains in one entry.
fn cases() -> Vec<Case> {
    let root = Workspace::locate().unwrap().root;
    let mut cases = Vec::new();
    for path in scenario_files(&root).unwrap() {
        let file = path.display().to_string();
        let scenario = ScenarioFile::read(&SUITE, &root.join(&path)).unwrap();
        let scenario = scenario.resolve(1_700_000_000).unwrap();
        let refused = scenario.expect.start_refused.is_some();
        let mut add = |name: &str, config: &Config, refused: bool| {
            let config = match config {
                Config::Json(json) => json.clone(),
                Config::Text(text) => match serde_json::from_str(text) {
                    Ok(json) => json,
                    Err(_) => return,
                },
                // Kong hands over none as none, and has no `Struct`.
                Config::Absent | Config::Struct(_) => return,
            };
            if let Some(member) = SUITE.member(name) {
                cases.push(Case {
                    file: file.clone(),
                    filter: member.filter.name,
                    config,
                    refused,
                });
            }
        };
        for entry in &scenario.chain {
            let Wasm::Suite(krate) = &entry.wasm else {
                continue;
            };
            if entry.root_id == "chain" && !refused {
                let listed: Json = serde_json::from_str(&entry.config.text()).unwrap();
                for filter in listed["filters"].as_array().unwrap() {
                    let config = Config::Json(filter["config"].clone());
                    if !filter["config"].is_null() {
                        add(filter["filter"].as_str().unwrap(), &config, false);
                    }
                }
            } else {
                let name = if krate == "modelgate" {
                    &entry.root_id
                } else {
                    krate
                };
                add(name, &entry.config, refused);
            }
        }
        for step in &scenario.steps {
            if let Step::Reload(reload) = step {
                for (name, config) in &reload.configs {
                    add(name, config, reload.refused);
                }
            }
        }
    }
    cases
}

#[test]
fn every_configuration_of_the_scenarios_is_judged_as_the_filters_do_or_left_to_them() {
    let (mut taken, mut caught) = (0, 0);
    let validators = Validator::all();
    for case in cases() {
        let validator = &validators[case.filter];
        for config in [case.config.clone(), through_lua(&case.config)] {
            let judged = validator.judge(&config);
            match judged {
                Err(error) if !case.refused => {
                    panic!("{}: {}: {error}", case.file, case.filter)
                }
                Err(_) => caught += 1,
                Ok(()) => taken += 1,
            }
        }
    }
    assert!(taken > 300, "{taken} configurations were taken");
    assert!(caught > 0, "no configuration was refused");
}

#[test]
fn a_misspelt_member_is_refused_and_so_is_a_value_of_another_kind() {
    let mut tried = 0;
    let validators = Validator::all();
    for case in cases().into_iter().filter(|case| !case.refused) {
        let validator = &validators[case.filter];
        let Json::Object(members) = through_lua(&case.config) else {
            panic!("{}: no mapping", case.file);
        };
        for name in members.keys() {
            let mut misspelt = members.clone();
            let value = misspelt.remove(name).unwrap();
            misspelt.insert(format!("{name}_x"), value);
            let judged = validator.judge(&misspelt.into());
            assert!(judged.is_err(), "{}: {}: {name}_x", case.file, case.filter);
            let mut other = members.clone();
            // No member takes a list in a list.
            other.insert(name.clone(), json!([[[1]]]));
            let judged = validator.judge(&other.into());
            assert!(judged.is_err(), "{}: {}: {name}", case.file, case.filter);
            tried += 1;
        }
    }
    assert!(tried > 250, "{tried} members were tried");
}

#[test]
fn a_profile_says_what_differs_and_nothing_else() {
    let validator = Validator::of("upstream-auth");
    let judged = |profile: Json| {
        let client = json!({ "id": "gateway", "secret": "s3cret" });
        let endpoint = json!({ "url": "https://idp.test/token", "cluster": "idp" });
        let grant = json!({ "token_endpoint": endpoint, "client": client });
        validator.judge(&json!({
            "credential": { "oauth2_client_credentials": grant },
            "profiles": { "other": profile },
        }))
    };
    for right in [
        json!({ "credential": { "oauth2_client_credentials": { "token_endpoint": { "url": "https://idp.test/t" } } } }),
        json!({ "credential": { "oauth2_client_credentials": null, "static": { "value": "k" } } }),
        json!({ "refresh": { "wait_ms": null } }),
        json!({ "refresh": null }),
    ] {
        judged(right.clone()).unwrap_or_else(|error| panic!("{right}: {error}"));
    }
    for wrong in [
        json!({ "credential": { "oauth2_client_credentials": { "token_endpoint": { "uri": "https://idp.test/t" } } } }),
        json!({ "refresh": { "wait_ms": "3000" } }),
        json!({ "refresh": { "wait": null } }),
    ] {
        assert!(judged(wrong.clone()).is_err(), "{wrong}");
    }
}

/// What Kong's validator reads, and what it passes over because it only describes.
const KNOWN: &[&str] = &[
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// Every keyword of a schema, with its place. What stands beside a `$ref` is not looked at in
/// draft 4, so only what describes may.
fn keywords(schema: &Json, place: &str, each: &mut impl FnMut(&str, &str, bool)) {
    let Json::Object(members) = schema else {
        return;
    };
    let refers = members.contains_key("$ref");
    for (key, value) in members {
        each(key, place, refers);
        let place = format!("{place}/{key}");
        match key.as_str() {
            "properties" | "definitions" => {
                for (name, schema) in value.as_object().unwrap() {
                    keywords(schema, &format!("{place}/{name}"), each);
                }
            }
            "allOf" | "anyOf" => {
                for schema in value.as_array().unwrap() {
                    keywords(schema, &place, each);
                }
            }
            "items" | "additionalProperties" => keywords(value, &place, each),
            _ => {}
        }
    }
}

#[test]
fn no_keyword_is_one_that_kongs_validator_passes_over() {
    for member in SUITE.filters() {
        let meta = generate::kong::meta(member);
        keywords(&meta["config_schema"], "", &mut |key, place, refers| {
            let name = member.filter.name;
            assert!(KNOWN.contains(&key), "{name}: {place}: {key}");
            let describes = ["$ref", "default", "description", "title"];
            assert!(
                !refers || describes.contains(&key),
                "{name}: {place}: {key}"
            );
        });
    }
}

/// The configurations that users copy.
const EXAMPLES: [&str; 4] = [
    "kserve-v2.yaml",
    "nginx.conf",
    "openai.yaml",
    "sagemaker.yaml",
];

fn example(name: &str) -> (PathBuf, String) {
    let folder = Workspace::locate().unwrap().root.join("kong");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    (folder, text)
}

#[test]
fn the_configurations_have_no_findings_and_with_a_mistake_they_have() {
    for name in EXAMPLES {
        let (folder, text) = example(name);
        let outcome = check::check_in(&text, Some(&folder));
        // What is there to be replaced is said, and nothing else.
        let findings: Vec<String> = outcome
            .findings
            .iter()
            .filter(|finding| finding.code.name != "placeholder")
            .map(ToString::to_string)
            .collect();
        assert!(findings.is_empty(), "{name}: {findings:#?}");
        assert!(outcome.filters >= 4, "{name}: {} filters", outcome.filters);
        // In each of them a mistake is found: the check can fail.
        let bent = text
            .replace("\"issuers\"", "\"isuers\"")
            .replace("issuers:", "isuers:");
        assert_ne!(bent, text, "{name}");
        let bent = check::check_in(&bent, Some(&folder));
        let findings: Vec<String> = bent.findings.iter().map(ToString::to_string).collect();
        let hint = "did you mean `issuers`?";
        assert!(
            findings.iter().any(|finding| finding.contains(hint)),
            "{name}: {findings:#?}"
        );
    }
}

#[test]
fn kongs_validator_takes_every_configuration_that_users_copy() {
    let mut judged = 0;
    let validators = Validator::all();
    for name in EXAMPLES.iter().filter(|name| name.ends_with(".yaml")) {
        let (_, text) = example(name);
        let file = Node::parse(&text).unwrap().to_json();
        for service in file["services"].as_array().unwrap() {
            for chain in service["filter_chains"].as_array().unwrap() {
                for filter in chain["filters"].as_array().unwrap() {
                    let validator = &validators[filter["name"].as_str().unwrap()];
                    let verdict = validator.judge(&through_lua(&filter["config"]));
                    assert_eq!(verdict, Ok(()), "{name}: {}", filter["name"]);
                    judged += 1;
                }
            }
        }
    }
    assert!(judged >= 15, "{judged} configurations");
}

#[test]
fn kong_conf_alone_has_no_findings_and_without_what_it_sets_there_are() {
    let (folder, text) = example("kong.conf");
    let outcome = check::check_in(&text, Some(&folder));
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    // What kong.conf sets is needed: without it there are findings.
    let alone = tempfile::tempdir().unwrap();
    std::fs::write(
        alone.path().join("kong.conf"),
        "wasm = on\nwasm_filters_path = /f\n",
    )
    .unwrap();
    let (_, text) = example("sagemaker.yaml");
    let outcome = check::check_in(&text, Some(alone.path()));
    let mut names: Vec<&str> = outcome
        .findings
        .iter()
        .map(|finding| finding.code.name)
        .filter(|name| *name != "placeholder")
        .collect();
    names.dedup();
    for wanted in ["shared-memory", "body-buffer", "variable-not-passed"] {
        assert!(names.contains(&wanted), "{wanted}: {names:?}");
    }
}
