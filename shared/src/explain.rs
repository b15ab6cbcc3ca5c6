//! What filters tell of their decisions while somebody asks why: `modelgate explain` runs a request
//! through the filters and shows it.
//!
//! A filter tells where it decides, of the very values that it decides on, so what is told cannot
//! differ from what is done. Without a [`Recorder`] nothing is told, and in a module every call
//! here is empty: it costs neither time nor bytes there.
//!
//! What is told is shown to operators. It never holds a secret, a token, a key or personal data
//! that was found. [`hide`] names bytes that must not be shown whatever else holds them.

use serde::Serialize;
use serde_json::{Map, Value};

/// How a note counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It says what is.
    Info,
    /// A condition holds, or a check has passed.
    Pass,
    /// A condition does not hold, or a check has failed.
    Fail,
}

/// One thing that a filter tells: a sentence for people, and the same as data for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Note {
    /// What it is about, in snake case: `rule`, `token`, `window`.
    pub step: &'static str,
    /// How it counts.
    pub mark: Mark,
    /// The sentence.
    pub text: String,
    /// The data.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

impl Note {
    /// A note that says what is.
    pub fn info(step: &'static str, text: impl Into<String>) -> Self {
        Self {
            step,
            mark: Mark::Info,
            text: text.into(),
            data: Map::new(),
        }
    }

    /// A note of something that holds.
    pub fn pass(step: &'static str, text: impl Into<String>) -> Self {
        Self {
            mark: Mark::Pass,
            ..Self::info(step, text)
        }
    }

    /// A note of something that does not hold.
    pub fn fail(step: &'static str, text: impl Into<String>) -> Self {
        Self {
            mark: Mark::Fail,
            ..Self::info(step, text)
        }
    }

    /// With this mark.
    #[must_use]
    pub fn marked(mut self, holds: bool) -> Self {
        self.mark = match holds {
            true => Mark::Pass,
            false => Mark::Fail,
        };
        self
    }

    /// With a member of the data.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

/// Names as they are shown: in quotes, separated by commas; `nothing` where there are none.
pub fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    match quoted.is_empty() {
        true => "nothing".to_owned(),
        false => quoted.join(", "),
    }
}

/// Parts of names of headers whose values may be credentials.
const CREDENTIALS: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "signature",
    "token",
];

/// Whether a header may hold a credential, by its name.
pub fn may_be_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // HTTP/2's name of the host.
    name != ":authority" && CREDENTIALS.iter().any(|part| name.contains(part))
}

/// The value of a header as it may be shown: that of one that may be a credential is not.
pub fn header_value(name: &str, value: &[u8]) -> String {
    match may_be_credential(name) {
        true => format!("(not shown, {} bytes)", value.len()),
        false => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use recorder::{
    Recorder, Told, at, bytes_of, enter, filter, hide, inside, instant, is_asked, spot, tell,
};

#[cfg(target_arch = "wasm32")]
pub use silence::{at, bytes_of, filter, hide, inside, instant, is_asked, spot, tell};

/// In a module nobody listens.
#[cfg(target_arch = "wasm32")]
mod silence {
    use super::Note;

    /// Tells notes; here, nothing.
    #[inline(always)]
    pub fn tell(_: impl FnOnce(&mut Vec<Note>)) {}

    /// Whether somebody asks why; here, nobody.
    #[inline(always)]
    pub const fn is_asked() -> bool {
        false
    }

    /// Which filter runs from here on.
    #[inline(always)]
    pub fn filter(_: &'static str) {}

    /// Bytes that must not be shown.
    #[inline(always)]
    pub fn hide(_: &[u8]) {}

    /// Which place of a message is looked at from here on.
    #[inline(always)]
    pub fn at(_: impl FnOnce() -> String) {}

    /// Which bytes of a message are looked at from here on.
    #[inline(always)]
    pub fn spot(_: impl FnOnce() -> core::ops::Range<usize>) {}

    /// Does something with bytes that begin so far behind those that were looked at.
    #[inline(always)]
    pub fn inside<T>(_: usize, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// The bytes that something is said of; here, none.
    #[inline(always)]
    pub const fn bytes_of(_: Option<&core::ops::Range<usize>>) -> Option<core::ops::Range<usize>> {
        None
    }

    /// A point in time as text.
    #[inline(always)]
    pub fn instant(_: u64) -> String {
        String::new()
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod recorder {
    use std::cell::RefCell;
    use std::marker::PhantomData;
    use std::ops::Range;

    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    use super::Note;

    /// A note, and who has told it.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Told {
        /// The filter's entry in the proxy's configuration.
        pub entry: String,
        /// The filter; several can be in one entry.
        pub filter: &'static str,
        /// Which way of the exchange it was told on: `request`, `response` or `end`.
        pub phase: &'static str,
        /// The place of the message that it looked at, where it has named one.
        pub place: String,
        /// What it has told.
        pub note: Note,
    }

    #[derive(Default)]
    struct Recorded {
        entry: String,
        filter: &'static str,
        phase: &'static str,
        place: String,
        /// Where the bytes begin in the body that are looked at.
        base: usize,
        spot: Option<Range<usize>>,
        told: Vec<Told>,
        hidden: Vec<Vec<u8>>,
    }

    thread_local! {
        static LISTENING: RefCell<Option<Recorded>> = const { RefCell::new(None) };
    }

    fn with<T>(work: impl FnOnce(&mut Recorded) -> T) -> Option<T> {
        LISTENING.with(|listening| listening.try_borrow_mut().ok()?.as_mut().map(work))
    }

    /// Listens to the filters that run on this thread, until it is dropped.
    pub struct Recorder(PhantomData<*const ()>);

    impl Recorder {
        /// Begins to listen, in place of whoever listened before.
        pub fn start() -> Self {
            LISTENING.with(|listening| listening.replace(Some(Recorded::default())));
            Self(PhantomData)
        }

        /// What was told since the last time, in order.
        pub fn take(&self) -> Vec<Told> {
            with(|recorded| std::mem::take(&mut recorded.told)).unwrap_or_default()
        }

        /// What must not be shown.
        pub fn hidden(&self) -> Vec<Vec<u8>> {
            with(|recorded| recorded.hidden.clone()).unwrap_or_default()
        }
    }

    impl Drop for Recorder {
        fn drop(&mut self) {
            LISTENING.with(|listening| listening.replace(None));
        }
    }

    /// Whether somebody asks why: then nothing outside is called, and what would come of that is
    /// stood in for.
    pub fn is_asked() -> bool {
        with(|_| ()).is_some()
    }

    /// Which entry of the proxy's configuration runs from here on, on which way of the exchange.
    pub fn enter(entry: &str, phase: &'static str) {
        with(|recorded| {
            entry.clone_into(&mut recorded.entry);
            recorded.phase = phase;
        });
    }

    /// Which filter runs from here on.
    pub fn filter(name: &'static str) {
        with(|recorded| {
            recorded.filter = name;
            recorded.place.clear();
        });
    }

    /// Which place of a message is looked at from here on: `$.messages[0].content`.
    pub fn at(place: impl FnOnce() -> String) {
        if with(|_| ()).is_some() {
            let place = place();
            with(|recorded| {
                recorded.place = place;
                recorded.spot = None;
            });
        }
    }

    /// Which bytes of a message are looked at from here on, until the next place.
    pub fn spot(span: impl FnOnce() -> Range<usize>) {
        if with(|_| ()).is_some() {
            let span = span();
            with(|recorded| {
                let base = recorded.base;
                let shifted = |at: usize| base.saturating_add(at);
                recorded.spot = Some(shifted(span.start)..shifted(span.end));
            });
        }
    }

    /// Does something with bytes that begin so far behind those that were looked at.
    pub fn inside<T>(offset: usize, work: impl FnOnce() -> T) -> T {
        let before = with(|recorded| {
            recorded.spot = None;
            let base = recorded.base.saturating_add(offset);
            std::mem::replace(&mut recorded.base, base)
        });
        let done = work();
        with(|recorded| {
            recorded.base = before.unwrap_or_default();
            recorded.spot = None;
        });
        done
    }

    /// The bytes of the body that something is said of: the spot, or this span of the text.
    pub fn bytes_of(span: Option<&Range<usize>>) -> Option<Range<usize>> {
        with(|recorded| {
            let base = recorded.base;
            recorded.spot.clone().or_else(|| {
                let shifted = |at: usize| base.saturating_add(at);
                span.map(|span| shifted(span.start)..shifted(span.end))
            })
        })?
    }

    /// A point in time, in seconds since the Unix epoch, as RFC 3339 writes it.
    pub fn instant(seconds: u64) -> String {
        let time = i64::try_from(seconds).ok();
        let time = time.and_then(|time| OffsetDateTime::from_unix_timestamp(time).ok());
        let text = time.and_then(|time| time.format(&Rfc3339).ok());
        text.unwrap_or_else(|| format!("{seconds} s after 1970"))
    }

    /// Bytes that must not be shown.
    pub fn hide(bytes: &[u8]) {
        with(|recorded| recorded.hidden.push(bytes.to_vec()));
    }

    /// Tells notes, if somebody listens.
    pub fn tell(notes: impl FnOnce(&mut Vec<Note>)) {
        if with(|_| ()).is_none() {
            return;
        }
        let mut list = Vec::new();
        notes(&mut list);
        with(|recorded| {
            for note in list {
                recorded.told.push(Told {
                    entry: recorded.entry.clone(),
                    filter: recorded.filter,
                    phase: recorded.phase,
                    place: recorded.place.clone(),
                    note,
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_to_whoever_listens_and_to_nobody_else() {
        tell(|_| panic!("nobody listens"));
        let recorder = Recorder::start();
        enter("entry", "request");
        filter("geo_fence");
        // Whoever tells may ask things that tell something themselves.
        tell(|notes| {
            tell(|inner| inner.push(Note::info("country", "It is read.")));
            notes.push(Note::fail("rule", "`de` is refused.").with("rule", "de"));
        });
        hide(b"secret");
        let told = recorder.take();
        let steps: Vec<_> = told.iter().map(|told| told.note.step).collect();
        assert_eq!(steps, ["country", "rule"]);
        assert!(
            told.iter()
                .all(|told| told.entry == "entry" && told.filter == "geo_fence")
        );
        assert_eq!(recorder.take(), []);
        assert_eq!(recorder.hidden(), [b"secret".to_vec()]);
        drop(recorder);
        tell(|_| panic!("nobody listens any more"));
    }

    #[test]
    fn points_in_time_are_shown_as_rfc_3339_writes_them() {
        assert_eq!(instant(1_763_712_000), "2025-11-21T08:00:00Z");
        assert_eq!(instant(u64::MAX), "18446744073709551615 s after 1970");
    }

    #[test]
    fn a_note_is_its_sentence_and_its_data() {
        let note = Note::info("window", "2 of 10 are left.")
            .with("remaining", 2)
            .marked(true);
        assert_eq!(
            serde_json::to_value(note).unwrap(),
            serde_json::json!({
                "step": "window", "mark": "pass", "text": "2 of 10 are left.", "remaining": 2
            })
        );
        assert_eq!(list(["a", "b"]), "`a`, `b`");
        assert_eq!(list([""; 0]), "nothing");
    }

    #[test]
    fn values_of_headers_that_may_be_credentials_are_not_shown() {
        for name in [
            "authorization",
            "X-API-Key",
            "cookie",
            "x-amz-security-token",
        ] {
            assert_eq!(
                header_value(name, b"12345"),
                "(not shown, 5 bytes)",
                "{name}"
            );
        }
        for name in [":authority", "x-consumer", "content-type"] {
            assert_eq!(header_value(name, b"12345"), "12345", "{name}");
        }
    }
}
