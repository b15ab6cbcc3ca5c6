//! Templates in scenario files: `${now+60}`, `${token.good}`, `${jwks.issuer}`,
//! `${sha256.some-text}`, `${base64.text}`.
//!
//! A value that is nothing but one template takes the type of what it stands for (a number, a whole
//! JWKS); inside a longer text it becomes text. `$${` is a literal `${`. Keys of mappings are not
//! filled in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::token::{Minting, TokenStore};
use located_yaml::read::{Problem, Report};
use located_yaml::{Node, Place, Style, Value};

/// The document with all templates filled in. Problems go to `report`; a template that could not be
/// filled in stays as it is.
pub(super) fn fill(node: &Node, now_s: u64, minting: Minting, report: &Report) -> Node {
    let mut filler = Filler {
        now_s,
        token_store: TokenStore::default(),
        report,
    };
    // Claims and key settings may use the simple templates themselves.
    let part = |name| node.member(name).map(|part| filler.node(part, name));
    let (keys, tokens) = (part("keys"), part("tokens"));
    filler.token_store = TokenStore::open(keys.as_ref(), tokens.as_ref(), now_s, minting, report);
    let members = node
        .members()
        .iter()
        .map(|(key, value)| match key.text.as_str() {
            // They have been read.
            "keys" | "tokens" => (
                key.clone(),
                Node {
                    place: value.place,
                    value: Value::Map(Vec::new()),
                },
            ),
            path => (key.clone(), filler.node(value, path)),
        });
    match &node.value {
        Value::Map(_) => Node {
            place: node.place,
            value: Value::Map(members.collect()),
        },
        _ => node.clone(),
    }
}

struct Filler<'a> {
    now_s: u64,
    token_store: TokenStore,
    report: &'a Report,
}

impl Filler<'_> {
    fn node(&self, node: &Node, path: &str) -> Node {
        let value = match &node.value {
            Value::Scalar { text, .. } if text.contains("${") => {
                return self.scalar(text, node.place, path);
            }
            Value::Scalar { .. } => node.value.clone(),
            Value::List(items) => Value::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, &format!("{path}[{index}]")))
                    .collect(),
            ),
            Value::Map(members) => Value::Map(
                members
                    .iter()
                    .map(|(key, value)| {
                        (
                            key.clone(),
                            self.node(value, &format!("{path}.{}", key.text)),
                        )
                    })
                    .collect(),
            ),
        };
        Node {
            place: node.place,
            value,
        }
    }

    fn scalar(&self, text: &str, place: Place, path: &str) -> Node {
        if let Some(name) = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            && !name.contains("${")
        {
            return match self.value(name) {
                Ok(json) => Node::from_json(&json, place),
                Err(message) => self.refuse(text, message, place, path),
            };
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = after;
                continue;
            }
            filled.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return self.refuse(
                    text,
                    "`${` without `}`; write `$${` for the characters themselves".into(),
                    place,
                    path,
                );
            };
            match self.value(name) {
                Ok(Json::String(text)) => filled.push_str(&text),
                Ok(json) => filled.push_str(&json.to_string()),
                Err(message) => return self.refuse(text, message, place, path),
            }
            rest = after;
        }
        filled.push_str(rest);
        Node {
            place,
            value: Value::Scalar {
                text: filled,
                style: Style::Quoted,
            },
        }
    }

    fn refuse(&self, text: &str, message: String, place: Place, path: &str) -> Node {
        self.report.push(Problem {
            place,
            path: path.to_owned(),
            message,
        });
        Node {
            place,
            value: Value::Scalar {
                text: text.to_owned(),
                style: Style::Quoted,
            },
        }
    }

    fn value(&self, name: &str) -> Result<Json, String> {
        if let Some(offset) = name.strip_prefix("now") {
            let offset: i64 = match offset {
                "" => 0,
                offset => offset.parse().map_err(|_| {
                    format!("`${{{name}}}`: expected `now`, `now+60` or `now-60` (seconds)")
                })?,
            };
            return Ok(self.now_s.saturating_add_signed(offset).into());
        }
        let (kind, argument) = name.split_once('.').unwrap_or((name, ""));
        match kind {
            "sha256" => Ok(Sha256::digest(argument)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into()),
            "base64" => Ok(STANDARD.encode(argument).into()),
            "token" => self.token_store.token(argument),
            "jwks" => self.token_store.jwks(argument),
            "jwk" => self.token_store.jwk(argument),
            "pem" => self.token_store.pem(argument),
            "private_pem" => self.token_store.private_pem(argument),
            "service_account" => self.token_store.service_account(argument),
            "secret" => self.token_store.secret(argument),
            _ => Err(format!(
                "`${{{name}}}`: known are now, token.NAME, jwks.KEY[,KEY], jwk.KEY, pem.KEY, private_pem.KEY, service_account.KEY, secret.KEY, sha256.TEXT, base64.TEXT"
            )),
        }
    }
}
