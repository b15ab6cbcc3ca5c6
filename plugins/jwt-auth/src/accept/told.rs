//! What is told to whoever asks why: which entry of an issuer the token fits, what was checked, and
//! what did not hold. Never the token.

use modelgate_kit::claim::{Finding, Reading};
use modelgate_kit::explain::{Note, instant, list};
use modelgate_kit::facts::Identity;
use modelgate_kit::jose::{Claims, Expectations, IssuerName, Refusal, TENANT, Token};
use modelgate_kit::rule::Caller;

use super::Proof;
use crate::accepted::Accepted;
use crate::challenge::Denial;
use crate::plan::{Issuer, Plan};

impl Plan {
    /// What the token says of itself.
    pub(super) fn told_token(&self, token: &Token<'_>) -> Note {
        let header = token.header();
        let kid = header.kid.as_deref();
        let algorithm = header.algorithm.name();
        let claims = token.unverified_claims().ok();
        let issuer = claims.as_ref().and_then(Claims::issuer).unwrap_or_default();
        let of = match (issuer, &claims) {
            (_, None) => "its claims cannot be read".to_owned(),
            ("", _) => "it names no issuer".to_owned(),
            (issuer, _) => {
                let known: Vec<String> = self.issuers.iter().map(name).collect();
                let fits = claims.as_ref().is_some_and(|claims| {
                    let mut issuers = self.issuers.iter();
                    issuers.any(|one| one.expectations.issuer.fits(claims))
                });
                match fits {
                    true => format!("it names the issuer `{issuer}`"),
                    false => format!("its issuer `{issuer}` is none of {}", list(known)),
                }
            }
        };
        let key = kid.map_or_else(|| "no `kid`".to_owned(), |kid| format!("`kid` `{kid}`"));
        let text = format!("The token says: {algorithm}, {key}; {of}. So far nothing is verified.");
        let note = Note::info("token", text).with("algorithm", algorithm);
        note.with("kid", kid).with("issuer", issuer)
    }
}

/// The name of an entry's issuer.
fn name(issuer: &Issuer) -> String {
    match &issuer.expectations.issuer {
        IssuerName::Exact(name) => name.clone(),
        IssuerName::PerTenant { before, after, .. } => format!("{before}{TENANT}{after}"),
    }
}

/// A token that was verified for an earlier request.
pub(super) fn recalled(accepted: &Accepted) -> [Note; 2] {
    let text = "The token was verified for an earlier request; its times and keys still hold.";
    let note = Note::pass("signature", text).with("verified", true);
    [note, identity(&accepted.identity)]
}

/// What came of one entry of the issuer.
pub(super) fn entry(
    at: usize,
    issuer: &Issuer,
    proof: Option<&Proof>,
    denial: Option<Denial>,
    now_s: u64,
) -> Vec<Note> {
    let head = format!("issuers[{at}] (`{}`)", name(issuer));
    let mut notes = Vec::new();
    match (proof, denial) {
        (Some((verified, _)), _) => {
            let kid = verified.header().kid.as_deref();
            let key = kid.map_or_else(|| "its key".to_owned(), |kid| format!("key `{kid}`"));
            let text = format!("{head}: the signature is that of {key}.");
            notes.push(Note::pass("signature", text).with("verified", true));
        }
        (None, Some(Denial::KeysUnavailable(_))) => {
            let text =
                format!("{head}: the signature is not checked: the issuer's keys are not here.");
            notes.push(Note::fail("signature", text).with("verified", false));
        }
        (None, Some(Denial::Token(refusal))) => {
            let text = format!("{head}: the signature is not accepted: `{refusal}`.");
            let note = Note::fail("signature", text).with("verified", false);
            notes.push(note.with("refusal", refusal.reason()));
        }
        (None, None) => {}
    }
    let claims = proof.and_then(|(verified, _)| verified.claims().ok());
    if let (Some(claims), Some((verified, _))) = (claims, proof) {
        let expected = &issuer.expectations;
        let note = match denial {
            None => Note::pass("claims", format!("{head}: {}", counted(&claims, now_s))),
            Some(Denial::Token(refusal)) => {
                let typ = verified.header().typ.as_deref();
                let why = why(refusal, expected, &claims, typ, now_s);
                let text = format!("{head} does not take the token: `{refusal}`. {why}");
                Note::fail("claims", text).with("refusal", refusal.reason())
            }
            Some(Denial::KeysUnavailable(_)) => return notes,
        };
        let audiences: Vec<&str> = claims.audiences().collect();
        let note = note.with("entry", at).with("audience", audiences);
        notes.push(
            note.with("expires_s", claims.expires_s())
                .with("now_s", now_s),
        );
    }
    notes.iter_mut().for_each(|note| {
        note.data.insert("issuer".to_owned(), name(issuer).into());
    });
    notes
}

/// The claims that counted.
fn counted(claims: &Claims, now_s: u64) -> String {
    let expires = match claims.expires_s() {
        Some(at) if at > now_s => format!("it expires in {} s", at.saturating_sub(now_s)),
        Some(_) => "it has expired within the allowed clock skew".to_owned(),
        None => "it does not expire".to_owned(),
    };
    format!(
        "the token is for {}, and {expires}.",
        list(claims.audiences())
    )
}

/// What was compared where a verified token is refused.
fn why(
    refusal: Refusal,
    expected: &Expectations,
    claims: &Claims,
    typ: Option<&str>,
    now_s: u64,
) -> String {
    let date = |at: Option<u64>| at.map_or_else(|| "nothing".to_owned(), instant);
    let (now, skew) = (instant(now_s), expected.clock_skew_s);
    match refusal {
        Refusal::AudienceRefused => format!(
            "`audiences`: {}; the token is for {}.",
            list(&expected.audiences),
            list(claims.audiences())
        ),
        Refusal::Expired => format!(
            "`exp` is {}, and it is {now}, with a clock skew of {skew} s allowed.",
            date(claims.expires_s())
        ),
        Refusal::NotYetValid => format!(
            "`nbf` is {} and `iat` {}; it is {now}, with a clock skew of {skew} s allowed.",
            date(claims.not_before_s()),
            date(claims.issued_s())
        ),
        Refusal::LifetimeRefused => format!(
            "`iat` is {} and `exp` {}; `max_lifetime_s` is {}.",
            date(claims.issued_s()),
            date(claims.expires_s()),
            expected
                .max_lifetime_s
                .map_or_else(|| "not set".to_owned(), |most| most.to_string())
        ),
        Refusal::ClaimMissing => {
            let names = expected.required.iter();
            let missing = names.filter(|name| !claims.members().contains_key(*name));
            format!(
                "Of `required_claims` it lacks {}; or it has no `consumer_claim`.",
                list(missing)
            )
        }
        Refusal::TypeRefused => format!(
            "`types`: {}; its `typ` is {}.",
            list(&expected.types),
            list(typ)
        ),
        Refusal::ScopeInsufficient => {
            let scopes = claims.scopes();
            format!(
                "`scopes`: {}; it grants {}.",
                list(&expected.scopes),
                list(&scopes.granted)
            )
        }
        Refusal::ClaimRefused => {
            let mut rules = expected.rules.iter();
            let failed = rules.find(|rule| {
                let reading: Reading<&str> = Reading::of(claims.look(&rule.path), rule.split);
                rule.holds(&reading) != Some(true)
            });
            match failed {
                Some(rule) => {
                    let found = match claims.look(&rule.path) {
                        Finding::Absent => "absent".to_owned(),
                        Finding::Unknown => "not known".to_owned(),
                        Finding::Value(value) => value.to_string(),
                    };
                    format!(
                        "The condition on claim `{}` does not hold: it is {found}.",
                        rule.path.text()
                    )
                }
                None => {
                    "A claim that names the caller, its groups or a header cannot be used as such."
                        .to_owned()
                }
            }
        }
        _ => String::new(),
    }
}

/// Who calls, as the filters that follow learn it.
pub(super) fn identity(identity: &Identity) -> Note {
    Caller::Known(identity).note()
}
