//! Private keys as text: PEM (RFC 7468, with the headers of RFC 1421), OpenPGP (RFC 9580 section
//! 6), SSH2 (RFC 4716) and PuTTY's files, in whatever a key is pasted with: quoted, commented,
//! indented, as lines of source or of a JSON array, with line ends written as escapes or tags.
//!
//! Algorithm: behind the first line the text is read byte by byte. What is base64 for longer than
//! words are, and headers, belong to the key; signs and short words between are undecided until
//! more of the key follows. The key ends behind its last line, or, if none comes, with the last
//! that surely belonged to it: so what stands around it, a string's quotes above all, stays. What
//! is undecided is bounded, and the verdict depends on no more than the bytes read, in whatever
//! pieces they come.

use super::fold;

/// Most bytes that are undecided at any time.
const MOST_UNDECIDED: u16 = 320;
/// Longest header line.
const LONGEST_HEADER: u16 = 1024;
/// Longest label of a first or last line.
const LONGEST_LABEL: usize = 40;
/// Words that are none of the key's in a row: more are prose.
const MOST_WORDS: u8 = 6;
/// Fewest characters of base64 that are no word; behind a string's end, where other strings follow,
/// fewest that are no name.
const LINE: u16 = 16;
const LINE_OF_ITS_OWN: u16 = 32;

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const SSH2_BEGIN: &[u8] = b"---- BEGIN ";
const PUTTY_BEGIN: &[u8] = b"PuTTY-User-Key-File-";

/// What a byte means for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It may belong to the key.
    Inside,
    /// It is the key's last.
    Last,
    /// The key has ended before, and before what was [undecided](Armor::undecided).
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pem,
    Ssh2,
    Putty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Lines of base64.
    Body,
    /// The value of a header; whether it is the hash that ends PuTTY's files.
    Header { value: Value, hash: bool },
    /// Between two strings of source text; whether a letter stands there that must be a string's
    /// prefix (`b"…"`).
    Between { prefix: bool },
    /// A tag or a character reference, to its last byte.
    Tag { last: u8, length: u8 },
    /// Digits of an escape `\u000a`.
    Escape { left: u8 },
    /// The label of the last line.
    LastLine { length: u8 },
}

/// A header's value as far as it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Empty,
    /// Within quotation marks of its own.
    Quoted,
    Plain,
    /// Plain, and an apostrophe is its last sign.
    Apostrophe,
}

/// What of a line can be the name of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    None,
    Inside,
    Over,
}

/// A run of characters of base64.
#[derive(Debug, Clone, Copy, Default)]
struct Token {
    length: u16,
    digit: bool,
    lower: bool,
    /// A capital that is not its first character.
    inner_upper: bool,
    /// It begins with `=`: a checksum.
    checksum: bool,
    letter: bool,
}

impl Token {
    fn add(&mut self, byte: u8) {
        self.checksum |= self.length == 0 && byte == b'=';
        self.inner_upper |= self.length > 0 && byte.is_ascii_uppercase();
        self.digit |= byte.is_ascii_digit();
        self.lower |= byte.is_ascii_lowercase();
        self.letter |= byte.is_ascii_alphabetic();
        self.length = self.length.saturating_add(1);
    }

    /// Only signs, as decoration is made of.
    fn is_sign(self) -> bool {
        !self.letter && !self.digit
    }

    /// More than a word: long, or short with cases or digits in it as no word has them.
    fn is_key(self, crossed: bool) -> bool {
        let odd = self.length >= 6
            && self.lower
            && ((self.inner_upper && self.digit) || (self.checksum && self.letter));
        if self.is_sign() {
            false
        } else if crossed {
            self.length >= LINE_OF_ITS_OWN
        } else {
            self.length >= LINE || odd
        }
    }

    fn is_word(self) -> bool {
        self.lower && !self.digit && !self.inner_upper
    }
}

/// A private key of which the first line has been read.
#[derive(Debug, Clone, Copy)]
pub struct Armor {
    kind: Kind,
    place: Place,
    /// Bytes behind the last one that surely belongs to the key.
    undecided: u16,
    token: Token,
    /// Bytes behind the last token.
    since_token: u16,
    /// Bytes of a header's line.
    header: u16,
    /// Words in a row.
    words: u8,
    /// Tokens on this line.
    on_line: u8,
    /// The last token has letters, and is no word.
    last_is_odd: bool,
    name: Name,
    /// A line of one word may be the key's last.
    may_be_short: bool,
    /// Headers may stand here.
    headers: bool,
    /// A string has ended since the last that surely belonged to the key.
    crossed: bool,
    /// The byte before is a backslash.
    backslash: bool,
    /// The last 16 bytes.
    recent: u128,
}

/// Whether the text up to here ends as the part of a first line does behind which its label, or
/// version, follows; gives that part's length.
pub fn front(text: &[u8]) -> Option<usize> {
    if !matches!(text, [.., b'N' | b'-' | b':', b' ']) {
        return None;
    }
    if text.ends_with(PEM_BEGIN) || text.ends_with(SSH2_BEGIN) {
        Some(PEM_BEGIN.len())
    } else if text.ends_with(b"---- ") {
        Some(5)
    } else {
        let length = PUTTY_BEGIN.len().saturating_add(3);
        let front = text.get(text.len().checked_sub(length)?..)?;
        is_putty(front).then_some(length)
    }
}

/// Whether a byte can stand in a first line.
pub fn is_in_first_line(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'-')
}

/// Longest first line.
pub const LONGEST_FIRST_LINE: usize = PEM_BEGIN.len() + LONGEST_LABEL + 5;

fn is_putty(text: &[u8]) -> bool {
    matches!(text.strip_prefix(PUTTY_BEGIN), Some([version, b':', b' ', ..]) if version.is_ascii_digit())
}

/// The key that begins at the front of `text`, and the length of its first line (of PuTTY's, up to
/// its value).
pub fn begin(text: &[u8]) -> Option<(Armor, usize)> {
    if is_putty(text) {
        let mut armor = Armor::new(Kind::Putty);
        armor.place = Place::Header {
            value: Value::Empty,
            hash: false,
        };
        return Some((armor, PUTTY_BEGIN.len().saturating_add(3)));
    }
    let (kind, label, dashes): (_, _, &[u8]) = if let Some(label) = text.strip_prefix(PEM_BEGIN) {
        (Kind::Pem, label, b"-----")
    } else {
        (Kind::Ssh2, text.strip_prefix(SSH2_BEGIN)?, b" ----")
    };
    let front = label
        .get(..label.len().min(LONGEST_LABEL.saturating_add(dashes.len())))
        .unwrap_or_default();
    let length = memchr::memmem::find(front, dashes)?;
    let name = front.get(..length)?;
    let private = name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK");
    let length = PEM_BEGIN
        .len()
        .saturating_add(length)
        .saturating_add(dashes.len());
    (private
        && name
            .iter()
            .all(|byte| *byte != b'-' && is_in_first_line(*byte)))
    .then(|| (Armor::new(kind), length))
}

/// Where the key that begins at the front of `text` ends, and how it may go on if that is as far as
/// the text goes.
pub fn read(text: &[u8]) -> Option<(usize, Option<Armor>)> {
    let (mut armor, first_line) = begin(text)?;
    let (length, ended) = armor.take(text.get(first_line..)?);
    Some((first_line.saturating_add(length), (!ended).then_some(armor)))
}

/// Length of the invisible character at the front of `text`, if one is there.
fn invisible(text: &[u8]) -> usize {
    match text {
        [0xC2, 0xAD, ..] => 2,
        [0xE2, 0x80, 0x8B..=0x8F, ..] | [0xE2, 0x81, 0xA0, ..] | [0xEF, 0xBB, 0xBF, ..] => 3,
        _ => 0,
    }
}

impl Armor {
    /// Takes a text to its end, or to the key's: how many of its bytes belong to the key, and
    /// whether that ends in it.
    pub fn take(&mut self, text: &[u8]) -> (usize, bool) {
        let mut at = 0_usize;
        while let Some(byte) = text.get(at) {
            let unseen = if byte.is_ascii() {
                0
            } else {
                invisible(text.get(at..).unwrap_or_default())
            };
            let step = match unseen {
                0 => self.step(*byte),
                length => self.pass(length),
            };
            let next = at.saturating_add(unseen.max(1));
            match step {
                Step::Inside => at = next,
                Step::Last => return (next, true),
                Step::Over => return (at.saturating_sub(self.undecided()), true),
            }
        }
        (text.len().saturating_sub(self.end()), false)
    }

    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            place: Place::Body,
            undecided: 0,
            token: Token {
                length: 0,
                digit: false,
                lower: false,
                inner_upper: false,
                checksum: false,
                letter: false,
            },
            since_token: 0,
            header: 0,
            words: 0,
            on_line: 0,
            last_is_odd: false,
            name: Name::None,
            may_be_short: true,
            headers: true,
            crossed: false,
            backslash: false,
            recent: 0,
        }
    }

    /// Bytes behind the last one that surely belongs to the key.
    pub fn undecided(&self) -> usize {
        usize::from(self.undecided)
    }

    /// The text has ended: how many of its last bytes are none of the key's.
    pub fn end(mut self) -> usize {
        self.line_end();
        self.undecided()
    }

    /// The key goes on in another text: the next element of an array of lines.
    pub fn next_text(&mut self) {
        self.line_end();
        (self.undecided, self.since_token, self.recent) = (0, 0, 0);
        self.place = Place::Body;
        (self.crossed, self.backslash) = (false, false);
    }

    /// Takes the next character.
    pub fn step_over(&mut self, character: char) -> Step {
        if fold::is_invisible(character) {
            return self.pass(character.len_utf8());
        }
        let mut bytes = [0; 4];
        character
            .encode_utf8(&mut bytes)
            .bytes()
            .map(|byte| self.step(byte))
            .find(|step| *step != Step::Inside)
            .unwrap_or(Step::Inside)
    }

    /// So many bytes are of a character that nobody sees: the key goes on behind it.
    fn pass(&mut self, length: usize) -> Step {
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        let undecided = self.undecided.saturating_add(length);
        if undecided > MOST_UNDECIDED {
            return Step::Over;
        }
        self.undecided = undecided;
        self.since_token = self.since_token.saturating_add(length);
        Step::Inside
    }

    /// Takes the next byte.
    fn step(&mut self, byte: u8) -> Step {
        self.recent = self.recent << 8 | u128::from(byte);
        let escaped = core::mem::replace(&mut self.backslash, byte == b'\\');
        self.undecided = self.undecided.saturating_add(1);
        self.since_token = self.since_token.saturating_add(1);
        let step = match self.place {
            Place::Body => self.body(byte, escaped),
            Place::Header { value, hash } => self.in_header(byte, escaped, value, hash),
            Place::Between { prefix } => self.between(byte, escaped, prefix),
            Place::Tag { last, length } => self.in_tag(byte, last, length),
            Place::Escape { left } => self.in_escape(byte, left),
            Place::LastLine { length } => return self.in_last_line(byte, length),
        };
        if step == Step::Over || self.undecided > MOST_UNDECIDED {
            self.undecided = self.undecided.saturating_sub(1);
            return Step::Over;
        }
        step
    }

    fn ends_with(&self, text: &[u8]) -> bool {
        let bytes = self.recent.to_be_bytes();
        bytes.ends_with(text)
    }

    /// Everything up to this byte belongs to the key.
    fn accept(&mut self) {
        self.undecided = 0;
        self.words = 0;
        self.crossed = false;
    }

    fn body(&mut self, byte: u8, escaped: bool) -> Step {
        if escaped && matches!(byte, b'n' | b'r' | b't' | b'u') {
            self.token_end();
            if byte == b'u' {
                self.place = Place::Escape { left: 4 };
            } else if byte != b't' {
                self.line_end();
            }
            return Step::Inside;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') {
            return self.in_token(byte);
        }
        match (byte, self.name) {
            (b':', Name::Inside) if self.headers || self.kind == Kind::Putty => {
                self.place = Place::Header {
                    value: Value::Empty,
                    hash: self.ends_with(b"Private-MAC:") || self.ends_with(b"Private-Hash:"),
                };
                self.token = Token::default();
                (self.on_line, self.name, self.header) = (0, Name::None, 0);
                self.accept();
                return Step::Inside;
            }
            (b'-', _) | (_, Name::None) => {}
            _ => self.name = Name::Over,
        }
        self.token_end();
        match byte {
            b' ' if self.ends_with(b"-----END ") || self.ends_with(b"---- END ") => {
                self.accept();
                self.place = Place::LastLine { length: 0 };
            }
            b'\n' | b'\r' => self.line_end(),
            b'"' | b'\'' | b'`' => self.string_end(),
            b'<' => {
                self.place = Place::Tag {
                    last: b'>',
                    length: 0,
                }
            }
            b'&' => {
                self.place = Place::Tag {
                    last: b';',
                    length: 0,
                }
            }
            b'{' | b'}' | b'?' | b'$' | b'^' => return Step::Over,
            // A sentence's end is no decoration: the line is none of a short token.
            b'.' => self.on_line = self.on_line.saturating_add(1),
            b'\t' | b' '..=b'~' => {}
            _ => return Step::Over,
        }
        Step::Inside
    }

    fn in_token(&mut self, byte: u8) -> Step {
        self.name = match self.name {
            Name::None if byte.is_ascii_alphabetic() => Name::Inside,
            Name::Inside if !byte.is_ascii_alphanumeric() => Name::Over,
            name => name,
        };
        self.token.add(byte);
        self.since_token = 0;
        if self.token.length >= LINE && self.token.is_key(self.crossed) {
            self.accept();
            self.headers = false;
        }
        let begins =
            self.ends_with(b"-----B") || self.ends_with(b"---- B") || self.ends_with(b"PuTTY-User");
        if begins || self.words > MOST_WORDS {
            return Step::Over;
        }
        Step::Inside
    }

    fn token_end(&mut self) {
        let token = core::mem::take(&mut self.token);
        if token.length == 0 || token.is_sign() {
            return;
        }
        self.on_line = self.on_line.saturating_add(1);
        self.words = self.words.saturating_add(u8::from(token.is_word()));
        self.last_is_odd = token.letter && !token.is_word();
        if token.is_key(self.crossed) {
            self.accept_to_token();
            self.may_be_short = true;
        }
    }

    /// Everything up to the last token belongs to the key.
    fn accept_to_token(&mut self) {
        self.accept();
        self.undecided = self.since_token;
    }

    /// A line has ended: a single short token on it may be the key's last.
    fn line_end(&mut self) {
        self.token_end();
        let single = self.on_line == 1 && self.undecided > self.since_token;
        if single && !self.crossed && (self.may_be_short || self.last_is_odd) {
            self.may_be_short &= self.last_is_odd;
            self.headers = false;
            self.accept_to_token();
        }
        (self.on_line, self.name) = (0, Name::None);
    }

    /// A string has ended; the key may go on in the next.
    fn string_end(&mut self) {
        self.line_end();
        self.crossed = true;
        self.place = Place::Between { prefix: false };
    }

    fn in_header(&mut self, byte: u8, escaped: bool, value: Value, hash: bool) -> Step {
        self.header = self.header.saturating_add(1);
        let ends = matches!(byte, b'\n' | b'\r') || (escaped && matches!(byte, b'n' | b'r'));
        let hex = matches!(byte, b' ' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F');
        if self.header > LONGEST_HEADER || (hash && !hex) {
            return Step::Over;
        }
        let place = |value| Place::Header { value, hash };
        match (byte, value) {
            // The value's last sign is the mark of a string that ends here.
            _ if ends && value == Value::Apostrophe => self.string_end(),
            // A comment in an SSH2 file goes on behind a backslash.
            (b'\n', _) if escaped && self.kind == Kind::Ssh2 => {}
            _ if ends => self.place = Place::Body,
            (b'u', _) if escaped => self.place = Place::Escape { left: 4 },
            (b'\'', Value::Plain | Value::Apostrophe) => self.place = place(Value::Apostrophe),
            (b'"', Value::Empty) => {
                self.place = place(Value::Quoted);
                self.accept();
            }
            (b'"', Value::Quoted) => {
                self.place = place(Value::Plain);
                self.accept();
            }
            (b'"', _) => self.string_end(),
            (b' ' | b'\\' | b'+' | b',', _) => {}
            _ => {
                if value != Value::Quoted {
                    self.place = place(Value::Plain);
                }
                // An end stands behind a whole character.
                if byte.is_ascii() {
                    self.accept();
                }
                if self.ends_with(b"<br") || self.ends_with(b"<BR") {
                    self.place = Place::Tag {
                        last: b'>',
                        length: 2,
                    };
                }
            }
        }
        Step::Inside
    }

    fn between(&mut self, byte: u8, escaped: bool, prefix: bool) -> Step {
        match byte {
            b'"' | b'\'' | b'`' => self.place = Place::Body,
            _ if prefix => return Step::Over,
            b'n' | b'r' | b't' if escaped => {}
            b'b' | b'B' | b'f' | b'F' | b'r' | b'R' | b'u' | b'U' | b'L' | b'@' => {
                self.place = Place::Between { prefix: true };
            }
            b' ' | b'\t' | b'\n' | b'\r' | b'\\' | b'+' | b',' | b'.' | b'&' | b'#' | b'/'
            | b'*' | b'>' | b';' | b'_' | b'|' | b'%' | b'-' | b'~' | b'<' => {}
            _ => return Step::Over,
        }
        Step::Inside
    }

    fn in_tag(&mut self, byte: u8, last: u8, length: u8) -> Step {
        let inside = byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'#');
        if byte == last {
            self.place = Place::Body;
            if last == b'>' {
                self.line_end();
            }
        } else if length == 0 && !inside {
            // No tag: a sign by itself, as quoted text has it.
            self.place = Place::Body;
            return self.body(byte, false);
        } else if length >= 12 || !(inside || byte == b' ') {
            return Step::Over;
        } else {
            let length = length.saturating_add(1);
            self.place = Place::Tag { last, length };
        }
        Step::Inside
    }

    fn in_escape(&mut self, byte: u8, left: u8) -> Step {
        if !byte.is_ascii_hexdigit() {
            return Step::Over;
        }
        self.place = match left {
            0 | 1 => {
                self.line_end();
                Place::Body
            }
            _ => Place::Escape {
                left: left.saturating_sub(1),
            },
        };
        Step::Inside
    }

    fn in_last_line(&mut self, byte: u8, length: u8) -> Step {
        let dashes: &[u8] = match self.kind {
            Kind::Ssh2 => b" ----",
            Kind::Pem | Kind::Putty => b"-----",
        };
        let limit = u8::try_from(LONGEST_LABEL.saturating_add(dashes.len())).unwrap_or(u8::MAX);
        self.undecided = 0;
        if !is_in_first_line(byte) || length >= limit {
            return Step::Over;
        }
        let length = length.saturating_add(1);
        self.place = Place::LastLine { length };
        if usize::from(length) > dashes.len() && self.ends_with(dashes) {
            return Step::Last;
        }
        Step::Inside
    }
}
