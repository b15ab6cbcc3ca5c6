//! Bodies in `application/x-www-form-urlencoded`, as token endpoints want them (RFC 6749 appendix
//! B), and parts of URLs.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// A form that is being written; wiped when dropped.
#[derive(Default)]
pub struct Form(Zeroizing<String>);

impl Form {
    /// Adds a parameter.
    pub fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        encode(&mut self.0, name);
        self.0.push('=');
        encode(&mut self.0, value);
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A text in which nothing but letters, digits and `-._~` stands for itself: right in a form, and
/// in a path or a query (RFC 3986 section 2.3).
pub fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // A `String` takes whatever is written.
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// [`encode`] into a text of its own.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use modelgate_kit::query::parameters;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(pairs in proptest::collection::vec(("\\PC{1,20}", "\\PC{0,20}"), 0..6)) {
            let mut form = Form::default();
            for (name, value) in &pairs {
                form.add(name, value);
            }
            let target = format!("/?{}", form.text());
            let back: Vec<(String, String)> = parameters(target.as_bytes())
                .map(|(name, value)| (String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap()))
                .collect();
            prop_assert_eq!(back, pairs);
            prop_assert!(form.text().bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
