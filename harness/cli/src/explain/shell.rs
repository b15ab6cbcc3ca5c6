//! A command line as a POSIX shell takes it apart: quotes, escapes, variables. Whatever else a
//! shell does is refused: it would have to be run.

use std::iter::Peekable;
use std::str::CharIndices;

use anyhow::{Context as _, Result, bail};

/// What a shell would act on.
const ACTED_ON: &[char] = &['`', '|', '&', ';', '<', '>', '(', ')'];

/// Takes a command line apart; `variable` knows the environment.
///
/// # Errors
/// What is not a simple command, with its line.
pub fn words(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let mut reader = Reader {
        text,
        rest: text.char_indices().peekable(),
        variable,
    };
    let mut words = Vec::new();
    while let Some(word) = reader.word()? {
        words.push(word);
    }
    Ok(words)
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn line(&mut self) -> usize {
        let at = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        let before = self.text.get(..at).unwrap_or_default();
        before.matches('\n').count().saturating_add(1)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, character)| *character)
    }

    fn next(&mut self) -> Option<char> {
        self.rest.next().map(|(_, character)| character)
    }

    fn next_in_quotes(&mut self, line: usize) -> Result<char> {
        let next = self.next();
        next.with_context(|| format!("line {line}: a quote is not closed"))
    }

    /// The next word; nothing at the end.
    fn word(&mut self) -> Result<Option<String>> {
        let mut word: Option<String> = None;
        loop {
            let line = self.line();
            let Some(next) = self.next() else {
                return Ok(word);
            };
            match next {
                '\\' => match self.next() {
                    // A line that goes on.
                    Some('\n') => {}
                    Some('\r') if self.peek() == Some('\n') => {
                        self.next();
                    }
                    Some(escaped) => word.get_or_insert_default().push(escaped),
                    None => bail!("line {line}: nothing follows the last `\\`"),
                },
                space if space.is_whitespace() => {
                    if word.is_some() {
                        return Ok(word);
                    }
                }
                '\'' => self.single(line, word.get_or_insert_default())?,
                '"' => self.double(line, word.get_or_insert_default())?,
                '$' if self.peek() == Some('\'') => {
                    self.next();
                    self.ansi(line, word.get_or_insert_default())?;
                }
                '$' => self.expand(line, word.get_or_insert_default())?,
                '#' if word.is_none() => {
                    while self.peek().is_some_and(|next| next != '\n') {
                        self.next();
                    }
                }
                acted if ACTED_ON.contains(&acted) => bail!(
                    "line {line}: `{acted}` would be acted on by a shell: put it in quotes, or write the curl command alone"
                ),
                other => word.get_or_insert_default().push(other),
            }
        }
    }

    fn single(&mut self, line: usize, word: &mut String) -> Result<()> {
        loop {
            match self.next_in_quotes(line)? {
                '\'' => return Ok(()),
                other => word.push(other),
            }
        }
    }

    fn double(&mut self, line: usize, word: &mut String) -> Result<()> {
        loop {
            match self.next_in_quotes(line)? {
                '"' => return Ok(()),
                '\\' => match self.next_in_quotes(line)? {
                    '\n' => {}
                    escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                    other => word.extend(['\\', other]),
                },
                '$' => self.expand(line, word)?,
                '`' => bail!("line {line}: commands in backquotes are not run"),
                other => word.push(other),
            }
        }
    }

    /// `$'…'`, as browsers copy requests with control characters.
    fn ansi(&mut self, line: usize, word: &mut String) -> Result<()> {
        loop {
            match self.next_in_quotes(line)? {
                '\'' => return Ok(()),
                '\\' => match self.next_in_quotes(line)? {
                    'n' => word.push('\n'),
                    'r' => word.push('\r'),
                    't' => word.push('\t'),
                    escaped @ ('\\' | '\'' | '"' | '?') => word.push(escaped),
                    'u' => {
                        let digits: String = (0..4).filter_map(|_| self.next()).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        let character = code.and_then(char::from_u32);
                        word.push(character.with_context(|| {
                            format!("line {line}: `\\u{digits}` is no character")
                        })?);
                    }
                    other => bail!("line {line}: the escape `\\{other}` is not known here"),
                },
                other => word.push(other),
            }
        }
    }

    /// `$NAME` or `${NAME}`.
    fn expand(&mut self, line: usize, word: &mut String) -> Result<()> {
        let braces = self.peek() == Some('{');
        if braces {
            self.next();
        }
        let mut name = String::new();
        while let Some(next) = self
            .peek()
            .filter(|next| next.is_ascii_alphanumeric() || *next == '_')
        {
            name.push(next);
            self.next();
        }
        if braces && self.next() != Some('}') {
            bail!("line {line}: only `${{NAME}}` is understood of what begins with `${{`");
        }
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            bail!("line {line}: `$` stands before no name of a variable: put it in single quotes");
        }
        let value = (self.variable)(&name);
        word.push_str(
            &value.with_context(|| {
                format!("line {line}: the environment variable {name} is not set")
            })?,
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>> {
        words(text, &|name| (name == "TOKEN").then(|| "t k".to_owned()))
    }

    #[test]
    fn command_lines_are_taken_apart_as_a_shell_does() {
        for (text, expected) in [
            ("curl  a\tb\n", &["curl", "a", "b"][..]),
            (
                "curl \\\n  -H 'a: \"b\"' \\\r\n x",
                &["curl", "-H", "a: \"b\"", "x"],
            ),
            (r#"a"b $TOKEN \"c\" \n"d"#, &[r#"ab t k "c" \nd"#]),
            ("$TOKEN ${TOKEN}x ''", &["t k", "t kx", ""]),
            ("$'a\\n\\'\\u00e9' # b", &["a\n'é"]),
            (r"a\ b", &["a b"]),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_would_have_to_be_run_is_refused_with_its_line() {
        for (text, said) in [
            ("curl x |\njq .", "line 1: `|`"),
            ("curl \\\n $(cat t)", "line 2: `$` stands before no name"),
            ("curl \"`cat t`\"", "backquotes"),
            ("curl 'x", "line 1: a quote is not closed"),
            ("curl $UNSET", "UNSET is not set"),
            ("curl ${A:-b}", "only `${NAME}`"),
            ("curl \\", "nothing follows"),
            ("$'\\q'", "`\\q` is not known"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
