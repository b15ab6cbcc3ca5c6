//! Claims that a token says exist, without giving their values.
//!
//! OpenID Connect Core section 5.6.2: aggregated and distributed claims are named in
//! `_claim_names`; their values are in another token, or have to be asked for. Entra ID does so
//! when a caller is in more groups than fit (the groups overage), and writes `hasgroups` in their
//! place where the token must be short (access token claims reference, `groups` and `hasgroups`).
//! Such a claim is unknown, which is not the same as absent: a caller in too many groups is in all
//! of them.

use serde_json::{Map, Value};

use super::path::ClaimPath;

/// The claims of one token whose values are elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    names: Vec<String>,
    /// The token speaks of such claims in a way that we cannot read: it may be any of them.
    any: bool,
}

impl Elsewhere {
    /// What the claims say of others.
    pub fn of(members: &Map<String, Value>) -> Self {
        let mut found = Self::default();
        match (members.get("_claim_names"), members.get("_claim_sources")) {
            (Some(Value::Object(names)), _) => found.names.extend(names.keys().cloned()),
            (Some(_), _) => found.any = true,
            (None, None) => {}
            (None, Some(Value::Object(sources))) if sources.is_empty() => {}
            // Sources of claims that nobody names.
            (None, Some(_)) => found.any = true,
        }
        let has_groups = match members.get("hasgroups") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::String(text)) => text != "false",
            Some(_) => true,
        };
        if has_groups {
            // Directory roles are left out of short tokens too.
            found.names.extend(["groups", "wids"].map(str::to_owned));
        }
        // The other spelling in Microsoft's reference: `groups:src1`.
        found
            .names
            .extend(members.keys().filter_map(|name| before_source(name)));
        found
    }

    /// Whether the value at the path, or a part of it, may be elsewhere.
    pub fn has(&self, path: &ClaimPath) -> bool {
        self.any || self.names.iter().any(|name| name == path.first())
    }

    /// Whether a top-level claim is said to be elsewhere by its name.
    pub fn names(&self, claim: &str) -> bool {
        self.names.iter().any(|name| name == claim)
    }

    /// The names of these claims, for the identity fact; [`ANY`] stands for every one.
    pub fn to_names(&self) -> Vec<String> {
        if self.any {
            vec![ANY.to_owned()]
        } else {
            self.names.clone()
        }
    }
}

/// In a list of unknown claims: all of them.
pub const ANY: &str = "*";

fn before_source(name: &str) -> Option<String> {
    let (claim, number) = name.rsplit_once(":src")?;
    let is_source = !claim.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_source.then(|| claim.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_that_are_elsewhere_are_told_from_absent_ones() {
        for (claims, groups, roles) in [
            (json!({}), false, false),
            (json!({"groups": ["a"]}), false, false),
            (
                json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}),
                true,
                false,
            ),
            (json!({"_claim_names": {"roles": "a"}}), false, true),
            (json!({"_claim_names": {}}), false, false),
            (json!({"_claim_names": {"groups": 7}}), true, false),
            (json!({"_claim_names": ["groups"]}), true, true),
            (json!({"_claim_names": null}), true, true),
            (json!({"_claim_sources": {"src1": {}}}), true, true),
            (json!({"_claim_sources": {}}), false, false),
            (json!({"hasgroups": true}), true, false),
            (json!({"hasgroups": "true"}), true, false),
            (json!({"hasgroups": 1}), true, false),
            (json!({"hasgroups": null}), true, false),
            (json!({"hasgroups": false}), false, false),
            (json!({"hasgroups": "false"}), false, false),
            (json!({"groups:src1": "x"}), true, false),
            (json!({"groups:source": "x"}), false, false),
        ] {
            let found = Elsewhere::of(claims.as_object().unwrap());
            let has = |text: &str| found.has(&ClaimPath::parse(text).unwrap());
            assert_eq!(
                (has("groups"), has("/roles/0")),
                (groups, roles),
                "{claims}"
            );
        }
    }
}
