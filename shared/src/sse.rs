//! Server-sent events as bytes to be judged and edited (WHATWG HTML, section 9.2 "Server-sent
//! events").
//!
//! Decides where one event ends and the next begins, what an event's data is, and how an event
//! looks with other data; everything else (comments, ids, event names, the kind of line ends, a
//! byte order mark) keeps its bytes. The blocks in their order are exactly the stream.
//!
//! Algorithm: bytes are pushed in any pieces; [`Framer::next_block`] yields a block for each blank
//! line. A line ends with LF, CRLF or CR. A CR that closes a block waits for the next byte, lest an
//! LF be torn from it, unless the stream has shown before that its lines end with CR alone. So any
//! split of the bytes gives the same blocks. Each byte is looked at once.
//!
//! What it cannot do: decode the data (that is the caller's), keep a retry timer or a last event
//! id, or hold a block longer than its bound.

use core::fmt;
use std::borrow::Cow;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Cuts a stream into blocks.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the block being read begins in the buffer.
    start: usize,
    /// Up to where it has been looked at.
    at: usize,
    /// Where its current line begins.
    line: usize,
    max_block_bytes: usize,
    /// Whether a line has ended with a CR alone.
    lone_cr: bool,
    /// Whether the last block ended with a CR after which an LF would still belong to that line
    /// end.
    after_cr: bool,
    at_stream_start: bool,
}

/// A block was longer than the framer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockTooLong {
    /// The bound, in bytes.
    pub max_block_bytes: usize,
}

impl fmt::Display for BlockTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event is longer than {} bytes", self.max_block_bytes)
    }
}

impl std::error::Error for BlockTooLong {}

/// All lines up to and with a blank one: an event, or only comments, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    raw: &'a [u8],
    first: bool,
    complete: bool,
}

impl Framer {
    /// A framer at the start of a stream that holds at most `max_block_bytes` of an unfinished
    /// block.
    #[must_use]
    pub fn new(max_block_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            at: 0,
            line: 0,
            max_block_bytes,
            lone_cr: false,
            after_cr: false,
            at_stream_start: true,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.at = self.at.saturating_sub(self.start);
            self.line = self.line.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete block; none until more bytes are pushed.
    ///
    /// # Errors
    /// [`BlockTooLong`]; the stream cannot be read on.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, BlockTooLong> {
        while let Some(end) = self.line_end(false) {
            if let Some(end) = self.end_line(end)? {
                return Ok(Some(self.take(end, true)));
            }
        }
        self.bound(self.buffer.len())?;
        Ok(None)
    }

    /// What is left when the stream has ended: a block without its blank line, or one that waited
    /// for an LF.
    ///
    /// # Errors
    /// [`BlockTooLong`].
    pub fn finish(&mut self) -> Result<Option<Block<'_>>, BlockTooLong> {
        while let Some(end) = self.line_end(true) {
            if let Some(end) = self.end_line(end)? {
                return Ok(Some(self.take(end, true)));
            }
        }
        let end = self.buffer.len();
        self.bound(end)?;
        Ok(if end > self.start {
            Some(self.take(end, false))
        } else {
            None
        })
    }

    /// Gives up on the stream: the bytes that belong to no block yet.
    #[must_use]
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.start.min(self.buffer.len()));
        self.buffer.clear();
        (self.start, self.at, self.line) = (0, 0, 0);
        rest
    }

    /// Bytes held of a block that is not complete yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// Finds the end of the current line: the offset behind its line end.
    fn line_end(&mut self, ended: bool) -> Option<LineEnd> {
        if self.after_cr && self.at == self.start {
            // The LF of a CRLF whose CR has closed the last block: it goes with this block, but is
            // no line of it.
            match self.buffer.get(self.at) {
                Some(b'\n') => {
                    self.at = self.at.saturating_add(1);
                    self.line = self.at;
                    self.after_cr = false;
                }
                Some(_) => self.after_cr = false,
                None => return None,
            }
        }
        let rest = self.buffer.get(self.at..)?;
        let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.at = self.buffer.len();
            return None;
        };
        let at = self.at.saturating_add(found);
        let after = at.saturating_add(1);
        self.at = at;
        if self.buffer.get(at) == Some(&b'\n') {
            return Some(LineEnd {
                content: at,
                after,
                torn: false,
            });
        }
        let blank = at == self.line;
        match self.buffer.get(after) {
            _ if blank && self.lone_cr => Some(LineEnd {
                content: at,
                after,
                torn: true,
            }),
            Some(b'\n') => Some(LineEnd {
                content: at,
                after: after.saturating_add(1),
                torn: false,
            }),
            Some(_) => {
                self.lone_cr = true;
                Some(LineEnd {
                    content: at,
                    after,
                    torn: false,
                })
            }
            None if ended => Some(LineEnd {
                content: at,
                after,
                torn: false,
            }),
            None => None,
        }
    }

    /// Steps over a line; the end of the block if the line was blank.
    fn end_line(&mut self, end: LineEnd) -> Result<Option<usize>, BlockTooLong> {
        let blank = end.content == self.line;
        self.at = end.after;
        self.line = end.after;
        self.bound(end.after)?;
        if !blank {
            return Ok(None);
        }
        self.after_cr = end.torn;
        Ok(Some(end.after))
    }

    fn bound(&self, end: usize) -> Result<(), BlockTooLong> {
        if end.saturating_sub(self.start) > self.max_block_bytes {
            return Err(BlockTooLong {
                max_block_bytes: self.max_block_bytes,
            });
        }
        Ok(())
    }

    fn take(&mut self, end: usize, complete: bool) -> Block<'_> {
        let first = self.at_stream_start;
        let raw = self.start..end;
        self.at_stream_start = false;
        self.start = end;
        self.at = end;
        self.line = end;
        Block {
            raw: self.buffer.get(raw).unwrap_or_default(),
            first,
            complete,
        }
    }
}

struct LineEnd {
    /// Where the line's content ends.
    content: usize,
    /// Where the next line begins.
    after: usize,
    /// Whether an LF may follow that still belongs to this line end.
    torn: bool,
}

impl<'a> Block<'a> {
    /// A block that has been taken out of a stream before.
    #[must_use]
    pub fn from_raw(raw: &'a [u8]) -> Self {
        Self {
            raw,
            first: true,
            complete: true,
        }
    }

    /// The bytes of the block, with its blank line.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether the block has its blank line; a browser drops one that has not, other clients may
    /// read it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The event's data: the values of its `data` lines, joined by LF. None if it has no such line.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        let mut joined: Option<Cow<'a, [u8]>> = None;
        for line in self.lines() {
            let Some(value) = line.field(b"data") else {
                continue;
            };
            match &mut joined {
                None => joined = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            }
        }
        joined
    }

    /// The event's name: the value of its last `event` line.
    #[must_use]
    pub fn event(&self) -> Option<&'a [u8]> {
        self.lines().filter_map(|line| line.field(b"event")).last()
    }

    /// The block with other data: its first `data` line becomes as many lines as `data` has, the
    /// other `data` lines go, every other byte stays. A block without a `data` line stays as it is.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.raw.len().saturating_add(data.len()));
        let mut written = false;
        for line in self.lines() {
            if line.field(b"data").is_none() {
                line.write(line.content, &mut block);
                continue;
            }
            block.extend_from_slice(line.lead);
            if written {
                continue;
            }
            written = true;
            // A reader would take a CR in the data for a line end as well.
            let mut values = data.split(|byte| matches!(byte, b'\n' | b'\r')).peekable();
            let between = if line.end.is_empty() {
                b"\n".as_slice()
            } else {
                line.end
            };
            while let Some(value) = values.next() {
                block.extend_from_slice(b"data: ");
                block.extend_from_slice(value);
                block.extend_from_slice(if values.peek().is_some() {
                    between
                } else {
                    line.end
                });
            }
        }
        block
    }

    /// The block with changes in what is no data: comments, names, ids, lines without a field. None
    /// if there are none.
    #[must_use]
    pub fn with_others(&self, mut change: impl FnMut(&str) -> Option<String>) -> Option<Vec<u8>> {
        let mut changed = false;
        let mut block = Vec::new();
        for (at, line) in self.lines().enumerate() {
            let other = if line.content.is_empty() || line.field(b"data").is_some() {
                None
            } else {
                change(&String::from_utf8_lossy(line.content))
            };
            if other.is_some() && !changed {
                changed = true;
                for before in self.lines().take(at) {
                    before.write(before.content, &mut block);
                }
            }
            if changed {
                let content = other.as_deref().map_or(line.content, str::as_bytes);
                line.write(content, &mut block);
            }
        }
        changed.then_some(block)
    }

    /// Other bytes in this block's place.
    #[must_use]
    pub fn of_same_place<'b>(&self, raw: &'b [u8]) -> Block<'b> {
        Block { raw, ..*self }
    }

    /// Whether it is nothing but comments and blank lines.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        self.lines()
            .all(|line| line.content.is_empty() || line.content.starts_with(b":"))
    }

    fn lines(&self) -> Lines<'a> {
        let mut lead = 0;
        if self.first && self.raw.starts_with(BOM) {
            lead = BOM.len();
        } else if !self.first && self.raw.starts_with(b"\n") && self.raw.len() > 1 {
            // The LF that a lone CR has left behind. (An LF alone is the blank line of a block
            // without other lines.)
            lead = 1;
        }
        Lines {
            rest: self.raw,
            lead,
        }
    }
}

struct Lines<'a> {
    rest: &'a [u8],
    lead: usize,
}

struct Line<'a> {
    /// Bytes before the line that are no part of it: a byte order mark, an LF left behind.
    lead: &'a [u8],
    content: &'a [u8],
    end: &'a [u8],
}

impl<'a> Line<'a> {
    fn write(&self, content: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.lead);
        out.extend_from_slice(content);
        out.extend_from_slice(self.end);
    }

    /// The value, if the line is this field: what follows the colon and one optional space.
    fn field(&self, name: &[u8]) -> Option<&'a [u8]> {
        let rest = self.content.strip_prefix(name)?;
        match rest.split_first() {
            None => Some(rest),
            Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
            Some(_) => None,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (lead, rest) = self.rest.split_at_checked(self.lead)?;
        self.lead = 0;
        let content = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (content, rest) = rest.split_at_checked(content)?;
        let end = match rest {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let (end, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Line { lead, content, end })
    }
}

#[cfg(test)]
mod tests;
