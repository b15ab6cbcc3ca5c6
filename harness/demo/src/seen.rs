//! What was seen of one request by the client, the gateway, the backend and the log store, held
//! against what should have been.

use serde_json::Value as Json;

use super::client::Answer;
use super::gateway::AccessLine;
use super::report::{Line, brief};
use super::sagemaker::Received;
use super::sink::Record;
use super::world::REGION;

/// Characters of a body that are shown.
const SHOWN: usize = 110;

/// All that was seen of one request.
#[derive(Debug)]
pub struct Seen {
    /// The client's answer.
    pub answer: Answer,
    /// The gateway's access log.
    pub access: Option<AccessLine>,
    /// The request as it reached the backend.
    pub received: Option<Received>,
    /// The audit event; `None` if it did not come, or was not waited for.
    pub audit: Option<Record>,
}

/// What the backend should have made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The request does not reach it.
    #[default]
    Untouched,
    /// It accepts the signature.
    Accepts,
    /// It refuses the signature, with this error type.
    Refuses(&'static str),
}

/// What should have been seen.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The client's status.
    pub status: u16,
    /// The filter that refuses, and its reason.
    pub refused: Option<(&'static str, &'static str)>,
    /// The caller, and how it was identified.
    pub identity: Option<(&'static str, &'static str)>,
    /// The rule that allows it.
    pub rule: Option<&'static str>,
    /// What is masked: side, kind, how often.
    pub masked: &'static [(&'static str, &'static str, u64)],
    /// The backend's part.
    pub backend: Backend,
    /// The audit event is looked at later.
    pub audit_later: bool,
}

impl Seen {
    /// Each part of the chain, what it did, and whether it should have.
    pub fn lines(&self, expected: &Expected) -> Vec<Line> {
        let mut lines = vec![self.client(expected)];
        lines.extend(self.identity(expected));
        lines.extend(self.decision(expected));
        lines.extend(self.limit());
        lines.extend(self.masked(expected));
        lines.extend(self.refusal(expected));
        lines.extend(self.signature());
        lines.push(self.backend(expected));
        if !expected.audit_later {
            lines.push(self.audit(expected));
        }
        lines
    }

    fn client(&self, expected: &Expected) -> Line {
        let reason = self.answer.header("x-modelgate-reason");
        let text = brief(&self.answer.text(), SHOWN);
        let right = self.answer.status == expected.status
            && reason == expected.refused.map(|(_, reason)| reason);
        let wanted = format!(
            "{} {}",
            expected.status,
            expected.refused.map_or("", |(_, reason)| reason)
        );
        Line::new(
            "client",
            format!("{} {text}", self.answer.status),
            right,
            wanted,
        )
    }

    /// A member of the access log's line that has a value.
    fn logged(&self, name: &str) -> Option<&str> {
        let text = self.access.as_ref()?.get(name)?.as_str()?;
        (text != "-").then_some(text)
    }

    /// A fact, which the access log has as text.
    fn fact(&self, name: &str) -> Option<Json> {
        serde_json::from_str(self.logged(name)?).ok()
    }

    fn identity(&self, expected: &Expected) -> Option<Line> {
        let fact = self.fact("identity");
        let text = |name: &str| {
            fact.as_ref()
                .and_then(|fact| fact.get(name))
                .and_then(Json::as_str)
        };
        let (consumer, method) = (text("consumer"), text("method"));
        let filter = match method.or(expected.identity.map(|(_, method)| method))? {
            "key" => "key_auth",
            _ => "jwt_auth",
        };
        let groups = fact
            .as_ref()
            .and_then(|fact| fact.get("groups"))
            .map(Json::to_string);
        let credential = text("credential")
            .map(|id| format!(", credential {id}"))
            .unwrap_or_default();
        let said = match consumer {
            Some(consumer) => format!(
                "it is {consumer}, groups {}{credential}",
                groups.unwrap_or_default()
            ),
            None => "nobody".into(),
        };
        let wanted = expected
            .identity
            .map_or("nobody".into(), |(consumer, method)| {
                format!("{consumer}, by {method}")
            });
        Some(Line::new(
            filter,
            said,
            consumer.zip(method) == expected.identity,
            wanted,
        ))
    }

    fn decision(&self, expected: &Expected) -> Option<Line> {
        let fact = self.fact("decision");
        let text = |name: &str| {
            fact.as_ref()
                .and_then(|fact| fact.get(name))
                .and_then(Json::as_str)
                .unwrap_or_default()
        };
        let denies = expected
            .refused
            .is_some_and(|(filter, _)| filter == "consumer_acl");
        if fact.is_none() && expected.rule.is_none() && !denies {
            return None;
        }
        let model = self.fact("model");
        let model = model
            .as_ref()
            .and_then(|model| model.get("model"))
            .and_then(Json::as_str);
        let on = model
            .map(|model| format!(" on {model}"))
            .unwrap_or_default();
        let (effect, rule) = (text("effect"), text("rule"));
        let by = if rule.is_empty() {
            "default".into()
        } else {
            format!("rule {rule}")
        };
        let right = match expected.rule {
            Some(expected) => effect == "allow" && rule == expected,
            None => effect == "deny",
        };
        let wanted = expected.rule.unwrap_or("deny");
        Some(Line::new(
            "consumer_acl",
            format!("{effect}{on}, by {by}"),
            right,
            wanted,
        ))
    }

    fn limit(&self) -> Option<Line> {
        let fact = self.fact("limit")?;
        let policy = fact
            .get("policy")
            .and_then(Json::as_str)
            .unwrap_or_default();
        let left = fact
            .get("remaining")
            .and_then(Json::as_u64)
            .unwrap_or_default();
        let said = format!("{left} left of {policy}");
        Some(Line::new(
            "rate_limit",
            said,
            !policy.is_empty(),
            "a policy",
        ))
    }

    fn masked(&self, expected: &Expected) -> Option<Line> {
        let fact = self.fact("masked");
        let mut found: Vec<(String, String, u64)> = Vec::new();
        for side in ["request", "response"] {
            let counts = fact
                .as_ref()
                .and_then(|fact| fact.get(side))
                .and_then(Json::as_object);
            for (kind, count) in counts.into_iter().flatten() {
                found.push((
                    side.into(),
                    kind.clone(),
                    count.as_u64().unwrap_or_default(),
                ));
            }
        }
        if found.is_empty() && expected.masked.is_empty() {
            return None;
        }
        let right = found.len() == expected.masked.len()
            && expected.masked.iter().all(|(side, kind, count)| {
                found.iter().any(|found| {
                    (found.0.as_str(), found.1.as_str(), found.2) == (*side, *kind, *count)
                })
            });
        let told: Vec<String> = found
            .iter()
            .map(|(side, kind, count)| format!("{count} {kind} in the {side}"))
            .collect();
        Some(Line::new(
            "pii_mask",
            format!("masked {}", told.join(", ")),
            right,
            format!("{:?}", expected.masked),
        ))
    }

    fn refusal(&self, expected: &Expected) -> Option<Line> {
        let details = self.logged("details").unwrap_or_default();
        let (filter, reason) = match expected.refused {
            Some(refused) => refused,
            // Somebody refused who should not have.
            None => details.strip_prefix("modelgate.")?.split_once('.')?,
        };
        let wanted = expected
            .refused
            .map_or("no refusal".into(), |(filter, reason)| {
                format!("modelgate.{filter}.{reason}")
            });
        Some(Line::new(
            filter,
            format!("refused: {reason} (in the access log: {details})"),
            details == wanted,
            wanted,
        ))
    }

    /// The caller's credentials are gone, and the gateway's are there.
    fn signature(&self) -> Option<Line> {
        let headers = &self.received.as_ref()?.headers;
        let authorization = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let scope = authorization
            .strip_prefix("AWS4-HMAC-SHA256 Credential=")
            .and_then(|rest| rest.split_once(','));
        let scope = scope.map_or("", |(scope, _)| scope);
        let right = scope.ends_with(&format!("/{REGION}/sagemaker/aws4_request"))
            && headers.get_all("authorization").iter().count() == 1
            && !headers.contains_key("x-api-key");
        let said = format!("signed as {}", brief(scope, SHOWN));
        Some(Line::new(
            "aws_sigv4",
            said,
            right,
            "the gateway's signature, and no credential of the caller",
        ))
    }

    fn backend(&self, expected: &Expected) -> Line {
        let verdict = self.received.as_ref().map(|received| &received.verdict);
        let said = match verdict {
            None => "not reached".to_owned(),
            Some(Ok(())) => "verified the signature with AWS's own signer, and answered".into(),
            Some(Err(refusal)) => format!(
                "refused: {} {}",
                refusal.kind,
                brief(&refusal.message, SHOWN)
            ),
        };
        let right = match (expected.backend, verdict) {
            (Backend::Untouched, None) | (Backend::Accepts, Some(Ok(()))) => true,
            (Backend::Refuses(kind), Some(Err(refusal))) => refusal.kind == kind,
            _ => false,
        };
        Line::new("backend", said, right, format!("{:?}", expected.backend))
    }

    /// The audit event says the same.
    pub fn audit(&self, expected: &Expected) -> Line {
        let Some(event) = &self.audit else {
            return Line::new("audit_log", "no event has come", false, "an event");
        };
        let outcome = if expected.refused.is_some() {
            "denied"
        } else {
            "allowed"
        };
        let status = expected.status.to_string();
        let (filter, reason) = expected.refused.unwrap_or_default();
        let consumer = expected.identity.map_or("", |(consumer, _)| consumer);
        let wanted = [
            ("modelgate.outcome", outcome),
            ("http.response.status_code", &status),
            ("modelgate.reason", reason),
            ("modelgate.consumer", consumer),
        ];
        let right = wanted
            .iter()
            .all(|(name, value)| event.text(name) == *value)
            && (filter.is_empty() || event.text("modelgate.filter") == filter);
        let mut said = format!("event in the log store: {}", brief(&event.body, SHOWN));
        for (name, attribute) in [
            ("consumer", "modelgate.consumer"),
            ("rule", "modelgate.rule"),
            ("ms", "modelgate.total_ms"),
        ] {
            let value = event.text(attribute);
            if !value.is_empty() {
                said.push_str(&format!(", {name} {value}"));
            }
        }
        Line::new("audit_log", said, right, format!("{wanted:?}"))
    }
}
