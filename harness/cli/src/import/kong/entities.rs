//! The entities of a declarative configuration, nested or side by side, with the references between
//! them.

use std::collections::BTreeSet;

use super::super::ledger::{At, Try};

/// A service with the place of its routes.
pub struct Service<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// Its name, else its id.
    pub name: String,
}

/// A route.
pub struct Route<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// Its name.
    pub name: String,
    /// Its service, by index.
    pub service: Option<usize>,
}

/// A consumer.
pub struct Consumer<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// Its username, else its `custom_id`.
    pub name: String,
    /// Groups of its ACL.
    pub groups: Vec<String>,
    /// Consumer groups that it is in.
    pub member_of: Vec<String>,
    /// Its credentials: the kind, and where each stands.
    pub credentials: Vec<(&'static str, At<'a>)>,
}

/// A plugin and what it is for.
pub struct Plugin<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// Which.
    pub name: String,
    /// The service that it is for.
    pub service: Option<usize>,
    /// The route that it is for.
    pub route: Option<usize>,
    /// The consumer that it is for.
    pub consumer: Option<usize>,
    /// The consumer group that it is for.
    pub group: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
}

/// What a plugin is for by where it stands.
#[derive(Default)]
struct Scope {
    service: Option<usize>,
    route: Option<usize>,
    consumer: Option<usize>,
    group: Option<String>,
}

/// Everything.
#[derive(Default)]
pub struct Entities<'a> {
    /// Services.
    pub services: Vec<Service<'a>>,
    /// Routes.
    pub routes: Vec<Route<'a>>,
    /// Consumers.
    pub consumers: Vec<Consumer<'a>>,
    /// Plugins.
    pub plugins: Vec<Plugin<'a>>,
    /// Upstreams.
    pub upstreams: Vec<At<'a>>,
    /// Targets of upstreams that do not stand in them.
    pub targets: Vec<At<'a>>,
    /// Consumer groups: name, and every name that it may be called by.
    groups: Vec<(String, Vec<String>)>,
    /// Configurations that plugins refer to by `_config`.
    shared: Option<At<'a>>,
}

/// Kinds of credentials: what the list is called.
pub const CREDENTIALS: [&str; 7] = [
    "keyauth_credentials",
    "jwt_secrets",
    "basicauth_credentials",
    "hmacauth_credentials",
    "oauth2_credentials",
    "mtls_auth_credentials",
    "keyauth_enc_credentials",
];

/// What is only for people, or for decK.
const LABELS: [&str; 8] = [
    "id",
    "name",
    "tags",
    "created_at",
    "updated_at",
    "instance_name",
    "ordering",
    "enabled",
];

/// Takes note of what changes nothing for requests.
pub fn labels(at: &At<'_>) {
    for label in LABELS {
        if label != "ordering"
            && label != "enabled"
            && let Some(found) = at.get(label)
        {
            found.swallow();
        }
    }
}

impl<'a> Entities<'a> {
    /// Reads a document.
    pub fn read(root: &At<'a>) -> Self {
        let mut all = Self {
            shared: root.get("_plugin_configs"),
            ..Self::default()
        };
        for at in root.list("consumer_groups") {
            let index = all.groups.len();
            let name = called(&at, &["name", "id"], "group", index);
            at.taken(
                &format!("consumer group {name}"),
                "its members, whom its limits are for",
            );
            labels(&at);
            all.groups.push((name, keys(&at, &["name", "id"])));
        }
        for at in root.list("services") {
            all.service(&at);
        }
        for at in root.list("routes") {
            let service = all.reference(&at, "service", &["name", "id"], &all.service_names());
            all.route(&at, service);
        }
        for at in root.list("consumers") {
            all.consumer(&at);
        }
        for kind in CREDENTIALS {
            for at in root.list(kind) {
                let names = all.consumer_names();
                if let Some(owner) = all.reference(&at, "consumer", &["username", "id"], &names)
                    && let Some(consumer) = all.consumers.get_mut(owner)
                {
                    consumer.credentials.push((kind, at));
                }
            }
        }
        for at in root.list("acls") {
            let names = all.consumer_names();
            let owner = all.reference(&at, "consumer", &["username", "id"], &names);
            let group = at.text_of("group");
            labels(&at);
            at.guarded("acl", "a group of the consumer");
            if let (Some(owner), Some(group)) = (owner, group)
                && let Some(consumer) = all.consumers.get_mut(owner)
            {
                consumer.groups.push(group);
            }
        }
        all.memberships(root);
        for at in root.list("plugins") {
            all.plugin(&at, Scope::default());
        }
        for (at, (name, _)) in root.list("consumer_groups").iter().zip(all.groups.clone()) {
            for plugin in at.list("plugins") {
                let group = Some(name.clone());
                all.plugin(
                    &plugin,
                    Scope {
                        group,
                        ..Scope::default()
                    },
                );
            }
        }
        all.upstreams = root.list("upstreams");
        all.targets = root.list("targets");
        all.doubled();
        all
    }

    fn service(&mut self, at: &At<'a>) {
        let index = self.services.len();
        labels(at);
        self.services.push(Service {
            at: at.clone(),
            name: called(at, &["name", "id"], "service", index),
        });
        for route in at.list("routes") {
            self.route(&route, Some(index));
        }
        for plugin in at.list("plugins") {
            self.plugin(
                &plugin,
                Scope {
                    service: Some(index),
                    ..Scope::default()
                },
            );
        }
    }

    fn route(&mut self, at: &At<'a>, service: Option<usize>) {
        let index = self.routes.len();
        labels(at);
        self.routes.push(Route {
            at: at.clone(),
            name: called(at, &["name", "id"], "route", index),
            service,
        });
        for plugin in at.list("plugins") {
            self.plugin(
                &plugin,
                Scope {
                    route: Some(index),
                    ..Scope::default()
                },
            );
        }
    }

    fn consumer(&mut self, at: &At<'a>) {
        let index = self.consumers.len();
        labels(at);
        let mut groups = Vec::new();
        for acl in at.list("acls") {
            labels(&acl);
            groups.extend(acl.text_of("group"));
        }
        let mut credentials = Vec::new();
        for kind in CREDENTIALS {
            credentials.extend(at.list(kind).into_iter().map(|one| (kind, one)));
        }
        self.consumers.push(Consumer {
            at: at.clone(),
            name: called(at, &["username", "custom_id", "id"], "consumer", index),
            groups,
            member_of: at
                .list("groups")
                .iter()
                .filter_map(|one| self.group(one))
                .collect(),
            credentials,
        });
        for plugin in at.list("plugins") {
            self.plugin(
                &plugin,
                Scope {
                    consumer: Some(index),
                    ..Scope::default()
                },
            );
        }
    }

    /// The name of the consumer group that a value refers to.
    fn group(&self, at: &At<'a>) -> Option<String> {
        let wanted = match at.is_map() {
            true => {
                labels(at);
                keys(at, &["name", "id"])
            }
            false => at.text().into_iter().collect(),
        };
        let mut groups = self.groups.iter();
        let found = groups.find(|(_, keys)| wanted.iter().any(|wanted| keys.contains(wanted)));
        match found {
            Some((name, _)) => Some(name.clone()),
            None => at.wrong("no consumer group of this file has this name"),
        }
    }

    /// Members of consumer groups that do not stand with the consumers.
    fn memberships(&mut self, root: &At<'a>) {
        let by = ["username", "id"];
        let mut found: Vec<(usize, String)> = Vec::new();
        for at in root.list("consumer_group_consumers") {
            labels(&at);
            at.taken("consumer_group_consumers", "a member of a consumer group");
            let consumer = self.reference(&at, "consumer", &by, &self.consumer_names());
            let group = at.get("consumer_group").and_then(|one| self.group(&one));
            found.extend(consumer.zip(group));
        }
        for (at, (name, _)) in root.list("consumer_groups").iter().zip(&self.groups) {
            for member in at.list("consumers") {
                let wanted = match member.is_map() {
                    true => keys(&member, &by),
                    false => member.text().into_iter().collect(),
                };
                let names = self.consumer_names();
                let consumer = names
                    .iter()
                    .position(|known| wanted.iter().any(|wanted| known.contains(wanted)));
                match consumer {
                    Some(consumer) => found.push((consumer, name.clone())),
                    None => drop(member.wrong::<()>("no consumer of this file has this name")),
                }
            }
        }
        for (consumer, group) in found {
            if let Some(consumer) = self.consumers.get_mut(consumer)
                && !consumer.member_of.contains(&group)
            {
                consumer.member_of.push(group);
            }
        }
    }

    /// The consumers that a plugin is for, if it is not for everybody.
    pub fn members(&self, plugin: &Plugin<'_>) -> Vec<usize> {
        match (plugin.consumer, &plugin.group) {
            (Some(consumer), None) => vec![consumer],
            (None, Some(group)) => {
                let consumers = self.consumers.iter().enumerate();
                let of_group = consumers.filter(|(_, one)| one.member_of.contains(group));
                of_group.map(|(index, _)| index).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The configuration of a plugin, which may stand elsewhere in the file.
    ///
    /// # Errors
    /// If it stands nowhere, or in two places that decK would merge.
    pub fn config(&self, plugin: &At<'a>) -> Try<Option<At<'a>>> {
        let own = plugin.get("config");
        let Some(named) = plugin.get("_config") else {
            return Ok(own);
        };
        if own.is_some() {
            return Err(named.obstacle("it has `config` and `_config`, which decK merges"));
        }
        let name = named.text().unwrap_or_default();
        let shared = self.shared.as_ref().and_then(|all| all.get(&name));
        match shared {
            Some(found) => Ok(Some(found)),
            None => Err(named.obstacle("`_plugin_configs` has no such configuration")),
        }
    }

    fn plugin(&mut self, at: &At<'a>, scope: Scope) {
        let name = at.text_of("name");
        let Some(name) = name else {
            at.wrong::<()>("the key \"name\" is missing");
            return;
        };
        labels(at);
        let by_name = ["name", "id"];
        let Scope {
            service,
            route,
            consumer,
            group,
        } = scope;
        let service =
            service.or_else(|| self.reference(at, "service", &by_name, &self.service_names()));
        let route = route.or_else(|| {
            let names: Vec<Vec<String>> = self
                .routes
                .iter()
                .map(|one| keys(&one.at, &by_name))
                .collect();
            self.reference(at, "route", &by_name, &names)
        });
        let consumer = consumer.or_else(|| {
            self.reference(at, "consumer", &["username", "id"], &self.consumer_names())
        });
        let group = group.or_else(|| at.get("consumer_group").and_then(|one| self.group(&one)));
        let enabled = at.flag_of("enabled") != Some(false);
        self.plugins.push(Plugin {
            at: at.clone(),
            name,
            service,
            route,
            consumer,
            group,
            enabled,
        });
    }

    fn service_names(&self) -> Vec<Vec<String>> {
        let keys = |one: &Service<'_>| keys(&one.at, &["name", "id"]);
        self.services.iter().map(keys).collect()
    }

    fn consumer_names(&self) -> Vec<Vec<String>> {
        let keys = |one: &Consumer<'_>| keys(&one.at, &["username", "id", "custom_id"]);
        self.consumers.iter().map(keys).collect()
    }

    /// What a member refers to: a name, or a mapping with one.
    fn reference(
        &self,
        at: &At<'a>,
        member: &str,
        by: &[&str],
        names: &[Vec<String>],
    ) -> Option<usize> {
        let found = at.get(member)?;
        let wanted = match found.is_map() {
            true => by.iter().find_map(|key| found.text_of(key)),
            false => found.text(),
        };
        let index =
            wanted.and_then(|wanted| names.iter().position(|known| known.contains(&wanted)));
        match index {
            Some(index) => Some(index),
            None => found.wrong(&format!("no {member} of this file has this name")),
        }
    }

    /// Two entities of one name: which of them is meant would be anybody's guess.
    fn doubled(&self) {
        let kinds: [(&str, Vec<(&At<'_>, &str)>); 3] = [
            (
                "service",
                self.services
                    .iter()
                    .map(|one| (&one.at, one.name.as_str()))
                    .collect(),
            ),
            (
                "route",
                self.routes
                    .iter()
                    .map(|one| (&one.at, one.name.as_str()))
                    .collect(),
            ),
            (
                "consumer",
                self.consumers
                    .iter()
                    .map(|one| (&one.at, one.name.as_str()))
                    .collect(),
            ),
        ];
        for (kind, all) in kinds {
            let mut seen = BTreeSet::new();
            for (at, name) in all {
                if !seen.insert(name) {
                    at.wrong::<()>(&format!("another {kind} has the same name"));
                }
            }
        }
    }
}

fn keys(at: &At<'_>, names: &[&str]) -> Vec<String> {
    names.iter().filter_map(|name| at.text_of(name)).collect()
}

/// The first name that it has.
fn called(at: &At<'_>, names: &[&str], kind: &str, index: usize) -> String {
    let name = names.iter().find_map(|name| at.text_of(name));
    name.unwrap_or_else(|| format!("{kind}-{}", index.saturating_add(1)))
}
