//! The Envoy configurations that users copy: `modelgate check` has nothing to say about them, and a
//! real Envoy starts their filters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use located_yaml::Node;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::check;
use modelgate_cli::gateway::{self, Host};
use modelgate_cli::generate;
use modelgate_envoy::process::validate;
use modelgate_kit::problem::dialect::Shape;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::route::Dialect;
use modelgate_tests::envoys::envoy;
use serde_json::{Value as Json, json};

/// Every bootstrap in `envoy/`.
fn bootstraps(workspace: &Workspace) -> Vec<PathBuf> {
    let files = generate::bootstraps(&workspace.root).unwrap();
    assert!(files.len() >= 7, "{files:?}");
    let root = &workspace.root;
    files.iter().map(|file| root.join(file)).collect()
}

/// With a misspelt member in the configuration of jwt-auth.
fn bent(text: &str) -> String {
    let bent = text
        .replace("\"issuers\"", "\"isuers\"")
        .replace(" issuers:\n", " isuers:\n");
    assert_ne!(bent, text);
    bent
}

/// How the filters are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// A Wasm module for each.
    Apart,
    /// One Wasm module, in one entry.
    OneEntry,
    /// The library.
    Native,
}

fn form(text: &str) -> Form {
    match () {
        () if text.contains("dynamic_module_config:") => Form::Native,
        () if text.contains("root_id: chain") => Form::OneEntry,
        () => Form::Apart,
    }
}

#[test]
fn the_configurations_have_no_findings_and_with_a_mistake_they_have() {
    for path in bootstraps(&Workspace::locate().unwrap()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let outcome = check::check(&text);
        // What is there to be replaced is said, and nothing else.
        let findings: Vec<String> = outcome
            .findings
            .iter()
            .filter(|finding| finding.code.name != "placeholder")
            .map(ToString::to_string)
            .collect();
        assert!(findings.is_empty(), "{}: {findings:#?}", path.display());
        assert!(
            outcome.filters >= 5,
            "{}: {} filters",
            path.display(),
            outcome.filters
        );
        // In each of them a mistake is found: the check can fail.
        let bent = check::check(&bent(&text));
        let findings: Vec<String> = bent.findings.iter().map(ToString::to_string).collect();
        assert!(
            findings
                .iter()
                .any(|finding| finding.contains("did you mean `issuers`?")),
            "{}: {findings:#?}",
            path.display()
        );
    }
}

#[test]
fn every_configuration_says_what_to_do_after_a_crash() {
    for path in bootstraps(&Workspace::locate().unwrap()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = |wanted: &str| text.lines().filter(|line| line.trim() == wanted).count();
        let entries =
            lines("\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm");
        if form(&text) == Form::Native {
            assert_eq!(entries, 0);
            continue;
        }
        let one = form(&text) == Form::OneEntry;
        assert!(entries >= 5 || (one && entries == 1), "{}", path.display());
        for line in [
            "failure_policy: FAIL_RELOAD",
            "reload_config: { backoff: { base_interval: 0.2s } }",
        ] {
            assert_eq!(lines(line), entries, "{}: {line}", path.display());
        }
    }
}

#[test]
fn every_route_names_the_shape_of_refusals() {
    let root = Workspace::locate().unwrap().root;
    let ecds = root.join("envoy/ecds/envoy.yaml");
    for path in bootstraps(&Workspace::locate().unwrap())
        .into_iter()
        .chain([ecds])
    {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = Node::parse(&text).unwrap().to_json();
        let hosts = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
        let mut routes = 0;
        for host in file.pointer(hosts).unwrap().as_array().unwrap() {
            for route in host["routes"].as_array().unwrap() {
                let named = &route["metadata"]["filter_metadata"]["modelgate"]["dialect"];
                let dialect = serde_json::from_value::<Dialect>(named.clone());
                assert!(dialect.is_ok(), "{}: {route}", path.display());
                routes += 1;
            }
            nothing_here(host["routes"].as_array().unwrap());
        }
        assert!(routes > 1, "{}", path.display());
    }
}

/// The last route of a host answers every path that no other one takes, in the same shape as those.
fn nothing_here(routes: &[Json]) {
    static NOTHING: Reason = Reason {
        filter: "envoy",
        code: "not_found",
        status: 404,
        title: "There is nothing at this path.",
        help: "",
    };
    let last = routes.last().unwrap();
    assert_eq!(last["match"]["prefix"], "/");
    let named = |route: &Json| route["metadata"]["filter_metadata"]["modelgate"]["dialect"].clone();
    assert_eq!(named(last), named(&routes[0]));
    let shape = Shape::named(named(last).as_str().unwrap()).unwrap();
    let reply = Reply::new(&NOTHING);
    let (kind, body) = shape.render(&reply);
    let direct = &last["direct_response"];
    assert_eq!(direct["status"], 404);
    assert_eq!(
        direct["body"]["inline_string"],
        String::from_utf8(body).unwrap()
    );
    let mut wanted = vec![("content-type", kind.unwrap())];
    wanted.extend(shape.header(&reply));
    let added = last["response_headers_to_add"].as_array().unwrap().iter();
    let added = added.map(|added| &added["header"]);
    let added: Vec<_> = added
        .map(|header| {
            (
                header["key"].as_str().unwrap(),
                header["value"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(added, wanted);
}

/// The filters of a configuration with theirs, by their names, in the order of the chain.
fn filters_of(path: &Path) -> Vec<(String, Json)> {
    let text = std::fs::read_to_string(path).unwrap();
    let chain = Node::parse(&text)
        .unwrap()
        .to_json()
        .pointer(
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters",
        )
        .unwrap()
        .clone();
    let mut filters = Vec::new();
    for entry in chain.as_array().unwrap() {
        let (config, written) = match entry.pointer("/typed_config/config") {
            Some(config) => {
                let written = config["configuration"]["value"].as_str().unwrap();
                (config, serde_json::from_str(written).unwrap())
            }
            None if form(&text) == Form::Native => {
                let settings = &entry["typed_config"]["filter_config"]["value"];
                (settings, settings.clone())
            }
            None => continue,
        };
        let written: Json = written;
        match written["filters"].as_array() {
            Some(listed) => filters.extend(listed.iter().map(|listed| {
                let name = listed["filter"].as_str().unwrap();
                (name.to_owned(), listed["config"].clone())
            })),
            None if config.is_null() => {}
            None => filters.push((config["name"].as_str().unwrap().to_owned(), written)),
        }
    }
    filters
}

#[test]
fn the_gateway_in_one_entry_is_the_one_of_seven() {
    let root = Workspace::locate().unwrap().root;
    let seven = filters_of(&root.join("envoy/sagemaker.yaml"));
    assert_eq!(seven.len(), 7);
    for file in ["sagemaker-one-entry.yaml", "sagemaker-native.yaml"] {
        let one = filters_of(&root.join("envoy").join(file));
        assert_eq!(one, seven, "{file}");
    }
}

#[test]
fn the_newest_envoy_accepts_them_and_refuses_a_bent_one() {
    accepts_and_refuses("1.40.0");
}

#[test]
fn the_oldest_envoy_accepts_them_and_refuses_a_bent_one() {
    accepts_and_refuses("1.36.4");
}

/// What the configurations need in Envoy's environment.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "example"),
    ("OPENAI_API_KEY", "example"),
    ("AZUREML_ENDPOINT_KEY", "example"),
    ("AZURE_OPENAI_KEY", "example"),
];

/// Bootstraps as one, so that Envoy compiles each module once: every listener on a port of its own,
/// with VMs of its own, clusters of the same name under others.
fn joined<'a>(files: impl Iterator<Item = (&'a str, Json)>) -> Json {
    let mut whole = Json::Null;
    let list = |within: &Json, name: &str| {
        let found = within["static_resources"][name].as_array();
        found.cloned().unwrap_or_default()
    };
    for (file, mut one) in files {
        let known = ["admin", "static_resources", "stats_config"];
        let members = one.as_object().unwrap();
        assert!(
            members.keys().all(|name| known.contains(&&**name)),
            "{file}"
        );
        if whole.is_null() {
            whole = json!({ "admin": one["admin"], "stats_config": one["stats_config"] });
        }
        for listener in one["static_resources"]["listeners"].as_array_mut().unwrap() {
            listener["name"] = file.into();
            listener["address"]["socket_address"]["port_value"] = 0.into();
            apart(listener, file);
        }
        for name in ["listeners", "clusters", "secrets"] {
            let mut all = list(&whole, name);
            for mut item in list(&one, name) {
                if all.iter().any(|other| other["name"] == item["name"]) {
                    let own = format!("{file}.{}", item["name"].as_str().unwrap());
                    item["name"] = own.into();
                }
                all.push(item);
            }
            whole["static_resources"][name] = all.into();
        }
    }
    whole
}

/// Gives VMs ids of this file's: those of the same id would share an environment.
fn apart(value: &mut Json, file: &str) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::String(id) if name == "vm_id" => *id = format!("{file}.{id}"),
                    value => apart(value, file),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| apart(item, file)),
        _ => {}
    }
}

fn accepts_and_refuses(version: &str) {
    let Some(envoy) = envoy(Some(version)) else {
        return;
    };
    let workspace = Workspace::locate().unwrap();
    build::build_all(&workspace, Profile::Release).unwrap();
    let modules = workspace.target.join("modelgate");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    let refused = |config: &Json| {
        std::fs::write(&file, config.to_string()).unwrap();
        let environment = ENVIRONMENT.map(|(name, value)| (name, Some(value)));
        validate(&envoy, &file, &environment).unwrap()
    };
    // Dynamic modules are stable since 1.38.
    let has_native = version != "1.36.4";
    if has_native {
        build::native::build(&workspace).unwrap();
    }
    let files: Vec<(String, Form, String)> = bootstraps(&workspace)
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.replace("/etc/envoy/modelgate", modules.to_str().unwrap());
            let name = path.file_stem().unwrap().to_str().unwrap();
            (name.to_owned(), form(&text), text)
        })
        .filter(|(_, form, _)| has_native || *form != Form::Native)
        .collect();
    let read = |text: &str| Node::parse(text).unwrap().to_json();
    let parts = files.iter().map(|(name, _, text)| (&**name, read(text)));
    if let Some(said) = refused(&joined(parts)) {
        for (name, _, text) in &files {
            assert_eq!(refused(&read(text)), None, "{version} {name}");
        }
        panic!("{version}: each alone is taken, and together: {said}");
    }
    // A filter's own word on its configuration reaches Envoy in every form: the check can fail.
    let mut forms_bent = BTreeSet::new();
    for (name, form, text) in &files {
        if forms_bent.insert(*form) {
            let said = refused(&read(&bent(text))).unwrap_or_default();
            assert!(
                said.contains("did you mean `issuers`?"),
                "{version} {name}: {said}"
            );
        }
    }
    assert_eq!(forms_bent.len(), 2 + usize::from(has_native));
    // A provider's key that is not there stops the start; it is never sent as something else.
    for (file, variable) in [
        ("openai.yaml", "OPENAI_API_KEY"),
        ("openai-key-by-sds.yaml", "OPENAI_API_KEY"),
        ("azure-ml.yaml", "AZUREML_ENDPOINT_KEY"),
        ("azure-openai.yaml", "AZURE_OPENAI_KEY"),
    ] {
        let text = std::fs::read_to_string(workspace.root.join("envoy").join(file))
            .unwrap()
            .replace("/etc/envoy/modelgate", modules.to_str().unwrap());
        let file = folder.path().join(file);
        std::fs::write(&file, text).unwrap();
        let refused = validate(&envoy, &file, &[(variable, None)]).unwrap();
        assert!(
            refused.as_ref().is_some_and(|said| said.contains(variable)),
            "{refused:?}"
        );
    }
}

#[test]
fn envoy_accepts_what_gateway_files_are_rendered_to() {
    let Some(envoy) = envoy(Some("1.40.0")) else {
        return;
    };
    let workspace = Workspace::locate().unwrap();
    build::build_all(&workspace, Profile::Release).unwrap();
    let modules = workspace.target.join("modelgate");
    let folder = tempfile::tempdir().unwrap();
    let mut rendered = 0;
    build::native::build(&workspace).unwrap();
    for file in std::fs::read_dir(workspace.root.join("envoy/gateways")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // In the Wasm form they are the files above, value by value (a test of the writers says
        // so), but for the place of the collector: one of them is enough.
        let mut hosts = vec![Host::EnvoyNative];
        if path.ends_with("sagemaker.yaml") {
            hosts.push(Host::Envoy);
        }
        for host in hosts {
            let meaning = gateway::read(&Node::parse(&text).unwrap(), host).unwrap();
            let text = gateway::render(&meaning, host);
            let text = text.replace("/etc/envoy/modelgate", modules.to_str().unwrap());
            let file = folder.path().join(path.file_name().unwrap());
            std::fs::write(&file, text).unwrap();
            let environment = ENVIRONMENT.map(|(name, value)| (name, Some(value)));
            let refused = validate(&envoy, &file, &environment).unwrap();
            assert_eq!(refused, None, "{host:?} {}", path.display());
            rendered += 1;
        }
    }
    assert!(rendered >= 7);
}

#[test]
fn what_check_takes_for_legal_envoy_takes() {
    let Some(envoy) = envoy(Some("1.40.0")) else {
        return;
    };
    let file = Workspace::locate()
        .unwrap()
        .root
        .join("harness/cli/src/check/tests/legal.yaml");
    assert_eq!(validate(&envoy, &file, &[]).unwrap(), None);
}
