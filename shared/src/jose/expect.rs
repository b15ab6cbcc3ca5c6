//! What the claims of a verified token must say for us to accept it (RFC 7519 section 4.1, RFC 8725
//! sections 3.8 to 3.11).
//!
//! Checked in this order: type, issuer, required claims, audience, times, lifetime, claim rules,
//! scopes. The first that fails is the reason. The clock is an argument. What cannot be known,
//! because a claim is elsewhere or cannot be read, is not as expected.

use serde_json::Value;

use super::claims::Claims;
use super::header::Header;
use super::issuer::IssuerName;
use super::refusal::Refusal;
use super::token::Verified;
use crate::claim::{ClaimPath, ClaimRule, Finding, Reading, Readings};
use crate::names::Sorted;

/// The types of token that are taken unless told otherwise; a token without `typ` counts as `jwt`.
/// RFC 9068 calls access tokens `at+jwt`. Not here, on purpose: `dpop+jwt`, `logout+jwt`,
/// `secevent+jwt` and other tokens that grant nothing.
pub const DEFAULT_TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// 9999-12-31T23:59:59Z: a token that lives for longer is a mistake (milliseconds, mostly) and
/// would never expire.
const LAST_SECOND: u64 = 253_402_300_799;

/// What we expect of one issuer's tokens.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `iss`.
    pub issuer: IssuerName,
    /// Our own names. A token with an `aud` that has none of them is refused, also where this is
    /// empty (RFC 7519 section 4.1.3).
    pub audiences: Vec<String>,
    /// Claims that say whom a token is for: the first of them that a token has must have one of our
    /// names, and so must `aud` wherever it is there.
    pub audience_claims: Vec<ClaimPath>,
    /// Top-level claims that must be there and not null; of `aud`, one of `audience_claims` takes
    /// the place.
    pub required: Vec<String>,
    /// How far our clock and theirs may differ, in seconds.
    pub clock_skew_s: u64,
    /// The longest time from `iat` to `exp`, in seconds; a token without either has no known
    /// lifetime and is refused.
    pub max_lifetime_s: Option<u64>,
    /// Accepted `typ`, in lower case without `application/`.
    pub types: Vec<String>,
    /// Rules that must all hold.
    pub rules: Vec<ClaimRule>,
    /// Scopes that must all be granted.
    pub scopes: Vec<String>,
}

impl Expectations {
    /// The strict default for an issuer: `iss`, `aud` and `exp` required, 60 s of skew.
    pub fn of(issuer: impl Into<String>) -> Self {
        Self {
            issuer: IssuerName::Exact(issuer.into()),
            audiences: Vec::new(),
            audience_claims: ClaimPath::parse("aud").into_iter().collect(),
            required: ["iss", "aud", "exp"].map(str::to_owned).into(),
            clock_skew_s: 60,
            max_lifetime_s: None,
            types: DEFAULT_TYPES.map(str::to_owned).into(),
            rules: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// Judges a verified token at a time given in seconds since 1970, and hands out its claims.
    ///
    /// # Errors
    /// The first thing that is not as expected.
    pub fn check(&self, verified: &Verified, now_s: u64) -> Result<Claims, Refusal> {
        self.check_type(verified.header())?;
        let claims = verified.claims()?;
        if !self.issuer.fits(&claims) {
            return Err(Refusal::IssuerUnknown);
        }
        if !self.issuer.takes_key_of(verified.key_issuer(), &claims) {
            return Err(Refusal::SignatureRefused);
        }
        let is_missing = |name: &String| {
            let value = claims.members().get(name);
            value.is_none_or(Value::is_null) && !(name == "aud" && self.has_audience(&claims))
        };
        // A time or an issuer that is written elsewhere cannot be judged, required or not.
        let is_elsewhere = ["iss", "exp", "nbf", "iat"]
            .iter()
            .any(|name| claims.elsewhere().names(name));
        if is_elsewhere || self.required.iter().any(is_missing) {
            return Err(Refusal::ClaimMissing);
        }
        self.check_audience(&claims)?;
        self.check_time(&claims, now_s)?;
        self.check_lifetime(&claims)?;
        let readings: Readings<&str> = Readings::default();
        let holds = |rule: &ClaimRule| {
            let read = || Reading::of(claims.look(&rule.path), rule.split);
            rule.holds(&readings.get(&rule.path, rule.split, read)) == Some(true)
        };
        if !self.rules.iter().all(holds) {
            return Err(Refusal::ClaimRefused);
        }
        let granted: Sorted<'_> = claims.scopes().granted.into_iter().collect();
        if !self.scopes.iter().all(|scope| granted.has(scope)) {
            return Err(Refusal::ScopeInsufficient);
        }
        Ok(claims)
    }

    /// Judges the times alone: what may have changed since a token was accepted.
    ///
    /// # Errors
    /// [`Refusal::Expired`] or [`Refusal::NotYetValid`].
    pub fn check_time(&self, claims: &Claims, now_s: u64) -> Result<(), Refusal> {
        if claims
            .expires_s()
            .is_some_and(|expires| now_s >= expires.saturating_add(self.clock_skew_s))
        {
            return Err(Refusal::Expired);
        }
        let horizon = now_s.saturating_add(self.clock_skew_s);
        // RFC 7519 does not ask for it, but a token from the future is a broken clock or a forged
        // lifetime.
        if [claims.not_before_s(), claims.issued_s()]
            .into_iter()
            .flatten()
            .any(|from| from > horizon)
        {
            return Err(Refusal::NotYetValid);
        }
        Ok(())
    }

    fn has_audience(&self, claims: &Claims) -> bool {
        self.audience_claims
            .iter()
            .any(|path| path.look(claims.members()) != Finding::Absent)
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), Refusal> {
        let names_us = |value: &Value| {
            let names: Sorted<'_> = match value {
                Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            self.audiences.iter().any(|ours| names.has(ours))
        };
        // RFC 7519 section 4.1.3: who does not find himself in an `aud` that is there must reject
        // the token.
        if claims.elsewhere().names("aud")
            || claims
                .members()
                .get("aud")
                .is_some_and(|aud| !names_us(aud))
        {
            return Err(Refusal::AudienceRefused);
        }
        let decides = self
            .audience_claims
            .iter()
            .map(|path| path.look(claims.members()))
            .find(|found| *found != Finding::Absent);
        match decides {
            None => Ok(()),
            Some(Finding::Value(value)) if names_us(value) => Ok(()),
            Some(_) => Err(Refusal::AudienceRefused),
        }
    }

    fn check_lifetime(&self, claims: &Claims) -> Result<(), Refusal> {
        match (self.max_lifetime_s, claims.issued_s(), claims.expires_s()) {
            (_, _, Some(expires)) if expires > LAST_SECOND => Err(Refusal::LifetimeRefused),
            (None, _, _) => Ok(()),
            (Some(most), Some(issued), Some(expires)) if expires.saturating_sub(issued) <= most => {
                Ok(())
            }
            _ => Err(Refusal::LifetimeRefused),
        }
    }

    fn check_type(&self, header: &Header) -> Result<(), Refusal> {
        let typ = header.typ.as_deref().unwrap_or("jwt");
        // RFC 7519 section 5.2: `cty` says JWT when the payload is another token. That one has not
        // been verified.
        let is_nested = header
            .cty
            .as_deref()
            .is_some_and(|cty| cty == "jwt" || cty.ends_with("+jwt"));
        if is_nested || !self.types.iter().any(|accepted| accepted == typ) {
            return Err(Refusal::TypeRefused);
        }
        Ok(())
    }
}
