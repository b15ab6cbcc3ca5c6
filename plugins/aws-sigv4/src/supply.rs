//! Where the credentials come from that requests are signed with: given, or fetched from the
//! sources that the operator lists, in their order, and kept fresh ([`modelgate_kit::refresh`]).
//!
//! A source is passed over only where it says that there is nothing: an endpoint by 404. One that
//! is there and fails is a failure, or another, weaker or stronger, identity would sign in silence.

pub mod call;
pub mod container;
pub mod fault;
pub mod instance;
pub mod read;
pub mod secret;
pub mod signed;
pub mod sts;
pub mod token;

use std::rc::Rc;

use modelgate_kit::explain::{self, Note};
use modelgate_kit::refresh::{Counters, Mark, Refreshed, Sharing, Source, Timing};
use modelgate_kit::root::Root;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::credentials::Credentials;
use call::Caller;
use container::Container;
use fault::Fault;
use instance::Instance;
use read::Temporary;
use secret::Secret;
use sts::{Role, Tag, WebIdentity};

/// Before their end, credentials are not used any more, in milliseconds: what is signed must arrive
/// in time.
const MARGIN_MS: u64 = 1000;
/// Most calls of one source: three to instance metadata, or token and STS, then a role after the
/// other, then a secret.
const MOST_CALLS: u64 = 8;
/// Most roles that are assumed one after the other.
pub const MOST_ROLES: usize = 4;

/// How fetched credentials are kept.
#[derive(Clone)]
pub struct Keeping {
    /// When, and how long.
    pub timing: Timing,
    /// Time-out of each call, in milliseconds.
    pub timeout_ms: u32,
    /// What is counted of their fetches.
    pub counters: Counters,
}

/// What credentials begin with.
pub enum Base {
    /// A key that is given.
    Key(Rc<Credentials>),
    /// A container's endpoint.
    Container(Container),
    /// The metadata of an instance.
    Instance(Instance),
    /// A token of an identity provider.
    WebIdentity(WebIdentity),
}

/// A source: what it begins with, the roles that are assumed with that, one with the credentials of
/// the other, and the secret that is read with the last.
pub struct Supplied {
    /// The beginning.
    pub base: Base,
    /// The roles, each with the tags of its session.
    pub roles: Vec<(Role, Vec<Tag>)>,
    /// The secret.
    pub secret: Option<Secret>,
}

impl Supplied {
    /// The key, where nothing has to be fetched.
    pub fn given(&self) -> Option<&Rc<Credentials>> {
        match &self.base {
            Base::Key(key) if self.roles.is_empty() && self.secret.is_none() => Some(key),
            _ => None,
        }
    }

    async fn fetch(&self, caller: Caller<'_>) -> Result<Option<Temporary>, Fault> {
        let found = match &self.base {
            Base::Key(key) => Some(Temporary {
                credentials: Rc::clone(key),
                expires_ms: None,
            }),
            Base::Container(container) => container.fetch(caller).await?,
            Base::Instance(instance) => instance.fetch(caller).await?,
            Base::WebIdentity(identity) => identity.fetch(caller).await?,
        };
        let Some(mut found) = found else {
            return Ok(None);
        };
        for (role, tags) in &self.roles {
            found = role.fetch(caller, &found.credentials, tags).await?;
        }
        if let Some(secret) = &self.secret {
            found = secret.fetch(caller, &found.credentials).await?;
        }
        Ok(Some(found))
    }

    fn mark(&self, mark: Mark) -> Mark {
        let mut mark = match &self.base {
            Base::Key(key) => mark_key(key, mark),
            Base::Container(container) => container.mark(mark),
            Base::Instance(instance) => instance.mark(mark),
            Base::WebIdentity(identity) => identity.mark(mark),
        };
        for (role, tags) in &self.roles {
            mark = role.mark(mark);
            for (key, value) in tags {
                mark = mark.with(key).with(value);
            }
        }
        match &self.secret {
            Some(secret) => secret.mark(mark),
            None => mark,
        }
    }
}

fn mark_key(key: &Credentials, mark: Mark) -> Mark {
    let mark = mark.with("key").with(key.access_key_id());
    let mark = mark.with(key.secret_access_key());
    mark.with(key.session_token().unwrap_or_default())
}

/// The sources in their order.
pub struct Chain {
    sources: Vec<Supplied>,
    clock: Rc<Clock>,
    timeout_ms: u32,
}

impl Source for Chain {
    type Payload = Temporary;
    type Fault = Fault;
    const WHAT: &'static str = "credentials";

    async fn fetch(&self, root: &Root, _: Option<Rc<Temporary>>) -> Result<Temporary, Fault> {
        let caller = Caller {
            root,
            clock: &self.clock,
            timeout_ms: self.timeout_ms,
        };
        for source in &self.sources {
            if let Some(found) = source.fetch(caller).await? {
                return usable(found, &self.clock, root);
            }
        }
        Err(Fault::NothingThere)
    }

    fn longest_ms(&self) -> u64 {
        longest_ms(self.timeout_ms).saturating_mul(self.sources.len() as u64)
    }

    fn expires_ms(&self, found: &Temporary) -> Option<u64> {
        end_ms(found, &self.clock)
    }
}

/// Longest time of one source.
const fn longest_ms(timeout_ms: u32) -> u64 {
    // A second more for the host to report the time-out.
    MOST_CALLS * (timeout_ms as u64 + 1000)
}

fn end_ms(found: &Temporary, clock: &Clock) -> Option<u64> {
    let end_ms = found.expires_ms?;
    Some(clock.local_ms(end_ms).saturating_sub(MARGIN_MS))
}

/// Credentials that have not expired.
fn usable(found: Temporary, clock: &Clock, root: &Root) -> Result<Temporary, Fault> {
    let now_ms = root.now_ns() / 1_000_000;
    match end_ms(&found, clock) {
        Some(end_ms) if end_ms <= now_ms => Err(Fault::Expired(Chain::WHAT)),
        _ => Ok(found),
    }
}

/// What signs where nothing depends on the caller.
#[derive(Clone)]
pub enum Supply {
    /// A key that is given.
    Given(Rc<Credentials>),
    /// Credentials that are fetched.
    Fetched(Rc<Refreshed<Chain>>),
}

impl Supply {
    /// What comes of the sources; none where there are none. `name` is how logs call them.
    pub fn new(
        name: String,
        sources: Vec<Supplied>,
        clock: &Rc<Clock>,
        keeping: &Keeping,
        filter: &str,
    ) -> Option<Self> {
        if let Some(key) = sources.first()?.given() {
            return Some(Self::Given(Rc::clone(key)));
        }
        if explain::is_asked() {
            return placeholder();
        }
        let mark = sources
            .iter()
            .fold(Mark::default(), |mark, source| source.mark(mark));
        let chain = Chain {
            sources,
            clock: Rc::clone(clock),
            timeout_ms: keeping.timeout_ms,
        };
        Some(Self::Fetched(Rc::new(kept(
            name, chain, mark, keeping, filter,
        ))))
    }

    /// Says, to whoever asks why, that a placeholder signs.
    pub fn tell(&self) {
        if let Self::Given(key) = self
            && key.access_key_id() == PLACEHOLDER
        {
            explain::tell(|notes| {
                let text = "Credentials are fetched when the gateway runs; a placeholder stands for them here.";
                notes.push(Note::info("credentials", text).with("fetched", true));
            });
        }
    }

    /// The credentials, where they are there; nothing waits.
    fn current(&self, now_ms: u64) -> Option<Rc<Credentials>> {
        match self {
            Self::Given(key) => Some(Rc::clone(key)),
            Self::Fetched(fetched) => {
                let found = fetched.current(now_ms)?;
                Some(Rc::clone(&found.credentials))
            }
        }
    }
}

/// The id of the key that signs where nothing is called.
const PLACEHOLDER: &str = "PLACEHOLDER";

/// What signs where nothing is called.
fn placeholder() -> Option<Supply> {
    let secret = Zeroizing::new("placeholder".to_owned());
    let key = Credentials::new(PLACEHOLDER.to_owned(), secret, None);
    Some(Supply::Given(Rc::new(key.ok()?)))
}

fn kept<S: Source>(
    name: String,
    source: S,
    mark: Mark,
    keeping: &Keeping,
    filter: &str,
) -> Refreshed<S> {
    // Secret: each VM fetches its own.
    let sharing = Sharing::Own {
        name: format!("{filter}.credentials.{}", mark.text()),
    };
    Refreshed::new(
        name,
        source,
        sharing,
        keeping.timing,
        keeping.counters.clone(),
    )
}

/// A role that is assumed for some callers, in sessions with their tags.
pub struct Assumed {
    base: Supply,
    role: Rc<Role>,
    tags: Vec<Tag>,
    clock: Rc<Clock>,
    timeout_ms: u32,
}

impl Assumed {
    /// The role in a session with these tags.
    pub const fn new(
        base: Supply,
        role: Rc<Role>,
        tags: Vec<Tag>,
        clock: Rc<Clock>,
        timeout_ms: u32,
    ) -> Self {
        Self {
            base,
            role,
            tags,
            clock,
            timeout_ms,
        }
    }

    /// What tells a role apart, with the credentials that assume it: all but the tags.
    pub fn mark(base: &Supply, role: &Role) -> String {
        let mark = role.mark(Mark::default());
        let mark = match base {
            Supply::Given(key) => mark_key(key, mark),
            Supply::Fetched(fetched) => {
                let sources = fetched.source.sources.iter();
                sources.fold(mark, |mark, source| source.mark(mark))
            }
        };
        mark.text()
    }

    /// Kept fresh. `name` is how logs call it, `mark` is that of its role.
    pub fn kept(
        self,
        name: String,
        mark: &str,
        keeping: &Keeping,
        filter: &str,
    ) -> Refreshed<Self> {
        let tags = self.tags.iter();
        let mark = tags.fold(Mark::default().with(mark), |mark, (key, value)| {
            mark.with(key).with(value)
        });
        kept(name, self, mark, keeping, filter)
    }
}

impl Source for Assumed {
    type Payload = Temporary;
    type Fault = Fault;
    const WHAT: &'static str = "credentials";

    async fn fetch(&self, root: &Root, _: Option<Rc<Temporary>>) -> Result<Temporary, Fault> {
        let caller = Caller {
            root,
            clock: &self.clock,
            timeout_ms: self.timeout_ms,
        };
        let with = self.base.current(root.now_ns() / 1_000_000);
        let with = with.ok_or(Fault::NoBase)?;
        let found = self.role.fetch(caller, &with, &self.tags).await?;
        usable(found, &self.clock, root)
    }

    fn longest_ms(&self) -> u64 {
        longest_ms(self.timeout_ms)
    }

    fn expires_ms(&self, found: &Temporary) -> Option<u64> {
        end_ms(found, &self.clock)
    }
}
