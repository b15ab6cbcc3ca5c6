//! Filters and secrets that stand in files of their own (`config_discovery`, `sds_config`), put
//! into the configuration: a gateway for trying out reads them once.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value as Json;

use super::{list, set};
use located_yaml::Node;

/// Where a file may be that a configuration names: seen from the folder of the configuration, or
/// from here. One that will lie elsewhere on the proxy's machine (`/etc/envoy/filters/acl.yaml`) is
/// also looked for below that folder, by as much of its path as is there (`filters/acl.yaml`).
pub fn candidates(path: &Path, folder: Option<&Path>) -> impl Iterator<Item = PathBuf> {
    let exact = folder.map(|folder| folder.join(path)).into_iter();
    let exact = exact.chain([path.to_owned()]);
    let steps: Vec<Component<'_>> = path.components().skip(1).collect();
    let below = folder.filter(|_| path.is_absolute()).map(|folder| {
        let endings = (1..steps.len()).filter_map(|at| steps.get(at..));
        endings
            .map(|ending| folder.join(ending.iter().collect::<PathBuf>()))
            .collect::<Vec<_>>()
    });
    exact.chain(below.unwrap_or_default())
}

/// Puts every filter that a file has the settings of into its place, and every secret that is in a
/// file beside those of the configuration; `folder` is where the configuration is. Gives the files.
/// What arrives from elsewhere, or from a file that is not here, stays as it is.
///
/// # Errors
/// If a file cannot be read, or has nothing of the filter's name.
pub fn put_in(config: &mut Json, folder: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut found = Found::default();
    visit(config, folder, &mut found)?;
    if !found.secrets.is_empty() {
        let listed = "/static_resources/secrets";
        if config.pointer(listed).is_none() {
            set(config, listed, Json::Array(Vec::new()))?;
        }
        let secrets = list(config, listed)?;
        for secret in found.secrets {
            if !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
    }
    found.files.dedup();
    Ok(found.files)
}

/// What stands in files.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    secrets: Vec<Json>,
}

fn visit(value: &mut Json, folder: Option<&Path>, files: &mut Found) -> Result<()> {
    if let Some((file, secret)) = resource(value, "/sds_config", folder)? {
        if let Some(reference) = value.as_object_mut() {
            reference.remove("sds_config");
        }
        let mut secret = secret;
        if let Some(members) = secret.as_object_mut() {
            members.remove("@type");
        }
        files.files.push(file);
        files.secrets.push(secret);
        return Ok(());
    }
    if let Some((file, typed)) = settings(value, folder)? {
        if let Some(entry) = value.as_object_mut() {
            entry.remove("config_discovery");
            entry.insert("typed_config".to_owned(), typed);
        }
        files.files.push(file);
        return Ok(());
    }
    match value {
        Json::Object(members) => members
            .values_mut()
            .try_for_each(|value| visit(value, folder, files)),
        Json::Array(items) => items
            .iter_mut()
            .try_for_each(|value| visit(value, folder, files)),
        _ => Ok(()),
    }
}

/// The settings of the filter that this is an entry of, and the file that they are in.
fn settings(entry: &Json, folder: Option<&Path>) -> Result<Option<(PathBuf, Json)>> {
    let found = resource(entry, "/config_discovery/config_source", folder)?;
    let Some((file, resource)) = found else {
        return Ok(None);
    };
    let typed = resource.get("typed_config");
    let typed = typed.with_context(|| format!("{} has no typed_config", file.display()))?;
    Ok(Some((file, typed.clone())))
}

/// The resource that something is named after and that is in the file of its source, with the file.
fn resource(named: &Json, source: &str, folder: Option<&Path>) -> Result<Option<(PathBuf, Json)>> {
    let source = named.pointer(source);
    let path = source.and_then(|source| source.pointer("/path_config_source/path"));
    let name = named.get("name").and_then(Json::as_str);
    let (Some(path), Some(name)) = (path.and_then(Json::as_str), name) else {
        return Ok(None);
    };
    let Some(file) = candidates(Path::new(path), folder).find(|path| path.is_file()) else {
        return Ok(None);
    };
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(&file).with_context(|| shown.clone())?;
    let read = Node::parse(&text).with_context(|| format!("{shown} is not YAML"))?;
    let read = read.to_json();
    let resources = read.get("resources").and_then(Json::as_array);
    let found = resources
        .into_iter()
        .flatten()
        .find(|resource| resource.get("name").and_then(Json::as_str) == Some(name));
    let found = found.with_context(|| format!("{shown} has no resource {name}"))?;
    Ok(Some((file, found.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(path: &str) -> Json {
        json!({"http_filters": [{"name": "acl", "config_discovery":
            {"config_source": {"path_config_source": {"path": path}}}}]})
    }

    #[test]
    fn a_file_is_found_by_the_end_of_its_path_and_put_in() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("filters")).unwrap();
        let file = folder.path().join("filters/acl.yaml");
        std::fs::write(
            &file,
            "resources:\n- { name: acl, typed_config: { a: 1 } }\n",
        )
        .unwrap();
        let mut config = entry("/etc/nowhere/filters/acl.yaml");
        let files = put_in(&mut config, Some(folder.path())).unwrap();
        assert_eq!(files, std::slice::from_ref(&file));
        assert_eq!(
            config,
            json!({"http_filters": [{"name": "acl", "typed_config": {"a": 1}}]})
        );
        // What is not here stays, and a file without the filter is a mistake.
        let mut config = entry("/etc/nowhere/other.yaml");
        assert!(put_in(&mut config, Some(folder.path())).unwrap().is_empty());
        assert_eq!(config, entry("/etc/nowhere/other.yaml"));
        std::fs::write(&file, "resources: []\n").unwrap();
        assert!(put_in(&mut entry("filters/acl.yaml"), Some(folder.path())).is_err());
    }

    #[test]
    fn a_secret_in_a_file_stands_beside_those_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.yaml");
        std::fs::write(
            &file,
            "resources:\n- { \"@type\": x.Secret, name: key, generic_secret: { secret: { filename: /a } } }\n",
        )
        .unwrap();
        let reference =
            json!({"name": "key", "sds_config": {"path_config_source": {"path": "key.yaml"}}});
        let other = json!({"name": "old", "generic_secret": {}});
        let secrets = json!({"secrets": [other]});
        let mut config = json!({"static_resources": secrets, "a": reference, "b": reference});
        let files = put_in(&mut config, Some(folder.path())).unwrap();
        assert_eq!(files, std::slice::from_ref(&file));
        assert_eq!(config["a"], json!({"name": "key"}));
        let secret = json!({"name": "key", "generic_secret": {"secret": {"filename": "/a"}}});
        assert_eq!(
            config["static_resources"]["secrets"],
            json!([other, secret])
        );
        let mut fresh = json!({"a": reference});
        put_in(&mut fresh, Some(folder.path())).unwrap();
        assert_eq!(fresh["static_resources"]["secrets"], json!([secret]));
    }
}
