//! What a module says of itself, in custom sections of its file: whoever has the `.wasm` can ask
//! which release it is, without running it.
//!
//! [`export!`](crate::export) puts them in when the module is linked, and not a step after the
//! build: a module that is built by hand has them too, they say what the code itself says, and the
//! same sources give the same bytes. They are no part of the module's memory or code, so they cost
//! nothing where it runs; `strip` leaves them.
//!
//! | section | content |
//! |---|---|
//! | `version`, `licenses` | of the module's crate; the names are those that wasm-tools reads and writes (crate wasm-metadata, after the OCI image annotations) |
//! | [`VERSION_SECTION`] | the release of the kit, also where the filter is somebody else's |
//! | [`FILTERS_SECTION`] | the filters in the module and what they need, as JSON: an array of `{name, version, order, tick_ms, needs, environment}` |
//!
//! The revision of the sources is not among them: it would give other bytes with each commit, of
//! documentation too.

use crate::filter::{Needs, Registration};

/// Section with the release of the kit.
pub const VERSION_SECTION: &str = "modelgate.version";

/// Section with the filters.
pub const FILTERS_SECTION: &str = "modelgate.filters";

/// The release of the kit, and of the suite's filters: semantic versioning.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Text that is put together by the compiler. With `N` 0 it is measured only.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    #[allow(clippy::indexing_slicing)] // evaluated by the compiler only
    const fn put(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() {
            if self.length < N {
                self.bytes[self.length] = text[at];
            }
            self.length += 1;
            at += 1;
        }
        self
    }

    #[allow(clippy::indexing_slicing)] // evaluated by the compiler only
    const fn put_number(self, number: u32) -> Self {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let digit = DIGITS[(number % 10) as usize];
        if number < 10 {
            self.put(digit)
        } else {
            self.put_number(number / 10).put(digit)
        }
    }

    /// A JSON array of names, which have nothing in them that JSON escapes.
    #[allow(clippy::indexing_slicing)] // evaluated by the compiler only
    const fn put_names(self, names: &[&str]) -> Self {
        let mut text = self.put("[");
        let mut at = 0;
        while at < names.len() {
            text = text.put(if at == 0 { "\"" } else { ",\"" });
            text = text.put(names[at]).put("\"");
            at += 1;
        }
        text.put("]")
    }

    #[allow(clippy::indexing_slicing)] // evaluated by the compiler only
    const fn put_needs(self, needs: &Needs) -> Self {
        let named = [
            ("buffers_request", needs.buffers_request),
            ("response_headers", needs.response_headers),
            ("request_body", needs.request_body),
            ("response_body", needs.response_body),
            ("holds", needs.holds),
            ("callouts", needs.callouts),
            ("reserves", needs.reserves),
            ("end", needs.end),
        ];
        let mut text = self.put("[");
        let (mut at, mut first) = (0, true);
        while at < named.len() {
            let (name, needed) = named[at];
            if needed {
                text = text.put(if first { "\"" } else { ",\"" });
                text = text.put(name).put("\"");
                first = false;
            }
            at += 1;
        }
        text.put("]")
    }
}

#[allow(clippy::indexing_slicing)] // evaluated by the compiler only
const fn written<const N: usize>(filters: &[Registration]) -> Text<N> {
    let mut text = Text {
        bytes: [0; N],
        length: 0,
    }
    .put("[");
    let mut at = 0;
    while at < filters.len() {
        let filter = &filters[at];
        text = text
            .put(if at == 0 {
                "{\"name\":\""
            } else {
                ",{\"name\":\""
            })
            .put(filter.name)
            .put("\",\"version\":\"")
            .put(filter.version)
            .put("\",\"order\":")
            .put_number(filter.needs.order as u32)
            .put(",\"tick_ms\":")
            .put_number(filter.needs.tick_ms)
            .put(",\"needs\":")
            .put_needs(&filter.needs)
            .put(",\"environment\":")
            .put_names(filter.environment)
            .put("}");
        at += 1;
    }
    text.put("]")
}

/// Bytes in what [`filters`] gives.
pub const fn length(filters: &[Registration]) -> usize {
    written::<0>(filters).length
}

/// The content of [`FILTERS_SECTION`]; `N` is its [`length`].
pub const fn filters<const N: usize>(filters: &[Registration]) -> [u8; N] {
    written::<N>(filters).bytes
}

/// A text as a section's content; `N` is its length.
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    Text {
        bytes: [0; N],
        length: 0,
    }
    .put(text)
    .bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problems, Setup};
    use crate::exchange::Exchange;
    use crate::filter::Filter;
    use crate::problem::Reply;
    use serde_json::{Value, json};
    use std::rc::Rc;

    #[derive(Default, serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    struct First;

    impl Filter for First {
        const NAME: &'static str = "first";
        const VERSION: &'static str = "1.2.3-rc.1";
        const NEEDS: Needs = Needs {
            holds: true,
            end: true,
            tick_ms: 1_500,
            order: 20,
            ..Needs::NONE
        };
        const ENVIRONMENT: &'static [&'static str] = &["A", "B_C"];
        type Config = Nothing;
        type Plan = ();

        fn compile(_: Nothing, _: &Setup<'_>, _: &mut Problems) -> Option<()> {
            Some(())
        }

        async fn handle(_: Rc<()>, _: Exchange) -> Result<(), Reply> {
            Ok(())
        }
    }

    #[test]
    fn the_compiler_writes_json() {
        const FIRST: Registration = Registration::of::<First>();
        const SECOND: Registration = Registration {
            name: "second",
            version: VERSION,
            needs: Needs::NONE,
            environment: &[],
            ..FIRST
        };
        const BOTH: &[Registration] = &[FIRST, SECOND];
        const WRITTEN: [u8; length(BOTH)] = filters(BOTH);
        assert_eq!(
            serde_json::from_slice::<Value>(&WRITTEN).unwrap(),
            json!([
                {"name": "first", "version": "1.2.3-rc.1", "order": 20, "tick_ms": 1500,
                 "needs": ["holds", "end"], "environment": ["A", "B_C"]},
                {"name": "second", "version": VERSION, "order": 0, "tick_ms": 0,
                 "needs": [], "environment": []},
            ])
        );
        assert_eq!(&bytes::<5>("0.1.0"), b"0.1.0");
    }
}
