//! Header maps as the proxy keeps them, and their wire form between host and guest.
//!
//! Names are lower-cased on the way in, values are bytes and may be anything. Order is the order of
//! arrival. The wire form (proxy-wasm ABI 0.2.1, "header map pairs") is: count, then the sizes of
//! every name and value as little-endian `u32`, then names and values, each ended by one zero byte.

use crate::abi::{HostResult, Status};

/// More pairs than any proxy takes: a map beyond it is refused instead of allocated.
const MAX_PAIRS: usize = 1 << 14;

/// Headers or trailers in order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Headers(Vec<Entry>);

/// One header.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Entry {
    name: Vec<u8>,
    value: Vec<u8>,
    /// The name as it was sent, where that is known and another.
    written: Option<Vec<u8>>,
    /// No list has it any more, and it is sent all the same.
    hidden: bool,
}

impl Entry {
    fn new(name: &[u8], value: impl Into<Vec<u8>>) -> Self {
        Self {
            name: lower(name),
            value: value.into(),
            ..Self::default()
        }
    }

    /// The name that the wire form has.
    fn shown(&self) -> &[u8] {
        self.written.as_deref().unwrap_or(&self.name)
    }

    /// Whether a list has it under this name, which is in lower case.
    fn is(&self, name: &[u8]) -> bool {
        self.name == name && !self.hidden
    }
}

impl Headers {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.shown().count()
    }

    /// The number of entries as the ABI counts them.
    pub fn count(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shown().next().is_none()
    }

    fn shown(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(|entry| !entry.hidden)
    }

    /// The protocol that these request headers ask to go on with in place of HTTP, if they do: the
    /// value of `upgrade` (RFC 9110 section 7.8), or `CONNECT`. The same condition as Envoy's
    /// `Utility::isUpgrade` (source/common/http/utility.cc).
    pub fn upgrade(&self) -> Option<String> {
        if self.first(":protocol").is_some() || self.first(":method") == Some(b"CONNECT") {
            return Some("CONNECT".to_owned());
        }
        let named = self
            .all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        self.text("upgrade").filter(|_| named)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.shown()
            .map(|entry| (entry.name.as_slice(), entry.value.as_slice()))
    }

    /// The first value of a header.
    pub fn first(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The first value as text; what is not UTF-8 is replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Every value of a header, in order.
    pub fn all(&self, name: impl AsRef<[u8]>) -> impl Iterator<Item = &[u8]> {
        let wanted = lower(name.as_ref());
        self.0
            .iter()
            .filter(move |entry| entry.is(&wanted))
            .map(|entry| entry.value.as_slice())
    }

    /// The first value of a header, one that was hidden included.
    pub(crate) fn first_sent(&self, name: &[u8]) -> Option<&[u8]> {
        let wanted = lower(name);
        let mut entries = self.0.iter();
        let entry = entries.find(|entry| entry.name == wanted)?;
        Some(&entry.value)
    }

    /// Adds one more value.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) {
        self.0.push(Entry::new(name.as_ref(), value));
    }

    /// Adds one more value, and keeps the name as it is written for hosts that show it so.
    pub(crate) fn add_as_written(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let mut entry = Entry::new(name.as_bytes(), value);
        entry.written = Some(name.as_bytes().to_vec()).filter(|written| *written != entry.name);
        self.0.push(entry);
    }

    /// Forgets how names were written.
    pub(crate) fn lower_names(&mut self) {
        for entry in &mut self.0 {
            entry.written = None;
        }
    }

    /// Hides every value of a header from lists; it is sent all the same.
    pub(crate) fn hide(&mut self, name: &[u8]) {
        let name = lower(name);
        for entry in &mut self.0 {
            entry.hidden |= entry.name == name;
        }
    }

    /// What is sent: what was hidden is there again.
    pub(crate) fn revealed(mut self) -> Self {
        for entry in &mut self.0 {
            entry.hidden = false;
        }
        self
    }

    /// Adds everything but pseudo-headers, as it is written.
    pub(crate) fn append_but_pseudo(&mut self, other: &Self) {
        let entries = other.0.iter();
        let kept = entries.filter(|entry| entry.name.first() != Some(&b':'));
        self.0.extend(kept.cloned());
    }

    /// The first entries.
    pub(crate) fn truncated(&self, most: usize) -> Self {
        Self(self.shown().take(most).cloned().collect())
    }

    /// Gives a header exactly one value, in the place of its first if it was there.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) {
        let name = lower(name.as_ref());
        let mut value = Some(value.into());
        self.0.retain_mut(|entry| {
            if !entry.is(&name) {
                return true;
            }
            match value.take() {
                Some(new) => {
                    entry.value = new;
                    true
                }
                None => false,
            }
        });
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Gives the first value of a header another one, or adds it; values behind it are hidden.
    pub(crate) fn set_first(&mut self, name: &[u8], value: impl Into<Vec<u8>>) {
        let name = lower(name);
        let mut value = Some(value.into());
        for entry in self.0.iter_mut().filter(|entry| entry.is(&name)) {
            match value.take() {
                Some(first) => entry.value = first,
                None => entry.hidden = true,
            }
        }
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Removes every value of a header.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = lower(name.as_ref());
        self.0.retain(|entry| entry.name != name);
    }

    /// Joins the values of a header that the proxy keeps as one, as Envoy does with those it knows
    /// by number.
    pub fn join(&mut self, name: &str, separator: &str) {
        let values: Vec<&[u8]> = self.all(name).collect();
        if values.len() > 1 {
            let joined = values.join(separator.as_bytes());
            self.set(name, joined);
        }
    }

    /// Bytes of all names and values.
    pub fn byte_size(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len().saturating_add(value.len()))
            .sum()
    }

    /// The wire form. An empty map is no bytes at all.
    pub fn to_wire(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut wire = Vec::with_capacity(
            self.byte_size()
                .saturating_add(self.len().saturating_mul(10))
                .saturating_add(4),
        );
        wire.extend(self.count().to_le_bytes());
        for entry in self.shown() {
            wire.extend(size(entry.shown()).to_le_bytes());
            wire.extend(size(&entry.value).to_le_bytes());
        }
        for entry in self.shown() {
            wire.extend_from_slice(entry.shown());
            wire.push(0);
            wire.extend_from_slice(&entry.value);
            wire.push(0);
        }
        wire
    }

    /// Reads the wire form; no bytes are an empty map.
    ///
    /// # Errors
    /// [`Status::BadArgument`] when sizes and bytes do not agree.
    pub fn from_wire(wire: &[u8]) -> HostResult<Self> {
        if wire.is_empty() {
            return Ok(Self::new());
        }
        let (count, sizes) = take_u32(wire)?;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= MAX_PAIRS)
            .ok_or(Status::BadArgument)?;
        let (sizes, mut bytes) = sizes
            .split_at_checked(count.saturating_mul(8))
            .ok_or(Status::BadArgument)?;
        let mut headers = Self(Vec::with_capacity(count));
        for pair in sizes.chunks_exact(8) {
            let (name, rest) = take_u32(pair)?;
            let (value, _) = take_u32(rest)?;
            let name = take_ended(&mut bytes, name)?;
            let value = take_ended(&mut bytes, value)?;
            headers.add(name, value);
        }
        Ok(headers)
    }
}

impl<N: AsRef<[u8]>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| Entry::new(name.as_ref(), value))
                .collect(),
        )
    }
}

fn lower(name: &[u8]) -> Vec<u8> {
    name.to_ascii_lowercase()
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn take_u32(bytes: &[u8]) -> HostResult<(u32, &[u8])> {
    let (four, rest) = bytes.split_first_chunk::<4>().ok_or(Status::BadArgument)?;
    Ok((u32::from_le_bytes(*four), rest))
}

/// Takes `size` bytes and the zero byte after them.
fn take_ended<'a>(bytes: &mut &'a [u8], size: u32) -> HostResult<&'a [u8]> {
    let size = usize::try_from(size).map_err(|_| Status::BadArgument)?;
    let (taken, rest) = bytes.split_at_checked(size).ok_or(Status::BadArgument)?;
    let (_zero, rest) = rest.split_first().ok_or(Status::BadArgument)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(pairs: &[(&str, &str)]) -> Headers {
        pairs
            .iter()
            .copied()
            .map(|(name, value)| (name, value.as_bytes()))
            .collect()
    }

    #[test]
    fn setting_a_repeated_header_leaves_one_value_in_the_first_place() {
        let mut headers = map(&[("x-a", "1"), ("b", "2"), ("X-A", "3")]);
        headers.set("x-A", "4");
        assert_eq!(headers, map(&[("x-a", "4"), ("b", "2")]));
    }

    #[test]
    fn the_first_value_of_a_repeated_header_is_what_get_gives() {
        let headers = map(&[("a", "1"), ("A", "2")]);
        assert_eq!(headers.first("A"), Some(&b"1"[..]));
        assert_eq!(headers.all("a").count(), 2);
    }

    #[test]
    fn joined_headers_become_one() {
        let mut headers = map(&[("a", "1"), ("b", "x"), ("a", "2")]);
        headers.join("a", ",");
        assert_eq!(headers, map(&[("a", "1,2"), ("b", "x")]));
    }

    #[test]
    fn a_wire_form_with_false_sizes_is_refused() {
        for wire in [
            &[1, 0][..],
            &[1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, b'a', 0, 0],
            &[255, 255, 255, 255],
        ] {
            assert_eq!(Headers::from_wire(wire), Err(Status::BadArgument));
        }
    }

    proptest! {
        #[test]
        fn the_wire_form_reads_back_as_written(pairs in proptest::collection::vec(("[a-z:-]{1,9}", proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
            let headers: Headers = pairs.into_iter().collect();
            prop_assert_eq!(Headers::from_wire(&headers.to_wire()), Ok(headers));
        }

        #[test]
        fn no_bytes_can_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Headers::from_wire(&bytes);
        }
    }
}
