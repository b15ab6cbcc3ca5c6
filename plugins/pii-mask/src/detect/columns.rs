//! Comma-separated values: what the column of a cell is called, by the line above.
//!
//! A line of names (`name,ssn,phone`) of which one says that a number below it is a telephone, a
//! card, a social security number, an account or a secret, or an id, makes the lines behind it
//! rows, as long as each has as many cells. Between cells stand commas, semicolons, tabs or bars;
//! cells may be quoted (RFC 4180) and have spaces around them, as in tables of Markdown. The text
//! is read once, in whatever pieces it comes.

use super::class;
use super::ids;
use super::named;
use super::names::{self, Words};
use core::ops::Range;

/// Longest name of a column, longest line of names, and longest cell, in bytes.
const LONGEST_NAME: usize = 40;
const LONGEST_LINE: usize = 1024;
/// What divides cells; the first that a line of names holds counts.
const SEPARATORS: [u8; 4] = *b"\t;|,";

/// Whether a line that others follow may be one of names of which one says something: cells below
/// it need not begin with a digit.
pub fn may_have_names(text: &str) -> bool {
    let mut from = 0_usize;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    ends.into_iter().any(|end| {
        let line = text.get(from..end).unwrap_or_default();
        from = end.saturating_add(1);
        line.len() <= LONGEST_LINE
            && !has_no_names(line.as_bytes())
            && is_divided(line.as_bytes())
            && are_names(line.as_bytes())
            && line
                .split(|one| SEPARATORS.map(char::from).contains(&one))
                .any(|name| name.len() > 1 && read_name(name, true) != Column::Plain)
    })
}

/// Whether a line has a sign that no name has, and prose, logs and code have.
fn has_no_names(line: &[u8]) -> bool {
    memchr::memchr3(b'.', b':', b'=', line).is_some()
}

/// Whether the first cell of a line is short enough for a name. Most lines of prose are told apart
/// by it.
fn is_divided(line: &[u8]) -> bool {
    let [a, b, c, d] = SEPARATORS;
    match line.get(..=LONGEST_NAME) {
        None => true,
        Some(front) => {
            memchr::memchr3(a, b, c, front).is_some() || memchr::memchr(d, front).is_some()
        }
    }
}

/// Whether all cells of a line are short enough for names, and may be some by their bytes.
fn are_names(line: &[u8]) -> bool {
    let mut cell = 0_usize;
    line.iter().all(|byte| {
        cell = match class::divides(*byte) {
            true => 0,
            false => cell.saturating_add(1),
        };
        cell == 0 || (cell <= LONGEST_NAME && class::in_column(*byte))
    })
}

/// The same but for bars, which stand at both ends of a line as well.
const SIGNS: [char; 3] = ['\t', ';', ','];

/// What a column says of its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Nothing.
    Plain,
    /// What they are, by this name.
    Named(String),
    /// They are ids of something.
    Id,
}

/// Reads the lines of one text.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The line, while it may be one of names.
    line: String,
    /// Bytes since the last separator; of a row without the spaces behind it.
    cell: usize,
    shape: Shape,
    state: State,
    /// What divides the cells of the rows; none if they have one column.
    separator: Option<u8>,
    columns: Vec<Column>,
    /// Which names say something, if not those of numbers.
    names: Option<fn(&str) -> bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// In a line that may be one of names.
    #[default]
    Names,
    /// In a line that is neither.
    Other,
    /// In this cell of a row.
    Row(usize, Quotes),
}

/// What the cell of a row has been as yet, without the spaces in front of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Shape {
    /// Nothing but what may stand in a secret.
    #[default]
    Word,
    /// The same with spaces behind them.
    Padded,
    Other,
}

/// Where a cell stands with its quotation marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Within,
    Behind,
}

impl Columns {
    /// Of a table of which columns with such names are looked for, and no others.
    #[must_use]
    pub fn named(names: fn(&str) -> bool) -> Self {
        Self {
            names: Some(names),
            ..Self::default()
        }
    }

    /// Reads on; gives each cell, or as much of it as the text has, whose column says something, by
    /// offsets into the text; and how many bytes of its value stood before that.
    pub fn read(&mut self, text: &str, mut each: impl FnMut(Range<usize>, &Column, usize)) {
        let bytes = text.as_bytes();
        let mut at = 0_usize;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            at = at.saturating_add(match self.state {
                State::Other => {
                    let end = memchr::memchr(b'\n', rest);
                    if end.is_some() {
                        self.begin_names();
                    }
                    end.map_or(rest.len(), |end| end.saturating_add(1))
                }
                State::Names => self.names(text.get(at..).unwrap_or_default()),
                State::Row(index, quotes) => {
                    let before = self.cell;
                    let (length, taken) = self.row(rest, index, quotes);
                    if let Some(column) = self.columns.get(index).filter(|_| length > 0) {
                        each(at..at.saturating_add(length), column, before);
                    }
                    taken
                }
            });
        }
    }

    /// Whether what has been read ends within a cell that may be a secret as a whole.
    pub fn is_in_secret(&self) -> bool {
        let State::Row(index, _) = self.state else {
            return false;
        };
        let named =
            |column: &Column| matches!(column, Column::Named(name) if named::is_secrets(name));
        (1..=named::LONGEST).contains(&self.cell)
            && self.shape != Shape::Other
            && self.columns.get(index).is_some_and(named)
    }

    fn begin_names(&mut self) {
        self.state = State::Names;
        self.line.clear();
        self.cell = 0;
    }

    /// Reads a line that may be one of names; how much of it.
    fn names(&mut self, text: &str) -> usize {
        // Most lines are told apart at a glance.
        if self.line.is_empty()
            && self.cell == 0
            && let Some(end) = memchr::memchr(b'\n', text.as_bytes())
            && has_no_names(text.as_bytes().get(..end).unwrap_or_default())
        {
            return end.saturating_add(1);
        }
        for (at, byte) in text.bytes().enumerate() {
            let first = self.cell == 0 && matches!(byte, b'0'..=b'9' | b'-' | b'(' | b')' | b'/');
            let of_name = class::in_column(byte);
            if byte == b'\n' {
                self.line.push_str(text.get(..at).unwrap_or_default());
                self.take_names();
                return at.saturating_add(1);
            } else if class::divides(byte) {
                self.cell = 0;
            } else if first || !of_name || self.cell >= LONGEST_NAME {
                self.state = State::Other;
                return at;
            } else {
                self.cell = self.cell.saturating_add(1);
            }
        }
        self.line.push_str(text);
        if self.line.len() > LONGEST_LINE {
            self.state = State::Other;
        }
        text.len()
    }

    /// The line has ended: takes it for the names of columns, if they say something.
    fn take_names(&mut self) {
        let line = core::mem::take(&mut self.line);
        let line = line.trim_end_matches('\r');
        self.begin_names();
        if line.is_empty() || line.len() > LONGEST_LINE {
            return;
        }
        let has = |separator: &u8| line.as_bytes().contains(separator);
        self.separator = SEPARATORS.into_iter().find(has);
        let cells = line.split(|one| self.separator.map(char::from) == Some(one));
        let names = self.names;
        let secrets = may_call_secrets(line, self.separator);
        let read = |cell| match names {
            Some(names) => read_by(names, cell),
            None => read_name(cell, secrets),
        };
        self.columns = cells.map(read).collect();
        let named = |column: &Column| matches!(column, Column::Named(_));
        // Code and prose have commas as well.
        let is_table = names.is_none()
            || (self.columns.len() > 1
                && (self.separator == Some(b'|') || !line.split(SIGNS).any(str::is_empty)));
        let some = is_table && self.columns.iter().any(named)
            || (self.separator.is_some() && self.columns.contains(&Column::Id));
        if some {
            self.state = State::Row(0, Quotes::None);
        }
    }

    /// Reads a cell of a row: how much of the text it is, and how much has been read.
    fn row(&mut self, rest: &[u8], index: usize, mut quotes: Quotes) -> (usize, usize) {
        for (at, byte) in rest.iter().enumerate() {
            let next = at.saturating_add(1);
            let within = quotes == Quotes::Within;
            match byte {
                b'"' if self.cell == 0 || quotes != Quotes::None => {
                    quotes = if within {
                        Quotes::Behind
                    } else {
                        Quotes::Within
                    };
                }
                b'\n' if !within => {
                    let complete = index.saturating_add(1) == self.columns.len();
                    self.begin_names();
                    if complete {
                        self.state = State::Row(0, Quotes::None);
                    }
                    return (at, next);
                }
                byte if !within && Some(*byte) == self.separator => {
                    self.cell = 0;
                    self.state = State::Row(index.saturating_add(1), Quotes::None);
                    return (at, next);
                }
                // One column of numbers ends where words begin; what a stream has given by then
                // counts.
                byte if (self.separator.is_none() && byte.is_ascii_alphabetic())
                    || self.cell >= LONGEST_LINE
                    || index >= self.columns.len() =>
                {
                    self.state = State::Other;
                    return (at, next);
                }
                byte if self.cell == 0 && !within && is_padding(*byte) => continue,
                _ => {}
            }
            let (is_new, is_word) = (self.cell == 0, self.shape == Shape::Word);
            self.shape = match byte {
                byte if named::may_be_of_whole(*byte) && (is_new || is_word) => Shape::Word,
                byte if is_padding(*byte) && !is_new && self.shape != Shape::Other => Shape::Padded,
                _ => Shape::Other,
            };
            self.cell = self.cell.saturating_add(1);
        }
        self.state = State::Row(index, quotes);
        (rest.len(), rest.len())
    }
}

/// What may stand around the value of a cell.
const fn is_padding(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// The value of a cell, or its end, of which `before` bytes stand in front as far as the text goes
/// back; without the spaces and quotation marks around it, behind it as far as a stream waits for
/// them.
pub fn value(text: &str, cell: &Range<usize>, before: usize) -> Range<usize> {
    let begins = cell.start.checked_sub(before);
    let start = begins.unwrap_or_default();
    let bytes = text.as_bytes().get(start..cell.end).unwrap_or_default();
    let front = match before {
        0 => bytes.iter().take_while(|byte| is_padding(**byte)).count(),
        _ => 0,
    };
    let rest = bytes.get(front..).unwrap_or_default();
    let back = match rest.len() <= named::LONGEST {
        true => class::ending(rest, rest.len(), is_padding),
        false => 0,
    };
    let value = start.saturating_add(front)..cell.end.saturating_sub(back);
    let within = value.start.saturating_add(1);
    // The text may end before the second one.
    match text.as_bytes().get(value.clone()) {
        Some([b'"', .., b'"']) if begins.is_some() => within..value.end.saturating_sub(1),
        Some([b'"', ..]) if begins.is_some() => within..value.end,
        _ => value,
    }
}

/// Longest name of such a column, in words: a line of prose may have commas as well.
const WORDS: usize = 4;

fn read_by(names: fn(&str) -> bool, cell: &str) -> Column {
    let name = cell.trim().trim_matches(['"', '\'']);
    let few = name.split_whitespace().count() <= WORDS;
    match few && names(name) {
        true => Column::Named(name.to_owned()),
        false => Column::Plain,
    }
}

/// Whether a line of names may be that of a table with secrets: no arguments of a call, one to a
/// line or with its brackets, and no line of code or prose.
fn may_call_secrets(line: &str, separator: Option<u8>) -> bool {
    let Some(separator) = separator else {
        return !line.starts_with(' ') && is_plain_name(line) && has_letter(line);
    };
    let cells = || line.split(char::from(separator));
    // Arguments stand in lines of their own, each with a comma behind it.
    let is_argument = line.starts_with(' ') && cells().next_back() == Some("");
    cells().filter(|cell| has_letter(cell)).count() > 1
        && cells().all(is_plain_name)
        && (separator == b'|' || !is_argument)
}

fn has_letter(cell: &str) -> bool {
    cell.contains(char::is_alphanumeric)
}

/// Whether a cell is a name, a sign for one, or nothing: no call, no lone quotation mark.
fn is_plain_name(cell: &str) -> bool {
    let mut open = 0_usize;
    let mut before = b'(';
    let in_order = cell.bytes().all(|byte| {
        let fits = match byte {
            b'(' => before == b' ',
            b')' => open > 0,
            _ => true,
        };
        match byte {
            b'(' => open = open.saturating_add(1),
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        before = byte;
        fits
    });
    let is_sign = |cell: &str| matches!(cell, "" | "#");
    in_order && open == 0 && (has_letter(cell) || is_sign(cell.trim()))
}

fn read_name(cell: &str, may_be_secrets: bool) -> Column {
    let name = cell.trim().trim_matches(['"', '\'']);
    let words = Words::read(name.as_bytes());
    if names::is_phone(&words)
        || names::is_card(&words)
        || names::is_ssn(&words)
        || words.has(&["iban"])
        || (may_be_secrets && (words.has(&["secret"]) || named::is_secrets(name)))
        || ids::is_named(name)
    {
        Column::Named(name.to_owned())
    } else if names::is_id(&words) {
        Column::Id
    } else {
        Column::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(pieces: &[&str]) -> Vec<(String, String)> {
        let mut columns = Columns::default();
        let mut all: Vec<(String, String)> = Vec::new();
        for piece in pieces {
            columns.read(piece, |range, column, _| {
                let name = match column {
                    Column::Plain => return,
                    Column::Named(name) => name.clone(),
                    Column::Id => "-".to_owned(),
                };
                all.push((name, piece[range].to_owned()));
            });
        }
        all
    }

    fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        wanted
            .iter()
            .map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned()))
            .collect()
    }

    #[test]
    fn a_line_of_names_calls_the_cells_below_it() {
        for (text, wanted) in [
            (
                "Here it is:\n\nname,ssn,phone\nann,1,2\nbob,3,4\n",
                &[("ssn", "1"), ("phone", "2"), ("ssn", "3"), ("phone", "4")][..],
            ),
            ("ssn\tname\r\n1\tann\r\n", &[("ssn", "1")]),
            ("id;price;tax id\n7;8;9", &[("-", "7"), ("tax id", "9")]),
            (
                "\"Name\",\"Phone\"\n\"Lee, \"\"Ann\"\"\nB.\",\"5\"\n",
                &[("Phone", "\"5\"")],
            ),
            (
                "| name | ssn |\n|---|---|\n| ann | 5 |\n",
                &[(" ssn ", "---"), (" ssn ", " 5 ")],
            ),
            ("ssn\n1\n2\nend\n3\n", &[("ssn", "1"), ("ssn", "2")]),
            // Rows of another shape end the table.
            ("a,ssn\n1,2\n\n3,4\n", &[("ssn", "2")]),
            ("a,ssn\n1,2,3\n4,5\n", &[("ssn", "2")]),
            ("my phone, please.\n1,2\n", &[]),
            ("a,b\n1,2\n", &[]),
            ("1,ssn\n1,2\n", &[]),
        ] {
            let wanted: Vec<_> = pairs(wanted)
                .into_iter()
                .map(|(name, cell)| (name.trim().to_owned(), cell))
                .collect();
            assert_eq!(cells(&[text]), wanted, "{text}");
        }
    }

    #[test]
    fn a_table_is_read_in_any_pieces() {
        let text = "x\nname,ssn,phone\nann,1,2\n\"b,\",3,4\nend\n";
        let whole = cells(&[text]);
        assert_eq!(whole.len(), 4);
        for at in 1..text.len() {
            let pieces = cells(&[&text[..at], &text[at..]]);
            let glued = |cells: &[(String, String)]| -> String {
                cells.iter().map(|(_, cell)| cell.as_str()).collect()
            };
            assert_eq!(glued(&pieces), glued(&whole), "{at}");
        }
    }
}
