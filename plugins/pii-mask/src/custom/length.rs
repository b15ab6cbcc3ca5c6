//! How long the longest match of a pattern is, by how it is written: sums over what stands one
//! behind the other, the most of what stands beside each other. What repeats without a bound has
//! none; nor is there a beginning or an end of a text of which a stream shows a part.

use core::fmt;
use core::iter::Peekable;
use core::str::Chars;

/// Deepest nesting.
const DEEPEST: usize = 24;

/// Why a pattern has no longest match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// `*`, `+` and `{2,}`.
    Unbounded,
    /// `^`, `$`, `\A` and `\z`.
    Anchor,
    /// A flag other than `i` and `s`.
    Flag,
    /// So many bytes.
    TooLong(usize),
    /// It cannot be read.
    Unreadable,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbounded => f.write_str("it repeats something without a bound"),
            Self::Anchor => f.write_str("it asks for the beginning or end of the text"),
            Self::Flag => f.write_str("it has a flag other than `i` and `s`"),
            Self::TooLong(bytes) => write!(f, "its matches may have {bytes} bytes"),
            Self::Unreadable => f.write_str("it cannot be read"),
        }
    }
}

/// The most bytes that a match has.
///
/// # Errors
/// There is no such bound, or it is above `most`.
pub fn longest(pattern: &str, most: usize) -> Result<usize, Refused> {
    let mut reader = Reader {
        signs: pattern.chars().peekable(),
        depth: 0,
    };
    let length = reader.alternatives()?;
    match reader.signs.next() {
        Some(_) => Err(Refused::Unreadable),
        None if length > most => Err(Refused::TooLong(length)),
        None => Ok(length),
    }
}

/// What each match begins with, as far as the pattern says it in plain letters.
pub fn front(pattern: &str) -> &str {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_ #:/@".contains(sign);
    let end = pattern.find(|sign| !plain(sign)).unwrap_or(pattern.len());
    let (front, rest) = pattern.split_at(end);
    let repeated = rest.starts_with(['?', '{', '*', '+']);
    let front = if repeated {
        front
            .get(..front.len().saturating_sub(1))
            .unwrap_or_default()
    } else {
        front
    };
    if pattern.contains('|') { "" } else { front }
}

struct Reader<'a> {
    signs: Peekable<Chars<'a>>,
    depth: usize,
}

impl Reader<'_> {
    fn alternatives(&mut self) -> Result<usize, Refused> {
        let mut most = self.sequence()?;
        while self.signs.next_if_eq(&'|').is_some() {
            most = most.max(self.sequence()?);
        }
        Ok(most)
    }

    fn sequence(&mut self) -> Result<usize, Refused> {
        let mut sum = 0_usize;
        while let Some(sign) = self.signs.next_if(|sign| !matches!(sign, '|' | ')')) {
            let one = self.one(sign)?;
            let times = self.times()?;
            sum = sum.saturating_add(one.saturating_mul(times));
        }
        Ok(sum)
    }

    fn one(&mut self, sign: char) -> Result<usize, Refused> {
        match sign {
            '(' => self.group(),
            '[' => self.class(),
            '\\' => self.escape(),
            '.' => Ok(char::MAX.len_utf8()),
            '^' | '$' => Err(Refused::Anchor),
            '*' | '+' | '?' | '{' => Err(Refused::Unreadable),
            sign => Ok(sign.len_utf8()),
        }
    }

    fn times(&mut self) -> Result<usize, Refused> {
        let times = match self.signs.peek() {
            Some('?') => {
                self.signs.next();
                1
            }
            Some('*' | '+') => return Err(Refused::Unbounded),
            Some('{') => {
                self.signs.next();
                let least = self.number();
                let most = if self.signs.next_if_eq(&',').is_some() {
                    self.number().ok_or(Refused::Unbounded)?
                } else {
                    least.ok_or(Refused::Unreadable)?
                };
                self.signs.next_if_eq(&'}').ok_or(Refused::Unreadable)?;
                most
            }
            _ => return Ok(1),
        };
        // As few as possible.
        self.signs.next_if_eq(&'?');
        match self.signs.peek() {
            Some('*' | '+' | '{' | '?') => Err(Refused::Unreadable),
            _ => Ok(times),
        }
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.signs.peek().and_then(|sign| sign.to_digit(10)) {
            self.signs.next();
            let digit = usize::try_from(digit).unwrap_or_default();
            number = Some(
                number
                    .unwrap_or(0_usize)
                    .saturating_mul(10)
                    .saturating_add(digit),
            );
        }
        number
    }

    fn group(&mut self) -> Result<usize, Refused> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            return Err(Refused::Unreadable);
        }
        if self.signs.next_if_eq(&'?').is_some() {
            let mut named = false;
            loop {
                match self.signs.next() {
                    Some('P') if self.signs.peek() == Some(&'<') => {}
                    Some('<') => named = true,
                    Some('>') if named => break,
                    Some(_) if named => {}
                    Some('i' | 's' | '-') => {}
                    Some(':') => break,
                    Some(')') => {
                        self.depth = self.depth.saturating_sub(1);
                        return Ok(0);
                    }
                    Some(_) => return Err(Refused::Flag),
                    None => return Err(Refused::Unreadable),
                }
            }
        }
        let length = self.alternatives()?;
        self.signs.next_if_eq(&')').ok_or(Refused::Unreadable)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(length)
    }

    /// One character, of more bytes than one if it may be beyond ASCII.
    fn class(&mut self) -> Result<usize, Refused> {
        let mut wide = self.signs.next_if_eq(&'^').is_some();
        let mut first = true;
        let mut depth = 1_usize;
        while depth > 0 {
            let sign = self.signs.next().ok_or(Refused::Unreadable)?;
            match sign {
                ']' if !first => depth = depth.saturating_sub(1),
                '[' => {
                    depth = depth.saturating_add(1);
                    wide |= self.signs.peek() == Some(&'^');
                }
                '\\' => wide |= self.escape()? > 1,
                sign => wide |= !sign.is_ascii(),
            }
            first = false;
        }
        Ok(if wide { char::MAX.len_utf8() } else { 1 })
    }

    fn escape(&mut self) -> Result<usize, Refused> {
        match self.signs.next() {
            None => Err(Refused::Unreadable),
            Some('A' | 'z') => Err(Refused::Anchor),
            Some('b' | 'B') => Ok(0),
            Some('D' | 'W' | 'S') => Ok(char::MAX.len_utf8()),
            Some('x' | 'u' | 'U') => {
                if self.signs.next_if_eq(&'{').is_some() {
                    while self.signs.next_if(char::is_ascii_hexdigit).is_some() {}
                    self.signs.next_if_eq(&'}').ok_or(Refused::Unreadable)?;
                } else {
                    while self.signs.next_if(char::is_ascii_hexdigit).is_some() {}
                }
                Ok(char::MAX.len_utf8())
            }
            Some(sign) => Ok(sign.len_utf8()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_is_known_from_the_pattern() {
        for (pattern, length) in [
            (r"EMP-\d{6}", Ok(10)),
            (r"(?i)ab|cde", Ok(3)),
            (r"(ab|cde){2,4}x?", Ok(13)),
            (r"(?P<a>[A-Z]{2})[^x]", Ok(6)),
            (r"[]a\]]{3}\.", Ok(4)),
            (r"\bK-[0-9a-f]{1,8}?\b", Ok(10)),
            (r"é.", Ok(6)),
            (r"a*", Err(Refused::Unbounded)),
            (r"a{2,}", Err(Refused::Unbounded)),
            (r"(a+)b", Err(Refused::Unbounded)),
            (r"^a", Err(Refused::Anchor)),
            (r"a\z", Err(Refused::Anchor)),
            (r"(?x)a", Err(Refused::Flag)),
            (r"a{300}", Err(Refused::TooLong(300))),
            (r"(a", Err(Refused::Unreadable)),
            (r"a)", Err(Refused::Unreadable)),
            (r"a{2}{99}", Err(Refused::Unreadable)),
        ] {
            assert_eq!(longest(pattern, 256), length, "{pattern}");
        }
        for (pattern, begins) in [
            (r"EMP-\d{6}", "EMP-"),
            (r"ab?c", "a"),
            (r"ab|c", ""),
            (r"(?i)ab", ""),
            ("abc", "abc"),
            (r"\d", ""),
        ] {
            assert_eq!(front(pattern), begins, "{pattern}");
        }
    }
}
