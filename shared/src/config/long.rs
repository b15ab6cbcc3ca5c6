//! Long lists in a configuration, such as a hundred thousand keys: read element by element while
//! the text comes from the proxy in pieces.
//!
//! A module's memory never shrinks, and there is a VM for each of the proxy's workers. So neither
//! the text nor its JSON is ever there as a whole: a [`Gather`] keeps of each element what it
//! needs, and the text without the elements (`rest`) goes the way of every configuration.
//!
//! Here the text is only cut. What is cut out is parsed by the gatherer, which says what is wrong
//! with an element, and what is left by [`super::read`]. Only what is no JSON, or is written in an
//! unusual way (an escape in a name), makes the kit read the whole text the ordinary way: so a
//! configuration that is refused takes no more memory than one that is taken.

mod scan;

use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use self::scan::{Scan, is_space};
use super::{BEGINNING, Problems, fingerprint, fingerprint_on, not_json, strict};
use crate::host::{Buffer, Proxy};

/// Bytes that are asked of the proxy at once.
const PIECE: usize = 32 * 1024;

/// Text of a configuration.
pub struct Text<'a> {
    source: Source<'a>,
    print: Cell<Option<u64>>,
}

enum Source<'a> {
    /// It is at hand.
    Here(&'a [u8]),
    /// The proxy has it: so many bytes, while a root context is configured.
    InProxy(&'a dyn Proxy, usize),
}

impl<'a> Text<'a> {
    /// A text that is at hand.
    pub const fn here(bytes: &'a [u8]) -> Self {
        Self {
            source: Source::Here(bytes),
            print: Cell::new(None),
        }
    }

    /// The configuration of `size` bytes that the proxy has for the root context that it is
    /// configuring.
    pub const fn in_proxy(host: &'a dyn Proxy, size: usize) -> Self {
        Self {
            source: Source::InProxy(host, size),
            print: Cell::new(None),
        }
    }

    /// All of it; a problem where the proxy does not hand it over.
    pub fn whole(&self, problems: &mut Problems) -> Option<Cow<'_, [u8]>> {
        let whole = match self.source {
            Source::Here(bytes) => Cow::Borrowed(bytes),
            Source::InProxy(_, 0) => Cow::Borrowed(&[] as &[u8]),
            Source::InProxy(host, size) => {
                let bytes = host.body(Buffer::PluginConfig, 0, size);
                let Some(bytes) = bytes.ok().filter(|bytes| bytes.len() == size) else {
                    problems.add("", "the proxy did not hand over the configuration", "");
                    return None;
                };
                Cow::Owned(bytes)
            }
        };
        self.print.set(Some(fingerprint(&whole)));
        Some(whole)
    }

    /// The fingerprint of all that was read of it.
    pub fn fingerprint(&self) -> u64 {
        self.print.get().unwrap_or(BEGINNING)
    }

    const fn size(&self) -> usize {
        match self.source {
            Source::Here(bytes) => bytes.len(),
            Source::InProxy(_, size) => size,
        }
    }

    /// The bytes from `start` on, as many as are handed over at once; nothing at the end.
    fn piece(&self, start: usize) -> Option<Cow<'_, [u8]>> {
        let wanted = self.size().checked_sub(start).filter(|left| *left > 0)?;
        let piece = match self.source {
            Source::Here(bytes) => Cow::Borrowed(bytes.get(start..)?),
            Source::InProxy(host, _) => {
                let wanted = wanted.min(PIECE);
                let bytes = host.body(Buffer::PluginConfig, start, wanted).ok()?;
                if bytes.is_empty() || bytes.len() > wanted {
                    return None;
                }
                Cow::Owned(bytes)
            }
        };
        let before = if start == 0 {
            BEGINNING
        } else {
            self.fingerprint()
        };
        self.print.set(Some(fingerprint_on(before, &piece)));
        Some(piece)
    }
}

/// A member of a filter's configuration that may list very much.
#[derive(Clone, Copy)]
pub struct LongList {
    /// Its name. It lists objects.
    pub member: &'static str,
    /// Begins to read one.
    pub gather: fn() -> Box<dyn Gather>,
    /// [`cut`] and [`is_json`], so that only modules with such a list contain them.
    cut: fn(&Text<'_>, Shape, &[Known]) -> Option<Cut<'static>>,
    is_json: fn(&[u8]) -> Result<(), Problems>,
}

impl LongList {
    /// The list under `member`.
    pub const fn new(member: &'static str, gather: fn() -> Box<dyn Gather>) -> Self {
        Self {
            member,
            gather,
            cut,
            is_json,
        }
    }

    /// Whether a text that could not be cut is worth being read as a whole.
    pub(crate) fn is_json(&self, text: &[u8]) -> Result<(), Problems> {
        (self.is_json)(text)
    }
}

/// Reads the elements of a list.
pub trait Gather {
    /// The next element, as the text of a JSON object. What is wrong with it is added to
    /// `problems`, with paths within it. Nothing where it is no JSON, or has a member twice.
    fn add(&mut self, element: &[u8], problems: &mut Problems) -> Option<()>;
    /// All of them: what the filter finds in [`super::Setup::list`]. What is wrong with them
    /// together is added to `problems`, with paths within the list.
    fn finish(self: Box<Self>, problems: &mut Problems) -> Rc<dyn Any>;
}

/// Reads an element for [`Gather::add`]. What is wrong with it is added to `problems`; what can be
/// used without that is given nevertheless, so that all is said at once.
pub fn element<T: DeserializeOwned>(text: &[u8], problems: &mut Problems) -> Option<Option<T>> {
    let strict::Unique(value) = serde_json::from_slice(text).ok()?;
    let parsed = strict::parse::<T>(&value, &[], problems);
    Some(parsed.map(|read| {
        problems.beneath(&read.pruned, &read.replaced);
        read.value
    }))
}

/// What a text configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One filter.
    Filter,
    /// A chain in one entry.
    #[cfg(any(feature = "chain", test))]
    Chain,
}

/// A filter's name, and its long list.
pub(crate) type Known = (&'static str, LongList);

/// A list that was cut out.
#[derive(Clone)]
pub(crate) struct Gathered {
    /// For which filter it was read.
    pub filter: &'static str,
    /// In which entry of a chain it stood.
    pub link: Option<usize>,
    /// In which profile; none for the base.
    pub profile: Option<String>,
    /// What was read.
    pub list: Rc<dyn Any>,
    /// What is wrong with it, with paths within the filter's configuration.
    pub problems: Problems,
}

/// A text that was cut.
pub(crate) struct Cut<'a> {
    /// The text with `[]` for each list that was cut out.
    pub rest: Cow<'a, [u8]>,
    /// The lists.
    pub lists: Vec<Gathered>,
    /// The fingerprint of the whole text.
    pub print: u64,
}

impl<'a> Cut<'a> {
    /// A text of which nothing was cut out, with its fingerprint.
    pub const fn whole(text: &'a [u8], print: u64) -> Self {
        Self {
            rest: Cow::Borrowed(text),
            lists: Vec::new(),
            print,
        }
    }
}

impl Cut<'_> {
    /// Whether what is left says, with its lists, all that the whole text would: where it is no
    /// JSON, its lines are not the text's.
    pub fn is_sound(&self) -> bool {
        serde_json::from_slice::<strict::Unique>(&self.rest).is_ok()
    }
}

/// The text without its long lists, where any of these filters has one and nothing is wrong with
/// them.
pub(crate) fn cut_out(text: &Text<'_>, shape: Shape, known: &[Known]) -> Option<Cut<'static>> {
    let (_, first) = known.first()?;
    (first.cut)(text, shape, known)
}

/// Whether a text is JSON in which no name is written twice, or no object at all. What is wrong
/// with it is said as when it is read, without the memory for what it says.
fn is_json(text: &[u8]) -> Result<(), Problems> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Ok(());
    }
    let read = serde_json::from_slice::<strict::Checked>(text);
    read.map(|_| ()).map_err(|error| {
        let mut problems = Problems::default();
        not_json(&error, &mut problems);
        problems
    })
}

fn cut(text: &Text<'_>, shape: Shape, known: &[Known]) -> Option<Cut<'static>> {
    let mut knife = Knife {
        known,
        feed: Feed::of(text),
        rest: Vec::new(),
        lists: Vec::new(),
    };
    knife.space()?;
    knife.value(match shape {
        Shape::Filter => Level::Filter(None),
        #[cfg(any(feature = "chain", test))]
        Shape::Chain => Level::Chain,
    })?;
    while let Some(byte) = knife.feed.peek() {
        if !is_space(byte) {
            return None;
        }
        knife.feed.skip(1);
    }
    (knife.feed.given == text.size()).then_some(Cut {
        rest: Cow::Owned(knife.rest),
        lists: knife.lists,
        print: text.fingerprint(),
    })
}

/// The text, piece by piece.
struct Feed<'a> {
    text: &'a Text<'a>,
    piece: Cow<'a, [u8]>,
    /// How much of the piece is read.
    at: usize,
    /// Where the next piece begins.
    given: usize,
}

impl<'a> Feed<'a> {
    const fn of(text: &'a Text<'a>) -> Self {
        Self {
            text,
            piece: Cow::Borrowed(&[]),
            at: 0,
            given: 0,
        }
    }

    /// What is left of the piece, or else the next one; empty at the end.
    fn here(&mut self) -> &[u8] {
        if self.at >= self.piece.len() {
            // The memory of the last piece is there for the next one.
            self.piece = Cow::Borrowed(&[]);
            self.at = 0;
            if let Some(piece) = self.text.piece(self.given) {
                self.given = self.given.saturating_add(piece.len());
                self.piece = piece;
            }
        }
        self.piece.get(self.at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<u8> {
        self.here().first().copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }
}

/// Which value stands here; with the number of the entry, in a chain.
#[derive(Clone)]
enum Level {
    Chain,
    Links,
    Link(usize),
    Filter(Option<usize>),
    Profiles(Option<usize>),
    Profile(Option<usize>, String),
    Elsewhere,
}

impl Level {
    fn member(&self, name: &str) -> Self {
        match (self, name) {
            (Self::Chain, "filters") => Self::Links,
            (Self::Link(at), "config") => Self::Filter(Some(*at)),
            (Self::Filter(link), "profiles") => Self::Profiles(*link),
            (Self::Profiles(link), _) => Self::Profile(*link, name.to_owned()),
            _ => Self::Elsewhere,
        }
    }
}

struct Knife<'a> {
    known: &'a [Known],
    feed: Feed<'a>,
    rest: Vec<u8>,
    lists: Vec<Gathered>,
}

impl Knife<'_> {
    /// White space; nothing at the end of the text.
    fn space(&mut self) -> Option<u8> {
        loop {
            let byte = self.feed.peek()?;
            if !is_space(byte) {
                return Some(byte);
            }
            self.feed.skip(1);
        }
    }

    /// One byte that goes on to the rest, and white space after it.
    fn byte(&mut self, wanted: u8) -> Option<()> {
        if self.feed.peek() != Some(wanted) {
            return None;
        }
        self.rest.push(wanted);
        self.feed.skip(1);
        self.space().map(|_| ())
    }

    fn value(&mut self, level: Level) -> Option<()> {
        match (&level, self.feed.peek()?) {
            (Level::Elsewhere, _) => self.copy(),
            (Level::Links, b'[') => self.links(),
            (Level::Links, _) => self.copy(),
            (_, b'{') => self.object(&level),
            _ => self.copy(),
        }
    }

    fn links(&mut self) -> Option<()> {
        self.byte(b'[')?;
        let mut at = 0_usize;
        while self.feed.peek()? != b']' {
            self.value(Level::Link(at))?;
            at = at.saturating_add(1);
            self.separator(b']')?;
        }
        self.last(b']');
        Some(())
    }

    fn object(&mut self, level: &Level) -> Option<()> {
        self.byte(b'{')?;
        while self.feed.peek()? != b'}' {
            let begin = self.rest.len();
            if self.feed.peek()? != b'"' {
                return None;
            }
            self.copy()?;
            let name = self.rest.get(begin..)?;
            let name = name.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            // An escaped name is never one of ours.
            let name = std::str::from_utf8(name).ok()?.to_owned();
            let escaped = name.contains('\\');
            self.space()?;
            self.byte(b':')?;
            match self.list(level, &name) {
                Some((found, link, profile)) if self.feed.peek()? == b'[' => {
                    self.gather(found, link, profile)?;
                }
                _ if escaped => self.copy()?,
                _ => self.value(level.member(&name))?,
            }
            self.separator(b'}')?;
        }
        self.last(b'}');
        Some(())
    }

    /// The list that a member is, if it is one.
    fn list(&self, level: &Level, name: &str) -> Option<(Known, Option<usize>, Option<String>)> {
        let (link, profile) = match level {
            Level::Filter(link) => (*link, None),
            Level::Profile(link, profile) => (*link, Some(profile.clone())),
            _ => return None,
        };
        let found = self.known.iter().find(|(_, list)| list.member == name)?;
        Some((*found, link, profile))
    }

    /// A comma and what follows, or `end`, which stays.
    fn separator(&mut self, end: u8) -> Option<()> {
        match self.space()? {
            b',' => {
                self.byte(b',')?;
                (self.feed.peek()? != end).then_some(())
            }
            byte => (byte == end).then_some(()),
        }
    }

    /// The end of an object or array: the text may end with it.
    fn last(&mut self, end: u8) {
        self.rest.push(end);
        self.feed.skip(1);
    }

    /// A value that goes on to the rest as it is.
    fn copy(&mut self) -> Option<()> {
        let mut scan = Scan::default();
        loop {
            let piece = self.feed.here();
            if piece.is_empty() {
                return None;
            }
            let (length, ended) = match scan.end(piece) {
                Some(end) => (end, true),
                None => (piece.len(), false),
            };
            self.rest.extend_from_slice(piece.get(..length)?);
            self.feed.skip(length);
            if ended {
                return Some(());
            }
        }
    }

    /// A list that is cut out.
    fn gather(
        &mut self,
        (filter, list): Known,
        link: Option<usize>,
        profile: Option<String>,
    ) -> Option<()> {
        let mut gather = (list.gather)();
        let mut across = Vec::new();
        let mut problems = Problems::default();
        let place = match &profile {
            Some(profile) => format!("profiles.{profile}.{}", list.member),
            None => list.member.to_owned(),
        };
        let mut at = 0_usize;
        let mut add = |element: &[u8], problems: &mut Problems| {
            let mut own = Problems::default();
            gather.add(element, &mut own)?;
            if !own.is_empty() {
                problems.add_all(&format!("{place}[{at}]"), own);
            }
            at = at.saturating_add(1);
            Some(())
        };
        self.byte(b'[')?;
        while self.feed.peek()? != b']' {
            let mut scan = Scan::default();
            if self.feed.peek()? != b'{' {
                return None;
            }
            loop {
                let piece = self.feed.here();
                if piece.is_empty() {
                    return None;
                }
                let Some(end) = scan.end(piece) else {
                    across.extend_from_slice(piece);
                    let length = piece.len();
                    self.feed.skip(length);
                    continue;
                };
                let element = piece.get(..end)?;
                if across.is_empty() {
                    add(element, &mut problems)?;
                } else {
                    across.extend_from_slice(element);
                    add(&across, &mut problems)?;
                    across.clear();
                }
                self.feed.skip(end);
                break;
            }
            match self.space()? {
                b',' => {
                    self.feed.skip(1);
                    self.space().filter(|byte| *byte == b'{')?;
                }
                b']' => {}
                _ => return None,
            }
        }
        self.last(b']');
        let list = problems.within(&place, |problems| gather.finish(problems));
        self.lists.push(Gathered {
            filter,
            link,
            profile,
            list,
            problems,
        });
        Some(())
    }
}

#[cfg(test)]
mod tests;
