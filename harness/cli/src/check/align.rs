//! Where each character of a scalar's text stands in the file, however it is written: as a block,
//! literal or folded, in quotes, with escapes, over several lines, with either kind of line end.

use located_yaml::{Node, Place};

/// The places of a text.
pub(super) struct Places {
    /// Of each character, and of the end.
    characters: Vec<Place>,
    /// The number of the first character of each line of the text.
    lines: Vec<usize>,
}

impl Places {
    /// Of the text of a scalar that stands in this file; `None` where that cannot be told.
    pub fn of(source: &str, node: &Node) -> Option<Self> {
        let text = node.text()?;
        let mut cursor = Cursor::at(source, node.place)?;
        cursor.skip_properties(text);
        let quote = cursor.peek().filter(|first| matches!(first, '"' | '\''));
        // A text that begins with its own quotes begins where it stands; a quoted one behind the
        // quote.
        let quoted = quote.is_some_and(|_| cursor.is_quoted(text));
        if quoted {
            cursor.step();
        }
        let escapes = quote.filter(|_| quoted);
        let mut characters = Vec::with_capacity(text.len().saturating_add(1));
        let mut lines = vec![0];
        for (at, wanted) in text.chars().enumerate() {
            characters.push(cursor.find(wanted, escapes)?);
            if wanted == '\n' {
                lines.push(at.saturating_add(1));
            }
        }
        characters.push(cursor.place());
        Some(Self { characters, lines })
    }

    /// Of a text whose characters, and whose end, stand at these places.
    pub fn of_characters(text: &str, characters: Vec<Place>) -> Self {
        let ends = text.chars().enumerate().filter(|(_, c)| *c == '\n');
        let lines = ends.map(|(at, _)| at.saturating_add(1));
        Self {
            lines: std::iter::once(0).chain(lines).collect(),
            characters,
        }
    }

    /// Where a place of the text is in the file.
    pub fn get(&self, inside: Place) -> Option<Place> {
        let first = self.lines.get(inside.line.checked_sub(1)?)?;
        let at = first.saturating_add(inside.column.checked_sub(1)?);
        self.characters.get(at).or(self.characters.last()).copied()
    }
}

/// A position in a file.
struct Cursor<'a> {
    lines: std::iter::Peekable<std::str::Split<'a, char>>,
    /// What is left of the line.
    rest: std::str::Chars<'a>,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    fn at(source: &'a str, place: Place) -> Option<Self> {
        let mut lines = source.split('\n').peekable();
        for _ in 1..place.line {
            lines.next()?;
        }
        let line = lines.next()?.trim_end_matches('\r');
        let mut cursor = Self {
            lines,
            rest: line.chars(),
            line: place.line,
            column: 1,
        };
        // A byte-order mark is no column for the parser.
        if place.line == 1 && line.starts_with('\u{feff}') {
            cursor.rest.next();
        }
        for _ in 1..place.column {
            cursor.step()?;
        }
        Some(cursor)
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn step(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.column = self.column.saturating_add(1);
        Some(next)
    }

    fn place(&self) -> Place {
        Place {
            line: self.line,
            column: self.column,
        }
    }

    /// Whether the quote here is that of the scalar: its text does not begin with it, or it is
    /// written twice or escaped.
    fn is_quoted(&self, text: &str) -> bool {
        let mut ahead = self.rest.clone();
        let quote = ahead.next();
        let escaped = matches!(
            (quote, ahead.next(), ahead.next()),
            (Some('"'), Some('\\'), Some('"')) | (Some('\''), Some('\''), _)
        );
        text.chars().next() != quote || escaped
    }

    /// Skips an anchor, a tag and the mark of a block before the text itself.
    fn skip_properties(&mut self, text: &str) {
        let first = text.chars().find(|c| !c.is_whitespace());
        while let Some(next) = self.peek() {
            if Some(next) == first || !matches!(next, '&' | '!' | '|' | '>' | ' ') {
                return;
            }
            if matches!(next, '|' | '>') {
                self.next_line();
                return;
            }
            while self.peek().is_some_and(|next| !next.is_whitespace()) {
                self.step();
            }
            while self.peek().is_some_and(char::is_whitespace) {
                self.step();
            }
            if self.peek().is_none() && self.next_line().is_none() {
                return;
            }
        }
    }

    fn next_line(&mut self) -> Option<()> {
        self.rest = self.lines.next()?.trim_end_matches('\r').chars();
        self.line = self.line.saturating_add(1);
        self.column = 1;
        Some(())
    }

    /// The place of the next character of the text.
    fn find(&mut self, wanted: char, quote: Option<char>) -> Option<Place> {
        loop {
            let place = self.place();
            match (self.peek(), quote) {
                (Some('\\'), Some('"')) => {
                    if let Some(found) = self.escape()? {
                        return (found == wanted).then_some(place);
                    }
                }
                (Some('\''), Some('\'')) => {
                    self.step();
                    self.step();
                    return (wanted == '\'').then_some(place);
                }
                (Some(next), _) if next == wanted => {
                    self.step();
                    return Some(place);
                }
                // White space of the text may be an end of line here, and indentation here is none
                // of the text.
                _ if wanted.is_whitespace() => return Some(place),
                (Some(next), _) if next.is_whitespace() => {
                    self.step();
                }
                (Some(_), _) => return None,
                (None, _) => self.next_line()?,
            }
        }
    }

    /// Reads an escape; one at the end of a line stands for nothing.
    fn escape(&mut self) -> Option<Option<char>> {
        self.step();
        let Some(kind) = self.step() else {
            self.next_line()?;
            return Some(None);
        };
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let mut number = 0_u32;
        for _ in 0..digits {
            let digit = self.step()?.to_digit(16)?;
            number = number.checked_mul(16)?.checked_add(digit)?;
        }
        Some(Some(match kind {
            'x' | 'u' | 'U' => char::from_u32(number)?,
            'n' => '\n',
            't' | '\t' => '\t',
            'r' => '\r',
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'e' => '\u{1b}',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            other => other,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `needle` of the text of `value` stands in the file, by what the file holds there.
    fn found(file: &str, needle: &str) -> (usize, usize) {
        let root = Node::parse(file).unwrap();
        let node = root.member("value").unwrap();
        let text = node.text().unwrap();
        let places = Places::of(file, node).unwrap_or_else(|| panic!("{file:?}"));
        let before = &text[..text.find(needle).unwrap()];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let place = places.get(Place { line, column }).unwrap();
        (place.line, place.column)
    }

    #[test]
    fn every_way_to_write_a_text_keeps_its_places() {
        for (file, want) in [
            ("value: |\n  {\n    \"a\": 1\n  }\n", (3, 5)),
            ("value: |2\n\n\n    {\n    \"a\": 1\n  }\n", (5, 5)),
            ("value: |\r\n  {\r\n    \"a\": 1\r\n  }\r\n", (3, 5)),
            ("x: 1\nvalue: >-\n  { \"b\": 2,\n  \"a\": 1 }\n", (4, 3)),
            ("value: '{ \"b\": ''x'',\n   \"a\": 1 }'\n", (2, 4)),
            ("value: \"{ \\\"b\\\": 2,\\\n   \\\"a\\\": 1 }\"\n", (2, 4)),
            ("value: \"{\\n \\u00e9 \\\"a\\\": 1 }\"\n", (1, 20)),
            ("{ \"value\": \"{ \\\"a\\\": 1 }\" }\n", (1, 15)),
            ("value: &x '{ \"a\": 1 }'\n", (1, 14)),
            ("value: &x |\n  {\n  \"a\": 1 }\n", (3, 3)),
            ("\u{feff}value: '{ \"a\": 1 }'\n", (1, 11)),
            ("value: !!str '{ \"a\": 1 }'\n", (1, 17)),
        ] {
            assert_eq!(found(file, "\"a\""), want, "{file:?}");
        }
    }
}
