//! A header map as the host hands it over: one block of bytes, read in place, nothing copied.
//!
//! Wire form (proxy-wasm ABI): `u32` count, then per pair `u32` name length and `u32` value length,
//! then per pair name, NUL, value, NUL; all numbers little-endian. Names compare without case:
//! Envoy lowers them, nginx does not.

use crate::host::HeaderRef;
use crate::sorting;

/// A header map in the host's wire form.
#[derive(Clone, Default)]
pub struct HeaderBlock {
    bytes: Vec<u8>,
}

/// How often a header occurs, with its value when there is exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence<'a> {
    /// Not there.
    Absent,
    /// Exactly once.
    Once(&'a [u8]),
    /// Twice or more: for a credential a reason to refuse.
    Repeated,
}

impl HeaderBlock {
    /// Takes a block as the host gave it. A malformed block reads as if it ended where it stops
    /// making sense.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Builds the wire form; the inverse of [`HeaderBlock::iter`].
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Self {
        Self {
            bytes: encode(pairs),
        }
    }

    /// The wire form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All pairs in their order.
    pub fn iter(&self) -> Pairs<'_> {
        let count = read_u32(&self.bytes, 0).unwrap_or(0);
        let body = count.saturating_mul(8).saturating_add(4);
        Pairs {
            bytes: &self.bytes,
            left: count,
            length_at: 4,
            at: body,
        }
    }

    /// Number of pairs that the block announces.
    pub fn len(&self) -> usize {
        read_u32(&self.bytes, 0).unwrap_or(0)
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first value of a header. For credentials use [`HeaderBlock::once`].
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().next_named(name.as_bytes())
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let mut pairs = self.iter();
        std::iter::from_fn(move || pairs.next_named(name.as_bytes()))
    }

    /// The value of a header that may occur only once.
    pub fn once<'a>(&'a self, name: &'a str) -> Occurrence<'a> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Occurrence::Absent,
            (Some(value), None) => Occurrence::Once(value),
            _ => Occurrence::Repeated,
        }
    }

    /// The names, as they were sent, that an upstream may take for one of `ours` (see
    /// [`reads_as`]), each once.
    pub fn lookalikes<'a>(&'a self, ours: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a [u8]> {
        let bit = |length: usize| 1_u64 << length.min(63);
        let lengths = ours.clone().fold(0, |bits, ours| bits | bit(ours.len()));
        let mut names: Vec<&[u8]> = Vec::new();
        for (name, _) in self.iter() {
            if lengths & bit(name.len()) != 0
                && ours.clone().any(|ours| reads_as(name, ours.as_bytes()))
            {
                names.push(name);
            }
        }
        if names.len() > 1 {
            sorting::sort(&mut names);
            names.dedup();
        }
        names
    }

    /// The first value as text, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.first(name)?).ok()
    }
}

/// Looks at every byte, several in one step, where a comparison that stops at the first difference
/// would go byte by byte in WebAssembly.
impl PartialEq for HeaderBlock {
    fn eq(&self, other: &Self) -> bool {
        same_bytes(&self.bytes, &other.bytes)
    }
}

impl Eq for HeaderBlock {}

/// Whether these bytes are the same; as long as they are as many, every one is looked at.
pub fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |different, (a, b)| different | (a ^ b))
            == 0
}

/// Whether an upstream may take a header that is named `sent` for one that is named `ours`.
///
/// CGI's variables (RFC 3875 section 4.1.18), and with them WSGI, Rack and PHP, know neither case
/// nor hyphens: `x_user` and `X-User` are both `HTTP_X_USER`. Some servers (lighttpd, older
/// Apaches) write an underscore for every byte that is neither letter nor digit.
pub fn reads_as(sent: &[u8], ours: &[u8]) -> bool {
    sent.len() == ours.len() && sent.iter().zip(ours).all(|(a, b)| folded(*a) == folded(*b))
}

/// [`reads_as`] for how a name begins.
pub fn begins_as(sent: &[u8], ours: &[u8]) -> bool {
    sent.get(..ours.len())
        .is_some_and(|beginning| reads_as(beginning, ours))
}

const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'_'
    }
}

/// Header values may carry credentials: only the number of pairs is shown.
impl std::fmt::Debug for HeaderBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeaderBlock({} pairs)", self.len())
    }
}

/// Names that a filter keeps for itself.
#[derive(Default)]
pub struct Reserved {
    names: Vec<String>,
    beginnings: Vec<String>,
}

impl Reserved {
    /// These names.
    pub fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: names.into_iter().map(str::to_owned).collect(),
            beginnings: Vec::new(),
        }
    }

    /// All that begin so, too.
    #[must_use]
    pub fn and_beginning_with(mut self, beginning: &str) -> Self {
        self.beginnings.push(beginning.to_owned());
        self
    }

    /// Whether an upstream may take this name for one of them (see [`reads_as`]).
    pub fn has(&self, sent: &[u8]) -> bool {
        let named = self
            .names
            .iter()
            .any(|name| reads_as(sent, name.as_bytes()));
        named
            || self
                .beginnings
                .iter()
                .any(|beginning| begins_as(sent, beginning.as_bytes()))
    }
}

/// Iterator over the pairs of a [`HeaderBlock`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    bytes: &'a [u8],
    left: usize,
    length_at: usize,
    at: usize,
}

impl<'a> Pairs<'a> {
    /// Where the next pair is: begin and length of its name, begin and length of its value. The
    /// pair need not be there.
    fn next_place(&mut self) -> Option<(usize, usize, usize, usize)> {
        self.left = self.left.checked_sub(1)?;
        let end = self.length_at.checked_add(8)?;
        let eight: &[u8; 8] = self.bytes.get(self.length_at..end)?.try_into().ok()?;
        let both = u64::from_le_bytes(*eight);
        let name_len = usize::try_from(both & u64::from(u32::MAX)).ok()?;
        let value_len = usize::try_from(both >> 32).ok()?;
        self.length_at = end;
        let name_at = self.at;
        let value_at = name_at.checked_add(name_len)?.checked_add(1)?;
        self.at = value_at.checked_add(value_len)?.checked_add(1)?;
        Some((name_at, name_len, value_at, value_len))
    }

    /// The value of the next pair with this name: only names of its length are looked at.
    fn next_named(&mut self, wanted: &[u8]) -> Option<&'a [u8]> {
        loop {
            let (name_at, name_len, value_at, value_len) = self.next_place()?;
            if name_len != wanted.len() {
                continue;
            }
            let name = self.bytes.get(name_at..name_at.checked_add(name_len)?)?;
            if name.eq_ignore_ascii_case(wanted) {
                return self.bytes.get(value_at..value_at.checked_add(value_len)?);
            }
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_at, name_len, value_at, value_len) = self.next_place()?;
        let name = self.bytes.get(name_at..name_at.checked_add(name_len)?)?;
        let value = self.bytes.get(value_at..value_at.checked_add(value_len)?)?;
        Some((name, value))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<usize> {
    let end = at.checked_add(4)?;
    let four: [u8; 4] = bytes.get(at..end)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(four)).ok()
}

/// Writes pairs in the wire form.
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let (count, size) =
        pairs
            .clone()
            .into_iter()
            .fold((0usize, 4usize), |(n, size), (name, value)| {
                (
                    n.saturating_add(1),
                    size.saturating_add(10 + name.len() + value.len()),
                )
            });
    let mut out = Vec::with_capacity(size);
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&word(count));
    for (name, value) in pairs.clone() {
        out.extend_from_slice(&word(name.len()));
        out.extend_from_slice(&word(value.len()));
    }
    for (name, value) in pairs {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

/// Writes pairs with text names in the wire form.
pub fn encode_refs(pairs: &[HeaderRef<'_>]) -> Vec<u8> {
    encode(pairs.iter().map(|(name, value)| (name.as_bytes(), *value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repeated_headers_are_seen() {
        let block = HeaderBlock::new(encode_refs(&[
            ("a", b"1"),
            ("Authorization", b"x"),
            ("authorization", b"y"),
        ]));
        assert_eq!(block.once("authorization"), Occurrence::Repeated);
        assert_eq!(block.once("A"), Occurrence::Once(b"1"));
        assert_eq!(block.once("b"), Occurrence::Absent);
        assert_eq!(block.all("authorization").collect::<Vec<_>>(), [b"x", b"y"]);
    }

    #[test]
    fn a_name_is_ours_however_its_words_are_joined() {
        for sent in ["x-user", "X-User", "x_user", "X_USER", "x.user", "x~user"] {
            assert!(reads_as(sent.as_bytes(), b"x-user"), "{sent}");
            assert!(reads_as(b"x-user", sent.as_bytes()), "{sent}");
        }
        for sent in [
            "", "xuser", "x-users", "x--user", "x-us-r", "-x-user", "x user ",
        ] {
            assert!(!reads_as(sent.as_bytes(), b"x-user"), "{sent}");
        }
        assert!(begins_as(b"X_Amz_Date", b"x-amz-"));
        assert!(!begins_as(b"x_amzn_a", b"x-amz-"));
        assert!(!begins_as(b"x_am", b"x-amz-"));
    }

    #[test]
    fn lookalikes_are_named_once_and_as_they_were_sent() {
        let block = HeaderBlock::new(encode_refs(&[
            ("x_user", b"1"),
            ("accept", b"2"),
            ("x_user", b"3"),
            ("x-user", b"4"),
            ("x.groups", b"5"),
        ]));
        let ours = ["x-user", "x-groups"];
        let names: Vec<&[u8]> = vec![b"x-user", b"x.groups", b"x_user"];
        assert_eq!(block.lookalikes(ours.into_iter()), names);
        assert!(block.lookalikes(["accep"].into_iter()).is_empty());
    }

    #[test]
    fn reserved_names_are_known_in_every_spelling_that_an_upstream_reads_alike() {
        let reserved = Reserved::names(["x-user", "authorization"]).and_beginning_with("x-amz-");
        for name in [
            "x-user",
            "X-User",
            "x_user",
            "X_USER",
            "Authorization",
            "x-amz-date",
            "X_Amz_Date",
        ] {
            assert!(reserved.has(name.as_bytes()), "{name}");
        }
        for name in ["x-users", "xuser", "x-use", "", "x-amzn", "x-am"] {
            assert!(!reserved.has(name.as_bytes()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn pairs_survive_the_wire_form(pairs in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..20), proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
            let block = HeaderBlock::from_pairs(pairs.iter().map(|(n, v)| (n.as_slice(), v.as_slice())));
            let back: Vec<_> = block.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(back, pairs);
        }

        #[test]
        fn arbitrary_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let block = HeaderBlock::new(bytes);
            prop_assert!(block.iter().count() <= 200);
        }
    }
}
