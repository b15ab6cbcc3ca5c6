//! An issuer as a source of keys: what is fetched of it, and which names it does not have.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use modelgate_kit::config::fingerprint;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::jose::{Key, KeySet};
use modelgate_kit::refresh::Source;
use modelgate_kit::root::Root;

use super::fault::FetchFault;
use super::fetch::{CallHeaders, Origin};
use super::per_kid::Wanted;
use crate::config::Refresh;

/// Most names of unknown keys, and of keys taken out, that are remembered per issuer.
const MAX_UNKNOWN: usize = 256;

/// Keys as they are at one moment.
pub struct Keys {
    /// The keys.
    pub set: KeySet,
    /// As they came.
    text: String,
    generation: Cell<u64>,
}

impl Keys {
    /// Keys that were read from a text; those from the configuration have none.
    pub const fn new(set: KeySet, text: String) -> Self {
        Self {
            set,
            text,
            generation: Cell::new(0),
        }
    }

    /// Changes whenever the keys do: what was verified with keys of another generation has to be
    /// verified again.
    pub fn generation(&self) -> u64 {
        self.generation.get()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.set.iter().filter_map(Key::kid)
    }
}

/// An issuer whose keys are fetched.
pub struct Issuer {
    /// How logs call it.
    name: String,
    origin: Origin,
    headers: CallHeaders,
    refresh: Refresh,
    names: RefCell<Names>,
    /// A set without keys.
    none: Rc<Keys>,
}

/// Names of keys.
#[derive(Default)]
struct Names {
    /// Those that the issuer does not have, and until when that is taken for certain.
    unknown: Vec<(u64, u64)>,
    /// Those that the issuer has had and taken out, the last ones.
    retired: Vec<u64>,
    /// Single keys that tokens have named.
    wanted: Wanted,
    /// Those that the fetch under way asks for.
    asked: Vec<String>,
}

impl Issuer {
    /// An issuer. `name` is how logs call it: the path in the configuration.
    pub fn new(name: String, origin: Origin, headers: CallHeaders, refresh: Refresh) -> Self {
        Self {
            name,
            origin,
            headers,
            refresh,
            names: RefCell::default(),
            none: Rc::new(Keys::new(KeySet::default(), String::new())),
        }
    }

    /// Where its keys are fetched from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What there is before anything was fetched: of single keys, none that was named.
    pub fn none_yet(&self) -> Option<Rc<Keys>> {
        self.origin.is_per_kid().then(|| Rc::clone(&self.none))
    }

    /// A token has named this single key.
    pub fn want(&self, kid: &str) {
        self.names.borrow_mut().wanted.add(kid);
    }

    /// Whether it is certain that there is no key of this name.
    pub fn is_known_unknown(&self, kid: &str, now_ms: u64) -> bool {
        let print = fingerprint(kid.as_bytes());
        let names = self.names.borrow();
        let mut unknown = names.unknown.iter();
        unknown.any(|(known, until_ms)| *known == print && now_ms < *until_ms)
    }

    /// A key is not there. For as long as the configuration says, that is certain; of keys that the
    /// issuer has taken out, and of single keys, also until the issuer may be asked again. A name
    /// that was never seen may be published the next moment.
    pub fn note_unknown(&self, kid: &str, now_ms: u64) {
        let refresh = &self.refresh;
        let mut names = self.names.borrow_mut();
        let print = fingerprint(kid.as_bytes());
        let ttl_s = refresh.unknown_key_ttl_s.value();
        let certain_s = if self.origin.is_per_kid() || names.retired.contains(&print) {
            ttl_s.max(refresh.min_interval_s.value())
        } else {
            ttl_s
        };
        let unknown = &mut names.unknown;
        unknown.retain(|(known, until_ms)| *known != print && now_ms < *until_ms);
        if unknown.len() >= MAX_UNKNOWN {
            unknown.remove(0);
        }
        unknown.push((print, now_ms.saturating_add(certain_s.saturating_mul(1000))));
    }

    /// Notes that a key was taken out.
    fn note_retired(&self, kid: &str, now_ms: u64) {
        {
            let retired = &mut self.names.borrow_mut().retired;
            if retired.len() >= MAX_UNKNOWN {
                retired.remove(0);
            }
            retired.push(fingerprint(kid.as_bytes()));
        }
        self.note_unknown(kid, now_ms);
    }
}

impl Source for Issuer {
    type Payload = Keys;
    type Fault = FetchFault;
    const WHAT: &'static str = "keys";

    async fn fetch(&self, root: &Root, kept: Option<Rc<Keys>>) -> Result<Keys, FetchFault> {
        let names = {
            let mut names = self.names.borrow_mut();
            names.asked = if self.origin.is_per_kid() {
                let kept = kept.as_ref().map_or("", |keys| keys.text.as_str());
                names.wanted.take_with(kept)
            } else {
                Vec::new()
            };
            names.asked.clone()
        };
        let (timeout_ms, max_bytes) = (
            self.refresh.timeout_ms.short(),
            self.refresh.max_bytes.size(),
        );
        let fetched = self
            .origin
            .fetch(root, &self.headers, &names, timeout_ms, max_bytes);
        let (text, set) = fetched.await?;
        Ok(Keys::new(set, text))
    }

    fn longest_ms(&self) -> u64 {
        self.origin.longest_ms(self.refresh.timeout_ms.short())
    }

    fn is_same(&self, kept: &Keys, newer: &Keys) -> bool {
        kept.text == newer.text
    }

    /// Single keys are fetched once somebody has named one.
    fn has_something_to_fetch(&self, kept: Option<&Keys>) -> bool {
        !self.origin.is_per_kid()
            || !self.names.borrow().wanted.is_empty()
            || kept.is_some_and(|keys| !keys.text.is_empty())
    }

    fn is_piecemeal(&self) -> bool {
        self.origin.is_per_kid()
    }

    fn to_shared(&self, keys: &Keys) -> Option<String> {
        Some(keys.text.clone())
    }

    fn read_shared(&self, text: &str) -> Option<Keys> {
        let set = self.origin.read(text.as_bytes()).ok()?;
        Some(Keys::new(set, text.to_owned()))
    }

    fn adopted(&self, before: Option<&Keys>, now: &Keys, now_ms: u64) {
        let generation = before.map_or(0, Keys::generation).wrapping_add(1);
        now.generation.set(generation);
        // New keys may be the unknown ones; those that the issuer has taken out are known to be
        // gone.
        {
            let mut names = self.names.borrow_mut();
            names.unknown.clear();
            for kid in now.names() {
                let print = fingerprint(kid.as_bytes());
                names.retired.retain(|retired| *retired != print);
            }
        }
        for kid in before.into_iter().flat_map(Keys::names) {
            if !now.set.has(kid) {
                self.note_retired(kid, now_ms);
            }
        }
    }

    fn succeeded(&self, host: &dyn Host, now: &Keys, is_new: bool, now_ms: u64) {
        let asked = std::mem::take(&mut self.names.borrow_mut().asked);
        for kid in asked.iter().filter(|kid| !now.set.has(kid)) {
            self.note_unknown(kid, now_ms);
        }
        if let Some(keys) = now.set.describe_skipped().filter(|_| is_new) {
            let name = &self.name;
            host.log(
                Level::Info,
                &format!("{name}: keys that cannot be used are left out: {keys}"),
            );
        }
    }
}
