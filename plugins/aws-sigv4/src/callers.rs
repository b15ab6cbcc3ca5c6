//! Who signs for whom: the rules that give callers a role, and the sessions of roles, one for each
//! set of tags, as many as are used and no more than a bound.
//!
//! The first rule that surely fits the caller decides; a caller whom none fits is refused. What the
//! identity leaves open is no fit.
//!
//! A configuration that replaces another one of the same VM goes on with the sessions of its roles:
//! see [`Callers::join`].

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use modelgate_kit::claim::{ClaimPath, Finding};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain::{self, Note};
use modelgate_kit::facts::Identity;
use modelgate_kit::problem::Reply;
use modelgate_kit::refresh::Refreshed;
use modelgate_kit::root::Root;
use modelgate_kit::rule::{Caller, Doubt, Who};
use serde_json::Value;

use crate::clock::Clock;
use crate::config::sources::is_tag_text;
use crate::made::Made;
use crate::reasons::{ROLE_DENIED, SESSIONS_EXHAUSTED, TAG_UNKNOWN};
use crate::supply::sts::{Role, Tag};
use crate::supply::{Assumed, Keeping, Supply};

/// A session that nobody has used for so long is let go, in milliseconds.
const IDLE_MS: u64 = 900_000;
/// Longest value of a tag, in characters (API_Tag).
const MOST_VALUE: usize = 256;

/// A rule.
pub struct Rule {
    /// Whom it is for.
    pub who: Who,
    /// The role and the tags of its sessions; without one, `credentials` themselves sign.
    pub role: Option<(Rc<Role>, Vec<TagRule>)>,
}

/// A tag, and where its value is from.
pub struct TagRule {
    /// Its key.
    pub key: String,
    /// Where its value is from.
    pub from: TagValue,
}

/// Where a tag's value is from.
pub enum TagValue {
    /// The configuration.
    Fixed(String),
    /// The name of the consumer.
    Consumer,
    /// Who vouches for the caller.
    Issuer,
    /// The caller as the issuer names him.
    Subject,
    /// A claim that is a text, a number or a boolean.
    Claim(ClaimPath),
}

impl TagValue {
    fn of(&self, identity: &Identity) -> Option<String> {
        let text = match self {
            Self::Fixed(text) => text.clone(),
            Self::Consumer => identity.consumer.clone(),
            Self::Issuer => identity.issuer.clone(),
            Self::Subject => identity.subject.clone(),
            Self::Claim(path) => match identity.look(path) {
                Finding::Value(Value::String(text)) => text.clone(),
                Finding::Value(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
                Finding::Value(_) | Finding::Absent | Finding::Unknown => return None,
            },
        };
        let fits = is_tag_text(&text) && text.chars().count() <= MOST_VALUE;
        fits.then_some(text)
    }

    /// Whether some caller may have this value.
    fn may_be(&self, value: &str) -> bool {
        !matches!(self, Self::Fixed(text) if text != value)
    }
}

/// Tells sessions apart: the mark of the role and of what assumes it, and the tags.
type Which = (Rc<str>, Vec<Tag>);

/// The sessions of one configuration.
type Sessions = RefCell<BTreeMap<Which, Rc<Session>>>;

/// Where the configurations of one VM find each other's sessions.
#[derive(Default)]
struct Shelf(RefCell<Vec<Weak<Sessions>>>);

impl Shelf {
    /// Those of the others that are still there, where ours stand from now on.
    fn others(&self, ours: &Rc<Sessions>) -> Vec<Rc<Sessions>> {
        let mut all = self.0.borrow_mut();
        let ours = Rc::downgrade(ours);
        all.retain(|one| one.strong_count() > 0 && !one.ptr_eq(&ours));
        let others = all.iter().filter_map(Weak::upgrade).collect();
        all.push(ours);
        others
    }
}

/// Sessions of the roles of one configuration.
pub struct Callers {
    filter: &'static str,
    rules: Vec<Rule>,
    /// Of each rule: its role's mark.
    marks: Vec<Rc<str>>,
    base: Supply,
    clock: Rc<Clock>,
    keeping: Keeping,
    most: usize,
    sessions: Rc<Sessions>,
    /// Those that the background task has not seen yet.
    begun: RefCell<Vec<Rc<Session>>>,
    shelf: OnceCell<Rc<Shelf>>,
}

/// One session.
pub struct Session {
    /// Its credentials.
    pub kept: Rc<Refreshed<Assumed>>,
    /// The signer of its credentials.
    pub made: Made,
    used_ms: Cell<u64>,
    is_over: Cell<bool>,
}

impl Session {
    /// Whether it was let go.
    pub const fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

impl Callers {
    /// These rules; at most so many sessions.
    pub fn new(
        filter: &'static str,
        rules: Vec<Rule>,
        base: Supply,
        clock: &Rc<Clock>,
        keeping: Keeping,
        most: usize,
    ) -> Self {
        let mark = |rule: &Rule| {
            let role = rule.role.as_ref();
            role.map_or_else(Rc::default, |(role, _)| Assumed::mark(&base, role).into())
        };
        Self {
            filter,
            marks: rules.iter().map(mark).collect(),
            rules,
            base,
            clock: Rc::clone(clock),
            keeping,
            most,
            sessions: Rc::default(),
            begun: RefCell::default(),
            shelf: OnceCell::new(),
        }
    }

    /// Takes over the sessions that other configurations of this VM have, with what was fetched for
    /// them and until when they were used: those of the same roles, assumed with the same
    /// credentials, with tags that our rules give.
    pub fn join(&self, root: &Root) {
        let name = format!("{}.sessions", self.filter);
        let shelf = self
            .shelf
            .get_or_init(|| root.common(&name, Shelf::default));
        let now_ms = root.now_ns() / 1_000_000;
        let mut found: Vec<(u64, Which)> = Vec::new();
        for others in shelf.others(&self.sessions) {
            let others = others.borrow();
            found.extend(
                others
                    .iter()
                    .map(|(which, one)| (one.used_ms.get(), which.clone())),
            );
        }
        // Those that were used last, where there are too many.
        found.sort_by(|(one, _), (other, _)| other.cmp(one));
        let mut sessions = self.sessions.borrow_mut();
        for (used_ms, which) in found {
            if sessions.len() >= self.most {
                break;
            }
            let Some((at, role)) = self.asking(&which) else {
                continue;
            };
            let session = self.fresh(at, &which, role);
            session.kept.join(root);
            if session.kept.current(now_ms).is_some() && !sessions.contains_key(&which) {
                session.used_ms.set(used_ms);
                self.begun.borrow_mut().push(Rc::clone(&session));
                sessions.insert(which, session);
            }
        }
    }

    /// The first rule that may ask for this session, and its role.
    fn asking(&self, (mark, tags): &Which) -> Option<(usize, &Rc<Role>)> {
        let mut rules = self.rules.iter().zip(&self.marks).enumerate();
        rules.find_map(|(at, (rule, own))| {
            let (role, wanted) = rule.role.as_ref()?;
            let mut both = wanted.iter().zip(tags);
            let fits = own == mark
                && wanted.len() == tags.len()
                && both.all(|(tag, (key, value))| tag.key == *key && tag.from.may_be(value));
            fits.then_some((at, role))
        })
    }

    /// The session that signs for the caller; none where `credentials` do.
    ///
    /// # Errors
    /// The refusal of a caller for whom there is none.
    pub fn session(&self, exchange: &Exchange) -> Result<Option<Rc<Session>>, Reply> {
        let identity = exchange.fact::<Identity>();
        let caller = Caller::from(identity.as_deref());
        let mut rules = self.rules.iter().enumerate();
        let fitting = rules.find(|(_, rule)| rule.who.fits(caller, Doubt::Misfits));
        explain::tell(|notes| notes.push(told(fitting)));
        let (at, rule) = fitting.ok_or_else(|| Reply::new(&ROLE_DENIED))?;
        let Some((role, wanted)) = &rule.role else {
            return Ok(None);
        };
        let nobody = Identity::default();
        let identity = identity.as_deref().unwrap_or(&nobody);
        let mut tags: Vec<Tag> = Vec::with_capacity(wanted.len());
        for tag in wanted {
            let value = tag.from.of(identity);
            tags.push((
                tag.key.clone(),
                value.ok_or_else(|| Reply::new(&TAG_UNKNOWN))?,
            ));
        }
        if explain::is_asked() {
            return Ok(None);
        }
        let now_ms = exchange.now_ns() / 1_000_000;
        let mark = self.marks.get(at).map_or_else(Rc::default, Rc::clone);
        let which = (mark, tags);
        let known = self.sessions.borrow().get(&which).cloned();
        let session = match known {
            Some(session) => session,
            None => self.begin(at, which, role)?,
        };
        session.used_ms.set(now_ms);
        Ok(Some(session))
    }

    fn begin(&self, at: usize, which: Which, role: &Rc<Role>) -> Result<Rc<Session>, Reply> {
        let mut sessions = self.sessions.borrow_mut();
        if sessions.len() >= self.most {
            // The one that was not used for the longest time, and that nobody waits for: besides
            // the map, the background task holds it.
            let idle = sessions
                .iter()
                .filter(|(_, session)| Rc::strong_count(session) <= 2);
            let oldest = idle.min_by_key(|(_, session)| session.used_ms.get());
            let oldest = oldest.map(|(which, _)| which.clone());
            let oldest = oldest.and_then(|which| sessions.remove(&which));
            oldest
                .ok_or_else(|| Reply::new(&SESSIONS_EXHAUSTED))?
                .is_over
                .set(true);
        }
        let session = self.fresh(at, &which, role);
        sessions.insert(which, Rc::clone(&session));
        self.begun.borrow_mut().push(Rc::clone(&session));
        Ok(session)
    }

    fn fresh(&self, at: usize, (mark, tags): &Which, role: &Rc<Role>) -> Rc<Session> {
        let name = format!("{}: roles[{at}].assume_role", self.filter);
        let assumed = Assumed::new(
            self.base.clone(),
            Rc::clone(role),
            tags.clone(),
            Rc::clone(&self.clock),
            self.keeping.timeout_ms,
        );
        let kept = assumed.kept(name, mark, &self.keeping, self.filter);
        Rc::new(Session {
            kept: Rc::new(kept),
            made: Made::default(),
            used_ms: Cell::new(0),
            is_over: Cell::new(false),
        })
    }

    /// Lets sessions go that nobody has used for long, and gives those that have begun since the
    /// last time.
    pub fn follow(&self, now_ms: u64) -> Vec<Rc<Session>> {
        let is_used = |session: &Session| now_ms.saturating_sub(session.used_ms.get()) < IDLE_MS;
        self.sessions.borrow_mut().retain(|_, session| {
            session.is_over.set(!is_used(session));
            is_used(session)
        });
        self.begun.take()
    }
}

/// Which rule fits, for whoever asks why.
fn told(fitting: Option<(usize, &Rule)>) -> Note {
    match fitting {
        None => Note::fail("role", "No rule of `roles` surely fits the caller."),
        Some((at, Rule { role: None, .. })) => {
            let text = format!("roles[{at}] fits the caller: `credentials` themselves sign.");
            Note::pass("role", text).with("rule", at)
        }
        Some((
            at,
            Rule {
                role: Some((role, _)),
                ..
            },
        )) => {
            let arn = role.session.role_arn.as_str();
            let text = format!("roles[{at}] fits the caller: {arn} signs.");
            Note::pass("role", text)
                .with("rule", at)
                .with("role_arn", arn)
        }
    }
}
