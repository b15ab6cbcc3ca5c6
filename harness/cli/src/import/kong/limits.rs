//! `rate-limiting` and `rate-limiting-advanced` as policies of rate-limit.

use serde_json::{Map, Value as Json, json};

use super::super::digest;
use super::super::ledger::{At, Try};
use super::entities::Plugin;

/// Kong's periods, in seconds.
const PERIODS: [(&str, u64); 6] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3600),
    ("day", 86_400),
    ("month", 2_592_000),
    ("year", 31_536_000),
];

/// What tells buckets apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The consumer, else the address.
    Consumer,
    /// The credential, else the address.
    Credential,
    /// The address.
    Ip,
    /// Nothing.
    Nothing,
    /// A header.
    Header(String),
    /// One path has a bucket of its own; other requests count by address.
    Path(String),
}

/// A limit, read.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What its policies are called.
    pub name: String,
    windows: Vec<Json>,
    by: By,
    headers: &'static str,
}

/// Reads a plugin; `name` says what it is for.
pub fn read(plugin: &Plugin<'_>, config: &At<'_>, name: &str) -> Try<Limit> {
    let subject = plugin.name.as_str();
    let mut windows = Vec::new();
    if subject == "rate-limiting" {
        for (period, seconds) in PERIODS {
            if let Some(quota) = config.number_of(period) {
                if quota == 0 {
                    return Err(config.obstacle(format!("{period}: a limit of 0 admits nothing")));
                }
                windows.push(json!({ "quota": quota, "window_s": seconds }));
            }
        }
    } else {
        let limits: Vec<Option<u64>> = config.list("limit").iter().map(At::number).collect();
        let sizes: Vec<Option<u64>> = config.list("window_size").iter().map(At::number).collect();
        for pair in limits.iter().zip(&sizes) {
            if let (Some(quota), Some(seconds)) = pair {
                windows.push(json!({ "quota": quota, "window_s": seconds }));
            }
        }
    }
    if windows.is_empty() {
        return Err(config.obstacle("it has no limit that can be read"));
    }
    config.changed_note(
        subject,
        "quotas grow back evenly over their window, where Kong begins anew with each minute, hour or day of the calendar; a month has 30 days and a year 365",
    );
    let by = by(config)?;
    elsewhere(config, subject);
    let hides = config.flag_of("hide_client_headers") == Some(true);
    config.changed_note(
        subject,
        match hides {
            true => "no headers tell clients their limits, but for `retry-after`",
            false => "clients are told their limits in `RateLimit`, `RateLimit-Policy` and `X-RateLimit-*`, without Kong's names for each period",
        },
    );
    Ok(Limit {
        name: digest::plain(name, 30),
        windows,
        by,
        headers: if hides { "off" } else { "both" },
    })
}

fn by(config: &At<'_>) -> Try<By> {
    let name = ["limit_by", "identifier"]
        .iter()
        .find_map(|name| config.get(name));
    let Some(at) = name else {
        return Ok(By::Consumer);
    };
    let needs = |member: &str| {
        let value = config.text_of(member);
        value.ok_or_else(|| at.obstacle(format!("{member} is missing")))
    };
    Ok(match at.text().unwrap_or_default().as_str() {
        "consumer" => By::Consumer,
        "credential" => By::Credential,
        "ip" => By::Ip,
        "service" => {
            at.changed(
                "limit_by",
                "all requests that the plugin is for share one bucket",
            );
            By::Nothing
        }
        "header" => {
            at.changed(
                "limit_by",
                "requests without the header share one bucket, where Kong counts them by address",
            );
            By::Header(needs("header_name")?)
        }
        "path" => {
            at.changed("limit_by", "requests for the path count by address, too");
            By::Path(needs("path")?)
        }
        other => return Err(at.obstacle(format!("{other:?} tells no buckets apart here"))),
    })
}

/// Settings about where Kong counts, and what it answers.
fn elsewhere(config: &At<'_>, subject: &str) {
    for name in ["policy", "strategy"] {
        if let Some(found) = config.get(name) {
            match found.text().as_deref() {
                Some("local") => found.taken(subject, "each proxy counts by itself"),
                _ => found.changed(
                    subject,
                    "each proxy counts by itself: with several, divide the quota by their number, or let Envoy's global `ratelimit` filter count behind",
                ),
            }
        }
    }
    for name in [
        "redis",
        "redis_host",
        "redis_port",
        "redis_password",
        "redis_username",
        "redis_database",
        "redis_timeout",
        "redis_ssl",
        "redis_ssl_verify",
        "redis_server_name",
        "sync_rate",
        "dictionary_name",
        "namespace",
    ] {
        if let Some(found) = config.get(name) {
            found.changed(
                subject,
                "there is no shared counter, so this has no meaning any more",
            );
        }
    }
    for (name, text) in [
        (
            "fault_tolerant",
            "a limit that cannot be counted refuses the request (503): `on_error`",
        ),
        ("error_code", "a request over the limit gets 429"),
        (
            "error_message",
            "a request over the limit gets the answer of its protocol's errors",
        ),
        ("window_type", "quotas grow back evenly"),
        (
            "retry_after_jitter_max",
            "`retry_after_jitter_s` of rate-limit does this; it is not set",
        ),
        ("disable_penalty", "a refused request takes nothing"),
    ] {
        if let Some(found) = config.get(name) {
            found.changed(subject, text);
        }
    }
}

impl Limit {
    /// Its policies on a route. `whom` limits them to some consumers, `but` leaves some out.
    pub fn policies(
        &self,
        has_callers: bool,
        whom: Option<&[String]>,
        but: &[String],
    ) -> Vec<Json> {
        let by_ip = |name: &str, who: Json| self.policy(name, json!(["ip"]), who, but);
        let anybody = json!({ "identity": "any" });
        let named = |by: Json| match whom {
            Some(consumers) => {
                let who = json!({ "consumers": consumers });
                vec![self.policy("", by, who, &[])]
            }
            None => Vec::new(),
        };
        match &self.by {
            By::Consumer | By::Credential if has_callers => {
                let part = if self.by == By::Consumer {
                    "consumer"
                } else {
                    "credential"
                };
                if whom.is_some() {
                    return named(json!([part]));
                }
                let known = json!({ "identity": "required" });
                vec![
                    self.policy("", json!([part]), known, but),
                    by_ip("-ip", json!({ "identity": "absent" })),
                ]
            }
            By::Consumer | By::Credential | By::Ip if whom.is_none() => vec![by_ip("-ip", anybody)],
            By::Consumer | By::Credential | By::Ip => named(json!(["ip"])),
            _ if whom.is_some() => match &self.by {
                By::Header(name) => named(json!([{ "header": name.to_ascii_lowercase() }])),
                _ => named(json!([])),
            },
            By::Nothing => vec![self.policy("", json!([]), anybody, but)],
            By::Header(name) => {
                let by = json!([{ "header": name.to_ascii_lowercase() }]);
                let mut policy = self.policy("", by, anybody, but);
                crate::gateway::put(&mut policy, "on_missing", "shared");
                vec![policy]
            }
            By::Path(path) => {
                let mut one = self.policy("", json!([]), anybody.clone(), but);
                crate::gateway::put(&mut one, "what", json!({ "paths": [path] }));
                vec![one, by_ip("-ip", anybody)]
            }
        }
    }

    fn policy(&self, after: &str, by: Json, who: Json, but: &[String]) -> Json {
        let mut policy = json!({
            "name": format!("{}{after}", self.name),
            "by": by,
            "who": who,
            "windows": self.windows,
        });
        if !but.is_empty() {
            let tier = json!({ "who": { "consumers": but }, "effect": "exempt" });
            crate::gateway::put(&mut policy, "tiers", json!([tier]));
        }
        policy
    }

    /// A plan of these policies.
    pub fn plan(&self, policies: Vec<Json>) -> Map<String, Json> {
        let mut plan = Map::new();
        plan.insert("policies".into(), policies.into());
        plan.insert("headers".into(), self.headers.into());
        plan.insert("buckets".into(), json!({ "shared_as": "imported" }));
        plan.insert("model_from_body".into(), json!({ "mode": "ignore" }));
        plan
    }
}
