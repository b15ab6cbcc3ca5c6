//! From a token's bytes to an accepted caller.
//!
//! Remembered tokens are looked at first, with their times and the generation of the keys.
//! Otherwise the token is taken apart, its issuer found by what it claims, its signature checked
//! with that issuer's keys, and only then its claims, by each entry of that issuer until one takes
//! it. When no key fits, the issuer's keys are asked for anew.

mod told;

use std::rc::Rc;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::facts::RefusedToken;
use modelgate_kit::host::Host;
use modelgate_kit::identity_headers::Unwritable;
use modelgate_kit::jose::{
    Accelerator, Claims, FOREIGN_FUNCTION, Refusal, SignatureQuery, Token, Verified, decode_answer,
};
use modelgate_kit::problem::Reply;
use modelgate_kit::pseudonym::PseudonymKey;

use crate::accepted::Accepted;
use crate::challenge::Denial;
use crate::keys::{Asking, Doubt, Keys};
use crate::plan::{Issuer, Plan};
use modelgate_kit::refresh::Renewal;

/// A token whose signature is good, with the keys that say so.
type Proof = (Verified, Rc<Keys>);

/// Why a token is refused by one issuer's entry; whose it is, if its signature is good.
struct Refused<'a> {
    denial: Denial,
    issuer: &'a Issuer,
    token: Option<RefusedToken>,
}

impl Refused<'_> {
    /// How far the token has come: of several entries, the one that it fits best says what is wrong
    /// with it. While one of them cannot be judged, nothing else counts.
    fn progress(&self) -> usize {
        match self.denial {
            Denial::KeysUnavailable(_) => usize::MAX,
            Denial::Token(refusal) => Refusal::ALL
                .iter()
                .position(|known| *known == refusal)
                .unwrap_or_default(),
        }
    }
}

impl Plan {
    /// Finds out whether a token is good, and whose it is.
    ///
    /// # Errors
    /// The reply to the client.
    pub async fn accept(&self, exchange: &Exchange, token: &[u8]) -> Result<Rc<Accepted>, Reply> {
        explain::hide(token);
        if let Some(accepted) = self.recall(token, exchange.now_ns() / 1_000_000)? {
            explain::tell(|notes| notes.extend(told::recalled(&accepted)));
            return Ok(accepted);
        }
        let refuse = |refusal: Refusal| self.challenge.reply(refusal.into(), &[]);
        let parsed = self.parse(token).map_err(refuse)?;
        explain::tell(|notes| notes.push(self.told_token(&parsed)));
        let entries = self.entries_of(&parsed).map_err(refuse)?;
        let mut parsed = Some(parsed);
        let mut proven: Option<(usize, Result<Proof, Denial>)> = None;
        let mut refused: Option<Refused<'_>> = None;
        for (at, issuer) in entries {
            // What was found out with the same keys need not be found out again.
            let known = proven.as_ref().is_some_and(|(other, _)| {
                let other = self.issuers.get(*other);
                other.is_some_and(|other| {
                    other.keys.is(&issuer.keys) && other.algorithms == issuer.algorithms
                })
            });
            if !known {
                let proof = self.prove(exchange, token, parsed.take(), issuer).await;
                proven = Some((at, proof));
            }
            let outcome = match &proven {
                Some((_, Ok(proof))) => self.judge(exchange, proof, at, issuer),
                Some((_, Err(denial))) => Err(Refused {
                    denial: *denial,
                    issuer,
                    token: None,
                }),
                None => continue,
            };
            explain::tell(|notes| {
                let now_s = exchange.now_ns() / 1_000_000_000;
                let proof = proven.as_ref().and_then(|(_, proof)| proof.as_ref().ok());
                let denial = outcome.as_ref().err().map(|refused| refused.denial);
                notes.extend(told::entry(at, issuer, proof, denial, now_s));
                notes.extend(
                    outcome
                        .iter()
                        .map(|accepted| told::identity(&accepted.identity)),
                );
            });
            match outcome {
                Ok(accepted) => {
                    let accepted = Rc::new(accepted);
                    self.cache
                        .borrow_mut()
                        .remember(token, Rc::clone(&accepted));
                    return Ok(accepted);
                }
                Err(other) => {
                    if refused
                        .as_ref()
                        .is_none_or(|best| other.progress() > best.progress())
                    {
                        refused = Some(other);
                    }
                }
            }
        }
        let Some(refused) = refused else {
            return Err(refuse(Refusal::IssuerUnknown));
        };
        let scopes = &refused.issuer.expectations.scopes;
        let reply = self.challenge.reply(refused.denial, scopes);
        Err(match refused.token {
            Some(token) => reply.with_token(token),
            None => reply,
        })
    }

    /// Takes a token apart. A padded one is none, unless an issuer's are.
    fn parse<'t>(&self, token: &'t [u8]) -> Result<Token<'t>, Refusal> {
        match Token::parse(token, self.max_token_bytes) {
            Err(Refusal::Malformed)
                if self.issuers.iter().any(|one| one.keys.signers().is_some()) =>
            {
                Token::parse_padded(token, self.max_token_bytes)
            }
            parsed => parsed,
        }
    }

    /// A remembered token that is still good; one whose keys have changed is forgotten and verified
    /// anew.
    fn recall(&self, token: &[u8], now_ms: u64) -> Result<Option<Rc<Accepted>>, Reply> {
        let Some(accepted) = self.cache.borrow_mut().recall(token) else {
            return Ok(None);
        };
        let Some(issuer) = self.issuers.get(accepted.issuer) else {
            return Ok(None);
        };
        match issuer.keys.current(now_ms) {
            Some(keys) if keys.generation() == accepted.generation => {}
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
                let token = describe(&accepted.claims, accepted.kid.as_deref());
                Err(self.challenge.reply(refusal.into(), &[]).with_token(token))
            }
        }
    }

    /// The entries of the issuer that the token names; when it names none, the only one, if that
    /// one does not insist on `iss`.
    fn entries_of(&self, token: &Token<'_>) -> Result<Vec<(usize, &Issuer)>, Refusal> {
        let claims = token.unverified_claims()?;
        if claims.issuer().is_none() {
            return match self.issuers.as_slice() {
                [only]
                    if !only
                        .expectations
                        .required
                        .iter()
                        .any(|claim| claim == "iss") =>
                {
                    Ok(vec![(0, only)])
                }
                _ => Err(Refusal::ClaimMissing),
            };
        }
        let entries = self.issuers.iter().enumerate();
        let fitting: Vec<(usize, &Issuer)> = entries
            .filter(|(_, issuer)| issuer.expectations.issuer.fits(&claims))
            .collect();
        if fitting.is_empty() {
            return Err(Refusal::IssuerUnknown);
        }
        if token.is_padded()
            && fitting
                .iter()
                .any(|(_, issuer)| issuer.keys.signers().is_none())
        {
            return Err(Refusal::Malformed);
        }
        Ok(fitting)
    }

    /// Checks the signature, with newer keys if that may help.
    async fn prove(
        &self,
        exchange: &Exchange,
        bytes: &[u8],
        parsed: Option<Token<'_>>,
        issuer: &Issuer,
    ) -> Result<Proof, Denial> {
        let token = match parsed {
            Some(token) => token,
            None => self.parse(bytes)?,
        };
        let (kid, algorithm) = (token.header().kid.clone(), token.header().algorithm);
        let since_ms = exchange.now_ns() / 1_000_000;
        let mut outcome = self.verify(exchange, token, issuer);
        loop {
            let denial = match outcome {
                Ok(proof) => return Ok(proof),
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
                Renewal::Unavailable(after_s) => return Err(Denial::KeysUnavailable(after_s)),
                Renewal::UpToDate => return Err(denial),
            }
            let again = self.parse(bytes)?;
            outcome = self.verify(exchange, again, issuer);
        }
    }

    fn judge<'a>(
        &self,
        exchange: &Exchange,
        (verified, keys): &Proof,
        at: usize,
        issuer: &'a Issuer,
    ) -> Result<Accepted, Refused<'a>> {
        let kid = verified.header().kid.as_deref();
        // Whoever rents the same thing signs with the same keys.
        let is_by_another = issuer.keys.signers().is_some_and(|signers| {
            let signer = verified.header().signer.as_ref();
            !signer.is_some_and(|signer| signers.contains(signer))
        });
        let checked = if is_by_another {
            Err(Refusal::IssuerUnknown)
        } else {
            issuer
                .expectations
                .check(verified, exchange.now_ns() / 1_000_000_000)
        };
        let judged = checked.and_then(|claims| {
            let identity = issuer.caller.draw(&claims)?;
            let headers = self
                .identity_headers
                .values(&identity, |path| claims.look(path))
                .map_err(|Unwritable| Refusal::ClaimRefused)?;
            Ok(Accepted {
                issuer: at,
                generation: keys.generation(),
                identity: identity.into(),
                headers,
                kid: kid.map(str::to_owned),
                claims,
            })
        });
        judged.map_err(|refusal| Refused {
            denial: refusal.into(),
            issuer,
            token: verified.claims().ok().map(|claims| describe(&claims, kid)),
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

/// What an audit event may say of a token whose signature is good: a pseudonym stands for whom it
/// is about.
fn describe(claims: &Claims, kid: Option<&str>) -> RefusedToken {
    const MOST_AUDIENCES: usize = 8;
    let issuer = claims.issuer().unwrap_or_default();
    RefusedToken {
        subject: PseudonymKey::new(b"")
            .pseudonym(issuer, claims.subject().unwrap_or_default())
            .unwrap_or_default(),
        issuer: issuer.to_owned(),
        audience: claims
            .audiences()
            .take(MOST_AUDIENCES)
            .map(str::to_owned)
            .collect(),
        kid: kid.unwrap_or_default().to_owned(),
    }
}

/// In which way newer keys might change the outcome. A token without a name for its key may be
/// signed with one that we do not have yet, and under a name that we know the issuer may have put
/// another key, of the same type or another.
fn doubt_about_keys(denial: Denial, kid: Option<&str>, is_allowed: bool) -> Option<Doubt<'_>> {
    match denial {
        Denial::KeysUnavailable(_) | Denial::Token(Refusal::KeyUnknown) => {
            Some(Doubt::Unknown(kid))
        }
        Denial::Token(Refusal::SignatureRefused | Refusal::KeyUnusable) => Some(Doubt::Signature),
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
