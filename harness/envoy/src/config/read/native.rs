//! An entry of a chain in the native form, run as the Wasm module of the same name.
//!
//! Only Envoy loads libraries. What its module would be told, the Wasm module is told here; what it
//! could not read there (metadata of virtual hosts) it can read here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use located_yaml::read::{At, Fields};
use proxy_wasm_simulator::FailurePolicy;
use serde_json::Value as Json;

use super::{WasmFilter, environment, text};

const NATIVE: &str = "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";
/// Members of `filter_config` that are the module's own.
const OWN: [&str; 2] = ["environment_variables", "entry_name"];

/// Whether a filter of this type is one.
pub(super) fn is_one(url: &str) -> bool {
    url.rsplit('/').next() == Some(NATIVE)
}

/// Reads it.
pub(super) fn filter(mut fields: Fields<'_>) -> Option<WasmFilter> {
    let module = fields
        .need("dynamic_module_config")
        .and_then(|at| at.fields());
    let root_id = text(&mut fields, "filter_name");
    let written = fields.take("filter_config");
    fields.close();
    let mut module = module?;
    // Metrics have no names of Envoy's here, and nothing is unloaded.
    for name in ["metrics_namespace", "do_not_close", "load_globally"] {
        module.take(name);
    }
    let file = module.need("module").and_then(|at| super::code(&at));
    module.close();
    let (inherited, environment, configuration) = match written {
        Some(at) => settings(&at)?,
        None => (Vec::new(), BTreeMap::new(), Vec::new()),
    };
    Some(WasmFilter {
        file: wasm(&file?),
        root_id,
        vm_id: String::new(),
        configuration,
        vm_configuration: Vec::new(),
        inherited,
        environment,
        failure_policy: FailurePolicy::Reload,
        allow_on_headers_stop_iteration: true,
    })
}

type Settings = (Vec<String>, BTreeMap<String, String>, Vec<u8>);

/// The environment, and what the filters are configured with.
fn settings(at: &At<'_>) -> Option<Settings> {
    let mut fields = at.fields()?;
    let kind = fields.need("@type").and_then(|at| at.text())?;
    let value = fields.take("value");
    fields.close();
    if !kind.ends_with("google.protobuf.Struct") {
        return at.refuse("a Struct is read here");
    }
    let Some(value) = value else {
        return Some((Vec::new(), BTreeMap::new(), b"{}".to_vec()));
    };
    let given = value.member(OWN[0]);
    let (inherited, given) = match given {
        Some(given) => environment(&given)?,
        None => Default::default(),
    };
    let mut json = value.json();
    if let Json::Object(members) = &mut json {
        members.retain(|name, _| !OWN.contains(&name.as_str()));
    }
    Some((inherited, given, json.to_string().into_bytes()))
}

/// The Wasm module beside a library: `libNAME.so` is `NAME.wasm`.
fn wasm(file: &Path) -> PathBuf {
    let name = file.file_name().and_then(|name| name.to_str());
    let plain = name.and_then(|name| name.strip_prefix("lib")?.strip_suffix(".so"));
    match plain {
        Some(plain) => file.with_file_name(format!("{plain}.wasm")),
        None => file.to_owned(),
    }
}
