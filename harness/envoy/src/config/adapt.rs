//! An Envoy configuration made fit for this machine: modules where they were built, other ports,
//! servers on loopback in place of clusters. Everything else stays as it is written.

pub mod discovered;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value as Json, json};

/// What is to be different on this machine.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// Where modules are here, by the names of their files (`jwt_auth.wasm`); paths to other files
    /// stay as they are.
    pub modules: BTreeMap<String, PathBuf>,
    /// Port of the listener; only a configuration with a single one can be given another.
    pub port: Option<u16>,
    /// Port of the admin interface.
    pub admin_port: Option<u16>,
    /// Where clusters are, in plain text.
    pub clusters: BTreeMap<String, SocketAddr>,
}

/// What a configuration needs and opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Modules, by the names of their files (`jwt_auth.wasm`, `libmodelgate.so`).
    pub modules: BTreeSet<String>,
    /// Environment variables that it reads.
    pub variables: BTreeSet<String>,
    /// Listeners: name, and address with port.
    pub listeners: Vec<(String, String)>,
    /// The admin interface.
    pub admin: Option<String>,
}

impl Needs {
    /// Reads them out of a bootstrap.
    pub fn of(bootstrap: &Json) -> Self {
        let mut needs = Self::default();
        visit(bootstrap, &mut |name, value| needs.note(name, value));
        let listeners = bootstrap.pointer("/static_resources/listeners");
        for listener in listeners.and_then(Json::as_array).into_iter().flatten() {
            let name = listener.get("name").and_then(Json::as_str);
            needs.listeners.extend(
                socket(listener.get("address"))
                    .map(|address| (name.unwrap_or_default().to_owned(), address)),
            );
        }
        needs.admin = socket(bootstrap.pointer("/admin/address"));
        needs
    }

    fn note(&mut self, name: &str, value: &Json) {
        match (name, value) {
            ("filename", Json::String(path)) => self.modules.extend(
                file_name(path)
                    .filter(|name| name.ends_with(".wasm") || name.ends_with(".so"))
                    .map(str::to_owned),
            ),
            ("environment_variable", Json::String(variable)) => {
                self.variables.insert(variable.clone());
            }
            ("host_env_keys", Json::Array(variables)) => self
                .variables
                .extend(variables.iter().filter_map(Json::as_str).map(str::to_owned)),
            (_, Json::String(text)) => self.variables.extend(formatted(text)),
            _ => {}
        }
    }
}

/// The variables of `%ENVIRONMENT(NAME)%` (Envoy, "Access logging", command operators), with a
/// length behind the name or without.
fn formatted(text: &str) -> impl Iterator<Item = String> {
    text.split(OPERATOR)
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(name, _)| name.to_owned())
}

fn file_name(path: &str) -> Option<&str> {
    Path::new(path).file_name()?.to_str()
}

fn socket(address: Option<&Json>) -> Option<String> {
    let socket = address?.get("socket_address")?;
    let host = socket.get("address")?.as_str()?;
    let port = socket.get("port_value")?.as_u64()?;
    Some(match host {
        // Where everything listens, this machine is one of the places.
        "0.0.0.0" | "::" => format!("127.0.0.1:{port}"),
        host if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    })
}

fn visit(value: &Json, note: &mut impl FnMut(&str, &Json)) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                note(name, value);
                visit(value, note);
            }
        }
        Json::Array(items) => {
            for item in items {
                note("", item);
                visit(item, note);
            }
        }
        _ => {}
    }
}

/// Makes a bootstrap fit.
///
/// # Errors
/// If it has no cluster of a name, or not exactly one listener where that is to have another port.
pub fn adapt(bootstrap: &mut Json, local: &Local) -> Result<()> {
    move_modules(bootstrap, &local.modules)?;
    if let Some(port) = local.port {
        let [listener] = list(bootstrap, "/static_resources/listeners")?.as_mut_slice() else {
            bail!("the configuration has several listeners: which of them is to get port {port}?");
        };
        set(listener, "/address/socket_address/port_value", port.into())?;
    }
    if let Some(port) = local.admin_port {
        set(bootstrap, "/admin/address", address(loopback(port)))?;
    }
    let mut left: BTreeSet<&String> = local.clusters.keys().collect();
    if !left.is_empty() {
        for cluster in list(bootstrap, "/static_resources/clusters")? {
            let name = cluster.get("name").and_then(Json::as_str);
            if let Some((name, place)) = name.and_then(|name| local.clusters.get_key_value(name)) {
                left.remove(name);
                point_cluster(cluster, *place)?;
            }
        }
    }
    ensure!(
        left.is_empty(),
        "the configuration has no cluster {}",
        left.into_iter().cloned().collect::<Vec<_>>().join(", ")
    );
    Ok(())
}

fn move_modules(value: &mut Json, modules: &BTreeMap<String, PathBuf>) -> Result<()> {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::String(path) if name == "filename" => {
                        if let Some(built) = file_name(path).and_then(|name| modules.get(name)) {
                            *path = built.to_str().context("a path that is not UTF-8")?.into();
                        }
                    }
                    value => move_modules(value, modules)?,
                }
            }
            Ok(())
        }
        Json::Array(items) => items
            .iter_mut()
            .try_for_each(|item| move_modules(item, modules)),
        _ => Ok(()),
    }
}

/// Has a cluster be one server, in plain text. It keeps the name of the first server that it had:
/// that is what `auto_host_rewrite` writes.
pub fn point_cluster(cluster: &mut Json, place: SocketAddr) -> Result<()> {
    let first = cluster.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint");
    let named = first.and_then(|endpoint| endpoint.get("hostname")?.as_str());
    let host = first.and_then(|first| first.pointer("/address/socket_address/address")?.as_str());
    let host = host.filter(|host| host.parse::<IpAddr>().is_err());
    let hostname = named.or(host).unwrap_or_default();
    let endpoint = json!({"address": address(place), "hostname": hostname});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": endpoint}]}]);
    set(cluster, "/load_assignment/endpoints", endpoints)?;
    set(cluster, "/type", "STATIC".into())?;
    if let Some(members) = cluster.as_object_mut() {
        members.remove("transport_socket");
    }
    Ok(())
}

/// Writes the values of variables in place of `%ENVIRONMENT(NAME)%`, as Envoy does when it fills in
/// a header or a line of its log: `-` for one that is not set, and no more of it than a length
/// behind the name says. What filters are told is left as it is.
pub fn fill_environment(value: &mut Json, variable: &dyn Fn(&str) -> Option<String>) {
    match value {
        Json::String(text) if text.contains(OPERATOR) => *text = filled(text, variable),
        Json::Object(members) => members
            .iter_mut()
            .filter(|(name, _)| *name != "configuration")
            .for_each(|(_, value)| fill_environment(value, variable)),
        Json::Array(items) => items
            .iter_mut()
            .for_each(|item| fill_environment(item, variable)),
        _ => {}
    }
}

const OPERATOR: &str = "%ENVIRONMENT(";

fn filled(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split(OPERATOR);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let operator = part.split_once(')').and_then(|(name, rest)| {
            let (length, rest) = rest.split_once('%')?;
            let length = match length.strip_prefix(':') {
                Some(length) => Some(length.parse::<usize>().ok()?),
                None if length.is_empty() => None,
                None => return None,
            };
            Some((name, length, rest))
        });
        let Some((name, length, rest)) = operator else {
            filled.push_str(OPERATOR);
            filled.push_str(part);
            continue;
        };
        let value = variable(name).unwrap_or_else(|| "-".to_owned());
        let most = length.unwrap_or(usize::MAX);
        let value: String = value.chars().take(most).collect();
        // What it holds is no operator.
        filled.push_str(&value.replace('%', "%%"));
        filled.push_str(rest);
    }
    filled
}

/// A port of this machine.
pub fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A place as an Envoy `Address`.
pub fn address(place: SocketAddr) -> Json {
    json!({"socket_address": {"address": place.ip().to_string(), "port_value": place.port()}})
}

/// The list that `pointer` points to.
///
/// # Errors
/// If there is none.
pub fn list<'a>(within: &'a mut Json, pointer: &str) -> Result<&'a mut Vec<Json>> {
    within
        .pointer_mut(pointer)
        .and_then(Json::as_array_mut)
        .with_context(|| format!("the configuration has no list {pointer}"))
}

/// Sets what `pointer` points to. Objects on the way are made where there is nothing.
pub fn set(within: &mut Json, pointer: &str, value: Json) -> Result<()> {
    let mut place = within;
    for step in pointer.split('/').skip(1) {
        if place.is_null() {
            *place = Json::Object(Map::new());
        }
        place = match place {
            Json::Object(members) => members.entry(step).or_insert(Json::Null),
            Json::Array(items) => {
                let item = step.parse::<usize>().ok().and_then(|at| items.get_mut(at));
                item.with_context(|| format!("nothing at {pointer}"))?
            }
            _ => bail!("nothing at {pointer}"),
        };
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use located_yaml::Node;

    fn openai() -> Json {
        let text = include_str!("../../../../envoy/openai.yaml");
        Node::parse(text).unwrap().to_json()
    }

    #[test]
    fn what_a_configuration_needs_is_read_out_of_it() {
        let needs = Needs::of(&openai());
        for module in ["jwt_auth.wasm", "pii_mask.wasm"] {
            assert!(needs.modules.contains(module), "{needs:?}");
        }
        assert!(needs.variables.contains("OPENAI_API_KEY"), "{needs:?}");
        assert_eq!(
            needs.listeners,
            [("gateway".to_owned(), "127.0.0.1:8080".to_owned())]
        );
        assert_eq!(needs.admin.as_deref(), Some("127.0.0.1:9901"));
        let header =
            json!({"value": "Bearer %ENVIRONMENT(A)% %ENVIRONMENT(B):8%", "host_env_keys": ["C"]});
        let variables: Vec<String> = Needs::of(&header).variables.into_iter().collect();
        assert_eq!(variables, ["A", "B", "C"]);
    }

    #[test]
    fn modules_ports_and_clusters_are_changed_and_nothing_else() {
        let before = openai();
        let mut after = before.clone();
        let local = Local {
            modules: [("jwt_auth.wasm".to_owned(), "/built/jwt_auth.wasm".into())].into(),
            port: Some(1),
            admin_port: Some(2),
            clusters: [("openai".to_owned(), loopback(3))].into(),
        };
        adapt(&mut after, &local).unwrap();
        let text = after.to_string();
        assert!(text.contains("/built/jwt_auth.wasm"));
        assert!(!text.contains("/etc/envoy/modelgate/jwt_auth.wasm"));
        assert!(text.contains("/etc/envoy/modelgate/pii_mask.wasm"));
        // Certificates are files as well, and are not ours.
        assert!(text.contains("ca-certificates.crt"));
        let needs = Needs::of(&after);
        assert_eq!(
            needs.listeners,
            [("gateway".to_owned(), "127.0.0.1:1".to_owned())]
        );
        assert_eq!(needs.admin.as_deref(), Some("127.0.0.1:2"));
        let cluster = &after["static_resources"]["clusters"][0];
        assert_eq!(cluster["type"], "STATIC");
        assert_eq!(cluster.get("transport_socket"), None);
        let mut untouched = before.clone();
        adapt(&mut untouched, &Local::default()).unwrap();
        assert_eq!(untouched, before);
    }

    #[test]
    fn variables_are_filled_in_and_are_no_operators_themselves() {
        let mut header = json!({
            "value": "a%ENVIRONMENT(A)%b%ENVIRONMENT(NONE)%c%ENVIRONMENT(A):2%d%REQ(x)%e%ENVIRONMENT(A",
            "configuration": "%ENVIRONMENT(A)%",
        });
        let variable = |name: &str| (name == "A").then(|| "50%!".to_owned());
        fill_environment(&mut header, &variable);
        let wanted = "a50%%!b-c50d%REQ(x)%e%ENVIRONMENT(A";
        assert_eq!(header["value"], wanted);
        assert_eq!(header["configuration"], "%ENVIRONMENT(A)%");
    }

    #[test]
    fn a_replaced_cluster_keeps_its_name() {
        let name = |endpoint: Json| {
            let mut cluster = json!({"load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}});
            point_cluster(&mut cluster, loopback(1)).unwrap();
            let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/hostname";
            cluster
                .pointer(endpoint)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        let at = |host: &str| json!({"socket_address": {"address": host, "port_value": 443}});
        assert_eq!(name(json!({"address": at("api.acme.io")})), "api.acme.io");
        assert_eq!(name(json!({"address": at("10.0.0.1")})), "");
        assert_eq!(
            name(json!({"address": at("a.b"), "hostname": "c.d"})),
            "c.d"
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_changed() {
        let refused = |local: Local| adapt(&mut openai(), &local).unwrap_err().to_string();
        let clusters = [("nowhere".to_owned(), loopback(1))].into();
        assert!(
            refused(Local {
                clusters,
                ..Local::default()
            })
            .contains("no cluster nowhere")
        );
        let mut two = json!({"static_resources": {"listeners": [{}, {}]}});
        let local = Local {
            port: Some(1),
            ..Local::default()
        };
        assert!(
            adapt(&mut two, &local)
                .unwrap_err()
                .to_string()
                .contains("several listeners")
        );
    }
}
