//! `local_ratelimit` as rate-limit.

use serde_json::{Map, Value as Json, json};

use super::super::digest;
use super::super::ledger::{At, Try};
use super::jwt::say;
use super::paths::only;
use super::routes::{self, Says};
use super::translation::{Override, Translation, milliseconds, none_of};

const KIND: &str = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
const KNOWN: [&str; 8] = [
    "stat_prefix",
    "status",
    "token_bucket",
    "filter_enabled",
    "filter_enforced",
    "response_headers_to_add",
    "request_headers_to_add_when_not_enforced",
    "enable_x_ratelimit_headers",
];

/// What one configuration does.
enum Does {
    /// Nothing: it has no bucket, or is not enabled.
    Nothing,
    /// It limits by this plan.
    Limits(Map<String, Json>),
}

/// Translates the filter.
pub fn translate(config: &At<'_>, manager: &At<'_>, name: &str) -> Try<Translation> {
    let base = plan(config, "all")?;
    let mut translation = match base {
        Does::Limits(base) => Translation::new("rate-limit", base),
        Does::Nothing => {
            let mut translation = Translation::new("rate-limit", Map::new());
            translation.disabled = true;
            translation
        }
    };
    for own in routes::own(manager, name)? {
        let what = match own.says(KIND)? {
            Says::Switch(switch) => switch,
            Says::Config(config) => match plan(&config, &own.name)? {
                Does::Limits(plan) => {
                    let profile = translation.profile(&own.name, plan.into());
                    Override::Profile(profile)
                }
                Does::Nothing => Override::Off,
            },
        };
        match what {
            Override::Profile(ref profile) => own.config.guarded(
                "typed_per_filter_config",
                format!("route metadata choose profile {profile}, with a bucket of its own"),
            ),
            ref what => say(&own.config, own.scope, what),
        }
        translation.overrides.push((own.scope, what));
    }
    let limits = |(_, what): &(_, Override)| matches!(what, Override::Profile(_));
    if translation.disabled && !translation.overrides.iter().any(limits) {
        return Err(config.obstacle("it limits nothing on any route"));
    }
    config.changed_note(
        "local_ratelimit",
        "tokens grow back evenly over `fill_interval`, where Envoy adds them all at its end; all workers share the bucket",
    );
    Ok(translation)
}

/// A filter that limits only where a route says so is off elsewhere; a profile there turns it on.
fn plan(config: &At<'_>, name: &str) -> Try<Does> {
    none_of(
        config,
        &[
            (
                "descriptors",
                "buckets by what a route sends of a request have no counterpart",
            ),
            (
                "local_rate_limit_per_downstream_connection",
                "there is one bucket, not one per connection",
            ),
            (
                "local_cluster_rate_limit",
                "there is no share of a cluster's limit",
            ),
            (
                "request_headers_to_add_when_not_enforced",
                "headers for requests that were not limited",
            ),
        ],
    )?;
    only(config, &KNOWN)?;
    let Some(bucket) = config.get("token_bucket") else {
        // It counts by routes only.
        config.swallow();
        return Ok(Does::Nothing);
    };
    if !percent(config, "filter_enabled")? {
        config.swallow();
        return Ok(Does::Nothing);
    }
    let enforced = percent(config, "filter_enforced")?;
    let window = window(&bucket)?;
    let mut plan = Map::new();
    let policy = json!({ "name": digest::plain(name, 40), "windows": [window] });
    plan.insert("policies".into(), json!([policy]));
    plan.insert("model_from_body".into(), json!({ "mode": "ignore" }));
    if !enforced {
        plan.insert("mode".into(), "shadow".into());
    }
    let shown = config.text_of("enable_x_ratelimit_headers");
    let shown = match shown.as_deref() {
        None | Some("OFF" | "0") => "off",
        Some(_) => "legacy",
    };
    plan.insert("headers".into(), shown.into());
    if let Some(stats) = config.get("stat_prefix") {
        stats.changed(
            "stat_prefix",
            "metrics are `modelgate.rate_limit.*`, by the policy's name",
        );
    }
    if let Some(status) = config.get("status") {
        let code = status.get("code");
        let is_usual = code
            .as_ref()
            .is_some_and(|code| matches!(code.text().as_deref(), Some("TooManyRequests" | "429")));
        match is_usual {
            true => status.taken("status", "a request over the limit gets 429"),
            false => status.changed(
                "status",
                "a request over the limit gets 429, whatever was written",
            ),
        }
    }
    if let Some(headers) = config.get("response_headers_to_add") {
        headers.missing(
            "response_headers_to_add",
            "a request over the limit gets `retry-after` and `x-modelgate-reason`, and no other header",
            false,
        );
    }
    Ok(Does::Limits(plan))
}

/// Whether a share of requests is all of them or none.
fn percent(config: &At<'_>, name: &str) -> Try<bool> {
    let Some(at) = config.get(name) else {
        return Ok(false);
    };
    if let Some(key) = at.get("runtime_key") {
        key.changed(
            name,
            "the share is fixed: runtime values do not change it any more",
        );
    }
    only(&at, &["runtime_key", "default_value"])?;
    let Some(share) = at.get("default_value") else {
        return Ok(false);
    };
    only(&share, &["numerator", "denominator"])?;
    let part = share.number_of("numerator").unwrap_or_default();
    let whole = match share.text_of("denominator").as_deref() {
        None | Some("HUNDRED" | "0") => 100,
        Some("TEN_THOUSAND" | "1") => 10_000,
        Some("MILLION" | "2") => 1_000_000,
        Some(_) => return Err(share.obstacle("denominator: it is none of Envoy's")),
    };
    match part {
        0 => Ok(false),
        part if part >= whole => Ok(true),
        _ => Err(share.obstacle(format!("{name}: a share of requests cannot be limited"))),
    }
}

/// A bucket as a window.
fn window(bucket: &At<'_>) -> Try<Json> {
    only(bucket, &["max_tokens", "tokens_per_fill", "fill_interval"])?;
    let most = bucket.number_of("max_tokens").unwrap_or_default();
    let fill = bucket.number_of("tokens_per_fill").unwrap_or(1);
    let interval = bucket.get("fill_interval");
    let interval = interval.ok_or_else(|| bucket.obstacle("it has no fill_interval"))?;
    let interval = milliseconds(&interval)?;
    if most == 0 || fill == 0 || interval == 0 {
        return Err(bucket.obstacle("a bucket that is never filled"));
    }
    // More than fits is lost in Envoy.
    let fill = fill.min(most);
    // The shortest time of whole seconds that is a multiple of the interval.
    let times = (1..=1000_u64).find(|times| interval.saturating_mul(*times) % 1000 == 0);
    let times = times
        .ok_or_else(|| bucket.obstacle("fill_interval: no number of fills takes whole seconds"))?;
    let seconds = interval.saturating_mul(times) / 1000;
    if seconds > 31_622_400 {
        return Err(bucket.obstacle("fill_interval: it is longer than a year"));
    }
    Ok(json!({ "quota": fill.saturating_mul(times), "window_s": seconds, "burst": most }))
}
