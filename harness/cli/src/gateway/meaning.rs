//! What a gateway file means on a host: one model, from which each host's own files are written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use located_yaml::read::{At, Problem, Report};
use located_yaml::shape::Source;
use located_yaml::{Node, Place};
use modelgate_scenario::catalogue::Member;

use super::chosen::{self, DEPLOYMENT};
use super::file::{Backend, Gateway, Modules};
use super::host::Host;
use super::protocol::{Need, Protocol, SAGEMAKER_PATHS};
use super::servers::{Servers, text};
use super::settings::{
    add, aws_servers, credential, environment, issuers, let_through, object, put,
};
use super::upstream::Upstream;
use crate::SUITE;

/// More than the filters' own `max_body_bytes`, so that these give the answer.
const BUFFER_BYTES: u32 = 2_097_152;

/// A gateway.
pub struct Meaning {
    /// Its name.
    pub name: String,
    /// What is said to the model server.
    pub protocol: &'static Protocol,
    /// The model server.
    pub backend: Upstream,
    /// What filters call, and the further model servers.
    pub servers: Vec<Upstream>,
    /// The further model servers.
    pub others: Vec<Upstream>,
    /// The header by which model-route has copies made, where it does.
    pub mirrors: bool,
    /// The filters of the suite, in the order of the chain.
    pub filters: Vec<Filter>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where metrics are fetched.
    pub metrics: Option<SocketAddr>,
    /// Trusted proxies in front.
    pub proxies_in_front: u32,
    /// The most that is held of a body.
    pub buffer_bytes: u32,
    /// Where the filters' images are.
    pub modules: Option<Modules>,
}

impl Meaning {
    /// Whether the model server is asked by its own name, not by that which the client has used.
    /// aws-sigv4 sets the host itself: a rewrite would come after the signature, and break it.
    pub fn rewrites_host(&self) -> bool {
        self.backend.tls && !self.protocol.signed
    }
}

impl Meaning {
    /// What a header that model-route writes for routes is called here.
    pub fn routing_header(&self, (option, usual): (&str, &str)) -> String {
        let mut filters = self.filters.iter();
        let filter = filters.find(|filter| filter.member.filter.name == "model_route");
        let written = filter.and_then(|filter| filter.config.member(option)?.text());
        written.unwrap_or(usual).to_owned()
    }
}

/// A filter of the chain.
pub struct Filter {
    /// Which.
    pub member: Member,
    /// Its configuration; values stand where they do in the gateway file.
    pub config: Node,
    /// What it reads of the environment.
    pub environment: BTreeSet<String>,
}

impl Filter {
    /// A filter with its configuration.
    pub fn new(member: Member, config: Node) -> Self {
        let environment = environment(member.filter.name, &config);
        Self {
            member,
            config,
            environment,
        }
    }

    /// Whether it says who calls, or records it: what runs also where nothing is to be had.
    pub fn is_first(&self) -> bool {
        matches!(
            self.member.filter.name,
            "audit_log" | "jwt_auth" | "key_auth"
        )
    }
}

/// Reads a gateway file for a host.
///
/// # Errors
/// Everything that is wrong with it, but for what only filters know of their settings.
pub fn read(root: &Node, host: Host) -> Result<Meaning, Vec<Problem>> {
    let report = Report::default();
    let at = report.root(root);
    let meaning = at.parse::<Gateway>().and_then(|file| {
        let servers = Servers::new(host, Protocol::of(file.backend.kind).name);
        Reading {
            at,
            report: &report,
            host,
            servers,
        }
        .gateway(file)
    });
    match meaning.filter(|_| report.is_empty()) {
        Some(meaning) => Ok(meaning),
        None => Err(report.into_problems()),
    }
}

struct Reading<'a> {
    at: At<'a>,
    report: &'a Report,
    host: Host,
    servers: Servers,
}

impl Reading<'_> {
    /// The value at a path of members, or the whole file.
    fn value(&self, path: &[&str]) -> At<'_> {
        let found = path
            .iter()
            .try_fold(self.at.clone(), |at, name| at.member(name));
        found.unwrap_or_else(|| self.at.clone())
    }

    fn refuse<T>(&self, path: &[&str], message: impl Into<String>) -> Option<T> {
        self.value(path).refuse(message)
    }

    fn gateway(mut self, file: Gateway) -> Option<Meaning> {
        let protocol = Protocol::of(file.backend.kind);
        let backend = self.backend(&file.backend, protocol);
        let name = file.name.clone();
        let name = name.unwrap_or_else(|| protocol.name.to_owned());
        if !is_label(&name) {
            let said = "expected a DNS label: a-z, 0-9 and -, at most 63, a letter first";
            self.refuse::<()>(&["name"], said);
        }
        let listen = file.listen.as_deref().unwrap_or("0.0.0.0:8080");
        let listen = self.address("listen", listen);
        let metrics = file.metrics.as_deref();
        let metrics = metrics.map(|metrics| self.address("metrics", metrics));
        if let (Some(listen), Some(Some(metrics))) = (listen, metrics)
            && listen.port() == metrics.port()
        {
            self.refuse::<()>(&["metrics"], "the port is that of `listen`");
        }
        if let Some(audit) = &file.audit {
            match Upstream::of_url("logs", &audit.collector) {
                Ok(server) if Upstream::is_bare(&audit.collector) => self.servers.add(server),
                Ok(_) => drop(self.refuse::<()>(&["audit", "collector"], NO_PATH)),
                Err(said) => drop(self.refuse::<()>(&["audit", "collector"], said)),
            }
        }
        let ways = [&file.issuers, &file.keys];
        if ways
            .iter()
            .all(|way| listed(way.as_ref(), self.report).is_none())
        {
            self.refuse::<()>(&[], "nobody could call: list `issuers`, `keys` or both");
        }
        if self.host.fetches_images() && file.modules.is_none() {
            let said = "the key \"modules\" is missing: this host fetches the filters' images";
            self.refuse::<()>(&[], said);
        }
        let mut backend = backend?;
        let others = self.others(&file, protocol);
        let filters = self.filters(&file, protocol, &backend);
        backend.name = protocol.name.to_owned();
        Some(Meaning {
            name,
            protocol,
            backend,
            servers: self.servers.list,
            mirrors: !others.is_empty() && copies(file.models.as_ref(), self.report),
            others,
            filters,
            listen: listen?,
            metrics: metrics.flatten(),
            proxies_in_front: file.proxies_in_front.unwrap_or_default(),
            buffer_bytes: file.buffer_bytes.unwrap_or(BUFFER_BYTES),
            modules: file.modules,
        })
    }

    fn address(&self, name: &str, text: &str) -> Option<SocketAddr> {
        let said = "expected an address and a port, as in 0.0.0.0:8080";
        text.parse().ok().or_else(|| self.refuse(&[name], said))
    }

    fn backend(&self, backend: &Backend, protocol: &Protocol) -> Option<Upstream> {
        let credential = backend.credential.as_ref();
        let credential = credential.map(|source| source.at(self.report));
        let wanted = [
            ("region", backend.region.is_some(), protocol.region),
            (
                "deployment",
                backend.deployment.is_some(),
                may(protocol.deployment),
            ),
            ("credential", credential.is_some(), protocol.credential),
        ];
        for (name, written, need) in wanted {
            match (written, need) {
                (true, Need::Never) => {
                    self.refuse::<()>(
                        &["backend", name],
                        "it has no meaning for this kind of backend",
                    );
                }
                (false, Need::Must) => {
                    self.refuse::<()>(&["backend"], format!("the key {name:?} is missing"));
                }
                _ => {}
            }
        }
        let variable = credential.as_ref().and_then(|at| at.member("env"));
        if variable.is_some_and(|at| !at.node.text().is_some_and(is_variable)) {
            // What may be the secret is not repeated.
            let said = "expected the name of a variable: the secret itself must not stand here";
            self.refuse::<()>(&["backend", "credential", "env"], said);
        }
        let region = backend.region.as_deref().unwrap_or_default();
        if backend.region.is_some() && !is_label(region) {
            return self.refuse(
                &["backend", "region"],
                "expected a region, such as eu-central-1",
            );
        }
        let global = protocol.global_url.filter(|_| region.is_empty());
        let given = || {
            let url = global.or(protocol.url)?;
            Some(url.replace("{region}", region))
        };
        let Some(url) = backend.url.clone().or_else(given) else {
            return self.refuse(&["backend"], "the key \"url\" is missing");
        };
        match Upstream::of_url(protocol.name, &url) {
            Ok(_) if !Upstream::is_bare(&url) => self.refuse(&["backend", "url"], NO_PATH),
            Ok(upstream) => match self.host.refuses(&upstream) {
                Some(said) => self.refuse(&["backend", "url"], said),
                None => Some(upstream),
            },
            Err(said) => self.refuse(&["backend", "url"], said),
        }
    }

    /// The further servers, which every target and shadow has to name as they are.
    fn others(&mut self, file: &Gateway, protocol: &Protocol) -> Vec<Upstream> {
        const AT: [&str; 2] = ["backend", "others"];
        let written = &file.backend.others.0;
        if written.is_empty() {
            return Vec::new();
        }
        let refused = match self.host {
            _ if protocol.signed => Some("requests are signed for one host"),
            Host::Envoy | Host::EnvoyNative | Host::Kubernetes => None,
            _ => Some("routes to several servers are written for Envoy and Kubernetes only"),
        };
        if let Some(said) = refused {
            self.refuse::<()>(&AT, said);
        }
        let Some(models) = listed(file.models.as_ref(), self.report) else {
            self.refuse::<()>(
                &AT,
                "nothing leads there: list `models`, whose targets name them",
            );
            return Vec::new();
        };
        let mut others = Vec::new();
        for (name, url) in written {
            let at = ["backend", "others", name.as_str()];
            if !is_label(name) || name == MAIN || name == protocol.name {
                let said = format!(
                    "expected a DNS label, and neither {MAIN:?} nor {:?}",
                    protocol.name
                );
                self.refuse::<()>(&at, said);
                continue;
            }
            match Upstream::of_url(name, url) {
                Ok(_) if !Upstream::is_bare(url) => drop(self.refuse::<()>(&at, NO_PATH)),
                Ok(upstream) => others.push(upstream),
                Err(said) => drop(self.refuse::<()>(&at, said)),
            }
        }
        for model in models.node.items() {
            let targets = model.member("targets").map_or(&[][..], Node::items);
            let named = targets.iter().chain(model.member("shadow"));
            for backend in named.filter_map(|one| one.member("backend")) {
                let name = backend.text().unwrap_or_default();
                if name != MAIN && !others.iter().any(|one| one.name == name) {
                    self.report.push(Problem {
                        place: backend.place,
                        path: "models".to_owned(),
                        message: format!("{name:?} is none of `backend.others`, nor {MAIN:?}"),
                    });
                }
            }
        }
        for other in &others {
            self.servers.add(other.clone());
        }
        others
    }

    /// The chain.
    fn filters(&mut self, file: &Gateway, protocol: &Protocol, backend: &Upstream) -> Vec<Filter> {
        let mut configs = self.written(file, protocol, backend);
        for (name, settings) in &file.settings.0 {
            let settings = settings.at(self.report);
            match SUITE.member(name).filter(|member| member.krate == name) {
                Some(member) => match configs.get_mut(member.filter.name) {
                    Some(config) => add(config, &settings),
                    None => drop(settings.refuse::<()>(
                        "this gateway does not have the filter: nothing above asks for it",
                    )),
                },
                None => {
                    let known: Vec<&str> = SUITE.crates().collect();
                    let said = format!("no filter has this name; there are {}", known.join(", "));
                    settings.refuse::<()>(said);
                }
            }
        }
        let mut filters = Vec::new();
        for member in SUITE.filters() {
            let name = member.filter.name;
            let Some(mut config) = configs.remove(name) else {
                continue;
            };
            if name == "aws_sigv4" {
                aws_servers(
                    &mut config,
                    file.backend.region.as_deref().unwrap_or_default(),
                );
            }
            self.servers.resolve(&mut config, member.krate, self.report);
            filters.push(Filter::new(*member, config));
        }
        filters
    }

    /// What is written for each filter but for `settings`.
    fn written(
        &self,
        file: &Gateway,
        protocol: &Protocol,
        backend: &Upstream,
    ) -> BTreeMap<&'static str, Node> {
        let start = self.at.node.place;
        let tokens = listed(file.issuers.as_ref(), self.report);
        let keys = listed(file.keys.as_ref(), self.report);
        let mut configs = BTreeMap::new();
        configs.insert("audit_log", self.audit(file, start));
        let either = tokens.is_some() && keys.is_some();
        if let Some(at) = tokens {
            let place = at.node.place;
            let mut config = object(place, [("issuers", issuers(&at))]);
            if either {
                put(&mut config, "on_missing", text(place, "allow"));
            }
            configs.insert("jwt_auth", config);
        }
        if let Some(at) = keys {
            let place = at.node.place;
            let mut config = object(place, [("keys", at.node.clone())]);
            if either {
                put(&mut config, "on_missing", text(place, "deny_unidentified"));
            }
            configs.insert("key_auth", config);
        }
        let chosen = chosen::headers(file, protocol, self.report);
        let taken = |source: &Source| source.at(self.report).node.clone();
        let rules = taken(&file.rules);
        configs.insert("consumer_acl", object(rules.place, [("rules", rules)]));
        if let Some(limits) = file.limits.as_ref().map(taken) {
            configs.insert("rate_limit", object(limits.place, [("policies", limits)]));
        }
        if let Some(models) = file.models.as_ref().map(taken) {
            let place = models.place;
            // Which paths there are besides, the backend's routes say.
            let others = text(place, "allow");
            let config = object(place, [("models", models), ("other_requests", others)]);
            configs.insert("model_route", config);
        }
        if let Some(masking) = file.masking.as_ref().map(taken) {
            configs.insert("pii_mask", masking);
        }
        if protocol.signed {
            let place = self.value(&["backend"]).node.place;
            let region = file.backend.region.as_deref().unwrap_or_default();
            let paths = SAGEMAKER_PATHS.iter().map(|path| text(place, path));
            let paths = located_yaml::Value::List(paths.collect());
            let config = object(
                place,
                [
                    ("service", text(place, "sagemaker")),
                    ("region", text(place, region)),
                    ("host", text(place, &backend.host)),
                    (
                        "paths",
                        Node {
                            place,
                            value: paths,
                        },
                    ),
                ],
            );
            let mut config = config;
            if self.host == Host::Kong {
                // What is signed is what Kong writes.
                put(&mut config, "rewritten_by", text(place, "route"));
            }
            let_through(&mut config, &chosen);
            configs.insert("aws_sigv4", config);
        }
        if let Some(source) = &file.backend.credential {
            let at = source.at(self.report);
            let place = at.node.place;
            let mut config = object(place, [("credential", credential(&at))]);
            if let Some(provider) = protocol.provider {
                put(&mut config, "provider", text(place, provider));
            }
            if let Some(deployment) = &file.backend.deployment {
                let place = self.value(&["backend", "deployment"]).node.place;
                if chosen::by_deployment(file.models.as_ref(), self.report) {
                    self.refuse::<()>(
                        &["backend", "deployment"],
                        "targets of `models` name deployments: this one would be asked whatever they say",
                    );
                }
                let header = object(place, [(DEPLOYMENT, text(place, deployment))]);
                put(&mut config, "set_headers", header);
            } else if protocol.deployment {
                let_through(&mut config, &chosen);
            }
            configs.insert("upstream_auth", config);
        }
        configs
    }

    fn audit(&self, file: &Gateway, start: Place) -> Node {
        let Some(audit) = &file.audit else {
            return object(start, []);
        };
        let place = self.value(&["audit", "collector"]).node.place;
        let scheme = audit
            .collector
            .split_once("://")
            .map_or("", |(scheme, _)| scheme);
        let mut sink = object(
            place,
            [
                ("cluster", text(place, &audit.collector)),
                ("scheme", text(place, scheme)),
            ],
        );
        if let Some(resource) = &audit.resource {
            let resource = resource.at(self.report).node.clone();
            put(&mut sink, "resource", resource);
        }
        object(place, [("sink", sink)])
    }
}

/// What targets call the server of `backend.url` where there are others.
const MAIN: &str = "main";

/// Whether a model has copies made of its requests.
fn copies(models: Option<&Source>, report: &Report) -> bool {
    let models = listed(models, report);
    models.is_some_and(|models| {
        let mut models = models.node.items().iter();
        models.any(|model| model.member("shadow").is_some())
    })
}

/// What lists something.
fn listed<'a>(source: Option<&'a Source>, report: &'a Report) -> Option<At<'a>> {
    let at = source?.at(report);
    (!at.node.items().is_empty()).then_some(at)
}

const NO_PATH: &str = "expected scheme, host and port only: paths are those of the protocol";

const fn may(wanted: bool) -> Need {
    match wanted {
        true => Need::May,
        false => Need::Never,
    }
}

/// Whether it is a DNS label that begins with a letter, as Kubernetes wants it for Services (RFC
/// 1035, section 2.3.1).
fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(plain)
}

fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(plain)
}
