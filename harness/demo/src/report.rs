//! How the tour is told: plain lines, in colour where the terminal has some and `NO_COLOR` does not
//! forbid it.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::sync::Arc;

use textwrap::{Options, termwidth, wrap};

/// Width of the column with the names.
const NAMES: usize = 13;
/// Columns of a line where the terminal does not say: what every terminal and every mail has.
const COLUMNS: usize = 80;

/// What somebody did or got, and whether that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// A filter, the client, the backend …
    pub who: String,
    /// What was seen of it.
    pub said: String,
    /// What should have been seen, where it was not.
    pub instead_of: Option<String>,
}

impl Line {
    /// Something that was seen, and what it should be where it is not `right`.
    pub fn new(
        who: &str,
        said: impl Into<String>,
        right: bool,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            who: who.into(),
            said: said.into(),
            instead_of: (!right).then(|| expected.into()),
        }
    }
}

/// Writes in colour or without, to wherever it is to go.
#[derive(Clone)]
pub struct Report {
    colour: bool,
    /// Columns of a line.
    width: usize,
    print: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Report {
    /// As standard output and the environment want it (<https://no-color.org>).
    pub fn new() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: stdout().is_terminal() && !forbidden,
            width: termwidth().max(COLUMNS),
            print: Arc::new(|text| print!("{text}")),
        }
    }

    /// Without colour, to whoever wants to read along.
    pub fn to(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            colour: false,
            width: COLUMNS,
            print: Arc::new(print),
        }
    }

    /// Writes a text as it is.
    pub fn print(&self, text: &str) {
        (self.print)(text);
    }

    /// Writes a text as a line of its own.
    pub fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Text as lines that fit: the first begins with `first`, the others with as many spaces as
    /// that is wide.
    pub fn wrapped(&self, first: &str, text: &str) -> String {
        let indent = " ".repeat(textwrap::core::display_width(first));
        let options = Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(&indent);
        wrap(text, options).join("\n")
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// Text that stands out.
    pub fn strong(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text that stands back.
    pub fn faint(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Text that is pointed at.
    pub fn highlighted(&self, text: &str) -> String {
        match self.colour {
            true => self.paint("7", text),
            false => format!("»{text}«"),
        }
    }

    /// The mark of success or failure.
    pub fn mark(&self, right: bool) -> String {
        match right {
            true => self.paint("32", "✓"),
            false => self.paint("1;31", "✗"),
        }
    }

    /// The head of a step, with the request that follows.
    pub fn head(&self, number: usize, title: &str, about: &str, requests: &[String]) -> String {
        let mut text = format!("\n{}\n", self.strong(&format!("{number:>2}. {title}")));
        let _ = writeln!(text, "{}", self.wrapped("    ", about));
        for request in requests {
            for (at, line) in request.lines().enumerate() {
                let prompt = if at == 0 { "$ " } else { "" };
                let _ = writeln!(text, "    {}", self.faint(&format!("{prompt}{line}")));
            }
        }
        text
    }

    /// What was seen.
    pub fn lines(&self, lines: &[Line]) -> String {
        let mut text = String::new();
        for line in lines {
            let right = line.instead_of.is_none();
            let first = format!("  {} {:<NAMES$} ", self.mark(right), line.who);
            let said = match &line.instead_of {
                Some(expected) => format!(
                    "{}  {}",
                    line.said,
                    self.paint("31", &format!("(expected: {expected})"))
                ),
                None => line.said.clone(),
            };
            let _ = writeln!(text, "{}", self.wrapped(&first, &said));
        }
        text
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// Text for one line of a terminal: without control characters, and cut where it is long.
pub fn brief(text: &str, limit: usize) -> String {
    let shown = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut brief: String = text.chars().take(limit).map(shown).collect();
    if text.chars().nth(limit).is_some() {
        brief.push('…');
    }
    brief
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_colour_has_no_escape_in_it() {
        let plain = Report::to(|_| ());
        let head = plain.head(3, "Title", "About.", &["curl a \\\n  -H b".into()]);
        assert_eq!(
            head,
            "\n 3. Title\n    About.\n    $ curl a \\\n      -H b\n"
        );
        let lines = [
            Line::new("client", "200", true, "403"),
            Line::new("backend", "not reached", false, "accepted"),
        ];
        let text = plain.lines(&lines);
        assert_eq!(
            text,
            "  ✓ client        200\n  ✗ backend       not reached  (expected: accepted)\n"
        );
        assert!(
            Report {
                colour: true,
                ..plain
            }
            .lines(&lines)
            .contains("\x1b[32m✓\x1b[0m")
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let report = Report::to(|_| ());
        let long = "word ".repeat(40) + &"x".repeat(200);
        let lines = [
            Line::new("client", long.as_str(), true, ""),
            Line::new("backend", "ä", false, long.as_str()),
        ];
        let text = report.lines(&lines) + &report.head(1, "Title", &long, &[]);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
        assert_eq!(text.matches("word").count(), 3 * 40);
        // Colour takes no room.
        let coloured = Report {
            colour: true,
            ..report
        };
        let line = [Line::new("client", "word ".repeat(12).trim(), true, "")];
        assert_eq!(coloured.lines(&line).lines().count(), 1);
    }

    #[test]
    fn long_and_hostile_text_is_made_harmless() {
        assert_eq!(brief("a\x1b[31mb\nc", 20), "a [31mb c");
        assert_eq!(brief("äöü", 2), "äö…");
        assert_eq!(brief("äö", 2), "äö");
    }
}
