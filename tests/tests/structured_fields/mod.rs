//! A strict reader of structured-field lists (RFC 9651, section 4.2), written for these tests
//! alone: it shares no code with the writer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::structured_field::Bare;

/// A member of a list.
#[derive(Debug, PartialEq)]
pub struct Parsed {
    value: Value,
    parameters: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Integer(i64),
    Decimal(String),
    String(String),
    Bytes(Vec<u8>),
    Token(String),
    Boolean(bool),
    Date(i64),
    Display(String),
    Inner(Vec<Parsed>),
}

impl Value {
    fn of(bare: Bare<'_>) -> Self {
        match bare {
            Bare::Integer(number) => Self::Integer(number),
            Bare::String(text) => Self::String(text.to_owned()),
            Bare::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }
}

impl Clone for Parsed {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            parameters: self.parameters.clone(),
        }
    }
}

impl Parsed {
    /// What reading a member written from these must give: of a repeated parameter the last value,
    /// in the first place.
    pub fn new<'a>(value: Bare<'a>, parameters: impl Iterator<Item = (String, Bare<'a>)>) -> Self {
        let mut kept = Vec::new();
        parameters.for_each(|(name, value)| put(&mut kept, name, Value::of(value)));
        Self {
            value: Value::of(value),
            parameters: kept,
        }
    }

    /// The member as text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// An integer parameter.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, value)| match value {
                Value::Integer(number) => Some(*number),
                _ => None,
            })
    }
}

fn put(parameters: &mut Vec<(String, Value)>, name: String, value: Value) {
    match parameters.iter_mut().find(|(known, _)| *known == name) {
        Some((_, held)) => *held = value,
        None => parameters.push((name, value)),
    }
}

/// Reads a whole field value as a list.
pub fn parse_list(text: &str) -> Option<Vec<Parsed>> {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
    };
    let mut members = Vec::new();
    reader.skip(b" ");
    while !reader.done() {
        members.push(reader.member()?);
        reader.skip(b" \t");
        if reader.done() {
            return Some(members);
        }
        reader.expect(b',')?;
        reader.skip(b" \t");
        if reader.done() {
            return None;
        }
    }
    Some(members)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn done(&self) -> bool {
        self.at == self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        self.at += 1;
        self.text.get(self.at - 1).copied()
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn skip(&mut self, unwanted: &[u8]) {
        while self.peek().is_some_and(|byte| unwanted.contains(&byte)) {
            self.at += 1;
        }
    }

    fn run(&mut self, allowed: impl Fn(u8) -> bool) -> String {
        let mut text = String::new();
        while let Some(byte) = self.peek().filter(|byte| allowed(*byte)) {
            text.push(char::from(byte));
            self.at += 1;
        }
        text
    }

    fn member(&mut self) -> Option<Parsed> {
        let value = if self.peek()? == b'(' {
            self.inner()?
        } else {
            self.bare()?
        };
        Some(Parsed {
            value,
            parameters: self.parameters()?,
        })
    }

    fn inner(&mut self) -> Option<Value> {
        self.expect(b'(')?;
        let mut members = Vec::new();
        loop {
            self.skip(b" ");
            if self.peek()? == b')' {
                self.at += 1;
                return Some(Value::Inner(members));
            }
            let value = self.bare()?;
            members.push(Parsed {
                value,
                parameters: self.parameters()?,
            });
            if !matches!(self.peek()?, b' ' | b')') {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<Vec<(String, Value)>> {
        let mut parameters = Vec::new();
        while self.peek() == Some(b';') {
            self.at += 1;
            self.skip(b" ");
            if !matches!(self.peek()?, b'a'..=b'z' | b'*') {
                return None;
            }
            let name = self
                .run(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'));
            let value = if self.peek() == Some(b'=') {
                self.at += 1;
                self.bare()?
            } else {
                Value::Boolean(true)
            };
            put(&mut parameters, name, value);
        }
        Some(parameters)
    }

    fn bare(&mut self) -> Option<Value> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b':' => {
                self.at += 1;
                let text = self.run(|byte| byte != b':');
                self.expect(b':')?;
                STANDARD.decode(text).ok().map(Value::Bytes)
            }
            b'?' => {
                self.at += 1;
                match self.next()? {
                    b'0' => Some(Value::Boolean(false)),
                    b'1' => Some(Value::Boolean(true)),
                    _ => None,
                }
            }
            b'@' => {
                self.at += 1;
                match self.number()? {
                    Value::Integer(seconds) => Some(Value::Date(seconds)),
                    _ => None,
                }
            }
            b'%' => {
                self.at += 1;
                self.string().and_then(|value| match value {
                    Value::String(text) => Some(Value::Display(text)),
                    _ => None,
                })
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => {
                Some(Value::Token(self.run(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                })))
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let sign = if self.peek() == Some(b'-') {
            self.next().map(|_| "-")?
        } else {
            ""
        };
        let whole = self.run(|byte| byte.is_ascii_digit());
        if whole.is_empty() {
            return None;
        }
        if self.peek() != Some(b'.') {
            return (whole.len() <= 15)
                .then(|| format!("{sign}{whole}").parse().ok().map(Value::Integer))?;
        }
        self.at += 1;
        let fraction = self.run(|byte| byte.is_ascii_digit());
        (whole.len() <= 12 && (1..=3).contains(&fraction.len()))
            .then(|| Value::Decimal(format!("{sign}{whole}.{fraction}")))
    }

    fn string(&mut self) -> Option<Value> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            match self.next()? {
                b'"' => return Some(Value::String(text)),
                b'\\' => match self.next()? {
                    escaped @ (b'"' | b'\\') => text.push(char::from(escaped)),
                    _ => return None,
                },
                plain @ b' '..=b'~' => text.push(char::from(plain)),
                _ => return None,
            }
        }
    }
}
