//! What stands in a bootstrap beside the chains for filters that call servers: clusters, and a
//! listener on a socket that hands files to them, as filters read none.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::gateway::{Upstream, cluster, put, router, typed};

/// The listener that hands out files, and the cluster that leads to it.
const FILES: &str = "modelgate-files";
/// Where it listens; only Envoy's user may open it.
pub const SOCKET: &str = "/run/envoy/modelgate-files.sock";

/// What has to be there.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    servers: Vec<Upstream>,
    files: BTreeSet<String>,
}

impl Beside {
    /// The server of this URL; what its cluster is called.
    ///
    /// # Errors
    /// What is wrong with the URL, in words.
    pub fn call(&mut self, url: &str) -> Result<String, &'static str> {
        let mut server = Upstream::of_url("", url)?;
        server.name.clone_from(&server.host);
        let name = server.name.clone();
        self.servers.push(server);
        Ok(name)
    }

    /// A file: where it can be fetched. None where its name cannot stand in a URL.
    pub fn file(&mut self, name: &str) -> Option<Json> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let mut parts = name.split('/').skip(1);
        let is_plain = parts.all(|part| !matches!(part, "" | "." | ".."));
        if !name.starts_with('/') || !name.chars().all(plain) || !is_plain {
            return None;
        }
        self.files.insert(name.to_owned());
        Some(json!({ "url": format!("http://files.local{name}"), "cluster": FILES }))
    }

    /// And this.
    pub fn join(&mut self, other: Self) {
        self.servers.extend(other.servers);
        self.files.extend(other.files);
    }

    /// Writes it into a bootstrap. A cluster that is there already stays as it is.
    pub fn write(&self, bootstrap: &mut Json) {
        for server in &self.servers {
            add(bootstrap, "clusters", cluster(server));
        }
        if !self.files.is_empty() {
            add(bootstrap, "clusters", to_files());
            add(bootstrap, "listeners", self.listener());
        }
    }

    fn listener(&self) -> Json {
        let routes = self.files.iter().map(|file| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let folder = if folder.is_empty() { "/" } else { folder };
            let body = json!({ "filename": file, "watched_directory": { "path": folder } });
            json!({ "match": { "path": file }, "direct_response": { "status": 200, "body": body } })
        });
        let routes: Vec<Json> = routes.collect();
        let manager = json!({
            "stat_prefix": FILES,
            "route_config": {
                "virtual_hosts": [ { "name": FILES, "domains": [ "*" ], "routes": routes } ],
            },
            "http_filters": [ router() ],
        });
        let manager = json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": typed(super::MANAGER, manager),
        });
        json!({
            "name": FILES,
            // 0600.
            "address": { "pipe": { "path": SOCKET, "mode": 384 } },
            "filter_chains": [ { "filters": [ manager ] } ],
        })
    }
}

fn to_files() -> Json {
    let endpoint = json!({ "endpoint": { "address": { "pipe": { "path": SOCKET } } } });
    json!({
        "name": FILES,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": FILES,
            "endpoints": [ { "lb_endpoints": [ endpoint ] } ],
        },
    })
}

/// Adds a resource to the static ones, unless one of its name is there.
fn add(bootstrap: &mut Json, kind: &str, resource: Json) {
    let written = ["static_resources", "staticResources"];
    let Some(name) = written
        .into_iter()
        .find(|name| bootstrap.get(name).is_some())
    else {
        return;
    };
    let Some(resources) = bootstrap.get_mut(name) else {
        return;
    };
    if !resources.get(kind).is_some_and(Json::is_array) {
        put(resources, kind, json!([]));
    }
    let listed = resources.get_mut(kind).and_then(Json::as_array_mut);
    if let Some(listed) = listed
        && !listed
            .iter()
            .any(|one| one.get("name") == resource.get("name"))
    {
        listed.push(resource);
    }
}
