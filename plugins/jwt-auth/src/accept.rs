//! From a token's bytes to an accepted caller.
//!
//! Remembered tokens are looked at first, with their times and the generation of the keys. Otherwise the token is taken
//! apart, its issuer found by what it claims, its signature checked with that issuer's keys, and only then its claims.
//! When no key fits, the issuer's keys are asked for anew, once per request.

use std::rc::Rc;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Identity, Serialized};
use modelgate_kit::host::Host;
use modelgate_kit::jose::{
    Accelerator, Claims, FOREIGN_FUNCTION, Refusal, SignatureQuery, Token, Verified, decode_answer,
};
use modelgate_kit::problem::Reply;

use crate::challenge::Denial;
use crate::keys::{Asking, Doubt, Keys, Renewal};
use crate::plan::{Issuer, Plan};

/// A caller whose token was found good.
pub struct Accepted {
    /// Which issuer, by its place in the plan.
    issuer: usize,
    /// Generation of the keys that the token was verified with.
    generation: u64,
    claims: Claims,
    /// For policies, limits and the audit log.
    pub identity: Serialized<Identity>,
    /// One value per header of the plan.
    pub headers: Vec<Option<String>>,
}

impl Plan {
    /// Finds out whether a token is good, and whose it is.
    ///
    /// # Errors
    /// The reply to the client.
    pub async fn accept(&self, exchange: &Exchange, token: &[u8]) -> Result<Rc<Accepted>, Reply> {
        if let Some(accepted) = self.recall(token, exchange.now_ns() / 1_000_000)? {
            return Ok(accepted);
        }
        let refuse = |denial: Denial| self.challenge.reply(denial, &[]);
        let parsed =
            Token::parse(token, self.max_token_bytes).map_err(|refusal| refuse(refusal.into()))?;
        let (at, issuer) = self
            .issuer_of(&parsed)
            .map_err(|refusal| refuse(refusal.into()))?;
        let accepted = self.judge(exchange, token, parsed, at, issuer).await;
        let accepted = Rc::new(
            accepted.map_err(|denial| self.challenge.reply(denial, &issuer.expectations.scopes))?,
        );
        self.cache
            .borrow_mut()
            .remember(token, Rc::clone(&accepted));
        Ok(accepted)
    }

    /// A remembered token that is still good; one whose keys have changed is forgotten and verified anew.
    fn recall(&self, token: &[u8], now_ms: u64) -> Result<Option<Rc<Accepted>>, Reply> {
        let Some(accepted) = self.cache.borrow_mut().recall(token) else {
            return Ok(None);
        };
        let Some(issuer) = self.issuers.get(accepted.issuer) else {
            return Ok(None);
        };
        match issuer.keys.current(now_ms) {
            Some(keys) if keys.generation == accepted.generation => {}
            _ => {
                self.cache.borrow_mut().forget(token);
                return Ok(None);
            }
        }
        match issuer
            .expectations
            .check_time(&accepted.claims, now_ms / 1000)
        {
            Ok(()) => Ok(Some(accepted)),
            Err(refusal) => {
                self.cache.borrow_mut().forget(token);
                Err(self.challenge.reply(refusal.into(), &[]))
            }
        }
    }

    /// The issuer that the token names; when it names none, the only one, if that one does not insist on `iss`.
    fn issuer_of(&self, token: &Token<'_>) -> Result<(usize, &Issuer), Refusal> {
        let claims = token.unverified_claims()?;
        match (claims.issuer(), self.issuers.as_slice()) {
            (Some(name), issuers) => issuers
                .iter()
                .enumerate()
                .find(|(_, issuer)| issuer.expectations.issuer == name)
                .ok_or(Refusal::IssuerUnknown),
            (None, [only])
                if !only
                    .expectations
                    .required
                    .iter()
                    .any(|claim| claim == "iss") =>
            {
                Ok((0, only))
            }
            (None, _) => Err(Refusal::ClaimMissing),
        }
    }

    async fn judge(
        &self,
        exchange: &Exchange,
        bytes: &[u8],
        token: Token<'_>,
        at: usize,
        issuer: &Issuer,
    ) -> Result<Accepted, Denial> {
        let (kid, algorithm) = (token.header().kid.clone(), token.header().algorithm);
        let since_ms = exchange.now_ns() / 1_000_000;
        let mut outcome = self.verify(exchange, token, issuer);
        let (verified, keys) = loop {
            let denial = match outcome {
                Ok(verified) => break verified,
                Err(denial) => denial,
            };
            let is_allowed = issuer.algorithms.contains(algorithm);
            let doubt = doubt_about_keys(denial, kid.as_deref(), is_allowed).ok_or(denial)?;
            match issuer
                .keys
                .renew(exchange, Asking { doubt, since_ms })
                .await
            {
                Renewal::Renewed => {}
                // Of a key that we have, its name says enough.
                Renewal::Unavailable(_) if doubt == Doubt::Signature => return Err(denial),
                Renewal::Unavailable(after_s) => return Err(Denial::KeysUnavailable(after_s)),
                Renewal::UpToDate => return Err(denial),
            }
            let again = Token::parse(bytes, self.max_token_bytes)?;
            outcome = self.verify(exchange, again, issuer);
        };
        let claims = issuer
            .expectations
            .check(&verified, exchange.now_ns() / 1_000_000_000)?;
        Ok(Accepted {
            issuer: at,
            generation: keys.generation,
            identity: issuer.portrait.draw(&claims)?.into(),
            headers: self.headers.values(&claims)?,
            claims,
        })
    }

    fn verify(
        &self,
        exchange: &Exchange,
        token: Token<'_>,
        issuer: &Issuer,
    ) -> Result<(Verified, Rc<Keys>), Denial> {
        let keys = issuer
            .keys
            .current(exchange.now_ns() / 1_000_000)
            .ok_or(Denial::KeysUnavailable(1))?;
        let verified = token.verify(
            &keys.set,
            issuer.algorithms,
            Some(&HostVerifier(exchange.host())),
        )?;
        Ok((verified, keys))
    }
}

/// In which way newer keys might change the outcome. A token without a name for its key may be signed with one that we do not have yet,
/// and under a name that we know the issuer may have put another key, of the same type or another.
fn doubt_about_keys(denial: Denial, kid: Option<&str>, is_allowed: bool) -> Option<Doubt<'_>> {
    match denial {
        Denial::KeysUnavailable(_) | Denial::Token(Refusal::KeyUnknown) => {
            Some(Doubt::Unknown(kid))
        }
        Denial::Token(Refusal::SignatureRefused) => Some(Doubt::Signature),
        Denial::Token(Refusal::AlgorithmRefused) if is_allowed => Some(Doubt::Signature),
        Denial::Token(_) => None,
    }
}

/// The host's own verifier, where it has one.
struct HostVerifier<'a>(&'a dyn Host);

impl Accelerator for HostVerifier<'_> {
    fn verify(&self, query: &SignatureQuery<'_>) -> Option<bool> {
        decode_answer(&self.0.foreign(FOREIGN_FUNCTION, &query.encode()).ok()?)
    }
}
