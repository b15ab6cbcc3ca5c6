//! Who may have made a token: one issuer, or each of the tenants of one.
//!
//! Entra ID signs for all tenants with the same keys and writes the tenant into `iss`; its metadata
//! says so with `{tenantid}`. A token's tenant is then taken from `iss` and must be that of `tid`
//! (Microsoft identity platform, "Access tokens: validate the issuer").

use super::claims::Claims;

/// What stands for the tenant in the name of an issuer.
pub const TENANT: &str = "{tenantid}";

/// The name of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerName {
    /// This, byte for byte.
    Exact(String),
    /// This around the name of a tenant.
    PerTenant {
        /// What comes before the tenant.
        before: String,
        /// What comes after it.
        after: String,
        /// The tenants that are let in; none for all.
        tenants: Option<Vec<String>>,
    },
}

impl IssuerName {
    /// Whether a token with these claims is one of this issuer's. One without `iss` may be.
    pub fn fits(&self, claims: &Claims) -> bool {
        let Some(named) = claims.issuer() else {
            return true;
        };
        match self {
            Self::Exact(name) => name == named,
            Self::PerTenant { tenants, .. } => {
                let tenant = self.tenant(named);
                tenant.is_some()
                    && claims.text("tid") == tenant
                    && tenants
                        .iter()
                        .all(|list| list.iter().any(|one| Some(one.as_str()) == tenant))
            }
        }
    }

    /// Whether a key that is published for this issuer may sign such a token. Entra ID says of its
    /// keys which tenant they are for.
    pub fn takes_key_of(&self, key_issuer: Option<&str>, claims: &Claims) -> bool {
        let (Self::PerTenant { .. }, Some(owner)) = (self, key_issuer) else {
            return true;
        };
        let tenant = claims.issuer().and_then(|named| self.tenant(named));
        owner.contains(TENANT) || owner.split('/').any(|part| Some(part) == tenant)
    }

    fn tenant<'a>(&self, named: &'a str) -> Option<&'a str> {
        let Self::PerTenant { before, after, .. } = self else {
            return None;
        };
        let tenant = named
            .strip_prefix(before.as_str())?
            .strip_suffix(after.as_str())?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        (!tenant.is_empty() && tenant.bytes().all(is_plain)).then_some(tenant)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(tenants: Option<&[&str]>) -> IssuerName {
        IssuerName::PerTenant {
            before: "https://login.test/".into(),
            after: "/v2.0".into(),
            tenants: tenants.map(|list| list.iter().map(|one| (*one).to_owned()).collect()),
        }
    }

    fn claims(issuer: &str, tenant: serde_json::Value) -> Claims {
        Claims::parse(json!({"iss": issuer, "tid": tenant}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_tenant_must_be_named_twice_and_be_let_in() {
        for (issuer, tenant, listed, any) in [
            ("https://login.test/t-1/v2.0", json!("t-1"), true, true),
            ("https://login.test/t-2/v2.0", json!("t-2"), false, true),
            ("https://login.test/t-1/v2.0", json!("t-2"), false, false),
            ("https://login.test/t-1/v2.0", json!(null), false, false),
            ("https://login.test/t-1/v2.0", json!(["t-1"]), false, false),
            ("https://login.test//v2.0", json!(""), false, false),
            ("https://login.test/a/b/v2.0", json!("a/b"), false, false),
            (
                "https://login.test/{tenantid}/v2.0",
                json!("{tenantid}"),
                false,
                false,
            ),
            ("https://evil.test/t-1/v2.0", json!("t-1"), false, false),
            ("https://login.test/t-1", json!("t-1"), false, false),
        ] {
            let claims = claims(issuer, tenant.clone());
            assert_eq!(
                name(Some(&["t-1"])).fits(&claims),
                listed,
                "{issuer} {tenant}"
            );
            assert_eq!(name(None).fits(&claims), any, "{issuer} {tenant}");
        }
    }

    #[test]
    fn a_key_of_one_tenant_signs_for_no_other() {
        let claims = claims("https://login.test/t-1/v2.0", json!("t-1"));
        for (owner, takes) in [
            (None, true),
            (Some("https://login.test/{tenantid}/v2.0"), true),
            (Some("https://sts.test/t-1/"), true),
            (Some("https://login.test/t-2/v2.0"), false),
        ] {
            assert_eq!(name(None).takes_key_of(owner, &claims), takes, "{owner:?}");
        }
        let exact = IssuerName::Exact("https://login.test/t-1/v2.0".into());
        assert!(exact.takes_key_of(Some("https://elsewhere.test/"), &claims));
    }
}
