//! The pull parser: one token a call, an explicit stack, no recursion.
//!
//! Its whole state is the offset, the stack and what the grammar expects next, so that it could be
//! fed by pieces.

use super::numbers;
use super::path::{Frame, Path};
use super::string::Text;
use super::{DuplicateMembers, JsonError, JsonProblem, Limits, NonFinite};
use crate::lanes::Lanes;
use core::ops::Range;
use std::borrow::Cow;

/// One token of a document. Colons, commas and white space are not tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// A member's name; its value follows.
    Key(Text<'a>),
    /// A string value.
    String(Text<'a>),
    /// A number, as written.
    Number(Number<'a>),
    /// `true`, `false` or `null`.
    Literal(Literal),
}

/// A number as written: never converted here, so none loses a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<'a> {
    raw: &'a str,
    start: usize,
}

impl<'a> Number<'a> {
    /// Its text.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Where it stands in the document.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.raw.len())
    }
}

/// The three words of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value.
    Value,
    /// A value, or the end of an array that has just begun.
    ElementOrEnd,
    /// A member's name, or the end of an object that has just begun.
    KeyOrEnd,
    /// A member's name: after a comma.
    Key,
    /// A comma or the end of the innermost container; nothing more at the root.
    CommaOrEnd,
}

/// Pulls the tokens of one document.
#[derive(Debug)]
pub struct Walker<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    expect: Expect,
    frames: Vec<Frame<'a>>,
    /// With duplicates refused: the names of all open objects, and where each object's names begin.
    names: Vec<Cow<'a, str>>,
    first_names: Vec<usize>,
}

impl<'a> Walker<'a> {
    /// Begins at the document's first byte.
    ///
    /// # Errors
    /// [`JsonProblem::TooLong`], [`JsonProblem::NotUtf8`].
    pub fn new(document: &'a [u8], limits: Limits) -> Result<Self, JsonError> {
        if document.len() > limits.max_bytes {
            return Err(JsonError {
                at: limits.max_bytes,
                problem: JsonProblem::TooLong,
            });
        }
        let text = core::str::from_utf8(document).map_err(|error| JsonError {
            at: error.valid_up_to(),
            problem: JsonProblem::NotUtf8,
        })?;
        Ok(Self {
            text,
            at: 0,
            limits,
            expect: Expect::Value,
            frames: Vec::new(),
            names: Vec::new(),
            first_names: Vec::new(),
        })
    }

    /// The path of the token that [`Walker::next_token`] gave last; for the start or end of a
    /// container, the container's.
    #[must_use]
    pub fn path(&self) -> Path<'_, 'a> {
        Path {
            frames: &self.frames,
        }
    }

    /// Where the walker stands: behind the token that it gave last; behind the colon for a member's
    /// name.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next token; none after the document's end.
    ///
    /// # Errors
    /// The first thing that is not JSON, or that exceeds the limits. After an error the walker must
    /// not be used on.
    pub fn next_token(&mut self) -> Result<Option<Token<'a>>, JsonError> {
        loop {
            self.skip_space();
            let Some(byte) = self.peek() else {
                let done = self.expect == Expect::CommaOrEnd && self.frames.is_empty();
                return if done {
                    Ok(None)
                } else {
                    Err(self.error(JsonProblem::Incomplete))
                };
            };
            match (self.expect, byte) {
                (Expect::CommaOrEnd, b',') if !self.frames.is_empty() => {
                    self.advance(1);
                    match self.frames.last_mut() {
                        Some(Frame::Array { index }) => {
                            *index = index.saturating_add(1);
                            self.expect = Expect::Value;
                        }
                        _ => self.expect = Expect::Key,
                    }
                }
                (Expect::CommaOrEnd | Expect::ElementOrEnd, b']') => {
                    return self.end_array().map(Some);
                }
                (Expect::CommaOrEnd | Expect::KeyOrEnd, b'}') => {
                    return self.end_object().map(Some);
                }
                (Expect::CommaOrEnd, _) => {
                    let trailing = self.frames.is_empty();
                    let problem = if trailing {
                        JsonProblem::TrailingText
                    } else {
                        JsonProblem::UnexpectedByte
                    };
                    return Err(self.error(problem));
                }
                (Expect::Key | Expect::KeyOrEnd, b'"') => return self.key().map(Some),
                (Expect::Key | Expect::KeyOrEnd, _) => {
                    return Err(self.error(JsonProblem::UnexpectedByte));
                }
                (Expect::Value | Expect::ElementOrEnd, _) => return self.value(byte).map(Some),
            }
        }
    }

    /// Passes over elements of an array that are numbers without an exponent and with at most six
    /// digits before their point, if one may stand there: the next token is the one behind them.
    /// The last element of an array is always a token.
    pub fn pass_numbers(&mut self) {
        let Some(Frame::Array { index }) = self.frames.last_mut() else {
            return;
        };
        let comma = match (self.expect, self.text.as_bytes().get(self.at)) {
            (Expect::ElementOrEnd | Expect::Value, _) => 0,
            (Expect::CommaOrEnd, Some(b',')) => 1,
            _ => return,
        };
        let from = self.at.saturating_add(comma);
        let run = numbers::plain(self.text.as_bytes().get(from..).unwrap_or_default());
        if run.count > 0 {
            *index = index.saturating_add(comma).saturating_add(run.count);
            self.at = from.saturating_add(run.bytes);
            self.expect = Expect::Value;
        }
    }

    fn value(&mut self, byte: u8) -> Result<Token<'a>, JsonError> {
        let token = match byte {
            b'{' => {
                self.open()?;
                self.frames.push(Frame::Object { member: None });
                if self.limits.duplicate_members == DuplicateMembers::Refuse {
                    self.first_names.push(self.names.len());
                }
                self.expect = Expect::KeyOrEnd;
                return Ok(Token::ObjectStart);
            }
            b'[' => {
                self.open()?;
                self.frames.push(Frame::Array { index: 0 });
                self.expect = Expect::ElementOrEnd;
                return Ok(Token::ArrayStart);
            }
            b'"' => Token::String(self.string()?),
            b't' => self.word("true", Token::Literal(Literal::True))?,
            b'f' => self.word("false", Token::Literal(Literal::False))?,
            b'n' => self.word("null", Token::Literal(Literal::Null))?,
            b'-' | b'0'..=b'9' => Token::Number(self.number()?),
            b'N' | b'I' if self.limits.non_finite == NonFinite::Accept => {
                Token::Number(self.non_finite()?)
            }
            _ => return Err(self.error(JsonProblem::UnexpectedByte)),
        };
        self.expect = Expect::CommaOrEnd;
        Ok(token)
    }

    fn open(&mut self) -> Result<(), JsonError> {
        if self.frames.len() >= self.limits.max_depth {
            return Err(self.error(JsonProblem::TooDeep));
        }
        self.advance(1);
        Ok(())
    }

    fn end_array(&mut self) -> Result<Token<'a>, JsonError> {
        match self.frames.pop() {
            Some(Frame::Array { .. }) => self.close(Token::ArrayEnd),
            Some(Frame::Object { .. }) => Err(self.error(JsonProblem::UnexpectedByte)),
            None => Err(self.error(JsonProblem::TrailingText)),
        }
    }

    fn end_object(&mut self) -> Result<Token<'a>, JsonError> {
        match self.frames.pop() {
            Some(Frame::Object { .. }) => {}
            Some(Frame::Array { .. }) => return Err(self.error(JsonProblem::UnexpectedByte)),
            None => return Err(self.error(JsonProblem::TrailingText)),
        }
        if let Some(first) = self.first_names.pop() {
            // Sorting finds duplicates in n log n without a hash that a client could make collide.
            if let Some(names) = self.names.get_mut(first..) {
                names.sort_unstable();
                if names
                    .windows(2)
                    .any(|pair| matches!(pair, [a, b] if a == b))
                {
                    return Err(self.error(JsonProblem::DuplicateMember));
                }
            }
            self.names.truncate(first);
        }
        self.close(Token::ObjectEnd)
    }

    fn close(&mut self, token: Token<'a>) -> Result<Token<'a>, JsonError> {
        self.advance(1);
        self.expect = Expect::CommaOrEnd;
        Ok(token)
    }

    fn key(&mut self) -> Result<Token<'a>, JsonError> {
        let name = self.string()?;
        if self.limits.duplicate_members == DuplicateMembers::Refuse {
            self.names.push(name.decode());
        }
        if let Some(Frame::Object { member }) = self.frames.last_mut() {
            *member = Some(name);
        }
        self.skip_space();
        match self.peek() {
            Some(b':') => self.advance(1),
            Some(_) => return Err(self.error(JsonProblem::UnexpectedByte)),
            None => return Err(self.error(JsonProblem::Incomplete)),
        }
        self.expect = Expect::Value;
        Ok(Token::Key(name))
    }

    /// Reads a string from its opening quote past its closing one.
    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.advance(1);
        let start = self.at;
        let mut escaped = false;
        loop {
            self.advance(plain_length(self.rest()));
            match self.peek() {
                Some(b'"') => {
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    self.advance(1);
                    return Ok(Text::new(raw, start, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.error(JsonProblem::ControlCharacter)),
                None => return Err(self.error(JsonProblem::Incomplete)),
            }
        }
    }

    /// Checks one escape and steps over it.
    fn escape(&mut self) -> Result<(), JsonError> {
        match self.rest() {
            [
                _,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => self.advance(2),
            [_, b'u', digits @ ..] => match digits.get(..4) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => self.advance(6),
                Some(_) => return Err(self.error(JsonProblem::BadEscape)),
                None => return Err(self.error(JsonProblem::Incomplete)),
            },
            [_] => return Err(self.error(JsonProblem::Incomplete)),
            _ => return Err(self.error(JsonProblem::BadEscape)),
        }
        Ok(())
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, JsonError> {
        if self.rest().starts_with(word.as_bytes()) {
            self.advance(word.len());
            return Ok(token);
        }
        let cut = word.as_bytes().starts_with(self.rest());
        Err(self.error(if cut {
            JsonProblem::Incomplete
        } else {
            JsonProblem::UnexpectedByte
        }))
    }

    /// RFC 8259 section 6: an optional minus, an integer without leading zeros, a fraction, an
    /// exponent.
    fn number(&mut self) -> Result<Number<'a>, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.advance(1);
            if self.peek() == Some(b'I') && self.limits.non_finite == NonFinite::Accept {
                return self.non_finite();
            }
        }
        match self.peek() {
            Some(b'0') => self.advance(1),
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.advance(1);
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.advance(1);
            }
            self.digits()?;
        }
        if self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        {
            return Err(self.error(JsonProblem::BadNumber));
        }
        Ok(Number {
            raw: self.text.get(start..self.at).unwrap_or_default(),
            start,
        })
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            let ended = self.peek().is_none();
            return Err(self.error(if ended {
                JsonProblem::Incomplete
            } else {
                JsonProblem::BadNumber
            }));
        }
        self.advance(count);
        Ok(())
    }

    /// `NaN` or `Infinity`; the minus of `-Infinity` is already behind.
    fn non_finite(&mut self) -> Result<Number<'a>, JsonError> {
        let minus = self
            .at
            .checked_sub(1)
            .is_some_and(|before| self.text.as_bytes().get(before) == Some(&b'-'));
        let start = if minus {
            self.at.saturating_sub(1)
        } else {
            self.at
        };
        let word = if !minus && self.peek() == Some(b'N') {
            "NaN"
        } else {
            "Infinity"
        };
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.error(JsonProblem::BadNumber));
        }
        self.advance(word.len());
        Ok(Number {
            raw: self.text.get(start..self.at).unwrap_or_default(),
            start,
        })
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.advance(1);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn error(&self, problem: JsonProblem) -> JsonError {
        JsonError {
            at: self.at,
            problem,
        }
    }
}

/// Stretches of eight bytes at the front of a string before longer ones are looked at.
const SHORT: usize = 6;

/// How many bytes at the front need no thought inside a string: no quote, no backslash, no control
/// character.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // Sets the high bit of some byte exactly when a byte of the word is zero.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut length = 0_usize;
    let (words, _) = bytes.as_chunks::<8>();
    for word in words.iter().take(SHORT) {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word & HIGH;
        let quote = zero(word ^ ONES.wrapping_mul(u64::from(b'"')));
        let backslash = zero(word ^ ONES.wrapping_mul(u64::from(b'\\')));
        let hit = control | quote | backslash;
        if hit != 0 {
            // Borrows run upwards only: the lowest set bit is exact.
            return length.saturating_add((hit.trailing_zeros() / 8) as usize);
        }
        length = length.saturating_add(8);
    }
    // What is longer is looked at in longer stretches.
    while let Some(stretch) = bytes.get(length..).and_then(<[u8]>::first_chunk) {
        let lanes = Lanes::new(stretch);
        let hit = lanes.are(b'"') | lanes.are(b'\\') | lanes.between(0, 0x1f);
        let plain = hit.bits().trailing_zeros();
        length = length.saturating_add(usize::try_from(plain).unwrap_or_default());
        if plain < u64::BITS {
            return length;
        }
    }
    let tail = bytes.get(length..).unwrap_or_default();
    length.saturating_add(
        tail.iter()
            .take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\'))
            .count(),
    )
}
