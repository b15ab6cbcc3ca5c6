//! A gateway's filters as WasmPlugins of Higress's. Routes are those of its Ingresses.

use serde_json::{Map, Value as Json, json};

use super::file::Modules;
use super::meaning::Meaning;
use super::objects::resource;

/// Everything.
pub(super) fn resources(meaning: &Meaning, modules: &Modules) -> Vec<Json> {
    let last = meaning.filters.len();
    let filters = meaning.filters.iter().enumerate();
    let plugins = filters.map(|(at, filter)| {
        let krate = filter.member.krate;
        let mut spec = Map::new();
        spec.insert(
            "url".into(),
            format!("oci://{}", modules.tagged(krate)).into(),
        );
        let digest = modules
            .digest(krate)
            .and_then(|digest| digest.strip_prefix("sha256:"));
        if let Some(digits) = digest {
            spec.insert("sha256".into(), digits.into());
        }
        spec.insert("phase".into(), "AUTHN".into());
        // The highest runs first.
        spec.insert(
            "priority".into(),
            last.saturating_sub(at).saturating_mul(10).into(),
        );
        spec.insert("failStrategy".into(), "FAIL_CLOSE".into());
        spec.insert("pluginName".into(), filter.member.filter.name.into());
        spec.insert("defaultConfig".into(), filter.config.to_json());
        if !filter.environment.is_empty() {
            let variable = |name: &String| json!({ "name": name, "valueFrom": "HOST" });
            let variables: Vec<Json> = filter.environment.iter().map(variable).collect();
            spec.insert("vmConfig".into(), json!({ "env": variables }));
        }
        let name = format!("{}-{krate}", meaning.name);
        resource(
            "extensions.higress.io/v1alpha1",
            "WasmPlugin",
            &name,
            spec.into(),
        )
    });
    plugins.collect()
}
