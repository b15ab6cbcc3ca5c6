//! From verified claims to the caller: the identity fact.

use modelgate_kit::facts::Identity;
use modelgate_kit::jose::{ClaimPath, Claims, Finding, Refusal};
use serde_json::{Map, Value};

/// Which claims make up an identity.
#[derive(Debug, Default)]
pub struct CallerClaims {
    /// Claims that name the caller: the first that a token has.
    pub consumer: Vec<ClaimPath>,
    /// Put before that name.
    pub prefix: String,
    /// Name of callers whose tokens have none of these.
    pub unnamed: Option<String>,
    /// Claims with the groups, joined.
    pub groups: Vec<ClaimPath>,
    /// The names of an object's members are groups.
    pub object_names: bool,
    /// Groups of callers whose tokens have none of these.
    pub ungrouped: Vec<String>,
    /// Claims handed on as they are, under the text of their path.
    pub claims: Vec<ClaimPath>,
}

impl CallerClaims {
    /// The identity that the claims describe.
    ///
    /// # Errors
    /// [`Refusal::ClaimMissing`] without a name for the caller, [`Refusal::ClaimRefused`] when name
    /// or groups are not text.
    pub fn draw(&self, claims: &Claims) -> Result<Identity, Refusal> {
        let groups = self.groups(claims)?;
        let mut handed_on = Map::new();
        let mut unknown = claims.elsewhere().to_names();
        for path in &self.claims {
            match claims.look(path) {
                Finding::Absent => {}
                Finding::Unknown => unknown.push(path.text().to_owned()),
                Finding::Value(value) => {
                    handed_on.insert(path.text().to_owned(), value.clone());
                }
            }
        }
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let scopes = claims.scopes();
        Ok(Identity {
            consumer: self.name(claims)?,
            method: "jwt".to_owned(),
            issuer: text(claims.issuer()),
            subject: text(claims.subject()),
            credential: text(claims.id()),
            groups: groups.known.into(),
            groups_unknown: groups.unknown,
            scopes: scopes.granted.into_iter().map(str::to_owned).collect(),
            scopes_unknown: scopes.unknown,
            claims: handed_on,
            claims_unknown: unknown,
            ..Identity::default()
        })
    }

    fn name(&self, claims: &Claims) -> Result<String, Refusal> {
        for path in &self.consumer {
            let name = match claims.look(path) {
                Finding::Absent | Finding::Value(Value::Null) => continue,
                Finding::Value(Value::String(text)) if !text.is_empty() => text.clone(),
                Finding::Value(Value::Number(number)) => number.to_string(),
                Finding::Value(_) | Finding::Unknown => return Err(Refusal::ClaimRefused),
            };
            return Ok(format!("{}{name}", self.prefix));
        }
        self.unnamed.clone().ok_or(Refusal::ClaimMissing)
    }

    fn groups(&self, claims: &Claims) -> Result<Groups, Refusal> {
        let mut groups = Groups::default();
        let mut has_none = true;
        for path in &self.groups {
            if claims.elsewhere().has(path) {
                groups.unknown = true;
            }
            match path.look(claims.members()) {
                Finding::Absent => continue,
                Finding::Unknown | Finding::Value(Value::Null) => groups.unknown = true,
                Finding::Value(Value::String(group)) => groups.known.push(group.clone()),
                Finding::Value(Value::Array(list)) => {
                    for group in list {
                        let group = group.as_str().ok_or(Refusal::ClaimRefused)?;
                        groups.known.push(group.to_owned());
                    }
                }
                Finding::Value(Value::Object(members)) if self.object_names => {
                    groups.known.extend(members.keys().cloned());
                }
                Finding::Value(_) => return Err(Refusal::ClaimRefused),
            }
            has_none = false;
        }
        if has_none && !groups.unknown {
            groups.known.clone_from(&self.ungrouped);
        }
        Ok(groups)
    }
}

/// The caller's groups.
#[derive(Default)]
struct Groups {
    known: Vec<String>,
    /// There may be more.
    unknown: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(texts: &[&str]) -> Vec<ClaimPath> {
        texts
            .iter()
            .map(|text| ClaimPath::parse(text).unwrap())
            .collect()
    }

    fn caller_claims(consumer: &str) -> CallerClaims {
        CallerClaims {
            consumer: paths(&[consumer]),
            prefix: "corp/".into(),
            groups: paths(&["/realm/roles"]),
            claims: paths(&["tier", "no"]),
            ..CallerClaims::default()
        }
    }

    fn read(claims: Value) -> Claims {
        Claims::parse(claims.to_string().as_bytes()).unwrap()
    }

    fn draw(consumer: &str, claims: Value) -> Result<Identity, Refusal> {
        caller_claims(consumer).draw(&Claims::parse(claims.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn claims_become_an_identity() {
        let claims = json!({
            "iss": "https://idp", "sub": "ann", "jti": "t1", "scope": "a b", "realm": {"roles": ["ml"]}, "tier": {"x": 1}, "n": 7,
        });
        let identity = draw("sub", claims.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(&identity).unwrap(),
            json!({
                "consumer": "corp/ann", "method": "jwt", "issuer": "https://idp", "subject": "ann", "credential": "t1",
                "groups": ["ml"], "scopes": ["a", "b"], "claims": {"tier": {"x": 1}},
            })
        );
        assert_eq!(draw("n", claims).unwrap().consumer, "corp/7");
    }

    #[test]
    fn an_identity_that_cannot_be_read_is_refused() {
        for (claims, refusal) in [
            (json!({}), Refusal::ClaimMissing),
            (json!({"name": null}), Refusal::ClaimMissing),
            (json!({"name": ""}), Refusal::ClaimRefused),
            (json!({"name": ["ann"]}), Refusal::ClaimRefused),
            (
                json!({"name": "ann", "realm": {"roles": {"ml": true}}}),
                Refusal::ClaimRefused,
            ),
            (
                json!({"name": "ann", "realm": {"roles": ["ml", 7]}}),
                Refusal::ClaimRefused,
            ),
        ] {
            assert_eq!(draw("name", claims.clone()), Err(refusal), "{claims}");
        }
    }

    #[test]
    fn groups_that_are_not_in_the_token_are_unknown() {
        for (claims, groups, unknown) in [
            (json!({"sub": "a"}), &[][..], false),
            (json!({"sub": "a", "realm": {"roles": []}}), &[], false),
            (json!({"sub": "a", "realm": {}}), &[], false),
            (json!({"sub": "a", "realm": {"roles": null}}), &[], true),
            (json!({"sub": "a", "realm": "ml"}), &[], true),
            (json!({"sub": "a", "realm": null}), &[], true),
            (
                json!({"sub": "a", "_claim_names": {"realm": "src1"}}),
                &[],
                true,
            ),
            (
                json!({"sub": "a", "realm": {"roles": ["ml"]}, "_claim_names": {"realm": "src1"}}),
                &["ml"],
                true,
            ),
            (
                json!({"sub": "a", "_claim_names": {"other": "src1"}}),
                &[],
                false,
            ),
        ] {
            let mut caller_claims = caller_claims("sub");
            let identity = caller_claims.draw(&read(claims.clone())).unwrap();
            assert_eq!(
                (identity.groups, identity.groups_unknown),
                (
                    groups.iter().map(|group| (*group).to_owned()).collect(),
                    unknown
                ),
                "{claims}"
            );
            caller_claims.ungrouped = vec!["all".into()];
            let identity = caller_claims.draw(&read(claims.clone())).unwrap();
            let has_none = claims.get("realm").is_none_or(|realm| realm == &json!({}));
            assert_eq!(
                *identity.groups == ["all"],
                has_none && !unknown,
                "{claims}"
            );
        }
        let claims = read(json!({"sub": "a", "_claim_names": {"dept": "src1"}, "tier": {"x": 1}}));
        let mut caller_claims = caller_claims("sub");
        caller_claims.claims = paths(&["tier", "/tier/x/y"]);
        let identity = caller_claims.draw(&claims).unwrap();
        assert_eq!(identity.claims_unknown, ["dept", "/tier/x/y"]);
        assert_eq!(Value::Object(identity.claims), json!({"tier": {"x": 1}}));
    }

    #[test]
    fn names_and_groups_have_several_sources() {
        let caller_claims = CallerClaims {
            consumer: paths(&["preferred_username", "client_id"]),
            prefix: "corp/".into(),
            unnamed: Some("partner".into()),
            groups: paths(&["/realm_access/roles", "urn:roles"]),
            object_names: true,
            ..CallerClaims::default()
        };
        let draw = |claims: Value| caller_claims.draw(&read(claims));
        let identity = draw(json!({
            "preferred_username": "ann", "client_id": "app", "realm_access": {"roles": ["a"]},
            "urn:roles": {"admin": {"1": "x.test"}, "viewer": {}},
        }));
        let identity = identity.unwrap();
        assert_eq!(identity.consumer, "corp/ann");
        assert_eq!(*identity.groups, ["a", "admin", "viewer"]);
        assert_eq!(
            draw(json!({"client_id": "app"})).unwrap().consumer,
            "corp/app"
        );
        assert_eq!(
            draw(json!({"preferred_username": null, "client_id": "app"}))
                .unwrap()
                .consumer,
            "corp/app"
        );
        assert_eq!(
            draw(json!({"preferred_username": ""})),
            Err(Refusal::ClaimRefused)
        );
        assert_eq!(
            draw(json!({"_claim_names": {"client_id": "s"}})),
            Err(Refusal::ClaimRefused)
        );
        assert_eq!(
            draw(json!({})).unwrap().consumer,
            "partner",
            "as the operator wrote it"
        );
    }
}
