//! How deep in strings of JSON a place of a text is, where the text is JSON itself: the arguments
//! of a tool call, a document in a string of a document. What is put there must be escaped as
//! often.

/// Deeper strings count as part of the last one that is followed.
const DEEPEST: usize = 16;

/// Follows a text from its beginning, also in pieces.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The text, the text that its open string means, and so on.
    levels: Vec<Level>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Level {
    /// Nothing but white space so far.
    #[default]
    Unseen,
    /// It is no JSON.
    Plain,
    /// Between strings.
    Outside,
    /// In a string.
    Inside(Escape),
}

#[derive(Debug, Clone, Copy)]
enum Escape {
    None,
    Backslash,
    /// `\u` and so many digits less than four, with their value.
    Digits(u8, u32),
}

impl Layers {
    /// Reads on.
    pub fn read(&mut self, text: &str) {
        for character in text.chars() {
            self.step(character);
        }
    }

    /// In how many strings, one in another, the next character stands.
    pub fn depth(&self) -> u8 {
        let inside = self.levels.iter();
        let inside = inside.take_while(|level| matches!(level, Level::Inside(_)));
        u8::try_from(inside.count()).unwrap_or(u8::MAX)
    }

    fn step(&mut self, character: char) {
        if self.levels.is_empty() {
            self.levels.push(Level::Unseen);
        }
        let mut next = Some(character);
        let mut at = 0_usize;
        while let Some(character) = next
            && let Some(level) = self.levels.get_mut(at)
        {
            let was_inside = matches!(level, Level::Inside(_));
            next = level.step(character);
            let is_inside = matches!(level, Level::Inside(_));
            at = at.saturating_add(1);
            if was_inside != is_inside {
                self.levels.truncate(at);
                if is_inside && at < DEEPEST {
                    self.levels.push(Level::Unseen);
                }
            }
        }
    }
}

impl Level {
    /// Takes a character; gives the one of the open string that it completes.
    fn step(&mut self, character: char) -> Option<char> {
        match (*self, character) {
            (Level::Plain, _) => {}
            (Level::Unseen, '{' | '[') => *self = Level::Outside,
            (Level::Unseen, ' ' | '\t' | '\n' | '\r' | '\u{feff}') => {}
            (Level::Unseen, _) => *self = Level::Plain,
            (Level::Outside, '"') => *self = Level::Inside(Escape::None),
            (Level::Outside, _) => {}
            (Level::Inside(escape), character) => return self.inside(escape, character),
        }
        None
    }

    fn inside(&mut self, escape: Escape, character: char) -> Option<char> {
        let (next, meant) = match (escape, character) {
            (Escape::None, '"') => {
                *self = Level::Outside;
                return None;
            }
            (Escape::None, '\\') => (Escape::Backslash, None),
            (Escape::None, plain) => (Escape::None, Some(plain)),
            (Escape::Backslash, 'u') => (Escape::Digits(0, 0), None),
            (Escape::Backslash, escaped) => (Escape::None, Some(short_escape(escaped))),
            (Escape::Digits(count, value), digit) => {
                let value = value << 4 | digit.to_digit(16).unwrap_or_default();
                if count < 3 {
                    (Escape::Digits(count.saturating_add(1), value), None)
                } else {
                    // Half of a pair means no more here than any other letter.
                    let meant = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
                    (Escape::None, Some(meant))
                }
            }
        };
        *self = Level::Inside(next);
        meant
    }
}

/// What a letter behind a backslash means (RFC 8259, section 7).
const fn short_escape(letter: char) -> char {
    match letter {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &str) -> u8 {
        let mut layers = Layers::default();
        layers.read(text);
        layers.depth()
    }

    #[test]
    fn strings_of_json_are_counted_however_deep() {
        for (text, deep) in [
            ("", 0),
            ("He said \"", 0),
            ("{", 0),
            (r#"{""#, 1),
            (r#"{"a":"b"#, 1),
            (r#"{"a":"b""#, 0),
            (r#"{"a":"b\""#, 1),
            (r#"{"a":"b\\""#, 0),
            (r#" [ "{"#, 1),
            (r#"{"a":"{\"b\":\""#, 2),
            (r#"{"a":"{\"b\":\"c\""#, 1),
            (r#"{"a":"\u007b\u0022b\":\""#, 2),
            (r#"{"a":"{\"b\":\"[\\\"x"#, 3),
            (r#"{"a":"{\"b\":\"[\\\"x\\\""#, 2),
            (r#"{"a":"prose \"quoted"#, 1),
        ] {
            assert_eq!(depth(text), deep, "{text}");
        }
    }

    #[test]
    fn the_deepest_string_is_inside_any_deeper_one() {
        let mut text = String::from("x");
        for _ in 0..4 {
            text = serde_json::to_string(&[text]).unwrap();
        }
        let at = text.find('x').unwrap();
        assert_eq!(depth(&text[..at]), 4);
        let mut layers = Layers::default();
        (0..100).for_each(|_| layers.read("[\""));
        assert!(layers.levels.len() <= DEEPEST);
    }
}
