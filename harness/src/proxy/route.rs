//! Virtual hosts and routes: which cluster a request goes to, with which metadata, and which filters it passes.
//!
//! The host is matched as Envoy does: the exact name, then the longest `*.suffix`, then the longest `prefix.*`, then `*`. Within a host the
//! first matching route is taken.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::headers::Headers;

/// Metadata by namespace.
pub type Metadata = Map<String, Value>;

/// Filters that a route or a host switches: `true` on, `false` off.
pub type Switches = BTreeMap<String, bool>;

/// A virtual host.
#[derive(Clone, Debug, Default)]
pub struct VirtualHost {
    /// Its name.
    pub name: String,
    /// Names that it serves; `*` alone is any.
    pub domains: Vec<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Filters that it switches.
    pub switches: Switches,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Which paths it takes.
    pub path: PathMatch,
    /// Where they go.
    pub cluster: String,
    /// Its metadata.
    pub metadata: Metadata,
    /// Filters that it switches; stronger than the host's.
    pub switches: Switches,
    /// How long the upstream may take once the request is complete; `None` = as the profile says, zero = for ever.
    pub timeout: Option<Duration>,
}

/// Which paths a route takes; the query does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Those that begin so.
    Prefix(String),
    /// This one.
    Exact(String),
}

impl Route {
    /// A route for every path.
    pub fn to(cluster: &str) -> Self {
        Self {
            name: String::new(),
            path: PathMatch::Prefix("/".to_owned()),
            cluster: cluster.to_owned(),
            metadata: Metadata::new(),
            switches: Switches::new(),
            timeout: None,
        }
    }
}

/// All virtual hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes(pub Vec<VirtualHost>);

impl Routes {
    /// The host and route of a request.
    pub fn find(&self, headers: &Headers) -> Option<(&VirtualHost, &Route)> {
        let host = self.host(&headers.text(":authority")?)?;
        let path = headers.text(":path")?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let route = host.routes.iter().find(|route| match &route.path {
            PathMatch::Prefix(prefix) => path.starts_with(prefix),
            PathMatch::Exact(exact) => path == exact,
        })?;
        Some((host, route))
    }

    /// What the route and its host say about a filter.
    pub fn switch(&self, headers: &Headers, filter: &str) -> Option<bool> {
        let (host, route) = self.find(headers)?;
        route
            .switches
            .get(filter)
            .or_else(|| host.switches.get(filter))
            .copied()
    }

    fn host(&self, authority: &str) -> Option<&VirtualHost> {
        let authority = authority.to_ascii_lowercase();
        let rank = |domain: &str| {
            let domain = domain.to_ascii_lowercase();
            if domain == authority {
                Some((3, domain.len()))
            } else if domain == "*" {
                Some((0, 0))
            } else if let Some(suffix) = domain.strip_prefix('*') {
                authority.ends_with(suffix).then_some((2, domain.len()))
            } else {
                let prefix = domain.strip_suffix('*')?;
                authority.starts_with(prefix).then_some((1, domain.len()))
            }
        };
        let ranked = self.0.iter().filter_map(|host| {
            Some((
                host.domains
                    .iter()
                    .filter_map(|domain| rank(domain))
                    .max()?,
                host,
            ))
        });
        // `rev`: of equal ranks the first host wins.
        ranked
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, host)| host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, domains: &[&str]) -> VirtualHost {
        VirtualHost {
            name: name.into(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            routes: vec![
                Route {
                    path: PathMatch::Exact("/exact".into()),
                    ..Route::to("exact")
                },
                Route {
                    path: PathMatch::Prefix("/v1/".into()),
                    ..Route::to("v1")
                },
            ],
            ..VirtualHost::default()
        }
    }

    fn found(routes: &Routes, authority: &str, path: &str) -> Option<(String, String)> {
        let headers: Headers = [
            (":authority", authority.as_bytes()),
            (":path", path.as_bytes()),
        ]
        .into_iter()
        .collect();
        routes
            .find(&headers)
            .map(|(host, route)| (host.name.clone(), route.cluster.clone()))
    }

    #[test]
    fn the_most_exact_host_wins_and_then_the_first_route() {
        let routes = Routes(vec![
            host("any", &["*"]),
            host("prefix", &["api.*"]),
            host("suffix", &["*.example.org"]),
            host("exact", &["api.example.org"]),
        ]);
        let name = |authority| found(&routes, authority, "/v1/x").map(|(host, _)| host);
        assert_eq!(name("API.example.org").as_deref(), Some("exact"));
        assert_eq!(name("b.example.org").as_deref(), Some("suffix"));
        assert_eq!(name("api.example.com").as_deref(), Some("prefix"));
        assert_eq!(name("other").as_deref(), Some("any"));
        assert_eq!(
            found(&routes, "x", "/exact?q=1")
                .map(|(_, cluster)| cluster)
                .as_deref(),
            Some("exact")
        );
        assert_eq!(found(&routes, "x", "/exact/more"), None);
    }
}
