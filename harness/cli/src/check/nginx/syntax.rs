//! nginx's configuration syntax: directives with arguments, and blocks of them, with the place of
//! every word.
//!
//! As `ngx_conf_read_token` reads it: a word in quotes ends at the same quote, a bare one at white
//! space, `;` or `{`; a backslash keeps the next character. What is in the Lua blocks of OpenResty
//! is passed over.

use located_yaml::{Node, Place, Style, Value};

/// Blocks may stand this deep in each other.
const MAX_DEPTH: usize = 64;

/// A word, as nginx takes it.
#[derive(Clone, Debug)]
pub(in crate::check) struct Word {
    /// Its text, without quotes and escapes.
    pub text: String,
    /// Where it begins.
    pub place: Place,
    /// How many bytes it has in the file, without its quotes.
    pub written_bytes: usize,
    /// Where each character of the text stands, and the end.
    pub characters: Vec<Place>,
}

/// A directive.
#[derive(Clone, Debug)]
pub(in crate::check) struct Directive {
    /// Its name.
    pub name: Word,
    /// Its arguments.
    pub arguments: Vec<Word>,
    /// What is in its block; `None` where it ends with `;`.
    pub block: Option<Vec<Directive>>,
}

/// Why a file is not nginx's.
#[derive(Clone, Debug)]
pub(in crate::check) struct Malformed {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

impl Directive {
    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.text == name
    }

    /// The text of an argument.
    pub fn argument(&self, at: usize) -> Option<&str> {
        self.arguments.get(at).map(|word| word.text.as_str())
    }

    /// What is in its block.
    pub fn inside(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// As a node that spans what it spans in the file.
    pub fn node(&self) -> Node {
        let words = std::iter::once(&self.name).chain(&self.arguments);
        let words = words.map(|word| Node {
            place: word.place,
            value: Value::Scalar {
                text: word.text.clone(),
                style: Style::Quoted,
            },
        });
        let inner = self.inside().iter().map(Directive::node);
        Node {
            place: self.name.place,
            value: Value::List(words.chain(inner).collect()),
        }
    }
}

/// Reads a file.
///
/// # Errors
/// What is wrong first, with its place.
pub(in crate::check) fn parse(text: &str) -> Result<Vec<Directive>, Malformed> {
    Reader {
        rest: text.chars(),
        place: Place { line: 1, column: 1 },
    }
    .directives(0)
}

/// What a word ends with.
enum Token {
    Word(Word),
    Semicolon,
    Open(Place),
    Close(Place),
    End,
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    place: Place,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn step(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        match next {
            '\n' => {
                self.place = Place {
                    line: self.place.line.saturating_add(1),
                    column: 1,
                };
            }
            _ => self.place.column = self.place.column.saturating_add(1),
        }
        Some(next)
    }

    fn malformed<T>(&self, place: Place, problem: &str) -> Result<T, Malformed> {
        Err(Malformed {
            place,
            problem: problem.to_owned(),
        })
    }

    /// The directives up to the end of a block, or of the file at depth 0.
    fn directives(&mut self, depth: usize) -> Result<Vec<Directive>, Malformed> {
        let mut found = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        loop {
            match self.token()? {
                Token::Word(word) => words.push(word),
                Token::Semicolon => found.push(self.directive(&mut words, None)?),
                Token::Open(place) => {
                    if depth >= MAX_DEPTH {
                        return self.malformed(place, "blocks stand too deep in each other");
                    }
                    let is_lua = words
                        .first()
                        .is_some_and(|name| name.text.ends_with("_by_lua_block"));
                    let block = match is_lua {
                        true => self.skip_lua(place)?,
                        false => self.directives(depth.saturating_add(1))?,
                    };
                    found.push(self.directive(&mut words, Some(block))?);
                }
                Token::Close(place) if depth == 0 => {
                    return self.malformed(place, "unexpected `}`");
                }
                Token::Close(place) => match words.is_empty() {
                    true => return Ok(found),
                    false => return self.malformed(place, "a `;` is missing before `}`"),
                },
                Token::End if depth > 0 => {
                    return self.malformed(self.place, "a block does not end: `}` is missing");
                }
                Token::End => match words.first() {
                    None => return Ok(found),
                    Some(word) => {
                        let place = word.place;
                        return self.malformed(place, "the directive does not end with `;`");
                    }
                },
            }
        }
    }

    fn directive(
        &self,
        words: &mut Vec<Word>,
        block: Option<Vec<Directive>>,
    ) -> Result<Directive, Malformed> {
        let mut words = std::mem::take(words).into_iter();
        let Some(name) = words.next() else {
            return self.malformed(self.place, "a directive without a name");
        };
        Ok(Directive {
            name,
            arguments: words.collect(),
            block,
        })
    }

    fn token(&mut self) -> Result<Token, Malformed> {
        loop {
            let place = self.place;
            match self.peek() {
                None => return Ok(Token::End),
                Some('#') => while self.step().is_some_and(|next| next != '\n') {},
                Some(next) if next.is_ascii_whitespace() || next == '\u{feff}' => {
                    self.step();
                }
                Some(';') => {
                    self.step();
                    return Ok(Token::Semicolon);
                }
                Some('{') => {
                    self.step();
                    return Ok(Token::Open(place));
                }
                Some('}') => {
                    self.step();
                    return Ok(Token::Close(place));
                }
                Some(quote @ ('"' | '\'')) => return self.quoted(quote).map(Token::Word),
                Some(_) => return self.bare().map(Token::Word),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Word, Malformed> {
        let place = self.place;
        self.step();
        let mut word = Word::at(place);
        loop {
            let Some(next) = self.peek() else {
                return self.malformed(place, "a word in quotes does not end");
            };
            if next == quote {
                word.characters.push(self.place);
                self.step();
                break;
            }
            self.character(&mut word);
        }
        match self.peek() {
            None | Some(';' | '{' | ')') => Ok(word),
            Some(next) if next.is_ascii_whitespace() => Ok(word),
            Some(next) => {
                let problem = format!("unexpected `{next}` behind a word in quotes");
                self.malformed(self.place, &problem)
            }
        }
    }

    fn bare(&mut self) -> Result<Word, Malformed> {
        let mut word = Word::at(self.place);
        let mut variable = false;
        while let Some(next) = self.peek() {
            let ends = next.is_ascii_whitespace() || next == ';' || (next == '{' && !variable);
            if ends {
                break;
            }
            // `${name}` is part of a word.
            variable = next == '$';
            self.character(&mut word);
        }
        word.characters.push(self.place);
        Ok(word)
    }

    /// Takes one character of a word, or an escape.
    fn character(&mut self, word: &mut Word) {
        let place = self.place;
        let Some(next) = self.step() else { return };
        word.written_bytes = word.written_bytes.saturating_add(next.len_utf8());
        if next != '\\' {
            word.push(next, place);
            return;
        }
        let Some(escaped) = self.step() else {
            word.push(next, place);
            return;
        };
        word.written_bytes = word.written_bytes.saturating_add(escaped.len_utf8());
        match escaped {
            '"' | '\'' | '\\' => word.push(escaped, place),
            't' => word.push('\t', place),
            'r' => word.push('\r', place),
            'n' => word.push('\n', place),
            other => {
                word.push('\\', place);
                word.push(other, place);
            }
        }
    }

    /// Passes over Lua up to the brace that ends the block.
    fn skip_lua(&mut self, place: Place) -> Result<Vec<Directive>, Malformed> {
        let mut depth = 1_usize;
        while let Some(next) = self.step() {
            match next {
                '{' => depth = depth.saturating_add(1),
                '}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(Vec::new());
                    }
                }
                '-' if self.peek() == Some('-') => {
                    while self.peek().is_some_and(|next| next != '\n') {
                        self.step();
                    }
                }
                quote @ ('"' | '\'') => {
                    while let Some(next) = self.step() {
                        match next {
                            '\\' => {
                                self.step();
                            }
                            next if next == quote || next == '\n' => break,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        self.malformed(place, "a block of Lua does not end")
    }
}

impl Word {
    fn at(place: Place) -> Self {
        Self {
            text: String::new(),
            place,
            written_bytes: 0,
            characters: Vec::new(),
        }
    }

    fn push(&mut self, character: char, place: Place) {
        self.text.push(character);
        self.characters.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directives in short: `name(argument,argument){…}`.
    fn short(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let arguments: Vec<&str> = directive
                .arguments
                .iter()
                .map(|word| word.text.as_str())
                .collect();
            let block = directive
                .block
                .as_ref()
                .map(|block| format!("{{{}}}", short(block)));
            let block = block.unwrap_or_default();
            format!("{}({}){block}", directive.name.text, arguments.join(","))
        };
        directives.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        for (text, want) in [
            ("a;", "a()"),
            ("a b c;d;", "a(b,c) d()"),
            ("a { b c; } d;", "a(){b(c)} d()"),
            ("a 'b;{}#c' \"d e\";", "a(b;{}#c,d e)"),
            ("a b#c; # d;\n", "a(b#c)"),
            ("a '{ \"k\": \"it\\'s\" }';", "a({ \"k\": \"it's\" })"),
            ("a '\\d\\n\\\\';", "a(\\d\n\\)"),
            ("a ${b}c$d;", "a(${b}c$d)"),
            ("if ($a ~ \"b{2}\") { c; }", "if(($a,~,b{2},)){c()}"),
            (
                "content_by_lua_block { local t = { '}' } -- }\n } a;",
                "content_by_lua_block(){} a()",
            ),
            ("a\n  b\n;", "a(b)"),
            ("", ""),
        ] {
            let read = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(short(&read), want, "{text}");
        }
    }

    #[test]
    fn what_nginx_does_not_read_is_told_with_its_place() {
        for (text, place, problem) in [
            ("a", (1, 1), "does not end with `;`"),
            ("a {\n  b;\n", (3, 1), "`}` is missing"),
            ("a;\n}", (2, 1), "unexpected `}`"),
            ("a { b }", (1, 7), "a `;` is missing"),
            ("a 'b;\n", (1, 3), "a word in quotes does not end"),
            ("a 'b'c;", (1, 6), "unexpected `c`"),
            ("{ a; }", (1, 7), "without a name"),
            (";", (1, 2), "without a name"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.place.line, error.place.column), place, "{text}");
            assert!(error.problem.contains(problem), "{text}: {}", error.problem);
        }
        assert!(parse(&"a {".repeat(100_000)).is_err());
    }

    #[test]
    fn each_character_of_a_word_knows_its_place() {
        let text = "a 'b\n \\'c';";
        let word = &parse(text).unwrap()[0].arguments[0];
        assert_eq!(word.text, "b\n 'c");
        let places: Vec<(usize, usize)> = word
            .characters
            .iter()
            .map(|place| (place.line, place.column))
            .collect();
        assert_eq!(places, [(1, 4), (1, 5), (2, 1), (2, 2), (2, 4), (2, 5)]);
        assert_eq!(word.written_bytes, 6);
    }
}
