//! Virtual hosts and routes: which cluster a request goes to, with which metadata, and which
//! filters it passes.
//!
//! The host is matched as Envoy does: the exact name, then the longest `*.suffix`, then the longest
//! `prefix.*`, then `*`. Within a host the first matching route is taken.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;
use serde_json::{Map, Value};

use crate::rules::condition::{HeaderCondition, Pattern};
use crate::rules::headers::Headers;
use crate::rules::mutation::HeaderChanges;

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
    /// Whether the port that a client names does not count (`ignore_port_in_host_matching`).
    pub ignore_port: bool,
    /// Its metadata.
    pub metadata: Metadata,
    /// Filters that it switches.
    pub switches: Switches,
    /// What it changes in the headers of requests, after the route.
    pub header_changes: HeaderChanges,
    /// What it changes in the headers of answers, after the route.
    pub answer_changes: HeaderChanges,
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
    /// Which headers it asks for.
    pub headers: Vec<HeaderCondition>,
    /// Where they go, unless they are answered here.
    pub cluster: String,
    /// What they are answered by the proxy itself (`direct_response`).
    pub direct_response: Option<DirectResponse>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Filters that it switches; stronger than the host's.
    pub switches: Switches,
    /// How long the upstream may take once the request is complete; `None` = as the profile says,
    /// zero = for ever.
    pub timeout: Option<Duration>,
    /// How long an exchange may be silent; `None` or zero = for ever.
    pub idle_timeout: Option<Duration>,
    /// What it changes in the headers of requests.
    pub header_changes: HeaderChanges,
    /// What it changes in the headers of answers.
    pub answer_changes: HeaderChanges,
    /// Where the upstream is told that the request goes.
    pub rewrite: Rewrite,
}

/// Host and path of a request as the upstream sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The host (`host_rewrite_literal`).
    pub host: Option<String>,
    /// What stands in place of the prefix, or of the path, that the route was chosen by
    /// (`prefix_rewrite`).
    pub prefix: Option<String>,
    /// What is replaced in the path (`regex_rewrite`).
    pub regex: Option<RegexRewrite>,
}

/// An answer of the proxy's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectResponse {
    /// Its status.
    pub status: u16,
    /// Its body; without one there is no content type.
    pub body: Vec<u8>,
}

/// Every match of a regular expression in a path is replaced.
#[derive(Clone, Debug)]
pub struct RegexRewrite {
    regex: Regex,
    /// As the expression has it: `${1}` for a group.
    replacement: String,
}

impl PartialEq for RegexRewrite {
    fn eq(&self, other: &Self) -> bool {
        (self.regex.as_str(), &self.replacement) == (other.regex.as_str(), &other.replacement)
    }
}

impl Eq for RegexRewrite {}

impl RegexRewrite {
    /// Reads an expression, and what its matches are replaced by: `\\1` stands for a group, `\\0`
    /// for the whole match.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(pattern: &str, substitution: &str) -> Result<Self, String> {
        let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
        let mut replacement = String::new();
        let mut letters = substitution.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '$' => replacement.push_str("$$"),
                '\\' => match letters.next() {
                    Some('\\') => replacement.push('\\'),
                    Some(group) => match group.to_digit(10).and_then(|it| usize::try_from(it).ok())
                    {
                        Some(number) if number < regex.captures_len() => {
                            replacement.push_str(&format!("${{{number}}}"));
                        }
                        _ => return Err(format!("the expression has no group {group}")),
                    },
                    None => return Err("a backslash ends the substitution".to_owned()),
                },
                letter => replacement.push(letter),
            }
        }
        Ok(Self { regex, replacement })
    }
}

/// Which paths a route takes; the query does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Those that begin so.
    Prefix(String),
    /// This one.
    Exact(String),
    /// This one, and those below it (`path_separated_prefix`).
    Below(String),
    /// Those that fit a pattern as a whole.
    Pattern(Pattern),
}

impl PathMatch {
    /// Whether a path without its query is taken.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Self::Exact(exact) => path == exact,
            Self::Below(folder) => {
                let rest = path.strip_prefix(folder.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Pattern(pattern) => pattern.fits(path),
        }
    }

    /// What `prefix_rewrite` replaces: nothing where a pattern chose the route.
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Prefix(text) | Self::Exact(text) | Self::Below(text) => Some(text),
            Self::Pattern(_) => None,
        }
    }
}

impl Route {
    /// A route for every path.
    pub fn to(cluster: &str) -> Self {
        Self {
            name: String::new(),
            path: PathMatch::Prefix("/".to_owned()),
            headers: Vec::new(),
            cluster: cluster.to_owned(),
            direct_response: None,
            metadata: Metadata::new(),
            switches: Switches::new(),
            timeout: None,
            idle_timeout: None,
            header_changes: HeaderChanges::default(),
            answer_changes: HeaderChanges::default(),
            rewrite: Rewrite::default(),
        }
    }

    /// Changes the headers of an answer as the route and then its host say.
    pub(crate) fn finalize_answer(&self, host: &VirtualHost, headers: &mut Headers) {
        self.answer_changes.apply(headers);
        host.answer_changes.apply(headers);
    }

    /// Makes a request ready for the upstream, in Envoy's order
    /// (source/common/router/config_impl.cc, `finalizeRequestHeaders`): headers as the route and
    /// then its host change them, host, path.
    pub(crate) fn finalize(&self, host: &VirtualHost, headers: &mut Headers) {
        self.header_changes.apply(headers);
        host.header_changes.apply(headers);
        if let Some(host) = &self.rewrite.host {
            let before = headers.text(":authority").unwrap_or_default();
            headers.set("x-envoy-original-host", before);
            headers.set(":authority", host.as_str());
        }
        let rest = |path: &str| {
            let matched = self.path.literal()?;
            path.strip_prefix(matched).map(str::to_owned)
        };
        if let Some(prefix) = &self.rewrite.prefix
            && let Some(path) = headers.text(":path")
            && let Some(rest) = rest(&path)
        {
            headers.set("x-envoy-original-path", path);
            headers.set(":path", format!("{prefix}{rest}"));
        }
        // The query is left as it is.
        if let Some(rewrite) = &self.rewrite.regex
            && let Some(path) = headers.text(":path")
        {
            let end = path.find(['?', '#']).unwrap_or(path.len());
            let (before, query) = path.split_at(end);
            let replaced = rewrite
                .regex
                .replace_all(before, rewrite.replacement.as_str());
            let replaced = format!("{replaced}{query}");
            headers.set("x-envoy-original-path", path);
            headers.set(":path", replaced);
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
        let route = host.routes.iter().find(|route| {
            let asked = |condition: &HeaderCondition| condition.fits(headers);
            route.path.fits(path) && route.headers.iter().all(asked)
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

    /// How long an exchange may be silent, where that has an end.
    pub fn idle_timeout(&self, headers: &Headers) -> Option<Duration> {
        let (_, route) = self.find(headers)?;
        route.idle_timeout.filter(|timeout| !timeout.is_zero())
    }

    fn host(&self, authority: &str) -> Option<&VirtualHost> {
        let whole = authority.to_ascii_lowercase();
        let rank = |host: &VirtualHost, domain: &str| {
            let authority = match host.ignore_port {
                true => without_port(&whole),
                false => whole.as_str(),
            };
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
                    .filter_map(|domain| rank(host, domain))
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

/// A host without its port; the colons of an address stand in brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::condition::Wanted;

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
    fn a_request_leaves_as_its_route_says() {
        let gone = |path: PathMatch, headers: &[(&str, &str)]| {
            let route = Route {
                path,
                header_changes: HeaderChanges {
                    remove: vec!["x-gone".into()],
                    ..HeaderChanges::default()
                },
                rewrite: Rewrite {
                    host: Some("api.example".into()),
                    prefix: Some("/openai/".into()),
                    ..Rewrite::default()
                },
                ..Route::to("any")
            };
            let mut headers: Headers = headers.iter().copied().collect();
            route.finalize(&VirtualHost::default(), &mut headers);
            headers
        };
        let wanted: Headers = [
            (":authority", "api.example"),
            (":path", "/openai/chat?a=/v1/"),
            ("x-envoy-original-host", "gateway"),
            ("x-envoy-original-path", "/v1/chat?a=/v1/"),
        ]
        .into_iter()
        .collect();
        let sent = [
            (":authority", "gateway"),
            (":path", "/v1/chat?a=/v1/"),
            ("x-gone", "1"),
        ];
        assert_eq!(gone(PathMatch::Prefix("/v1/".into()), &sent), wanted);
        let exact = gone(PathMatch::Exact("/v1/chat".into()), &sent);
        assert_eq!(exact.text(":path").as_deref(), Some("/openai/?a=/v1/"));
    }

    /// As Envoy 1.40 does it.
    #[test]
    fn an_expression_rewrites_the_path_and_not_the_query() {
        let route = Route {
            rewrite: Rewrite {
                regex: Some(RegexRewrite::read(r"^/r/(\w+)/(\w+)", r"/x/\2/$1/\1").unwrap()),
                ..Rewrite::default()
            },
            ..Route::to("any")
        };
        let sent = [
            (":authority", "gateway"),
            (":path", "/r/aa/bb/cc?q=/r/aa/bb"),
        ];
        let mut headers: Headers = sent.into_iter().collect();
        route.finalize(&VirtualHost::default(), &mut headers);
        assert_eq!(
            headers.text(":path").as_deref(),
            Some("/x/bb/$1/aa/cc?q=/r/aa/bb")
        );
        let before = headers.text("x-envoy-original-path");
        assert_eq!(before.as_deref(), Some("/r/aa/bb/cc?q=/r/aa/bb"));
        for (pattern, substitution) in [("(a", ""), ("a", r"\1"), ("a", r"\"), ("(a)", r"\x")] {
            let read = RegexRewrite::read(pattern, substitution);
            assert!(read.is_err(), "{pattern} {substitution}");
        }
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
        assert_eq!(name("api.example.org:8080").as_deref(), Some("prefix"));
        let ported = VirtualHost {
            ignore_port: true,
            ..host("exact", &["api.example.org", "[::1]"])
        };
        let routes = Routes(vec![host("any", &["*"]), ported]);
        for (authority, wanted) in [
            ("api.example.org:8080", "exact"),
            ("API.example.org", "exact"),
            ("[::1]:80", "exact"),
            ("[::1]", "exact"),
            ("api.example.org:x", "any"),
        ] {
            let host = found(&routes, authority, "/v1/x").map(|(host, _)| host);
            assert_eq!(host.as_deref(), Some(wanted), "{authority}");
        }
    }

    #[test]
    fn a_route_asks_for_a_path_and_for_headers() {
        let below = PathMatch::Below("/api".into());
        for (path, fits) in [("/api", true), ("/api/x", true), ("/apis", false)] {
            assert_eq!(below.fits(path), fits, "{path}");
        }
        let pattern = PathMatch::Pattern(Pattern::read("/r/[0-9]+").unwrap());
        assert!(pattern.fits("/r/12") && !pattern.fits("/r/12/x"));
        let post = Route {
            headers: vec![HeaderCondition {
                name: ":method".into(),
                value: Wanted::Pattern(Pattern::read("POST|PUT").unwrap()),
            }],
            ..Route::to("writes")
        };
        let all = VirtualHost {
            domains: vec!["*".into()],
            routes: vec![post, Route::to("reads")],
            ..VirtualHost::default()
        };
        let routes = Routes(vec![all]);
        for (method, cluster) in [("PUT", "writes"), ("GET", "reads")] {
            let headers: Headers = [(":authority", "x"), (":path", "/a"), (":method", method)]
                .into_iter()
                .collect();
            assert_eq!(routes.find(&headers).unwrap().1.cluster, cluster);
        }
    }
}
