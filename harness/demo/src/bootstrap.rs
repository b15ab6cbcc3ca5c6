//! An Envoy configuration that users copy, made fit for this machine: addresses on loopback, the
//! filters' files where they were built, and single settings of filters changed. Everything else
//! stays as it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value as Json;

use located_yaml::Node;
use modelgate_envoy::config::adapt::{address, list, loopback, point_cluster, set};

/// Where things are on this machine.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Port of the listener; 0 = any free one.
    pub port: u16,
    /// Folder with the filters' `.wasm` files.
    pub wasm: PathBuf,
    /// Port of the server behind each cluster.
    pub clusters: BTreeMap<&'static str, u16>,
}

/// One setting of a filter's configuration.
#[derive(Clone, Debug)]
pub struct Change {
    /// The filter, by its name in the configuration of its module, such as `jwt_auth`, or in the
    /// chain of one entry.
    pub filter: &'static str,
    /// JSON Pointer of the setting; objects on the way are made where they are missing.
    pub pointer: &'static str,
    /// Its value.
    pub value: Json,
}

/// The configuration `text` (YAML), fit for `places` and with `changes` made.
///
/// # Errors
/// If it is no YAML, has a cluster without a place, or lacks what is to be changed.
pub fn adapted(text: &str, places: &Places, changes: &[Change]) -> Result<Json> {
    let mut bootstrap = Node::parse(text)?.to_json();
    set(&mut bootstrap, "/admin/address", address(loopback(0)))?;
    let listeners = list(&mut bootstrap, "/static_resources/listeners")?;
    let mut filters = Vec::new();
    for listener in listeners {
        set(listener, "/address", address(loopback(places.port)))?;
        for chain in list(listener, "/filter_chains")? {
            for network_filter in list(chain, "/filters")? {
                filters.extend(list(network_filter, "/typed_config/http_filters")?);
            }
        }
    }
    let mut made = vec![false; changes.len()];
    for filter in filters {
        if let Some(config) = filter.pointer_mut("/typed_config/config") {
            fit_filter(config, places, changes, &mut made)?;
        } else if let Some(config) = filter.get_mut("typed_config")
            && config.get("dynamic_module_config").is_some()
        {
            fit_native(config, places, changes, &mut made)?;
        }
    }
    for (change, made) in changes.iter().zip(made) {
        anyhow::ensure!(made, "no filter {} to change", change.filter);
    }
    for cluster in list(&mut bootstrap, "/static_resources/clusters")? {
        fit_cluster(cluster, places)?;
    }
    Ok(bootstrap)
}

fn fit_filter(
    config: &mut Json,
    places: &Places,
    changes: &[Change],
    made: &mut [bool],
) -> Result<()> {
    let name = config
        .pointer("/name")
        .and_then(Json::as_str)
        .context("a filter without a name")?
        .to_owned();
    fit_file(config, "/vm_config/code/local/filename", places)?;
    let Some(text) = config.pointer_mut("/configuration/value") else {
        return Ok(());
    };
    let mut settings: Json = serde_json::from_str(text.as_str().unwrap_or_default())
        .with_context(|| format!("the configuration of {name}"))?;
    make(changes, made, &name, &mut settings)?;
    *text = settings.to_string().into();
    Ok(())
}

/// An entry of the native form, with its configuration as a Struct.
fn fit_native(
    config: &mut Json,
    places: &Places,
    changes: &[Change],
    made: &mut [bool],
) -> Result<()> {
    let name = config.get("filter_name").and_then(Json::as_str);
    let name = name
        .context("a dynamic module without a filter")?
        .to_owned();
    fit_file(
        config,
        "/dynamic_module_config/module/local/filename",
        places,
    )?;
    match config.pointer_mut("/filter_config/value") {
        Some(settings) => make(changes, made, &name, settings),
        None => Ok(()),
    }
}

/// Points a filter at its file on this machine.
fn fit_file(config: &mut Json, pointer: &str, places: &Places) -> Result<()> {
    let file = config
        .pointer_mut(pointer)
        .context("a filter that is in no file")?;
    let written = PathBuf::from(file.as_str().unwrap_or_default());
    let local = places
        .wasm
        .join(written.file_name().context("a filter that is in no file")?);
    *file = path_text(&local)?.into();
    Ok(())
}

/// Makes changes in the settings of the entry `name`, and notes which.
fn make(changes: &[Change], made: &mut [bool], name: &str, settings: &mut Json) -> Result<()> {
    for (change, made) in changes.iter().zip(made) {
        for settings in settings_of(change.filter, name, settings) {
            set(settings, change.pointer, change.value.clone())
                .with_context(|| format!("the configuration of {name}"))?;
            *made = true;
        }
    }
    Ok(())
}

/// Where the settings of a filter stand in those of the entry `name`: they are these, or a chain
/// lists them.
fn settings_of<'a>(filter: &str, name: &str, settings: &'a mut Json) -> Vec<&'a mut Json> {
    if name == filter {
        return vec![settings];
    }
    let listed = settings.get_mut("filters").and_then(Json::as_array_mut);
    listed
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("filter").and_then(Json::as_str) == Some(filter))
        .filter_map(|entry| Some(entry.as_object_mut()?.entry("config").or_insert(Json::Null)))
        .collect()
}

fn fit_cluster(cluster: &mut Json, places: &Places) -> Result<()> {
    let name = cluster
        .pointer("/name")
        .and_then(Json::as_str)
        .context("a cluster without a name")?;
    let port = places
        .clusters
        .get(name)
        .with_context(|| format!("nothing is behind the cluster {name}"))?;
    point_cluster(cluster, loopback(*port))
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CONFIG: &str = r#"
admin: { address: { socket_address: { address: 0.0.0.0, port_value: 9901 } } }
static_resources:
  listeners:
  - name: gateway
    address: { socket_address: { address: 0.0.0.0, port_value: 8080 } }
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          http_filters:
          - typed_config:
              config:
                name: a
                vm_config: { code: { local: { filename: /etc/a.wasm } } }
                configuration: { value: '{"x": [ {"y": 1} ], "kept": true}' }
          - name: router
            typed_config: {}
  clusters:
  - name: far
    type: LOGICAL_DNS
    load_assignment: { cluster_name: far, endpoints: [] }
    transport_socket: { name: tls }
"#;

    fn places() -> Places {
        Places {
            port: 7,
            wasm: "/built".into(),
            clusters: [("far", 8)].into(),
        }
    }

    fn change(filter: &'static str, pointer: &'static str) -> Change {
        Change {
            filter,
            pointer,
            value: json!(5),
        }
    }

    #[test]
    fn addresses_files_and_single_settings_change_and_nothing_else() {
        let changes = [change("a", "/x/0/y"), change("a", "/new/deep")];
        let json = adapted(CONFIG, &places(), &changes).unwrap();
        let at = |pointer: &str| json.pointer(pointer).unwrap();
        let listener = "/static_resources/listeners/0";
        assert_eq!(at("/admin/address/socket_address/port_value"), 0);
        assert_eq!(
            at(&format!("{listener}/address/socket_address")),
            &json!({"address": "127.0.0.1", "port_value": 7})
        );
        let filters = format!("{listener}/filter_chains/0/filters/0/typed_config/http_filters");
        let config = format!("{filters}/0/typed_config/config");
        assert_eq!(
            at(&format!("{config}/vm_config/code/local/filename")),
            "/built/a.wasm"
        );
        let settings: Json = serde_json::from_str(
            at(&format!("{config}/configuration/value"))
                .as_str()
                .unwrap(),
        )
        .unwrap();
        assert_eq!(
            settings,
            json!({"x": [{"y": 5}], "kept": true, "new": {"deep": 5}})
        );
        assert_eq!(
            at(&format!("{filters}/1")),
            &json!({"name": "router", "typed_config": {}})
        );
        let cluster = at("/static_resources/clusters/0");
        assert_eq!(cluster["type"], "STATIC");
        assert_eq!(cluster.get("transport_socket"), None);
        assert_eq!(cluster.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value"), Some(&json!(8)));
    }

    #[test]
    fn settings_change_inside_a_chain_in_one_entry_too() {
        let config = CONFIG.replace("name: a\n", "name: modelgate\n").replace(
            r#"'{"x": [ {"y": 1} ], "kept": true}'"#,
            r#"'{"filters": [ {"filter": "a", "config": {"x": 1}}, {"filter": "b"}, {"filter": "c", "config": {"x": 1}} ]}'"#,
        );
        let changes = [change("a", "/x"), change("b", "/x")];
        let json = adapted(&config, &places(), &changes).unwrap();
        let filters =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        let settings = json
            .pointer(&format!(
                "{filters}/0/typed_config/config/configuration/value"
            ))
            .unwrap();
        let settings: Json = serde_json::from_str(settings.as_str().unwrap()).unwrap();
        assert_eq!(
            settings,
            json!({"filters": [ {"filter": "a", "config": {"x": 5}}, {"filter": "b", "config": {"x": 5}}, {"filter": "c", "config": {"x": 1}} ]})
        );
        let missing = adapted(&config, &places(), &[change("d", "/x")]).unwrap_err();
        assert!(missing.to_string().contains("no filter d"));
    }

    #[test]
    fn what_cannot_be_made_fit_is_an_error() {
        let refused = |changes: &[Change], places: &Places| {
            adapted(CONFIG, places, changes).unwrap_err().to_string()
        };
        assert!(refused(&[change("b", "/x")], &places()).contains("no filter b"));
        assert!(refused(&[change("a", "/x/3/y")], &places()).contains("configuration of a"));
        assert!(refused(&[], &Places::default()).contains("cluster far"));
    }

    #[test]
    fn the_configurations_for_sagemaker_fit() {
        for text in [
            include_str!("../../../envoy/sagemaker.yaml"),
            include_str!("../../../envoy/sagemaker-one-entry.yaml"),
            include_str!("../../../envoy/sagemaker-native.yaml"),
        ] {
            let clusters = [("sagemaker", 1), ("login", 2), ("logs", 3)].into();
            let places = Places {
                clusters,
                ..places()
            };
            let json = adapted(text, &places, &[]).unwrap();
            assert!(!json.to_string().contains(".example.com\",\"port_value"));
            assert!(!json.to_string().contains("/etc/envoy"));
        }
    }
}
