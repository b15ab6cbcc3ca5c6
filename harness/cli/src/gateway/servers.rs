//! The servers of a gateway, found where filters name them by URL.

use located_yaml::read::{Problem, Report};
use located_yaml::{Node, Place, Style, Value};

use super::host::Host;
use super::upstream::Upstream;

/// The members of filters' configurations that name a cluster.
const MEMBERS: [&str; 2] = ["cluster", "keys_cluster"];

/// Servers, each once.
pub(super) struct Servers {
    host: Host,
    /// The name of the model server.
    backend: &'static str,
    /// In the order in which they were named.
    pub list: Vec<Upstream>,
}

impl Servers {
    /// None yet but the model server, which is called so.
    pub fn new(host: Host, backend: &'static str) -> Self {
        let list = Vec::new();
        Self {
            host,
            backend,
            list,
        }
    }

    /// A server of this name.
    pub fn add(&mut self, upstream: Upstream) {
        self.list.push(upstream);
    }

    /// What the host calls the server of a URL.
    pub fn cluster(&mut self, url: &str) -> Result<String, &'static str> {
        let mut wanted = Upstream::of_url("", url)?;
        let same = |one: &&Upstream| {
            (&one.host, one.port, one.tls) == (&wanted.host, wanted.port, wanted.tls)
        };
        if let Some(known) = self.list.iter().find(same) {
            return match self.host.refuses(known) {
                Some(said) => Err(said),
                None => Ok(self.host.cluster(known)),
            };
        }
        if let Some(said) = self.host.refuses(&wanted) {
            return Err(said);
        }
        wanted.name = self.name(&wanted);
        let cluster = self.host.cluster(&wanted);
        self.list.push(wanted);
        Ok(cluster)
    }

    /// `login` for `login.example.com`, or the whole where that is taken.
    fn name(&self, upstream: &Upstream) -> String {
        let free = |name: &&str| {
            *name != self.backend && !self.list.iter().any(|known| known.name == **name)
        };
        let first = upstream.host.split('.').next().filter(free);
        match (first, upstream.ip()) {
            (Some(first), None) => first.to_owned(),
            _ => Some(upstream.host.as_str())
                .filter(free)
                .map_or_else(|| upstream.authority(), ToOwned::to_owned),
        }
    }

    /// Puts the host's name for it in the place of every URL where a cluster is named.
    pub fn resolve(&mut self, node: &mut Node, path: &str, report: &Report) {
        match &mut node.value {
            Value::Map(members) => {
                for (key, value) in members {
                    let path = match path {
                        "" => key.text.clone(),
                        path => format!("{path}.{}", key.text),
                    };
                    if MEMBERS.contains(&key.text.as_str()) && !matches!(value.value, Value::Map(_))
                    {
                        let url = value.text().unwrap_or_default();
                        match self.cluster(url) {
                            Ok(cluster) => *value = text(value.place, &cluster),
                            Err(message) => report.push(Problem {
                                place: value.place,
                                path,
                                message: message.to_owned(),
                            }),
                        }
                    } else {
                        self.resolve(value, &path, report);
                    }
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.resolve(item, &format!("{path}[{index}]"), report);
                }
            }
            Value::Scalar { .. } => {}
        }
    }
}

/// A text that stands at this place.
pub(super) fn text(place: Place, text: &str) -> Node {
    let value = Value::Scalar {
        text: text.to_owned(),
        style: Style::Quoted,
    };
    Node { place, value }
}
